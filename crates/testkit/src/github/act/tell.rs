//! Telling the feed and the webhooks.

use serde_json::{Value, json};

use crate::github::world::{Delivery, Hook, RepoEvent, World};

impl World {
    /// Tells every webhook that wants to know.
    /// <https://docs.github.com/en/webhooks/webhook-events-and-payloads>
    pub(crate) fn tell(&mut self, repo: u64, event: &str, actor: &str, details: Value) {
        let named = |hook: &Hook| hook.events.iter().any(|it| it == event || it == "*");
        let wants = |hook: &&Hook| hook.active && named(hook);
        let hooks: Vec<_> = self.repo(repo).hooks.iter().filter(wants).map(|hook| hook.id).collect();
        if hooks.is_empty() {
            return;
        }
        let action = details["action"].as_str().map(String::from);
        let mut payload = details;
        payload["repository"] = self.show_full_repository(repo, None);
        payload["sender"] = self.show_user(actor);
        for hook in hooks {
            self.deliver(repo, hook, event, action.as_deref(), &payload);
        }
    }

    /// Adds a webhook, which is pinged at once, and returns its id.
    pub(crate) fn add_hook(
        &mut self,
        repo: u64,
        actor: &str,
        url: &str,
        secret: Option<String>,
        events: Vec<String>,
        active: bool,
    ) -> u64 {
        let (id, created_at) = (self.fresh_id(), self.now);
        let hook = Hook { id, url: url.into(), secret, events, active, created_at, deliveries: Vec::new() };
        let shown = self.show_hook(repo, &hook);
        self.repo_mut(repo).hooks.push(hook);
        let mut payload = json!({ "zen": "Design for failure.", "hook_id": id, "hook": shown });
        payload["sender"] = self.show_user(actor);
        self.deliver(repo, id, "ping", None, &payload);
        id
    }

    /// Puts one delivery into the outbox.
    pub(crate) fn deliver(
        &mut self,
        repo: u64,
        hook: u64,
        event: &str,
        action: Option<&str>,
        payload: &Value,
    ) {
        let id = self.fresh_id();
        let delivery = Delivery {
            id,
            guid: format!("00000000-0000-4000-8000-{id:012}"),
            hook,
            event: event.into(),
            action: action.map(String::from),
            body: payload.to_string().into(),
            redelivery: false,
            at: self.now,
            status: None,
        };
        if let Some(hook) = self.repo_mut(repo).hooks.iter_mut().find(|it| it.id == hook) {
            hook.deliveries.push(delivery.clone());
        }
        self.outbox.push((repo, delivery));
    }

    /// Adds to the repository's feed. <https://docs.github.com/en/rest/using-the-rest-api/github-event-types>
    fn feed(&mut self, repo: u64, kind: &'static str, actor: &str, payload: Value) {
        let id = self.fresh_id();
        let event = RepoEvent { id, kind, actor: actor.into(), payload: payload.into(), at: self.now };
        self.repo_mut(repo).events.push(event);
    }

    /// Something happened to an issue or a pull request.
    pub(crate) fn tell_issue(&mut self, repo: u64, number: u64, actor: &str, action: &str, more: Value) {
        let Some(issue) = self.issue(repo, number) else { return };
        let shown = self.show_issue(repo, issue);
        let (event, mut details) = match &issue.pull {
            None => ("issues", json!({ "action": action, "issue": shown })),
            Some(pull) => {
                let minimal = self.show_pull_minimal(repo, issue, pull);
                let details = json!({
                    "action": action, "number": number, "pull_request": self.show_pull(repo, issue, pull),
                });
                let fed = json!({ "action": action, "number": number, "pull_request": minimal });
                self.feed(repo, "PullRequestEvent", actor, fed);
                ("pull_request", details)
            }
        };
        if event == "issues" {
            self.feed(repo, "IssuesEvent", actor, details.clone());
        }
        if let (Value::Object(details), Value::Object(more)) = (&mut details, more) {
            details.extend(more);
        }
        self.tell(repo, event, actor, details);
    }

    /// Somebody wrote or changed a comment.
    pub(crate) fn tell_comment(&mut self, repo: u64, number: u64, comment: u64, actor: &str, action: &str) {
        let Some(issue) = self.issue(repo, number) else { return };
        let Some(found) = issue.comments.iter().find(|it| it.id == comment) else { return };
        let details = json!({
            "action": action, "issue": self.show_issue(repo, issue),
            "comment": self.show_comment(repo, issue, found),
        });
        self.feed(repo, "IssueCommentEvent", actor, details.clone());
        self.tell(repo, "issue_comment", actor, details);
    }

    /// A ref moved, came or went; what is not there is zeros.
    pub(crate) fn tell_push(&mut self, repo: u64, name: &str, before: &str, after: &str, actor: &str) {
        const NONE: &str = "0000000000000000000000000000000000000000";
        let (created, deleted) = (before.is_empty(), after.is_empty());
        let (before, after) = (if created { NONE } else { before }, if deleted { NONE } else { after });
        let id = self.fresh_id();
        if !created && !deleted {
            let payload = json!({
                "repository_id": repo, "push_id": id, "ref": name, "head": after, "before": before,
            });
            self.feed(repo, "PushEvent", actor, payload);
        }
        let details = json!({
            "ref": name, "before": before, "after": after, "created": created, "deleted": deleted,
            "forced": false, "base_ref": null, "compare": "", "commits": [], "head_commit": null,
            "pusher": { "name": actor, "email": null },
        });
        self.tell(repo, "push", actor, details);
    }
}
