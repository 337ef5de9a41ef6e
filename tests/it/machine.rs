//! Looking at what runs on the machine of a story, and interfering with it as the world would.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use camino::Utf8PathBuf;
use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::Running;
use coord_testkit::world::leftover::Process;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fleet::Fleet;

impl Fleet {
    /// Changes the configuration: every `old` becomes `new`.
    pub(crate) fn reconfigure(&self, old: &str, new: &str) {
        let path = self.dir().join("coordinator.yml");
        let yaml = fs_err::read_to_string(path).unwrap();
        assert!(yaml.contains(old), "no {old:?} in {yaml}");
        self.config(&yaml.replace(old, new));
    }

    /// Starts the agent server in the open, from this program, and waits until it answers.
    pub(crate) fn serve(&self, program: &str) -> Running {
        self.serve_by(self.server(program))
    }

    /// The command that starts the agent server in the open.
    pub(crate) fn server(&self, program: &str) -> Command {
        let mut command = self.command(program);
        command.args(["agent", "--machine", "here", "--port", &self.port.to_string()]);
        command
    }

    /// Starts the agent server by this command, and waits until it answers.
    pub(crate) fn serve_by(&self, command: Command) -> Running {
        let server = Running::start(command);
        wait_for("the agent server to answer", PATIENCE, || {
            let answered = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(|it| it.to_string());
            answered.map_err(|error| format!("{error}; {}", server.stderr()))?;
            // It listens before it has taken its place.
            let recorded = recorded_pid(&self.server_record());
            if recorded.as_ref() == Ok(&server.pid()) { Ok(()) } else { Err(format!("{recorded:?}")) }
        });
        server
    }

    /// The process of the agent server.
    pub(crate) fn server_pid(&self) -> u32 {
        pid_in(&self.server_record())
    }

    fn server_record(&self) -> Utf8PathBuf {
        self.coord_home().join("agent/server.json")
    }

    /// The process of a run's shim.
    pub(crate) fn shim_pid(&self, run: &str) -> u32 {
        pid_in(&self.run_dir(run).join("shim.json"))
    }

    /// The process of a run's worker.
    pub(crate) fn worker_pid(&self, run: &str) -> u32 {
        wait_for("the worker to start", PATIENCE, || {
            let events = self.events(run);
            let started = events.iter().find(|it| it["event"]["kind"] == "started");
            let pid = started.and_then(|it| it["event"]["pid"].as_u64());
            pid.and_then(|it| u32::try_from(it).ok()).ok_or_else(|| format!("{events:#?}"))
        })
    }

    /// Ends the agent server as a crash would; what it started goes on.
    pub(crate) fn kill_server(&self) {
        kill(self.server_pid());
    }

    /// Ends the agent server in good order, after which nothing may be left.
    pub(crate) fn assert_nothing_runs_without_the_server(&self) {
        let pid = self.server_pid();
        signal(pid, Signal::TERM);
        self.assert_no_process_left();
    }

    /// Where everything about a run lies.
    pub(crate) fn run_dir(&self, run: &str) -> Utf8PathBuf {
        self.coord_home().join("runs").join(run)
    }

    /// A run's log, byte for byte.
    pub(crate) fn log_file(&self, run: &str) -> Vec<u8> {
        fs_err::read(self.run_dir(run).join("log.ndjson")).unwrap_or_default()
    }

    /// The whole events of a run so far, whose numbers must be 1, 2, 3, …
    pub(crate) fn events(&self, run: &str) -> Vec<Value> {
        let log = self.log_file(run);
        let lines = log.split_inclusive(|it| *it == b'\n').filter(|it| it.ends_with(b"\n"));
        let events: Vec<Value> = lines.map(|it| serde_json::from_slice(it).unwrap()).collect();
        for (event, n) in events.iter().zip(1_u64..) {
            assert_eq!(event["n"], n, "{events:#?}");
        }
        events
    }

    /// How many events of this kind a run has.
    pub(crate) fn count(&self, run: &str, kind: &str) -> usize {
        self.events(run).iter().filter(|it| it["event"]["kind"] == kind).count()
    }

    /// The run as `status` shows it.
    pub(crate) fn shown(&self, run: &str) -> Value {
        let status = self.coord(["--json", "status"]).success().json();
        let runs = status["data"]["runs"].as_array().unwrap();
        runs.iter().find(|it| it["id"] == run).unwrap_or_else(|| panic!("no {run} in {status:#}")).clone()
    }

    /// Where the worktrees of `api` lie.
    pub(crate) fn worktrees(&self) -> Vec<String> {
        let Ok(entries) = self.coord_home().join("worktrees/api").read_dir_utf8() else { return Vec::new() };
        entries.map(|it| it.unwrap().path().to_string()).collect()
    }

    /// Waits until no worktree of `api` is left.
    pub(crate) fn wait_for_no_worktree(&self) {
        wait_for("the worktrees to go", PATIENCE, || {
            let left = self.worktrees();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }

    /// A file as it is at a reference of the repo store.
    pub(crate) fn in_store(&self, reference: &str, path: &str) -> String {
        let store = self.coord_home().join("repos/api.git");
        self.api.git(&store, ["cat-file", "blob", &format!("{reference}:{path}")])
    }

    /// The references of the repo store below a prefix.
    pub(crate) fn store_refs(&self, below: &str) -> Vec<String> {
        let store = self.coord_home().join("repos/api.git");
        let listed = self.api.git(&store, ["for-each-ref", "--format=%(refname)", below]);
        listed.lines().map(str::to_owned).collect()
    }

    /// The workers that live: each is the child of a shim, which what they fork and have not replaced yet is not.
    pub(crate) fn workers(&self) -> Vec<Process> {
        let all = self.processes();
        let is_shim = |pid| all.iter().any(|it| it.pid == pid && it.command.contains(" shim "));
        let claudes = all.iter().filter(|it| it.command.contains("--output-format stream-json"));
        claudes.filter(|it| parent(it.pid).is_some_and(is_shim)).cloned().collect()
    }

    /// Whoever starts queued runs in the background.
    pub(crate) fn attendants(&self) -> Vec<u32> {
        let all = self.processes().into_iter().filter(|it| it.command.contains(" queue --background"));
        all.map(|it| u32::try_from(it.pid).unwrap()).collect()
    }

    /// The one that stays, where several were started at the same moment.
    pub(crate) fn attendant(&self) -> u32 {
        wait_for("one process to look after the queue", PATIENCE, || match self.attendants()[..] {
            [pid] => Ok(pid),
            ref other => Err(format!("{other:?}")),
        })
    }

    /// Waits until the queue is empty and nobody looks after it any more.
    #[track_caller]
    pub(crate) fn wait_until_unattended(&self) {
        wait_for("nobody to look after the queue", PATIENCE, || match self.attendants()[..] {
            [] => Ok(()),
            ref other => Err(format!("{other:?}; {}", self.queue_log())),
        });
    }

    /// What those who looked after the queue have to say.
    pub(crate) fn queue_log(&self) -> String {
        fs_err::read_to_string(self.coord_home().join("agent/queue.log")).unwrap_or_default()
    }

    /// Whether a run has ended on its machine, whoever knows it.
    pub(crate) fn has_ended(&self, run: &str) -> bool {
        self.run_dir(run).join("exit.json").exists()
    }

    /// Waits for that.
    #[track_caller]
    pub(crate) fn wait_until_ended(&self, run: &str) {
        wait_for("a run to end", PATIENCE, || {
            if self.has_ended(run) { Ok(()) } else { Err(format!("{run}; {}", self.queue_log())) }
        });
    }

    /// Everything that runs in this world but its agent server and the git that it clears up with.
    pub(crate) fn beside_the_server(&self) -> Vec<Process> {
        let server = i32::try_from(self.server_pid()).unwrap();
        let clears_up =
            |it: &Process| it.command.starts_with("git -c core.hooksPath") && parent(it.pid) == Some(server);
        self.processes().into_iter().filter(|it| it.pid != server && !clears_up(it)).collect()
    }
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Waits until a file is there, which is how a worker says how far it is.
pub(crate) fn wait_for_file(path: &Utf8PathBuf) {
    wait_for("a file", PATIENCE, || if path.exists() { Ok(()) } else { Err(format!("no {path}")) });
}

/// Ends a process as a crash would, and waits until it is gone.
pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
    wait_for("a killed process to go", PATIENCE, || {
        if is_alive(pid) { Err(format!("{pid} is alive")) } else { Ok(()) }
    });
}

/// Whether a process is there and not only waits for its parent to notice its end. Of one that was killed the first
/// thread may have gone before others, which have its files open until then.
pub(crate) fn is_alive(pid: u32) -> bool {
    let threads = fs_err::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().count();
    threads > 1 || fs_err::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|it| !it.contains(") Z "))
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn pid_in(path: &Utf8PathBuf) -> u32 {
    wait_for("a process id", PATIENCE, || recorded_pid(path))
}

/// The process that a record of the agent server or of a shim names, if it is whole.
pub(crate) fn recorded_pid(path: &Utf8PathBuf) -> Result<u32, String> {
    let bytes = fs_err::read(path).map_err(|error| error.to_string())?;
    let record: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let pid = record["pid"].as_u64().and_then(|it| u32::try_from(it).ok());
    pid.ok_or_else(|| record.to_string())
}

/// Every file below a directory. One that goes away meanwhile is left out.
pub(crate) fn walk(dir: &camino::Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = dir.read_dir_utf8() else { return Vec::new() };
    let paths = entries.flatten().map(|it| it.path().to_owned());
    paths.flat_map(|it| if it.is_dir() && !it.is_symlink() { walk(&it) } else { vec![it] }).collect()
}
