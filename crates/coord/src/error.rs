//! What a person or a program is told when a command comes to nothing: a kind, a message, what to do next,
//! and an exit code.

use std::process::ExitCode;

use serde::Serialize;

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// For programs.
    pub kind: ErrorKind,
    /// One sentence: what, and where.
    pub message: String,
    /// What to do next. A command in backticks can be run as it stands.
    pub hints: Vec<String>,
    /// What lies beneath, printed as a chain.
    #[source]
    pub source: Option<anyhow::Error>,
    /// The document that was printed tells it already; only the exit code is left to give.
    pub told: bool,
}

/// What kind of error it is. The exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The work was done and did not succeed.
    Failed,
    /// The command line does not make sense.
    Usage,
    /// There is no configuration where one is needed.
    ConfigMissing,
    /// The configuration cannot be used.
    ConfigInvalid,
    /// A name that stands for several things.
    Ambiguous,
    /// A repo that cannot be worked on: not a repo, empty, without origin.
    RepoUnusable,
    /// The runtime cannot be used on the machine.
    RuntimeUnusable,
    /// The wait was longer than allowed.
    TimedOut,
    /// There is no such task, run, repo, machine or file.
    NotFound,
    /// A gate, a claim, a limit or a lost race.
    Refused,
    /// A machine does not answer, or a port cannot be had.
    Unreachable,
    /// A token is missing or not accepted.
    Unauthorised,
    /// A bug in coord.
    Bug,
}

impl ErrorKind {
    /// The exit code, as documented in the README.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage
            | Self::ConfigMissing
            | Self::ConfigInvalid
            | Self::Ambiguous
            | Self::RepoUnusable
            | Self::RuntimeUnusable => 2,
            Self::TimedOut => 3,
            Self::NotFound => 4,
            Self::Refused => 5,
            Self::Unreachable => 6,
            Self::Unauthorised => 7,
            Self::Bug => 70,
        }
    }
}

impl From<ErrorKind> for ExitCode {
    fn from(kind: ErrorKind) -> Self {
        Self::from(kind.exit_code())
    }
}

impl CliError {
    /// An error of `kind`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), source: None, told: false }
    }

    /// The same, with something to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same, with what lies beneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same, when the document that was printed tells it already.
    #[must_use]
    pub fn said(mut self) -> Self {
        self.told = true;
        self
    }

    /// The message and everything beneath it, as one line. What a cause only repeats of the one above it is
    /// left out.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        for cause in self.source.iter().flat_map(|it| it.chain()) {
            let cause = cause.to_string();
            if !text.ends_with(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
        }
        one_line(&text)
    }
}

/// What other programs say in several lines, as one.
#[must_use]
pub fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|it| !it.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}
