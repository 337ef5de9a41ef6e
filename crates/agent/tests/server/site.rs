//! A machine with an agent server on it, and a repo with a bare origin.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_agent::config::{AgentConfig, AgentRepo};
use coord_agent::layout::{Home, RunDir};
use coord_agent::server::{self, Options, ServerError};
use coord_agent::token;
use coord_core::id::RunId;
use coord_core::machine::{AGENT_PORT, Machine};
use coord_core::retention::Policy;
use coord_core::run::{RunEnd, RunKind, RunState};
use coord_proto::client::{Client, ClientError};
use coord_proto::event::{Event, EventKind};
use coord_proto::problem::Problem;
use coord_proto::run::{Checkout, RunSpec, RunView};
use fs_err as fs;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The variable that tells this program to be the shim of the run in a directory.
pub(crate) const SHIM: &str = "COORD_TEST_SHIM";

/// How long a fact may take before its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing goes.
const KEEP: Policy = Policy {
    logs: SignedDuration::from_hours(24 * 30),
    rescues: SignedDuration::from_hours(24 * 60),
    log_bytes: u64::MAX,
};

/// A machine, without its agent server.
pub(crate) struct Site {
    pub(crate) dir: Utf8PathBuf,
    pub(crate) home: Home,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) config: Arc<Mutex<Result<AgentConfig, String>>>,
    pub(crate) shim_program: Utf8PathBuf,
    _temp: tempfile::TempDir,
}

/// An agent server.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) base: String,
    pub(crate) token: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServerError>>,
}

#[expect(clippy::disallowed_methods, reason = "a test is the edge of its world")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

impl Site {
    pub(crate) fn new() -> Self {
        let temp = tempfile::Builder::new().prefix("coord-").tempdir().unwrap();
        let dir = Utf8PathBuf::from_path_buf(fs::canonicalize(temp.path()).unwrap()).unwrap();
        fs::create_dir_all(dir.join("bin")).unwrap();
        let path = std::env::vars().find(|(name, _)| name == "PATH").map(|(_, path)| path).unwrap();
        let mut environment = BTreeMap::new();
        for (name, value) in [
            ("HOME", dir.as_str()),
            ("PATH", &format!("{dir}/bin:{path}")),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("TMPDIR", dir.as_str()),
        ] {
            environment.insert(name.to_owned(), value.to_owned());
        }
        let machine = Machine {
            name: "box".parse().unwrap(),
            host: "127.0.0.1".to_owned(),
            port: AGENT_PORT,
            capabilities: vec!["gpu".to_owned()],
            repos: Vec::new(),
            slots: 3,
        };
        let config = AgentConfig {
            machine,
            repos: BTreeMap::new(),
            readable: Vec::new(),
            runtimes: BTreeMap::new(),
            known: BTreeSet::new(),
            retention: KEEP,
            push_rescues: false,
        };
        let shim_program = dir.join("bin/coord");
        let this = std::env::current_exe().unwrap();
        // `--exact`: a shim that ran any other test of this program would start shims itself.
        let script = format!(
            "#!/bin/sh
{SHIM}=\"$2\" exec '{}' --exact shim
",
            this.display()
        );
        write_program(&shim_program, &script);
        let site = Self {
            home: Home::new(dir.join("home")),
            environment,
            config: Arc::new(Mutex::new(Ok(config))),
            shim_program,
            _temp: temp,
            dir,
        };
        site.git(&site.dir, "init --quiet --bare --initial-branch=main origin.git");
        site.git(&site.dir, "clone --quiet origin.git clone");
        fs::write(site.dir.join("clone/README"), "a project\n").unwrap();
        let clone = site.dir.join("clone");
        site.git(&clone, "checkout --quiet -B main");
        site.git(&clone, "add README");
        site.git(&clone, "-c user.name=Dev -c user.email=dev@example.org commit --quiet -m project");
        site.git(&clone, "push --quiet origin main");
        site.add_repo("api", Ok(format!("file://{}/origin.git", site.dir)));
        site
    }

    pub(crate) fn add_repo(&self, name: &str, origin: Result<String, String>) {
        let repo = AgentRepo { origin, clone: None };
        self.config.lock().unwrap().as_mut().unwrap().repos.insert(name.parse().unwrap(), repo);
    }

    #[track_caller]
    pub(crate) fn git(&self, dir: &Utf8Path, arguments: &str) -> String {
        let mut command = Command::new("git");
        command.args(arguments.split(' ')).current_dir(dir).env_clear().envs(&self.environment);
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A repo whose origin is an `ssh` that answers nothing until the file it waits for is removed.
    pub(crate) fn add_stalled_repo(&self, name: &str) -> Utf8PathBuf {
        let stall = self.dir.join("stall");
        fs::write(&stall, "").unwrap();
        let script = format!(
            "#!/bin/sh
echo > {stall}ed
while [ -e {stall} ]; do sleep 0.05; done
exit 1
"
        );
        write_program(&self.dir.join("bin/ssh"), &script);
        self.add_repo(name, Ok("ssh://nowhere.invalid/repo.git".to_owned()));
        stall
    }

    pub(crate) fn options(&self) -> Options {
        let config = Arc::clone(&self.config);
        Options {
            home: self.home.clone(),
            load: Arc::new(move || config.lock().unwrap().clone()),
            version: "1.2.3",
            shim_program: self.shim_program.clone(),
            environment: self.environment.clone(),
            clear_every: Duration::from_secs(3600),
            now,
        }
    }

    /// Starts the agent server; why it does not start, if it ends at once.
    pub(crate) async fn try_serve(&self, options: Options) -> Result<Server, ServerError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let mut task = tokio::spawn(server::run(options, listener, shutdown));
        let base = format!("http://127.0.0.1:{port}");
        loop {
            tokio::select! {
                ended = &mut task => return Err(ended.unwrap().unwrap_err()),
                () = tokio::time::sleep(Duration::from_millis(2)) => {}
            }
            let Ok(token) = token::load(&self.home.token()) else { continue };
            let client = Client::new("127.0.0.1", port, token.clone()).unwrap();
            let token = token.expose_secret().to_owned();
            if client.health().await.is_ok() {
                return Ok(Server { client, base, token, stop, task });
            }
        }
    }

    pub(crate) async fn serve(&self) -> Server {
        self.try_serve(self.options()).await.unwrap()
    }

    pub(crate) fn run_dir(&self, run: RunId) -> RunDir {
        self.home.run(run)
    }
}

impl Server {
    /// Stops the agent server, and returns once nothing of it is left. Its runs go on.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    /// Starts a run that must be refused.
    pub(crate) async fn refused(&self, spec: &RunSpec) -> Problem {
        match self.client.start(spec).await {
            Err(ClientError::Refused(problem)) => problem,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Follows a run to its end.
    pub(crate) async fn events(&self, run: RunId) -> Vec<Event> {
        let mut stream = self.client.follow(run, 0, PATIENCE);
        let mut events = Vec::new();
        while let Some(event) = stream.next().await.unwrap() {
            events.push(event);
        }
        events
    }

    /// How a run ended.
    pub(crate) async fn end(&self, run: RunId) -> RunEnd {
        let events = self.events(run).await;
        let last = events.into_iter().last().unwrap().event;
        let EventKind::Ended { end } = last else { panic!("the last event is {last:?}") };
        *end
    }

    /// Looks at a run until it is as wanted.
    pub(crate) async fn until(&self, run: RunId, wanted: impl Fn(&RunView) -> bool) -> RunView {
        let patient = tokio::time::Instant::now() + PATIENCE;
        loop {
            let view = self.client.run(run).await.unwrap().unwrap();
            if wanted(&view) {
                return view;
            }
            assert!(tokio::time::Instant::now() < patient, "still {view:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn until_running(&self, run: RunId) -> RunView {
        self.until(run, |it| matches!(it.state, RunState::Running { .. })).await
    }
}

/// Waits until a fact of the world holds.
pub(crate) async fn until(what: &str, fact: impl Fn() -> bool) {
    let patient = tokio::time::Instant::now() + PATIENCE;
    while !fact() {
        assert!(tokio::time::Instant::now() < patient, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn write_program(path: &Utf8Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

/// Run `n` of this test. Tests run beside each other on one machine, where a sweep finds processes by their run
/// wherever they are, so no two tests may share an id; nextest gives each a process, `cargo test` a thread.
pub(crate) fn id(n: u64) -> RunId {
    thread_local!(static TEST: u64 = NEXT.fetch_add(1, Ordering::Relaxed));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    RunId::from_random((u64::from(std::process::id()) << 32) | (TEST.with(|it| *it) << 16) | n)
}

/// A run on task `api#<n>` that works by a command line.
pub(crate) fn spec(n: u64, command: &str) -> RunSpec {
    RunSpec {
        run: id(n),
        kind: RunKind::Work,
        task: format!("api#{n}").parse().unwrap(),
        attempt: 1,
        fence: 1,
        start_before: now() + Duration::from_secs(600),
        runtime: "command".parse().unwrap(),
        model: None,
        base_branch: "main".parse().unwrap(),
        branch: format!("issue-{n}").parse().unwrap(),
        checkout: Checkout::Base,
        prompt: String::new(),
        command: Some(command.to_owned()),
        setup: None,
        permissions: coord_core::repo::Permissions::default(),
        sandbox: coord_core::sandbox::Sandbox::default(),
        deadline_seconds: 120,
        resume: None,
        budget_usd: None,
        limits: coord_core::limits::RunLimits::default(),
        restore: None,
    }
}
