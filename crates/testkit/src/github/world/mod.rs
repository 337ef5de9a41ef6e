//! What is on GitHub: accounts, repositories and everything in them, as plain data.
//!
//! It can be cloned, so that a stale read is served from what was there before. Repositories are the exception:
//! their objects are on the disk, and [`Repository::refs`] is what the stand-in has seen of them last.

mod account;
mod check;
mod issue;
mod pull;
mod repository;
mod rules;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::access::Credential;

pub(super) use account::{Account, App, Installation, Kind};
pub(super) use check::{CheckRun, CommitStatus, Standing};
pub use check::{Conclusion, Status, StatusState};
pub use issue::StateReason;
pub(super) use issue::{Comment, Happening, Issue, State};
pub use pull::{MergeMethod, Review};
pub(super) use pull::{Mergeability, Merged, Pull};
pub(super) use pull::{ReviewState, SubmittedReview};
pub use repository::{Association, Permission};
pub(super) use repository::{Delivery, Gone, Hook, Label, Milestone, RepoEvent, Repository};
pub use rules::Protection;
pub(super) use rules::Ruleset;

/// Everything that is there.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// The root of all URLs, without a slash at its end.
    pub(super) base: String,
    /// When what is being done now happens.
    pub(super) now: Timestamp,
    /// How many looks at a pull request find its mergeability unknown before it is computed.
    pub(super) looks_before_mergeable: u32,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) apps: BTreeMap<u64, App>,
    pub(super) credentials: BTreeMap<String, Credential>,
    pub(super) repositories: BTreeMap<u64, Repository>,
    /// Every name that leads to a repository, former ones too, in lower case.
    names: BTreeMap<String, u64>,
    /// Webhook deliveries that nobody has sent yet.
    pub(super) outbox: Vec<(u64, Delivery)>,
    last_id: u64,
}

impl World {
    pub(super) fn new(base: String) -> Self {
        Self {
            base,
            now: Timestamp::UNIX_EPOCH,
            looks_before_mergeable: 1,
            accounts: BTreeMap::new(),
            apps: BTreeMap::new(),
            credentials: BTreeMap::new(),
            repositories: BTreeMap::new(),
            names: BTreeMap::new(),
            outbox: Vec::new(),
            last_id: 0,
        }
    }

    /// An id that nothing has yet; GitHub's are unique per kind, these are unique altogether.
    pub(super) fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The account of this name, made when nobody has heard of it. Logins are compared without case.
    pub(super) fn account(&mut self, login: &str, kind: Kind) -> &Account {
        let key = login.to_lowercase();
        if !self.accounts.contains_key(&key) {
            let id = self.fresh_id();
            self.accounts
                .insert(key.clone(), Account { id, login: login.into(), kind, created_at: self.now });
        }
        &self.accounts[&key]
    }

    /// A person, by name.
    pub(super) fn person(&mut self, login: &str) -> String {
        self.account(login, Kind::User).login.clone()
    }

    pub(super) fn find_account(&self, login: &str) -> Option<&Account> {
        self.accounts.get(&login.to_lowercase())
    }

    /// Makes a token that looks like the real ones of its kind.
    pub(super) fn give_token(&mut self, prefix: &str, credential: Credential) -> String {
        let token = format!("{prefix}{:036}", self.fresh_id());
        self.credentials.insert(token.clone(), credential);
        token
    }

    /// The App that stands for everybody's continuous integration.
    pub(super) fn ci_app(&mut self) -> u64 {
        if let Some(app) = self.apps.values().find(|app| app.slug == "ci") {
            return app.id;
        }
        self.account("ci[bot]", Kind::Bot);
        let owner = self.account("app-owner", Kind::Organization).login.clone();
        let (id, created_at) = (self.fresh_id(), self.now);
        // Nobody signs for it, so no key fits.
        let app = App {
            id,
            slug: "ci".into(),
            owner,
            created_at,
            public_key: Vec::new(),
            installations: Vec::new(),
        };
        self.apps.insert(id, app);
        id
    }

    /// Gives a repository a name, which stays good after the next one.
    pub(super) fn name(&mut self, full_name: &str, id: u64) {
        self.names.insert(full_name.to_lowercase(), id);
    }

    /// The repository that a name leads to, current or former.
    pub(super) fn find(&self, full_name: &str) -> Option<u64> {
        self.names.get(&full_name.to_lowercase()).copied()
    }

    /// A repository that is known to be there.
    #[track_caller]
    pub(super) fn repo(&self, id: u64) -> &Repository {
        self.repositories.get(&id).expect("repositories are never removed")
    }

    /// The same, to change it.
    #[track_caller]
    pub(super) fn repo_mut(&mut self, id: u64) -> &mut Repository {
        self.repositories.get_mut(&id).expect("repositories are never removed")
    }

    /// An issue by its number, which is a pull request too when it has that part.
    pub(super) fn issue(&self, repo: u64, number: u64) -> Option<&Issue> {
        self.repo(repo).issues.get(&number)
    }

    /// The same, to change it; `updated_at` is set.
    pub(super) fn issue_mut(&mut self, repo: u64, number: u64) -> Option<&mut Issue> {
        let now = self.now;
        let issue = self.repo_mut(repo).issues.get_mut(&number)?;
        issue.updated_at = now;
        Some(issue)
    }

    /// Where the issue with this id is: its repository and its number.
    pub(super) fn place_of(&self, issue: u64) -> Option<(u64, u64)> {
        self.repositories.values().find_map(|repo| {
            let found = repo.issues.values().find(|it| it.id == issue)?;
            Some((repo.id, found.number))
        })
    }
}
