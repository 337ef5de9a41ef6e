//! Merging a pull request, with real git in the bare repository.

use serde_json::json;

use super::keyword;
use crate::github::git::Author;
use crate::github::world::{MergeMethod, Mergeability, Merged, State, StateReason, World};

/// How a merge was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct MergeAsked {
    pub(crate) method: Option<MergeMethod>,
    pub(crate) title: Option<String>,
    pub(crate) message: Option<String>,
    /// The head that it is about.
    pub(crate) sha: Option<String>,
}

/// Why it is not merged. <https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request>
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MergeRefused {
    /// 405, with the words.
    NotMergeable(String),
    /// 409: somebody pushed to the head.
    HeadModified,
}

impl MergeRefused {
    /// What GitHub says about it.
    pub(crate) fn words(self) -> String {
        match self {
            Self::NotMergeable(words) => words,
            Self::HeadModified => "Head branch was modified. Review and try the merge again.".into(),
        }
    }
}

/// What a merge works on, taken out of the world.
struct Merging {
    number: u64,
    title: String,
    head: String,
    head_sha: String,
    base: String,
    base_sha: String,
    owner: String,
}

impl World {
    /// Merges, or says why not, and returns the commit that the base is at then.
    pub(crate) fn merge(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        asked: &MergeAsked,
    ) -> Result<String, MergeRefused> {
        let method = asked.method.unwrap_or(MergeMethod::Merge);
        let merging = self.may_merge(repo, number, actor, asked, method)?;
        let commit = self.write_merge(repo, actor, &merging, asked, method)?;
        let name = format!("refs/heads/{}", merging.base);
        let git = self.repo(repo).git.clone();
        if git.set_ref(&name, &commit, &merging.base_sha).is_err() {
            let words = "Base branch was modified. Review and try the merge again.";
            return Err(MergeRefused::NotMergeable(words.into()));
        }
        self.record_merge(repo, number, actor, &commit);
        self.close_linked(repo, number, actor, &merging.base);
        self.look_at_refs(repo, actor);
        if self.repo(repo).merging.delete_branch {
            git.delete_ref(&format!("refs/heads/{}", merging.head)).expect("a branch that was just merged");
            self.look_at_refs(repo, actor);
        }
        Ok(commit)
    }

    fn may_merge(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        asked: &MergeAsked,
        method: MergeMethod,
    ) -> Result<Merging, MergeRefused> {
        let refuse = |words: &str| Err(MergeRefused::NotMergeable(words.to_owned()));
        self.compute_mergeability(repo, number);
        let found = self.repo(repo);
        let issue = self.issue(repo, number).expect("a pull request that is merged is there");
        let pull = issue.pull.as_ref().expect("what is merged is a pull request");
        if !issue.is_open() {
            return refuse("Pull Request is not mergeable");
        }
        if asked.sha.as_ref().is_some_and(|sha| *sha != pull.head_sha) {
            return Err(MergeRefused::HeadModified);
        }
        if pull.draft {
            return refuse("Pull Request is still a draft");
        }
        if pull.mergeability == Mergeability::Conflict {
            return refuse("Pull Request is not mergeable");
        }
        // <https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/about-merge-methods-on-github>
        if !found.merging.methods.contains(&method) {
            return refuse(match method {
                MergeMethod::Merge => "Merge commits are not allowed on this repository.",
                MergeMethod::Squash => "Squash merges are not allowed on this repository.",
                MergeMethod::Rebase => "Rebase merges are not allowed on this repository.",
            });
        }
        if let Some(words) = self.forbids_merge(repo, issue, pull, actor) {
            return refuse(&words);
        }
        let Some(base_sha) = found.branch(&pull.base) else {
            return refuse("Base branch does not exist");
        };
        Ok(Merging {
            number,
            title: issue.title.clone(),
            head: pull.head.clone(),
            head_sha: pull.head_sha.clone(),
            base: pull.base.clone(),
            base_sha: base_sha.to_owned(),
            owner: found.owner.clone(),
        })
    }

    /// Writes the commits of a merge; nothing refers to them yet.
    fn write_merge(
        &self,
        repo: u64,
        actor: &str,
        merging: &Merging,
        asked: &MergeAsked,
        method: MergeMethod,
    ) -> Result<String, MergeRefused> {
        let git = &self.repo(repo).git;
        let date = format!("{} +0000", self.now.as_second());
        let email = format!("{actor}@users.noreply.github.com");
        let author = Author { name: actor, email: &email, date: &date };
        let (base, head) = (merging.base_sha.as_str(), merging.head_sha.as_str());
        let conflict = || MergeRefused::NotMergeable("Pull Request is not mergeable".into());
        if method == MergeMethod::Rebase {
            // <https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/about-pull-request-merges#rebasing-and-merging-your-commits>
            let words = "This branch can't be rebased";
            return git.replay(base, head, &date).ok_or_else(|| MergeRefused::NotMergeable(words.into()));
        }
        let tree = git.merge_trees(base, head).ok_or_else(conflict)?;
        let parents: &[&str] = if method == MergeMethod::Squash { &[base] } else { &[base, head] };
        let message = self.message_of(repo, merging, asked, method);
        git.write_commit(&tree, parents, &message, author).map_err(|_| conflict())
    }

    /// The message of a merge or squash: what was asked for, or what GitHub makes of the pull request.
    /// <https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/about-pull-request-merges#merge-message-for-a-squash-merge>
    fn message_of(&self, repo: u64, merging: &Merging, asked: &MergeAsked, method: MergeMethod) -> String {
        let Merging { number, title, head, owner, .. } = merging;
        let (default_title, default_body) = match method {
            MergeMethod::Merge | MergeMethod::Rebase => {
                (format!("Merge pull request #{number} from {owner}/{head}"), title.clone())
            }
            MergeMethod::Squash => {
                let commits = self.repo(repo).git.between(&merging.base_sha, &merging.head_sha);
                match &commits[..] {
                    [only] => {
                        let (subject, body) =
                            only.message.split_once('\n').unwrap_or((only.message.as_str(), ""));
                        (format!("{subject} (#{number})"), body.trim().to_owned())
                    }
                    several => {
                        let list: Vec<_> = several.iter().map(|it| format!("* {}", it.message)).collect();
                        (format!("{title} (#{number})"), list.join("\n\n"))
                    }
                }
            }
        };
        let title = asked.title.clone().unwrap_or(default_title);
        let body = asked.message.clone().unwrap_or(default_body);
        if body.is_empty() { format!("{title}\n") } else { format!("{title}\n\n{body}\n") }
    }

    /// Writes down that a pull request is merged, which closes it.
    pub(super) fn record_merge(&mut self, repo: u64, number: u64, actor: &str, commit: &str) {
        let (by, at) = (self.person(actor), self.now);
        let Some(issue) = self.issue_mut(repo, number) else { return };
        let Some(pull) = issue.pull.as_mut() else { return };
        pull.merged = Some(Merged { at, by: by.clone(), commit: commit.into() });
        issue.state = State::Closed { at, by, reason: StateReason::Completed };
        self.happened(repo, number, actor, "merged", Some(commit));
        self.happened(repo, number, actor, "closed", None);
        self.tell_issue(repo, number, actor, "closed", json!({}));
    }

    /// Closes what a merged pull request says it closes; only the default branch does that.
    /// <https://docs.github.com/en/issues/tracking-your-work-with-issues/using-issues/linking-a-pull-request-to-an-issue>
    pub(super) fn close_linked(&mut self, repo: u64, number: u64, actor: &str, base: &str) {
        if base != self.repo(repo).default_branch {
            return;
        }
        let Some(issue) = self.issue(repo, number) else { return };
        let text = issue.body.clone().unwrap_or_default();
        let commit = issue.pull.as_ref().and_then(|it| Some(it.merged.as_ref()?.commit.clone()));
        for linked in keyword::closed_by(&text) {
            if self.issue(repo, linked).is_some_and(|it| it.pull.is_none()) {
                self.close_issue(repo, linked, actor, StateReason::Completed, commit.as_deref());
            }
        }
    }

    /// Merges the base into the head. <https://docs.github.com/en/rest/pulls/pulls#update-a-pull-request-branch>
    pub(crate) fn update_branch(&mut self, repo: u64, number: u64, actor: &str) -> Result<(), &'static str> {
        let date = format!("{} +0000", self.now.as_second());
        let email = format!("{actor}@users.noreply.github.com");
        let found = self.repo(repo);
        let issue = self.issue(repo, number).filter(|it| it.is_open());
        let pull = issue.and_then(|it| it.pull.as_ref()).ok_or("pull request is not open")?;
        let base = found.branch(&pull.base).ok_or("base branch is gone")?;
        if found.git.is_ancestor(base, &pull.head_sha) {
            return Err("There are no new commits on the base branch.");
        }
        let conflict = "merge conflict between base and head";
        let tree = found.git.merge_trees(&pull.head_sha, base).ok_or(conflict)?;
        let author = Author { name: actor, email: &email, date: &date };
        let message = format!("Merge branch '{}' into {}\n", pull.base, pull.head);
        let parents = [pull.head_sha.as_str(), base];
        let commit = found.git.write_commit(&tree, &parents, &message, author).map_err(|_| conflict)?;
        let name = format!("refs/heads/{}", pull.head);
        found.git.set_ref(&name, &commit, &pull.head_sha).map_err(|_| "head branch was modified")?;
        self.look_at_refs(repo, actor);
        Ok(())
    }
}
