//! `coord fix`.

use coord_core::again::Aim;

use crate::cli::again;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Ui;

/// Have a change mended whose tests failed, or that somebody found wanting
///
/// Its worker is told what was found: the end of the output, and what a person said.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    how: again::How,

    /// What the worker is to know beyond that
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    guidance: Option<String>,
}

/// Has it mended.
///
/// # Errors
/// When nothing was found wrong with it, something is in the way, or the machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    args.how.perform(Aim::Fix, args.guidance.as_deref(), cx, ui).await
}
