//! `coord pr`.

use coord_engine::view::PullRequestView;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::{Next, Ui};

/// Open the pull request of a change, or bring its text up to date
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A task, or a run of it
    id: String,
}

#[derive(Serialize)]
struct Document {
    pull_request: PullRequestView,
}

/// Opens it.
///
/// # Errors
/// When nothing is published, a worker is at it, or the last attempt did not end well.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let task = session.engine.resolve(&args.id).await?.task().clone();
    let pull_request = session.engine.open_pull_request(&task).await?;
    let human = format!(
        "pull request #{} for {task}: {} → {}\n\n{}",
        pull_request.number, pull_request.branch, pull_request.base_branch, pull_request.body
    );
    let next = Next::new(format!("coord merge {task}"), "merge it, testing first where that is needed");
    ui.finish(&Document { pull_request: PullRequestView::from(&pull_request) }, &human, &[next])
}
