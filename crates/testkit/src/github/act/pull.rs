//! Pull requests: opening, drafts, reviews, and when their mergeability becomes known.

use serde_json::json;

use crate::github::git::Author;
use crate::github::world::{Mergeability, Permission, Pull, Review, ReviewState, SubmittedReview, World};

/// What a pull request begins as.
#[derive(Debug, Clone)]
pub(crate) struct NewPull {
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) head: String,
    pub(crate) base: String,
    pub(crate) draft: bool,
    pub(crate) app: Option<u64>,
}

/// Why there is no new pull request.
/// <https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request>
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PullRefused {
    NoSuchHead,
    NoSuchBase,
    NoCommits { base: String, head: String },
    Exists { label: String },
}

impl PullRefused {
    /// What GitHub says about it.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::NoSuchHead => "Head ref must be a branch".into(),
            Self::NoSuchBase => "Base ref must be a branch".into(),
            Self::NoCommits { base, head } => format!("No commits between {base} and {head}"),
            Self::Exists { label } => format!("A pull request already exists for {label}."),
        }
    }
}

/// Why a review is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReviewRefused {
    OwnApproval,
    OwnChanges,
    NoBody,
}

impl World {
    /// Opens a pull request and returns its number.
    pub(crate) fn open_pull(&mut self, repo: u64, author: &str, new: NewPull) -> Result<u64, PullRefused> {
        let found = self.repo(repo);
        let head_sha = found.branch(&new.head).ok_or(PullRefused::NoSuchHead)?.to_owned();
        let base_sha = found.branch(&new.base).ok_or(PullRefused::NoSuchBase)?.to_owned();
        let same = |it: &Pull| it.head == new.head && it.base == new.base;
        if found.issues.values().any(|it| it.is_open() && it.pull.as_ref().is_some_and(same)) {
            return Err(PullRefused::Exists { label: format!("{}:{}", found.owner, new.head) });
        }
        if found.git.count(&base_sha, &head_sha) == 0 {
            return Err(PullRefused::NoCommits { base: new.base, head: new.head });
        }
        let number = found.next_number();
        let mut issue = self.bare_issue(number, author, new.title, new.body, new.app);
        issue.pull = Some(Pull {
            head: new.head,
            head_sha: head_sha.clone(),
            base: new.base,
            base_sha,
            draft: new.draft,
            merged: None,
            mergeability: Mergeability::Unasked,
            reviews: Vec::new(),
            requested: Vec::new(),
        });
        self.repo_mut(repo).issues.insert(number, issue);
        self.publish_head(repo, number, &head_sha);
        self.tell_issue(repo, number, author, "opened", json!({}));
        Ok(number)
    }

    /// Lets everyone fetch a pull request by its number.
    pub(super) fn publish_head(&mut self, repo: u64, number: u64, sha: &str) {
        let name = format!("refs/pull/{number}/head");
        let set = self.repo(repo).git.set_ref(&name, sha, "");
        set.expect("a ref that only the stand-in writes can be written");
        self.repo_mut(repo).refs.insert(name, sha.into());
    }

    /// Turns a draft into one that can be reviewed, or back.
    pub(crate) fn set_draft(&mut self, repo: u64, number: u64, actor: &str, draft: bool) {
        let Some(pull) = self.pull_mut(repo, number) else { return };
        if pull.draft != draft {
            pull.draft = draft;
            let action = if draft { "converted_to_draft" } else { "ready_for_review" };
            self.tell_issue(repo, number, actor, action, json!({}));
        }
    }

    pub(crate) fn pull_mut(&mut self, repo: u64, number: u64) -> Option<&mut Pull> {
        self.issue_mut(repo, number)?.pull.as_mut()
    }

    /// Submits a review. Nobody approves, or asks changes of, a pull request of their own:
    /// <https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/reviewing-changes-in-pull-requests/about-pull-request-reviews>
    pub(crate) fn review(
        &mut self,
        repo: u64,
        number: u64,
        author: &str,
        state: ReviewState,
        body: &str,
        commit: Option<&str>,
    ) -> Result<u64, ReviewRefused> {
        let (id, at, author) = (self.fresh_id(), self.now, self.person(author));
        let own = self.issue(repo, number).is_some_and(|issue| issue.author == author);
        match state {
            ReviewState::Submitted(Review::Approve) if own => return Err(ReviewRefused::OwnApproval),
            ReviewState::Submitted(Review::RequestChanges) if own => return Err(ReviewRefused::OwnChanges),
            ReviewState::Submitted(Review::RequestChanges | Review::Comment) if body.is_empty() => {
                return Err(ReviewRefused::NoBody);
            }
            ReviewState::Submitted(_) | ReviewState::Pending | ReviewState::Dismissed => {}
        }
        let Some(pull) = self.pull_mut(repo, number) else { return Ok(id) };
        let commit = commit.unwrap_or(&pull.head_sha).to_owned();
        pull.requested.retain(|it| *it != author);
        pull.reviews.push(SubmittedReview {
            id,
            author: author.clone(),
            body: body.into(),
            state,
            commit,
            at,
        });
        if let Some(issue) = self.issue(repo, number)
            && let Some(review) = issue.pull.as_ref().and_then(|pull| pull.reviews.last())
        {
            let details = json!({
                "action": "submitted", "review": self.show_review(repo, issue, review),
            });
            self.tell(repo, "pull_request_review", &author, details);
        }
        Ok(id)
    }

    /// Asks somebody for a review; false when they cannot give one: the author, or a stranger.
    /// <https://docs.github.com/en/rest/pulls/review-requests#request-reviewers-for-a-pull-request>
    pub(crate) fn request_review(&mut self, repo: u64, number: u64, actor: &str, login: &str) -> bool {
        let is_author = self.issue(repo, number).is_some_and(|it| it.author.eq_ignore_ascii_case(login));
        let invited = self.repo(repo).collaborators.contains_key(&login.to_lowercase())
            || self.repo(repo).permission(login) == Some(Permission::Admin);
        if is_author || !invited {
            return false;
        }
        let login = self.person(login);
        let Some(pull) = self.pull_mut(repo, number) else { return false };
        if !pull.requested.contains(&login) {
            pull.requested.push(login.clone());
            self.happened(repo, number, actor, "review_requested", Some(&login));
            let details = json!({ "requested_reviewer": self.show_user(&login) });
            self.tell_issue(repo, number, actor, "review_requested", details);
        }
        true
    }

    /// A look at a pull request, which sets going what is not computed yet.
    /// <https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request>
    pub(crate) fn look_at_pull(&mut self, repo: u64, number: u64) {
        let looks_before = self.looks_before_mergeable;
        let Some(issue) = self.repo_mut(repo).issues.get_mut(&number) else { return };
        let open = issue.is_open();
        let Some(pull) = issue.pull.as_mut().filter(|_| open) else { return };
        let looks = match pull.mergeability {
            Mergeability::Unasked => looks_before,
            Mergeability::Computing { looks } => looks,
            Mergeability::Clean { .. } | Mergeability::Conflict => return,
        };
        if looks > 0 {
            // For ever, when that is what a test wants.
            let looks = if looks == u32::MAX { looks } else { looks - 1 };
            pull.mergeability = Mergeability::Computing { looks };
        } else {
            self.compute_mergeability(repo, number);
        }
    }

    /// Tries the merge and keeps what it would be, for everyone to fetch.
    pub(super) fn compute_mergeability(&mut self, repo: u64, number: u64) {
        let date = format!("{} +0000", self.now.as_second());
        let found = self.repo(repo);
        let Some(pull) = found.issues.get(&number).and_then(|it| it.pull.as_ref()) else { return };
        let Some(base) = found.branch(&pull.base) else { return };
        let mergeability = match found.git.merge_trees(base, &pull.head_sha) {
            None => Mergeability::Conflict,
            Some(tree) => {
                let author = Author { name: "GitHub", email: "noreply@github.com", date: &date };
                let message = format!("Merge {} into {base}", pull.head_sha);
                let written = found.git.write_commit(&tree, &[base, &pull.head_sha], &message, author);
                Mergeability::Clean {
                    commit: written.expect("a tree that was just written can be committed"),
                }
            }
        };
        if let Mergeability::Clean { commit } = &mergeability {
            let (name, commit) = (format!("refs/pull/{number}/merge"), commit.clone());
            let set = found.git.set_ref(&name, &commit, "");
            set.expect("a ref that only the stand-in writes can be written");
            self.repo_mut(repo).refs.insert(name, commit);
        }
        let issue = self.repo_mut(repo).issues.get_mut(&number);
        if let Some(pull) = issue.and_then(|it| it.pull.as_mut()) {
            pull.mergeability = mergeability;
        }
    }
}
