//! `coord status`.

use coord_core::name::MachineName;
use coord_engine::view::{GitHubView, MachineView, RunView, StatusView};

use crate::cli::{account, cost, watch};
use crate::context::Context;
use crate::error::{CliError, one_line};
use crate::session::Session;
use crate::ui::{Tone, Ui, when};

/// How many open tasks are shown to people.
const WAITING: usize = 15;

/// Show machines, runs, changes and what waits to be merged
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this machine
    #[arg(long)]
    machine: Option<MachineName>,
}

/// Shows them. A machine that does not answer is shown as such.
///
/// # Errors
/// When the machine is unknown, or the board cannot be read.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let view = session.engine.status(args.machine.as_ref()).await?;
    ui.finish(&view, &text(&view, ui), &[])
}

fn text(view: &StatusView, ui: &Ui) -> String {
    let changes = view.changes.iter().filter(|it| it.pull_request.is_none()).map(|it| {
        let head = it.head.as_deref().map_or("nothing published", |it| &it[..10]);
        format!("{:<14} {head:<18} {}", it.task, it.title)
    });
    let queue = view.queue.iter().flat_map(|it| {
        let state = if it.holds.is_empty() { ui.paint(Tone::Good, "ready") } else { "held".to_owned() };
        let head = format!("{:<14} #{:<6} {state} {}", it.task, it.pull_request, it.title);
        std::iter::once(head).chain(it.holds.iter().map(|it| format!("    {it}")))
    });
    let waiting = view.waiting.iter().take(WAITING).map(|it| {
        let why =
            if it.blockers.is_empty() { String::new() } else { format!(" ({})", it.blockers.join("; ")) };
        format!("{:<14} {}{why}", it.task, it.title)
    });
    let more = view.waiting.len().saturating_sub(WAITING);
    let more = (more > 0).then(|| format!("… and {more} more; `coord task list` lists them"));
    let sections: [(&str, Vec<String>); 8] = [
        ("machines", view.machines.iter().map(|it| machine_line(it, ui)).collect()),
        ("runs", view.runs.iter().flat_map(|it| run_lines(it, &view.machines, ui)).collect()),
        ("changes without a pull request", changes.collect()),
        ("merge queue", queue.collect()),
        ("open tasks", waiting.chain(more).collect()),
        ("spending", view.caps.iter().map(|it| cost::cap(it, ui)).collect()),
        ("held accounts", view.held_accounts.iter().flat_map(|it| account::lines(it, ui)).collect()),
        ("github", view.github.iter().map(|it| github_line(it, ui)).collect()),
    ];
    let lines = sections.into_iter().filter(|(_, lines)| !lines.is_empty()).flat_map(|(title, lines)| {
        let lines = lines.into_iter().map(|it| format!("  {it}"));
        std::iter::once(ui.paint(Tone::Strong, title)).chain(lines)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn github_line(it: &GitHubView, ui: &Ui) -> String {
    let tone = if it.state == "ok" { Tone::Good } else { Tone::Attention };
    let who = it.login.as_ref().map_or(String::new(), |it| format!(" as {it}"));
    let left = match (it.remaining, it.limit, &it.resets_at) {
        (Some(remaining), Some(limit), Some(at)) => {
            format!(", {remaining} of {limit} requests left until {}", when::clock_time(at))
        }
        _ => String::new(),
    };
    let writes =
        format!(", {} of 80 writes this minute, {} of 500 this hour", it.writes_in_minute, it.writes_in_hour);
    let reason = it.reason.as_ref().map_or(String::new(), |it| format!(" ({it})"));
    format!("{}{who}{left}{writes}{reason}", ui.paint(tone, it.state))
}

fn machine_line(it: &MachineView, ui: &Ui) -> String {
    let state = match it.state {
        "online" => ui.paint(Tone::Good, it.state),
        other => ui.paint(Tone::Attention, other),
    };
    let reason = it.reason.as_ref().map_or(String::new(), |it| format!(" ({it})"));
    format!("{:<14} {state} {}, {} of {} slots taken{reason}", it.name, it.address, it.busy, it.slots)
}

fn run_lines(it: &RunView, machines: &[MachineView], ui: &Ui) -> Vec<String> {
    let state = match &it.outcome {
        Some(outcome) => {
            let tone = if outcome.as_str() == "done" { Tone::Good } else { Tone::Bad };
            ui.paint(tone, outcome.as_str())
        }
        None if is_unheard_of(it, machines) => {
            ui.paint(Tone::Attention, format!("{} when last heard of", it.state))
        }
        None => ui.paint(Tone::Strong, it.state),
    };
    let now = coord_engine::clock::now();
    let since = match &it.ended_at {
        Some(at) => format!("{} ago", when::since(at, now)),
        None => format!("for {}", when::since(&it.created_at, now)),
    };
    let place = watch::whereabouts(it);
    let mut lines = vec![format!("{} {:<5} {:<14} {state}{place}, {since}", it.id, it.kind, it.task)];
    lines.extend(it.waits_for.iter().map(|it| format!("    {it}")));
    let held =
        it.held.as_ref().map(|it| format!("    held by {} since {}", it.who, when::clock_time(&it.since)));
    lines.extend(held.map(|it| ui.paint(Tone::Attention, it)));
    let sure = it.confidence.map_or(String::new(), |it| format!(" ({:.0} % sure)", it * 100.0));
    lines.extend(it.status.as_ref().map(|it| format!("    {it}{sure}")));
    lines.extend(it.stuck.as_ref().map(|it| ui.paint(Tone::Bad, format!("    stuck: {it}"))));
    for asked in &it.questions {
        let options = if asked.options.is_empty() {
            String::new()
        } else {
            format!(" [{}]", asked.options.join(" | "))
        };
        lines.push(ui.paint(Tone::Attention, format!("    asks: {}{options}", one_line(&asked.text))));
        lines.push(format!("      {}", asked.command));
    }
    lines
}

/// Whether a run is on a machine that does not say what has become of it.
fn is_unheard_of(run: &RunView, machines: &[MachineView]) -> bool {
    run.state != "queued"
        && machines.iter().any(|it| Some(&it.name) == run.machine.as_ref() && it.state != "online")
}
