//! `coord session`.

mod since;

use std::collections::BTreeMap;

use coord_engine::clock;
use coord_engine::session::{HappenedView, OpenView, SessionReport};
use coord_engine::view::RunView;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::watch;
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::{Next, Tone, Ui, when};

/// Open a working session, or look at the open one
///
/// Tells what happened since the end of the session before, unless --since says otherwise; what it cost; what is
/// open; and what waits for you.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Since when: today, yesterday, a day of the week (the last one before today), 2026-11-20, 3d, or RFC 3339
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

/// Opens or finds it, and tells.
///
/// # Errors
/// When `--since` is no moment, or the board cannot be read.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let now = clock::now();
    let session = Session::open(cx).await?;
    let zone = &session.engine.settings().zone;
    let since = args.since.as_deref().map(|it| moment(it, now, zone, "coord session --help")).transpose()?;
    let report = session.engine.open_session(since).await?;
    let opened = &report.session.opened_at;
    let began = match opened.parse::<Timestamp>() {
        Ok(at) if at >= now => "opened now".to_owned(),
        Ok(_) | Err(_) => {
            format!("open since {} ({})", when::local(opened), when::since(opened, clock::now()))
        }
    };
    let mut next = first_of(&report.open);
    next.push(Next::new("coord status", "shows the whole board"));
    next.push(Next::new("coord done", "closes the session"));
    ui.finish(&report, &text(&report, &began, ui), &next)
}

/// The moment that somebody means; `help` is the command that says how moments are written.
///
/// # Errors
/// When it is none, or has not come yet.
pub fn moment(text: &str, now: Timestamp, zone: &TimeZone, help: &str) -> Result<Timestamp, CliError> {
    since::parse(text, now, zone).map_err(|why| {
        CliError::new(ErrorKind::Usage, why).hint(format!("`{help}` says how moments are written"))
    })
}

/// What a person could do first.
fn first_of(open: &OpenView) -> Vec<Next> {
    let waiting = open.waiting.first();
    waiting
        .map(|it| Next::new(format!("coord why {}", it.task), "explains what waits for you"))
        .into_iter()
        .collect()
}

/// A report for people; `state` is where the session stands, in words.
pub(super) fn text(report: &SessionReport, state: &str, ui: &Ui) -> String {
    let SessionReport { session, since, happened, cost, open } = report;
    let mut lines = vec![
        format!("session {}, {state}", session.number),
        ui.paint(Tone::Strong, format!("since {}", when::local(since))),
    ];
    lines.extend(
        of_happened(happened)
            .into_iter()
            .chain([format!("{:<14} {}", "cost", cost.words)])
            .map(|it| format!("  {it}")),
    );
    let open = of_open(open);
    lines.push(ui.paint(Tone::Strong, if open.is_empty() { "nothing is open" } else { "open" }));
    lines.extend(open.into_iter().map(|it| format!("  {it}")));
    lines.join("\n")
}

fn of_happened(happened: &HappenedView) -> Vec<String> {
    let HappenedView { tasks_added, tasks_merged, tasks_closed, pull_requests_opened, runs, tests } =
        happened;
    let proposed: Vec<_> =
        pull_requests_opened.iter().map(|it| format!("#{} for {}", it.number, it.task)).collect();
    let told = [
        list("added", tasks_added),
        list("merged", tasks_merged),
        list("closed", tasks_closed),
        list("proposed", &proposed),
        counts("runs", runs),
        counts("tests", tests),
    ];
    let told: Vec<_> = told.into_iter().flatten().collect();
    if told.is_empty() { vec!["nothing happened".to_owned()] } else { told }
}

fn of_open(open: &OpenView) -> Vec<String> {
    let OpenView { runs, changes, pull_requests, rescues, waiting } = open;
    let runs = runs.iter().map(|it| {
        let RunView { id, kind, task, state, .. } = it;
        format!("{task:<14} {id} ({kind}) {state}{}", watch::whereabouts(it))
    });
    let changes = changes.iter().map(|it| format!("{:<14} {} has no pull request", it.task, it.branch));
    let proposed = pull_requests.iter().map(|it| format!("{:<14} pull request #{}", it.task, it.number));
    let rescues =
        rescues.iter().map(|it| format!("{:<14} {} at {} on {}", it.task, it.what, it.rescue, it.machine));
    let waiting =
        waiting.iter().map(|it| format!("{:<14} for you: {} ({})", it.task, it.title, it.why.join("; ")));
    runs.chain(changes).chain(proposed).chain(rescues).chain(waiting).collect()
}

fn list(label: &str, names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| format!("{label:<14} {}", names.join(", ")))
}

fn counts(label: &str, counts: &BTreeMap<&'static str, u64>) -> Option<String> {
    let said: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    list(label, &said)
}
