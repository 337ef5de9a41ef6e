//! `coord version`.

use serde::Serialize;

use crate::error::CliError;
use crate::ui::Ui;

/// Print the version of this program
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Document {
    version: &'static str,
    protocol: u32,
}

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prints it.
///
/// # Errors
/// When standard output cannot be written to.
pub fn run(_: &Args, ui: &Ui) -> Result<(), CliError> {
    let document = Document { version: VERSION, protocol: coord_proto::PROTOCOL };
    ui.finish(&document, &format!("coord {VERSION}"), &[])
}
