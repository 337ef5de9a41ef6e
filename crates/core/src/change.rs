//! A task's branch and everything said about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::{BranchName, CommitSha};
use crate::task::TaskRef;

/// A task's branch. There is at most one per task; a retry continues it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The task it is for.
    pub task: TaskRef,
    /// Its branch on origin: stored once, never derived again.
    pub branch: BranchName,
    /// The branch it is to be merged into.
    pub base_branch: BranchName,
    /// Where it stands.
    pub state: ChangeState,
    /// The highest fence handed out for the task's lease: only its holder may publish.
    pub fence: u64,
}

/// Where a change stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeState {
    /// Nothing has been published yet.
    Empty,
    /// Commits are on origin.
    Published {
        /// The tip of the change's branch on origin.
        head: CommitSha,
    },
    /// It is part of the default branch.
    Merged {
        /// The head that was merged.
        head: CommitSha,
        /// The commit that brought it there.
        commit: CommitSha,
    },
}

impl Change {
    /// The published head, if there is one.
    #[must_use]
    pub fn head(&self) -> Option<&CommitSha> {
        match &self.state {
            ChangeState::Empty => None,
            ChangeState::Published { head } | ChangeState::Merged { head, .. } => Some(head),
        }
    }
}

/// A request to merge a change. On the local forge it lives on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number on the forge, from the same sequence as the tasks'.
    pub number: u64,
    /// The task it is for.
    pub task: TaskRef,
    /// The branch that is to be merged.
    pub branch: BranchName,
    /// The branch it is to be merged into.
    pub base_branch: BranchName,
    /// One line.
    pub title: String,
    /// What was done, how it was tested, how to try it.
    pub body: String,
    /// Where it stands.
    pub state: PullRequestState,
    /// Its page, where the forge has pages.
    pub url: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
}

/// Where a pull request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum PullRequestState {
    /// Waiting to be merged.
    Open,
    /// Merged.
    Merged {
        /// The commit that brought it into the base branch.
        commit: CommitSha,
    },
    /// Closed without merging.
    Closed,
}

impl PullRequestState {
    /// One word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Merged { .. } => "merged",
            Self::Closed => "closed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_a_head_from_when_it_is_published_and_keeps_it_when_it_is_merged() {
        let sha = |digit: &str| digit.repeat(40).parse::<CommitSha>().unwrap();
        let head = |state| {
            let change = Change {
                task: "api#1".parse().unwrap(),
                branch: "issue-1".parse().unwrap(),
                base_branch: "main".parse().unwrap(),
                state,
                fence: 1,
            };
            change.head().cloned()
        };
        assert_eq!(head(ChangeState::Empty), None);
        assert_eq!(head(ChangeState::Published { head: sha("a") }), Some(sha("a")));
        assert_eq!(head(ChangeState::Merged { head: sha("a"), commit: sha("b") }), Some(sha("a")));
    }

    #[test]
    fn the_word_that_is_shown_of_a_pull_request_is_the_word_that_is_written() {
        let merged = PullRequestState::Merged { commit: "a".repeat(40).parse().unwrap() };
        for state in [PullRequestState::Open, merged, PullRequestState::Closed] {
            assert_eq!(serde_json::to_value(&state).unwrap()["state"], state.as_str());
        }
    }
}
