//! What the engine needs to know of the fleet, as the configuration describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_core::budget::Caps;
use coord_core::forge::Association;
use coord_core::hours::Hours;
use coord_core::limits::LimitRules;
use coord_core::machine::Machine;
use coord_core::name::{AccountName, MachineName, RepoName, RuntimeName};
use coord_core::park::OnLimit;
use coord_core::repo::Repo;
use coord_core::run::RunKind;
use coord_core::sandbox::Sandbox;
use coord_forge::github::credential::Credential;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use secrecy::SecretString;

/// What the engine needs to know of the fleet.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `COORD_HOME`: the board and the repo stores.
    pub home: Utf8PathBuf,
    /// Every repo under coordination.
    pub repos: Vec<Repo>,
    /// Every machine of the fleet.
    pub machines: Vec<Machine>,
    /// The machine this process runs on, where the configuration has it.
    pub here: Option<MachineName>,
    /// The user's own clones on this machine. They are only ever read.
    pub clones: BTreeMap<RepoName, Utf8PathBuf>,
    /// The token of each machine's agent server, or why there is none.
    pub tokens: BTreeMap<MachineName, Result<SecretString, String>>,
    /// The runtime of agent work, unless the command line says otherwise.
    pub runtime: RuntimeName,
    /// Which model does what.
    pub models: Models,
    /// What runs may use up.
    pub limits: LimitRules,
    /// How many attempts at a task may fail before it is gone on with only by force.
    pub attempts: u32,
    /// Which kinds of run may use the network where they are confined.
    pub networked: BTreeSet<RunKind>,
    /// How long after one worker was started the next one may be.
    pub stagger: Duration,
    /// What may be spent.
    pub money: Money,
    /// What becomes of work that meets a limit of its account.
    pub on_limits: Limits,
    /// What accounts are called, by where their workers run and as what. One that is not here is called by its
    /// credential.
    pub accounts: BTreeMap<(MachineName, RuntimeName), AccountName>,
    /// The time zone of the person.
    pub zone: TimeZone,
    /// Whose issues may become work without a person's word.
    pub trusted: BTreeSet<Association>,
    /// How GitHub is reached; `None` when no repo is there.
    pub github: Option<GitHubSettings>,
}

/// What may be spent.
#[derive(Debug, Clone)]
pub struct Money {
    /// The caps.
    pub caps: Caps,
    /// Those of a repo instead, as far as it has any.
    pub repos: BTreeMap<RepoName, Caps>,
    /// From which share of a cap on it is said that it nears its end.
    pub warn_at: f64,
    /// The runtimes whose workers tell what they cost and keep to what they may; they have accounts as well.
    pub counted: BTreeSet<RuntimeName>,
}

/// What becomes of work that meets a limit of its account.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Whether it goes on.
    pub on_limit: OnLimit,
    /// When it may.
    pub hours: Hours,
    /// The share of each usage window that is left to the person.
    pub keep: f64,
}

/// How GitHub is reached.
#[derive(Debug, Clone)]
pub struct GitHubSettings {
    /// Its API: `https://api.github.com`, or what GitHub Enterprise has instead.
    pub api_url: String,
    /// Who speaks to it.
    pub credential: CredentialSource,
}

/// Finds who speaks to GitHub, once somebody has to: that may read files, and start another program.
#[derive(Clone)]
pub struct CredentialSource(Arc<dyn Fn() -> BoxFuture<'static, Result<Credential, String>> + Send + Sync>);

impl CredentialSource {
    /// A way to find it, which is gone each time somebody asks.
    pub fn new<F>(find: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Credential, String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(find())))
    }

    /// The credential, or why there is none: a sentence that names every place that was looked at.
    ///
    /// # Errors
    /// That sentence.
    pub async fn find(&self) -> Result<Credential, String> {
        (self.0)().await
    }
}

impl fmt::Debug for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialSource(..)")
    }
}

/// Which model does what.
#[derive(Debug, Clone, Default)]
pub struct Models {
    /// Unless a label or the command line says otherwise.
    pub default: String,
    /// Label of the task → model.
    pub labels: BTreeMap<String, String>,
    /// The runtimes that know these models. Any other has its own, unless it is told which on the command line.
    pub runtimes: BTreeSet<RuntimeName>,
}

impl Settings {
    /// The sandbox of a run of this kind in a repo.
    #[must_use]
    pub fn sandbox(&self, repo: &RepoName, kind: RunKind) -> Sandbox {
        let level = self.repo(repo).map(|it| it.confinement).unwrap_or_default();
        let asked = if kind.is_agent_work() { RunKind::Work } else { kind };
        Sandbox { level, network: self.networked.contains(&asked) }
    }

    /// The repo of that name.
    #[must_use]
    pub fn repo(&self, name: &RepoName) -> Option<&Repo> {
        self.repos.iter().find(|it| it.name == *name)
    }

    /// The machine of that name.
    #[must_use]
    pub fn machine(&self, name: &MachineName) -> Option<&Machine> {
        self.machines.iter().find(|it| it.name == *name)
    }
}
