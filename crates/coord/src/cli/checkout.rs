//! `coord checkout`.

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::{Next, Ui};

/// Put a change into a directory of your own, for looking and trying
///
/// It is a clone like any other, on the change's branch: what you commit and push there becomes part of the
/// change.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A task, or a run of it
    id: String,

    /// Where; otherwise ./REPO-NUMBER
    dir: Option<Utf8PathBuf>,
}

#[derive(Serialize)]
struct Document {
    checkout: Checkout,
}

#[derive(Serialize)]
struct Checkout {
    task: String,
    path: String,
}

/// Checks it out.
///
/// # Errors
/// When nothing is published for the task, or the directory is in use.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let task = session.engine.resolve(&args.id).await?.task().clone();
    let name = Utf8PathBuf::from(format!("{}-{}", task.repo, task.number));
    let directory = cx.absolute(args.dir.as_deref().unwrap_or(&name));
    let path = session.engine.checkout(&task, &directory).await?;
    let document = Document { checkout: Checkout { task: task.to_string(), path: path.to_string() } };
    let next = [Next::new(
        format!("coord test {task} --passed"),
        "say that it is good; --fail --reason says what is not",
    )];
    ui.finish(&document, path.as_str(), &next)
}
