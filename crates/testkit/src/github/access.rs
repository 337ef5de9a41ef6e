//! Who asks, and what they may.
//!
//! A person's role in a repository says what they may do at most, their token what of it they may do with it.
//! What may not be seen is not found (404); what may be seen and not done is forbidden (403):
//! <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#404-not-found-for-an-existing-resource>

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::world::{Permission, World};

/// What a fine-grained token may do with one kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Look at it.
    Read,
    /// Change it too.
    Write,
}

impl Access {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "read" => Some(Self::Read),
            "write" | "admin" => Some(Self::Write),
            _ => None,
        }
    }
}

pub(super) type Grants = BTreeMap<String, Access>;

/// A token, as it was given out.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps>
    Classic { login: String, scopes: Vec<String> },
    /// <https://docs.github.com/en/rest/authentication/permissions-required-for-fine-grained-personal-access-tokens>
    FineGrained { login: String, grants: Grants },
    /// <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app>
    Installation {
        app: u64,
        installation: u64,
        grants: Grants,
        repos: Option<BTreeSet<u64>>,
        until: Timestamp,
    },
}

/// Who a request comes from.
#[derive(Debug, Clone)]
pub(super) enum Who {
    Nobody,
    Holder(Credential),
    /// An App that signed the request itself.
    App(u64),
}

/// What an operation needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// The kinds of things that it touches; one grant among them is enough.
    pub(super) grants: &'static [&'static str],
    pub(super) access: Access,
    /// What a person's role has to be at least.
    pub(super) role: Permission,
}

/// How an operation is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denied {
    NotFound,
    Forbidden(&'static str),
}

const ISSUES: &[&str] = &["issues"];
const PULLS: &[&str] = &["pull_requests"];
const EITHER: &[&str] = &["issues", "pull_requests"];
const CONTENTS: &[&str] = &["contents"];

/// What an operation on a repository needs, by its id in the API's description.
pub(super) fn need(operation: &str) -> Need {
    use Access::{Read, Write};

    let of = |grants, access, role| Need { grants, access, role };
    let (see, triage, push, admin) =
        (Permission::Read, Permission::Triage, Permission::Write, Permission::Admin);
    match operation {
        "issues/create" => of(ISSUES, Write, see),
        "issues/update" | "issues/create-comment" | "issues/update-comment" => of(EITHER, Write, see),
        "issues/add-labels" | "issues/remove-label" => of(EITHER, Write, triage),
        "issues/add-assignees" => of(EITHER, Write, push),
        "issues/create-label" => of(EITHER, Write, push),
        "issues/add-sub-issue"
        | "issues/remove-sub-issue"
        | "issues/reprioritize-sub-issue"
        | "issues/add-blocked-by-dependency"
        | "issues/remove-dependency-blocked-by" => of(ISSUES, Write, triage),
        "issues/list-comments"
        | "issues/list-comments-for-repo"
        | "issues/list-labels-on-issue"
        | "issues/list-labels-for-repo"
        | "issues/get"
        | "issues/list-for-repo"
        | "issues/list-events"
        | "issues/list-events-for-timeline" => of(EITHER, Read, see),
        it if it.starts_with("issues/") => of(ISSUES, Read, see),
        "pulls/create" => of(PULLS, Write, push),
        "pulls/update" | "pulls/create-review" => of(PULLS, Write, see),
        "pulls/request-reviewers" => of(PULLS, Write, push),
        "pulls/update-branch" => of(PULLS, Write, push),
        "pulls/merge" => of(CONTENTS, Write, push),
        "pulls/check-if-merged" => of(CONTENTS, Read, see),
        it if it.starts_with("pulls/") => of(PULLS, Read, see),
        "git/create-ref" | "git/update-ref" | "git/delete-ref" => of(CONTENTS, Write, push),
        "checks/create" | "checks/update" => of(&["checks"], Write, push),
        it if it.starts_with("checks/") => of(&["checks"], Read, see),
        "repos/create-commit-status" => of(&["statuses"], Write, push),
        "repos/get-combined-status-for-ref" | "repos/list-commit-statuses-for-ref" => {
            of(&["statuses"], Read, see)
        }
        "repos/get-branch-protection" => of(&["administration"], Read, admin),
        "repos/create-webhook" => of(&["repository_hooks"], Write, admin),
        "repos/list-webhooks" | "repos/list-webhook-deliveries" => of(&["repository_hooks"], Read, admin),
        "actions/list-workflow-runs-for-repo" => of(&["actions"], Read, see),
        "repos/get"
        | "repos/get-branch-rules"
        | "repos/get-collaborator-permission-level"
        | "apps/get-repo-installation"
        | "activity/list-repo-events" => of(&["metadata"], Read, see),
        _ => of(CONTENTS, Read, see),
    }
}

impl Who {
    /// The account that acts, as others see it.
    pub(super) fn login(&self, world: &World) -> String {
        match self {
            Self::Nobody => "ghost".into(),
            Self::Holder(Credential::Classic { login, .. } | Credential::FineGrained { login, .. }) => {
                login.clone()
            }
            Self::Holder(Credential::Installation { app, .. }) | Self::App(app) => {
                world.apps.get(app).map_or_else(|| "ghost".into(), |app| format!("{}[bot]", app.slug))
            }
        }
    }

    /// The App that acts, if it is one.
    pub(super) fn app(&self) -> Option<u64> {
        match self {
            Self::Holder(Credential::Installation { app, .. }) | Self::App(app) => Some(*app),
            Self::Nobody | Self::Holder(Credential::Classic { .. } | Credential::FineGrained { .. }) => None,
        }
    }

    /// What a repository lets it do at most, before its token is looked at; `None` when it does not see it.
    pub(super) fn role(&self, world: &World, repo: u64) -> Option<Permission> {
        let found = world.repo(repo);
        match self {
            Self::Nobody | Self::App(_) => (!found.private).then_some(Permission::Read),
            Self::Holder(Credential::Classic { login, scopes }) => {
                let in_scope = !found.private || has_scope(scopes, &["repo"]);
                found.permission(login).filter(|_| in_scope)
            }
            Self::Holder(Credential::FineGrained { login, .. }) => found.permission(login),
            Self::Holder(Credential::Installation { grants, repos, .. }) => {
                let installed = repos.as_ref().is_none_or(|repos| repos.contains(&repo));
                let writes = |what: &str| grants.get(what) == Some(&Access::Write);
                match () {
                    () if !installed => (!found.private).then_some(Permission::Read),
                    () if writes("administration") => Some(Permission::Admin),
                    () if writes("contents") => Some(Permission::Write),
                    () => Some(Permission::Read),
                }
            }
        }
    }

    /// Whether it may do something in a repository.
    pub(super) fn may(&self, world: &World, repo: u64, need: Need) -> Result<(), Denied> {
        let role = self.role(world, repo).ok_or(Denied::NotFound)?;
        let public_read = need.access == Access::Read && need.role == Permission::Read;
        match self {
            Self::Nobody | Self::App(_) if public_read && !world.repo(repo).private => Ok(()),
            Self::Nobody | Self::App(_) => Err(Denied::NotFound),
            Self::Holder(Credential::Classic { scopes, .. }) => {
                let wanted: &[&str] =
                    if world.repo(repo).private { &["repo"] } else { &["repo", "public_repo"] };
                // A scope that is missing looks as if there were nothing.
                let scoped = public_read || has_scope(scopes, wanted);
                if !scoped { Err(Denied::NotFound) } else { enough(role, need) }
            }
            Self::Holder(Credential::FineGrained { grants, .. }) => {
                let words = "Resource not accessible by personal access token";
                granted(grants, need, words)?;
                enough(role, need)
            }
            Self::Holder(Credential::Installation { grants, repos, .. }) => {
                let installed = repos.as_ref().is_none_or(|repos| repos.contains(&repo));
                let words = "Resource not accessible by integration";
                if installed || !public_read { granted(grants, need, words) } else { Ok(()) }
            }
        }
    }
}

fn has_scope(scopes: &[String], wanted: &[&str]) -> bool {
    scopes.iter().any(|scope| wanted.contains(&scope.as_str()))
}

fn granted(grants: &Grants, need: Need, words: &'static str) -> Result<(), Denied> {
    let enough = |name: &&str| *name == "metadata" || grants.get(*name) >= Some(&need.access);
    if need.grants.iter().any(enough) { Ok(()) } else { Err(Denied::Forbidden(words)) }
}

/// A person's role is too low: what only administrators see is not there for others.
fn enough(role: Permission, need: Need) -> Result<(), Denied> {
    match need.role {
        it if role >= it => Ok(()),
        Permission::Admin => Err(Denied::NotFound),
        Permission::Read | Permission::Triage | Permission::Write | Permission::Maintain => {
            Err(Denied::Forbidden("Must have push access to repository"))
        }
    }
}
