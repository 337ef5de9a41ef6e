//! `coord stop`.

use coord_engine::view::RunView;
use serde::Serialize;

use crate::cli::watch;
use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::{Next, Ui};

/// Stop a run, and everything it started
///
/// Returns when no process of it is left. Work that was not committed is kept in the repo store.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run, or a task for its newest run
    id: String,
}

#[derive(Serialize)]
struct Document {
    run: RunView,
}

/// Stops it. One that has ended already is left as it is.
///
/// # Errors
/// When the run is unknown, or its machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let run = session.engine.resolve_run(&args.id, None).await?;
    session.wake(&run, ui).await?;
    let run = session.engine.stop(run.id).await?;
    if let Some(kept) = watch::kept(&run) {
        ui.talk(&kept);
    }
    let next = Next::new(format!("coord why {}", run.task), "see where its task stands");
    ui.finish(&Document { run: RunView::from(&run) }, &watch::summary(&run), &[next])
}
