//! `coord completions`.

use clap::Command;
use clap_complete::Shell;

use crate::error::CliError;
use crate::ui::Ui;

/// Print the completion script of a shell
///
/// For bash: `coord completions bash > ~/.local/share/bash-completion/completions/coord`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for `command`, the whole command tree.
///
/// # Errors
/// When standard output cannot be written to.
pub fn run(args: &Args, mut command: Command, ui: &Ui) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "coord", &mut script);
    ui.bytes(&script)
}
