//! `coord answer`.

use coord_engine::view::RunView;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::{Next, Ui};

/// Answer a question that a worker has asked
///
/// `coord status` lists what is open. The worker that waits for it goes on with the answer.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run, or a task for its newest run
    id: String,

    /// What to tell the worker
    text: String,

    /// Which of its questions, by number; otherwise the oldest that is open
    #[arg(long, value_name = "NUMBER")]
    question: Option<u32>,
}

#[derive(Serialize)]
struct Document {
    run: RunView,
}

/// Answers it.
///
/// # Errors
/// When the run has no such question open, or its machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let run = session.engine.resolve_run(&args.id, None).await?;
    session.wake(&run, ui).await?;
    let view = session.engine.answer(run.id, args.question, &args.text).await?;
    let next = Next::new(format!("coord watch {}", run.id), "see what it makes of it");
    let human = format!("run {} of {} has its answer", run.id, run.task);
    ui.finish(&Document { run: view }, &human, &[next])
}
