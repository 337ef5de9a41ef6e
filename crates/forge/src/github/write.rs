//! Writing about issues: comments, labels, new issues, their state.
//!
//! A comment or an issue carries a marker by which it is found again, so that a crash between the write and the
//! record of it does not make a second one. Only texts of this credential, or of people who may push, count:
//! anybody can copy a marker.

use coord_core::forge::{Association, Issue};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::github::GitHub;
use crate::github::address::encoded;
use crate::github::answer::Answer;
use crate::github::broker::Age;
use crate::github::error::GitHubError;
use crate::github::model::{self, Byline};
use crate::github::text;

/// Whether to look for a comment before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// It has surely not been written.
    Not,
    /// It may have been written and not recorded.
    First,
}

/// An issue to be created.
#[derive(Debug, Clone)]
pub struct NewIssue<'a> {
    /// One line.
    pub title: &'a str,
    /// What it is about.
    pub body: &'a str,
    /// An HTML comment that no other issue has; becomes the first line of the body.
    pub marker: &'a str,
    /// Labels; GitHub creates those that are not there.
    pub labels: &'a [String],
}

/// Why an issue is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// It was done.
    Completed,
    /// It will not be done.
    NotPlanned,
}

#[derive(Debug, Deserialize)]
struct Created {
    id: u64,
}

/// How far GitHub's clock and ours may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(10);

impl GitHub {
    /// Comments on an issue or a pull request, unless the comment with this marker is there already. Gives the
    /// comment's id.
    ///
    /// # Errors
    /// [`GitHubError::Unanswered`] when it is not known whether it was written: look for it the next time. And
    /// what any write may end in.
    pub async fn comment_once(
        &self,
        number: u64,
        marker: &str,
        body: &str,
        search: Search,
    ) -> Result<u64, GitHubError> {
        if search == Search::First
            && let Some(id) = self.find_comment(number, marker).await?
        {
            return Ok(id);
        }
        let path = self.path(&format!("/issues/{number}/comments"));
        let comment = json!({ "body": text::marked(marker, body) });
        match self.broker.send(Method::POST, &path, Some(&comment)).await {
            Ok(answer) => Ok(answer.parse::<Created>()?.id),
            Err(unanswered @ GitHubError::Unanswered { .. }) => match self.find_comment(number, marker).await
            {
                Ok(Some(id)) => Ok(id),
                Ok(None) | Err(_) => Err(unanswered),
            },
            Err(error) => Err(error),
        }
    }

    async fn find_comment(&self, number: u64, marker: &str) -> Result<Option<u64>, GitHubError> {
        let me = self.user().await?;
        let comments = self.raw_comments(number, Age::Now).await?;
        let found = comments.iter().find(|it| {
            let body = it.body.as_ref().map_or("", |it| &it.0);
            text::is_marked(body, marker) && self.counts(me.as_deref(), it.byline())
        });
        Ok(found.map(|it| it.id))
    }

    /// Whether a marked text is taken for one of ours.
    fn counts(&self, me: Option<&str>, by: Byline<'_>) -> bool {
        let mine = me.is_some() && by.login == me;
        let apps = self.broker.app().is_some() && by.app == self.broker.app();
        mine || apps || Association::TRUSTED.contains(&by.association)
    }

    /// Creates an issue.
    ///
    /// # Errors
    /// As for [`GitHub::comment_once`]; [`GitHub::find_issue`] looks for it.
    pub async fn create_issue(&self, new: &NewIssue<'_>, now: Timestamp) -> Result<Issue, GitHubError> {
        let issue = json!({
            "title": text::title(new.title),
            "body": text::marked(new.marker, new.body),
            "labels": new.labels,
        });
        match self.broker.send(Method::POST, &self.path("/issues"), Some(&issue)).await {
            Ok(answer) => Ok(answer.parse::<model::Issue>()?.into()),
            Err(unanswered @ GitHubError::Unanswered { .. }) => {
                match self.find_issue(new.marker, now - SKEW).await {
                    Ok(Some(issue)) => Ok(issue),
                    Ok(None) | Err(_) => Err(unanswered),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The issue with this marker, among those that were touched since then.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn find_issue(&self, marker: &str, since: Timestamp) -> Result<Option<Issue>, GitHubError> {
        let me = self.user().await?;
        let path = self.path(&format!("/issues?state=all&since={}", encoded(&format!("{since:.0}"))));
        let issues: Vec<model::Issue> = self.broker.get_all(&path, Age::Now, Answer::parse).await?;
        let found = issues.into_iter().find(|it| {
            let body = it.body.as_ref().map_or("", |it| &it.0);
            text::is_marked(body, marker) && self.counts(me.as_deref(), it.byline())
        });
        Ok(found.map(Issue::from))
    }

    /// Changes an issue's title, its body, or both.
    ///
    /// # Errors
    /// What any write may end in.
    pub async fn edit_issue(
        &self,
        number: u64,
        title: Option<&str>,
        body: Option<&str>,
    ) -> Result<Issue, GitHubError> {
        let mut edit = serde_json::Map::new();
        if let Some(title) = title {
            edit.insert("title".to_owned(), text::title(title).into());
        }
        if let Some(body) = body {
            edit.insert("body".to_owned(), text::body(body).into());
        }
        self.update_issue(number, &edit.into()).await
    }

    /// Closes an issue; one that is closed stays so.
    ///
    /// # Errors
    /// What any write may end in.
    pub async fn close_issue(&self, number: u64, reason: CloseReason) -> Result<Issue, GitHubError> {
        let reason = match reason {
            CloseReason::Completed => "completed",
            CloseReason::NotPlanned => "not_planned",
        };
        self.update_issue(number, &json!({ "state": "closed", "state_reason": reason })).await
    }

    /// Opens an issue again.
    ///
    /// # Errors
    /// What any write may end in.
    pub async fn reopen_issue(&self, number: u64) -> Result<Issue, GitHubError> {
        self.update_issue(number, &json!({ "state": "open" })).await
    }

    async fn update_issue(&self, number: u64, edit: &serde_json::Value) -> Result<Issue, GitHubError> {
        let path = self.path(&format!("/issues/{number}"));
        let answer = self.broker.send(Method::PATCH, &path, Some(edit)).await?;
        Ok(answer.parse::<model::Issue>()?.into())
    }

    /// Adds labels to an issue or a pull request. GitHub creates those that are not there.
    ///
    /// # Errors
    /// What any write may end in.
    pub async fn add_labels(&self, number: u64, labels: &[String]) -> Result<(), GitHubError> {
        let path = self.path(&format!("/issues/{number}/labels"));
        self.broker.send(Method::POST, &path, Some(&json!({ "labels": labels }))).await?;
        Ok(())
    }

    /// Takes a label from an issue or a pull request. One that it does not have is gone already.
    ///
    /// # Errors
    /// What any write may end in.
    pub async fn remove_label(&self, number: u64, label: &str) -> Result<(), GitHubError> {
        let path = self.path(&format!("/issues/{number}/labels/{}", encoded(label)));
        match self.broker.send(Method::DELETE, &path, None).await {
            Err(GitHubError::NotFound { message, .. }) if message == "Label does not exist" => Ok(()),
            removed => removed.map(drop),
        }
    }
}
