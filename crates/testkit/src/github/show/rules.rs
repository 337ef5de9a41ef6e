//! Branches, and what they demand.

use serde_json::{Value, json};

use super::segment;
use crate::github::world::{Protection, World};

impl World {
    /// `short-branch`, with the short protection that everyone who can read sees.
    pub(crate) fn show_short_branch(&self, repo: u64, name: &str, sha: &str) -> Value {
        let (api, segment) = (self.api_of(repo), segment(name));
        json!({
            "name": name, "commit": { "sha": sha, "url": format!("{api}/commits/{sha}") },
            "protected": self.repo(repo).is_protected(name), "protection": self.short_protection(repo, name),
            "protection_url": format!("{api}/branches/{segment}/protection"),
        })
    }

    /// `branch-with-protection`.
    pub(crate) fn show_branch(&self, repo: u64, name: &str, sha: &str) -> Value {
        let (api, segment) = (self.api_of(repo), segment(name));
        let commit = self.repo(repo).git.commit(sha);
        json!({
            "name": name, "commit": commit.map_or(Value::Null, |it| self.show_commit(repo, &it)),
            "_links": {
                "self": format!("{api}/branches/{segment}"), "html": format!("{}/tree/{segment}", self.page_of(repo)),
            },
            "protected": self.repo(repo).is_protected(name), "protection": self.short_protection(repo, name),
            "protection_url": format!("{api}/branches/{segment}/protection"),
        })
    }

    fn short_protection(&self, repo: u64, name: &str) -> Value {
        let protection = self.repo(repo).protections.get(name);
        let (level, checks) = match protection {
            Some(it) if !it.required_checks.is_empty() => {
                (if it.enforce_admins { "everyone" } else { "non_admins" }, &it.required_checks[..])
            }
            Some(_) | None => ("off", &[][..]),
        };
        json!({
            "enabled": protection.is_some(),
            "required_status_checks": {
                "enforcement_level": level, "contexts": checks, "checks": as_checks(checks),
            },
        })
    }

    /// `branch-protection`.
    pub(crate) fn show_protection(&self, repo: u64, name: &str, protection: &Protection) -> Value {
        let url = format!("{}/branches/{}/protection", self.api_of(repo), segment(name));
        let on = |enabled: bool| json!({ "enabled": enabled });
        let mut shown = json!({
            "url": url, "enforce_admins": {
                "url": format!("{url}/enforce_admins"), "enabled": protection.enforce_admins,
            },
            "required_signatures": { "url": format!("{url}/required_signatures"), "enabled": false },
            "required_linear_history": on(false), "allow_force_pushes": on(protection.allow_force_pushes),
            "allow_deletions": on(false), "block_creations": on(false),
            "required_conversation_resolution": on(false), "lock_branch": on(false),
            "allow_fork_syncing": on(false),
        });
        if !protection.required_checks.is_empty() {
            shown["required_status_checks"] = json!({
                "url": format!("{url}/required_status_checks"), "strict": protection.strict,
                "contexts": protection.required_checks, "checks": as_checks(&protection.required_checks),
                "contexts_url": format!("{url}/required_status_checks/contexts"),
            });
        }
        if protection.approvals > 0 {
            shown["required_pull_request_reviews"] = json!({
                "url": format!("{url}/required_pull_request_reviews"),
                "dismiss_stale_reviews": protection.dismiss_stale, "require_code_owner_reviews": false,
                "require_last_push_approval": false,
                "required_approving_review_count": protection.approvals,
            });
        }
        if let Some(people) = &protection.restrict_pushes {
            let url = format!("{url}/restrictions");
            shown["restrictions"] = json!({
                "url": url, "users_url": format!("{url}/users"), "teams_url": format!("{url}/teams"),
                "apps_url": format!("{url}/apps"), "teams": [], "apps": [],
                "users": people.iter().map(|login| self.show_user(login)).collect::<Vec<_>>(),
            });
        }
        shown
    }

    /// `repository-rule-detailed`, one for each rule that rulesets put on a branch. Classic protection is not
    /// among them.
    pub(crate) fn show_rules(&self, repo: u64, branch: &str) -> Vec<Value> {
        let repo = self.repo(repo);
        let source = |id: u64| {
            json!({
                "ruleset_id": id, "ruleset_source_type": "Repository", "ruleset_source": repo.full_name(),
            })
        };
        let mut shown = Vec::new();
        for ruleset in repo.rulesets.iter().filter(|it| it.branch == branch) {
            for mut rule in rules_of(&ruleset.rules) {
                super::extend(&mut rule, source(ruleset.id));
                shown.push(rule);
            }
        }
        shown
    }
}

fn rules_of(rules: &Protection) -> Vec<Value> {
    let mut shown = vec![json!({ "type": "deletion" })];
    if !rules.allow_force_pushes {
        shown.push(json!({ "type": "non_fast_forward" }));
    }
    if rules.restrict_pushes.is_some() {
        shown.push(json!({ "type": "update", "parameters": { "update_allows_fetch_and_merge": false } }));
    }
    if !rules.required_checks.is_empty() {
        let checks: Vec<_> = rules.required_checks.iter().map(|name| json!({ "context": name })).collect();
        shown.push(json!({ "type": "required_status_checks", "parameters": {
            "required_status_checks": checks, "strict_required_status_checks_policy": rules.strict,
        } }));
    }
    if rules.approvals > 0 {
        shown.push(json!({ "type": "pull_request", "parameters": {
            "required_approving_review_count": rules.approvals,
            "dismiss_stale_reviews_on_push": rules.dismiss_stale, "require_code_owner_review": false,
            "require_last_push_approval": false, "required_review_thread_resolution": false,
        } }));
    }
    shown
}

fn as_checks(names: &[String]) -> Vec<Value> {
    names.iter().map(|name| json!({ "context": name, "app_id": null })).collect()
}
