//! The outcomes of speaking to GitHub that are not answers, one name for each.
//!
//! Every text says what was asked and what became of it. None holds a credential; what GitHub said is quoted
//! without control characters and only so far.

use std::io;

use camino::Utf8PathBuf;
use jiff::Timestamp;

/// How much of a text of GitHub's is quoted, in characters.
const QUOTED: usize = 300;

/// Which limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitKind {
    /// Requests an hour.
    Primary,
    /// Requests, writes or computing time within a short while.
    Secondary,
}

impl LimitKind {
    /// One word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }
}

/// Why GitHub did not do what it was asked. `at` is the request: method and path.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// 401: the credential is wrong, expired or revoked.
    #[error("GitHub does not accept the credential for `{at}`: {message}")]
    Unauthorised {
        /// The request.
        at: String,
        /// What GitHub said.
        message: String,
    },
    /// 403: the credential may not do this.
    #[error("GitHub forbids `{at}`: {message}{}", needs.as_ref().map(|it| format!(" (needs {it})")).unwrap_or_default())]
    Forbidden {
        /// The request.
        at: String,
        /// What GitHub said.
        message: String,
        /// The scopes or permissions that would do, when GitHub names them.
        needs: Option<String>,
    },
    /// 403: the repository is archived, so nothing in it can be written.
    #[error("the repository of `{at}` is archived and can only be read")]
    Archived {
        /// The request.
        at: String,
    },
    /// 404: it is not there, or the credential has no access: GitHub does not say which.
    #[error("GitHub has nothing at `{at}`, or the credential has no access to it")]
    NotFound {
        /// The request.
        at: String,
        /// What GitHub said; mostly no more than `Not Found`.
        message: String,
    },
    /// 410: it was deleted, or that part of the repository is switched off.
    #[error("`{at}` is gone: {message}")]
    Gone {
        /// The request.
        at: String,
        /// What GitHub said.
        message: String,
    },
    /// 405: its rules do not allow it as things are.
    #[error("GitHub does not allow `{at}` now: {message}")]
    NotAllowed {
        /// The request.
        at: String,
        /// What GitHub said.
        message: String,
    },
    /// 409: something else changed it first.
    #[error("`{at}` conflicts with what is there: {message}")]
    Conflict {
        /// The request.
        at: String,
        /// What GitHub said.
        message: String,
    },
    /// 422: what was asked makes no sense to GitHub.
    #[error("GitHub refuses `{at}` as invalid: {message}")]
    Invalid {
        /// The request.
        at: String,
        /// What GitHub said, with its list of errors.
        message: String,
    },
    /// Any other status that is not an answer.
    #[error("GitHub refuses `{at}` with status {status}: {message}")]
    Refused {
        /// The request.
        at: String,
        /// The HTTP status.
        status: u16,
        /// What GitHub said.
        message: String,
    },
    /// 5xx to a read, after every try.
    #[error("GitHub failed at `{at}` with status {status}")]
    Server {
        /// The request.
        at: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer to a read is not what GitHub documents.
    #[error("the answer to `{at}` makes no sense: {reason}")]
    Malformed {
        /// The request.
        at: String,
        /// Where it went wrong.
        reason: String,
    },
    /// The answer to a read broke off.
    #[error("the answer to `{at}` broke off")]
    Truncated {
        /// The request.
        at: String,
    },
    /// The request did not get there, or a read was not answered.
    #[error("GitHub cannot be reached for `{at}`: {reason}")]
    Unreachable {
        /// The request.
        at: String,
        /// What failed.
        reason: String,
    },
    /// A write was sent and no usable answer came: it may have been done or not. Reading tells.
    #[error("`{at}` was sent and may or may not have been done: {reason}")]
    Unanswered {
        /// The request.
        at: String,
        /// What came instead of an answer.
        reason: String,
    },
    /// It lies elsewhere now, where this request is not followed to.
    #[error("`{at}` has moved to {to}")]
    Moved {
        /// The request.
        at: String,
        /// Where GitHub points.
        to: String,
    },
    /// The issue lives in another repository now.
    #[error("issue #{number} was transferred and is {to} now")]
    Transferred {
        /// Its number before.
        number: u64,
        /// `owner/name#number`.
        to: String,
    },
    /// The number is that of a pull request.
    #[error("#{number} is a pull request and not an issue")]
    NotAnIssue {
        /// The number.
        number: u64,
    },
    /// A limit of GitHub's is used up: nothing is sent before `until`.
    #[error("GitHub's {} rate limit is used up; nothing is sent until {until:.0}", kind.as_str())]
    Limited {
        /// Which.
        kind: LimitKind,
        /// When asking is allowed again.
        until: Timestamp,
    },
    /// Our own budget of writes is used up, and its next free place is further away than anybody waits.
    #[error("the budget of writes to GitHub is used up until {until:.0}")]
    WriteBudget {
        /// When there is room again.
        until: Timestamp,
    },
    /// GitHub failed so often in a row that it is left alone for a while.
    #[error(
        "GitHub failed several times in a row and is left alone until {until:.0}; the last time: {cause}"
    )]
    CircuitOpen {
        /// When it is tried again.
        until: Timestamp,
        /// How it failed last.
        cause: String,
    },
    /// There is more than is ever read at once.
    #[error("`{at}` has more than {pages} pages")]
    TooMany {
        /// The request.
        at: String,
        /// How many pages were read.
        pages: usize,
    },
    /// The address or the credential cannot be used at all.
    #[error("GitHub cannot be used as configured: {reason}")]
    Configuration {
        /// What is wrong with them.
        reason: String,
    },
    /// The directory of this credential cannot be read or written.
    #[error("cannot use the state of the GitHub credential at {path}")]
    Local {
        /// The file or directory.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl GitHubError {
    /// Whether the same request may well succeed later, with nothing changed by anybody here.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Server { .. }
            | Self::Malformed { .. }
            | Self::Truncated { .. }
            | Self::Unreachable { .. }
            | Self::Unanswered { .. }
            | Self::Limited { .. }
            | Self::WriteBudget { .. }
            | Self::CircuitOpen { .. } => true,
            Self::Unauthorised { .. }
            | Self::Forbidden { .. }
            | Self::Archived { .. }
            | Self::NotFound { .. }
            | Self::Gone { .. }
            | Self::NotAllowed { .. }
            | Self::Conflict { .. }
            | Self::Invalid { .. }
            | Self::Refused { .. }
            | Self::Moved { .. }
            | Self::Transferred { .. }
            | Self::NotAnIssue { .. }
            | Self::TooMany { .. }
            | Self::Configuration { .. }
            | Self::Local { .. } => false,
        }
    }

    /// When asking again makes sense, where that is known.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        if let Self::Limited { until, .. } | Self::WriteBudget { until } | Self::CircuitOpen { until, .. } =
            self
        {
            Some(*until)
        } else {
            None
        }
    }
}

/// `text` as it may be quoted: one line, no control characters, not endless.
pub(crate) fn quoted(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().filter(|c| !c.is_control()));
    }
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_one_bounded_line_without_control_characters() {
        assert_eq!(quoted("a\n\x1b[31mred\tb "), "a [31mred b");
        let long = quoted(&"x".repeat(10_000));
        assert_eq!(long.chars().count(), QUOTED + 1);
    }
}
