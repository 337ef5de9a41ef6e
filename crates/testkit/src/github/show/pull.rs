//! Pull requests and their reviews.

use serde_json::{Value, json};

use super::{extend, node_id, time};
use crate::github::world::{Issue, Mergeability, Pull, State, SubmittedReview, World};

impl World {
    /// `pull-request-simple`, which lists have.
    pub(crate) fn show_pull_simple(&self, repo: u64, issue: &Issue, pull: &Pull) -> Value {
        let page = self.page_of_issue(repo, issue);
        let api = self.api_of(repo);
        let url = format!("{api}/pulls/{}", issue.number);
        let link = |suffix: &str| json!({ "href": format!("{url}{suffix}") });
        let issue_url = format!("{api}/issues/{}", issue.number);
        let statuses = format!("{api}/statuses/{}", pull.head_sha);
        let closed_at = match &issue.state {
            State::Open { .. } => None,
            State::Closed { at, .. } => Some(time(*at)),
        };
        let requested: Vec<_> = pull.requested.iter().map(|login| self.show_user(login)).collect();
        let mut shown = json!({
            "url": url, "id": issue.id, "node_id": node_id("PR", issue.id), "html_url": page,
            "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"), "issue_url": issue_url,
            "commits_url": format!("{url}/commits"), "review_comments_url": format!("{url}/comments"),
            "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
            "comments_url": format!("{issue_url}/comments"), "statuses_url": statuses,
            "number": issue.number, "state": if issue.is_open() { "open" } else { "closed" }, "locked": false,
            "active_lock_reason": null, "title": issue.title, "body": issue.body,
            "user": self.show_user(&issue.author),
            "author_association": self.repo(repo).association(&issue.author).name(),
            "created_at": time(issue.created_at), "updated_at": time(issue.updated_at),
            "closed_at": closed_at, "merged_at": pull.merged.as_ref().map(|it| time(it.at)),
            "merge_commit_sha": merge_commit(pull), "requested_reviewers": requested, "requested_teams": [],
            "head": self.show_end(repo, &pull.head, &pull.head_sha),
            "base": self.show_end(repo, &pull.base, &pull.base_sha),
            "auto_merge": null, "draft": pull.draft,
            "_links": {
                "self": link(""), "html": { "href": page }, "issue": { "href": issue_url },
                "comments": { "href": format!("{issue_url}/comments") }, "review_comments": link("/comments"),
                "review_comment": { "href": format!("{api}/pulls/comments{{/number}}") },
                "commits": link("/commits"), "statuses": { "href": statuses },
            },
        });
        extend(&mut shown, self.show_filing(repo, issue));
        shown
    }

    fn show_end(&self, repo: u64, branch: &str, sha: &str) -> Value {
        let owner = &self.repo(repo).owner;
        json!({
            "label": format!("{owner}:{branch}"), "ref": branch, "sha": sha,
            "user": self.show_user(owner), "repo": self.show_repository(repo, None),
        })
    }

    /// `pull-request`, with what is known of its mergeability.
    pub(crate) fn show_pull(&self, repo: u64, issue: &Issue, pull: &Pull) -> Value {
        let git = &self.repo(repo).git;
        let changes = git.merge_base(&pull.base_sha, &pull.head_sha);
        let changes = changes.map(|from| git.changes(&from, &pull.head_sha)).unwrap_or_default();
        let mergeable = match &pull.mergeability {
            Mergeability::Unasked | Mergeability::Computing { .. } => None,
            Mergeability::Clean { .. } => Some(true),
            Mergeability::Conflict => Some(false),
        };
        // Of one that is merged or closed it says nothing any more.
        let mergeable = mergeable.filter(|_| issue.is_open());
        let mut shown = self.show_pull_simple(repo, issue, pull);
        extend(
            &mut shown,
            json!({
                "merged": pull.merged.is_some(), "mergeable": mergeable, "rebaseable": mergeable,
                "mergeable_state": self.mergeable_state(repo, issue, pull),
                "merged_by": pull.merged.as_ref().map_or(Value::Null, |it| self.show_user(&it.by)),
                "comments": issue.comments.len(), "review_comments": 0, "maintainer_can_modify": false,
                "commits": git.count(&pull.base_sha, &pull.head_sha),
                "additions": changes.iter().map(|it| it.additions).sum::<u64>(),
                "deletions": changes.iter().map(|it| it.deletions).sum::<u64>(),
                "changed_files": changes.len(),
            }),
        );
        shown
    }

    /// `pull-request-minimal`, as it is shown beside checks and in feeds.
    pub(crate) fn show_pull_minimal(&self, repo: u64, issue: &Issue, pull: &Pull) -> Value {
        let url = self.api_of(repo);
        let place = json!({ "id": repo, "url": url, "name": self.repo(repo).name });
        json!({
            "id": issue.id, "number": issue.number, "url": format!("{url}/pulls/{}", issue.number),
            "head": { "ref": pull.head, "sha": pull.head_sha, "repo": place },
            "base": { "ref": pull.base, "sha": pull.base_sha, "repo": place },
        })
    }

    /// `pull-request-review`.
    pub(crate) fn show_review(&self, repo: u64, issue: &Issue, review: &SubmittedReview) -> Value {
        let page = format!("{}#pullrequestreview-{}", self.page_of_issue(repo, issue), review.id);
        let pull = format!("{}/pulls/{}", self.api_of(repo), issue.number);
        json!({
            "id": review.id, "node_id": node_id("PRR", review.id), "user": self.show_user(&review.author),
            "body": review.body, "state": review.state.name(), "html_url": page, "pull_request_url": pull,
            "_links": { "html": { "href": page }, "pull_request": { "href": pull } },
            "commit_id": review.commit, "submitted_at": time(review.at),
            "author_association": self.repo(repo).association(&review.author).name(),
        })
    }
}

/// The merge; before there is one, the commit that a merge would be.
fn merge_commit(pull: &Pull) -> Option<&str> {
    let merged = pull.merged.as_ref().map(|it| it.commit.as_str());
    merged.or(match &pull.mergeability {
        Mergeability::Clean { commit } => Some(commit),
        Mergeability::Unasked | Mergeability::Computing { .. } | Mergeability::Conflict => None,
    })
}
