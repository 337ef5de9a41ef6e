//! Clearing up on the wire: what of an agent server's leftovers goes, or would go, and why the rest stays.

use coord_core::task::TaskRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/gc`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClearUp {
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
    /// Tasks that are merged or closed: their newest runs may go like all others.
    #[serde(default)]
    pub over: Vec<TaskRef>,
}

/// What went, or would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// When.
    pub at: Timestamp,
    /// What went; with `dry_run`, what would go.
    pub gone: Vec<Gone>,
    /// What stays although its time is over, or could not be removed, and what is not ours, with the reason.
    pub stays: Vec<Stays>,
    /// Tasks whose newest runs stay because the machine does not know whether they are over.
    #[serde(default)]
    pub perhaps_over: Vec<TaskRef>,
}

/// Something that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// `log`, `worktree`, `rescue`, `reference`, `origin` or `store`.
    pub what: String,
    /// What it is called.
    pub name: String,
    /// How much room it took; 0 where that is not known.
    pub bytes: u64,
    /// Why it goes.
    pub why: String,
}

/// Something that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stays {
    /// What it is called.
    pub name: String,
    /// Why it stays.
    pub why: String,
}
