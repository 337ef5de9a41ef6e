//! Whether a task may be dispatched, with every reason why not.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use crate::budget::{Cap, Standing};
use crate::claim::Claim;
use crate::forge::{Association, Related, Relation};
use crate::id::RunId;
use crate::machine::Machine;
use crate::name::{AccountName, MachineName, RepoName};
use crate::repo::Repo;
use crate::run::{Run, RunState};
use crate::task::{Task, TaskRef, TaskState};
use crate::window::Hold;

/// Why a task cannot start. All reasons are reported, not only the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocker {
    /// It is merged or closed.
    NotOpen(&'static str),
    /// It waits for a task that is not merged.
    WaitsFor(TaskRef),
    /// It waits for a task that was closed without being merged, so the wait would never end.
    WaitsForClosed(TaskRef),
    /// It waits for a task that is not on the board.
    WaitsForMissing(TaskRef),
    /// A run is at it.
    Running(RunId),
    /// A run is at a repo that this one depends on.
    DependencyBusy {
        /// The repo.
        repo: RepoName,
        /// The run.
        run: RunId,
    },
    /// An issue that it consists of or is blocked by is still open.
    Related(Related),
    /// Somebody else is at it.
    Claimed(Claim),
    /// Nobody could look whether somebody else is at it.
    ClaimsUnknown {
        /// Why.
        reason: String,
    },
    /// Its author is none of those whose words may become work.
    Untrusted {
        /// Who wrote it.
        author: String,
        /// How they stand to the repository.
        association: Association,
    },
    /// The machine cannot do something that a label of the task says it needs.
    Lacks {
        /// The machine.
        machine: MachineName,
        /// What it cannot do.
        capability: String,
    },
    /// The machine does not work on this repo.
    NotServed {
        /// The machine.
        machine: MachineName,
        /// The repo.
        repo: RepoName,
    },
    /// Every worker slot of the machine is taken.
    NoSlot {
        /// The machine.
        machine: MachineName,
        /// How many there are.
        slots: u32,
    },
    /// A worker was started a moment ago, and the next one is to follow at a distance.
    TooSoon {
        /// From when on it may be started.
        until: Timestamp,
    },
    /// Nothing is left of a cap on what may be spent.
    Spent(Standing),
    /// The account has nothing left, or what is left is for the person.
    Held(Hold),
    /// It goes on where it was cut short, once its time has come.
    Parked {
        /// How it was cut short.
        why: String,
        /// From when on it may go on.
        until: Timestamp,
    },
    /// It goes on where it was cut short, once a person says so.
    Asks {
        /// How it was cut short.
        why: String,
        /// The account whose limit it met.
        account: Option<AccountName>,
        /// When the limit ends, where that is known.
        until: Option<Timestamp>,
    },
    /// The agent server of the machine does not answer.
    Away(MachineName),
    /// This coordinator's configuration does not have the machine.
    UnknownMachine(MachineName),
}

/// What it takes for a blocker to go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lift {
    /// Time, or what runs already.
    ByItself {
        /// When that is, in words that follow "it goes on".
        when: &'static str,
    },
    /// Somebody has to do something, which is not unlikely.
    BySomebody {
        /// When that is, in words that follow "it goes on".
        when: &'static str,
    },
    /// To wait for it would be to wait for ever.
    Never,
}

impl Blocker {
    /// What it takes for it to go away.
    #[must_use]
    pub fn lift(&self) -> Lift {
        match self {
            Self::NoSlot { .. } => Lift::ByItself { when: "when a run there has ended" },
            Self::TooSoon { .. } => Lift::ByItself { when: "at that moment" },
            Self::DependencyBusy { .. } => Lift::ByItself { when: "when that run has ended" },
            Self::Spent(standing) if standing.frees_itself() => {
                Lift::ByItself { when: "when a run that has reserved some of it has ended" }
            }
            Self::Spent(Standing { cap: Cap::Day | Cap::Month, .. }) => {
                Lift::BySomebody { when: "when it is over, or somebody raises the cap" }
            }
            Self::Spent(_) => Lift::BySomebody { when: "when somebody raises the cap" },
            Self::Held(hold) if hold.asks => Lift::BySomebody { when: "when a person says so" },
            Self::Held(_) => Lift::ByItself { when: "when the window opens again" },
            Self::Parked { .. } => Lift::ByItself { when: "at that moment" },
            Self::Asks { .. } => Lift::BySomebody { when: "when a person says so" },
            Self::Away(_) => Lift::ByItself { when: "when its agent server answers" },
            // It may well do all that is wanted, so nobody stands in line behind it.
            Self::Running(_) => Lift::BySomebody { when: "when that run has ended and it is still wanted" },
            Self::WaitsFor(_) => Lift::BySomebody { when: "when that one is merged" },
            Self::Related(_) => Lift::BySomebody { when: "when that one is closed" },
            Self::ClaimsUnknown { .. } => Lift::BySomebody { when: "when that can be found out" },
            Self::NotServed { .. } | Self::Lacks { .. } | Self::UnknownMachine(_) => {
                Lift::BySomebody { when: "when the configuration says otherwise" }
            }
            Self::NotOpen(_)
            | Self::WaitsForClosed(_)
            | Self::WaitsForMissing(_)
            | Self::Claimed(_)
            | Self::Untrusted { .. } => Lift::Never,
        }
    }

    /// The account of which a person has to say that work goes on, if it waits for that.
    #[must_use]
    pub fn lifted_for(&self) -> Option<&AccountName> {
        match self {
            Self::Held(hold) if hold.asks => Some(&hold.account),
            Self::Asks { account, .. } => account.as_ref(),
            Self::Held(_)
            | Self::NotOpen(_)
            | Self::WaitsFor(_)
            | Self::WaitsForClosed(_)
            | Self::WaitsForMissing(_)
            | Self::Running(_)
            | Self::DependencyBusy { .. }
            | Self::Related(_)
            | Self::Claimed(_)
            | Self::ClaimsUnknown { .. }
            | Self::Untrusted { .. }
            | Self::Lacks { .. }
            | Self::NotServed { .. }
            | Self::NoSlot { .. }
            | Self::TooSoon { .. }
            | Self::Spent(_)
            | Self::Parked { .. }
            | Self::Away(_)
            | Self::UnknownMachine(_) => None,
        }
    }

    /// Whether it goes away without anybody doing anything about it.
    #[must_use]
    pub fn lifts_by_itself(&self) -> bool {
        matches!(self.lift(), Lift::ByItself { .. })
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen(state) => write!(f, "it is {state}"),
            Self::WaitsFor(task) => write!(f, "it waits for {task}, which is not merged yet"),
            Self::WaitsForClosed(task) => {
                write!(f, "it waits for {task}, which was closed without being merged")
            }
            Self::WaitsForMissing(task) => write!(f, "it waits for {task}, which is not on the board"),
            Self::Running(run) => write!(f, "run {run} is at it"),
            Self::DependencyBusy { repo, run } => {
                write!(f, "run {run} is at `{repo}`, which its repo depends on")
            }
            Self::Related(Related { relation, repo, number, title, .. }) => {
                let how = match relation {
                    Relation::SubIssue => "its sub-issue",
                    Relation::BlockedBy => "it is blocked by",
                };
                write!(f, "{how} {repo}#{number} ({title}), which is still open")
            }
            Self::Claimed(claim) => write!(f, "{claim}"),
            Self::ClaimsUnknown { reason } => {
                write!(f, "it could not be found out whether somebody else is at it: {reason}")
            }
            Self::Untrusted { author, association } => {
                write!(f, "its author {author} is not among those trusted ({association})")
            }
            Self::Lacks { machine, capability } => {
                write!(f, "machine `{machine}` does not have `{capability}`, which a label says it needs")
            }
            Self::NotServed { machine, repo } => write!(f, "machine `{machine}` does not work on `{repo}`"),
            Self::NoSlot { machine, slots } => {
                write!(f, "all {slots} worker slots of machine `{machine}` are taken")
            }
            Self::TooSoon { until } => {
                write!(f, "another worker was started a moment ago, and the next one may be at {until:.0}")
            }
            Self::Spent(standing) => write!(f, "nothing is left to spend: {standing}"),
            Self::Held(hold) => write!(f, "{hold}"),
            Self::Parked { why, until } => write!(f, "it was cut short ({why}), and goes on at {until:.0}"),
            Self::Asks { why, account: _, until: _ } => {
                write!(f, "it was cut short ({why}), and goes on when a person says so")
            }
            Self::Away(machine) => write!(f, "machine `{machine}` does not answer"),
            Self::UnknownMachine(machine) => {
                write!(f, "machine `{machine}` is not in the configuration")
            }
        }
    }
}

/// Every repo that `repo` depends on, directly or through another.
#[must_use]
pub fn dependencies<'a>(repo: &'a RepoName, repos: &'a [Repo]) -> BTreeSet<&'a RepoName> {
    let mut found = BTreeSet::new();
    let mut open = vec![repo];
    while let Some(name) = open.pop() {
        let direct = repos.iter().filter(|it| it.name == *name).flat_map(|it| &it.depends_on);
        open.extend(direct.filter(|it| found.insert(*it)));
    }
    found
}

/// Decides whether `task` may be dispatched to `machine`. `waited` are the tasks it names in `after`, where
/// the board has them; `active` are all runs that have not ended; `repos` says what depends on what.
#[must_use]
pub fn blockers(
    task: &Task,
    waited: &[Task],
    active: &[Run],
    repos: &[Repo],
    machine: Option<&Machine>,
) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    match task.state {
        TaskState::Open => {}
        TaskState::Merged { .. } | TaskState::Closed { .. } => {
            blockers.push(Blocker::NotOpen(task.state.as_str()));
        }
    }
    for wanted in &task.after {
        let waited = waited.iter().find(|it| it.task == *wanted);
        match waited.map(|it| (&it.state, it.was_completed())) {
            None => blockers.push(Blocker::WaitsForMissing(wanted.clone())),
            Some((TaskState::Open, _)) => blockers.push(Blocker::WaitsFor(wanted.clone())),
            Some((TaskState::Closed { .. }, false)) => blockers.push(Blocker::WaitsForClosed(wanted.clone())),
            Some((TaskState::Closed { .. }, true) | (TaskState::Merged { .. }, _)) => {}
        }
    }
    blockers.extend(task.related.iter().filter(|it| it.open).cloned().map(Blocker::Related));
    let live = |run: &&Run| !matches!(run.state, RunState::Ended(_));
    let at_it = active.iter().filter(live).find(|it| it.task == task.task && it.kind.is_agent_work());
    blockers.extend(at_it.map(|it| Blocker::Running(it.id)));
    for repo in dependencies(&task.task.repo, repos) {
        let at_work = active.iter().filter(live).filter(|it| it.reservation.is_some());
        let busy = at_work.filter(|it| it.kind.is_agent_work()).find(|it| it.task.repo == *repo);
        blockers.extend(busy.map(|it| Blocker::DependencyBusy { repo: repo.clone(), run: it.id }));
    }
    if let Some(machine) = machine {
        if !machine.serves(&task.task.repo) {
            blockers.push(Blocker::NotServed { machine: machine.name.clone(), repo: task.task.repo.clone() });
        }
        blockers.extend(lacks(machine, task));
        blockers.extend(no_slot(&machine.name, machine.slots, active));
    }
    blockers
}

/// How the labels begin that name what a machine must be able to do for a task: `needs:gpu`.
const NEEDS: &str = "needs:";

/// What the machine cannot do of what the task's labels ask for.
pub(crate) fn lacks(machine: &Machine, task: &Task) -> Vec<Blocker> {
    let needed = task.labels.iter().filter_map(|it| it.strip_prefix(NEEDS)).map(str::trim);
    let missing = needed.filter(|it| !machine.capabilities.iter().any(|has| has == it));
    missing.map(|it| Blocker::Lacks { machine: machine.name.clone(), capability: it.to_owned() }).collect()
}

/// Whether every one of the `slots` of `machine` is taken by one of the `active` runs.
#[must_use]
pub fn no_slot(machine: &MachineName, slots: u32, active: &[Run]) -> Option<Blocker> {
    let taken = active.iter().filter(|it| it.takes_slot_of(machine)).count();
    (taken >= slots as usize).then(|| Blocker::NoSlot { machine: machine.clone(), slots })
}

#[cfg(test)]
mod tests;
