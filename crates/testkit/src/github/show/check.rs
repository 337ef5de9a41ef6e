//! Statuses, check runs and check suites.

use serde_json::{Value, json};

use super::{node_id, time};
use crate::github::world::{CheckRun, CommitStatus, Status, World};

/// Statuses are shown in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// `status`.
    Alone,
    /// `simple-commit-status`, as part of the combined one.
    Combined,
}

impl World {
    pub(crate) fn show_status(&self, repo: u64, status: &CommitStatus, shown: Shown) -> Value {
        let creator = self.show_user(&status.creator);
        let mut document = json!({
            "url": format!("{}/statuses/{}", self.api_of(repo), status.sha), "avatar_url": creator["avatar_url"],
            "id": status.id, "node_id": node_id("SC", status.id), "state": status.state.name(),
            "description": status.description, "target_url": status.target_url, "context": status.context,
            "created_at": time(status.at), "updated_at": time(status.at),
        });
        if shown == Shown::Alone {
            document["creator"] = creator;
        }
        document
    }

    /// `check-run`.
    pub(crate) fn show_check(&self, repo: u64, run: &CheckRun) -> Value {
        let api = self.api_of(repo);
        let url = format!("{api}/check-runs/{}", run.id);
        let page = format!("{}/runs/{}", self.page_of(repo), run.id);
        json!({
            "id": run.id, "head_sha": run.sha, "node_id": node_id("CR", run.id), "external_id": run.external_id,
            "url": url, "html_url": page, "details_url": run.details_url.as_ref().unwrap_or(&page),
            "status": run.status.name(), "conclusion": run.status.conclusion().map(|it| it.name()),
            "started_at": time(run.started_at), "completed_at": run.completed_at.map(time),
            "output": {
                "title": run.title, "summary": run.summary, "text": null, "annotations_count": 0,
                "annotations_url": format!("{url}/annotations"),
            },
            "name": run.name, "check_suite": { "id": run.suite }, "app": self.show_app_by_id(Some(run.app)),
            "pull_requests": self.show_pulls_with_head(repo, &run.sha),
        })
    }

    fn show_pulls_with_head(&self, repo: u64, sha: &str) -> Vec<Value> {
        let pulls = self.repo(repo).issues.values().filter(|issue| issue.is_open());
        let pulls = pulls.filter_map(|issue| Some((issue, issue.pull.as_ref()?)));
        pulls
            .filter(|(_, pull)| pull.head_sha == sha)
            .map(|(issue, pull)| self.show_pull_minimal(repo, issue, pull))
            .collect()
    }

    /// `check-suite`: the runs of one App on one commit, which are not none.
    pub(crate) fn show_suite(&self, repo: u64, runs: &[&CheckRun]) -> Value {
        let [first, ..] = runs else { return Value::Null };
        let done = runs.iter().all(|it| matches!(it.status, Status::Completed(_)));
        let bad = runs.iter().find_map(|it| it.status.conclusion().filter(|end| end.name() != "success"));
        let conclusion = done.then(|| bad.map_or("success", |it| it.name()));
        let git = &self.repo(repo).git;
        let commit = git.commit(&first.sha);
        let head = commit.map_or(Value::Null, |commit| {
            let person =
                |who: &crate::github::git::Signature| json!({ "name": who.name, "email": who.email });
            json!({
                "id": commit.sha, "tree_id": commit.tree, "message": commit.message,
                "timestamp": commit.committer.date, "author": person(&commit.author),
                "committer": person(&commit.committer),
            })
        });
        let branch = self
            .repo(repo)
            .refs
            .iter()
            .find(|(name, sha)| name.starts_with("refs/heads/") && **sha == first.sha);
        let url = format!("{}/check-suites/{}", self.api_of(repo), first.suite);
        json!({
            "id": first.suite, "node_id": node_id("CS", first.suite),
            "head_branch": branch.and_then(|(name, _)| name.strip_prefix("refs/heads/")),
            "head_sha": first.sha, "status": if done { "completed" } else { "in_progress" },
            "conclusion": conclusion, "url": url, "before": null, "after": first.sha,
            "pull_requests": self.show_pulls_with_head(repo, &first.sha),
            "app": self.show_app_by_id(Some(first.app)), "repository": self.show_minimal_repository(repo),
            "created_at": time(first.started_at), "updated_at": time(first.started_at),
            "head_commit": head, "latest_check_runs_count": runs.len(),
            "check_runs_url": format!("{url}/check-runs"),
        })
    }
}
