//! Rescued work on the wire: which there is on a machine, what is in it, and sending it to origin.

use coord_core::id::RunId;
use coord_core::name::{CommitSha, RepoName};
use coord_core::secret::Rule;
use coord_core::task::TaskRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The header that says that a patch was cut.
pub const CUT_HEADER: &str = "coord-cut";

/// Work of one run that would otherwise have been lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescueView {
    /// Whose.
    pub run: RunId,
    /// In the store of which repo.
    pub repo: RepoName,
    /// The task that the run was for; absent when the machine has no record of it any more.
    #[serde(default)]
    pub task: Option<TaskRef>,
    /// `refs/coord/rescue/<run>`, or `refs/coord/keep/<run>` for commits that nothing else had.
    pub reference: String,
    /// The commit there. Its tree is the worktree as it was.
    pub commit: CommitSha,
    /// The commit that the worktree stood at.
    #[serde(default)]
    pub head: Option<CommitSha>,
    /// How many files were uncommitted.
    pub files: usize,
    /// The first of them, twenty at most.
    #[serde(default)]
    pub names: Vec<String>,
    /// The stashes, newest first.
    #[serde(default)]
    pub stashes: Vec<CommitSha>,
    /// An earlier rescue of the same run, which lies beneath it.
    #[serde(default)]
    pub earlier: Option<CommitSha>,
    /// How many of its commits no branch of origin has, as of the last fetch.
    pub commits: usize,
    /// Whether a branch of origin has all of it, as of the last fetch.
    pub published: bool,
    /// Whether origin has it at a reference of the same name.
    pub pushed: bool,
    /// When it was rescued.
    pub at: Timestamp,
    /// When somebody last looked at what is in it.
    #[serde(default)]
    pub looked_at: Option<Timestamp>,
}

/// The answer of `GET /v1/rescues`: newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescueList {
    /// At most a hundred.
    pub rescues: Vec<RescueView>,
    /// Pass it as `?before=` for the next page; absent on the last one.
    #[serde(default)]
    pub before: Option<String>,
}

/// The body of `POST /v1/rescues/{run}/push`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PushRescue {
    /// Why it is to be pushed although it seems to hold secrets.
    #[serde(default)]
    pub anyway: Option<String>,
}

/// What became of a push of rescued work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum RescuePushed {
    /// Origin has it.
    Pushed {
        /// At this reference.
        reference: String,
        /// Which commit.
        commit: CommitSha,
        /// What was found, and pushed all the same.
        leaks: Vec<LeakView>,
    },
    /// It seems to hold secrets, and was left where it is.
    Held {
        /// What was found; what is secret in it is not said.
        leaks: Vec<LeakView>,
    },
    /// Origin said no.
    Refused {
        /// In its words.
        reason: String,
    },
    /// Said by a newer version.
    #[serde(other)]
    Unknown,
}

/// Where something was found that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeakView {
    /// The file, or what else was looked at.
    pub place: String,
    /// The line, counted from 1.
    pub line: u64,
    /// What it looks like.
    pub rule: Rule,
}
