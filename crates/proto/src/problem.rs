//! Errors on the wire: problem documents of RFC 9457, with a `kind` that programs can match.

use serde::{Deserialize, Serialize};

/// The body of every answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// For programs.
    pub kind: ProblemKind,
    /// The HTTP status, again.
    pub status: u16,
    /// The kind in words.
    pub title: String,
    /// What went wrong this time.
    pub detail: String,
    /// What to do next.
    #[serde(default)]
    pub hints: Vec<String>,
}

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The request is malformed.
    BadRequest,
    /// The token is missing or wrong.
    Unauthorized,
    /// There is no such thing.
    NotFound,
    /// A run of this id exists with another spec.
    Conflict,
    /// The fence is older than one already seen for the task.
    Fenced,
    /// `start_before` has passed.
    TooLate,
    /// It was there, and its time is over.
    Gone,
    /// The machine cannot do this run, and says why.
    Unable,
    /// The run does not take this: it has ended, or was never asked.
    Declined,
    /// The server failed.
    Internal,
    /// Sent by a newer version.
    #[serde(other)]
    Unknown,
}

impl ProblemKind {
    /// Its HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::NotFound => 404,
            Self::Conflict | Self::Fenced | Self::Declined => 409,
            Self::TooLate | Self::Gone => 410,
            Self::Unable => 422,
            Self::Internal | Self::Unknown => 500,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "the request is malformed",
            Self::Unauthorized => "the token is missing or wrong",
            Self::NotFound => "there is no such thing",
            Self::Conflict => "this run exists with another spec",
            Self::Fenced => "the task was given to a newer run",
            Self::TooLate => "the start came too late",
            Self::Gone => "its time is over",
            Self::Unable => "the machine cannot do this run",
            Self::Declined => "the run does not take this",
            Self::Internal | Self::Unknown => "the agent server failed",
        }
    }
}

impl Problem {
    /// A problem of `kind`, in the words of this occasion.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            status: kind.status(),
            title: kind.title().to_owned(),
            detail: detail.into(),
            hints: Vec::new(),
        }
    }

    /// The same with something to do about it.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
