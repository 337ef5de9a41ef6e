//! How long a run may take, how long it may be silent, and what it may use up of its machine.
//!
//! They can be set for everything, for a runtime, for a kind of run and for a repo; each of them by itself is
//! decided where it is set last in that order.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::{RepoName, RuntimeName};
use crate::run::RunKind;

/// What a run uses of its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Memory, in bytes.
    Memory,
    /// Processes and threads at a time.
    Processes,
    /// What is written to disks, in bytes.
    Disk,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Disk => "disk",
        })
    }
}

/// A limit of one run that may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub of: Resource,
    /// How much of it there may be.
    pub at: u64,
}

/// `memory 128 MiB`, `processes 200`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Resource::Memory | Resource::Disk => write!(f, "{} {}", self.of, Bytes(self.at)),
            Resource::Processes => write!(f, "{} {}", self.of, self.at),
        }
    }
}

/// A number of bytes, for people: `128 MiB`, `1.5 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let Some((size, unit)) = units.into_iter().find(|(size, _)| self.0 >= *size) else {
            return write!(f, "{} bytes", self.0);
        };
        let (whole, tenths) = (self.0 / size, self.0 % size * 10 / size);
        if tenths == 0 { write!(f, "{whole} {unit}") } else { write!(f, "{whole}.{tenths} {unit}") }
    }
}

/// A limit where it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// There is none.
    None,
    /// In seconds, bytes or processes.
    At(u64),
}

/// The limits that are set in one place. What is `None` there is decided elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitSet {
    /// How long the whole run may take, in seconds.
    pub run: Option<u64>,
    /// How long it may take until the worker prints something, in seconds.
    pub first_output: Option<Cap>,
    /// How long the worker may be silent while its model is waited for, in seconds.
    pub idle: Option<Cap>,
    /// How long it may be silent and use nothing while a tool runs, in seconds.
    pub tool_idle: Option<Cap>,
    /// Memory of all its processes together, in bytes.
    pub memory: Option<Cap>,
    /// Processes and threads at a time.
    pub processes: Option<Cap>,
    /// Written to disks, in bytes.
    pub disk: Option<Cap>,
    /// The size of its log, in bytes.
    pub log: Option<Cap>,
}

/// The limits of one run, apart from how long it may take as a whole. What is `None` is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunLimits {
    /// Seconds until the worker prints something.
    #[serde(default)]
    pub first_output: Option<u64>,
    /// Seconds of silence while the model is waited for.
    #[serde(default)]
    pub idle: Option<u64>,
    /// Seconds of silence, during which next to nothing is computed, read or written, while a tool runs.
    #[serde(default)]
    pub tool_idle: Option<u64>,
    /// Bytes of memory of all processes together.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Processes and threads at a time.
    #[serde(default)]
    pub processes: Option<u64>,
    /// Bytes written: by what the worktree has grown, or what the processes have written, whichever is more.
    #[serde(default)]
    pub disk: Option<u64>,
    /// Bytes of the log. What the worker prints beyond is left out; the run goes on.
    #[serde(default)]
    pub log: Option<u64>,
}

/// The limits of everything that a fleet may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRules {
    /// Where nothing else is said. Its `run` is set.
    pub all: LimitSet,
    /// By runtime.
    pub runtimes: BTreeMap<RuntimeName, LimitSet>,
    /// Of agent work.
    pub work: LimitSet,
    /// Of tests.
    pub test: LimitSet,
    /// By repo.
    pub repos: BTreeMap<RepoName, LimitSet>,
}

impl LimitRules {
    /// How long a run may take, and what else limits it.
    #[must_use]
    pub fn of(&self, repo: &RepoName, kind: RunKind, runtime: &RuntimeName) -> (Duration, RunLimits) {
        let kind = match kind {
            RunKind::Work | RunKind::Fix => &self.work,
            RunKind::Test => &self.test,
        };
        let set = [self.runtimes.get(runtime), Some(kind), self.repos.get(repo)];
        let set = set.into_iter().flatten().fold(self.all, |set, over| set.overridden_by(over));
        let at = |cap: Option<Cap>| match cap {
            Some(Cap::At(limit)) => Some(limit),
            Some(Cap::None) | None => None,
        };
        let limits = RunLimits {
            first_output: at(set.first_output),
            idle: at(set.idle),
            tool_idle: at(set.tool_idle),
            memory: at(set.memory),
            processes: at(set.processes),
            disk: at(set.disk),
            log: at(set.log),
        };
        (Duration::from_secs(set.run.unwrap_or_default()), limits)
    }

    /// The longest that any run may take.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let places = [&self.all, &self.work, &self.test];
        let places = places.into_iter().chain(self.runtimes.values()).chain(self.repos.values());
        Duration::from_secs(places.filter_map(|it| it.run).max().unwrap_or_default())
    }
}

impl LimitSet {
    fn overridden_by(self, over: &Self) -> Self {
        Self {
            run: over.run.or(self.run),
            first_output: over.first_output.or(self.first_output),
            idle: over.idle.or(self.idle),
            tool_idle: over.tool_idle.or(self.tool_idle),
            memory: over.memory.or(self.memory),
            processes: over.processes.or(self.processes),
            disk: over.disk.or(self.disk),
            log: over.log.or(self.log),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seconds: u64) -> LimitSet {
        LimitSet { run: Some(seconds), ..LimitSet::default() }
    }

    #[test]
    fn bytes_are_told_in_the_largest_unit_that_they_fill() {
        let told = [0, 1023, 1024, 1536, 128 << 20, 5 << 40].map(|it| Bytes(it).to_string());
        assert_eq!(told, ["0 bytes", "1023 bytes", "1 KiB", "1.5 KiB", "128 MiB", "5 TiB"]);
    }

    #[test]
    fn each_limit_is_decided_where_it_is_set_last() {
        let (api, web) = ("api".parse().unwrap(), "web".parse().unwrap());
        let (claude, script) = ("claude".parse().unwrap(), "script".parse().unwrap());
        let idle = |cap| LimitSet { idle: Some(cap), ..LimitSet::default() };
        let rules = LimitRules {
            all: LimitSet { memory: Some(Cap::At(9)), ..run(100) },
            runtimes: BTreeMap::from([(claude, idle(Cap::At(1)))]),
            work: LimitSet { idle: Some(Cap::At(2)), ..LimitSet::default() },
            test: run(200),
            repos: BTreeMap::from([(api, LimitSet { idle: Some(Cap::None), ..run(300) })]),
        };
        let of = |repo: &RepoName, kind, runtime: &str| rules.of(repo, kind, &runtime.parse().unwrap());
        let seconds = |(run, limits): (Duration, RunLimits)| (run.as_secs(), limits.idle);
        assert_eq!(seconds(of(&web, RunKind::Test, "claude")), (200, Some(1)));
        assert_eq!(seconds(of(&web, RunKind::Work, "claude")), (100, Some(2)));
        assert_eq!(seconds(of(&"api".parse().unwrap(), RunKind::Work, "claude")), (300, None));
        assert_eq!(seconds(rules.of(&web, RunKind::Test, &script)), (200, None));
        assert_eq!(of(&web, RunKind::Test, "script").1.memory, Some(9));
        assert_eq!(rules.longest(), Duration::from_secs(300));
    }

    #[test]
    fn what_a_repo_sets_holds_for_it_and_leaves_the_rest_as_it_was() {
        let every = LimitSet {
            run: Some(1),
            first_output: Some(Cap::At(2)),
            idle: Some(Cap::At(3)),
            tool_idle: Some(Cap::At(4)),
            memory: Some(Cap::At(5)),
            processes: Some(Cap::At(6)),
            disk: Some(Cap::At(7)),
            log: Some(Cap::At(8)),
        };
        let of = |all, repo| {
            let none = LimitSet::default();
            let repos = BTreeMap::from([("api".parse().unwrap(), repo)]);
            let rules = LimitRules { all, runtimes: BTreeMap::new(), work: none, test: none, repos };
            rules.of(&"api".parse().unwrap(), RunKind::Work, &"claude".parse().unwrap())
        };
        let limits = RunLimits {
            first_output: Some(2),
            idle: Some(3),
            tool_idle: Some(4),
            memory: Some(5),
            processes: Some(6),
            disk: Some(7),
            log: Some(8),
        };
        let other = LimitSet {
            first_output: Some(Cap::None),
            idle: Some(Cap::None),
            tool_idle: Some(Cap::None),
            memory: Some(Cap::None),
            processes: Some(Cap::None),
            disk: Some(Cap::None),
            log: Some(Cap::None),
            ..run(9)
        };
        assert_eq!(of(every, LimitSet::default()), (Duration::from_secs(1), limits));
        assert_eq!(of(other, every), (Duration::from_secs(1), limits));
        assert_eq!(of(every, other), (Duration::from_secs(9), RunLimits::default()));
    }

    #[test]
    fn a_limit_is_told_in_the_unit_of_what_it_limits() {
        let told = |of, at| Limit { of, at }.to_string();
        assert_eq!(told(Resource::Memory, 128 << 20), "memory 128 MiB");
        assert_eq!(told(Resource::Disk, 3 << 29), "disk 1.5 GiB");
        assert_eq!(told(Resource::Processes, 2048), "processes 2048");
    }
}
