//! What a coordinator asks for, and what it is told about it.

use coord_core::again::Transcript;
use coord_core::id::{MessageId, RunId};
use coord_core::limits::RunLimits;
use coord_core::name::{AccountName, BranchName, CommitSha, RuntimeName};
use coord_core::repo::Permissions;
use coord_core::run::{RunKind, RunState};
use coord_core::sandbox::Sandbox;
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
    /// What it may reach. An older coordinator asks for no sandbox.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// The worker is stopped this many seconds after it was started.
    pub deadline_seconds: u64,
    /// What else limits it. An older coordinator sets no limits.
    #[serde(default)]
    pub limits: RunLimits,
    /// The session that the worker goes on with; a new one without it.
    #[serde(default)]
    pub resume: Option<Resume>,
    /// What an earlier run of the change left, to be put into the worktree before the worker starts.
    #[serde(default)]
    pub restore: Option<Restore>,
    /// The worker ends after the turn in which it has cost this much, in US dollars, where its runtime can keep to
    /// that; no cap without it.
    #[serde(default)]
    pub budget_usd: Option<f64>,
}

/// How many bytes of a transcript are kept and moved. A longer one is of no use in part, and stays where it is.
pub const TRANSCRIPT_LIMIT: u64 = 32 * 1024 * 1024;

/// A session of an earlier run of the change. It is gone on with if its transcript can be had: where it was, as it was
/// sent for this run, or as it was kept with the earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The session, as its runtime calls it.
    pub session: String,
    /// The run that it was last used by, where the machine may know it.
    #[serde(default)]
    pub from: Option<RunId>,
    /// What the worker is told in it. Without it, and in a new session because this one cannot be had, it is the
    /// prompt of the run.
    #[serde(default)]
    pub prompt: Option<String>,
}

/// Work of an earlier run that is in the machine's repo store and on no branch of origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Whose it is.
    pub run: RunId,
    /// The head it ended at, when that was not published.
    #[serde(default)]
    pub head: Option<CommitSha>,
    /// The commit that its uncommitted files were rescued into.
    #[serde(default)]
    pub rescue: Option<CommitSha>,
}

impl RunSpec {
    /// What its worker is told, which in a session that is gone on with is not what a new one is told.
    #[must_use]
    pub fn told(&self) -> &str {
        self.resume.as_ref().and_then(|it| it.prompt.as_deref()).unwrap_or(&self.prompt)
    }
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
    /// How far the worker last said it is.
    #[serde(default)]
    pub status: Option<String>,
    /// How sure it was then that it will succeed, from 0 to 1.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// What the worker last said keeps it from going on.
    #[serde(default)]
    pub stuck: Option<String>,
    /// What authenticates the worker, while it runs.
    #[serde(default)]
    pub account: Option<AccountName>,
    /// What the runtime said last of each usage window of that account which nears its end.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// What it asked and nobody has answered yet, oldest first.
    #[serde(default)]
    pub questions: Vec<Question>,
    /// Who has taken its session over, while they have it.
    #[serde(default)]
    pub held: Option<Holder>,
    /// Where its worktree lies on that machine, while it exists.
    #[serde(default)]
    pub worktree: Option<String>,
    /// That its commits are not on origin, once it has ended. The machine goes on trying.
    #[serde(default)]
    pub unpushed: Option<Unpushed>,
    /// When its commits came to origin, where that was after its end.
    #[serde(default)]
    pub pushed_at: Option<Timestamp>,
    /// Its session, once it has ended. Only when it is asked for alone.
    #[serde(default)]
    pub session: Option<SessionView>,
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

/// The session of an ended run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// As its runtime calls it.
    pub id: String,
    /// What is left of it on this machine.
    pub transcript: Transcript,
}

/// A person who has taken the session of a worker over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who.
    pub who: String,
    /// Since when.
    pub since: Timestamp,
}

/// Something that a worker wants to know from a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Which question of its run it is, counting from 1.
    pub question: u32,
    /// What it wants to know.
    pub text: String,
    /// Answers to choose from; empty when any will do.
    #[serde(default)]
    pub options: Vec<String>,
    /// When it was asked.
    pub at: Timestamp,
}

/// The body of `POST /v1/runs/{id}/message`. The same message again is the same message, and arrives once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Minted by who sends it.
    pub id: MessageId,
    /// What the worker is told.
    pub text: String,
}

/// The answer of `POST /v1/runs/{id}/message`: it is kept, and will be handed over, whatever becomes of the agent
/// server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// How far it has come.
    pub receipt: Receipt,
    /// Everything that becomes of it is an event after this number.
    pub after: u64,
}

/// How far a message to a worker has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Receipt {
    /// The machine keeps it.
    Queued,
    /// It is written to the worker's input, which the worker looks at between two tools.
    Delivered,
    /// The worker has taken it in.
    Read,
    /// The worker ended without having taken it in.
    Unread,
    /// Said by a newer version.
    #[serde(other)]
    Unknown,
}

impl Receipt {
    /// The word used everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Unread => "unread",
            Self::Unknown => "unknown",
        }
    }
}

/// The body of `POST /v1/runs/{id}/answer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which question; the oldest that is open when it is left out.
    #[serde(default)]
    pub question: Option<u32>,
    /// What to tell the worker.
    pub text: String,
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
