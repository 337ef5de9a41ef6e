//! What each runtime can do: its command line, what it reads, how it is interrupted, and what its output
//! means.
//!
//! A reader of output is fed line by line and makes normalised events of what it understands. What must
//! hold: only what the runtime itself says counts. Text that a worker read in a file, or that a tool
//! printed, is never a result, a status or a call for help, whatever it looks like.
//!
//! Deliberately absent: processes. [`crate::shim`] runs what is described here.

use std::collections::BTreeMap;

use coord_core::classify::StreamFacts;
use coord_core::name::RuntimeName;
use coord_core::run::RuntimeReport;
use coord_proto::event::{EventKind, OutputStream};

use crate::order::Order;

mod claude;
mod script;

/// A kind of program that does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Claude Code, without a terminal.
    Claude,
    /// The first `sh` block of the task's text, for demonstrations and for trying out a fleet without a model.
    Script,
    /// One command line, which is how tests are run.
    Command,
}

/// How a worker is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads before the end of its input.
    pub stdin: String,
    /// The whole of its environment.
    pub environment: BTreeMap<String, String>,
}

/// An order that cannot be carried out, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unlaunchable(String);

/// What kind of line was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One JSON value from its first byte to its last.
    Json,
    /// Anything else.
    Text,
}

impl Runtime {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Claude, Self::Script, Self::Command];

    /// The runtime of this name.
    #[must_use]
    pub fn named(name: &RuntimeName) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name.as_str())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Script => "script",
            Self::Command => "command",
        }
    }

    /// How the worker of `order` is started. The prompt goes to its standard input and never on the command line.
    ///
    /// # Errors
    /// When the order lacks what this runtime needs.
    pub fn launch(self, order: &Order) -> Result<Launch, Unlaunchable> {
        let mut launch = match self {
            Self::Claude => claude::launch(order),
            Self::Script => script::launch(order)?,
            Self::Command => {
                let command = order.spec.command.clone();
                let command = command.ok_or_else(|| Unlaunchable("the order names no command".to_owned()))?;
                shell(order, command)
            }
        };
        unattended(&mut launch.environment);
        Ok(launch)
    }

    /// Makes sense of the worker's output.
    #[must_use]
    pub fn reader(self) -> Reader {
        match self {
            Self::Claude => Reader::Claude(Box::default()),
            Self::Script => Reader::Script(script::Reader::default()),
            Self::Command => Reader::Command,
        }
    }

    /// Whether an interrupt makes it finish in good order, which is then tried before it is terminated.
    #[must_use]
    pub fn takes_interrupt(self) -> bool {
        match self {
            Self::Claude => true,
            Self::Script | Self::Command => false,
        }
    }
}

/// How a command line of the configuration is started.
pub(crate) fn shell(order: &Order, command: String) -> Launch {
    let mut environment = order.environment.clone();
    unattended(&mut environment);
    Launch { argv: vec!["sh".to_owned(), "-c".to_owned(), command], stdin: String::new(), environment }
}

/// Nobody is there to answer a question, to use an editor or to turn a page.
fn unattended(environment: &mut BTreeMap<String, String>) {
    for (name, value) in
        [("GIT_TERMINAL_PROMPT", "0"), ("GIT_EDITOR", "true"), ("GIT_PAGER", "cat"), ("PAGER", "cat")]
    {
        environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
}

/// Makes normalised events of a worker's output, line by line.
#[derive(Debug)]
pub enum Reader {
    /// Of Claude Code.
    Claude(Box<claude::Reader>),
    /// Of a script.
    Script(script::Reader),
    /// Of a command: every line is output.
    Command,
}

impl Reader {
    /// Adds what `line` means to `events`: at least one event.
    pub fn line(&mut self, stream: OutputStream, line: &str, events: &mut Vec<EventKind>) -> Shape {
        match (self, stream) {
            (Self::Claude(reader), OutputStream::Stdout) => reader.line(line, events),
            (Self::Script(reader), OutputStream::Stdout) => reader.line(line, events),
            (
                Self::Claude(_) | Self::Script(_) | Self::Command,
                OutputStream::Stdout | OutputStream::Stderr,
            ) => {
                events.push(EventKind::Output { stream, text: line.to_owned() });
                Shape::Text
            }
        }
    }

    /// What is to be said about the stream as a whole, once it has been read to its end.
    #[must_use]
    pub fn finish(self) -> (StreamFacts, RuntimeReport) {
        match self {
            Self::Claude(reader) => reader.finish(),
            Self::Script(reader) => reader.finish(),
            Self::Command => (StreamFacts::default(), RuntimeReport::default()),
        }
    }
}

/// The worker's own words: the text, and what it says about its progress at the start of a line.
fn words(text: String, stuck: &mut Option<String>, events: &mut Vec<EventKind>) {
    let mut said = Vec::new();
    for line in text.lines() {
        if let Some(status) = line.strip_prefix("STATUS:") {
            said.push(EventKind::Status { text: shorten(status.trim(), 500) });
        } else if let Some(why) = line.strip_prefix("STUCK:") {
            let why = shorten(why.trim(), 500);
            *stuck = Some(why.clone());
            said.push(EventKind::Stuck { why });
        }
    }
    events.push(EventKind::Text { text });
    events.append(&mut said);
}

/// At most `limit` characters of `text`, and a sign where some are missing.
fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_found_by_its_name_and_no_other() {
        for runtime in Runtime::ALL {
            assert_eq!(Runtime::named(&runtime.as_str().parse().unwrap()), Some(runtime));
        }
        assert_eq!(Runtime::named(&"cobol".parse().unwrap()), None);
    }

    #[test]
    fn progress_is_told_at_the_start_of_a_line_only() {
        let (mut stuck, mut events) = (None, Vec::new());
        let text = "STATUS: reading\nI will not say STUCK: here\n STATUS: indented\nSTUCK: no key";
        words(text.to_owned(), &mut stuck, &mut events);
        assert_eq!(stuck.as_deref(), Some("no key"));
        assert_eq!(
            events,
            [
                EventKind::Text { text: text.to_owned() },
                EventKind::Status { text: "reading".to_owned() },
                EventKind::Stuck { why: "no key".to_owned() },
            ]
        );
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöü!", 3), "äöü…");
    }
}
