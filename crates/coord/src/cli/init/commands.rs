//! `coord init --claude`: the slash commands, as far as they are ours to write.

use serde::Serialize;

use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::slash::{self, SlashCommand, Standing};

/// What became of a slash command.
#[derive(Debug, Serialize)]
pub(super) struct Installed {
    /// What is typed.
    command: String,
    path: String,
    /// `written`, `current`, or `left-alone` for one that is not ours to write.
    state: &'static str,
    /// Why it was left alone, and what to do about it.
    note: Option<String>,
}

impl Installed {
    pub(super) fn sentence(&self) -> String {
        let Self { command, path, state, note } = self;
        match note {
            Some(note) => format!("left alone {path}: {note}"),
            None if *state == "current" => format!("{path} is up to date"),
            None => format!("wrote {path}: type `{command}` in Claude Code"),
        }
    }
}

/// Writes those that are missing or outdated.
pub(super) fn install(cx: &Context) -> Result<Vec<Installed>, CliError> {
    let directory = slash::directory(&cx.config()?, cx);
    let failed = |error: std::io::Error| {
        CliError::new(ErrorKind::Failed, "cannot write the slash commands")
            .because(error)
            .hint(format!("`ls -ld {directory}` shows who may write there"))
    };
    let install = |command: SlashCommand| {
        let standing = command.standing(&directory).map_err(failed)?;
        if standing.is_ours_to_write() {
            command.write(&directory).map_err(failed)?;
        }
        let path = command.path(&directory);
        let (state, note) = match standing {
            Standing::Missing | Standing::Outdated { .. } => ("written", None),
            Standing::Current => ("current", None),
            Standing::Newer { version } => {
                ("left-alone", Some(format!("coord {version} wrote it, which is newer")))
            }
            Standing::Edited => {
                let note = format!("it was written or edited by hand; `{}`", slash::anew(&path));
                ("left-alone", Some(note))
            }
        };
        Ok(Installed { command: format!("/{}", command.name), path: path.to_string(), state, note })
    };
    slash::ALL.into_iter().map(install).collect()
}
