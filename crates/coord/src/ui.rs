//! The only voice of the program: data to standard output, talk to standard error, colour only where somebody
//! can see it, one document with `--json`, and silence when the reader has gone away.

pub mod live;
pub mod when;

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::error::{CliError, ErrorKind};

/// Where a command's words go.
#[derive(Debug)]
pub struct Ui {
    json: bool,
    colour: bool,
    live: bool,
}

/// Something that people should hear of although nothing failed by it, from wherever it came up.
pub fn notice(text: &str) {
    eprint_line(&crate::error::one_line(text));
}

/// What could be done next; part of every `--json` document.
#[derive(Debug, Clone, Serialize)]
pub struct Next {
    /// A command that can be run as it stands.
    pub command: String,
    /// What for.
    pub why: String,
}

impl Next {
    /// A suggestion.
    pub fn new(command: impl Into<String>, why: impl Into<String>) -> Self {
        Self { command: command.into(), why: why.into() }
    }
}

/// A meaning that colour may carry beside the word, never instead of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// It did not.
    Bad,
    /// It needs somebody.
    Attention,
    /// It matters less.
    Faint,
    /// It matters more.
    Strong,
}

#[derive(Serialize)]
struct Document<'a, T: Serialize> {
    ok: bool,
    data: &'a T,
    next: &'a [Next],
}

#[derive(Serialize)]
struct Failure<'a> {
    ok: bool,
    error: FailureBody<'a>,
}

#[derive(Serialize)]
struct FailureBody<'a> {
    kind: ErrorKind,
    message: String,
    hints: &'a [String],
}

impl Ui {
    /// A voice for a command. `no_colour` is what the environment says (`NO_COLOR`).
    #[must_use]
    pub fn new(json: bool, no_colour: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { json, colour: terminal && !no_colour, live: std::io::stderr().is_terminal() && !json }
    }

    /// Whether the command is to print one document for programs.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether talk may be redrawn in place.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// `text` in the colour of its meaning.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: impl std::fmt::Display) -> String {
        if !self.colour {
            return text.to_string();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Attention => "33",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The result of a command: a document for programs, or `human` for people, and what could be done next.
    ///
    /// # Errors
    /// When standard output cannot be written to, other than because its reader has gone.
    pub fn finish<T: Serialize>(&self, data: &T, human: &str, next: &[Next]) -> Result<(), CliError> {
        if self.json {
            return self.document(&Document { ok: true, data, next });
        }
        self.data(human)?;
        if human.trim_end().contains('\n') && !next.is_empty() {
            self.talk("");
        }
        for next in next {
            self.talk(&format!(
                "{} {}",
                self.paint(Tone::Strong, &next.command),
                self.paint(Tone::Faint, format!("# {}", next.why))
            ));
        }
        Ok(())
    }

    /// One document on a line of its own.
    ///
    /// # Errors
    /// When standard output cannot be written to.
    pub fn document<T: Serialize>(&self, document: &T) -> Result<(), CliError> {
        let line = serde_json::to_string(document).map_err(|error| {
            CliError::new(ErrorKind::Bug, "cannot write a document as JSON").because(error)
        })?;
        self.data(&line)
    }

    /// Data for people or pipes, with a line end if it has none.
    ///
    /// # Errors
    /// When standard output cannot be written to.
    pub fn data(&self, text: &str) -> Result<(), CliError> {
        if text.is_empty() {
            return Ok(());
        }
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.bytes(format!("{text}{end}").as_bytes())
    }

    /// Data as it is.
    ///
    /// # Errors
    /// When standard output cannot be written to.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| {
            CliError::new(ErrorKind::Failed, "cannot write to standard output").because(error)
        })
    }

    /// Talk: progress and remarks, for people only. Losing it loses nothing.
    pub fn talk(&self, text: &str) {
        if !self.json {
            eprint_line(text);
        }
    }

    /// An error, once, with its whole chain and what to do next.
    pub fn error(&self, error: &CliError) {
        if error.told || is_closed_pipe(error) {
            return;
        }
        if self.json {
            let body = FailureBody { kind: error.kind, message: error.chain(), hints: &error.hints };
            if self.document(&Failure { ok: false, error: body }).is_ok() {
                return;
            }
        }
        eprint_line(&format!("error: {}", error.chain()));
        for hint in &error.hints {
            eprint_line(&format!("hint: {hint}"));
        }
    }
}

/// Whether the error is only that the reader of our output has gone.
#[must_use]
pub fn is_closed_pipe(error: &CliError) -> bool {
    error.source.as_ref().is_some_and(|source| {
        source.chain().any(|it| {
            it.downcast_ref::<std::io::Error>().is_some_and(|it| it.kind() == std::io::ErrorKind::BrokenPipe)
        })
    })
}

fn eprint_line(text: &str) {
    // Nobody is left to tell when standard error cannot be written to.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
