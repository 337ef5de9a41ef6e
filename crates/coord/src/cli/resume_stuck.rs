//! `coord resume-stuck`.

use coord_core::again::Aim;

use crate::cli::again;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Ui;

/// Tell a worker that is stuck how to go on
///
/// Its session goes on with what you say. A worker that says so and still runs is stopped first.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    how: again::How,

    /// How to go on
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    guidance: String,
}

/// Has it go on.
///
/// # Errors
/// When it is not stuck, something is in the way, or the machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    args.how.perform(Aim::Unstick, Some(&args.guidance), cx, ui).await
}
