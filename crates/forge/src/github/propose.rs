//! Writing about pull requests: opening them, once; closing; asking for reviews and giving them.

use coord_core::change::PullRequestState;
use coord_core::forge::Pull;
use coord_core::name::{BranchName, CommitSha};
use http::Method;
use serde_json::{Value, json};

use crate::github::GitHub;
use crate::github::broker::Age;
use crate::github::error::GitHubError;
use crate::github::pull::pull;
use crate::github::text;

/// A pull request as it should be.
#[derive(Debug, Clone)]
pub struct NewPull<'a> {
    /// The branch that is to be merged; it is on origin.
    pub branch: &'a BranchName,
    /// The branch to merge it into.
    pub base: &'a BranchName,
    /// One line.
    pub title: &'a str,
    /// What was done, for people.
    pub body: &'a str,
    /// Whether it is not ready yet. Only a new one becomes a draft: one that is open keeps what it is.
    pub draft: bool,
}

/// What became of a pull request that should be open.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Proposed {
    /// It was opened.
    Opened(Pull),
    /// It had been closed without being merged, and was opened again.
    Reopened(Pull),
    /// It was open, and says what it should.
    Found(Pull),
    /// The branch has no commit that the base does not have.
    NothingToMerge,
}

/// Whether something was done that GitHub's rules may not allow.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Allowed<T> {
    /// It was done.
    Done(T),
    /// It was not, for this reason.
    Refused(String),
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be merged.
    Approve,
    /// It may not, until something has changed.
    RequestChanges,
    /// Neither.
    Comment,
}

/// Whether a review was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Reviewed {
    /// It was.
    Done,
    /// Nobody approves a pull request of their own, or requests changes of it.
    OwnPullRequest,
}

impl GitHub {
    /// Sees to it that the branch has an open pull request that says what it should: finds it, opens a closed one
    /// again, or opens one. However often it is called, there is one.
    ///
    /// # Errors
    /// [`GitHubError::Unanswered`] when GitHub did not say whether it opened one and shows none: ask again later.
    /// And what any write may end in.
    pub async fn propose(&self, new: &NewPull<'_>) -> Result<Proposed, GitHubError> {
        if let Some(there) = self.pull_for(new.branch, Age::Now).await? {
            match there.state {
                PullRequestState::Open => return self.revise(there, new).await.map(Proposed::Found),
                PullRequestState::Closed => {
                    // GitHub refuses when the branch was made anew since; then another one is opened.
                    if let Allowed::Done(again) = self.reopen_pull(there.number).await? {
                        return self.revise(again, new).await.map(Proposed::Reopened);
                    }
                }
                PullRequestState::Merged { .. } => {}
            }
        }
        self.open(new).await
    }

    async fn open(&self, new: &NewPull<'_>) -> Result<Proposed, GitHubError> {
        let request = json!({
            "title": text::title(new.title),
            "body": text::body(new.body),
            "head": new.branch,
            "base": new.base,
            "draft": new.draft,
        });
        let error = match self.broker.send(Method::POST, &self.path("/pulls"), Some(&request)).await {
            Ok(answer) => return Ok(Proposed::Opened(pull(&answer)?)),
            Err(error) => error,
        };
        let refused =
            |words: &str| matches!(&error, GitHubError::Invalid { message, .. } if message.contains(words));
        if refused("No commits between") {
            return Ok(Proposed::NothingToMerge);
        }
        // Somebody was faster, or our own request arrived although its answer did not.
        if !refused("already exists") && !matches!(error, GitHubError::Unanswered { .. }) {
            return Err(error);
        }
        match self.pull_for(new.branch, Age::Now).await {
            Ok(Some(there)) if there.state == PullRequestState::Open => {
                self.revise(there, new).await.map(Proposed::Found)
            }
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// Brings title, body and base of an open pull request up to date, if they differ.
    async fn revise(&self, there: Pull, new: &NewPull<'_>) -> Result<Pull, GitHubError> {
        let (title, body) = (text::title(new.title), text::body(new.body));
        let same =
            there.title == title && text::is_same(&there.body, &body) && there.base_branch == *new.base;
        if same {
            return Ok(there);
        }
        let mut edit = json!({ "title": title, "body": body });
        if there.base_branch != *new.base {
            edit["base"] = new.base.as_str().into();
        }
        self.update_pull(there.number, &edit).await
    }

    /// Closes a pull request without merging it.
    ///
    /// # Errors
    /// What any write may end in.
    pub async fn close_pull(&self, number: u64) -> Result<Pull, GitHubError> {
        self.update_pull(number, &json!({ "state": "closed" })).await
    }

    /// Opens a pull request again. GitHub refuses when its branch is gone, was made anew, or is merged.
    ///
    /// # Errors
    /// What any write may end in.
    pub async fn reopen_pull(&self, number: u64) -> Result<Allowed<Pull>, GitHubError> {
        allowed(self.update_pull(number, &json!({ "state": "open" })).await)
    }

    async fn update_pull(&self, number: u64, edit: &Value) -> Result<Pull, GitHubError> {
        let path = self.path(&format!("/pulls/{number}"));
        pull(&self.broker.send(Method::PATCH, &path, Some(edit)).await?)
    }

    /// Asks people to review a pull request. GitHub refuses its author, and people without access.
    ///
    /// # Errors
    /// What any write may end in.
    pub async fn request_review(&self, number: u64, users: &[String]) -> Result<Allowed<()>, GitHubError> {
        let path = self.path(&format!("/pulls/{number}/requested_reviewers"));
        let request = json!({ "reviewers": users });
        allowed(self.broker.send(Method::POST, &path, Some(&request)).await.map(drop))
    }

    /// Hands in a review of `head`.
    ///
    /// # Errors
    /// [`GitHubError::Unanswered`] when it is not known whether it was handed in: the reviews tell. And what any
    /// write may end in.
    pub async fn review(
        &self,
        number: u64,
        head: &CommitSha,
        verdict: Verdict,
        body: &str,
    ) -> Result<Reviewed, GitHubError> {
        let event = match verdict {
            Verdict::Approve => "APPROVE",
            Verdict::RequestChanges => "REQUEST_CHANGES",
            Verdict::Comment => "COMMENT",
        };
        let path = self.path(&format!("/pulls/{number}/reviews"));
        let review = json!({ "commit_id": head, "event": event, "body": text::body(body) });
        match self.broker.send(Method::POST, &path, Some(&review)).await {
            Ok(_) => Ok(Reviewed::Done),
            Err(GitHubError::Invalid { message, .. }) if message.contains("your own pull request") => {
                Ok(Reviewed::OwnPullRequest)
            }
            Err(error) => Err(error),
        }
    }
}

/// GitHub says 422 when its rules do not allow something.
fn allowed<T>(outcome: Result<T, GitHubError>) -> Result<Allowed<T>, GitHubError> {
    match outcome {
        Ok(done) => Ok(Allowed::Done(done)),
        Err(GitHubError::Invalid { message, .. }) => Ok(Allowed::Refused(message)),
        Err(error) => Err(error),
    }
}
