//! What a model says, and how it fails to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Request;
use crate::hold::Hold;

/// One reply of a scripted model, or one way of not giving it.
#[derive(Debug, Clone)]
pub struct Step {
    pub(super) act: Act,
    pub(super) headers: Vec<(String, String)>,
    pub(super) hold: Option<Hold>,
    pub(super) delay: Duration,
    endless: bool,
}

#[derive(Clone)]
pub(super) enum Act {
    Message(Message),
    /// The stream starts and its connection is cut before the message is whole.
    Truncated(Message),
    /// The stream starts and ends in an `error` event.
    StreamError {
        status: u16,
        message: String,
    },
    Error {
        status: u16,
        message: String,
    },
    /// The connection is cut before a byte of an answer.
    Drop,
    Stall,
    Compute(Arc<dyn Fn(&Request) -> Step + Send + Sync>),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    pub(super) blocks: Vec<Block>,
    pub(super) stop: Option<String>,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

#[derive(Debug, Clone)]
pub(super) enum Block {
    Text(String),
    Tool { name: String, input: Value },
}

/// A reply with one text.
#[must_use]
pub fn say(text: &str) -> Step {
    let blocks = vec![Block::Text(text.into())];
    Step::new(Act::Message(Message { blocks, stop: None, input_tokens: 100, output_tokens: 20 }))
}

/// A reply that calls one tool.
#[must_use]
pub fn tool(name: &str, input: Value) -> Step {
    let blocks = vec![Block::Tool { name: name.into(), input }];
    Step::new(Act::Message(Message { blocks, stop: None, input_tokens: 100, output_tokens: 20 }))
}

/// Runs a shell command.
#[must_use]
pub fn bash(command: &str) -> Step {
    tool("Bash", json!({ "command": command, "description": "run a command" }))
}

/// Writes a file; claude wants an absolute path, or one it can resolve from its directory.
#[must_use]
pub fn write(path: &str, content: &str) -> Step {
    tool("Write", json!({ "file_path": path, "content": content }))
}

/// Replaces a text in a file that was read before.
#[must_use]
pub fn edit(path: &str, old: &str, new: &str) -> Step {
    tool("Edit", json!({ "file_path": path, "old_string": old, "new_string": new }))
}

/// Reads a file.
#[must_use]
pub fn read(path: &str) -> Step {
    tool("Read", json!({ "file_path": path }))
}

/// Starts a subagent, whose requests are scripted with [`Model::on_subagent`](super::Model::on_subagent).
#[must_use]
pub fn agent(prompt: &str) -> Step {
    let input =
        json!({ "description": "a part of it", "prompt": prompt, "subagent_type": "general-purpose" });
    tool("Agent", input)
}

/// A step that is made from the request it answers, to branch on what a tool gave back.
pub fn compute(make: impl Fn(&Request) -> Step + Send + Sync + 'static) -> Step {
    Step::new(Act::Compute(Arc::new(make)))
}

/// An HTTP error with the type that the API gives to this status.
#[must_use]
pub fn error(status: u16, message: &str) -> Step {
    Step::new(Act::Error { status, message: message.into() })
}

/// The answer when a subscription's usage window is spent. The CLI reports the reset time as a
/// `rate_limit_event` only when it was started with `CLAUDE_CODE_OAUTH_TOKEN`.
#[must_use]
pub fn over_limit(resets_at: Timestamp) -> Step {
    error(429, "This request would exceed your account's rate limit. Please try again later.")
        .limit("rejected", resets_at)
        .header("retry-after", "3600")
}

/// A reply whose connection is cut in the middle of `text`.
#[must_use]
pub fn truncated(text: &str) -> Step {
    let blocks = vec![Block::Text(text.into())];
    Step::new(Act::Truncated(Message { blocks, stop: None, input_tokens: 100, output_tokens: 20 }))
}

/// A stream that begins and then carries an error of the type that the API gives to `status`.
#[must_use]
pub fn stream_error(status: u16, message: &str) -> Step {
    Step::new(Act::StreamError { status, message: message.into() })
}

/// No answer at all, on a connection that is cut.
#[must_use]
pub fn drop_connection() -> Step {
    Step::new(Act::Drop)
}

/// No answer at all, on a connection that stays open until the worker gives up.
#[must_use]
pub fn stall() -> Step {
    Step::new(Act::Stall)
}

impl Step {
    fn new(act: Act) -> Self {
        Self { act, headers: Vec::new(), hold: None, delay: Duration::ZERO, endless: false }
    }

    /// Adds a tool call to a reply: `say("on it").then(bash("make"))`.
    ///
    /// # Panics
    /// When either of the two is not a reply.
    #[must_use]
    pub fn then(mut self, more: Self) -> Self {
        match (&mut self.act, more.act) {
            (Act::Message(message), Act::Message(more)) => message.blocks.extend(more.blocks),
            (act, more) => panic!("only replies can be joined, not {act:?} and {more:?}"),
        }
        self
    }

    /// Ends the reply for a reason of its own, such as `max_tokens`; otherwise it follows from the reply.
    ///
    /// # Panics
    /// When the step is not a reply.
    #[must_use]
    pub fn stop(mut self, reason: &str) -> Self {
        self.message().stop = Some(reason.into());
        self
    }

    /// What the reply says it used; otherwise 100 tokens in and 20 out.
    ///
    /// # Panics
    /// When the step is not a reply.
    #[must_use]
    pub fn usage(mut self, input_tokens: u64, output_tokens: u64) -> Self {
        let message = self.message();
        message.input_tokens = input_tokens;
        message.output_tokens = output_tokens;
        self
    }

    fn message(&mut self) -> &mut Message {
        match &mut self.act {
            Act::Message(message) | Act::Truncated(message) => message,
            other @ (Act::StreamError { .. }
            | Act::Error { .. }
            | Act::Drop
            | Act::Stall
            | Act::Compute(_)) => {
                panic!("{other:?} is not a reply")
            }
        }
    }

    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds what the API says about the five-hour window of a subscription: `status` is `allowed`,
    /// `allowed_warning` (nine tenths are used) or `rejected`.
    #[must_use]
    pub fn limit(self, status: &str, resets_at: Timestamp) -> Self {
        let reset = resets_at.as_second().to_string();
        let step = self
            .header("anthropic-ratelimit-unified-status", status)
            .header("anthropic-ratelimit-unified-reset", &reset)
            .header("anthropic-ratelimit-unified-representative-claim", "five_hour");
        if status == "allowed_warning" {
            step.header("anthropic-ratelimit-unified-5h-utilization", "0.92")
                .header("anthropic-ratelimit-unified-5h-reset", &reset)
                .header("anthropic-ratelimit-unified-5h-surpassed-threshold", "0.9")
        } else {
            step
        }
    }

    /// Answers only once the hold is released.
    #[must_use]
    pub fn held(mut self, hold: &Hold) -> Self {
        self.hold = Some(hold.clone());
        self
    }

    /// Answers only after a while, for tests of what a watchdog measures.
    #[must_use]
    pub fn delayed(mut self, by: Duration) -> Self {
        self.delay = by;
        self
    }

    /// Answers every further request too. It may go unplayed.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.endless = true;
        self
    }

    pub(super) fn is_endless(&self) -> bool {
        self.endless
    }

    /// The step that answers `request`, once what is computed has been.
    pub(super) fn resolved(self, request: &Request) -> Self {
        match self.act {
            Act::Compute(make) => {
                let mut step = make(request).resolved(request);
                step.headers.extend(self.headers);
                step.hold = step.hold.or(self.hold);
                step.delay += self.delay;
                step
            }
            Act::Message(_)
            | Act::Truncated(_)
            | Act::StreamError { .. }
            | Act::Error { .. }
            | Act::Drop
            | Act::Stall => self,
        }
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => write!(f, "reply {:?}", message.blocks),
            Self::Truncated(message) => write!(f, "truncated {:?}", message.blocks),
            Self::StreamError { status, .. } => write!(f, "stream error {status}"),
            Self::Error { status, .. } => write!(f, "error {status}"),
            Self::Drop => f.write_str("dropped connection"),
            Self::Stall => f.write_str("stall"),
            Self::Compute(_) => f.write_str("computed step"),
        }
    }
}
