//! The events of a run: one line of JSON each, the same in the log, on the wire and in a watcher's hands.
//!
//! A line is `{"n":7,"at":"…","event":{"kind":"text",…},"raw":{…}}`. `n` counts lines from 1 without a hole.
//! `event` is what `coord` understood; `raw` is the line the worker printed, to the letter, attached to the
//! first event made of it. A line of the worker that is no JSON is mostly an `output` event and is its own raw
//! text; one that neither form gives back to the letter carries its bytes in `raw_base64`.

use base64::Engine as _;
use coord_core::id::MessageId;
use coord_core::report::Verdict;
use coord_core::run::RunEnd;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::run::Receipt;

/// One event of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Its number.
    pub n: u64,
    /// When the shim wrote it, to the microsecond.
    #[serde(serialize_with = "microseconds")]
    pub at: Timestamp,
    /// What happened.
    pub event: EventKind,
    /// The worker's own line, where it is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Box<RawValue>>,
    /// The worker's own line, where neither `raw` nor the event's text is it to the letter: it is not UTF-8, or
    /// only a part of it is the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_base64: Option<String>,
}

impl Event {
    /// The line that the worker printed, without its line end; `None` for what did not come from the worker.
    #[must_use]
    pub fn raw_line(&self) -> Option<Vec<u8>> {
        if let Some(raw) = &self.raw {
            return Some(raw.get().as_bytes().to_vec());
        }
        if let Some(encoded) = &self.raw_base64 {
            return base64::engine::general_purpose::STANDARD.decode(encoded).ok();
        }
        match &self.event {
            EventKind::Output { text, .. } => Some(text.clone().into_bytes()),
            EventKind::Started { .. }
            | EventKind::Note { .. }
            | EventKind::Init { .. }
            | EventKind::Text { .. }
            | EventKind::Tool { .. }
            | EventKind::ToolResult { .. }
            | EventKind::Retry { .. }
            | EventKind::Limit { .. }
            | EventKind::Denial { .. }
            | EventKind::Result { .. }
            | EventKind::Status { .. }
            | EventKind::Stuck { .. }
            | EventKind::Leak { .. }
            | EventKind::LeftOut { .. }
            | EventKind::Question { .. }
            | EventKind::Answer { .. }
            | EventKind::Artifact { .. }
            | EventKind::Verdict(_)
            | EventKind::Message { .. }
            | EventKind::Receipt { .. }
            | EventKind::Held { .. }
            | EventKind::HandedBack { .. }
            | EventKind::Other
            | EventKind::Ended { .. } => None,
        }
    }
}

/// All six digits, as they are in the log: a line that is read and written again is the same line.
fn microseconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.6}"))
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventKind {
    /// The worker's process was started.
    Started {
        /// Its process id.
        pid: u32,
        /// The program and its arguments; prompts are not among them.
        argv: Vec<String>,
    },
    /// Something that coord itself has to say: a rescue, a stop, a setup step.
    Note {
        /// In a sentence.
        text: String,
    },
    /// The runtime introduced itself. It may do so at every turn.
    Init {
        /// Its session.
        session: String,
        /// The exact model.
        model: String,
    },
    /// The worker wrote text.
    Text {
        /// The text.
        text: String,
    },
    /// The worker called a tool.
    Tool {
        /// The call.
        id: String,
        /// The tool.
        name: String,
        /// What it is applied to, shortened: a path, a command.
        subject: String,
    },
    /// A tool answered.
    ToolResult {
        /// The call.
        id: String,
        /// Whether the tool calls it an error.
        is_error: bool,
        /// The answer, shortened.
        text: String,
    },
    /// The runtime will ask its model again.
    Retry {
        /// Which try failed, counting from 1.
        attempt: u32,
        /// How long it waits, in milliseconds.
        delay_ms: u64,
        /// Why.
        error: String,
    },
    /// A usage window is nearly or wholly exhausted.
    Limit {
        /// Whether requests are refused now; otherwise it is a warning.
        rejected: bool,
        /// Which window.
        window: String,
        /// When it opens again.
        until: Option<Timestamp>,
        /// The share of it that is used, where the runtime says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        utilization: Option<f64>,
    },
    /// The worker was denied something.
    Denial {
        /// The tool.
        tool: String,
        /// What it wanted, or why it was refused.
        reason: String,
    },
    /// The runtime closed a turn. There can be several; the last one counts.
    Result {
        /// Whether the runtime calls it an error.
        is_error: bool,
        /// The runtime's own word for it. Not to be relied on.
        subtype: String,
        /// Turns so far.
        turns: Option<u64>,
        /// Cost of this process so far, in US dollars.
        cost_usd: Option<f64>,
        /// The closing text.
        text: String,
    },
    /// The worker says how far it is, in its own words.
    Status {
        /// What it reported, or wrote behind `STATUS:`.
        text: String,
        /// How sure it is that it will succeed, from 0 to 1, where it said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confidence: Option<f64>,
    },
    /// The worker says it cannot go on.
    Stuck {
        /// What it reported, or wrote behind `STUCK:`.
        why: String,
    },
    /// The worker asks something that only a person can say.
    Question {
        /// Which question of this run it is, counting from 1.
        question: u32,
        /// What it wants to know.
        text: String,
        /// Answers to choose from; empty when any will do.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        options: Vec<String>,
    },
    /// Somebody answered a question.
    Answer {
        /// Which.
        question: u32,
        /// What they said.
        text: String,
    },
    /// The worker handed over a file that is to be kept; it lies under `artifacts` in the run's directory.
    Artifact {
        /// The file's name.
        name: String,
        /// How large it is.
        bytes: u64,
    },
    /// The worker says what it thinks of a change.
    Verdict(Verdict),
    /// Somebody has something to say to the worker.
    Message {
        /// Which message.
        message: MessageId,
        /// What they say.
        text: String,
    },
    /// How far a message has come.
    Receipt {
        /// Which message.
        message: MessageId,
        /// So far.
        receipt: Receipt,
    },
    /// A person took the worker's session over.
    Held {
        /// Who.
        who: String,
    },
    /// They handed it back.
    HandedBack {
        /// Who.
        who: String,
    },
    /// A line that is no event of the runtime.
    Output {
        /// Where it came from.
        stream: OutputStream,
        /// The line, without its line end.
        text: String,
    },
    /// Processes were found where none should be. How many in all is told by the run's end as well.
    Leak {
        /// What is wrong with them.
        what: Leak,
        /// How many there are.
        count: u64,
        /// The first of them.
        processes: Vec<LeakedProcess>,
    },
    /// Something that the worker printed is not in the log.
    LeftOut {
        /// Why not.
        why: LeftOut,
        /// How many whole lines are missing.
        lines: u64,
        /// How many bytes are missing, line ends not counted.
        bytes: u64,
    },
    /// The run is over. Always the last event.
    Ended {
        /// How.
        end: Box<RunEnd>,
    },
    /// Understood by nobody here; the raw line tells.
    #[serde(other)]
    Other,
}

/// What is wrong with processes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leak {
    /// They were there when the worker had ended of its own accord. They were ended.
    Outlived,
    /// They were killed and are still there.
    Stay,
    /// Said by a newer version.
    #[serde(other)]
    Unknown,
}

/// Why something that a worker printed is not in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// The line before is longer than it may be, and this is the rest of it.
    LongLine,
    /// The log is as large as it may be. It is said once when that happens, with nothing missing yet, and once at
    /// the end with all that is missing. Results, and what the worker says of its state, are in the log all the
    /// same.
    FullLog,
    /// Said by a newer version.
    #[serde(other)]
    Unknown,
}

/// A process that leaked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeakedProcess {
    /// Its process id.
    pub pid: u32,
    /// The beginning of its command line, without secrets.
    pub command: String,
}

/// Which of a worker's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One entry of the agent server's own feed, `GET /v1/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// Its number, counting from 1 for the life of this agent server's directory.
    pub n: u64,
    /// When.
    pub at: Timestamp,
    /// The run it is about.
    pub run: coord_core::id::RunId,
    /// The run's new state, in one word; `pushed` when its commits came to origin after its end.
    pub state: String,
    /// The outcome, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_line_comes_back_to_the_letter_and_a_newer_kind_is_no_error() {
        let raw = r#"{"b" : 1.0e2,  "a":"é\u00e9"}"#;
        let line = format!(
            r#"{{"n":3,"at":"2026-01-01T00:00:00Z","event":{{"kind":"dance","step":1}},"raw":{raw}}}"#
        );
        let event: Event = serde_json::from_str(&line).unwrap();
        assert_eq!(event.event, EventKind::Other);
        assert_eq!(event.raw_line().unwrap(), raw.as_bytes());
        assert!(serde_json::to_string(&event).unwrap().contains(raw));
    }

    #[test]
    fn a_line_that_is_read_and_written_again_is_the_same_line() {
        let line = r#"{"n":1,"at":"2026-01-01T00:00:00.120000Z","event":{"kind":"note","text":"hi"}}"#;
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
    }
}
