//! Whether the slash commands for Claude Code are those of this version, where there are any.

use camino::Utf8Path;

use super::Check;
use crate::config::Config;
use crate::context::Context;
use crate::slash::{self, SlashCommand, Standing};

/// Nothing is said of commands that nobody has asked for.
pub(super) fn checks(cx: &Context, config: &Config) -> Vec<Check> {
    let directory = slash::directory(config, cx);
    let any = slash::ALL.iter().any(|it| !matches!(it.standing(&directory), Ok(Standing::Missing)));
    let all = slash::ALL.iter().filter(|_| any);
    all.map(|it| look(it, &directory)).collect()
}

fn look(command: &SlashCommand, directory: &Utf8Path) -> Check {
    let subject = format!("/{}", command.name);
    let path = command.path(directory);
    let refresh = "coord doctor --fix";
    match command.standing(directory) {
        Ok(Standing::Current) => Check::ok(subject, path.as_str()),
        Ok(Standing::Missing) => Check::warn(subject, format!("{path} is missing"), refresh),
        Ok(Standing::Outdated { version }) => Check::warn(
            subject,
            format!("{path} is what coord {version} wrote, and not what this one does"),
            refresh,
        ),
        Ok(Standing::Newer { version }) => {
            let seen = format!("{path} was written by coord {version}, which is newer than this one");
            Check::warn(subject, seen, "install that version here as well")
        }
        Ok(Standing::Edited) => {
            let seen = format!("{path} was written or edited by hand, and is left alone");
            Check::warn(subject, seen, slash::anew(&path))
        }
        Err(error) => Check::warn(subject, error.to_string(), format!("ls -l {path}")),
    }
}
