//! What each entry of the file becomes, once the whole has been checked.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::budget::Caps;
use coord_core::forge::Rules;
use coord_core::machine::Machine;
use coord_core::money::Usd;
use coord_core::name::{AccountName, MachineName, RuntimeName};
use coord_core::repo::{OnGitHub, Permissions, Repo, RepoForge};
use coord_core::sandbox::Confinement;

use super::MachineConfig;
use super::api_url::{API_URL, ApiUrl};
use super::credential::{App, GitHub};
use super::error::ConfigError;
use super::file::{self, AccountEntry, File, Forge, GitHubEntry, MachineEntry, ProtectionEntry, RepoEntry};
use crate::context::Context;

/// Where GitHub's API is; what the environment says counts only where a repo names one on GitHub.
pub(super) fn api_url(file: &File, path: &Utf8Path, cx: &Context) -> Result<ApiUrl, ConfigError> {
    match &file.github.api_url {
        Some(said) => Ok(said.parse().expect("it has been checked")),
        None if file.repos.iter().any(|it| it.github.is_some()) => {
            ApiUrl::around(&cx.environment).map_err(|what| ConfigError::Inconsistent {
                path: path.to_owned(),
                what,
                line: None,
                cure: format!("unset {API_URL}, or give the key `github.api_url` a value"),
            })
        }
        None => Ok(ApiUrl::default()),
    }
}

/// The caps that hold where no repo says otherwise.
pub(super) fn caps(limits: &file::Limits) -> Caps {
    let file::Limits { usd_per_run, usd_per_task, usd_per_day, usd_per_month, .. } = *limits;
    let [per_run, per_task, per_day, per_month] =
        [usd_per_run, usd_per_task, usd_per_day, usd_per_month].map(|it| it.and_then(Usd::from_dollars));
    Caps { per_run, per_task, per_day, per_month }
}

/// Those of a repo, of which some are its own.
pub(super) fn caps_of(repo: &RepoEntry, caps: &Caps) -> Caps {
    let file::RepoCaps { usd_per_run, usd_per_task } = repo.caps;
    let own = |it: Option<f64>, otherwise| it.and_then(Usd::from_dollars).or(otherwise);
    Caps {
        per_run: own(usd_per_run, caps.per_run),
        per_task: own(usd_per_task, caps.per_task),
        ..caps.clone()
    }
}

/// What accounts are called, by where their workers run and as what: as any of `runtimes`.
pub(super) fn accounts(
    entries: Vec<AccountEntry>,
    machines: &[MachineConfig],
    runtimes: &BTreeSet<RuntimeName>,
) -> BTreeMap<(MachineName, RuntimeName), AccountName> {
    let mut named = BTreeMap::new();
    for AccountEntry { name, machines: here } in entries {
        let all = machines.iter().map(|it| &it.machine.name);
        for machine in all.filter(|it| here.is_empty() || here.contains(it)) {
            named.extend(runtimes.iter().map(|it| ((machine.clone(), it.clone()), name.clone())));
        }
    }
    named
}

pub(super) fn github(entry: GitHubEntry, api_url: ApiUrl, place: &impl Fn(&str) -> Utf8PathBuf) -> GitHub {
    let GitHubEntry { api_url: _, token_file, app } = entry;
    let app = app.map(|it| App {
        id: it.id.get(),
        key_file: place(&it.key_file),
        installation: it.installation.get(),
    });
    GitHub { api_url, token_file: token_file.map(|it| place(&it)), app }
}

pub(super) fn repo(entry: RepoEntry, usual: Confinement) -> Repo {
    let forge = entry.forge();
    let RepoEntry {
        name,
        origin,
        github,
        forge: _,
        default_branch,
        depends_on,
        build_command,
        test_command,
        setup,
        rules,
        gates,
        protection,
        may_skip,
        merge_method,
        worker_permissions,
        sandbox,
        limits: _,
        caps: _,
    } = entry;
    let permissions = Permissions { allow: worker_permissions.allow, deny: worker_permissions.deny };
    let forge = match (forge, github) {
        (Forge::GitHub, Some(repo)) => {
            let protection = protection.map(rules_of);
            RepoForge::GitHub(OnGitHub { repo, may_skip, protection })
        }
        // A repo on GitHub that does not say which one it is has been refused before.
        (Forge::Local, _) | (Forge::GitHub, None) => RepoForge::Local,
    };
    Repo {
        name,
        origin,
        forge,
        default_branch,
        depends_on,
        build_command,
        test_command,
        setup,
        rules,
        gates,
        merge_method,
        permissions,
        confinement: sandbox.unwrap_or(usual),
    }
}

fn rules_of(entry: ProtectionEntry) -> Rules {
    let ProtectionEntry { checks, strict, approvals, pull_request_only } = entry;
    Rules { checks, strict, approvals, pull_request_only }
}

pub(super) fn machine(
    entry: MachineEntry,
    slots_by_default: u32,
    place: &impl Fn(&str) -> Utf8PathBuf,
) -> MachineConfig {
    let MachineEntry { name, host, port, capabilities, repos, repo_paths, slots, token_file } = entry;
    MachineConfig {
        machine: Machine {
            name,
            host,
            port: port.get(),
            capabilities,
            repos,
            slots: slots.unwrap_or(slots_by_default),
        },
        clones: repo_paths.into_iter().map(|(repo, path)| (repo, place(&path))).collect(),
        token_file: token_file.map(|it| place(&it)),
    }
}
