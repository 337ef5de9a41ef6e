//! The shim: `coord shim <run-dir>`, one process per run, which outlives the server that started it.
//!
//! It owns the worker's process tree, its input and output, the event log and the clock of the run. In order:
//! lock the run, run the setup command, run the worker, end whatever either left behind, and hand over to
//! [`crate::finish`].
//!
//! What must hold:
//! - At most one worker per run id. The lock on `shim.json` is taken before anything else and held to the
//!   end; a record in it from an earlier shim means that a worker may have run already, and ends this one.
//! - Nothing that the worker does holds the shim up: input it does not read, output without line ends, a
//!   client of the socket that does not listen.
//! - When the shim ends, no process of the run is left.
//!
//! SIGTERM and SIGINT are a stop like one through the socket: down the ladder, then rescue and record.
//! SIGHUP is ignored. Deliberately absent: any second try of anything, but for a worker that was to go on with a
//! session which its runtime turns out not to have: once, it begins a new one.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use jiff::Timestamp;
use rustix::io::Errno;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{mpsc, watch};

use crate::layout::RunDir;
use crate::log::LogWriter;
use crate::log::secrets::Secrets;
use crate::order::{Announcement, Order, ShimRecord};
use crate::{environment, process, token};

mod child;
pub mod contain;
mod desk;
mod follow;
mod guard;
mod hold;
mod ladder;
mod lines;
mod mail;
mod record;
mod report;
mod socket;
mod supervise;
mod watchdog;

use contain::{Containment, Means, Places};
pub use socket::connect;
pub(crate) use socket::connect_to;

/// Why a shim could not do its work. Nobody reads its standard error; the server finds a dead shim.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// A file of the run cannot be used.
    #[error("cannot use `{path}`")]
    File {
        /// Which one.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system does not let it be what it has to be.
    #[error("cannot {what}")]
    System {
        /// What it could not do.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The control socket cannot be made.
    #[error("cannot listen on the control socket in `{path}`")]
    Socket {
        /// The run's directory.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The log cannot be written: the worker was ended, and the server finishes the run.
    #[error(transparent)]
    Log(#[from] crate::log::LogError),
    /// The end could not be recorded.
    #[error(transparent)]
    Finish(#[from] crate::finish::FinishError),
}

/// The whole life of a shim. Returns at once, and quietly, when the run has a shim, had one, or has ended.
///
/// Standard input, output and error are expected to be `/dev/null`; `version` is that of the program.
///
/// # Errors
/// When the run could not be brought to a recorded end.
pub fn run(run_dir: &Utf8Path, version: &str) -> Result<(), ShimError> {
    run_by(run_dir, version, Means::ALL)
}

/// The same, by some of the means alone. Tests see by this that each of them does its part.
///
/// # Errors
/// When the run could not be brought to a recorded end.
pub fn run_by(run_dir: &Utf8Path, version: &str, means: Means) -> Result<(), ShimError> {
    let dir = RunDir::at(run_dir);
    let places = Places::find(run_dir, means);
    let system = |what| move |source| ShimError::System { what, source };
    detach().map_err(|errno| system("become a session of its own")(errno.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(system("start an event loop"))?;
    let Some(_lock) = runtime.block_on(claim(&dir, version, places.paths()))? else { return Ok(()) };

    let file = |path: Utf8PathBuf| move |source| ShimError::File { path, source };
    let order = fs::read(dir.order()).map_err(file(dir.order()))?;
    let mut order: Order =
        serde_json::from_slice(&order).map_err(io::Error::from).map_err(file(dir.order()))?;
    let own = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    order.environment = environment::reduce(&own.collect(), &order.runtime.pass_env);
    let token = token::random().map_err(file("/dev/urandom".into()))?;
    if order.spec.kind.is_agent_work() {
        let program = std::env::current_exe().map_err(system("find its own program"))?;
        let program = Utf8PathBuf::try_from(program)
            .map_err(|error| system("find its own program")(error.into_io_error()))?;
        order.reporter =
            Some(introduce(&dir, &program, &token, &mut order.environment).map_err(file(dir.tools()))?);
    }
    let log = LogWriter::open(&dir.log(), Secrets::of(&order.environment))?;
    let log = log.limited(order.spec.limits.log);
    let contained = Containment::set_up(order.spec.run, means, &places, &order.spec.limits);
    let (announce, announced) = watch::channel(Announcement::of(log.last()));
    let (stop, stops) = mpsc::channel(1);
    let (wanted, wants) = mpsc::channel(1);
    let (report, reports) = mpsc::channel(1);
    let ended = runtime.block_on(async {
        let socket = |source| ShimError::Socket { path: dir.path().to_owned(), source };
        let control = socket::listen(&dir).map_err(socket)?;
        let ear = report::Ear::open(&dir, token).map_err(socket)?;
        let serving = tokio::spawn(control.serve(announced, socket::Ways { stop, wanted }));
        let hearing = tokio::spawn(ear.serve(report));
        let inbox = supervise::Inbox { stops, wants, reports };
        let ended = supervise::supervise(&dir, order, log, contained, announce, inbox).await;
        serving.abort();
        hearing.abort();
        ended
    });
    let mut gone = Ok(());
    for path in [dir.report_socket(), dir.socket()] {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                gone = Err(ShimError::File { path, source });
            }
            _ => {}
        }
    }
    gone.and(ended)
}

/// Tells the worker how to report: what its environment needs for that, and the program of this very version under
/// the name that it is told, before any other of that name. Returns where the program is.
fn introduce(
    dir: &RunDir,
    program: &Utf8Path,
    token: &SecretString,
    environment: &mut BTreeMap<String, String>,
) -> io::Result<Utf8PathBuf> {
    let tools = dir.tools();
    fs::create_dir_all(&tools)?;
    let link = tools.join("coord");
    // An upgrade replaces the file under a running program; Linux then marks the path.
    let program = program.as_str().strip_suffix(" (deleted)").unwrap_or(program.as_str());
    match fs::os::unix::fs::symlink(program, &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let path = environment.get("PATH").map_or(tools.to_string(), |it| format!("{tools}:{it}"));
    environment.insert("PATH".to_owned(), path);
    environment.insert(crate::report::SOCKET.to_owned(), dir.report_socket().to_string());
    environment.insert(crate::report::TOKEN.to_owned(), token.expose_secret().to_owned());
    Ok(link)
}

/// Leaves the session of whoever started it, and adopts what its descendants orphan.
fn detach() -> Result<(), Errno> {
    match rustix::process::setsid() {
        // The leader of a process group cannot, and is apart from others well enough.
        Ok(_) | Err(Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Takes the run for this process; `None` when it is, was or need not be anybody's.
async fn claim(dir: &RunDir, version: &str, groups: Vec<Utf8PathBuf>) -> Result<Option<File>, ShimError> {
    let failed = |source| ShimError::File { path: dir.shim(), source };
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    let lock = options.open(dir.shim()).map_err(failed)?;
    let give_up = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
    loop {
        match lock.file().try_lock() {
            Ok(()) => break,
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
            Err(std::fs::TryLockError::WouldBlock) => {}
        }
        // A lock without a record is somebody who only looks whether a shim lives, or a shim about to start.
        let taken = fs::metadata(dir.shim()).map_err(failed)?.len() > 0;
        if taken || tokio::time::Instant::now() > give_up {
            return Ok(None);
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    if fs::metadata(dir.shim()).map_err(failed)?.len() > 0 || dir.exit().exists() {
        return Ok(None);
    }
    let pid = std::process::id();
    let start_time = process::find(pid).map_or(0, |it| it.start_time);
    let boot_id = process::boot_id().map_err(failed)?;
    let record = ShimRecord { pid, start_time, boot_id, version: version.to_owned(), groups };
    let record = serde_json::to_vec(&record).expect("a record is made of strings and numbers");
    // In place: the lock is on this very file.
    io::Write::write_all(&mut &lock, &record).map_err(failed)?;
    Ok(Some(lock))
}

/// The edge at which a shim asks for the time.
#[expect(
    clippy::disallowed_methods,
    reason = "the shim is the clock of its run: what it writes is stamped here"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
