//! Repositories, their labels, milestones and hooks.

use serde_json::{Map, Value, json};

use super::{extend, node_id, segment, time};
use crate::github::world::{Delivery, Hook, Label, Milestone, Permission, RepoEvent, World};

/// The URLs of a repository that begin with its own.
const LINKS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

impl World {
    /// `minimal-repository`.
    pub(crate) fn show_minimal_repository(&self, id: u64) -> Value {
        let repo = self.repo(id);
        let api = self.api_of(id);
        let links = LINKS.iter().map(|(name, suffix)| ((*name).to_owned(), format!("{api}{suffix}").into()));
        let mut shown = Value::Object(links.collect::<Map<_, _>>());
        extend(
            &mut shown,
            json!({
                "id": id, "node_id": node_id("R", id), "name": repo.name, "full_name": repo.full_name(),
                "owner": self.show_user(&repo.owner), "private": repo.private,
                "html_url": self.page_of(id), "description": null, "fork": false,
            }),
        );
        shown
    }

    /// `repository`; with the permissions of who asks where they are known.
    pub(crate) fn show_repository(&self, id: u64, role: Option<Permission>) -> Value {
        let repo = self.repo(id);
        let page = self.page_of(id);
        let open = repo.issues.values().filter(|it| it.is_open()).count();
        let mut shown = self.show_minimal_repository(id);
        extend(
            &mut shown,
            json!({
                "git_url": format!("{page}.git"), "ssh_url": format!("git@localhost:{}.git", repo.full_name()),
                "clone_url": format!("{page}.git"), "svn_url": page, "mirror_url": null, "homepage": null,
                "language": null, "license": null, "topics": [],
                "forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
                "size": 1, "open_issues": open, "open_issues_count": open,
                "default_branch": repo.default_branch, "is_template": false,
                "has_issues": repo.has_issues, "has_projects": false, "has_wiki": false, "has_pages": false,
                "has_downloads": false, "has_discussions": false,
                "archived": repo.archived, "disabled": false,
                "visibility": if repo.private { "private" } else { "public" },
                "created_at": time(repo.created_at), "updated_at": time(repo.pushed_at),
                "pushed_at": time(repo.pushed_at),
            }),
        );
        if let Some(role) = role {
            let permissions = json!({
                "admin": role >= Permission::Admin, "maintain": role >= Permission::Maintain,
                "push": role >= Permission::Write, "triage": role >= Permission::Triage, "pull": true,
            });
            extend(&mut shown, json!({ "permissions": permissions }));
        }
        shown
    }

    /// `full-repository`. How it may be merged is shown to those who may push.
    pub(crate) fn show_full_repository(&self, id: u64, role: Option<Permission>) -> Value {
        use crate::github::world::MergeMethod::{Merge, Rebase, Squash};

        let repo = self.repo(id);
        let mut shown = self.show_repository(id, role);
        extend(&mut shown, json!({ "subscribers_count": 0, "network_count": 0 }));
        if role >= Some(Permission::Write) {
            let may = |method| repo.merging.methods.contains(&method);
            extend(
                &mut shown,
                json!({
                    "allow_merge_commit": may(Merge), "allow_squash_merge": may(Squash),
                    "allow_rebase_merge": may(Rebase), "allow_auto_merge": false,
                    "delete_branch_on_merge": repo.merging.delete_branch, "allow_update_branch": false,
                    "squash_merge_commit_title": "COMMIT_OR_PR_TITLE",
                    "squash_merge_commit_message": "COMMIT_MESSAGES",
                    "merge_commit_title": "MERGE_MESSAGE", "merge_commit_message": "PR_TITLE",
                }),
            );
        }
        shown
    }

    /// `label`.
    pub(crate) fn show_label(&self, repo: u64, label: &Label) -> Value {
        json!({
            "id": label.id, "node_id": node_id("LA", label.id),
            "url": format!("{}/labels/{}", self.api_of(repo), segment(&label.name)),
            "name": label.name, "color": label.color, "default": false, "description": label.description,
        })
    }

    /// `milestone`.
    pub(crate) fn show_milestone(&self, repo: u64, milestone: &Milestone) -> Value {
        let issues =
            || self.repo(repo).issues.values().filter(|issue| issue.milestone == Some(milestone.number));
        let open = issues().filter(|issue| issue.is_open()).count();
        let url = format!("{}/milestones/{}", self.api_of(repo), milestone.number);
        json!({
            "url": url, "html_url": format!("{}/milestone/{}", self.page_of(repo), milestone.number),
            "labels_url": format!("{url}/labels"), "id": milestone.id, "node_id": node_id("MI", milestone.id),
            "number": milestone.number, "state": "open", "title": milestone.title, "description": null,
            "creator": self.show_user(&self.repo(repo).owner),
            "open_issues": open, "closed_issues": issues().count() - open,
            "created_at": time(milestone.created_at), "updated_at": time(milestone.created_at),
            "closed_at": null, "due_on": null,
        })
    }

    /// `hook`. The secret is never shown.
    pub(crate) fn show_hook(&self, repo: u64, hook: &Hook) -> Value {
        let url = format!("{}/hooks/{}", self.api_of(repo), hook.id);
        let last = hook.deliveries.iter().rev().find_map(|it| it.status);
        let mut config = json!({ "url": hook.url, "content_type": "json", "insecure_ssl": "0" });
        if hook.secret.is_some() {
            extend(&mut config, json!({ "secret": "********" }));
        }
        json!({
            "type": "Repository", "id": hook.id, "name": "web", "active": hook.active, "events": hook.events,
            "config": config, "created_at": time(hook.created_at), "updated_at": time(hook.created_at),
            "url": url, "test_url": format!("{url}/test"), "ping_url": format!("{url}/pings"),
            "deliveries_url": format!("{url}/deliveries"),
            "last_response": {
                "code": last, "status": if last.is_some() { "active" } else { "unused" }, "message": null,
            },
        })
    }

    /// `hook-delivery-item`.
    pub(crate) fn show_delivery(&self, repo: u64, delivery: &Delivery) -> Value {
        let code = delivery.status.unwrap_or(0);
        json!({
            "id": delivery.id, "guid": delivery.guid, "delivered_at": time(delivery.at),
            "redelivery": delivery.redelivery, "duration": 0.01,
            "status": if (200..300).contains(&code) { "OK" } else { "failed to connect to host" },
            "status_code": code, "event": delivery.event, "action": delivery.action,
            "installation_id": null, "repository_id": repo, "throttled_at": null,
        })
    }

    /// `event`, an entry of the feed.
    pub(crate) fn show_event(&self, repo: u64, event: &RepoEvent) -> Value {
        let actor = self.show_user(&event.actor);
        json!({
            "id": event.id.to_string(), "type": event.kind,
            "actor": {
                "id": actor["id"], "login": actor["login"], "display_login": actor["login"],
                "gravatar_id": "", "url": actor["url"], "avatar_url": actor["avatar_url"],
            },
            "repo": { "id": repo, "name": self.repo(repo).full_name(), "url": self.api_of(repo) },
            "payload": *event.payload, "public": !self.repo(repo).private, "created_at": time(event.at),
        })
    }
}
