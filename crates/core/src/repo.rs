//! A repo under coordination, and what its configuration asks for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::forge::Rules;
use crate::gate::GateKind;
use crate::name::{BranchName, GitHubRepo, RepoName};
use crate::sandbox::Confinement;

/// A git repository under coordination.
#[derive(Debug, Clone, PartialEq)]
pub struct Repo {
    /// What the configuration calls it.
    pub name: RepoName,
    /// Where `git fetch` and `git push` go; `None` means the origin of this machine's clone.
    pub origin: Option<String>,
    /// Where its tasks and pull requests live.
    pub forge: RepoForge,
    /// The branch that changes are merged into.
    pub default_branch: BranchName,
    /// Repos whose unfinished work holds this one's tasks back.
    pub depends_on: Vec<RepoName>,
    /// Run on the merge result before the tests; `None` when there is nothing to build.
    pub build_command: Option<String>,
    /// Run on the merge result; its exit status is the tests gate.
    pub test_command: Option<String>,
    /// Run in a new worktree before the worker starts.
    pub setup: Option<String>,
    /// Rules of the house, told to every worker.
    pub rules: Option<String>,
    /// What must hold before a change may merge.
    pub gates: BTreeSet<GateKind>,
    /// How changes land, unless the command line says otherwise.
    pub merge_method: MergeMethod,
    /// What workers may and may not run.
    pub permissions: Permissions,
    /// What workers and tests may reach.
    pub confinement: Confinement,
}

/// Where a repo's tasks and pull requests live.
#[derive(Debug, Clone, PartialEq)]
pub enum RepoForge {
    /// On the board; changes are landed with git.
    Local,
    /// On GitHub.
    GitHub(OnGitHub),
}

impl RepoForge {
    /// What only a repo on GitHub has.
    #[must_use]
    pub fn github(&self) -> Option<&OnGitHub> {
        match self {
            Self::Local => None,
            Self::GitHub(it) => Some(it),
        }
    }
}

/// A repo on GitHub, and what its configuration says of GitHub's own rules.
#[derive(Debug, Clone, PartialEq)]
pub struct OnGitHub {
    /// Which one.
    pub repo: GitHubRepo,
    /// Required checks that may be skipped. A skipped one has looked at nothing, so otherwise it holds.
    pub may_skip: BTreeSet<String>,
    /// What the rules of the default branch ask for, where the account may not read them.
    pub protection: Option<Rules>,
}

/// What a worker may and may not do, in the runtime's own pattern language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Permissions {
    /// Allowed on top of the runtime's own list.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Denied, whatever else allows it.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// How a change becomes part of the default branch. Every method ends at the tree that was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeMethod {
    /// A merge commit.
    Merge,
    /// One commit with the tested tree.
    Squash,
    /// The change's commits replayed onto the base.
    #[default]
    Rebase,
}

impl MergeMethod {
    /// All of them, for help texts.
    pub const ALL: [Self; 3] = [Self::Merge, Self::Squash, Self::Rebase];

    /// The word used on the command line and in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}
