//! `coord config`.

use coord_agent::order::RuntimeConfig;
use coord_core::gate::GateKind;
use coord_core::repo::Repo;
use coord_git::program::redact;
use serde::Serialize;

use coord_engine::origin;

use crate::config::{Config, MachineConfig};
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

#[derive(Serialize)]
struct View {
    path: String,
    repos: Vec<RepoView>,
    machines: Vec<MachineView>,
    here: Option<String>,
    runtime: String,
    runtimes: Vec<RuntimeView>,
    models: ModelsView,
    run_minutes: u64,
}

#[derive(Serialize)]
struct RepoView {
    name: String,
    origin: Option<String>,
    problem: Option<String>,
    default_branch: String,
    depends_on: Vec<String>,
    build_command: Option<String>,
    test_command: Option<String>,
    setup: Option<String>,
    rules: Option<String>,
    gates: Vec<&'static str>,
    merge_method: &'static str,
    allow: Vec<String>,
    deny: Vec<String>,
}

#[derive(Serialize)]
struct MachineView {
    name: String,
    host: String,
    port: u16,
    slots: u32,
    capabilities: Vec<String>,
    repos: Vec<String>,
    repo_paths: std::collections::BTreeMap<String, String>,
}

#[derive(Serialize)]
struct RuntimeView {
    name: String,
    #[serde(flatten)]
    config: RuntimeConfig,
}

#[derive(Serialize)]
struct ModelsView {
    default: String,
    labels: std::collections::BTreeMap<String, String>,
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
    let gathered = tokio::task::spawn_blocking(move || cx.config().map(|it| view(&it))).await;
    let view = gathered
        .map_err(|error| CliError::new(ErrorKind::Bug, "cannot read the configuration").because(error))??;
    let human = human(&view, ui);
    let next = [Next::new("coord doctor", "checks that all of it works")];
    ui.finish(&Document { config: view }, &human, &next)
}

fn view(config: &Config) -> View {
    let clones = config.here.as_ref().and_then(|it| config.machine(it)).map(|it| &it.clones);
    let repos = config.repos.iter().map(|repo| {
        let clone = clones.and_then(|it| it.get(&repo.name));
        repo_view(repo, origin(repo, clone.map(|it| it.as_path())))
    });
    let runtimes = config.runtimes.iter();
    View {
        path: config.path.to_string(),
        repos: repos.collect(),
        machines: config.machines.iter().map(machine_view).collect(),
        here: config.here.as_ref().map(ToString::to_string),
        runtime: config.runtime.to_string(),
        runtimes: runtimes
            .map(|(name, config)| RuntimeView { name: name.to_string(), config: config.clone() })
            .collect(),
        models: ModelsView { default: config.models.default.clone(), labels: config.models.labels.clone() },
        run_minutes: config.deadline.as_secs() / 60,
    }
}

fn repo_view(repo: &Repo, origin: Result<String, String>) -> RepoView {
    let Repo {
        name,
        origin: _,
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
        default_branch: default_branch.to_string(),
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        build_command: build_command.clone(),
        test_command: test_command.clone(),
        setup: setup.clone(),
        rules: rules.clone(),
        gates: gates.iter().copied().map(GateKind::as_str).collect(),
        merge_method: merge_method.as_str(),
        allow: permissions.allow.clone(),
        deny: permissions.deny.clone(),
    }
}

fn machine_view(config: &MachineConfig) -> MachineView {
    let MachineConfig { machine, clones, token_file: _ } = config;
    MachineView {
        name: machine.name.to_string(),
        host: machine.host.clone(),
        port: machine.port,
        slots: machine.slots,
        capabilities: machine.capabilities.clone(),
        repos: machine.repos.iter().map(ToString::to_string).collect(),
        repo_paths: clones.iter().map(|(repo, path)| (repo.to_string(), path.to_string())).collect(),
    }
}

fn human(view: &View, ui: &Ui) -> String {
    let mut lines = vec![format!("# {}\n\nRepos:", view.path)];
    let mut line = |line: String| lines.push(line);
    for repo in &view.repos {
        line(format!("  {}  [branch: {}]", ui.paint(Tone::Strong, &repo.name), repo.default_branch));
        match (&repo.origin, &repo.problem) {
            (Some(origin), _) => line(format!("    origin      {origin}")),
            (None, problem) => {
                let problem = problem.as_deref().unwrap_or("not known");
                line(format!("    origin      {}", ui.paint(Tone::Bad, problem)));
            }
        }
        line(format!("    depends on  {}", or_none(&repo.depends_on)));
        let commands = [("setup", &repo.setup), ("build", &repo.build_command), ("test", &repo.test_command)];
        for (label, command) in commands {
            line(format!("    {label:<11} {}", command.as_deref().unwrap_or("(none)")));
        }
        line(format!("    to merge    {} by {}", gates(&repo.gates), repo.merge_method));
    }
    line("\nMachines:".to_owned());
    for machine in &view.machines {
        let here = if view.here.as_ref() == Some(&machine.name) { " (this machine)" } else { "" };
        let name = ui.paint(Tone::Strong, &machine.name);
        line(format!("  {name} @ {}:{}{here}", machine.host, machine.port));
        line(format!("    workers     {}", machine.slots));
        line(format!("    can         {}", or_none(&machine.capabilities)));
        let repos = if machine.repos.is_empty() { "every repo".to_owned() } else { machine.repos.join(", ") };
        line(format!("    repos       {repos}"));
        for (repo, path) in &machine.repo_paths {
            line(format!("    clone       {repo}: {path}"));
        }
    }
    line("\nRuntimes:".to_owned());
    for RuntimeView { name, config } in &view.runtimes {
        let default = if view.runtime == *name { " (default)" } else { "" };
        line(format!("  {}{default}", ui.paint(Tone::Strong, name)));
        line(format!("    permissions {}, {}", config.permission_mode, or_none(&config.allowed_tools)));
        line(format!("    sees        {}", or_none(&config.pass_env)));
    }
    line(format!("\nModel: {}; a run takes {} minutes at most", view.models.default, view.run_minutes));
    lines.join("\n")
}

fn gates(gates: &[&str]) -> String {
    if gates.is_empty() {
        "nothing is asked; merged".to_owned()
    } else {
        format!("{} must pass; merged", gates.join(" and "))
    }
}

fn or_none(words: &[String]) -> String {
    if words.is_empty() { "(none)".to_owned() } else { words.join(", ") }
}
