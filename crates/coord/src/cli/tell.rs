//! `coord tell`.

use std::time::Duration;

use coord_proto::run::Receipt;
use serde::Serialize;

use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::{Next, Ui};

/// Tell a worker something while it works
///
/// It takes the message in between two tools, and goes on. Where its runtime cannot be told anything, that is said.
/// Prints how far the message has come: queued, delivered to its input, read, or unread because it had ended.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run, or a task for its newest run
    id: String,

    /// What to tell it
    text: String,

    /// Wait this long for it to be read; 0 does not wait
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::duration, default_value = "10s")]
    wait: Duration,
}

#[derive(Serialize)]
struct Document {
    message: Message,
}

#[derive(Serialize)]
struct Message {
    id: String,
    run: String,
    receipt: &'static str,
}

/// Tells it.
///
/// # Errors
/// When the run takes no message, has ended before it read this one, or its machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let run = session.engine.resolve_run(&args.id, None).await?;
    session.wake(&run, ui).await?;
    let (id, receipt) = session.engine.message(run.id, &args.text, args.wait).await?;
    let (message, next) = match receipt {
        Receipt::Read => ("it has read the message", "see what it makes of it"),
        Receipt::Delivered => {
            ("the message is at its input; it reads it after the tool at hand", "see when it does")
        }
        Receipt::Queued | Receipt::Unknown => ("the message is kept for it", "see when it reads it"),
        Receipt::Unread => {
            let what = format!("run {} ended without having read the message", run.id);
            let hint = format!("`coord why {}` says where its task stands", run.task);
            return Err(CliError::new(ErrorKind::Refused, what).hint(hint));
        }
    };
    let document = Message { id: id.to_string(), run: run.id.to_string(), receipt: receipt.as_str() };
    let next = Next::new(format!("coord watch {}", run.id), next);
    ui.finish(&Document { message: document }, &format!("{}: {message}", receipt.as_str()), &[next])
}
