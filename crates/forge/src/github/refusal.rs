//! What GitHub does not give, kept like an answer. It has no version that could be asked about for free, so
//! every look at it counts.

use serde::{Deserialize, Serialize};

use crate::github::error::GitHubError;

/// A refusal that will most likely be the same the next time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Refusal {
    Forbidden { message: String, needs: Option<String> },
    NotFound { message: String },
}

impl Refusal {
    /// What is to be kept of an error; `None` when it says nothing about the next time.
    pub(crate) fn of(error: &GitHubError) -> Option<Self> {
        // Nothing but these two is about what a credential may see.
        if let GitHubError::Forbidden { message, needs, .. } = error {
            return Some(Self::Forbidden { message: message.clone(), needs: needs.clone() });
        }
        let GitHubError::NotFound { message, .. } = error else { return None };
        Some(Self::NotFound { message: message.clone() })
    }

    /// The error that it was, for the request `at`.
    pub(crate) fn error(self, at: &str) -> GitHubError {
        let at = at.to_owned();
        match self {
            Self::Forbidden { message, needs } => GitHubError::Forbidden { at, message, needs },
            Self::NotFound { message } => GitHubError::NotFound { at, message },
        }
    }
}
