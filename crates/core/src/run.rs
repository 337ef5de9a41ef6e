//! One attempt at one stage of a task by one worker.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::money::Usd;
use crate::name::{AccountName, BranchName, CommitSha, MachineName, RuntimeName, TreeSha};
use crate::outcome::{Outcome, WorkerExit};
use crate::queue::Wish;
use crate::report::Verdict;
use crate::task::TaskRef;
use crate::usage::Usage;
use crate::window::Window;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// Does the task.
    Work,
    /// Mends a change in which something was found wrong.
    Fix,
    /// Builds and tests a merge result.
    Test,
}

impl RunKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Work, Self::Fix, Self::Test];

    /// The word used everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Fix => "fix",
            Self::Test => "test",
        }
    }

    /// Whether it is done by an agent, which takes a slot of the machine, and is expected to leave commits.
    #[must_use]
    pub fn is_agent_work(self) -> bool {
        match self {
            Self::Work | Self::Fix => true,
            Self::Test => false,
        }
    }
}

/// A run as the board knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Minted before any machine heard of it.
    pub id: RunId,
    /// What it is for.
    pub kind: RunKind,
    /// The task it attempts.
    pub task: TaskRef,
    /// The machine it was handed to. `None` while it is queued, and for good when it ended there.
    pub reservation: Option<Reservation>,
    /// What kind of program does it.
    pub runtime: RuntimeName,
    /// The model asked for; `None` where the runtime has none.
    pub model: Option<String>,
    /// The branch its commits are for.
    pub branch: BranchName,
    /// Which attempt at the task this is, counting from 1.
    pub attempt: u32,
    /// The fence of the task's lease it runs under.
    pub fence: u64,
    /// Where it stands.
    pub state: RunState,
    /// When it was minted.
    pub created_at: Timestamp,
}

impl Run {
    /// The machine it was handed to, if it was.
    #[must_use]
    pub fn machine(&self) -> Option<&MachineName> {
        self.reservation.as_ref().map(|it| &it.machine)
    }

    /// The machine it was handed to, or is queued for; `None` where the routing has yet to say.
    #[must_use]
    pub fn bound_for(&self) -> Option<&MachineName> {
        match &self.state {
            RunState::Queued(wish) => wish.machine.as_ref(),
            RunState::Reserved
            | RunState::Preparing
            | RunState::Running { .. }
            | RunState::Finishing
            | RunState::Ended(_) => self.machine(),
        }
    }

    /// Whether it takes one of the worker slots of `machine`.
    #[must_use]
    pub fn takes_slot_of(&self, machine: &MachineName) -> bool {
        self.kind.is_agent_work() && self.state.end().is_none() && self.machine() == Some(machine)
    }
}

/// From this moment on, a machine may hear of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Which machine.
    pub machine: MachineName,
    /// Since when.
    pub at: Timestamp,
}

/// Where a run stands. Arrows: queued → reserved → preparing → running → finishing → ended; every state may
/// go straight to ended, and none goes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RunState {
    /// It waits on the board for what lifts by itself, and no machine has heard of it.
    Queued(Box<Wish>),
    /// Meant for a machine that has not said yes yet.
    Reserved,
    /// The machine fetches, makes the worktree, sets it up.
    Preparing,
    /// The worker runs.
    Running {
        /// When the worker was started.
        since: Timestamp,
    },
    /// The worker is gone; its work is being rescued and pushed.
    Finishing,
    /// Over.
    Ended(Box<RunEnd>),
}

impl RunState {
    /// One word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Queued(_) => "queued",
            Self::Reserved => "reserved",
            Self::Preparing => "preparing",
            Self::Running { .. } => "running",
            Self::Finishing => "finishing",
            Self::Ended(_) => "ended",
        }
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn end(&self) -> Option<&RunEnd> {
        match self {
            Self::Ended(end) => Some(end),
            Self::Queued(_) | Self::Reserved | Self::Preparing | Self::Running { .. } | Self::Finishing => {
                None
            }
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Queued(_) => 0,
            Self::Reserved => 1,
            Self::Preparing => 2,
            Self::Running { .. } => 3,
            Self::Finishing => 4,
            Self::Ended(_) => 5,
        }
    }

    /// Whether the arrow from here to `next` exists. Staying in place is no arrow; and what no machine has heard
    /// of cannot be under way.
    #[must_use]
    pub fn may_become(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Queued(_), Self::Preparing | Self::Running { .. } | Self::Finishing) => false,
            (_, _) => next.rank() > self.rank(),
        }
    }
}

/// Everything that is known about how a run ended: what its exit record holds, what the board keeps and
/// what people are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEnd {
    /// The one-word answer.
    pub outcome: Outcome,
    /// When it ended.
    pub at: Timestamp,
    /// How the worker's process ended; `None` when it never started.
    pub exit: Option<WorkerExit>,
    /// What git says about the work.
    pub git: GitFacts,
    /// Work that would otherwise have been lost, and where it is now.
    pub rescue: Option<Rescue>,
    /// What the runtime reported about itself.
    pub report: RuntimeReport,
    /// Processes that outlived the worker.
    #[serde(default, skip_serializing_if = "Leaked::is_nothing")]
    pub leaked: Leaked,
}

/// How many processes of a run outlived the one they belonged to. They are counted by the run, in the log there
/// is an event for each of the two with what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leaked {
    /// Were found when the worker had ended of its own accord, and were ended.
    pub outlived: u64,
    /// Could not be ended.
    pub stay: u64,
}

impl Leaked {
    /// Nothing leaked.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What leaked: `2 processes that outlived it were ended, and 1 cannot be ended`.
impl fmt::Display for Leaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outlived = match self.outlived {
            0 => None,
            1 => Some("a process that outlived it was ended".to_owned()),
            count => Some(format!("{count} processes that outlived it were ended")),
        };
        let stay = match self.stay {
            0 => None,
            1 => Some("a process of it cannot be ended".to_owned()),
            count => Some(format!("{count} processes of it cannot be ended")),
        };
        f.write_str(&[outlived, stay].into_iter().flatten().collect::<Vec<_>>().join(", and "))
    }
}

impl RunEnd {
    /// What it cost; `None` where nobody knows. Where no worker was started, that is nothing.
    #[must_use]
    pub fn cost(&self) -> Option<Usd> {
        let unstarted = matches!(self.outcome, Outcome::SetupFailed { .. } | Outcome::Cancelled { .. });
        let nothing = (unstarted && self.exit.is_none()).then_some(Usd::ZERO);
        self.report.cost_usd.and_then(Usd::from_dollars).or(nothing)
    }
}

/// Which attempt at its task a new run is, counting from 1; `last` is the newest run before it that is for the same.
/// One that came to nothing through no fault of its work was no attempt.
#[must_use]
pub fn next_attempt(last: Option<&Run>) -> u32 {
    let Some(last) = last else { return 1 };
    let spent = last.state.end().is_none_or(|it| it.outcome.spends_attempt());
    last.attempt.saturating_add(u32::from(spent))
}

/// What git says about a run's work. `None` means nobody could look, never "nothing".
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GitFacts {
    /// The recorded tip of the base branch on origin when the run started.
    pub base: Option<CommitSha>,
    /// The worktree's head at the end.
    pub head: Option<CommitSha>,
    /// The tree of that head.
    pub tree: Option<TreeSha>,
    /// Commits on the head that the base does not have.
    pub ahead: Option<u64>,
    /// Commits on the head that it did not have when this run started.
    pub added: Option<u64>,
    /// Whether `refs/coord/runs/<run>` on origin was read back and is at the head.
    pub pushed: Option<bool>,
    /// Files that were changed but not committed, at most twenty of them.
    pub dirty: Option<Vec<String>>,
}

/// Uncommitted or stashed work that was put into a ref of the store before the worktree went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescue {
    /// `refs/coord/rescue/<run>` in the repo store of the machine.
    pub reference: String,
    /// The commit there: its tree is the worktree as it was; its parents are the head and the stashes.
    pub commit: CommitSha,
    /// How many uncommitted files it holds.
    pub files: usize,
    /// How many stashes it holds.
    pub stashes: usize,
}

/// What is kept: `2 uncommitted files and 1 stash`.
impl fmt::Display for Rescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = if self.files == 1 { "file" } else { "files" };
        let stashes = if self.stashes == 1 { "stash" } else { "stashes" };
        match (self.files, self.stashes) {
            (count, 0) => write!(f, "{count} uncommitted {files}"),
            (0, count) => write!(f, "{count} {stashes}"),
            (some, more) => write!(f, "{some} uncommitted {files} and {more} {stashes}"),
        }
    }
}

/// What a runtime reported about itself. Claims, for people to read; never evidence.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RuntimeReport {
    /// The session, as the runtime calls it.
    pub session: Option<String>,
    /// The exact model that answered.
    pub model: Option<String>,
    /// Turns taken.
    pub turns: Option<u64>,
    /// Cost in US dollars, as the runtime counts it.
    pub cost_usd: Option<f64>,
    /// What that paid for, and who pays.
    #[serde(default)]
    pub usage: Usage,
    /// What authenticated it.
    #[serde(default)]
    pub account: Option<AccountName>,
    /// What it said last of each usage window of that account.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// The last text it wrote.
    pub text: Option<String>,
    /// Tools it was denied, with what it wanted of them.
    pub denials: Vec<String>,
    /// What it said of the change, if it was asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

#[cfg(test)]
mod tests;
