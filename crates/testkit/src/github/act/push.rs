//! Refs that moved, and what follows from it; and what a push must not do.

use std::collections::BTreeMap;

use serde_json::json;

use super::keyword;
use super::obstacle::{NOT_ALLOWED, is_on_list, missing_checks};
use crate::github::git::packet::RefCommand;
use crate::github::world::{Mergeability, Permission, Protection, Review, ReviewState, StateReason, World};

/// How a push to one branch is refused: what is printed, and the reason beside the ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushRefused {
    pub(crate) remote: String,
    pub(crate) reason: &'static str,
}

impl World {
    /// Reads the refs of a repository and lets everything follow that a push entails. Whoever moved them, through
    /// here or past the stand-in on the disk, `actor` gets the credit.
    pub(crate) fn look_at_refs(&mut self, repo: u64, actor: &str) {
        let seen: BTreeMap<_, _> = self.repo(repo).git.refs().into_iter().collect();
        let known = std::mem::replace(&mut self.repo_mut(repo).refs, seen.clone());
        let names = known.keys().chain(seen.keys().filter(|name| !known.contains_key(*name)));
        let moved: Vec<_> = names
            .filter(|name| !name.starts_with("refs/pull/") && known.get(*name) != seen.get(*name))
            .cloned()
            .collect();
        for name in moved {
            let at = |refs: &BTreeMap<String, String>| refs.get(&name).cloned().unwrap_or_default();
            self.ref_moved(repo, &name, &at(&known), &at(&seen), actor);
        }
    }

    fn ref_moved(&mut self, repo: u64, name: &str, before: &str, after: &str, actor: &str) {
        self.repo_mut(repo).pushed_at = self.now;
        self.tell_push(repo, name, before, after, actor);
        let Some(branch) = name.strip_prefix("refs/heads/") else { return };
        let (mut heads, mut bases) = (Vec::new(), Vec::new());
        for issue in self.repo(repo).issues.values().filter(|it| it.is_open()) {
            let Some(pull) = &issue.pull else { continue };
            if pull.head == branch {
                heads.push(issue.number);
            }
            if pull.base == branch {
                bases.push(issue.number);
            }
        }
        for number in heads {
            self.head_moved(repo, number, after, actor);
        }
        for number in bases {
            self.base_moved(repo, number, before, after, actor);
        }
        if branch == self.repo(repo).default_branch && !before.is_empty() && !after.is_empty() {
            self.close_named_by_commits(repo, before, after, actor);
        }
    }

    /// A pull request follows its head branch, and ends with it.
    fn head_moved(&mut self, repo: u64, number: u64, after: &str, actor: &str) {
        if after.is_empty() {
            self.close_issue(repo, number, actor, StateReason::Completed, None);
            return;
        }
        let base = self.issue(repo, number).and_then(|it| it.pull.as_ref()).map(|it| it.base.clone());
        let Some(base) = base else { return };
        let base_sha = self.repo(repo).branch(&base).map(String::from);
        let stale = self.repo(repo).demands(&base, false).iter().any(|(rules, _)| rules.dismiss_stale);
        let Some(pull) = self.pull_mut(repo, number) else { return };
        let before = std::mem::replace(&mut pull.head_sha, after.to_owned());
        if let Some(base_sha) = base_sha {
            pull.base_sha = base_sha;
        }
        pull.mergeability = Mergeability::Unasked;
        if stale {
            // <https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-protected-branches/about-protected-branches#require-pull-request-reviews-before-merging>
            for review in &mut pull.reviews {
                if review.state == ReviewState::Submitted(Review::Approve) {
                    review.state = ReviewState::Dismissed;
                }
            }
        }
        self.publish_head(repo, number, after);
        self.tell_issue(repo, number, actor, "synchronize", json!({ "before": before, "after": after }));
    }

    /// A pull request whose head is in its base is merged, however it came there:
    /// <https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/about-pull-request-merges#indirect-merges>
    fn base_moved(&mut self, repo: u64, number: u64, before: &str, after: &str, actor: &str) {
        if after.is_empty() {
            self.close_issue(repo, number, actor, StateReason::Completed, None);
            return;
        }
        let Some(pull) = self.issue(repo, number).and_then(|it| it.pull.as_ref()) else { return };
        let (head, base) = (pull.head_sha.clone(), pull.base.clone());
        let git = self.repo(repo).git.clone();
        if git.is_ancestor(&head, after) {
            let commit = if before.is_empty() { head } else { git.brought_by(&head, before, after) };
            self.record_merge(repo, number, actor, &commit);
            self.close_linked(repo, number, actor, &base);
        } else if let Some(pull) = self.repo_mut(repo).issues.get_mut(&number).and_then(|it| it.pull.as_mut())
        {
            pull.mergeability = Mergeability::Unasked;
        }
    }

    /// <https://docs.github.com/en/issues/tracking-your-work-with-issues/using-issues/linking-a-pull-request-to-an-issue#linking-a-pull-request-to-an-issue-using-a-keyword>
    fn close_named_by_commits(&mut self, repo: u64, before: &str, after: &str, actor: &str) {
        for commit in self.repo(repo).git.between(before, after) {
            for number in keyword::closed_by(&commit.message) {
                if self.issue(repo, number).is_some_and(|it| it.pull.is_none()) {
                    self.close_issue(repo, number, actor, StateReason::Completed, Some(&commit.sha));
                }
            }
        }
    }

    /// What forbids a push to one ref; `keeps_history` says whether it is a fast-forward.
    /// <https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-protected-branches/about-protected-branches>
    pub(crate) fn refuses_push(
        &self,
        repo: u64,
        command: &RefCommand,
        keeps_history: bool,
        actor: &str,
    ) -> Option<PushRefused> {
        let found = self.repo(repo);
        let branch = command.name.strip_prefix("refs/heads/")?;
        let admin = found.permission(actor) == Some(Permission::Admin);
        found.demands(branch, admin).into_iter().find_map(|(rules, is_ruleset)| {
            let problems = self.push_problems(repo, rules, command, keeps_history, actor);
            (!problems.is_empty()).then(|| self.push_refused(repo, command, &problems, is_ruleset))
        })
    }

    fn push_problems(
        &self,
        repo: u64,
        rules: &Protection,
        command: &RefCommand,
        keeps_history: bool,
        actor: &str,
    ) -> Vec<String> {
        if command.deletes() {
            return vec!["Cannot delete this branch".to_owned()];
        }
        let mut problems = Vec::new();
        if !keeps_history && !rules.allow_force_pushes {
            problems.push("Cannot force-push to this branch".to_owned());
        }
        if !is_on_list(rules, actor) {
            problems.push(NOT_ALLOWED.to_owned());
        }
        if rules.approvals > 0 {
            problems.push("Changes must be made through a pull request.".to_owned());
        }
        problems.extend(missing_checks(self.repo(repo), rules, &command.new).map(|it| it.words()));
        problems
    }

    /// What is printed: <https://github.com/foundry-rs/block-explorers/pull/110> of protection, and
    /// <https://github.com/JRedrupp/bison/issues/136> of rulesets.
    fn push_refused(
        &self,
        repo: u64,
        command: &RefCommand,
        problems: &[String],
        is_ruleset: bool,
    ) -> PushRefused {
        let name = &command.name;
        if is_ruleset {
            let list: Vec<_> = problems.iter().map(|it| format!("- {it}\n\n")).collect();
            let rules = format!("{}/rules?ref={}", self.page_of(repo), name.replace('/', "%2F"));
            return PushRefused {
                remote: format!(
                    "error: GH013: Repository rule violations found for {name}.\n\
                     Review all repository rules at {rules}\n\n{}",
                    list.concat()
                ),
                reason: "push declined due to repository rule violations",
            };
        }
        let list: Vec<_> = problems.iter().map(|it| format!("\n- {it}\n")).collect();
        PushRefused {
            remote: format!("error: GH006: Protected branch update failed for {name}.\n{}", list.concat()),
            reason: "protected branch hook declined",
        }
    }
}
