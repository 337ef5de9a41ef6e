//! What can be wrong with a configuration: the file, the line, the key, and what to do about it.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::predecessor;
use crate::error::{CliError, ErrorKind};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("there is no configuration at {path}")]
    Missing {
        /// Where it was looked for.
        path: Utf8PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read the configuration")]
    Read {
        /// What the system said, with the path.
        #[source]
        source: io::Error,
    },
    /// It has a key that means nothing.
    #[error("{}: unknown key `{key}` at line {line}{}", place(path, within), suggestion(key, known))]
    UnknownKey {
        /// The file.
        path: Utf8PathBuf,
        /// The mapping it stands in; empty at the top.
        within: String,
        /// The key.
        key: String,
        /// Its line.
        line: usize,
        /// Every key that is known there.
        known: Vec<String>,
    },
    /// It has a key twice.
    #[error("{path}: the key `{key}` stands there a second time at line {line}")]
    DuplicateKey {
        /// The file.
        path: Utf8PathBuf,
        /// The key.
        key: String,
        /// The line of its second appearance.
        line: usize,
    },
    /// It is no YAML, or a value is not what its key takes.
    #[error("{path}: {what}{}", at_line(*line))]
    Malformed {
        /// The file.
        path: Utf8PathBuf,
        /// Key and problem.
        what: String,
        /// Its line, where one can be told.
        line: Option<usize>,
    },
    /// Every value is fine, but they do not fit together.
    #[error("{path}: {what}{}", at_line(*line))]
    Inconsistent {
        /// The file.
        path: Utf8PathBuf,
        /// What does not fit.
        what: String,
        /// Its line, where one can be told.
        line: Option<usize>,
        /// What to do about it.
        cure: String,
    },
}

impl ConfigError {
    /// What the parser found, in the words of this file.
    pub(super) fn from_parser(path: &Utf8Path, error: &serde_yaml::Error) -> Self {
        let line = error.location().map(|it| it.line());
        let said = error.to_string();
        let said = match error.location() {
            Some(at) => said.replace(&format!(" at line {} column {}", at.line(), at.column()), ""),
            None => said,
        };
        if let Some((before, after)) = said.split_once("unknown field `") {
            let mut quoted = after.split('`').step_by(2).map(str::to_owned);
            let key = quoted.next().unwrap_or_default();
            let known: Vec<String> = quoted.collect();
            let within = before.trim_end_matches(": ").to_owned();
            return Self::UnknownKey { path: path.to_owned(), within, key, line: line.unwrap_or(1), known };
        }
        Self::Malformed { path: path.to_owned(), what: said, line }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let kind = match &error {
            ConfigError::Missing { .. } => ErrorKind::ConfigMissing,
            ConfigError::Read { .. }
            | ConfigError::UnknownKey { .. }
            | ConfigError::DuplicateKey { .. }
            | ConfigError::Malformed { .. }
            | ConfigError::Inconsistent { .. } => ErrorKind::ConfigInvalid,
        };
        let described = "`coord config --schema` describes every key";
        let message = error.to_string();
        match error {
            ConfigError::Missing { .. } => Self::new(kind, message).hint("`coord init` writes one"),
            ConfigError::Read { source } => Self::new(kind, message)
                .because(source)
                .hint("`coord init --force` writes a new one and keeps a copy of the old"),
            ConfigError::UnknownKey { key, known, .. } if predecessor::is_key(&key) => Self::new(kind, message)
                .hint("it is a key of the predecessor: `coord init --yes --force` converts the file and keeps a copy of it")
                .hint(format!("known there: {}", known.join(", "))),
            ConfigError::UnknownKey { known, .. } => {
                Self::new(kind, message).hint(format!("known there: {}", known.join(", "))).hint(described)
            }
            ConfigError::DuplicateKey { key, .. } => {
                Self::new(kind, message).hint(format!("remove one of the two `{key}`")).hint(described)
            }
            ConfigError::Malformed { .. } => Self::new(kind, message).hint(described),
            ConfigError::Inconsistent { cure, .. } => Self::new(kind, message).hint(cure).hint(described),
        }
    }
}

/// The candidate that looks most like `word`, if any looks like it at all.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|it| (strsim::damerau_levenshtein(word, it), it));
    let (distance, best) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + word.len() / 3).then_some(best)
}

fn place(path: &Utf8Path, within: &str) -> String {
    if within.is_empty() { path.to_string() } else { format!("{path}: {within}") }
}

fn suggestion(key: &str, known: &[String]) -> String {
    nearest(key, known.iter().map(String::as_str))
        .map_or(String::new(), |it| format!("; did you mean `{it}`?"))
}

fn at_line(line: Option<usize>) -> String {
    line.map_or(String::new(), |it| format!(" (line {it})"))
}
