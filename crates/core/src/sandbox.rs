//! How far a worker is kept from what is not its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a worker may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confinement {
    /// All that the user may.
    #[default]
    None,
    /// It writes in its worktree and to the objects of the repo store, and reads what belongs to the system. The
    /// user's home is hidden.
    Worktree,
    /// The same, and the repo store is read-only: its commits go into a git directory of its own, from which they
    /// are fetched.
    Strict,
}

impl Confinement {
    /// All of them, for help texts.
    pub const ALL: [Self; 3] = [Self::None, Self::Worktree, Self::Strict];

    /// The word used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Worktree => "worktree",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The sandbox of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// What the worker may reach.
    #[serde(default)]
    pub level: Confinement,
    /// Whether it may use the network.
    #[serde(default = "yes")]
    pub network: bool,
}

fn yes() -> bool {
    true
}

/// No sandbox.
impl Default for Sandbox {
    fn default() -> Self {
        Self { level: Confinement::None, network: true }
    }
}
