//! Running an agent server: one per `COORD_HOME`, until it is told to stop.
//!
//! Stopping it stops no run: shims and workers go on, and the next server finds them again.

use std::collections::BTreeMap;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::config::AgentConfig;
use crate::layout::Home;
use crate::router;
use crate::shim::contain;
use crate::supervisor::Supervisor;
use crate::token::{self, TokenError};

/// Reads the configuration anew, or says in a sentence why it cannot be used.
pub type Load = Arc<dyn Fn() -> Result<AgentConfig, String> + Send + Sync>;

/// What an agent server is told at its start.
#[derive(Clone)]
pub struct Options {
    /// Where its state lies.
    pub home: Home,
    /// Asked at each start of a run, so that an edited configuration is in force.
    pub load: Load,
    /// The version of the program.
    pub version: &'static str,
    /// The program that is run as `<program> shim <run directory>` for each run.
    pub shim_program: Utf8PathBuf,
    /// The environment of the process, read once at the edge.
    pub environment: BTreeMap<String, String>,
    /// How often it clears up, if nothing runs then.
    pub clear_every: Duration,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// Why an agent server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its directory cannot be used.
    #[error("cannot use the agent server's directory `{path}`")]
    Directory {
        /// Which.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another one serves this directory.
    #[error("an agent server is running on `{home}` already{}", described(.by.as_ref()))]
    Running {
        /// `COORD_HOME`.
        home: Utf8PathBuf,
        /// What that one says of itself; `None` while it is still starting.
        by: Option<ServerRecord>,
    },
    /// There is no token to ask for.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There is no configuration to begin with.
    #[error("the configuration cannot be used: {0}")]
    Config(String),
    /// It cannot serve its address.
    #[error("cannot serve")]
    Serve(#[source] io::Error),
}

fn described(by: Option<&ServerRecord>) -> String {
    by.map_or(String::new(), |it| format!(": process {} at {}", it.pid, it.address))
}

/// Who is listening: `agent/server.json`, for people and `doctor`. The server holds a lock on the file for as
/// long as it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRecord {
    /// Its process id.
    pub pid: u32,
    /// Where it listens.
    pub address: String,
    /// The machine it serves as.
    pub machine: String,
    /// The version of the program.
    pub version: String,
}

/// Serves `listener` until `shutdown`. Returns once nothing of it is running; runs go on.
///
/// # Errors
/// See [`ServerError`].
pub async fn run(
    mut options: Options,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerError> {
    let address = listener.local_addr().map_err(ServerError::Serve)?.to_string();
    options.environment.insert(contain::PARENT.to_owned(), std::process::id().to_string());
    let burying = tokio::spawn(contain::bury_adopted());
    let opening = tokio::task::spawn_blocking(move || open(options, &address));
    let (supervisor, token, held) = opening.await.map_err(|error| ServerError::Serve(error.into()))??;
    supervisor
        .adopt()
        .await
        .map_err(|source| ServerError::Directory { path: supervisor.runs_dir(), source })?;
    supervisor.clear_up_when_idle();
    let stopping = supervisor.shutdown();
    let listener = listener.tap_io(|connection| {
        // An event that waits for company arrives late.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!("cannot set a connection to send at once: {error}");
        }
    });
    let app = router::routes(Arc::clone(&supervisor), token);
    let served = axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            shutdown.await;
            stopping.cancel();
        })
        .await;
    supervisor.rest().await;
    burying.abort();
    drop(held);
    served.map_err(ServerError::Serve)
}

/// Everything that touches the disk before the first request.
fn open(options: Options, address: &str) -> Result<(Arc<Supervisor>, SecretString, fs::File), ServerError> {
    let home = options.home.clone();
    let directory = |path: Utf8PathBuf| move |source| ServerError::Directory { path, source };
    for path in [home.agent(), home.runs(), home.worktrees()] {
        private_dir(&path).map_err(directory(path))?;
    }
    let mut held = claim(&home)?;
    let token = token::load_or_make(&home.token())?;
    let config = (options.load)().map_err(ServerError::Config)?;
    let record = ServerRecord {
        pid: std::process::id(),
        address: address.to_owned(),
        machine: config.machine.name.to_string(),
        version: options.version.to_owned(),
    };
    let supervisor = Supervisor::open(options, config).map_err(directory(home.agent()))?;
    if let Err(error) = supervisor.resume_clearing() {
        tracing::error!("what was to go could not go: {error}");
    }
    write_record(&mut held, &record).map_err(directory(home.agent()))?;
    Ok((supervisor, token, held))
}

/// Makes a directory whose content is nobody else's business.
fn private_dir(path: &Utf8Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Takes the lock that one server of a `COORD_HOME` holds. The file is never replaced, only rewritten: the
/// lock is on the file and not on its name.
fn claim(home: &Home) -> Result<fs::File, ServerError> {
    let path = home.server_record();
    let failed = |source| ServerError::Directory { path: path.clone(), source };
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.file().try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let by = fs::read(&path).ok().and_then(|it| serde_json::from_slice(&it).ok());
            Err(ServerError::Running { home: home.root().to_owned(), by })
        }
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn write_record(file: &mut fs::File, record: &ServerRecord) -> io::Result<()> {
    let text = serde_json::to_vec(record)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}
