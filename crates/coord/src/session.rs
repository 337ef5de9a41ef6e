//! An engine for a command, and an agent server for it to speak to.
//!
//! A single machine needs nothing but the binary: a command that needs the agent server of this machine starts
//! it in the background, and says so.

use std::os::unix::fs::DirBuilderExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_agent::layout::Home;
use coord_core::name::MachineName;
use coord_core::run::Run;
use coord_engine::Engine;
use coord_proto::client::ClientError;

use crate::config::{Config, is_loopback};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::ui::Ui;

/// How long a new agent server may take until it answers, and one that was told to end until it has.
const START: Duration = Duration::from_secs(10);

/// An engine, with the configuration it came from.
pub struct Session {
    /// Everything that can be asked for.
    pub engine: Engine,
    config: Config,
    program: Utf8PathBuf,
    home: Utf8PathBuf,
    /// The agent server that was started here, if one was.
    started: Mutex<Option<Child>>,
}

impl Session {
    /// Opens the board that the configuration in force describes.
    ///
    /// # Errors
    /// When there is no configuration, or the board cannot be opened.
    pub async fn open(cx: &Context) -> Result<Self, CliError> {
        let config = cx.config()?;
        let home = Home::new(cx.home.clone());
        if config.here.is_some() {
            // The local agent server may never have run; its token is made by whoever comes first.
            let hint = "`coord doctor` looks at COORD_HOME and what is in it";
            // Nobody else has any business in it: prompts and logs lie there.
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(home.agent()).map_err(|error| {
                CliError::new(ErrorKind::ConfigInvalid, format!("COORD_HOME cannot be {}", cx.home))
                    .because(error)
                    .hint("set COORD_HOME to a directory that you may write to")
                    .hint(hint)
            })?;
            coord_agent::token::load_or_make(&home.token()).map_err(|error| {
                CliError::new(ErrorKind::Unauthorised, "cannot use the agent server's token")
                    .because(error)
                    .hint(hint)
            })?;
        }
        let engine = Engine::open(config.settings(cx), &cx.environment).await?;
        Ok(Self {
            engine,
            config,
            program: cx.program.clone(),
            home: cx.home.clone(),
            started: Mutex::default(),
        })
    }

    /// Makes sure that the agent server of `machine` answers, starting it if it is this machine's.
    ///
    /// # Errors
    /// When it does not answer and cannot be started from here.
    pub async fn reach(&self, machine: &MachineName, ui: &Ui) -> Result<(), CliError> {
        let client = self.engine.client(machine)?;
        let error = match client.health().await {
            Ok(health) if health.machine == *machine => return Ok(()),
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
        let ours = self.config.here.as_ref() == Some(machine) && is_loopback(&host);
        if !ours || !error.never_arrived() {
            return Err(coord_engine::error::Error::Agent { machine: machine.clone(), source: error }.into());
        }
        let _one_at_a_time = self.starting().await?;
        if client.health().await.is_ok() {
            return Ok(());
        }
        self.start_agent(machine).await?;
        ui.talk(&format!("started the agent server of this machine ({machine}) in the background"));
        Ok(())
    }

    /// Makes sure that the agent server which knows `run` answers, where it is this machine's: after a reboot
    /// its runs are looked after again as soon as somebody asks for one. Others are asked as they are.
    ///
    /// # Errors
    /// When it is this machine's and cannot be started.
    pub async fn wake(&self, run: &Run, ui: &Ui) -> Result<(), CliError> {
        if self.config.here.as_ref() == Some(&run.machine) {
            self.reach(&run.machine, ui).await
        } else {
            Ok(())
        }
    }

    /// Ends the agent server that [`Session::reach`] started, if it did, and waits until it has gone.
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
        let path = Home::new(self.home.clone()).agent().join("start.lock");
        let taken = tokio::task::spawn_blocking(move || {
            let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
            file.file().lock()?;
            Ok::<_, std::io::Error>(file)
        });
        let taken = taken.await.map_err(std::io::Error::from).flatten();
        taken
            .map_err(|error| CliError::new(ErrorKind::Failed, "cannot start the agent server").because(error))
    }

    async fn start_agent(&self, machine: &MachineName) -> Result<(), CliError> {
        let log = Home::new(self.home.clone()).agent().join("agent.log");
        let failed = |what: &str| CliError::new(ErrorKind::Unreachable, format!("{what}; its log is {log}"));
        let open = || {
            fs_err::create_dir_all(log.parent().unwrap_or(&log))?;
            fs_err::OpenOptions::new().create(true).append(true).open(&log)
        };
        let out = open().map_err(|error| failed("cannot open the agent server's log").because(error))?;
        let err =
            out.try_clone().map_err(|error| failed("cannot open the agent server's log").because(error))?;
        let mut child = Command::new(&self.program)
            .args(["agent", "--background", "--machine", machine.as_str(), "--config"])
            .arg(&self.config.path)
            .env("COORD_HOME", &self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::from(out.into_file()))
            .stderr(Stdio::from(err.into_file()))
            .spawn()
            .map_err(|error| failed("cannot start the agent server").because(error))?;
        let client = self.engine.client(machine)?;
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
                return Err(failed(&format!("the agent server ended at once ({status})"))
                    .hint(format!("`coord agent --machine {machine}` shows why")));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
