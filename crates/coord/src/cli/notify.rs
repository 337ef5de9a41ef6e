//! `coord notify`.

use coord_engine::comment::Said;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::Ui;

/// Say on GitHub what has not been said of runs yet
///
/// A briefing when a worker was given an issue, a word at its end, a call when it is stuck: each stands once, as a
/// comment on the issue, however often this is run. Other commands say what they bring about themselves; this
/// catches up on the rest. Issues and pull requests of what was merged are closed as well, where that is missing.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Document {
    comments: Vec<Said>,
}

/// Says it.
///
/// # Errors
/// When GitHub cannot be asked or does not take a comment.
pub async fn run(_: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let settled = session.engine.settle().await?;
    session.engine.sync_issues(None).await?;
    let comments = session.engine.notify(&settled).await?;
    let lines = comments.iter().map(|it| format!("{}: {} of run {}", it.task, it.event, it.run));
    let text = lines.collect::<Vec<_>>().join("\n");
    if comments.is_empty() {
        ui.talk("nothing was left to be said");
    }
    ui.finish(&Document { comments }, &text, &[])
}
