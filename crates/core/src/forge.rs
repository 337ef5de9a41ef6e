//! What a forge says: of issues and of the people who write there, of pull requests, their checks and reviews,
//! and of the rules of a branch.
//!
//! These are facts as of one look, in words that hold for any forge. What could not be read is a value of its
//! own (`None`, [`Protection::Unknown`], [`CheckState::Unknown`]) and never the empty one.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::PullRequestState;
use crate::name::{BranchName, CommitSha, GitHubRepo};

/// How the author of a text stands to the repository that it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Association {
    /// Owns it.
    Owner,
    /// Belongs to the organisation that owns it.
    Member,
    /// Was invited to work on it.
    Collaborator,
    /// Has a commit in it.
    Contributor,
    /// Has a commit in it since just now.
    FirstTimeContributor,
    /// Has never had a commit anywhere.
    FirstTimer,
    /// Stands in for somebody of an imported repository.
    Mannequin,
    /// Has nothing to do with it.
    None,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Association {
    /// Those whose texts may become work unless the configuration says otherwise: who may push anyway.
    pub const TRUSTED: [Self; 3] = [Self::Owner, Self::Member, Self::Collaborator];

    /// The forge's own word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Member => "MEMBER",
            Self::Collaborator => "COLLABORATOR",
            Self::Contributor => "CONTRIBUTOR",
            Self::FirstTimeContributor => "FIRST_TIME_CONTRIBUTOR",
            Self::FirstTimer => "FIRST_TIMER",
            Self::Mannequin => "MANNEQUIN",
            Self::None => "NONE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An issue, as of one look.
#[derive(Debug, Clone, PartialEq)]
pub struct Issue {
    /// Its number.
    pub number: u64,
    /// One line.
    pub title: String,
    /// What its author wrote.
    pub body: String,
    /// The forge's labels.
    pub labels: Vec<String>,
    /// Whether it is still wanted.
    pub open: bool,
    /// What only the forge knows of it.
    pub origin: Origin,
    /// How many comments it has.
    pub comments: u32,
    /// How many of the issues it consists of are still open; `None` when the forge does not say.
    pub open_sub_issues: Option<u32>,
    /// How many of the issues it is blocked by are still open; `None` when the forge does not say.
    pub open_blockers: Option<u32>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Where a task came from that is an issue of a forge: what the board keeps of it beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who wrote it.
    pub author: String,
    /// How they stand to the repository.
    pub association: Association,
    /// Who has taken it on.
    pub assignees: Vec<String>,
    /// What it is to be a part of.
    #[serde(default)]
    pub milestone: Option<String>,
    /// Whether it is closed, and whoever closed it says that it was done.
    #[serde(default)]
    pub completed: bool,
    /// Its page.
    pub url: String,
    /// When it was last edited, commented on or moved.
    pub updated_at: Timestamp,
}

/// What somebody wrote under an issue or a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The forge's id of it.
    pub id: u64,
    /// Who wrote it.
    pub author: String,
    /// How they stand to the repository.
    pub association: Association,
    /// What they wrote.
    pub body: String,
    /// When.
    pub created_at: Timestamp,
}

/// An issue that another one has to do with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// Why it matters.
    pub relation: Relation,
    /// Where it is.
    pub repo: GitHubRepo,
    /// Its number there.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Whether it is still open.
    pub open: bool,
}

/// Why one issue matters to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// It is a part of it.
    SubIssue,
    /// It has to be done first.
    BlockedBy,
}

/// A branch whose name says that it is for an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueBranch {
    /// Its name.
    pub name: BranchName,
    /// Its tip.
    pub head: CommitSha,
}

/// A pull request, as of one look.
#[derive(Debug, Clone, PartialEq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Where it stands.
    pub state: PullRequestState,
    /// Whether its author says that it is not ready.
    pub draft: bool,
    /// One line.
    pub title: String,
    /// What its author wrote.
    pub body: String,
    /// Who opened it.
    pub author: String,
    /// The branch that is to be merged.
    pub branch: BranchName,
    /// Whether that branch is in the same repository, and not in somebody's fork.
    pub same_repo: bool,
    /// The tip of that branch, as the forge knows it.
    pub head: CommitSha,
    /// The branch it is to be merged into.
    pub base_branch: BranchName,
    /// Whether the forge could merge it; `None` while it is still finding out, and in lists.
    pub mergeable: Option<bool>,
    /// Its page.
    pub url: String,
}

/// What was examined on a commit by somebody else's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is called where it is required.
    pub name: String,
    /// Where it stands.
    pub state: CheckState,
    /// Its page.
    pub url: Option<String>,
}

/// Where a check stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckState {
    /// It is queued or runs.
    Running,
    /// It looked and found nothing wrong.
    Passed,
    /// It looked and found something, or broke off.
    Failed {
        /// The forge's word: `failure`, `timed_out`, `cancelled`, …
        conclusion: String,
    },
    /// It did not look.
    Skipped {
        /// The forge's word: `skipped` or `neutral`.
        conclusion: String,
    },
    /// A word that this version does not know.
    Unknown {
        /// That word.
        word: String,
    },
}

/// What somebody said of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Who.
    pub author: String,
    /// How they stand to the repository.
    pub association: Association,
    /// What.
    pub verdict: ReviewVerdict,
    /// The commit they looked at; `None` when it is gone.
    pub commit: Option<CommitSha>,
    /// When; `None` while it has not been handed in.
    pub at: Option<Timestamp>,
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewVerdict {
    /// It may be merged.
    Approved,
    /// It may not, until something has changed.
    ChangesRequested,
    /// Neither.
    Commented,
    /// Somebody has taken the verdict away.
    Dismissed,
    /// It has not been handed in.
    Pending,
    /// A word that this version does not know.
    Unknown,
}

/// The rules that the forge itself holds a branch to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// They could be read, all of them.
    Known(Rules),
    /// They could not, or only in part.
    Unknown {
        /// What kept us from it, and what a token would need.
        reason: String,
        /// What could be read all the same. There may be more.
        at_least: Rules,
    },
}

/// Rules of a branch. The default is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Checks that must pass on the head of a pull request.
    pub checks: BTreeSet<String>,
    /// Whether they must have passed on a head that contains the tip of the branch.
    pub strict: bool,
    /// How many people must approve.
    pub approvals: u32,
    /// Whether commits reach the branch through pull requests only.
    pub pull_request_only: bool,
}

impl Protection {
    /// What is known to be asked for.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        match self {
            Self::Known(rules) | Self::Unknown { at_least: rules, .. } => rules,
        }
    }
}

/// What an account may do in a repository, and what the repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What it is called now; another name than the configured one after a rename.
    pub repo: GitHubRepo,
    /// Whether the account may push; `None` when the forge does not say.
    pub push: Option<bool>,
    /// Whether nothing can be written any more.
    pub archived: bool,
    /// Whether issues are switched on.
    pub issues: bool,
    /// The branch that pull requests are for unless they say otherwise.
    pub default_branch: BranchName,
}
