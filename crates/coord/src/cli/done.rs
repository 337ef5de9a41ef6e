//! `coord done`.

use coord_engine::clock;

use crate::cli::{session, watch};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::{Next, Ui, when};

/// Close the working session, and tell what happened in it
///
/// Runs go on without it; --wait waits for them first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Wait until every run that is under way has ended
    #[arg(long)]
    wait: bool,
}

/// Closes it.
///
/// # Errors
/// When none is open, or the board cannot be read.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let engine = &session.engine;
    if args.wait && engine.in_session().await? {
        for run in engine.live_runs().await? {
            ui.talk(&format!("waiting for run {} ({})", run.id, run.task));
            session.wake(&run, ui).await?;
            watch::say_queued(engine, &run, ui).await?;
            engine.wait_for_run(run.id, None).await?;
            engine.tell(run.id).await;
        }
    }
    let Some(report) = engine.close_session().await? else {
        return Err(
            CliError::new(ErrorKind::NotFound, "no session is open").hint("`coord session` opens one")
        );
    };
    let took = when::since(&report.session.opened_at, clock::now());
    let running = report.open.runs.len();
    let goes_on = match running {
        0 => String::new(),
        1 => "; one run goes on".to_owned(),
        count => format!("; {count} runs go on"),
    };
    let next =
        report.open.runs.iter().take(1).map(|it| Next::new(format!("coord wait {}", it.id), "waits for it"));
    let next: Vec<_> = next.collect();
    ui.finish(&report, &session::text(&report, &format!("closed after {took}{goes_on}"), ui), &next)
}
