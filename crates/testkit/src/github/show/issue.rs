//! Issues, comments and what happened to them.

use serde_json::{Value, json};

use super::{extend, node_id, time};
use crate::github::world::{Comment, Happening, Issue, State, World};

impl World {
    /// `issue`. A pull request is one too, with a key that says where it is.
    pub(crate) fn show_issue(&self, repo: u64, issue: &Issue) -> Value {
        let url = format!("{}/issues/{}", self.api_of(repo), issue.number);
        let (closed_at, closed_by, reason) = match &issue.state {
            State::Open { again } => (None, Value::Null, again.then_some("reopened")),
            State::Closed { at, by, reason } => {
                // Only issues have a reason.
                let reason = issue.pull.is_none().then_some(reason.name());
                (Some(time(*at)), self.show_user(by), reason)
            }
        };
        let mut shown = json!({
            "id": issue.id, "node_id": node_id("I", issue.id), "number": issue.number,
            "url": url, "repository_url": self.api_of(repo), "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"), "events_url": format!("{url}/events"),
            "timeline_url": format!("{url}/timeline"), "html_url": self.page_of_issue(repo, issue),
            "title": issue.title, "body": issue.body, "user": self.show_user(&issue.author),
            "author_association": self.repo(repo).association(&issue.author).name(),
            "performed_via_github_app": self.show_app_by_id(issue.app),
            "state": if issue.is_open() { "open" } else { "closed" }, "state_reason": reason,
            "closed_at": closed_at, "closed_by": closed_by,
            "created_at": time(issue.created_at), "updated_at": time(issue.updated_at),
            "locked": false, "active_lock_reason": null, "comments": issue.comments.len(),
            "sub_issues_summary": self.summary_of_children(issue),
            "issue_dependencies_summary": self.summary_of_dependencies(issue),
            "reactions": no_reactions(&url),
        });
        extend(&mut shown, self.show_filing(repo, issue));
        if let Some(pull) = &issue.pull {
            let page = self.page_of_issue(repo, issue);
            let merged = pull.merged.as_ref().map(|it| time(it.at));
            let links = json!({
                "url": format!("{}/pulls/{}", self.api_of(repo), issue.number), "html_url": page,
                "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"), "merged_at": merged,
            });
            extend(&mut shown, json!({ "pull_request": links, "draft": pull.draft }));
        }
        shown
    }

    /// Where an issue is filed: what issues and pull requests show alike.
    pub(crate) fn show_filing(&self, repo: u64, issue: &Issue) -> Value {
        let labels: Vec<_> = issue
            .labels
            .iter()
            .filter_map(|name| self.repo(repo).labels.iter().find(|it| it.name == *name))
            .map(|label| self.show_label(repo, label))
            .collect();
        let milestone = self.repo(repo).milestones.iter().find(|it| Some(it.number) == issue.milestone);
        json!({
            "labels": labels,
            "assignee": issue.assignees.first().map_or(Value::Null, |login| self.show_user(login)),
            "assignees": issue.assignees.iter().map(|login| self.show_user(login)).collect::<Vec<_>>(),
            "milestone": milestone.map_or(Value::Null, |it| self.show_milestone(repo, it)),
        })
    }

    /// The URL of its page.
    pub(crate) fn page_of_issue(&self, repo: u64, issue: &Issue) -> String {
        let kind = if issue.pull.is_some() { "pull" } else { "issues" };
        format!("{}/{kind}/{}", self.page_of(repo), issue.number)
    }

    /// <https://docs.github.com/en/rest/issues/sub-issues>
    fn summary_of_children(&self, issue: &Issue) -> Value {
        let total = issue.children.len();
        let done = issue.children.iter().filter(|child| !self.is_open(**child)).count();
        let percent = (done * 100).checked_div(total).unwrap_or(0);
        json!({ "total": total, "completed": done, "percent_completed": percent })
    }

    /// `blocked_by` and `blocking` count what is open, the totals everything.
    /// <https://docs.github.com/en/rest/issues/issue-dependencies>
    fn summary_of_dependencies(&self, issue: &Issue) -> Value {
        let blocking: Vec<_> = self
            .repositories
            .values()
            .flat_map(|repo| repo.issues.values())
            .filter(|other| other.blocked_by.contains(&issue.id))
            .collect();
        json!({
            "blocked_by": issue.blocked_by.iter().filter(|id| self.is_open(**id)).count(),
            "total_blocked_by": issue.blocked_by.len(),
            "blocking": blocking.iter().filter(|other| other.is_open()).count(),
            "total_blocking": blocking.len(),
        })
    }

    fn is_open(&self, id: u64) -> bool {
        self.place_of(id).and_then(|(repo, number)| self.issue(repo, number)).is_some_and(Issue::is_open)
    }

    /// `issue-comment`.
    pub(crate) fn show_comment(&self, repo: u64, issue: &Issue, comment: &Comment) -> Value {
        let api = self.api_of(repo);
        let url = format!("{api}/issues/comments/{}", comment.id);
        json!({
            "id": comment.id, "node_id": node_id("IC", comment.id), "url": url,
            "html_url": format!("{}#issuecomment-{}", self.page_of_issue(repo, issue), comment.id),
            "issue_url": format!("{api}/issues/{}", issue.number), "body": comment.body,
            "user": self.show_user(&comment.author),
            "author_association": self.repo(repo).association(&comment.author).name(),
            "performed_via_github_app": self.show_app_by_id(comment.app),
            "created_at": time(comment.created_at), "updated_at": time(comment.updated_at),
            "reactions": no_reactions(&url),
        })
    }

    /// `issue-event-for-issue`.
    pub(crate) fn show_happening(&self, repo: u64, happening: &Happening) -> Value {
        let mut shown = json!({
            "id": happening.id, "node_id": node_id("E", happening.id),
            "url": format!("{}/issues/events/{}", self.api_of(repo), happening.id),
            "actor": self.show_user(&happening.actor), "event": happening.event,
            "commit_id": null, "commit_url": null, "created_at": time(happening.at),
            "performed_via_github_app": null,
        });
        let Some(subject) = &happening.subject else { return shown };
        extend(
            &mut shown,
            match happening.event {
                "labeled" | "unlabeled" => {
                    let color = self.repo(repo).labels.iter().find(|it| it.name == *subject);
                    json!({ "label": {
                        "name": subject, "color": color.map_or("ededed", |it| it.color.as_str()),
                    } })
                }
                "assigned" | "unassigned" => json!({
                    "assignee": self.show_user(subject), "assigner": self.show_user(&happening.actor),
                }),
                "closed" | "merged" | "referenced" => json!({
                    "commit_id": subject, "commit_url": format!("{}/commits/{subject}", self.api_of(repo)),
                }),
                "review_requested" => json!({
                    "review_requester": self.show_user(&happening.actor),
                    "requested_reviewer": self.show_user(subject),
                }),
                _ => json!({}),
            },
        );
        shown
    }
}

fn no_reactions(url: &str) -> Value {
    json!({
        "url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "confused": 0,
        "heart": 0, "hooray": 0, "eyes": 0, "rocket": 0,
    })
}
