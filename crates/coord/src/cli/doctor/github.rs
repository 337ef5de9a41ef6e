//! Whether somebody can speak to GitHub, and may do there what work needs.
//!
//! What a token may write cannot be tried without writing, so that is told from what GitHub says of the token and
//! of the account; what it may read is read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use coord_core::forge::{Access, Protection, Rules};
use coord_core::repo::{OnGitHub, Repo};
use coord_engine::clock;
use coord_forge::github::GitHub;
use coord_forge::github::broker::{Age, Broker, Settings};
use coord_forge::github::budget::Standing;
use coord_forge::github::error::GitHubError;

use super::Check;
use crate::config::Config;
use crate::context::Context;

/// What is done with a scope of a classic token, and without which nothing of it can be.
const SCOPES: [(&str, &str); 2] = [
    (
        "repo",
        "issues, pull requests, their checks and the rules of branches are read, comments and merges written",
    ),
    ("workflow", "changes of files under .github/workflows are merged"),
];

pub(super) async fn checks(cx: &Context, config: &Config) -> Vec<Check> {
    let repos: Vec<_> = config.repos.iter().filter_map(|it| Some((it, it.forge.github()?))).collect();
    let Some((_, first)) = repos.first() else { return Vec::new() };
    let host = config.github.api_url.host();
    let broker = match open(cx, config).await {
        Ok(broker) => Arc::new(broker),
        Err(why) => return vec![Check::fail("GitHub", why, another(host))],
    };
    let github = GitHub::new(Arc::clone(&broker), first.repo.clone());
    let user = match github.user().await {
        Ok(user) => user,
        Err(error) => return vec![refused("GitHub", &error, host)],
    };
    let mut seen = Vec::new();
    for (repo, there) in &repos {
        let github = GitHub::new(Arc::clone(&broker), there.repo.clone());
        seen.extend(look(&github, repo, there, user.as_deref(), config).await);
    }
    // Only now has the broker heard everything that GitHub says of the credential.
    let mut checks = match broker.standing() {
        Ok(standing) => of_credential(user.as_deref(), &standing, host),
        Err(error) => vec![refused("GitHub", &error, host)],
    };
    checks.extend(seen);
    checks
}

async fn open(cx: &Context, config: &Config) -> Result<Broker, String> {
    let credential = config.github.credential(&cx.environment, &config.path).await?;
    let settings = Settings {
        api_url: config.github.api_url.to_string(),
        directory: cx.home.join("github"),
        clock: Arc::new(clock::now),
        patience: Duration::ZERO,
    };
    Broker::open(&credential, settings).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

/// Who speaks, with which scopes, and what GitHub still allows.
fn of_credential(user: Option<&str>, standing: &Standing, host: &str) -> Vec<Check> {
    let who = user.map_or_else(|| "an installed App".to_owned(), |it| format!("`{it}`"));
    let left = standing.quota.as_ref().map_or(String::new(), |it| {
        format!("; {} of {} requests are left until {:.0}", it.remaining, it.limit, it.resets_at)
    });
    let mut checks = vec![match (&standing.pause, &standing.outage) {
        (Some(pause), _) => {
            let seen = format!("{who} at {host}: its {} limit is used up", pause.kind.as_str());
            Check::warn("GitHub", seen, format!("wait until {:.0}; nothing is sent before", pause.until))
        }
        (None, Some(outage)) => {
            let seen = format!("{who} at {host}, which failed several times in a row: {}", outage.cause);
            Check::warn("GitHub", seen, format!("wait until {:.0}, when it is tried again", outage.until))
        }
        (None, None) => Check::ok("GitHub", format!("{who} at {host}{left}")),
    }];
    let missing = standing.scopes.iter().flat_map(|scopes| missing(scopes));
    checks.extend(missing.map(|(scope, what)| {
        let seen = format!("the token lacks the scope `{scope}`, with which {what}");
        let cure = format!("gh auth refresh --hostname {host} --scopes {scope}, or make a token that has it");
        if scope == "repo" {
            Check::fail("GitHub token", seen, cure)
        } else {
            Check::warn("GitHub token", seen, cure)
        }
    }));
    checks
}

/// The scopes that a classic token lacks. One for public repositories does in these.
fn missing(scopes: &BTreeSet<String>) -> Vec<(&'static str, &'static str)> {
    let has = |scope: &str| scopes.contains(scope) || (scope == "repo" && scopes.contains("public_repo"));
    SCOPES.into_iter().filter(|(scope, _)| !has(scope)).collect()
}

async fn look(
    github: &GitHub,
    repo: &Repo,
    there: &OnGitHub,
    user: Option<&str>,
    config: &Config,
) -> Vec<Check> {
    let subject = format!("repo {} on GitHub", repo.name);
    let host = config.github.api_url.host();
    let access = match github.access(Age::Now).await {
        Ok(access) => access,
        Err(error) => return vec![unreachable(&subject, &error, repo, there, config)],
    };
    let mut checks = of_access(&subject, &access, repo, there, user, config);
    if let Err(error) = github.open_pulls(Age::Now).await {
        checks.push(refused(&subject, &error, host));
    }
    match github.protection(&repo.default_branch, Age::Now).await {
        Ok(Protection::Known(rules)) => {
            let seen =
                format!("{} may be worked on; {} asks for {}", there.repo, repo.default_branch, said(&rules));
            checks.push(Check::ok(&subject, seen));
        }
        Ok(Protection::Unknown { .. }) if there.protection.is_some() => {
            let seen = format!("{} may be worked on; the configuration says what is asked for", there.repo);
            checks.push(Check::ok(&subject, seen));
        }
        Ok(Protection::Unknown { reason, .. }) => {
            let seen =
                format!("what {} asks for is not known, so nothing is merged: {reason}", repo.default_branch);
            let cure = format!(
                "let the token read it (Administration: read), or say it: `protection` of {} in {}",
                repo.name, config.path
            );
            checks.push(Check::warn(&subject, seen, cure));
        }
        Err(error) => checks.push(refused(&subject, &error, host)),
    }
    checks
}

/// What the repository is, and what the account may do in it, as far as that keeps work back.
fn of_access(
    subject: &str,
    access: &Access,
    repo: &Repo,
    there: &OnGitHub,
    user: Option<&str>,
    config: &Config,
) -> Vec<Check> {
    let (host, name) = (config.github.api_url.host(), &access.repo);
    let mut checks = Vec::new();
    if !name.is(&there.repo) {
        let cure = format!("set `github: {name}` for {} in {}", repo.name, config.path);
        checks.push(Check::warn(subject, format!("{} is called {name} now", there.repo), cure));
    }
    if access.archived {
        let cure = format!(
            "unarchive it at https://{host}/{name}/settings, or take {} out of {}",
            repo.name, config.path
        );
        checks.push(Check::fail(subject, format!("{name} is archived: nothing in it can be written"), cure));
    }
    if !access.issues {
        let cure = format!(
            "switch them on at https://{host}/{name}/settings, or set `forge: local` for {}",
            repo.name
        );
        checks.push(Check::fail(subject, format!("issues are switched off in {name}"), cure));
    }
    if access.push == Some(false) {
        let who = user.unwrap_or("the App");
        let seen = format!("`{who}` may not push to {name}, and so can merge nothing there");
        let cure = format!("have {who} given the role Write at https://{host}/{name}/settings/access");
        checks.push(Check::warn(subject, seen, cure));
    }
    checks
}

fn unreachable(subject: &str, error: &GitHubError, repo: &Repo, there: &OnGitHub, config: &Config) -> Check {
    if let GitHubError::NotFound { .. } = error {
        let cure = format!(
            "give the token access to {}, or correct `github` of {} in {}",
            there.repo, repo.name, config.path
        );
        return Check::fail(subject, error.to_string(), cure);
    }
    refused(subject, error, config.github.api_url.host())
}

/// A request that came to nothing. What passes by itself is a warning.
fn refused(subject: &str, error: &GitHubError, host: &str) -> Check {
    let seen = format!("{error:#}");
    match error.until() {
        Some(until) => Check::warn(subject, seen, format!("wait until {until:.0}; nothing is sent before")),
        None if error.is_temporary() => Check::fail(subject, seen, "coord doctor"),
        None => Check::fail(subject, seen, another(host)),
    }
}

/// How somebody else comes to speak to GitHub.
fn another(host: &str) -> String {
    format!("put a token into GITHUB_TOKEN or `github.token_file`, or run gh auth login --hostname {host}")
}

/// Rules of a branch in words.
fn said(rules: &Rules) -> String {
    let Rules { checks, strict, approvals, pull_request_only } = rules;
    let checks: Vec<_> = checks.iter().map(|it| format!("`{it}`")).collect();
    let said = [
        (!checks.is_empty()).then(|| format!("the checks {}", checks.join(", "))),
        strict.then(|| "branches that contain its tip".to_owned()),
        match approvals {
            0 => None,
            1 => Some("one approval".to_owned()),
            count => Some(format!("{count} approvals")),
        },
        pull_request_only.then(|| "pull requests".to_owned()),
    ];
    let said: Vec<_> = said.into_iter().flatten().collect();
    if said.is_empty() { "nothing".to_owned() } else { said.join(", ") }
}
