//! Merging a pull request through GitHub, and the commit statuses that its rules may ask for.

use coord_core::change::PullRequestState;
use coord_core::name::CommitSha;
use coord_core::repo::MergeMethod;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::github::GitHub;
use crate::github::broker::Age;
use crate::github::error::GitHubError;
use crate::github::text::{self, DESCRIPTION};

/// A merge that GitHub is to make.
#[derive(Debug, Clone)]
pub struct MergeOrder<'a> {
    /// The pull request.
    pub number: u64,
    /// How.
    pub method: MergeMethod,
    /// The tip that may be merged, and no other.
    pub head: &'a CommitSha,
    /// First line of the commit, unless GitHub is to word it. A rebase makes none.
    pub title: Option<&'a str>,
    /// The rest of it.
    pub message: Option<&'a str>,
}

/// How a merge went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum MergeAnswer {
    /// The base branch has this commit.
    Merged {
        /// The last one that the merge made.
        commit: CommitSha,
    },
    /// The branch has another tip than expected; nothing was merged.
    HeadMoved,
    /// GitHub's rules do not allow it as things are: a check or an approval is missing, it conflicts, the base
    /// has moved.
    NotAllowed {
        /// What GitHub said.
        reason: String,
    },
}

/// Where a commit status stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusState {
    /// All is well.
    Success,
    /// It is not.
    Failure,
    /// Looking at it failed.
    Error,
}

/// A commit status. GitHub keeps the newest of each context.
#[derive(Debug, Clone)]
pub struct NewStatus<'a> {
    /// What it is called where it is required.
    pub context: &'a str,
    /// Where it stands.
    pub state: StatusState,
    /// One line for people; GitHub has room for 140 characters of it.
    pub description: &'a str,
}

#[derive(Debug, Deserialize)]
struct Merged {
    sha: CommitSha,
}

impl GitHub {
    /// Merges a pull request, if its tip is still the expected one.
    ///
    /// # Errors
    /// [`GitHubError::Unanswered`] when GitHub did not say whether it merged and shows it as open: ask again
    /// later. And what any write may end in.
    pub async fn merge(&self, order: &MergeOrder<'_>) -> Result<MergeAnswer, GitHubError> {
        let mut request = json!({ "merge_method": order.method.as_str(), "sha": order.head });
        if let Some(title) = order.title {
            request["commit_title"] = text::title(title).into();
        }
        if let Some(message) = order.message {
            request["commit_message"] = text::body(message).into();
        }
        let path = self.path(&format!("/pulls/{}/merge", order.number));
        match self.broker.send(Method::PUT, &path, Some(&request)).await {
            Ok(answer) => Ok(MergeAnswer::Merged { commit: answer.parse::<Merged>()?.sha }),
            Err(GitHubError::Conflict { .. }) => Ok(MergeAnswer::HeadMoved),
            // What is merged already cannot be merged, says GitHub.
            Err(GitHubError::NotAllowed { message, .. }) => {
                let merged = self.merged(order).await?;
                Ok(merged.unwrap_or(MergeAnswer::NotAllowed { reason: message }))
            }
            Err(unanswered @ GitHubError::Unanswered { .. }) => match self.merged(order).await {
                Ok(Some(merged)) => Ok(merged),
                Ok(None) | Err(_) => Err(unanswered),
            },
            Err(error) => Err(error),
        }
    }

    /// The outcome of a merge that took place.
    async fn merged(&self, order: &MergeOrder<'_>) -> Result<Option<MergeAnswer>, GitHubError> {
        let pull = self.pull(order.number, Age::Now).await?;
        let merged = match pull.state {
            PullRequestState::Merged { .. } if pull.head != *order.head => Some(MergeAnswer::HeadMoved),
            PullRequestState::Merged { commit } => Some(MergeAnswer::Merged { commit }),
            PullRequestState::Open | PullRequestState::Closed => None,
        };
        Ok(merged)
    }

    /// Sets a commit status.
    ///
    /// # Errors
    /// What any write may end in. Setting it again does no harm.
    pub async fn status(&self, commit: &CommitSha, status: &NewStatus<'_>) -> Result<(), GitHubError> {
        let state = match status.state {
            StatusState::Success => "success",
            StatusState::Failure => "failure",
            StatusState::Error => "error",
        };
        let request = json!({
            "state": state,
            "context": status.context,
            "description": text::line(status.description, DESCRIPTION),
        });
        self.broker
            .send(Method::POST, &self.path(&format!("/statuses/{commit}")), Some(&request))
            .await
            .map(drop)
    }
}
