//! The configuration: `coordinator.yml`, read once, checked whole, and turned into what the engine and the
//! agent server take.
//!
//! What must hold: a file that says something unknown, twice or contradictory is refused with its line and a
//! cure, and nothing of it is in force; what is left out has the default that its doc line in [`mod@file`] names.
//! Deliberately absent: layers. One file is in force, and `coord config` says which.

pub(crate) mod api_url;
mod check;
mod credential;
pub(crate) mod draft;
mod entry;
mod error;
mod file;
mod locate;
pub(crate) mod predecessor;
pub(crate) mod runtimes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_agent::config::{AgentConfig, AgentRepo};
use coord_agent::layout::Home;
use coord_agent::runtime::Runtime;
use coord_core::forge::Association;
use coord_core::hours::Hours;
use coord_core::limits::LimitRules;
use coord_core::machine::Machine;
use coord_core::name::{AccountName, GitHubRepo, MachineName, RepoName, RuntimeName};
use coord_core::repo::Repo;
use coord_core::run::RunKind;
use coord_core::sandbox::Confinement;
use coord_engine::origin;
use coord_engine::settings::{CredentialSource, GitHubSettings, Limits, Models, Money, Settings};
use jiff::tz::TimeZone;
use secrecy::SecretString;

use self::api_url::ApiUrl;
pub use self::credential::GitHub;
pub use self::error::ConfigError;
use self::file::File;
pub use self::file::{RescueEntry, RetentionEntry};
pub use self::runtimes::Runtimes;
use crate::context::Context;

/// A configuration whose every part has been checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub path: Utf8PathBuf,
    /// Every repo under coordination. One that has no `origin` here has that of a clone; see
    /// [`Config::repos_on`].
    pub repos: Vec<Repo>,
    /// Where the repos are on GitHub that name their repository there.
    pub on_github: BTreeMap<RepoName, GitHubRepo>,
    /// Every machine of the fleet.
    pub machines: Vec<MachineConfig>,
    /// The machine that this is, where the configuration has it.
    pub here: Option<MachineName>,
    /// The runtime of agent work.
    pub runtime: RuntimeName,
    /// How each runtime is started.
    pub runtimes: Runtimes,
    /// How many workers may run on a machine that has no slots of its own.
    pub max_workers: u32,
    /// Which model does what.
    pub models: Models,
    /// What runs may use up.
    pub limits: LimitRules,
    /// How many attempts at a task may fail.
    pub attempts: u32,
    /// How long after one worker was started the next one may be.
    pub stagger: Duration,
    /// What may be spent.
    pub money: Money,
    /// What becomes of work that meets a limit of its account.
    pub on_limits: Limits,
    /// What accounts are called, by where their workers run and as what.
    pub accounts: BTreeMap<(MachineName, RuntimeName), AccountName>,
    /// The time zone in which days begin and hours are meant; `None` means that of the system.
    pub time_zone: Option<String>,
    /// Whose issues may become work without a person's word.
    pub trusted: BTreeSet<Association>,
    /// What workers and tests may reach in a repo that does not say.
    pub confinement: Confinement,
    /// Which kinds of run may use the network where they are confined.
    pub networked: BTreeSet<RunKind>,
    /// What a confined run may read beside the system and what is its own.
    pub readable: Vec<Utf8PathBuf>,
    /// How GitHub is reached.
    pub github: GitHub,
    /// What becomes of work that a worker did not commit.
    pub rescue: RescueEntry,
    /// How long what runs leave is kept.
    pub retention: RetentionEntry,
}

/// A machine, and what only this program needs to know of it.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// The machine.
    pub machine: Machine,
    /// The user's clones on it.
    pub clones: BTreeMap<RepoName, Utf8PathBuf>,
    /// Where the token of its agent server is.
    pub token_file: Option<Utf8PathBuf>,
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Utf8Path, cx: &Context) -> Result<Self, ConfigError> {
        let text = fs_err::read_to_string(path).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                ConfigError::Missing { path: path.to_owned() }
            } else {
                ConfigError::Read { source }
            }
        })?;
        Self::parse(&text, path, cx)
    }

    /// Checks `text`, which stands or is going to stand in the file at `path`.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(text: &str, path: &Utf8Path, cx: &Context) -> Result<Self, ConfigError> {
        if let Some((key, line)) = locate::duplicate_key(text) {
            return Err(ConfigError::DuplicateKey { path: path.to_owned(), key, line });
        }
        let file: File =
            serde_yaml::from_str(text).map_err(|error| ConfigError::from_parser(path, &error))?;
        check::check(&file, text, path)?;
        let api_url = entry::api_url(&file, path, cx)?;
        Ok(Self::from_file(file, api_url, path, cx))
    }

    fn from_file(file: File, api_url: ApiUrl, path: &Utf8Path, cx: &Context) -> Self {
        let File { repos, machines, github, issues, concurrency, models, runtime, .. } = file;
        let File { mut runtimes, limits, accounts, time_zone, rescue, retention, sandbox, .. } = file;
        let dir = path.parent().unwrap_or(path);
        let place = |text: &str| dir.join(expand(text, cx.user_home.as_deref()));
        runtimes.place(|text| place(text).into_string());
        let mut machines: Vec<_> =
            machines.into_iter().map(|it| entry::machine(it, concurrency.max_workers, &place)).collect();
        if machines.is_empty() {
            machines.push(MachineConfig {
                machine: this_machine(&cx.host_name, concurrency.max_workers),
                clones: BTreeMap::new(),
                token_file: None,
            });
        }
        let rules = file::rules(&limits, &repos);
        let caps = entry::caps(&limits);
        let own = repos.iter().map(|it| (it.name.clone(), entry::caps_of(it, &caps)));
        let counted = runtimes::named(Runtime::keeps_to_budget);
        let accounts = entry::accounts(accounts, &machines, &counted);
        let money = Money { repos: own.collect(), caps, warn_at: limits.warn_at, counted };
        let on_github = repos.iter().filter_map(|it| Some((it.name.clone(), it.github.clone()?))).collect();
        Self {
            path: path.to_owned(),
            repos: repos.into_iter().map(|it| entry::repo(it, sandbox.level)).collect(),
            on_github,
            here: here(&machines, cx),
            runtime,
            runtimes,
            max_workers: concurrency.max_workers,
            models: Models {
                default: models.default,
                labels: models.labels,
                runtimes: runtimes::named(Runtime::has_our_models),
            },
            limits: rules,
            attempts: limits.attempts.get(),
            stagger: Duration::from_secs(u64::from(concurrency.stagger_seconds)),
            money,
            on_limits: Limits {
                on_limit: limits.on_limit,
                hours: Hours::new(limits.work_hours),
                keep: limits.keep,
            },
            accounts,
            machines,
            time_zone,
            trusted: issues.trusted,
            confinement: sandbox.level,
            networked: sandbox.network,
            readable: sandbox.readable.iter().map(|it| place(it)).collect(),
            github: entry::github(github, api_url, &place),
            rescue,
            retention,
        }
    }

    /// The JSON Schema of the file.
    #[must_use]
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(File)
    }

    /// The repos as `machine` sees them: where its clone does not tell the origin, GitHub is it.
    pub fn repos_on(&self, machine: Option<&MachineConfig>) -> impl Iterator<Item = Repo> {
        self.repos.iter().cloned().map(move |mut repo| {
            let cloned = machine.is_some_and(|it| it.clones.contains_key(&repo.name));
            if repo.origin.is_none() && !cloned {
                let there = self.on_github.get(&repo.name);
                repo.origin = there.map(|it| self.github.api_url.repository(it));
            }
            repo
        })
    }

    /// The time zone in which days begin and hours are meant.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        let named = self.time_zone.as_ref().map(|it| TimeZone::get(it).expect("it has been checked"));
        named.unwrap_or_else(TimeZone::system)
    }

    /// The machine that this is.
    #[must_use]
    pub fn this_machine(&self) -> Option<&MachineConfig> {
        self.here.as_ref().and_then(|it| self.machine(it))
    }

    /// How GitHub is reached, where a repo has its tasks there.
    fn github_settings(&self, cx: &Context) -> Option<GitHubSettings> {
        self.repos.iter().find_map(|it| it.forge.github())?;
        let (github, environment, path) = (self.github.clone(), cx.environment.clone(), self.path.clone());
        let find = move || {
            let (github, environment, path) = (github.clone(), environment.clone(), path.clone());
            async move { github.credential(&environment, &path).await }
        };
        let api_url = self.github.api_url.to_string();
        Some(GitHubSettings { api_url, credential: CredentialSource::new(find) })
    }

    /// What the engine needs to know. Tokens of agent servers are read now.
    #[must_use]
    pub fn settings(&self, cx: &Context) -> Settings {
        let here = self.this_machine();
        let tokens = self.machines.iter().map(|it| (it.machine.name.clone(), self.token(it, cx)));
        Settings {
            home: cx.home.clone(),
            repos: self.repos_on(here).collect(),
            machines: self.machines.iter().map(|it| it.machine.clone()).collect(),
            here: self.here.clone(),
            clones: here.map_or_else(BTreeMap::new, |it| it.clones.clone()),
            tokens: tokens.collect(),
            runtime: self.runtime.clone(),
            models: self.models.clone(),
            limits: self.limits.clone(),
            attempts: self.attempts,
            stagger: self.stagger,
            money: self.money.clone(),
            on_limits: self.on_limits.clone(),
            accounts: self.accounts.clone(),
            zone: self.zone(),
            trusted: self.trusted.clone(),
            networked: self.networked.clone(),
            github: self.github_settings(cx),
        }
    }

    /// What the agent server of `machine` needs to know; `None` when there is no such machine.
    #[must_use]
    pub fn agent(&self, machine: &MachineName) -> Option<AgentConfig> {
        let known = self.machine(machine)?;
        let MachineConfig { machine, clones, .. } = known;
        let repos = self.repos_on(Some(known)).filter(|it| machine.serves(&it.name)).map(|repo| {
            let clone = clones.get(&repo.name).cloned();
            let origin = origin(&repo, clone.as_deref());
            (repo.name, AgentRepo { origin, clone })
        });
        Some(AgentConfig {
            machine: machine.clone(),
            repos: repos.collect(),
            runtimes: self.runtimes.all().clone(),
            known: self.repos.iter().map(|it| it.name.clone()).collect(),
            retention: self.retention.policy(),
            push_rescues: self.rescue.push,
            readable: self.readable.clone(),
        })
    }

    /// The machine of that name.
    #[must_use]
    pub fn machine(&self, name: &MachineName) -> Option<&MachineConfig> {
        self.machines.iter().find(|it| it.machine.name == *name)
    }

    /// Where the token of a machine's agent server is; that of this machine lies where its agent server made it.
    #[must_use]
    pub fn token_file(&self, machine: &MachineConfig, cx: &Context) -> Option<Utf8PathBuf> {
        let made_here = || Home::new(cx.home.clone()).token();
        let is_here = self.here.as_ref() == Some(&machine.machine.name);
        machine.token_file.clone().or_else(|| is_here.then(made_here))
    }

    /// The token of a machine's agent server, or why there is none.
    pub fn token(&self, machine: &MachineConfig, cx: &Context) -> Result<SecretString, String> {
        let path = self.token_file(machine, cx).ok_or_else(|| {
            format!(
                "copy $COORD_HOME/agent/token from there, mode 600, and name it as its `token_file` in {}",
                self.path
            )
        })?;
        coord_agent::token::load(&path).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    }
}

/// The name of a machine whose host is called `host_name`: its first label, as far as a name can have it.
#[must_use]
pub fn machine_name(host_name: &str) -> MachineName {
    let label = host_name.split('.').next().unwrap_or(host_name).to_lowercase();
    let clean: String =
        label.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    let clean: String = clean.trim_start_matches(['-', '_']).chars().take(64).collect();
    clean.parse().unwrap_or_else(|_| "local".parse().expect("it is a machine name"))
}

fn this_machine(host_name: &str, slots: u32) -> Machine {
    Machine {
        name: machine_name(host_name),
        host: file::loopback(),
        port: coord_core::machine::AGENT_PORT,
        capabilities: Vec::new(),
        repos: Vec::new(),
        slots,
    }
}

/// The machine that answers to the host name; or else the one that our own agent server was started as; or else
/// the only one that is reached by a loopback address.
fn here(machines: &[MachineConfig], cx: &Context) -> Option<MachineName> {
    let plain: Vec<_> = machines.iter().map(|it| it.machine.clone()).collect();
    if let Some(found) = Machine::matching(&plain, &cx.host_name) {
        return Some(found.name.clone());
    }
    let served = cx.server_record().map(|it| it.machine);
    if let Some(found) = plain.iter().find(|it| served.as_deref() == Some(it.name.as_str())) {
        return Some(found.name.clone());
    }
    let mut local = plain.iter().filter(|it| is_loopback(&it.host));
    local.next().filter(|_| local.next().is_none()).map(|it| it.name.clone())
}

/// Whether a host is this machine wherever it is asked for.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|it: std::net::IpAddr| it.is_loopback())
}

/// `~` at the start of a path is the user's home.
fn expand(path: &str, home: Option<&Utf8Path>) -> Utf8PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => path.into(),
    }
}
