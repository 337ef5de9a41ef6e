//! `coord retry`.

use coord_core::again::Aim;

use crate::cli::again;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Ui;

/// Go on with a change whose last run came to no good end
///
/// In the same session, on the same machine and with the same model where that can be.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    how: again::How,
}

/// Goes on with it.
///
/// # Errors
/// When its last run went well or is under way, something is in the way, or the machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    args.how.perform(Aim::Retry, None, cx, ui).await
}
