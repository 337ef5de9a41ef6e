//! `coordinator.yml` as it is written: its keys, their defaults and what they mean.
//!
//! The doc line of a key is what `coord config --schema` and editors show, so it says what the key does and
//! what holds without it. A key is here only if something behaves differently because of it; a key that is
//! not here is refused.

mod github;
mod limits;
mod money;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use coord_agent::runtime;
use coord_core::gate::GateKind;
use coord_core::machine::AGENT_PORT;
use coord_core::name::{BranchName, GitHubRepo, MachineName, RepoName, RuntimeName};
use coord_core::repo::MergeMethod;
use coord_core::run::RunKind;
use coord_core::sandbox::Confinement;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub(super) use self::github::{GitHubEntry, IssuesEntry, ProtectionEntry};
pub(super) use self::limits::{Limits, Overrides, rules};
pub(super) use self::money::{AccountEntry, RepoCaps};
pub use self::upkeep::{RescueEntry, RetentionEntry};
use super::runtimes::{self, Runtimes};

/// What workers may not run unless the configuration says otherwise: what publishes, what throws work away.
pub(super) const DENIED: [&str; 7] = [
    "Bash(gh *)",
    // Workers commit; coord publishes.
    "Bash(git push:*)",
    "Bash(git reset --hard *)",
    "Bash(git branch -D *)",
    "Bash(git checkout -- .)",
    "Bash(git clean -f *)",
    "Bash(rm -rf *)",
];

/// The configuration of coord: which repos, which machines, and how work is done.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "coordinator.yml")]
pub(super) struct File {
    /// The repos under coordination. At least one.
    pub repos: Vec<RepoEntry>,
    /// The machines that agent servers run on. Default: this machine alone.
    #[serde(default)]
    pub machines: Vec<MachineEntry>,
    /// How GitHub is reached.
    #[serde(default)]
    pub github: GitHubEntry,
    /// Which issues may become work.
    #[serde(default)]
    pub issues: IssuesEntry,
    /// How much happens at once.
    #[serde(default)]
    pub concurrency: Concurrency,
    /// Which model does what.
    #[serde(default)]
    pub models: Models,
    /// The runtime of agent work, unless `coord assign --runtime` says otherwise. Default: `claude`.
    #[serde(default = "first_runtime")]
    #[schemars(with = "String")]
    pub runtime: RuntimeName,
    /// How each runtime is started. Each has the keys that do something for it, and no others.
    #[serde(default)]
    pub runtimes: Runtimes,
    /// What a run may use up, and what all of them may.
    #[serde(default)]
    pub limits: Limits,
    /// Accounts that workers have, by names of yours. Default: each is called by its credential.
    #[serde(default)]
    pub accounts: Vec<AccountEntry>,
    /// The time zone in which days begin and hours are meant, such as `Europe/Berlin`. Default: that of the system.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// What becomes of work that a worker did not commit.
    #[serde(default)]
    pub rescue: RescueEntry,
    /// How long what runs leave is kept.
    #[serde(default)]
    pub retention: RetentionEntry,
    /// What workers and tests may reach.
    #[serde(default)]
    pub sandbox: SandboxEntry,
}

/// A repo under coordination.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RepoEntry {
    /// What it is called on the command line.
    #[schemars(with = "String")]
    pub name: RepoName,
    /// Where commits are fetched from and pushed to. Default: the origin of the clone in `repo_paths`, or else
    /// the repository on GitHub that `github` names.
    #[serde(default)]
    pub origin: Option<String>,
    /// Which repository on GitHub it is: `owner/name`. Default: none.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub github: Option<GitHubRepo>,
    /// Where its tasks and pull requests live: `local`, on the board, or `github`. Default: `github` where the key
    /// `github` is given, else `local`.
    #[serde(default)]
    pub forge: Option<Forge>,
    /// The branch that changes are merged into. Default: `main`.
    #[serde(default = "main_branch")]
    #[schemars(with = "String")]
    pub default_branch: BranchName,
    /// Repos that this one builds on. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub depends_on: Vec<RepoName>,
    /// Run on the merge result before the tests. Default: nothing is built.
    #[serde(default)]
    pub build_command: Option<String>,
    /// Run on the merge result; a failure fails the gate `tests`. Default: nothing.
    #[serde(default)]
    pub test_command: Option<String>,
    /// Run in every new worktree before the worker starts. Default: nothing.
    #[serde(default)]
    pub setup: Option<String>,
    /// Rules of the house, told to every worker. Default: none.
    #[serde(default)]
    pub rules: Option<String>,
    /// What must hold before a change is merged: `tests`, `person`, and on GitHub `checks` and `approval`. Default:
    /// `tests`; `[]` asks for nothing.
    #[serde(default = "gates")]
    #[schemars(schema_with = "gates_schema")]
    pub gates: BTreeSet<GateKind>,
    /// On GitHub: what the rules of the default branch ask for, where the token may not read them. Default: that is
    /// not known then, and nothing is merged.
    #[serde(default)]
    pub protection: Option<ProtectionEntry>,
    /// On GitHub: required checks that may be skipped. Default: none.
    #[serde(default)]
    pub may_skip: BTreeSet<String>,
    /// How changes are merged: `rebase`, `squash` or `merge`. Default: `rebase`.
    #[serde(default)]
    #[schemars(schema_with = "merge_method_schema")]
    pub merge_method: MergeMethod,
    /// What workers may and may not run.
    #[serde(default)]
    pub worker_permissions: PermissionsEntry,
    /// What its workers and tests may reach, where that is other than in `sandbox.level`. Default: nothing is.
    #[serde(default)]
    #[schemars(schema_with = "confinement_schema")]
    pub sandbox: Option<Confinement>,
    /// What its runs may use up, where that is other than in `limits`. Default: nothing is.
    #[serde(default)]
    #[schemars(schema_with = "limits::limits_schema")]
    pub limits: Overrides,
    /// What its runs may cost, where that is other than in `limits`.
    #[serde(default)]
    pub caps: RepoCaps,
}

/// Where tasks and pull requests live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Forge {
    /// On the board; merges are made with git.
    Local,
    /// On GitHub.
    GitHub,
}

impl RepoEntry {
    /// Where its tasks and pull requests live, said or not.
    pub(super) fn forge(&self) -> Forge {
        let otherwise = if self.github.is_some() { Forge::GitHub } else { Forge::Local };
        self.forge.unwrap_or(otherwise)
    }
}

/// What workers may and may not run, in the runtime's own pattern language.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PermissionsEntry {
    /// Allowed on top of the runtime's `allowed_tools`. Default: nothing.
    pub allow: Vec<String>,
    /// Denied, whatever else allows it. Default: publishing and throwing work away; `[]` clears it.
    pub deny: Vec<String>,
}

/// A machine that an agent server runs on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MachineEntry {
    /// What it is called on the command line.
    #[schemars(with = "String")]
    pub name: MachineName,
    /// Host name or address of its agent server. Default: `127.0.0.1`.
    #[serde(default = "loopback")]
    pub host: String,
    /// Port of its agent server. Default: 7433.
    #[serde(default = "agent_port")]
    pub port: NonZeroU16,
    /// What it can do, in your own words. A task with the label `needs:gpu` goes to machines that have `gpu`. Default:
    /// nothing in particular.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The repos it works on. Default: every repo.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub repos: Vec<RepoName>,
    /// Your clones on it, by repo. They are only ever read. Default: none are needed.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub repo_paths: BTreeMap<RepoName, String>,
    /// How many workers may run on it at once. Default: `concurrency.max_workers`.
    #[serde(default)]
    pub slots: Option<u32>,
    /// A file that holds the token of its agent server. Default: the one that the local agent server made.
    #[serde(default)]
    pub token_file: Option<String>,
}

/// How much happens at once.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Concurrency {
    /// How many workers may run on each machine that has no `slots` of its own. Default: 2.
    pub max_workers: u32,
    /// A worker is started at the soonest this many seconds after the one before it. Default: 0.
    pub stagger_seconds: u32,
}

/// What workers and tests may reach.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SandboxEntry {
    /// `none`: all that you may. `worktree`: they write in their worktree, and your home is hidden. `strict`: the same,
    /// and the repo store is read-only to them. Default: `none`. All but `none` need bubblewrap.
    #[schemars(schema_with = "confinement_schema")]
    pub level: Confinement,
    /// Which kinds of run may use the network: `work`, `test`. Default: both.
    #[schemars(schema_with = "kinds_schema")]
    pub network: BTreeSet<RunKind>,
    /// Files and directories of your home that they may read beside their programs. Default: none.
    pub readable: Vec<String>,
}

/// Which model does what.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Models {
    /// The model, unless a label or `coord assign --model` says otherwise. Default: `sonnet`.
    pub default: String,
    /// The model of tasks with a label. Default: none.
    pub labels: BTreeMap<String, String>,
}

impl Default for PermissionsEntry {
    fn default() -> Self {
        Self { allow: Vec::new(), deny: DENIED.map(str::to_owned).into() }
    }
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { max_workers: 2, stagger_seconds: 0 }
    }
}

impl Default for SandboxEntry {
    fn default() -> Self {
        Self {
            level: Confinement::None,
            network: BTreeSet::from([RunKind::Work, RunKind::Test]),
            readable: Vec::new(),
        }
    }
}

impl Default for Models {
    fn default() -> Self {
        Self { default: "sonnet".to_owned(), labels: BTreeMap::new() }
    }
}

/// The one that is used by most, which is the first of all.
fn first_runtime() -> RuntimeName {
    runtimes::name(runtime::ALL[0])
}

fn main_branch() -> BranchName {
    "main".parse().expect("it is a branch name")
}

fn gates() -> BTreeSet<GateKind> {
    BTreeSet::from([GateKind::Tests])
}

pub(super) fn loopback() -> String {
    "127.0.0.1".to_owned()
}

fn agent_port() -> NonZeroU16 {
    const { NonZeroU16::new(AGENT_PORT).expect("the port is not zero") }
}

fn gates_schema(_: &mut SchemaGenerator) -> Schema {
    let kinds = GateKind::ALL.map(GateKind::as_str);
    json_schema!({ "type": "array", "items": { "enum": kinds }, "uniqueItems": true })
}

fn confinement_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": Confinement::ALL.map(Confinement::as_str) })
}

fn kinds_schema(_: &mut SchemaGenerator) -> Schema {
    let kinds = [RunKind::Work, RunKind::Test].map(RunKind::as_str);
    json_schema!({ "type": "array", "items": { "enum": kinds }, "uniqueItems": true })
}

fn merge_method_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": MergeMethod::ALL.map(MergeMethod::as_str) })
}
