//! What goes on when a command has ended: the agent server of this machine, and whoever starts queued runs.
//!
//! Both are this program, started in the background by a command that needs them, with their words in a log
//! beside each other. There is one of each for a `COORD_HOME`, whoever starts them and however many do.

use std::fs::TryLockError;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_agent::layout::Home;
use coord_core::name::MachineName;
use coord_engine::queue::Caretaker;
use coord_proto::client::{Client, ClientError};
use futures_util::future::BoxFuture;

use crate::config::{Config, is_loopback};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};

/// How long a new agent server may take until it answers, and one that was told to end until it has.
const START: Duration = Duration::from_secs(10);
/// How long the system may take to clear away one that was killed, which has its port and its lock until then.
const CLEARED: Duration = Duration::from_millis(500);

/// Who starts the runs that a command leaves queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attendance {
    /// A process that is left behind, unless there is one.
    LeftBehind,
    /// This process, which goes on for as long as it takes.
    Here,
}

/// Whether an agent server had to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Reached {
    /// It was there.
    Answered,
    /// It was started.
    Started,
}

/// Leaves the terminal and its session, as what was started in the background does first.
///
/// # Errors
/// When this process leads a group of its own, as one does that a shell has started.
pub fn leave_terminal() -> Result<(), CliError> {
    let left = rustix::process::setsid().map_err(std::io::Error::from);
    left.map(drop)
        .map_err(|error| CliError::new(ErrorKind::Failed, "cannot leave the terminal").because(error))
}

/// Starts processes that outlive the command.
#[derive(Debug)]
pub struct Background {
    config: Config,
    program: Utf8PathBuf,
    home: Home,
    attendance: Attendance,
    /// The agent server that was started here, if one was.
    started: Mutex<Option<Child>>,
}

impl Background {
    /// For the fleet of `config`.
    pub fn new(config: Config, cx: &Context, attendance: Attendance) -> Self {
        let home = Home::new(cx.home.clone());
        Self { config, program: cx.program.clone(), home, attendance, started: Mutex::default() }
    }

    /// Whether this is the machine of that name.
    pub fn is_here(&self, machine: &MachineName) -> bool {
        self.config.here.as_ref() == Some(machine)
    }

    /// Makes sure that the agent server of `machine` answers `client`, starting it if it is this machine's.
    ///
    /// # Errors
    /// When it does not answer and cannot be started from here.
    pub async fn reach(&self, machine: &MachineName, client: &Client) -> Result<Reached, CliError> {
        let error = match client.health().await {
            Ok(health) if health.machine == *machine => return Ok(Reached::Answered),
            Ok(health) => {
                let message = format!(
                    "the agent server at {} serves machine `{}`, not `{machine}`",
                    client.url(),
                    health.machine
                );
                return Err(CliError::new(ErrorKind::Unreachable, message).hint(
                    "give each machine its own `port` in the configuration; `coord config` shows them",
                ));
            }
            Err(error) => error,
        };
        let host = self.config.machine(machine).map(|it| it.machine.host.clone()).unwrap_or_default();
        let ours = self.is_here(machine) && is_loopback(&host);
        if !ours || !error.never_arrived() {
            return Err(coord_engine::error::Error::Agent { machine: machine.clone(), source: error }.into());
        }
        let _one_at_a_time = self.starting().await?;
        if client.health().await.is_ok() {
            return Ok(Reached::Answered);
        }
        self.start_agent(machine, client).await?;
        Ok(Reached::Started)
    }

    /// Ends the agent server that a command started, if it did, and waits until it has gone.
    ///
    /// # Errors
    /// When it cannot be told, or does not go.
    pub async fn stop_agent(&self) -> Result<(), CliError> {
        let Some(mut child) = self.started.lock().ok().and_then(|mut it| it.take()) else { return Ok(()) };
        let failed = |error: std::io::Error| {
            CliError::new(ErrorKind::Failed, "cannot stop the agent server").because(error)
        };
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            told.map_err(|error| failed(error.into()))?;
        }
        let gone = tokio::task::spawn_blocking(move || child.wait());
        match tokio::time::timeout(START, gone).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(error))) => Err(failed(error)),
            Ok(Err(error)) => Err(failed(error.into())),
            Err(_) => Err(failed(std::io::ErrorKind::TimedOut.into())),
        }
    }

    /// Held by whoever starts the agent server: two commands that find none at the same moment start one.
    async fn starting(&self) -> Result<fs_err::File, CliError> {
        let path = self.home.agent().join("start.lock");
        let taken = tokio::task::spawn_blocking(move || {
            let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
            file.file().lock()?;
            Ok::<_, std::io::Error>(file)
        });
        let taken = taken.await.map_err(std::io::Error::from).flatten();
        taken
            .map_err(|error| CliError::new(ErrorKind::Failed, "cannot start the agent server").because(error))
    }

    async fn start_agent(&self, machine: &MachineName, client: &Client) -> Result<(), CliError> {
        let log = self.log("agent");
        let failed = |what: &str| CliError::new(ErrorKind::Unreachable, format!("{what}; its log is {log}"));
        let spawn = || {
            let spawned = self.spawn("agent", &["--machine", machine.as_str()]);
            spawned.map_err(|error| failed("cannot start the agent server").because(error))
        };
        let mut child = spawn()?;
        let mut once_more = true;
        let deadline = tokio::time::Instant::now() + START;
        loop {
            match client.health().await {
                Ok(_) => {
                    if let Ok(mut started) = self.started.lock() {
                        *started = Some(child);
                    }
                    return Ok(());
                }
                Err(ClientError::Unreachable { .. }) if tokio::time::Instant::now() < deadline => {}
                Err(error) => {
                    return Err(failed("the agent server does not answer").because(error));
                }
            }
            if let Ok(Some(status)) = child.try_wait() {
                // Somebody may have started one by hand at the same moment; then that one answers.
                if client.health().await.is_ok() {
                    return Ok(());
                }
                if std::mem::take(&mut once_more) {
                    tokio::time::sleep(CLEARED).await;
                    child = spawn()?;
                    continue;
                }
                return Err(failed(&format!("the agent server ended at once ({status})"))
                    .hint(format!("`coord agent --machine {machine}` shows why")));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts a command of this program in the background, with a log of its own.
    fn spawn(&self, command: &str, arguments: &[&str]) -> std::io::Result<Child> {
        self.make_place()?;
        let log = fs_err::OpenOptions::new().create(true).append(true).open(self.log(command))?;
        Command::new(&self.program)
            .args([command, "--background"])
            .args(arguments)
            .arg("--config")
            .arg(&self.config.path)
            .env("COORD_HOME", self.home.root())
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone()?.into_file()))
            .stderr(Stdio::from(log.into_file()))
            .spawn()
    }

    fn log(&self, command: &str) -> Utf8PathBuf {
        self.home.agent().join(format!("{command}.log"))
    }

    /// Makes the directory that logs and locks lie in. Nobody else has any business there: prompts lie there too.
    pub fn make_place(&self) -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.home.agent())
    }

    /// The right to start queued runs in the background, which ends with the file; `None` while another process
    /// has it.
    ///
    /// # Errors
    /// When the lock cannot be had for another reason.
    pub fn only_attendant(&self) -> std::io::Result<Option<fs_err::File>> {
        self.make_place()?;
        let path = self.home.agent().join("queue.lock");
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
        match file.file().try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn leave_an_attendant(&self) -> std::io::Result<()> {
        // Of two who find nobody and start somebody, one is left.
        if let Some(nobody) = self.only_attendant()? {
            drop(nobody);
            self.spawn("queue", &[])?;
        }
        Ok(())
    }
}

impl Caretaker for Background {
    fn wake<'a>(&'a self, machine: &'a MachineName, client: &'a Client) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            match self.reach(machine, client).await {
                Ok(Reached::Answered | Reached::Started) => Ok(()),
                Err(error) => Err(error.chain()),
            }
        })
    }

    fn take_over(&self) {
        if self.attendance == Attendance::LeftBehind
            && let Err(error) = self.leave_an_attendant()
        {
            tracing::error!(%error, "nobody is left to start queued runs; the next command does it");
        }
    }
}
