//! Issues, which pull requests are as well, with what was said and what happened.

use jiff::Timestamp;

use super::Pull;

/// An issue; with `pull` it is a pull request.
#[derive(Debug, Clone)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) author: String,
    /// The App that wrote it for its author.
    pub(crate) app: Option<u64>,
    pub(crate) state: State,
    pub(crate) labels: Vec<String>,
    pub(crate) assignees: Vec<String>,
    pub(crate) milestone: Option<u64>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) comments: Vec<Comment>,
    pub(crate) timeline: Vec<Happening>,
    /// Ids of the issues below it, in their order.
    pub(crate) children: Vec<u64>,
    /// Ids of the issues that it waits for.
    pub(crate) blocked_by: Vec<u64>,
    pub(crate) pull: Option<Pull>,
}

impl Issue {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }
}

/// Whether it is done with.
#[derive(Debug, Clone)]
pub(crate) enum State {
    Open { again: bool },
    Closed { at: Timestamp, by: String, reason: StateReason },
}

/// Why an issue is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateReason {
    /// Done.
    Completed,
    /// It will not be done.
    NotPlanned,
    /// Another issue says the same.
    Duplicate,
}

impl StateReason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::NotPlanned => "not_planned",
            Self::Duplicate => "duplicate",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Completed, Self::NotPlanned, Self::Duplicate].into_iter().find(|it| it.name() == name)
    }
}

/// A comment below an issue or a pull request.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) app: Option<u64>,
    pub(crate) body: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Something that happened to an issue and is no comment.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    pub(crate) id: u64,
    /// What, as the API calls it: `closed`, `labeled`, ….
    pub(crate) event: &'static str,
    pub(crate) actor: String,
    /// The label, assignee, commit or title that it was about.
    pub(crate) subject: Option<String>,
    pub(crate) at: Timestamp,
}
