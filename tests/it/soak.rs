//! Many short runs, many at a time, while workers, shims and the agent server are killed at random: nothing stays
//! behind, and nothing that any worker made is lost.
//!
//! `COORD_SOAK_RUNS` says how many runs; the figures are those of 500:
//! `COORD_SOAK_RUNS=500 cargo nextest run --workspace -E 'test(/^soak::/)' --no-capture`.
//! `COORD_SOAK_SEED` repeats the order of the kills, as far as processes can be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Duration;

use coord_testkit::poll::{PATIENCE, wait_for};
use tokio::time::Instant;

use crate::fleet::{Fleet, text};
use crate::machine::{is_alive, kill, recorded_pid};

/// How many runs there are where nobody says otherwise.
const RUNS: usize = 48;
/// How many run at once.
const AT_ONCE: usize = 16;
/// How long one run may take on average before the soak is given up.
const EACH: Duration = Duration::from_secs(4);

/// Commits twice and leaves a file uncommitted. What it has made is written down outside of its worktree only
/// once it is made, so whatever is written down must be found again.
const WORK: &str = "note() { echo \"$COORD_RUN $1\" >> ~/$2; }\n\
    echo 1 > one-$COORD_RUN; git add one-$COORD_RUN; git commit -qm one; note $(git rev-parse HEAD) made\n\
    sleep 1\n\
    printf %s $COORD_RUN > left-$COORD_RUN; note left-$COORD_RUN left\n\
    (sleep 2; true) & sleep 1\n\
    echo 2 > two-$COORD_RUN; git add two-$COORD_RUN; git commit -qm two; note $(git rev-parse HEAD) made\n\
    sleep 1\n";

#[test]
fn nothing_leaks_and_nothing_is_lost_while_everything_is_killed_at_random() {
    #[expect(clippy::disallowed_methods, reason = "whoever wants more runs says so in the environment")]
    let number = |name: &str| std::env::var(name).ok().map(|it| it.parse::<u64>().unwrap());
    let runs = number("COORD_SOAK_RUNS").map_or(RUNS, |it| usize::try_from(it).unwrap());
    let seed = number("COORD_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    let mut soak = Soak::new(seed);
    soak.fleet.work_on_nothing();
    let handles = soak.handles();
    let began = Instant::now();
    let mut all = Vec::new();
    while all.len() < runs {
        all.push(soak.assign());
        soak.strike(&all);
    }
    let give_up = Instant::now() + EACH * u32::try_from(runs).unwrap();
    while !soak.over(&all) {
        if Instant::now() >= give_up {
            panic!("seed {seed}: {}", soak.fleet.coord(["status"]).stdout);
        }
        soak.strike(&all);
    }
    soak.settle(&all);
    soak.check(&all, handles);
    soak.print(&all, seed, began.elapsed());
}

struct Soak {
    fleet: Fleet,
    chance: fastrand::Rng,
    killed: BTreeMap<&'static str, usize>,
}

impl Fleet {
    /// One run to its end, so that the server is up and everything is there that stays.
    fn work_on_nothing(&self) {
        let number = self.add(&["Warm up", "--body", "```sh\ntrue\n```"]);
        self.wait(&self.assign(number));
        self.wait_for_no_worktree();
    }
}

impl Soak {
    fn new(seed: u64) -> Self {
        let fleet = Fleet::without_claude();
        fleet.reconfigure("runtimes:\n", "runtime: script\nruntimes:\n");
        fleet.reconfigure("slots: 40", &format!("slots: {AT_ONCE}"));
        Self { fleet, chance: fastrand::Rng::with_seed(seed), killed: BTreeMap::new() }
    }

    /// Gives out one more task: a run, started or queued.
    fn assign(&self) -> String {
        let number = self.fleet.add(&["Soak", "--body", &format!("```sh\n{WORK}```")]);
        self.fleet.assign(number)
    }

    /// Whether every run has ended. One whose machine never heard of it ends on the board alone.
    fn over(&self, all: &[String]) -> bool {
        let unfinished: Vec<_> = all.iter().filter(|it| !self.fleet.has_ended(it)).collect();
        if unfinished.iter().any(|it| self.fleet.run_dir(it).exists()) {
            return false;
        }
        let status = self.fleet.coord(["--json", "status"]).success().json();
        let runs = status["data"]["runs"].as_array().unwrap();
        let is_over = |run: &str| runs.iter().all(|it| it["id"] != run || it["state"] == "ended");
        unfinished.iter().all(|it| is_over(it))
    }

    /// Kills one of the processes that are at work, or lets them work for a moment.
    fn strike(&mut self, all: &[String]) {
        let at_work: Vec<_> = all
            .iter()
            .map(|run| self.fleet.run_dir(run))
            .filter(|dir| dir.join("shim.json").exists() && !dir.join("exit.json").exists())
            .collect();
        // Whoever is killed again and again before it has begun gets nothing done: there is an end to it.
        let enough = self.killed.values().sum::<usize>() >= all.len();
        let whom = if enough { 19 } else { self.chance.u32(0..20) };
        let target = self.chance.choice(&at_work).cloned();
        let (name, pid) = match (whom, target) {
            (0, _) => ("server", recorded_pid(&self.fleet.coord_home().join("agent/server.json")).ok()),
            (1..3, Some(dir)) => ("shim", recorded_pid(&dir.join("shim.json")).ok()),
            (3..6, Some(dir)) => ("worker", recorded_pid(&dir.join("shim.json")).ok().and_then(child_of)),
            _ => ("nobody", None),
        };
        match pid {
            Some(pid) if is_alive(pid) => {
                kill(pid);
                *self.killed.entry(name).or_default() += 1;
                if name == "server" {
                    // The next command that needs it starts it; there may be none before the end.
                    self.fleet.coord(["rescue", "list"]).success();
                }
            }
            _ => {
                let end = Instant::now() + Duration::from_millis(30);
                wait_for("a moment", PATIENCE, || {
                    if Instant::now() >= end { Ok(()) } else { Err(String::new()) }
                });
            }
        }
    }

    /// Everybody has heard of every end.
    fn settle(&self, all: &[String]) {
        for run in all {
            let end = self.fleet.wait(run);
            assert_eq!(end["state"], "ended", "{end}");
        }
        self.fleet.wait_until_unattended();
        self.fleet.wait_for_no_worktree();
        wait_for("only the server to be left", PATIENCE, || {
            let left = self.fleet.beside_the_server();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
        });
    }

    /// How many files the agent server has open.
    fn handles(&self) -> usize {
        fs_err::read_dir(format!("/proc/{}/fd", self.fleet.server_pid())).unwrap().count()
    }

    fn check(&self, all: &[String], handles: usize) {
        for run in all.iter().filter(|it| self.fleet.run_dir(it).exists()) {
            assert_eq!(self.fleet.count(run, "ended"), 1, "{run}");
            assert!(self.fleet.count(run, "started") <= 1, "{run}");
        }
        let api = &self.fleet.api;
        let store = self.fleet.coord_home().join("repos/api.git");
        let listed = api.git(&store, ["worktree", "list", "--porcelain"]);
        assert_eq!(listed.matches("worktree ").count(), 1, "{listed}");
        wait_for("the server to close its files", PATIENCE, || {
            let now = self.handles();
            if now <= handles { Ok(()) } else { Err(format!("{now} are open, {handles} were")) }
        });
        let on_origin = api.git(&api.origin, ["rev-list", "--all"]);
        let on_origin: BTreeSet<_> = on_origin.lines().collect();
        for (run, commit) in self.noted("made") {
            assert!(on_origin.contains(commit.as_str()), "{commit} of {run} is on no ref of origin");
        }
        for (run, file) in self.noted("left") {
            assert_eq!(self.fleet.in_store(&format!("refs/coord/rescue/{run}"), &file), run);
        }
    }

    /// What workers wrote down: whose it is, and what.
    fn noted(&self, name: &str) -> Vec<(String, String)> {
        let text = fs_err::read_to_string(self.fleet.home().join(name)).unwrap();
        let lines = text.lines().filter_map(|it| it.split_once(' '));
        lines.map(|(run, what)| (run.to_owned(), what.to_owned())).collect()
    }

    fn print(&self, all: &[String], seed: u64, took: Duration) {
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for run in all {
            let end = self.fleet.wait(run);
            *outcomes.entry(text(&end["outcome"]["kind"])).or_default() += 1;
        }
        let (made, left) = (self.noted("made").len(), self.noted("left").len());
        let said = format!(
            "soak: {} runs, {AT_ONCE} at once, {took:.1?}, seed {seed}\n  killed: {:?}\n  outcomes: {outcomes:?}\n  \
             {made} commits, all on origin; {left} uncommitted files, all in rescue refs; \
             0 processes, 0 worktrees, 0 file handles left\n",
            all.len(),
            self.killed
        );
        std::io::stdout().lock().write_all(said.as_bytes()).unwrap();
    }
}

/// A child of a process, if it has one.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
