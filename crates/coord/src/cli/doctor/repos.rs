//! Whether each repo can be worked on: its clone, its origin, its default branch, its gates.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::gate::GateKind;
use coord_core::repo::Repo;
use coord_git::adopt::{OriginState, ask_origin};
use coord_git::clone::is_repo;
use coord_git::program::{Git, redact};
use futures_util::future::join_all;

use super::Check;
use coord_engine::origin;

use crate::config::Config;
use crate::context::Context;

/// How long an origin may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn checks(cx: &Context, config: &Config) -> Vec<Check> {
    let git = Git::new(cx.environment.iter().map(|(name, value)| (name.into(), value.into())))
        .with_network_deadline(PATIENCE);
    let here = config.this_machine();
    let all = config.repos_on(here).map(|repo| {
        let clone = here.and_then(|it| it.clones.get(&repo.name)).cloned();
        let (git, path) = (git.clone(), config.path.clone());
        let subject = format!("repo {}", repo.name);
        async move {
            let looking = tokio::task::spawn_blocking(move || look(&git, &repo, clone.as_deref(), &path));
            looking
                .await
                .unwrap_or_else(|error| vec![Check::warn(subject, error.to_string(), "coord doctor")])
        }
    });
    join_all(all).await.into_iter().flatten().collect()
}

fn look(git: &Git, repo: &Repo, clone: Option<&Utf8Path>, config: &Utf8PathBuf) -> Vec<Check> {
    let subject = format!("repo {}", repo.name);
    let mut checks = Vec::new();
    if let Some(clone) = clone.filter(|it| !is_repo(it)) {
        let seen = format!("its clone at {clone} is not a git repository");
        checks.push(Check::fail(&subject, seen, format!("correct `repo_paths` in {config}")));
    }
    checks.push(match origin(repo, clone) {
        Ok(origin) => ask(git, repo, &origin, clone, config),
        Err(problem) => {
            let cure = match clone {
                Some(clone) => format!("coord init --yes --force --repo {clone} --create-origin"),
                None => format!("give it an `origin` in {config}"),
            };
            Check::fail(&subject, problem, cure)
        }
    });
    let has_command = repo.test_command.is_some() || repo.build_command.is_some();
    if repo.gates.contains(&GateKind::Tests) && !has_command {
        let seen = "it asks for tests before a merge, but has neither `test_command` nor `build_command`";
        let cure = format!("give it one in {config}, or say that there are none: `gates: []`");
        checks.push(Check::warn(subject, seen, cure));
    }
    checks
}

fn ask(git: &Git, repo: &Repo, origin: &str, clone: Option<&Utf8Path>, config: &Utf8PathBuf) -> Check {
    let subject = format!("repo {}", repo.name);
    let (branch, shown) = (&repo.default_branch, redact(origin));
    match ask_origin(git, origin, branch) {
        Ok(OriginState::Ready) => Check::ok(subject, format!("{shown} answers and has {branch}")),
        Ok(OriginState::OtherBranches(branches)) => {
            let some: Vec<_> = branches.iter().take(5).map(String::as_str).collect();
            let seen = format!("{shown} has no branch {branch}; it has {}", some.join(", "));
            Check::fail(subject, seen, format!("set `default_branch` of {} in {config}", repo.name))
        }
        Ok(OriginState::Empty) => {
            let dir = clone.map_or(String::new(), |it| format!(" -C {it}"));
            Check::fail(subject, format!("{shown} is empty"), format!("git{dir} push origin {branch}"))
        }
        Err(error) => {
            let seen = format!("{shown} does not answer: {:#}", anyhow::Error::from(error));
            Check::fail(subject, seen, format!("git ls-remote {shown}"))
        }
    }
}
