//! Branches whose names say that somebody is at work on an issue.

use coord_core::forge::IssueBranch;
use coord_core::name::{BranchName, CommitSha};
use serde::Deserialize;

use crate::github::GitHub;
use crate::github::address::encoded;
use crate::github::broker::Age;
use crate::github::error::GitHubError;

#[derive(Debug, Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Object {
    sha: CommitSha,
}

#[derive(Debug, Deserialize)]
struct Comparison {
    ahead_by: u64,
}

impl GitHub {
    /// The branches `issue-N` and `issue-N-…`, whoever pushed them.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn branches_for_issue(&self, number: u64, age: Age) -> Result<Vec<IssueBranch>, GitHubError> {
        let path = self.path(&format!("/git/matching-refs/heads/issue-{number}"));
        let answer = self.broker.get(&path, age).await?;
        let mut branches = Vec::new();
        for reference in answer.parse::<Vec<Reference>>()? {
            let Some(name) = reference.name.strip_prefix("refs/heads/") else { continue };
            // `issue-4` is what the name of `issue-42` begins with as well.
            let rest = name.strip_prefix(&format!("issue-{number}"));
            if rest.is_none_or(|it| !it.is_empty() && !it.starts_with('-')) {
                continue;
            }
            let name: BranchName = name.parse().map_err(|error| GitHubError::Malformed {
                at: format!("GET {path}"),
                reason: format!("{error}"),
            })?;
            branches.push(IssueBranch { name, head: reference.object.sha });
        }
        Ok(branches)
    }

    /// How many commits `head` has that `base` does not have.
    ///
    /// # Errors
    /// [`GitHubError::NotFound`] when one of them is gone, and what any read may end in.
    pub async fn ahead(&self, base: &BranchName, head: &CommitSha, age: Age) -> Result<u64, GitHubError> {
        // The commits themselves are not wanted, and there is no smaller page than of one.
        let path = format!("/compare/{}...{head}?per_page=1", encoded(base.as_str()));
        let answer = self.broker.get(&self.path(&path), age).await?;
        Ok(answer.parse::<Comparison>()?.ahead_by)
    }
}
