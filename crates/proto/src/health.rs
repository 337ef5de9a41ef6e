//! What an agent server says of itself.

use coord_core::name::{CommitSha, MachineName, RepoName};
use serde::{Deserialize, Serialize};

/// The answer of `GET /health`. Needs no token, and is never held up by git or a busy disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The machine it serves as.
    pub machine: MachineName,
    /// The version of the program.
    pub version: String,
    /// The version of the contract.
    pub protocol: u32,
    /// How many workers may run at once.
    pub slots: u32,
    /// How many runs have not ended.
    pub live: u32,
    /// What the machine can do.
    pub capabilities: Vec<String>,
    /// How it keeps runs together and within their limits, in a sentence; empty where an older one does not say.
    #[serde(default)]
    pub containment: String,
}

/// One repo as an agent server sees it: part of the answer of `GET /v1/repos`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepoView {
    /// Which repo.
    pub repo: RepoName,
    /// What it looks like, or why that cannot be said. One broken repo does not hide another.
    #[serde(flatten)]
    pub state: RepoState,
}

/// What a repo looks like on a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RepoState {
    /// There is a clone.
    Clone {
        /// Where.
        path: String,
        /// The commit that is checked out; absent in an empty repo.
        head: Option<CommitSha>,
        /// The branch that is checked out; absent when none is.
        branch: Option<String>,
        /// Whether anything is uncommitted.
        dirty: bool,
    },
    /// No clone is configured: runs use the repo store alone.
    Store {
        /// Where commits come from and go to.
        origin: String,
    },
    /// It cannot be used.
    Broken {
        /// Why.
        error: String,
    },
}
