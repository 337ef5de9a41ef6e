//! A repository and what belongs to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::Utf8PathBuf;
use jiff::Timestamp;
use serde_json::Value;

use super::{CheckRun, CommitStatus, Issue, MergeMethod, Protection, Ruleset};
use crate::github::git::Git;

/// What a person may do in a repository, each including those before it.
/// <https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// See it, open issues and comment.
    Read,
    /// Label, assign and close what others opened.
    Triage,
    /// Push and merge.
    Write,
    /// Manage the repository, short of what is dangerous.
    Maintain,
    /// Everything, protection and webhooks among it.
    Admin,
}

impl Permission {
    /// The role's name.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// The name among the four that the API had before there were roles.
    pub(crate) fn legacy(self) -> &'static str {
        match self {
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}

/// How an author is related to a repository.
/// <https://docs.github.com/en/graphql/reference/enums#commentauthorassociation>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Association {
    /// Owns it.
    Owner,
    /// A member of the organization that owns it.
    Member,
    /// Was invited to it.
    Collaborator,
    /// Has committed to it before.
    Contributor,
    /// Has never committed to it before.
    FirstTimeContributor,
    /// A stranger.
    None,
}

impl Association {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Member => "MEMBER",
            Self::Collaborator => "COLLABORATOR",
            Self::Contributor => "CONTRIBUTOR",
            Self::FirstTimeContributor => "FIRST_TIME_CONTRIBUTOR",
            Self::None => "NONE",
        }
    }
}

/// A repository, whose objects are in `git`.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) git: Git,
    pub(crate) default_branch: String,
    pub(crate) private: bool,
    pub(crate) archived: bool,
    pub(crate) has_issues: bool,
    pub(crate) merging: MergeSettings,
    pub(crate) created_at: Timestamp,
    pub(crate) pushed_at: Timestamp,
    pub(crate) collaborators: BTreeMap<String, Permission>,
    pub(crate) associations: BTreeMap<String, Association>,
    pub(crate) labels: Vec<Label>,
    pub(crate) milestones: Vec<Milestone>,
    pub(crate) issues: BTreeMap<u64, Issue>,
    pub(crate) gone: BTreeMap<u64, Gone>,
    /// Every ref as it was when somebody looked last.
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) statuses: Vec<CommitStatus>,
    pub(crate) checks: Vec<CheckRun>,
    pub(crate) protections: BTreeMap<String, Protection>,
    pub(crate) rulesets: Vec<Ruleset>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) events: Vec<RepoEvent>,
}

impl Repository {
    /// A new one, with nothing but its git directory.
    pub(crate) fn new(id: u64, full_name: &str, dir: Utf8PathBuf, now: Timestamp) -> Self {
        let (owner, name) = full_name.split_once('/').expect("a repository is called `owner/name`");
        let git = Git::new(dir);
        let default_branch = git.default_branch();
        Self {
            id,
            owner: owner.into(),
            name: name.into(),
            git,
            default_branch,
            private: false,
            archived: false,
            has_issues: true,
            merging: MergeSettings {
                methods: [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase].into(),
                delete_branch: false,
            },
            created_at: now,
            pushed_at: now,
            collaborators: BTreeMap::new(),
            associations: BTreeMap::new(),
            labels: Vec::new(),
            milestones: Vec::new(),
            issues: BTreeMap::new(),
            gone: BTreeMap::new(),
            refs: BTreeMap::new(),
            statuses: Vec::new(),
            checks: Vec::new(),
            protections: BTreeMap::new(),
            rulesets: Vec::new(),
            hooks: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// What a person may do here; `None` for a stranger to a private repository.
    pub(crate) fn permission(&self, login: &str) -> Option<Permission> {
        if self.owner.eq_ignore_ascii_case(login) {
            return Some(Permission::Admin);
        }
        let given = self.collaborators.get(&login.to_lowercase()).copied();
        given.or((!self.private).then_some(Permission::Read))
    }

    pub(crate) fn association(&self, login: &str) -> Association {
        if self.owner.eq_ignore_ascii_case(login) {
            return Association::Owner;
        }
        let key = login.to_lowercase();
        let invited = || self.collaborators.contains_key(&key).then_some(Association::Collaborator);
        self.associations.get(&key).copied().or_else(invited).unwrap_or(Association::None)
    }

    /// The commit that a branch is at.
    pub(crate) fn branch(&self, name: &str) -> Option<&str> {
        self.refs.get(&format!("refs/heads/{name}")).map(String::as_str)
    }

    /// Issues and pull requests count together.
    pub(crate) fn next_number(&self) -> u64 {
        let last = |numbers: Option<&u64>| numbers.copied().unwrap_or(0);
        last(self.issues.keys().next_back()).max(last(self.gone.keys().next_back())) + 1
    }
}

/// How pull requests of a repository may be merged, and whether their branch goes then.
#[derive(Debug, Clone)]
pub(crate) struct MergeSettings {
    pub(crate) methods: BTreeSet<MergeMethod>,
    pub(crate) delete_branch: bool,
}

/// A label of a repository. An issue names it.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) description: Option<String>,
}

/// A milestone of a repository.
#[derive(Debug, Clone)]
pub(crate) struct Milestone {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) created_at: Timestamp,
}

/// What became of a number that is no issue of this repository any more.
#[derive(Debug, Clone)]
pub(crate) enum Gone {
    Transferred { repo: u64, number: u64 },
    Deleted,
}

/// A webhook, with what was delivered to it.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) id: u64,
    pub(crate) url: String,
    pub(crate) secret: Option<String>,
    pub(crate) events: Vec<String>,
    pub(crate) active: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) deliveries: Vec<Delivery>,
}

/// One attempt to tell a webhook something.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: u64,
    pub(crate) guid: String,
    pub(crate) hook: u64,
    pub(crate) event: String,
    pub(crate) action: Option<String>,
    pub(crate) body: Arc<str>,
    pub(crate) redelivery: bool,
    pub(crate) at: Timestamp,
    /// What the receiver answered; `None` before it did, 0 when it could not be reached.
    pub(crate) status: Option<u16>,
}

/// An entry of a repository's feed.
#[derive(Debug, Clone)]
pub(crate) struct RepoEvent {
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) actor: String,
    pub(crate) payload: Arc<Value>,
    pub(crate) at: Timestamp,
}
