//! Whether GitHub can be spoken to: who speaks, what they may do, and what is called otherwise than configured.
//!
//! A classic token says which scopes it has. What a fine-grained one or an App may do is found out by reading: each
//! refusal names the permission that would do. What may be written is not tried, since trying would write.

use std::sync::Arc;
use std::time::Duration;

use super::Check;
use crate::config::Config;
use crate::context::Context;
use coord_core::forge::Protection;
use coord_core::name::{BranchName, RepoName};
use coord_core::repo::OnGitHub;
use coord_engine::clock;
use coord_engine::settings::GitHubSettings;
use coord_forge::github::GitHub;
use coord_forge::github::broker::{self, Age, Broker};
use coord_forge::github::budget::Standing;
use coord_forge::github::error::GitHubError;
use futures_util::future::join_all;

/// What a permission is for, by the name that GitHub gives it in a refusal.
const USES: [(&str, &str); 7] = [
    ("issues", "taking issues in and commenting on them (write)"),
    ("pull_requests", "opening, closing and reviewing pull requests (write)"),
    ("contents", "comparing branches, and merging where a push is refused (write)"),
    ("statuses", "saying on a head how its tests went (write)"),
    ("checks", "reading the checks that a merge waits for (read)"),
    ("administration", "reading what protects a branch (read); `protection` of the repo can say it instead"),
    ("metadata", "anything at all (read)"),
];

/// The scope of a classic token that covers all of it.
const SCOPE: &str = "repo";

pub(super) async fn checks(cx: &Context, config: &Config) -> Vec<Check> {
    let settings = config.settings(cx);
    let repos = settings.repos.iter().filter_map(|it| Some((it.name.clone(), it.forge.github()?.clone())));
    let repos: Vec<_> = repos.collect();
    let (Some(github), false) = (&settings.github, repos.is_empty()) else { return Vec::new() };
    let broker = match open(cx, github).await {
        Ok(broker) => broker,
        Err(check) => return vec![check],
    };
    let mut checks = vec![account(&broker, &repos).await];
    let looked = join_all(repos.iter().map(|(name, there)| repo(&broker, name, there))).await;
    checks.extend(looked.into_iter().flatten());
    checks
}

async fn open(cx: &Context, github: &GitHubSettings) -> Result<Arc<Broker>, Check> {
    let cure = "set GITHUB_TOKEN, name a `github.token_file` (mode 600), or `gh auth login`";
    let credential = github.credential.find().await.map_err(|why| Check::fail("github", why, cure))?;
    let settings = broker::Settings {
        api_url: github.api_url.clone(),
        directory: cx.home.join("github"),
        clock: Arc::new(clock::now),
        patience: Duration::ZERO,
    };
    let broker = Broker::open(&credential, settings);
    broker.map(Arc::new).map_err(|error| Check::fail("github", error.to_string(), "correct `github.api_url`"))
}

/// Who speaks, and whether a classic token has the scope that all of it needs.
async fn account(broker: &Arc<Broker>, repos: &[(RepoName, OnGitHub)]) -> Check {
    let Some((_, first)) = repos.first() else { return Check::ok("github", "no repo is there") };
    let github = GitHub::new(Arc::clone(broker), first.repo.clone());
    let who = match github.user().await {
        Ok(Some(login)) => format!("speaks as {login}"),
        Ok(None) => "speaks as an App".to_owned(),
        Err(error) => return refused("github", &error),
    };
    let standing = match broker.standing() {
        Ok(standing) => standing,
        Err(error) => return Check::warn("github", error.to_string(), "look at $COORD_HOME/github"),
    };
    let left = standing
        .quota
        .as_ref()
        .map_or(String::new(), |it| format!(", {} of {} requests left this hour", it.remaining, it.limit));
    match lacks(&standing) {
        None => Check::ok("github", format!("{who}{left}")),
        Some(scopes) => {
            let has = if scopes.is_empty() { "no scope".to_owned() } else { scopes };
            let seen = format!(
                "{who}, with a token that has {has}; `{SCOPE}` is missing: it is for reading and commenting on \
                 issues, opening and merging pull requests, and setting statuses"
            );
            Check::fail(
                "github",
                seen,
                format!("give the token the scope `{SCOPE}` (`public_repo` will do for public repositories)"),
            )
        }
    }
}

/// The scopes of a classic token that lacks the one that is needed.
fn lacks(standing: &Standing) -> Option<String> {
    let scopes = standing.scopes.as_ref()?;
    let enough = scopes.contains(SCOPE) || scopes.contains("public_repo");
    (!enough).then(|| scopes.iter().cloned().collect::<Vec<_>>().join(", "))
}

async fn repo(broker: &Arc<Broker>, name: &RepoName, there: &OnGitHub) -> Vec<Check> {
    let subject = format!("repo {name} on GitHub");
    let github = GitHub::new(Arc::clone(broker), there.repo.clone());
    let access = match github.access(Age::Now).await {
        Ok(access) => access,
        Err(error) => return vec![refused(&subject, &error)],
    };
    if access.archived {
        let seen = format!("{} is archived: nothing can be written there", access.repo);
        return vec![Check::fail(
            subject,
            seen,
            "unarchive it on GitHub, or take the repo out of the configuration",
        )];
    }
    let mut checks = Vec::new();
    if !access.repo.is(&there.repo) {
        let seen = format!("{} is called {} now", there.repo, access.repo);
        checks.push(Check::warn(&subject, seen, format!("write `github: {}`", access.repo)));
    }
    if !access.issues {
        let cure = "switch issues on in the settings of the repository";
        checks.push(Check::fail(&subject, "its issues are switched off", cure));
    }
    match access.push {
        Some(false) => {
            let seen =
                "the account may only read it: no branch, comment, label or status of ours will get there";
            checks.push(Check::fail(&subject, seen, "have the account given write access"));
        }
        Some(true) | None => {}
    }
    checks.extend(readable(&github, &access.default_branch, there, &subject).await);
    if checks.is_empty() {
        checks.push(Check::ok(subject, format!("{} can be read, and the account may push", access.repo)));
    }
    checks
}

/// What is read of a repository in the course of a change, tried one by one.
async fn readable(github: &GitHub, branch: &BranchName, there: &OnGitHub, subject: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    let issues = github.open_issues(Age::Now).await.map(drop);
    let pulls = github.open_pulls(Age::Now).await.map(drop);
    let branches = github.branches_for_issue(1, Age::Now).await.map(drop);
    checks.extend(
        [issues, pulls, branches].into_iter().filter_map(Result::err).map(|it| refused(subject, &it)),
    );
    match github.protection(branch, Age::Now).await {
        Err(error) => checks.push(refused(subject, &error)),
        Ok(Protection::Known(_)) => {}
        Ok(Protection::Unknown { .. }) if there.protection.is_some() => {}
        Ok(Protection::Unknown { reason, .. }) => {
            let cure = "say in the repo's `protection` what it asks for, or have the account given the right to read it";
            checks.push(Check::warn(subject, reason, cure));
        }
    }
    checks
}

fn refused(subject: &str, error: &GitHubError) -> Check {
    let needs =
        if let GitHubError::Forbidden { needs: Some(needs), .. } = error { needs.as_str() } else { "" };
    let uses = USES.iter().filter(|(permission, _)| needs.contains(permission));
    let uses: Vec<_> = uses.map(|(permission, what)| format!("`{permission}` is for {what}")).collect();
    let cure = if matches!(error, GitHubError::Unauthorised { .. }) {
        "make a new token; this one is expired or revoked".to_owned()
    } else if matches!(error, GitHubError::NotFound { .. }) {
        "correct `github:`, or have the account given access".to_owned()
    } else if uses.is_empty() {
        "coord doctor, once GitHub answers again".to_owned()
    } else {
        format!("give the token what it lacks: {}", uses.join("; "))
    };
    Check::fail(subject, error.to_string(), cure)
}
