//! `coord config`.

mod text;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use coord_core::budget::Caps;
use coord_core::forge::Rules;
use coord_core::gate::GateKind;
use coord_core::limits::{Cap, LimitRules, LimitSet};
use coord_core::money::Usd;
use coord_core::name::{AccountName, GitHubRepo, MachineName, RuntimeName};
use coord_core::repo::{Permissions, Repo};
use coord_engine::origin;
use coord_engine::settings::{Limits, Money};
use coord_git::program::redact;
use serde::Serialize;
use serde_json::Value;

use crate::config::{Config, GitHub, MachineConfig, RescueEntry, RetentionEntry, Runtimes};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::ui::{Next, Ui};

/// Show the configuration that is in force
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the JSON Schema of coordinator.yml instead, for editors and as a reference
    #[arg(long)]
    schema: bool,
}

#[derive(Serialize)]
struct Document {
    config: View,
}

/// What the file says and what it leaves out, under the keys of the file.
#[derive(Serialize)]
struct View {
    path: String,
    repos: Vec<RepoView>,
    machines: Vec<MachineView>,
    here: Option<String>,
    github: GitHubView,
    issues: IssuesView,
    concurrency: ConcurrencyView,
    models: ModelsView,
    runtime: String,
    runtimes: Runtimes,
    limits: AllLimitsView,
    accounts: Vec<AccountView>,
    time_zone: Option<String>,
    rescue: RescueEntry,
    retention: RetentionEntry,
    sandbox: SandboxView,
}

#[derive(Serialize)]
struct RepoView {
    name: String,
    origin: Option<String>,
    /// Why there is no origin.
    problem: Option<String>,
    github: Option<String>,
    forge: &'static str,
    default_branch: String,
    depends_on: Vec<String>,
    build_command: Option<String>,
    test_command: Option<String>,
    setup: Option<String>,
    rules: Option<String>,
    gates: Vec<&'static str>,
    protection: Option<ProtectionView>,
    may_skip: Vec<String>,
    merge_method: &'static str,
    worker_permissions: Permissions,
    sandbox: &'static str,
    limits: LimitsView,
    caps: RepoCapsView,
}

#[derive(Serialize)]
struct ProtectionView {
    checks: Vec<String>,
    strict: bool,
    approvals: u32,
    pull_request_only: bool,
}

#[derive(Serialize)]
struct GitHubView {
    api_url: String,
    token_file: Option<String>,
    app: Option<AppView>,
}

#[derive(Serialize)]
struct AppView {
    id: u64,
    key_file: String,
    installation: u64,
}

#[derive(Serialize)]
struct IssuesView {
    trusted: Vec<&'static str>,
}

#[derive(Serialize)]
struct MachineView {
    name: String,
    host: String,
    port: u16,
    capabilities: Vec<String>,
    repos: Vec<String>,
    repo_paths: BTreeMap<String, String>,
    slots: u32,
    token_file: Option<String>,
}

#[derive(Serialize)]
struct ConcurrencyView {
    max_workers: u32,
    stagger_seconds: u64,
}

#[derive(Serialize)]
struct ModelsView {
    default: String,
    labels: BTreeMap<String, String>,
}

/// Limits under their keys, as far as they are set there: a number, or `none`.
type LimitsView = BTreeMap<&'static str, Value>;

#[derive(Serialize)]
struct AllLimitsView {
    #[serde(flatten)]
    all: LimitsView,
    attempts: u32,
    work: LimitsView,
    test: LimitsView,
    runtimes: BTreeMap<String, LimitsView>,
    usd_per_run: Option<f64>,
    usd_per_task: Option<f64>,
    usd_per_day: Option<f64>,
    usd_per_month: Option<f64>,
    warn_at: f64,
    keep: f64,
    on_limit: &'static str,
    work_hours: Vec<String>,
}

#[derive(Serialize)]
struct RepoCapsView {
    usd_per_run: Option<f64>,
    usd_per_task: Option<f64>,
}

#[derive(Serialize)]
struct AccountView {
    name: String,
    machines: Vec<String>,
}

#[derive(Serialize)]
struct SandboxView {
    level: &'static str,
    network: Vec<&'static str>,
    readable: Vec<String>,
}

/// Prints it.
///
/// # Errors
/// When there is none, or it cannot be used.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    if args.schema {
        let text = serde_json::to_string_pretty(&Config::schema()).map_err(|error| {
            CliError::new(ErrorKind::Bug, "cannot write the schema as JSON").because(error)
        })?;
        return ui.data(&text);
    }
    let cx = cx.clone();
    // Origins are read from the clones, so this may wait for a disk.
    let gathered = tokio::task::spawn_blocking(move || cx.config().map(|it| view(&it, &cx))).await;
    let view = gathered
        .map_err(|error| CliError::new(ErrorKind::Bug, "cannot read the configuration").because(error))??;
    let human = text::human(&view, ui);
    let next = [Next::new("coord doctor", "checks that all of it works")];
    ui.finish(&Document { config: view }, &human, &next)
}

fn view(config: &Config, cx: &Context) -> View {
    let Config {
        path,
        repos: _,
        on_github,
        machines,
        here,
        runtime,
        runtimes,
        max_workers,
        models,
        limits,
        attempts,
        stagger,
        money,
        on_limits,
        accounts,
        time_zone,
        trusted,
        confinement: level,
        networked,
        readable,
        github,
        rescue,
        retention,
    } = config;
    let this = config.this_machine();
    let repos = config.repos_on(this).map(|repo| {
        let clone = this.and_then(|it| it.clones.get(&repo.name));
        let origin = origin(&repo, clone.map(|it| it.as_path()));
        let there = on_github.get(&repo.name);
        let limits = limits.repos.get(&repo.name).map(limits_view).unwrap_or_default();
        let caps = money.repos.get(&repo.name).unwrap_or(&money.caps);
        repo_view(&repo, there, origin, limits, caps)
    });
    View {
        path: path.to_string(),
        repos: repos.collect(),
        machines: machines.iter().map(|it| machine_view(it, config.token_file(it, cx))).collect(),
        here: here.as_ref().map(ToString::to_string),
        github: github_view(github),
        issues: IssuesView { trusted: trusted.iter().map(|it| it.as_str()).collect() },
        concurrency: ConcurrencyView { max_workers: *max_workers, stagger_seconds: stagger.as_secs() },
        models: ModelsView { default: models.default.clone(), labels: models.labels.clone() },
        runtime: runtime.to_string(),
        runtimes: runtimes.clone(),
        limits: all_limits_view(limits, (money, on_limits), *attempts),
        accounts: accounts_view(accounts),
        time_zone: time_zone.clone(),
        rescue: rescue.clone(),
        retention: retention.clone(),
        sandbox: SandboxView {
            level: level.as_str(),
            network: networked.iter().map(|it| it.as_str()).collect(),
            readable: readable.iter().map(ToString::to_string).collect(),
        },
    }
}

fn all_limits_view(
    rules: &LimitRules,
    (money, on_limits): (&Money, &Limits),
    attempts: u32,
) -> AllLimitsView {
    let Caps { per_run, per_task, per_day, per_month } = money.caps;
    let [usd_per_run, usd_per_task, usd_per_day, usd_per_month] =
        [per_run, per_task, per_day, per_month].map(|it| it.map(Usd::dollars));
    let runtimes = rules.runtimes.iter().map(|(name, set)| (name.to_string(), limits_view(set)));
    AllLimitsView {
        all: limits_view(&rules.all),
        attempts,
        work: limits_view(&rules.work),
        test: limits_view(&rules.test),
        runtimes: runtimes.collect(),
        usd_per_run,
        usd_per_task,
        usd_per_day,
        usd_per_month,
        warn_at: money.warn_at,
        keep: on_limits.keep,
        on_limit: on_limits.on_limit.as_str(),
        work_hours: on_limits.hours.spans().iter().map(ToString::to_string).collect(),
    }
}

fn limits_view(set: &LimitSet) -> LimitsView {
    let LimitSet { run, first_output, idle, tool_idle, memory, processes, disk, log } = set;
    let said = |cap: &Option<Cap>| {
        cap.map(|it| match it {
            Cap::None => Value::from("none"),
            Cap::At(limit) => Value::from(limit),
        })
    };
    let all = [
        ("run_minutes", run.map(|it| Value::from(it / 60))),
        ("first_output", said(first_output)),
        ("idle", said(idle)),
        ("tool_idle", said(tool_idle)),
        ("memory", said(memory)),
        ("processes", said(processes)),
        ("disk", said(disk)),
        ("log", said(log)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn accounts_view(accounts: &BTreeMap<(MachineName, RuntimeName), AccountName>) -> Vec<AccountView> {
    let mut views: BTreeMap<&AccountName, Vec<String>> = BTreeMap::new();
    for ((machine, _), name) in accounts {
        views.entry(name).or_default().push(machine.to_string());
    }
    views.into_iter().map(|(name, machines)| AccountView { name: name.to_string(), machines }).collect()
}

fn repo_view(
    repo: &Repo,
    there: Option<&GitHubRepo>,
    origin: Result<String, String>,
    limits: LimitsView,
    caps: &Caps,
) -> RepoView {
    let Repo {
        name,
        origin: _,
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
        confinement,
    } = repo;
    let on_github = forge.github();
    let (origin, problem) = match origin {
        Ok(origin) => (Some(redact(&origin)), None),
        Err(problem) => (None, Some(problem)),
    };
    RepoView {
        name: name.to_string(),
        origin,
        problem,
        github: there.map(ToString::to_string),
        forge: if on_github.is_some() { "github" } else { "local" },
        default_branch: default_branch.to_string(),
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        build_command: build_command.clone(),
        test_command: test_command.clone(),
        setup: setup.clone(),
        rules: rules.clone(),
        gates: gates.iter().copied().map(GateKind::as_str).collect(),
        protection: on_github.and_then(|it| it.protection.as_ref()).map(protection_view),
        may_skip: on_github.map(|it| it.may_skip.iter().cloned().collect()).unwrap_or_default(),
        merge_method: merge_method.as_str(),
        worker_permissions: permissions.clone(),
        sandbox: confinement.as_str(),
        limits,
        caps: RepoCapsView {
            usd_per_run: caps.per_run.map(Usd::dollars),
            usd_per_task: caps.per_task.map(Usd::dollars),
        },
    }
}

fn protection_view(rules: &Rules) -> ProtectionView {
    let Rules { checks, strict, approvals, pull_request_only } = rules;
    ProtectionView {
        checks: checks.iter().cloned().collect(),
        strict: *strict,
        approvals: *approvals,
        pull_request_only: *pull_request_only,
    }
}

fn github_view(github: &GitHub) -> GitHubView {
    let GitHub { api_url, token_file, app } = github;
    let app = app.as_ref().map(|it| AppView {
        id: it.id,
        key_file: it.key_file.to_string(),
        installation: it.installation,
    });
    GitHubView { api_url: api_url.to_string(), token_file: token_file.as_ref().map(ToString::to_string), app }
}

fn machine_view(config: &MachineConfig, token_file: Option<Utf8PathBuf>) -> MachineView {
    let MachineConfig { machine, clones, token_file: _ } = config;
    MachineView {
        name: machine.name.to_string(),
        host: machine.host.clone(),
        port: machine.port,
        capabilities: machine.capabilities.clone(),
        repos: machine.repos.iter().map(ToString::to_string).collect(),
        repo_paths: clones.iter().map(|(repo, path)| (repo.to_string(), path.to_string())).collect(),
        slots: machine.slots,
        token_file: token_file.map(Utf8PathBuf::into_string),
    }
}
