//! `coord watch`.

use std::time::Duration;

use coord_core::again;
use coord_core::id::RunId;
use coord_core::ledger::Total;
use coord_core::outcome::Outcome;
use coord_core::run::{Run, RunState};
use coord_engine::Engine;
use coord_engine::again::command;
use coord_engine::error::Error;
use coord_engine::view::RunView;
use coord_proto::event::EventKind;

use crate::context::Context;
use crate::error::{CliError, ErrorKind, one_line};
use crate::render::{Detail, line};
use crate::session::Session;
use crate::ui::{Ui, when};

/// Watch a run until it has ended
///
/// Shows what matters as it happens, from the run's beginning. A connection that is cut is made again without
/// losing or repeating an event. Exits 0 if the run ended as done.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run, or a task for its newest run
    id: String,

    /// Show every event
    #[arg(long)]
    all: bool,

    /// Give up watching after this long; the run goes on
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::duration)]
    timeout: Option<Duration>,
}

/// Watches it.
///
/// # Errors
/// When the run ended as anything but done, the time was up, or its machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let run = session.engine.resolve_run(&args.id, None).await?;
    session.wake(&run, ui).await?;
    say_queued(&session.engine, &run, ui).await?;
    let detail = if args.all { Detail::All } else { Detail::Important };
    watch(&session.engine, run.id, detail, args.timeout, ui).await
}

/// Shows the events of a run until it has ended, then says how.
///
/// # Errors
/// As [`run`].
pub async fn watch(
    engine: &Engine,
    id: RunId,
    detail: Detail,
    limit: Option<Duration>,
    ui: &Ui,
) -> Result<(), CliError> {
    let watching = show_events(engine, id, detail, ui);
    let told = match limit {
        None => watching.await?,
        Some(limit) => match tokio::time::timeout(limit, watching).await {
            Ok(shown) => shown?,
            Err(_) => {
                return Err(Error::TimedOut { what: format!("run {id}"), seconds: limit.as_secs() }.into());
            }
        },
    };
    let run = engine.wait_for_run(id, limit).await?;
    engine.tell(id).await;
    // For programs, the last event is the last document, unless more came of it than it says.
    let is_told = ui.is_json() && told.as_ref() == run.state.end().map(|it| &it.outcome);
    verdict(&run).map_err(|error| if is_told { error.said() } else { error })?;
    ui.talk(&summary(&run));
    Ok(())
}

/// Shows every event, and tells the outcome that the last of them speaks of.
async fn show_events(
    engine: &Engine,
    id: RunId,
    detail: Detail,
    ui: &Ui,
) -> Result<Option<Outcome>, CliError> {
    let mut following = engine.follow(id, 0).await?;
    let mut outcome = None;
    while let Some(event) = following.next().await? {
        if ui.is_json() {
            ui.document(&event)?;
        } else if let Some(text) = line(&event, detail, ui) {
            ui.data(&text)?;
        }
        if let EventKind::Ended { end } = event.event {
            outcome = Some(end.outcome);
        }
    }
    Ok(outcome)
}

/// Says why a run that is to be waited for has not started, where that is so.
///
/// # Errors
/// When the board cannot be read.
pub async fn say_queued(engine: &Engine, run: &Run, ui: &Ui) -> Result<(), CliError> {
    if !matches!(run.state, RunState::Queued(_)) || ui.is_json() {
        return Ok(());
    }
    let settled = engine.settle().await?;
    let view = RunView::of(run, &settled);
    if view.place.is_some() {
        ui.talk(&queued(&view));
    }
    Ok(())
}

/// That a run is queued and why, in a line.
#[must_use]
pub fn queued(view: &RunView) -> String {
    let machine = view.machine.as_ref().map_or(FIRST_FREE.to_owned(), |it| format!("`{it}`"));
    let reasons = view.waits_for.join("; ");
    format!("run {} is queued for {machine}: {reasons}; it starts by itself", view.id)
}

/// Where a run is, or is to be, in words that follow its state.
#[must_use]
pub fn whereabouts(view: &RunView) -> String {
    if view.state != "queued" {
        return view.machine.as_ref().map_or(String::new(), |it| format!(" on {it}"));
    }
    let place = view.place.map_or(String::new(), |it| format!(", number {it} in line"));
    format!(" for {}{place}", view.machine.as_deref().unwrap_or(FIRST_FREE))
}

/// Where a run goes that nobody has named a machine for.
pub const FIRST_FREE: &str = "whichever machine is free first";

/// How a run ended, in a line.
#[must_use]
pub fn summary(run: &Run) -> String {
    let Some(end) = run.state.end() else {
        return format!("run {} of {} is {}", run.id, run.task, run.state.as_str());
    };
    let took = when::took(run.created_at, end.at);
    let cost = if run.kind.is_agent_work() { format!(", cost: {}", Total::of(end)) } else { String::new() };
    let outcome = one_line(&end.outcome.to_string());
    format!("run {} of {} ended as {outcome} (after {took}{cost})", run.id, run.task)
}

/// Where the work lies that a run left uncommitted.
#[must_use]
pub fn kept(run: &Run) -> Option<String> {
    let rescue = run.state.end()?.rescue.as_ref()?;
    let machine = run.machine()?;
    Some(format!("uncommitted work is kept at {} in the repo store of {machine}", rescue.reference))
}

/// Whether the run did what was wanted of it; an error otherwise, which is what the exit code says.
///
/// # Errors
/// For every outcome but done.
pub fn verdict(run: &Run) -> Result<(), CliError> {
    match run.state.end() {
        Some(end) if end.outcome == Outcome::Done => Ok(()),
        Some(end) => {
            let mut error = CliError::new(ErrorKind::Failed, summary(run)).hint(cure(run, &end.outcome));
            error.hints.extend(kept(run));
            error.hints.extend(way_on(run, &end.outcome));
            Err(error)
        }
        None => Err(CliError::new(ErrorKind::Bug, format!("run {} has not ended", run.id))),
    }
}

/// What goes on with the change of a run of agent work that ended like this.
fn way_on(run: &Run, outcome: &Outcome) -> Option<String> {
    let reason = again::way_on(outcome, false).filter(|_| run.kind.is_agent_work())?;
    Some(format!("`{}` goes on with it", command(reason, &run.task, false)))
}

/// Where to look after an end that was not wanted.
fn cure(run: &Run, outcome: &Outcome) -> String {
    match outcome {
        Outcome::SetupFailed { .. } => "`coord doctor` looks for what is wrong".to_owned(),
        Outcome::Limited { .. } | Outcome::Transient { .. } | Outcome::Credit { .. } => {
            format!("`coord why {}` says whether its session goes on, and when", run.task)
        }
        Outcome::Auth { .. } => {
            let machine = run.machine().map_or("its machine", |it| it.as_str());
            format!("log in on {machine}, then `coord doctor --probe` tries it with one tiny turn")
        }
        Outcome::Lost { .. } | Outcome::PushFailed { .. } => {
            format!("`coord why {}` says what is known", run.id)
        }
        Outcome::Cancelled { .. } if run.reservation.is_none() => {
            format!("it never started; `coord why {}` says where its task stands", run.task)
        }
        Outcome::Done
        | Outcome::NoChange
        | Outcome::Dirty
        | Outcome::Stuck { .. }
        | Outcome::Refused { .. }
        | Outcome::Context
        | Outcome::Budget { .. }
        | Outcome::Truncated
        | Outcome::Timeout { .. }
        | Outcome::Failed { .. }
        | Outcome::Crashed { .. }
        | Outcome::Interrupted
        | Outcome::Cancelled { .. }
        | Outcome::Unknown => format!("`coord log {}` shows everything it did", run.id),
    }
}
