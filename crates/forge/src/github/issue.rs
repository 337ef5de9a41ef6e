//! Reading issues, what people wrote under them, and what they have to do with each other.

use coord_core::forge::{Comment, Issue, Related, Relation};

use crate::github::GitHub;
use crate::github::answer::Answer;
use crate::github::broker::Age;
use crate::github::error::GitHubError;
use crate::github::model;

impl GitHub {
    /// One issue.
    ///
    /// # Errors
    /// [`GitHubError::NotAnIssue`] for a pull request, [`GitHubError::Transferred`] for one that lives in another
    /// repository now, [`GitHubError::Gone`] for one that was deleted, and what any read may end in.
    pub async fn issue(&self, number: u64, age: Age) -> Result<Issue, GitHubError> {
        let answer = self.broker.get(&self.path(&format!("/issues/{number}")), age).await?;
        let issue: model::Issue = answer.parse()?;
        if answer.moved {
            self.same_repo(number, &issue, age).await?;
        }
        if issue.pull_request.is_some() {
            return Err(GitHubError::NotAnIssue { number });
        }
        Ok(issue.into())
    }

    /// GitHub points elsewhere for an issue when it was transferred, and when its repository was renamed.
    async fn same_repo(&self, number: u64, issue: &model::Issue, age: Age) -> Result<(), GitHubError> {
        let Some(there) = issue.repo() else { return Ok(()) };
        if self.repo.is(&there) || self.access(age).await?.repo.is(&there) {
            return Ok(());
        }
        Err(GitHubError::Transferred { number, to: format!("{there}#{}", issue.number) })
    }

    /// Everything that was written under an issue or a pull request, oldest first.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn comments(&self, number: u64, age: Age) -> Result<Vec<Comment>, GitHubError> {
        let comments = self.raw_comments(number, age).await?;
        Ok(comments.into_iter().map(Comment::from).collect())
    }

    pub(crate) async fn raw_comments(
        &self,
        number: u64,
        age: Age,
    ) -> Result<Vec<model::Comment>, GitHubError> {
        let path = self.path(&format!("/issues/{number}/comments"));
        self.broker.get_all(&path, age, Answer::parse).await
    }

    /// All open issues, newest first. Pull requests are not among them.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn open_issues(&self, age: Age) -> Result<Vec<Issue>, GitHubError> {
        // With the newest first, a new one changes the first page, and nothing else is read again.
        let path = self.path("/issues?state=open&sort=created&direction=desc");
        let mut issues: Vec<model::Issue> = self.broker.get_all(&path, age, Answer::parse).await?;
        issues.retain(|it| it.pull_request.is_none());
        // One that was opened while the pages were read has moved the others down.
        issues.dedup_by_key(|it| it.number);
        Ok(issues.into_iter().map(Issue::from).collect())
    }

    /// The issues that an issue consists of, and those that it waits for. [`Issue`] says whether there are any.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn related(&self, number: u64, age: Age) -> Result<Vec<Related>, GitHubError> {
        let mut all = Vec::new();
        for (relation, list) in
            [(Relation::SubIssue, "sub_issues"), (Relation::BlockedBy, "dependencies/blocked_by")]
        {
            let path = self.path(&format!("/issues/{number}/{list}"));
            let issues: Vec<model::Issue> = self.broker.get_all(&path, age, Answer::parse).await?;
            for issue in issues {
                let related = issue.number;
                all.push(issue.related(relation).ok_or_else(|| GitHubError::Malformed {
                    at: format!("GET {path}"),
                    reason: format!("#{related} is in no repository"),
                })?);
            }
        }
        Ok(all)
    }
}
