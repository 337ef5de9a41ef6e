//! The configuration in force, for people.

use coord_agent::order::RuntimeConfig;

use super::{
    AccountView, AllLimitsView, AppView, GitHubView, IssuesView, LimitsView, ProtectionView, RepoCapsView,
    RepoView, SandboxView, View,
};
use crate::ui::{Tone, Ui};

pub(super) fn human(view: &View, ui: &Ui) -> String {
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
    if view.repos.iter().any(|it| it.forge == "github") {
        lines.extend(github_lines(&view.github, &view.issues));
    }
    lines.push("\nRuntimes:".to_owned());
    for (name, config) in view.runtimes.all() {
        let default = if view.runtime == name.as_str() { " (default)" } else { "" };
        lines.push(format!("  {}{default}", ui.paint(Tone::Strong, name.as_str())));
        lines.extend(runtime_lines(config));
    }
    lines.push(format!("\nModel: {}", view.models.default));
    lines.extend(view.models.labels.iter().map(|(label, model)| fact(label, model)));
    let stagger = match view.concurrency.stagger_seconds {
        0 => "at once".to_owned(),
        seconds => format!("{seconds} s apart"),
    };
    lines.push(format!(
        "Limits: {} workers on a machine without `slots`, started {stagger}; {} attempts at a task may fail",
        view.concurrency.max_workers, view.limits.attempts
    ));
    for (of, limits) in
        [("a run", &view.limits.all), ("work", &view.limits.work), ("a test", &view.limits.test)]
    {
        lines.extend(listed(limits).map(|it| fact(of, &it)));
    }
    for (of, limits) in &view.limits.runtimes {
        lines.extend(listed(limits).map(|it| fact(of, &it)));
    }
    lines.extend(money_lines(&view.limits));
    for AccountView { name, machines } in &view.accounts {
        lines.push(fact("account", &format!("{name} on {}", machines.join(", "))));
    }
    lines.push(fact("time zone", view.time_zone.as_deref().unwrap_or("that of the system")));
    lines.extend(upkeep_lines(view));
    let SandboxView { level, network, readable } = &view.sandbox;
    let network: Vec<_> = network.iter().map(|it| (*it).to_owned()).collect();
    lines.push(format!("Sandbox: {level}; network for {}", or(&network, "nothing")));
    lines.extend(readable.iter().map(|it| fact("readable", it)));
    lines.join("\n")
}

fn money_lines(limits: &AllLimitsView) -> Vec<String> {
    let AllLimitsView { usd_per_run, usd_per_task, usd_per_day, usd_per_month, .. } = *limits;
    let caps = [("run", usd_per_run), ("task", usd_per_task), ("day", usd_per_day), ("month", usd_per_month)];
    let caps: Vec<_> = caps.iter().filter_map(|(on, cap)| Some(format!("${} a {on}", (*cap)?))).collect();
    let hours = or(&limits.work_hours, "at any time");
    vec![
        fact("spending", &format!("{}; said from a share of {}", or(&caps, "no cap"), limits.warn_at)),
        fact("windows", &format!("a share of {} is kept for you", limits.keep)),
        fact("at a limit", &format!("{}; goes on {hours}", limits.on_limit)),
    ]
}

fn upkeep_lines(view: &View) -> [String; 2] {
    let rescued = if view.rescue.push {
        "pushed to origin, unless it seems to hold secrets"
    } else {
        "kept on its machine"
    };
    let kept = &view.retention;
    [
        format!("Work that a worker did not commit: {rescued}"),
        format!(
            "Kept: logs {} days and up to {} MB, rescued work {} days",
            kept.log_days, kept.log_megabytes, kept.rescue_days
        ),
    ]
}

fn repo_lines(repo: &RepoView, ui: &Ui) -> Vec<String> {
    let origin = match (&repo.origin, &repo.problem) {
        (Some(origin), _) => origin.clone(),
        (None, problem) => ui.paint(Tone::Bad, problem.as_deref().unwrap_or("not known")),
    };
    let forge = match &repo.github {
        Some(github) if repo.forge == "github" => format!("github, {github}"),
        Some(_) | None => repo.forge.to_owned(),
    };
    let command = |it: &Option<String>| it.clone().unwrap_or_else(|| "(none)".to_owned());
    let gates = match repo.gates.as_slice() {
        [] => "nothing is asked".to_owned(),
        gates => format!("{} must pass", gates.join(" and ")),
    };
    let mut lines = vec![
        fact("origin", &origin),
        fact("forge", &forge),
        fact("depends on", &or(&repo.depends_on, "(none)")),
        fact("setup", &command(&repo.setup)),
        fact("build", &command(&repo.build_command)),
        fact("test", &command(&repo.test_command)),
        fact("to merge", &format!("{gates}; merged by {}", repo.merge_method)),
        fact("allowed", &or(&repo.worker_permissions.allow, "(none)")),
        fact("denied", &or(&repo.worker_permissions.deny, "(none)")),
    ];
    let RepoCapsView { usd_per_run, usd_per_task } = repo.caps;
    let caps = [("run", usd_per_run), ("task", usd_per_task)];
    lines.extend(caps.iter().filter_map(|(on, cap)| Some(fact("may cost", &format!("${} a {on}", (*cap)?)))));
    if repo.sandbox != "none" {
        lines.push(fact("sandbox", repo.sandbox));
    }
    lines.extend(repo.protection.iter().map(|it| fact("protection", &protection(it))));
    lines.extend(listed(&repo.limits).map(|it| fact("limits", &it)));
    if !repo.may_skip.is_empty() {
        lines.push(fact("may skip", &repo.may_skip.join(", ")));
    }
    lines.extend(repo.rules.iter().flat_map(|it| it.lines()).map(|it| fact("rule", it)));
    lines
}

fn runtime_lines(config: &RuntimeConfig) -> Vec<String> {
    let RuntimeConfig { program, pass_env, permission_mode, model, argv, allowed_tools, setting_sources } =
        config;
    let text = |label, value: &Option<String>| value.as_ref().map(|it| fact(label, it));
    let list = |label, value: &Option<Vec<String>>| value.as_ref().map(|it| fact(label, &or(it, "(none)")));
    let lines = [
        text("program", program),
        list("runs", argv),
        model.as_ref().map(|it| fact("model", if it.is_empty() { "(its own)" } else { it })),
        text("mode", permission_mode),
        list("allowed", allowed_tools),
        text("settings", setting_sources),
        Some(fact("sees", &or(pass_env, "(none)"))),
    ];
    lines.into_iter().flatten().collect()
}

/// What a branch asks for where its rules cannot be read.
fn protection(it: &ProtectionView) -> String {
    let ProtectionView { checks, strict, approvals, pull_request_only } = it;
    let said = [
        (!checks.is_empty()).then(|| format!("checks {}", checks.join(", "))),
        strict.then(|| "strict".to_owned()),
        (*approvals > 0).then(|| format!("{approvals} approvals")),
        pull_request_only.then(|| "pull request only".to_owned()),
    ];
    let said: Vec<_> = said.into_iter().flatten().collect();
    format!("{} (where it cannot be read)", or(&said, "nothing is asked"))
}

/// Limits in a line, if there are any: seconds and bytes, as they can be written.
fn listed(limits: &LimitsView) -> Option<String> {
    let said = limits.iter().map(|(key, value)| match value.as_str() {
        Some(words) => format!("{key}: {words}"),
        None => format!("{key}: {value}"),
    });
    let said: Vec<_> = said.collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn github_lines(github: &GitHubView, issues: &IssuesView) -> Vec<String> {
    let GitHubView { api_url, token_file, app } = github;
    let mut lines = vec!["\nGitHub:".to_owned(), fact("API", api_url)];
    if let Some(AppView { id, key_file, installation }) = app {
        lines.push(fact("App", &format!("{id}, installation {installation}, key {key_file}")));
    }
    lines.extend(token_file.iter().map(|it| fact("token", it)));
    lines.push(fact("trusted", &issues.trusted.join(", ")));
    lines
}

fn fact(label: &str, value: &str) -> String {
    format!("    {label:<11} {value}")
}

fn or(words: &[String], nothing: &str) -> String {
    if words.is_empty() { nothing.to_owned() } else { words.join(", ") }
}
