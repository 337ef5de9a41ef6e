//! `coord wait`.

use std::time::Duration;

use coord_core::run::RunKind;
use coord_engine::error::Error;
use coord_engine::view::RunView;
use coord_proto::client::ClientError;
use serde::Serialize;

use crate::cli::watch;
use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::{Next, Ui};

/// Wait until a run has ended
///
/// Exits 0 if it ended as done, 3 if the time was up, else 1.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run, or a task for its newest run
    id: String,

    /// Give up after this long; the run goes on
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::duration)]
    timeout: Option<Duration>,
}

#[derive(Serialize)]
struct Document {
    run: RunView,
}

/// Waits for it.
///
/// # Errors
/// When the run ended as anything but done, or the time was up.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let run = session.engine.resolve_run(&args.id, None).await?;
    session.wake(&run, ui).await?;
    watch::say_queued(&session.engine, &run, ui).await?;
    if let Err(Error::Agent { machine, source: ClientError::Unreachable { .. } }) =
        session.engine.settle_run(run.id).await
    {
        ui.talk(&format!("machine {machine} does not answer; waiting for it as well"));
    }
    let run = session.engine.wait_for_run(run.id, args.timeout).await?;
    session.engine.tell(run.id).await;
    let next = match run.kind {
        RunKind::Work | RunKind::Fix => vec![
            Next::new(format!("coord test {}", run.task), "test it merged onto the current base"),
            Next::new(format!("coord checkout {}", run.task), "look at it in a directory of your own"),
        ],
        RunKind::Test => vec![Next::new(format!("coord pr {}", run.task), "open its pull request")],
    };
    let Err(error) = watch::verdict(&run) else {
        return ui.finish(&Document { run: RunView::from(&run) }, &watch::summary(&run), &next);
    };
    if !ui.is_json() {
        return Err(error);
    }
    // The document tells it already.
    ui.finish(&Document { run: RunView::from(&run) }, "", &[])?;
    Err(error.said())
}
