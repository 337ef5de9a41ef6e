//! The board's events: immutable numbered facts, written in the transaction that made them true.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::budget::Cap;
use crate::comment::CommentEvent;
use crate::gate::{Evidence, GateKind};
use crate::id::RunId;
use crate::money::Usd;
use crate::name::{BranchName, CommitSha, MachineName};
use crate::outcome::Outcome;
use crate::run::RunKind;
use crate::task::TaskRef;

/// One fact about one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number; they only grow, and have no meaning beyond their order.
    pub number: u64,
    /// When it became true.
    pub at: Timestamp,
    /// The task it is about.
    pub task: TaskRef,
    /// What happened.
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// The task was added.
    TaskAdded {
        /// Its title.
        title: String,
    },
    /// The task's text or relations were edited.
    TaskEdited,
    /// The task is no longer wanted.
    TaskClosed {
        /// Why.
        reason: String,
    },
    /// The task is wanted after all.
    TaskReopened,
    /// A person gave the task to a worker although somebody else has a claim to it, or although its author is
    /// nobody in particular.
    Overridden {
        /// What stood against it.
        what: String,
        /// Why it was done all the same, in the person's words.
        reason: String,
    },
    /// A run was minted that has to wait for its start.
    RunQueued {
        /// The run.
        run: RunId,
        /// Where it is to run; absent where that is left to the routing.
        #[serde(default)]
        machine: Option<MachineName>,
    },
    /// A run was meant for a machine, which may hear of it from now on.
    RunReserved {
        /// The run.
        run: RunId,
        /// What it is for.
        kind: RunKind,
        /// Where it is to run.
        machine: MachineName,
    },
    /// A run moved along.
    RunMoved {
        /// The run.
        run: RunId,
        /// Its new state, in one word.
        state: String,
    },
    /// A run ended.
    RunEnded {
        /// The run.
        run: RunId,
        /// How.
        outcome: Outcome,
    },
    /// A run was minted that goes on where another was cut short, once it may.
    RunParked {
        /// The run.
        run: RunId,
        /// The one that was cut short.
        of: RunId,
        /// When it may, where only time decides that.
        #[serde(default)]
        until: Option<Timestamp>,
    },
    /// A person said that a parked run may go on.
    RunReleased {
        /// The run.
        run: RunId,
    },
    /// A person had what was rescued of a run pushed to origin.
    RescuePushed {
        /// The run.
        run: RunId,
        /// Why although it seems to hold secrets, in the person's words; absent where it does not seem so.
        #[serde(default)]
        anyway: Option<String>,
    },
    /// What is spent came near a cap.
    CapNeared {
        /// Which cap.
        cap: Cap,
        /// What is spent of it.
        spent: Usd,
        /// How much it is.
        limit: Usd,
    },
    /// The change's branch on origin was moved.
    Published {
        /// The branch.
        branch: BranchName,
        /// Its new tip.
        head: CommitSha,
        /// The run whose work it is.
        run: RunId,
    },
    /// Somebody else moved the change's branch on origin.
    HeadMoved {
        /// Its new tip.
        head: CommitSha,
    },
    /// Evidence for a gate was recorded.
    GateRecorded {
        /// Which gate.
        gate: GateKind,
        /// What was found.
        evidence: Evidence,
    },
    /// A pull request was opened.
    PullRequestOpened {
        /// Its number.
        number: u64,
    },
    /// A pull request was closed without merging.
    PullRequestClosed {
        /// Its number.
        number: u64,
    },
    /// Something was said on the forge.
    Commented {
        /// The run it is about.
        run: RunId,
        /// Which of the things that are said of a run.
        event: CommentEvent,
        /// The forge's id of it.
        comment: u64,
    },
    /// The forge merged something else than what was tested.
    Incident {
        /// What is wrong.
        reason: String,
        /// Where the base branch was left.
        commit: CommitSha,
    },
    /// Merging into the base branch goes on after an incident.
    MergingResumed {
        /// Why.
        reason: String,
    },
    /// The change became part of the base branch.
    Merged {
        /// The commit that brought it there.
        commit: CommitSha,
        /// The pull request it closed.
        pull_request: u64,
    },
    /// Written by a newer version of coord.
    #[serde(other)]
    Unknown,
}
