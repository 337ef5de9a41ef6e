//! The configuration: `coordinator.yml`, read once, checked whole, and turned into what the engine and the
//! agent server take.
//!
//! What must hold: a file that says something unknown, twice or contradictory is refused with its line and a
//! cure, and nothing of it is in force; what is left out has the default that its doc line in [`mod@file`] names.
//! Deliberately absent: layers. One file is in force, and `coord config` says which.

mod check;
pub(crate) mod draft;
mod error;
mod file;
mod locate;
pub(crate) mod predecessor;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_agent::config::{AgentConfig, AgentRepo};
use coord_agent::layout::Home;
use coord_agent::order::RuntimeConfig;
use coord_agent::runtime::Runtime;
use coord_core::forge::Association;
use coord_core::machine::Machine;
use coord_core::name::{MachineName, RepoName, RuntimeName};
use coord_core::repo::{Permissions, Repo, RepoForge};
use coord_engine::origin;
use coord_engine::settings::{Models, Settings};
use secrecy::SecretString;

pub use self::error::ConfigError;
pub use self::file::Runtimes;
use self::file::{ClaudeEntry, File, MachineEntry, RepoEntry, ShellEntry};
use crate::context::Context;

/// A configuration whose every part has been checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub path: Utf8PathBuf,
    /// Every repo under coordination.
    pub repos: Vec<Repo>,
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
    /// How long one run may take.
    pub deadline: Duration,
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
        Ok(Self::from_file(file, path, cx))
    }

    fn from_file(file: File, path: &Utf8Path, cx: &Context) -> Self {
        let File { repos, machines, concurrency, models, runtime, mut runtimes, limits } = file;
        let dir = path.parent().unwrap_or(path);
        let place = |text: &str| dir.join(expand(text, cx.user_home.as_deref()));
        let program = &mut runtimes.claude.program;
        if program.contains('/') {
            *program = place(program).into_string();
        }
        let mut machines: Vec<_> =
            machines.into_iter().map(|it| machine(it, concurrency.max_workers, &place)).collect();
        if machines.is_empty() {
            machines.push(MachineConfig {
                machine: this_machine(&cx.host_name, concurrency.max_workers),
                clones: BTreeMap::new(),
                token_file: None,
            });
        }
        Self {
            path: path.to_owned(),
            repos: repos.into_iter().map(repo).collect(),
            here: here(&machines, cx),
            machines,
            runtime,
            runtimes,
            max_workers: concurrency.max_workers,
            models: Models { default: models.default, labels: models.labels },
            deadline: Duration::from_secs(u64::from(limits.run_minutes.get()) * 60),
        }
    }

    /// The JSON Schema of the file.
    #[must_use]
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(File)
    }

    /// What the engine needs to know. Tokens are read now.
    #[must_use]
    pub fn settings(&self, cx: &Context) -> Settings {
        let tokens = self.machines.iter().map(|it| (it.machine.name.clone(), self.token(it, cx)));
        Settings {
            home: cx.home.clone(),
            repos: self.repos.clone(),
            machines: self.machines.iter().map(|it| it.machine.clone()).collect(),
            here: self.here.clone(),
            clones: self
                .here
                .as_ref()
                .and_then(|it| self.machine(it))
                .map_or_else(BTreeMap::new, |it| it.clones.clone()),
            tokens: tokens.collect(),
            runtime: self.runtime.clone(),
            models: self.models.clone(),
            deadline: self.deadline,
            stagger: Duration::ZERO,
            trusted: Association::TRUSTED.into(),
            github: None,
        }
    }

    /// What the agent server of `machine` needs to know; `None` when there is no such machine.
    #[must_use]
    pub fn agent(&self, machine: &MachineName) -> Option<AgentConfig> {
        let MachineConfig { machine, clones, .. } = self.machine(machine)?;
        let repos = self.repos.iter().filter(|it| machine.serves(&it.name)).map(|repo| {
            let clone = clones.get(&repo.name).cloned();
            let origin = origin(repo, clone.as_deref());
            (repo.name.clone(), AgentRepo { origin, clone })
        });
        Some(AgentConfig {
            machine: machine.clone(),
            repos: repos.collect(),
            runtimes: self.runtimes.configs(),
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

fn repo(entry: RepoEntry) -> Repo {
    let RepoEntry {
        name,
        origin,
        forge: file::Forge::Local,
        default_branch,
        depends_on,
        build_command,
        test_command,
        setup,
        rules,
        gates,
        merge_method,
        worker_permissions,
    } = entry;
    let permissions = Permissions { allow: worker_permissions.allow, deny: worker_permissions.deny };
    Repo {
        name,
        origin,
        forge: RepoForge::Local,
        default_branch,
        depends_on,
        build_command,
        test_command,
        setup,
        rules,
        gates,
        merge_method,
        permissions,
    }
}

fn machine(
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

impl Runtimes {
    /// What an agent server takes, by the names of the runtimes.
    fn configs(&self) -> BTreeMap<RuntimeName, RuntimeConfig> {
        let Self { claude, script, command } = self.clone();
        let shells = [(Runtime::Script, script), (Runtime::Command, command)];
        let shells = shells.map(|(runtime, it)| (runtime, RuntimeConfig::from(it)));
        let all = [(Runtime::Claude, claude.into())].into_iter().chain(shells);
        all.map(|(runtime, config)| (file::runtime(runtime), config)).collect()
    }
}

impl From<ClaudeEntry> for RuntimeConfig {
    fn from(entry: ClaudeEntry) -> Self {
        let ClaudeEntry { program, pass_env, permission_mode, allowed_tools, setting_sources } = entry;
        Self { program: Some(program), pass_env, permission_mode, allowed_tools, setting_sources }
    }
}

impl From<ShellEntry> for RuntimeConfig {
    fn from(ShellEntry { pass_env }: ShellEntry) -> Self {
        Self { pass_env, ..Self::default() }
    }
}

/// `~` at the start of a path is the user's home.
fn expand(path: &str, home: Option<&Utf8Path>) -> Utf8PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => path.into(),
    }
}
