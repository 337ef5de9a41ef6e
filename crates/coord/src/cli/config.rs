//! `coord config`.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use coord_core::gate::GateKind;
use coord_core::repo::{Permissions, Repo};
use coord_engine::origin;
use coord_git::program::redact;
use serde::Serialize;

use crate::config::{Config, MachineConfig, Runtimes};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::ui::{Next, Tone, Ui};

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
    concurrency: ConcurrencyView,
    models: ModelsView,
    runtime: String,
    runtimes: Runtimes,
    limits: LimitsView,
}

#[derive(Serialize)]
struct RepoView {
    name: String,
    origin: Option<String>,
    /// Why there is no origin.
    problem: Option<String>,
    forge: &'static str,
    default_branch: String,
    depends_on: Vec<String>,
    build_command: Option<String>,
    test_command: Option<String>,
    setup: Option<String>,
    rules: Option<String>,
    gates: Vec<&'static str>,
    merge_method: &'static str,
    worker_permissions: Permissions,
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
}

#[derive(Serialize)]
struct ModelsView {
    default: String,
    labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct LimitsView {
    run_minutes: u64,
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
    let human = human(&view, ui);
    let next = [Next::new("coord doctor", "checks that all of it works")];
    ui.finish(&Document { config: view }, &human, &next)
}

fn view(config: &Config, cx: &Context) -> View {
    let Config { path, repos, machines, here, runtime, runtimes, max_workers, models, deadline } = config;
    let clones = here.as_ref().and_then(|it| config.machine(it)).map(|it| &it.clones);
    let repos = repos.iter().map(|repo| {
        let clone = clones.and_then(|it| it.get(&repo.name));
        repo_view(repo, origin(repo, clone.map(|it| it.as_path())))
    });
    View {
        path: path.to_string(),
        repos: repos.collect(),
        machines: machines.iter().map(|it| machine_view(it, config.token_file(it, cx))).collect(),
        here: here.as_ref().map(ToString::to_string),
        concurrency: ConcurrencyView { max_workers: *max_workers },
        models: ModelsView { default: models.default.clone(), labels: models.labels.clone() },
        runtime: runtime.to_string(),
        runtimes: runtimes.clone(),
        limits: LimitsView { run_minutes: deadline.as_secs() / 60 },
    }
}

fn repo_view(repo: &Repo, origin: Result<String, String>) -> RepoView {
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
    } = repo;
    let (origin, problem) = match origin {
        Ok(origin) => (Some(redact(&origin)), None),
        Err(problem) => (None, Some(problem)),
    };
    RepoView {
        name: name.to_string(),
        origin,
        problem,
        forge: if forge.github().is_some() { "github" } else { "local" },
        default_branch: default_branch.to_string(),
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        build_command: build_command.clone(),
        test_command: test_command.clone(),
        setup: setup.clone(),
        rules: rules.clone(),
        gates: gates.iter().copied().map(GateKind::as_str).collect(),
        merge_method: merge_method.as_str(),
        worker_permissions: permissions.clone(),
    }
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

fn human(view: &View, ui: &Ui) -> String {
    let mut lines = vec![format!("# {}\n\nRepos:", view.path)];
    for repo in &view.repos {
        lines.push(format!("  {}  [branch: {}]", ui.paint(Tone::Strong, &repo.name), repo.default_branch));
        lines.extend(repo_lines(repo, ui));
    }
    lines.push("\nMachines:".to_owned());
    for machine in &view.machines {
        let here = if view.here.as_ref() == Some(&machine.name) { " (this machine)" } else { "" };
        let name = ui.paint(Tone::Strong, &machine.name);
        lines.push(format!("  {name} @ {}:{}{here}", machine.host, machine.port));
        lines.push(fact("workers", &machine.slots.to_string()));
        lines.push(fact("can", &or(&machine.capabilities, "(none)")));
        lines.push(fact("repos", &or(&machine.repos, "every repo")));
        lines.extend(machine.repo_paths.iter().map(|(repo, path)| fact("clone", &format!("{repo}: {path}"))));
        lines.push(fact("token", machine.token_file.as_deref().unwrap_or("(no `token_file`)")));
    }
    lines.push("\nRuntimes:".to_owned());
    let Runtimes { claude, script, command } = &view.runtimes;
    for (name, pass_env) in
        [("claude", &claude.pass_env), ("script", &script.pass_env), ("command", &command.pass_env)]
    {
        let default = if view.runtime == name { " (default)" } else { "" };
        lines.push(format!("  {}{default}", ui.paint(Tone::Strong, name)));
        if name == "claude" {
            lines.push(fact("program", &claude.program));
            lines.push(fact("mode", &claude.permission_mode));
            lines.push(fact("allowed", &or(&claude.allowed_tools, "(none)")));
            lines.push(fact("settings", &claude.setting_sources));
        }
        lines.push(fact("sees", &or(pass_env, "(none)")));
    }
    lines.push(format!("\nModel: {}", view.models.default));
    lines.extend(view.models.labels.iter().map(|(label, model)| fact(label, model)));
    lines.push(format!(
        "Limits: {} workers on a machine without `slots`; {} minutes for a run",
        view.concurrency.max_workers, view.limits.run_minutes
    ));
    lines.join("\n")
}

fn repo_lines(repo: &RepoView, ui: &Ui) -> Vec<String> {
    let origin = match (&repo.origin, &repo.problem) {
        (Some(origin), _) => origin.clone(),
        (None, problem) => ui.paint(Tone::Bad, problem.as_deref().unwrap_or("not known")),
    };
    let command = |it: &Option<String>| it.clone().unwrap_or_else(|| "(none)".to_owned());
    let gates = match repo.gates.as_slice() {
        [] => "nothing is asked".to_owned(),
        gates => format!("{} must pass", gates.join(" and ")),
    };
    let mut lines = vec![
        fact("origin", &origin),
        fact("forge", repo.forge),
        fact("depends on", &or(&repo.depends_on, "(none)")),
        fact("setup", &command(&repo.setup)),
        fact("build", &command(&repo.build_command)),
        fact("test", &command(&repo.test_command)),
        fact("to merge", &format!("{gates}; merged by {}", repo.merge_method)),
        fact("allowed", &or(&repo.worker_permissions.allow, "(none)")),
        fact("denied", &or(&repo.worker_permissions.deny, "(none)")),
    ];
    lines.extend(repo.rules.iter().flat_map(|it| it.lines()).map(|it| fact("rule", it)));
    lines
}

fn fact(label: &str, value: &str) -> String {
    format!("    {label:<11} {value}")
}

fn or(words: &[String], nothing: &str) -> String {
    if words.is_empty() { nothing.to_owned() } else { words.join(", ") }
}
