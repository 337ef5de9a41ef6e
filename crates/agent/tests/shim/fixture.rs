//! A machine with one repo, and runs on it.
#![expect(clippy::unwrap_used, reason = "a fixture is part of the tests that use it")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_agent::layout::{Home, RunDir};
use coord_agent::order::{Announcement, Order, RuntimeConfig, ShimRecord};
use coord_core::id::RunId;
use coord_core::limits::RunLimits;
use coord_core::name::CommitSha;
use coord_core::repo::Permissions;
use coord_core::run::{RunEnd, RunKind};
use coord_git::program::Git;
use coord_git::store::Store;
use coord_git::worktree::Added;
use coord_proto::event::{Event, EventKind};
use coord_proto::run::{Checkout, RunSpec};
use coord_testkit::cgroup::run_in;
use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::{Repo, Running, World};
use jiff::Timestamp;

/// A machine with one repo.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) repo: Repo,
    pub(crate) home: Home,
    base: CommitSha,
}

/// A run on it: its order, and its shim once it was started.
pub(crate) struct Run<'a> {
    place: &'a Place,
    pub(crate) order: Order,
    pub(crate) dir: RunDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let world = World::new("coord");
        let repo = world.repo("api");
        let base = repo.head("main").unwrap().parse().unwrap();
        let home = Home::new(world.coord_home());
        Self { world, repo, home, base }
    }

    pub(crate) fn git(&self) -> Git {
        let command = self.world.command("git");
        Git::new(command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))))
    }

    pub(crate) fn store(&self) -> Store {
        let name = "api".parse().unwrap();
        Store::open(&self.git(), self.home.root(), &name, &self.repo.url(), None).unwrap()
    }

    /// A run whose worker is a command. Its kind is agent work, so that git has the last word.
    pub(crate) fn command(&self, number: u64, command: &str) -> Run<'_> {
        self.run(number, "command", |spec| spec.command = Some(command.to_owned()))
    }

    /// A run of any runtime, in a worktree of its own.
    pub(crate) fn run(&self, number: u64, runtime: &str, fill: impl FnOnce(&mut RunSpec)) -> Run<'_> {
        // Unique on this machine: a shim ends every process that is marked with its run's id.
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let minted = u64::from(std::process::id()) << 16 | RUNS.fetch_add(1, Ordering::Relaxed);
        let run = RunId::from_random(minted);
        let mut spec = RunSpec {
            run,
            kind: RunKind::Work,
            task: "api#1".parse().unwrap(),
            attempt: 1,
            fence: 1,
            start_before: Timestamp::MAX,
            runtime: runtime.parse().unwrap(),
            model: None,
            base_branch: "main".parse().unwrap(),
            branch: format!("issue-{number}").parse().unwrap(),
            checkout: Checkout::Base,
            prompt: String::new(),
            command: None,
            setup: None,
            permissions: Permissions::default(),
            sandbox: coord_core::sandbox::Sandbox::default(),
            deadline_seconds: 120,
            resume: None,
            budget_usd: None,
            limits: RunLimits::default(),
            restore: None,
        };
        fill(&mut spec);
        let dir = self.home.run(run);
        fs_err::create_dir_all(dir.path()).unwrap();
        let worktree = self.home.worktree(&spec.task.repo, &spec.branch, spec.kind, run);
        let store = self.store();
        store.fetch().unwrap();
        let added = store.add_worktree(&worktree, run, &self.base).unwrap();
        assert!(matches!(added, Added::Ready(_)));
        let environment = ["PATH", "HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"];
        let command = self.world.command("sh");
        let environment: BTreeMap<_, _> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_str()?.to_owned())))
            .filter(|(name, _)| environment.contains(&name.as_str()))
            .collect();
        let order = Order {
            spec,
            home: self.home.root().to_owned(),
            origin: self.repo.url(),
            clone: None,
            worktree,
            base: self.base.clone(),
            start: self.base.clone(),
            runtime: RuntimeConfig::default(),
            push_rescues: false,
            sandbox: None,
            environment,
            reporter: None,
        };
        Run { place: self, order, dir }
    }
}

impl Run<'_> {
    /// Starts a shim for it, as the server does.
    pub(crate) fn start(&self) -> Running {
        self.write_order();
        self.start_again()
    }

    /// Starts a shim that knows its run's processes by this means alone.
    pub(crate) fn start_by(&self, means: &str) -> Running {
        self.write_order();
        let mut command = self.shim();
        command.env(crate::MEANS, means);
        Running::start(command)
    }

    /// Starts a shim in this cgroup.
    pub(crate) fn start_in(&self, group: &Utf8Path) -> Running {
        self.write_order();
        let command = run_in(group, &self.shim());
        Running::start(command)
    }

    fn write_order(&self) {
        let mut order = self.order.clone();
        order.runtime.pass_env.extend(order.environment.keys().cloned());
        fs_err::write(self.dir.order(), serde_json::to_vec(&order).unwrap()).unwrap();
    }

    /// Starts another shim for it.
    pub(crate) fn start_again(&self) -> Running {
        Running::start(self.shim())
    }

    fn shim(&self) -> std::process::Command {
        let program = Utf8PathBuf::try_from(std::env::current_exe().unwrap()).unwrap();
        let mut command = self.place.world.command(program.as_str());
        command.args(["--exact", "shim_process", "--nocapture"]).env(crate::RUN_DIR, self.dir.path());
        command.envs(&self.order.environment);
        command
    }

    /// Runs it to its end. Nothing of it may be left.
    pub(crate) fn end(&self) -> (RunEnd, Vec<Event>) {
        self.ended(self.start())
    }

    /// The same for a shim that runs already.
    pub(crate) fn ended(&self, shim: Running) -> (RunEnd, Vec<Event>) {
        let finished = shim.wait();
        assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
        self.place.world.assert_no_process_left();
        assert!(!self.dir.socket().exists(), "the socket goes with its shim");
        let end: RunEnd = serde_json::from_slice(&fs_err::read(self.dir.exit()).unwrap()).unwrap();
        let events = self.events();
        assert!(events.iter().zip(1..).all(|(event, n)| event.n == n), "line n is event n");
        let last = events.last().map(|it| it.event.clone());
        assert_eq!(last, Some(EventKind::Ended { end: Box::new(end.clone()) }));
        (end, events)
    }

    /// The whole lines of its log.
    pub(crate) fn events(&self) -> Vec<Event> {
        let log = fs_err::read(self.dir.log()).unwrap_or_default();
        let lines = log.split_inclusive(|it| *it == b'\n').filter(|it| it.ends_with(b"\n"));
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    /// Its cgroups, as its shim has recorded them, as far as they are there.
    pub(crate) fn groups(&self) -> Vec<Utf8PathBuf> {
        let record: ShimRecord = serde_json::from_slice(&fs_err::read(self.dir.shim()).unwrap()).unwrap();
        record.groups.into_iter().filter(|it| it.exists()).collect()
    }

    /// The process id of its worker, which was started.
    pub(crate) fn worker(&self) -> u32 {
        let mut pids = self.events().into_iter().filter_map(|it| {
            let EventKind::Started { pid, .. } = it.event else { return None };
            Some(pid)
        });
        pids.next_back().unwrap()
    }

    /// Waits until its worker has printed a line.
    pub(crate) fn wait_for_output(&self, wanted: &str) {
        wait_for("a line of output", PATIENCE, || {
            let events = self.events();
            let said = |it: &Event| matches!(&it.event, EventKind::Output { text, .. } | EventKind::Text { text } if text == wanted);
            if events.iter().any(said) { Ok(()) } else { Err(format!("{events:?}")) }
        });
    }

    /// Connects to its shim.
    pub(crate) fn connect(&self) -> UnixStream {
        let client = wait_for("the control socket", PATIENCE, || {
            UnixStream::connect(self.dir.socket()).map_err(|error| error.to_string())
        });
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// Asks its shim to stop.
    pub(crate) fn stop(&self) {
        self.connect().write_all(b"{\"command\":\"stop\",\"at\":\"2026-01-01T00:00:00Z\"}\n").unwrap();
    }
}

/// What the worker printed, line for line.
pub(crate) fn raw_lines(events: &[Event]) -> Vec<Vec<u8>> {
    events.iter().filter_map(Event::raw_line).collect()
}

/// What coord itself had to say, in one text.
pub(crate) fn notes(events: &[Event]) -> String {
    let notes = events.iter().filter_map(|it| {
        let EventKind::Note { text } = &it.event else { return None };
        Some(text.as_str())
    });
    notes.collect::<Vec<_>>().join("\n")
}

pub(crate) fn announcement(line: &str) -> Announcement {
    serde_json::from_str(line).unwrap()
}

/// More than a loaded machine needs for one rung of the ladder, and less than the next one comes after.
pub(crate) const SOON: Duration = Duration::from_secs(3);
