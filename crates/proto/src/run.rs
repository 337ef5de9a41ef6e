//! What a coordinator asks for, and what it is told about it.

use coord_core::id::RunId;
use coord_core::limits::RunLimits;
use coord_core::name::{AccountName, BranchName, CommitSha, RuntimeName};
use coord_core::repo::Permissions;
use coord_core::run::{RunKind, RunState};
use coord_core::task::TaskRef;
use coord_core::window::Window;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The body of `PUT /v1/runs/{id}`: everything that is the coordinator's to decide about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Minted on the board; the same as in the path.
    pub run: RunId,
    /// What it is for.
    pub kind: RunKind,
    /// The task it attempts, and so the repo.
    pub task: TaskRef,
    /// Which attempt at the task this is, counting from 1.
    pub attempt: u32,
    /// The fence of the task's lease. An agent server refuses one that is lower than it has seen.
    pub fence: u64,
    /// A start that arrives later is refused: by then the board may have given the task to somebody else.
    pub start_before: Timestamp,
    /// What kind of program does the work.
    pub runtime: RuntimeName,
    /// The model, where the runtime has models.
    #[serde(default)]
    pub model: Option<String>,
    /// The branch that the work is to be merged into; its tip on origin is the recorded base.
    pub base_branch: BranchName,
    /// The branch of the change. Its worktree is reused from run to run.
    pub branch: BranchName,
    /// What to check out.
    pub checkout: Checkout,
    /// Handed to the worker on standard input.
    #[serde(default)]
    pub prompt: String,
    /// The command of `runtime: command`, run by `sh -c`.
    #[serde(default)]
    pub command: Option<String>,
    /// Run in the new worktree before the worker starts, by `sh -c`.
    #[serde(default)]
    pub setup: Option<String>,
    /// What the worker may and may not do.
    #[serde(default)]
    pub permissions: Permissions,
    /// The worker is stopped this many seconds after it was started.
    pub deadline_seconds: u64,
    /// What else limits it. An older coordinator sets no limits.
    #[serde(default)]
    pub limits: RunLimits,
    /// The session that the worker goes on with; a new one without it.
    #[serde(default)]
    pub resume: Option<Resume>,
    /// The worker ends after the turn in which it has cost this much, in US dollars, where its runtime can keep to
    /// that; no cap without it.
    #[serde(default)]
    pub budget_usd: Option<f64>,
}

/// A session of an earlier run of the task, on the same machine and in the same worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The session, as its runtime calls it.
    pub session: String,
    /// What it had not committed, as it lies in the repo store. It is put back where the worktree stands at the head
    /// on which it was rescued.
    #[serde(default)]
    pub rescue: Option<CommitSha>,
}

/// What a run's worktree is made at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "kebab-case")]
pub enum Checkout {
    /// The tip of the base branch on origin, as fetched for this run: a change's first run.
    Base,
    /// The published head of the change.
    Head {
        /// Which must be on origin.
        head: CommitSha,
    },
    /// A commit that the coordinator made: the merge result that is to be tested.
    Commit {
        /// The commit.
        commit: CommitSha,
        /// Where origin has it, for a machine whose store does not.
        reference: String,
    },
}

/// One run as its machine knows it. In lists and alone; never with its prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// Which run.
    pub run: RunId,
    /// What it is for.
    pub kind: RunKind,
    /// The task it attempts.
    pub task: TaskRef,
    /// The runtime that does it.
    pub runtime: RuntimeName,
    /// Where it stands.
    pub state: RunState,
    /// The number of its newest event.
    pub last_event: u64,
    /// Process id of the worker while it runs.
    #[serde(default)]
    pub pid: Option<u32>,
    /// The worker's last `STATUS:` line.
    #[serde(default)]
    pub status: Option<String>,
    /// The worker's last `STUCK:` line.
    #[serde(default)]
    pub stuck: Option<String>,
    /// What authenticates the worker, while it runs.
    #[serde(default)]
    pub account: Option<AccountName>,
    /// What the runtime said last of each usage window of that account which nears its end.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// Where its worktree lies on that machine, while it exists.
    #[serde(default)]
    pub worktree: Option<String>,
    /// That its commits are not on origin, once it has ended. The machine goes on trying.
    #[serde(default)]
    pub unpushed: Option<Unpushed>,
    /// When its commits came to origin, where that was after its end.
    #[serde(default)]
    pub pushed_at: Option<Timestamp>,
}

/// Commits of an ended run that are not on origin yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpushed {
    /// What the last try came to.
    pub reason: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again.
    #[serde(default)]
    pub next_at: Option<Timestamp>,
}

/// The answer of `GET /v1/runs`: newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunList {
    /// At most a hundred runs.
    pub runs: Vec<RunView>,
    /// Pass it as `?before=` for the next page; absent on the last one.
    #[serde(default)]
    pub before: Option<RunId>,
}
