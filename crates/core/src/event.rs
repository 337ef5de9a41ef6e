//! The board's events: immutable numbered facts, written in the transaction that made them true.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gate::{Evidence, GateKind};
use crate::id::RunId;
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
    /// A run was minted.
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
