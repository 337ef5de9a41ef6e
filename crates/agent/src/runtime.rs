//! What each runtime can do: its command line, what it reads, how it is interrupted, and what its output
//! means.
//!
//! A runtime is one file below this one and one line of [`ALL`]; nothing else knows its name. What it takes from the
//! configuration, how its program is found and what the command line offers follow from what it says here.
//!
//! A reader of output is fed line by line and makes normalised events of what it understands. What must
//! hold: only what the runtime itself says counts. Text that a worker read in a file, or that a tool
//! printed, is never a result, a status or a call for help, whatever it looks like.
//!
//! Deliberately absent: processes. [`crate::shim`] runs what is described here.

use std::collections::BTreeMap;
use std::fmt::Debug;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::classify::StreamFacts;
use coord_core::id::MessageId;
use coord_core::name::{AccountName, RuntimeName};
use coord_core::outcome::WorkerExit;
use coord_core::run::{RunKind, RuntimeReport};
use coord_proto::event::{EventKind, OutputStream};
use coord_proto::run::RunSpec;

use crate::order::{Order, RuntimeConfig, TakeOver};

mod account;
mod claude;
mod codex;
mod command;
mod gemini;
mod json;
mod opencode;
mod script;
pub mod template;

/// All there are.
pub const ALL: &[&dyn Runtime] = &[
    &claude::Claude,
    &codex::Codex,
    &gemini::Gemini,
    &opencode::OpenCode,
    &script::Script,
    &command::Command,
];

/// The runtime of this name.
#[must_use]
pub fn named(name: &RuntimeName) -> Option<&'static dyn Runtime> {
    ALL.iter().copied().find(|it| it.name() == name.as_str())
}

/// A kind of program that does the work.
pub trait Runtime: Debug + Sync {
    /// What it is called in the configuration and on the command line: a [`RuntimeName`].
    fn name(&self) -> &'static str;

    /// What it is, in a sentence.
    fn about(&self) -> &'static str;

    /// What it takes from `runtimes.<name>`, with the values of keys that nobody set. A key that it has no use for
    /// is `None`, and refused.
    fn settings(&self) -> RuntimeConfig;

    /// Whether it does tasks, configured like this.
    fn does_tasks(&self, _config: &RuntimeConfig) -> bool {
        true
    }

    /// Whether the models that `models` names are its own.
    fn has_our_models(&self) -> bool {
        false
    }

    /// The program that a run needs: a name or a path.
    ///
    /// # Errors
    /// When the run or the configuration lacks what this runtime needs.
    fn program<'a>(&self, _spec: &'a RunSpec, config: &'a RuntimeConfig) -> Result<&'a str, Unlaunchable> {
        Ok(config.program.as_deref().unwrap_or(self.name()))
    }

    /// Where it keeps its login and its sessions, by the environment that it sees: what a confined worker is shown of
    /// a home all the same, and may write.
    fn state(&self, _environment: &BTreeMap<String, String>) -> Vec<Utf8PathBuf> {
        Vec::new()
    }

    /// How the worker of `order` is started. The prompt never goes on the command line.
    ///
    /// # Errors
    /// When the order lacks what this runtime needs.
    fn launch(&self, order: &Order) -> Result<Launch, Unlaunchable>;

    /// Makes sense of what a worker in a run of this kind writes to its standard output.
    fn reader(&self, kind: RunKind) -> Box<dyn Reader>;

    /// Whether it ends after the turn in which it has cost what it may, and tells what that was.
    fn keeps_to_budget(&self) -> bool {
        false
    }

    /// What authenticates a worker that sees this environment, by a name that tells nothing of the secret and is the
    /// same wherever that is used; `None` where nothing does, or nobody can tell.
    fn account(&self, _environment: &BTreeMap<String, String>) -> Option<AccountName> {
        None
    }

    /// Where it keeps the transcript of a session that works in `worktree`; `None` where it keeps none that could be
    /// moved.
    fn transcript(
        &self,
        _environment: &BTreeMap<String, String>,
        _worktree: &Utf8Path,
        _session: &str,
    ) -> Option<Utf8PathBuf> {
        None
    }

    /// Whether its workers may have nothing to say for as long as they work.
    fn may_be_silent(&self) -> bool {
        false
    }

    /// How its program is asked about itself; `None` for what is nothing but a shell.
    fn inquiry(&self) -> Option<&'static Inquiry> {
        None
    }

    /// How a person goes on with this session of a worker of `order`; `None` where there is nothing to go on with.
    fn take_over(&self, _order: &Order, _session: &str) -> Option<TakeOver> {
        None
    }

    /// How its workers are spoken to while they work; `None` where they read their input once and no more.
    fn dialogue(&self) -> Option<Dialogue> {
        None
    }
}

/// How to speak to a worker that reads its input for as long as it works.
#[derive(Debug, Clone, Copy)]
pub struct Dialogue {
    /// What is written to its input to tell it something.
    pub message: fn(MessageId, &str) -> String,
    /// What is written to its input to end its turn in good order, before its input ends.
    pub interrupt: &'static str,
}

/// What a worker is at, as far as its output tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for its model.
    Model,
    /// A tool, an agent or a task of its own is at work; or it is nothing but a program.
    Tool,
    /// It has told its result, and nothing of its own is under way. It ought to end.
    Over,
}

/// How a program is asked about itself, and what a person does about the answers. It tells its version by `--version`.
#[derive(Debug)]
pub struct Inquiry {
    /// The command that installs it.
    pub install: &'static str,
    /// The command that logs a person in.
    pub log_in: &'static str,
    /// The variable of an API key, by which every token is billed.
    pub api_key: &'static str,
    /// Arguments by which it says as whom it is logged in; empty where it cannot.
    pub login: &'static [&'static str],
    /// What it said to that; `None` where that tells nothing.
    pub read_login: fn(&str) -> Option<Login>,
    /// The `permission_mode` in which nobody is asked about anything, outside of any sandbox.
    pub unguarded: Option<&'static str>,
    /// Whether it keeps to what a repo's `worker_permissions` allow and deny.
    pub heeds_rules: bool,
}

/// As whom a program is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// As nobody.
    Nobody,
    /// As this, in words.
    Somebody(String),
}

/// Makes normalised events of a worker's standard output, line by line.
pub trait Reader: Debug + Send {
    /// Adds what `line` means to `events`: at least one event.
    fn line(&mut self, line: &str, events: &mut Vec<EventKind>) -> Shape;

    /// What the worker is at, which decides how long it may be silent.
    fn phase(&self) -> Phase {
        Phase::Tool
    }

    /// Whether the worker has ended its turn and waits for its input, with no agent of its own at work.
    fn rests(&self) -> bool {
        false
    }

    /// Sees a line of its standard error, which is output whatever it says: a program that cannot begin says there why.
    fn complaint(&mut self, _: &str) {}

    /// What is to be said about the stream as a whole, once it has been read to its end and the worker has ended
    /// like this.
    fn finish(self: Box<Self>, exit: WorkerExit) -> (StreamFacts, RuntimeReport);
}

/// What lies `below` the home of an environment, or where a `variable` of it says instead.
fn places(
    environment: &BTreeMap<String, String>,
    variable: Option<&str>,
    below: &[&str],
) -> Vec<Utf8PathBuf> {
    if let Some(place) = variable.and_then(|it| environment.get(it)) {
        return vec![place.into()];
    }
    let home = environment.get("HOME").map(Utf8Path::new);
    home.iter().flat_map(|home| below.iter().map(|it| home.join(it))).collect()
}

/// How a worker is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads first, and all that it reads unless its runtime converses.
    pub stdin: String,
    /// The whole of its environment.
    pub environment: BTreeMap<String, String>,
    /// Files that have to be there before it starts, and what is in them. Nobody but its user may read them.
    pub files: Vec<(Utf8PathBuf, String)>,
}

impl Launch {
    /// With what every worker is told: nobody is there to answer a question, to use an editor or to turn a page.
    fn unattended(argv: Vec<String>, stdin: String, mut environment: BTreeMap<String, String>) -> Self {
        for (name, value) in
            [("GIT_TERMINAL_PROMPT", "0"), ("GIT_EDITOR", "true"), ("GIT_PAGER", "cat"), ("PAGER", "cat")]
        {
            environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        Self { argv, stdin, environment, files: Vec::new() }
    }

    /// A command line of the configuration.
    pub(crate) fn shell(order: &Order, command: String) -> Self {
        let argv = vec!["sh".to_owned(), "-c".to_owned(), command];
        Self::unattended(argv, String::new(), order.environment.clone())
    }
}

/// The model that a run asks for, or else the one that its runtime is configured with.
fn model(order: &Order) -> Option<&str> {
    let configured = order.runtime.model.as_deref().filter(|it| !it.is_empty());
    order.spec.model.as_deref().or(configured)
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

/// Reads what nobody makes sense of: every line is output.
#[derive(Debug, Default)]
pub(crate) struct Plain;

impl Reader for Plain {
    fn line(&mut self, line: &str, events: &mut Vec<EventKind>) -> Shape {
        events.push(EventKind::Output { stream: OutputStream::Stdout, text: line.to_owned() });
        Shape::Text
    }

    fn finish(self: Box<Self>, _: WorkerExit) -> (StreamFacts, RuntimeReport) {
        (StreamFacts::default(), RuntimeReport::default())
    }
}

/// The worker's own words: the text, and what it says about its progress at the start of a line.
fn words(text: String, stuck: &mut Option<String>, events: &mut Vec<EventKind>) {
    let mut said = Vec::new();
    for line in text.lines() {
        if let Some(status) = line.strip_prefix("STATUS:") {
            said.push(EventKind::Status { text: shorten(status.trim(), 500), confidence: None });
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
        for runtime in ALL {
            assert_eq!(named(&runtime.name().parse().unwrap()).unwrap().name(), runtime.name());
        }
        assert!(named(&"cobol".parse().unwrap()).is_none());
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
                EventKind::Status { text: "reading".to_owned(), confidence: None },
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
