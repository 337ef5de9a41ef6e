//! `coord shim`: started by the agent server, one per run. Not for people.

use camino::Utf8PathBuf;

use crate::cli::version::VERSION;
use crate::error::{CliError, ErrorKind};

/// Supervise the worker of one run (started by the agent server)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory of the run
    run_dir: Utf8PathBuf,
}

/// The whole life of a shim.
///
/// # Errors
/// When the run could not be brought to a recorded end.
pub fn run(args: &Args) -> Result<(), CliError> {
    coord_agent::shim::run(&args.run_dir, VERSION)
        .map_err(|error| CliError::new(ErrorKind::Failed, "the shim gave up").because(error))
}
