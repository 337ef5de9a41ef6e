//! What GitHub answered, before anybody has looked into it.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::github::cache::Entry;
use crate::github::error::{GitHubError, quoted};

/// What GitHub answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    at: String,
    /// Whether something was changed, so that an answer nobody understands leaves open what.
    write: bool,
    body: Bytes,
    /// Whether GitHub pointed to another address for it.
    pub(crate) moved: bool,
    /// Whether the body is the one that was here already.
    pub(crate) known: bool,
    /// The address of the next page.
    pub(crate) next: Option<String>,
}

impl Answer {
    /// The answer to a read, just given.
    pub(crate) fn fresh(at: &str, body: Bytes, next: Option<String>) -> Self {
        Self { at: at.to_owned(), write: false, body, moved: false, known: false, next }
    }

    /// The answer to a read that was here already, and is true. It may be that there is none.
    pub(crate) fn kept(at: &str, entry: Entry) -> Result<Self, GitHubError> {
        let body = entry.body.map_err(|refusal| refusal.error(at))?;
        Ok(Self { known: true, ..Self::fresh(at, body, entry.next) })
    }

    /// The answer to a write.
    pub(crate) fn written(at: String, body: Bytes) -> Self {
        Self { at, write: true, body, moved: false, known: false, next: None }
    }

    /// The answer that was found after so many redirects.
    pub(crate) fn found_at(self, hop: usize) -> Self {
        Self { moved: hop > 0, ..self }
    }

    /// The answer as what it should be.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, GitHubError> {
        serde_json::from_slice(&self.body).map_err(|error| self.malformed(&error.to_string()))
    }

    /// The answer is not what it should be.
    pub(crate) fn malformed(&self, reason: &str) -> GitHubError {
        let (at, reason) = (self.at.clone(), quoted(reason));
        if self.write {
            GitHubError::Unanswered { at, reason }
        } else {
            GitHubError::Malformed { at, reason }
        }
    }
}
