//! `coord pr`.

use coord_engine::proposal::Proposal;
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

    /// Open it as a draft; on GitHub, where a person then says when it is ready
    #[arg(long)]
    draft: bool,

    /// Ask somebody for a review, on GitHub (repeatable)
    #[arg(long, value_name = "LOGIN", value_delimiter = ',')]
    reviewer: Vec<String>,

    /// Close it without merging; the change stays
    #[arg(long, conflicts_with_all = ["draft", "reviewer"])]
    close: bool,
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
    if args.close {
        let closed = session.engine.close_pull_request(&task).await?;
        let next = Next::new(format!("coord pr {task}"), "open it again");
        let human = format!("closed pull request #{} for {task}", closed.number);
        return ui.finish(&Document { pull_request: PullRequestView::from(&closed) }, &human, &[next]);
    }
    let proposal = Proposal { draft: args.draft, reviewers: args.reviewer.clone() };
    let pull_request = session.engine.open_pull_request(&task, &proposal).await?;
    let page = pull_request.url.as_ref().map_or(String::new(), |it| format!("\n{it}"));
    let human = format!(
        "pull request #{} for {task}: {} → {}{page}\n\n{}",
        pull_request.number, pull_request.branch, pull_request.base_branch, pull_request.body
    );
    let next = Next::new(format!("coord merge {task}"), "merge it, testing first where that is needed");
    ui.finish(&Document { pull_request: PullRequestView::from(&pull_request) }, &human, &[next])
}
