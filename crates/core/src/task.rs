//! One wanted change in one repo.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::forge::{Origin, Related};
use crate::name::{CommitSha, RepoName};

/// Which task: its repo and the number people use. In text, `api#42`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskRef {
    /// The repo the task wants changed.
    pub repo: RepoName,
    /// Its number on the forge.
    pub number: u64,
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.repo, self.number)
    }
}

/// A text that does not name a task.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` does not name a task; write `repo#42`")]
pub struct InvalidTaskRef(String);

impl FromStr for TaskRef {
    type Err = InvalidTaskRef;

    fn from_str(text: &str) -> Result<Self, InvalidTaskRef> {
        let invalid = || InvalidTaskRef(text.chars().take(80).collect());
        let (repo, number) = text.split_once('#').ok_or_else(invalid)?;
        Ok(Self {
            repo: repo.parse().map_err(|_| invalid())?,
            number: number.parse().map_err(|_| invalid())?,
        })
    }
}

impl Serialize for TaskRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One wanted change.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Repo and number.
    pub task: TaskRef,
    /// One line.
    pub title: String,
    /// The whole request, as its author wrote it.
    pub body: String,
    /// Words of the forge's own vocabulary.
    pub labels: Vec<String>,
    /// Paths the author expects to change: a hint, never a fence.
    pub files: Vec<String>,
    /// Tasks that must be merged before this one starts.
    pub after: Vec<TaskRef>,
    /// Where it came from, when it is an issue of a forge.
    pub origin: Option<Origin>,
    /// Issues of the forge that it consists of or is blocked by, as of the last look.
    pub related: Vec<Related>,
    /// Where it stands.
    pub state: TaskState,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Task {
    /// Whether its forge says that it was done, however that came about.
    #[must_use]
    pub fn was_completed(&self) -> bool {
        self.origin.as_ref().is_some_and(|it| it.completed)
    }
}

/// Where a task stands. Whether work is under way is a question for its change and runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Still wanted.
    Open,
    /// Its change is part of the default branch.
    Merged {
        /// The commit that brought it there.
        commit: CommitSha,
    },
    /// No longer wanted.
    Closed {
        /// Why, in a person's words.
        reason: String,
    },
}

impl TaskState {
    /// One word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Merged { .. } => "merged",
            Self::Closed { .. } => "closed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_by_its_repo_and_number_and_by_nothing_else() {
        let task: TaskRef = "api#42".parse().unwrap();
        assert_eq!((task.repo.as_str(), task.number), ("api", 42));
        assert_eq!(task.to_string(), "api#42");
        assert_eq!(serde_json::to_value(&task).unwrap(), "api#42");
        assert_eq!(serde_json::from_value::<TaskRef>("api#42".into()).unwrap(), task);
        for text in ["", "api", "42", "#42", "api#", "api#-1", "api#4#2", "a b#42"] {
            assert!(text.parse::<TaskRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_forge_says_that_a_task_was_completed() {
        let of = |origin| Task {
            task: "api#1".parse().unwrap(),
            title: String::new(),
            body: String::new(),
            labels: Vec::new(),
            files: Vec::new(),
            after: Vec::new(),
            origin,
            related: Vec::new(),
            state: TaskState::Closed { reason: "done".to_owned() },
            created_at: Timestamp::UNIX_EPOCH,
        };
        let said = |completed| Origin {
            author: "ann".to_owned(),
            association: crate::forge::Association::Owner,
            assignees: Vec::new(),
            milestone: None,
            completed,
            url: String::new(),
            updated_at: Timestamp::UNIX_EPOCH,
        };
        assert!(of(Some(said(true))).was_completed());
        assert!(!of(Some(said(false))).was_completed());
        assert!(!of(None).was_completed());
    }
}
