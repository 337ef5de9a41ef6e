//! The slash commands for Claude Code: files of ours among the user's own, and whose they are now.
//!
//! The last line of each says which version wrote it and what it wrote. What must hold: a file that anybody else
//! wrote or changed, or that a newer version wrote, is never replaced.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use crate::config::Config;
use crate::context::Context;

/// The version that writes them.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How the last line of a file of ours begins.
const MARK: &str = "<!-- coord:command ";

/// A slash command.
#[derive(Debug, Clone, Copy)]
pub struct SlashCommand {
    /// What is typed behind the slash.
    pub name: &'static str,
    text: &'static str,
}

/// All of them.
pub const ALL: [SlashCommand; 2] = [
    SlashCommand { name: "coordinator", text: include_str!("slash/coordinator.md") },
    SlashCommand { name: "board", text: include_str!("slash/board.md") },
];

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Missing,
    /// It is what this version would write.
    Current,
    /// An older version wrote it, or a build of this one.
    Outdated {
        /// Which.
        version: String,
    },
    /// A newer version wrote it.
    Newer {
        /// Which.
        version: String,
    },
    /// Somebody else wrote or changed it.
    Edited,
}

impl Standing {
    /// Whether it may be replaced by what this version writes.
    #[must_use]
    pub fn is_ours_to_write(&self) -> bool {
        match self {
            Self::Missing | Self::Outdated { .. } => true,
            Self::Current | Self::Newer { .. } | Self::Edited => false,
        }
    }
}

/// Where they belong: beside the configuration, or here when that is the one in `COORD_HOME`, which serves every
/// place.
#[must_use]
pub fn directory(config: &Config, cx: &Context) -> Utf8PathBuf {
    let beside = config.path.parent().filter(|it| *it != cx.home).unwrap_or(&cx.cwd);
    beside.join(".claude/commands")
}

/// How a file that is not ours makes room for one that is.
#[must_use]
pub fn anew(path: &Utf8Path) -> String {
    format!("mv {path} {path}.mine && coord init --claude")
}

impl SlashCommand {
    /// Its file in a directory of commands.
    #[must_use]
    pub fn path(&self, directory: &Utf8Path) -> Utf8PathBuf {
        directory.join(format!("{}.md", self.name))
    }

    /// Whose its file is.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn standing(&self, directory: &Utf8Path) -> io::Result<Standing> {
        match fs_err::read(self.path(directory)) {
            Ok(bytes) => Ok(standing(&String::from_utf8_lossy(&bytes), &self.file())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Missing),
            Err(error) => Err(error),
        }
    }

    /// Writes its file, whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, directory: &Utf8Path) -> io::Result<()> {
        fs_err::create_dir_all(directory)?;
        let mode = std::fs::Permissions::from_mode(0o644);
        let mut file = tempfile::Builder::new().permissions(mode).tempfile_in(directory)?;
        file.write_all(self.file().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.path(directory)).map_err(|error| error.error)?;
        Ok(())
    }

    fn file(&self) -> String {
        format!("{}{MARK}version={VERSION} hash={} -->\n", self.text, hash(self.text))
    }
}

/// Whose `found` is, where this version would write `ours`.
fn standing(found: &str, ours: &str) -> Standing {
    // git may have given it the line ends of another system.
    let found = found.replace("\r\n", "\n");
    if found == ours {
        return Standing::Current;
    }
    let marked = found.trim_end().rsplit_once('\n').and_then(|(text, last)| {
        let mark = last.strip_prefix(MARK)?.strip_suffix(" -->")?;
        let (version, hashed) = mark.strip_prefix("version=")?.split_once(" hash=")?;
        (hash(&format!("{text}\n")) == hashed).then(|| version.to_owned())
    });
    match marked {
        None => Standing::Edited,
        Some(version) if numbers(&version) > numbers(VERSION) => Standing::Newer { version },
        Some(version) => Standing::Outdated { version },
    }
}

/// The first twelve digits of the hash of a text.
fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|it| it.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn marked(text: &str, version: &str) -> String {
        format!("{text}{MARK}version={version} hash={} -->\n", hash(text))
    }

    #[test]
    fn whose_a_file_is_can_be_told() {
        let ours = ALL[1].file();
        let outdated = |version: &str| Standing::Outdated { version: version.to_owned() };
        assert_eq!(standing(&ours, &ours), Standing::Current);
        assert_eq!(standing(&ours.replace('\n', "\r\n"), &ours), Standing::Current);
        assert_eq!(standing(&marked("Older.\n", "0.0.9"), &ours), outdated("0.0.9"));
        assert_eq!(standing(&marked("Other.\n", VERSION), &ours), outdated(VERSION));
        let newer = Standing::Newer { version: "10.0.0".to_owned() };
        assert_eq!(standing(&marked("Newer.\n", "10.0.0"), &ours), newer);
        for edited in [
            ours.replace("once", "twice"),
            format!("{ours}One more line.\n"),
            marked("Older.\n", "0.0.9").replace("Older", "Mine"),
            "A command of my own.\n".to_owned(),
            String::new(),
        ] {
            assert_eq!(standing(&edited, &ours), Standing::Edited, "{edited}");
        }
    }

    /// The commands of coord in a text, with something for each word that stands for something.
    fn commands(text: &str) -> Vec<Vec<String>> {
        let spans = text.split('`').skip(1).step_by(2).filter(|it| it.starts_with("coord "));
        let filled = spans.map(|it| {
            let it = it.replace('\'', "").replace("TASK", "api#7").replace("REPO", "api");
            it.replace("NUMBER", "7").replace("RUN", "0123456789abcdef")
        });
        filled.map(|it| it.split_whitespace().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn every_command_in_them_is_one_that_coord_understands_and_asks_for_json() {
        for SlashCommand { name, text } in ALL {
            let commands = commands(text);
            assert!(!commands.is_empty(), "{name}");
            for command in commands {
                let parsed =
                    Cli::try_parse_from(&command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
                assert!(parsed.json, "{command:?}");
            }
        }
    }

    /// Claude Code runs what stands behind `!` and a backtick, attaches what stands behind `@`, and puts arguments in
    /// place of `$` and a digit.
    #[test]
    fn nothing_in_them_is_expanded_but_the_arguments() {
        for SlashCommand { name, text } in ALL {
            let rest = text.replace("$ARGUMENTS", "");
            assert!(!rest.contains(['$', '@']) && !rest.contains("!`"), "{name}");
        }
    }
}
