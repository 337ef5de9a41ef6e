//! Reading pull requests: where they stand, what they change, and what people said of them.

use coord_core::change::PullRequestState;
use coord_core::forge::{Pull, Review};
use coord_core::name::BranchName;
use serde::Deserialize;

use crate::github::GitHub;
use crate::github::address::encoded;
use crate::github::answer::Answer;
use crate::github::broker::Age;
use crate::github::error::GitHubError;
use crate::github::model;

#[derive(Debug, Deserialize)]
struct File {
    filename: String,
    /// What a renamed one was called before.
    previous_filename: Option<String>,
}

impl GitHub {
    /// One pull request. Whether it can be merged is found out by GitHub after somebody has asked: the first
    /// answer does not know.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn pull(&self, number: u64, age: Age) -> Result<Pull, GitHubError> {
        let answer = self.broker.get(&self.path(&format!("/pulls/{number}")), age).await?;
        pull(&answer)
    }

    /// All open pull requests, newest first.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn open_pulls(&self, age: Age) -> Result<Vec<Pull>, GitHubError> {
        let path = self.path("/pulls?state=open&sort=created&direction=desc");
        let mut all = self.broker.get_all(&path, age, pulls).await?;
        all.dedup_by_key(|it| it.number);
        Ok(all)
    }

    /// The pull request of a branch of this repository: the open one, else the newest.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn pull_for(&self, branch: &BranchName, age: Age) -> Result<Option<Pull>, GitHubError> {
        let head = encoded(&format!("{}:{branch}", self.repo.owner()));
        let path = self.path(&format!("/pulls?state=all&head={head}&sort=created&direction=desc"));
        let mut all = self.broker.get_all(&path, age, pulls).await?;
        all.retain(|it| it.same_repo && it.branch == *branch);
        all.sort_by_key(|it| (it.state == PullRequestState::Open, it.number));
        Ok(all.pop())
    }

    /// The paths that a pull request touches, with both names of what it renames.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn files(&self, number: u64, age: Age) -> Result<Vec<String>, GitHubError> {
        let path = self.path(&format!("/pulls/{number}/files"));
        let files: Vec<File> = self.broker.get_all(&path, age, Answer::parse).await?;
        Ok(files.into_iter().flat_map(|it| [Some(it.filename), it.previous_filename]).flatten().collect())
    }

    /// Everything that people said of a pull request, oldest first.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn reviews(&self, number: u64, age: Age) -> Result<Vec<Review>, GitHubError> {
        let path = self.path(&format!("/pulls/{number}/reviews"));
        let reviews: Vec<model::Review> = self.broker.get_all(&path, age, Answer::parse).await?;
        Ok(reviews.into_iter().map(Review::from).collect())
    }
}

/// The pull request that GitHub answered with.
pub(crate) fn pull(answer: &Answer) -> Result<Pull, GitHubError> {
    answer.parse::<model::Pull>()?.try_into().map_err(|reason: String| answer.malformed(&reason))
}

/// Those of a page. What cannot be told of a pull request from a fork is not told at all: anybody can open one,
/// with a branch of a name that is none here, and it must not hide the others.
fn pulls(answer: &Answer) -> Result<Vec<Pull>, GitHubError> {
    let mut pulls = Vec::new();
    for pull in answer.parse::<Vec<model::Pull>>()? {
        let from_a_fork = pull.is_from_a_fork();
        match Pull::try_from(pull) {
            Ok(pull) => pulls.push(pull),
            Err(_) if from_a_fork => {}
            Err(reason) => return Err(answer.malformed(&reason)),
        }
    }
    Ok(pulls)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn shown(number: u64, branch: &str, repo: u64) -> Value {
        let sha = "a".repeat(40);
        json!({
            "number": number, "state": "open", "title": "t", "html_url": "https://x/1", "user": null,
            "head": { "ref": branch, "sha": sha, "repo": { "id": repo } },
            "base": { "ref": "main", "sha": sha, "repo": { "id": 1 } },
        })
    }

    #[test]
    fn a_fork_with_a_branch_of_a_name_that_is_none_here_hides_no_other_pull_request() {
        let page = |last: Value| {
            let page = json!([shown(1, &"x".repeat(240), 2), shown(2, "topic", 2), last]);
            pulls(&Answer::written("GET /pulls".to_owned(), Bytes::from(page.to_string())))
        };
        let read = page(shown(3, "topic", 1)).unwrap();
        let told: Vec<_> = read.iter().map(|it| (it.number, it.same_repo, it.author.as_str())).collect();
        assert_eq!(told, [(2, false, "ghost"), (3, true, "ghost")]);
        page(shown(3, &"x".repeat(240), 1)).expect_err("a branch of this repository is not left out");
    }
}
