//! How a run ended, in a word with its facts. Decided by [`crate::classify`].

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a run ended. *Done* is one of many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Outcome {
    /// Commits ahead of the base, on origin, worktree clean, last result no error. For a test: exit 0.
    Done,
    /// Ended well with no commit.
    NoChange,
    /// Ended well, but left work uncommitted or stashed; it was rescued.
    Dirty,
    /// The worker says it cannot go on.
    Stuck {
        /// In its own words.
        why: String,
    },
    /// The model or a policy refused the work.
    Refused {
        /// What refused, and why.
        policy: String,
    },
    /// A usage window is exhausted.
    Limited {
        /// When it opens again, where the runtime said so.
        until: Option<Timestamp>,
    },
    /// Overload or network: the same again may work.
    Transient {
        /// What failed.
        cause: String,
    },
    /// The runtime is not logged in, or its credential is not accepted.
    Auth {
        /// What the runtime said.
        message: String,
    },
    /// The account has no credit left.
    Credit {
        /// What the runtime said.
        message: String,
    },
    /// The conversation outgrew the model.
    Context,
    /// A cap was reached: on turns, on money, or on what the run may use of its machine.
    Budget {
        /// Which.
        cap: String,
    },
    /// The answer was cut off at the output limit.
    Truncated,
    /// A watchdog stopped it.
    Timeout {
        /// Which wait was too long.
        phase: TimeoutPhase,
    },
    /// The worker failed and said so: a test command's exit status, an error result without a class.
    Failed {
        /// The exit status or the message.
        reason: String,
    },
    /// The worker's process died.
    Crashed {
        /// How.
        how: String,
    },
    /// Stopped in the middle by a signal that was not ours.
    Interrupted,
    /// Stopped because somebody asked, or taken out of the queue.
    Cancelled {
        /// Why, where it was not a person's word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nobody saw the end.
    Lost {
        /// What is known.
        reason: String,
    },
    /// The work is committed here but not on origin.
    PushFailed {
        /// What git said.
        reason: String,
    },
    /// The worker never started.
    SetupFailed {
        /// Which step failed.
        step: String,
        /// What it said.
        reason: String,
    },
    /// Written by a newer version of coord.
    #[serde(other)]
    Unknown,
}

/// Which wait was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeoutPhase {
    /// Until the worker printed something.
    FirstOutput,
    /// Silent, with nothing going on.
    Idle,
    /// The whole run.
    Absolute,
}

impl fmt::Display for TimeoutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstOutput => "the worker never said anything",
            Self::Idle => "the worker was silent for too long and did nothing",
            Self::Absolute => "the run's deadline passed",
        })
    }
}

impl Outcome {
    /// Stopped because a person asked.
    pub const STOPPED: Self = Self::Cancelled { reason: None };

    /// Whether the worker failed at the task, rather than that something happened to it or that it was never let.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::NoChange
            | Self::Dirty
            | Self::Stuck { .. }
            | Self::Refused { .. }
            | Self::Context
            | Self::Budget { .. }
            | Self::Truncated
            | Self::Timeout { .. }
            | Self::Failed { .. }
            | Self::Crashed { .. } => true,
            Self::Done
            | Self::Limited { .. }
            | Self::Transient { .. }
            | Self::Auth { .. }
            | Self::Credit { .. }
            | Self::Interrupted
            | Self::Cancelled { .. }
            | Self::Lost { .. }
            | Self::PushFailed { .. }
            | Self::SetupFailed { .. }
            | Self::Unknown => false,
        }
    }

    /// Whether a run that ended like this was an attempt at its task: what an account or a network refused says
    /// nothing about the work.
    #[must_use]
    pub fn spends_attempt(&self) -> bool {
        match self {
            Self::Limited { .. } | Self::Transient { .. } | Self::Credit { .. } => false,
            Self::Done
            | Self::NoChange
            | Self::Dirty
            | Self::Stuck { .. }
            | Self::Refused { .. }
            | Self::Auth { .. }
            | Self::Context
            | Self::Budget { .. }
            | Self::Truncated
            | Self::Timeout { .. }
            | Self::Failed { .. }
            | Self::Crashed { .. }
            | Self::Interrupted
            | Self::Cancelled { .. }
            | Self::Lost { .. }
            | Self::PushFailed { .. }
            | Self::SetupFailed { .. }
            | Self::Unknown => true,
        }
    }

    /// The one word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NoChange => "no-change",
            Self::Dirty => "dirty",
            Self::Stuck { .. } => "stuck",
            Self::Refused { .. } => "refused",
            Self::Limited { .. } => "limited",
            Self::Transient { .. } => "transient",
            Self::Auth { .. } => "auth",
            Self::Credit { .. } => "credit",
            Self::Context => "context",
            Self::Budget { .. } => "budget",
            Self::Truncated => "truncated",
            Self::Timeout { .. } => "timeout",
            Self::Failed { .. } => "failed",
            Self::Crashed { .. } => "crashed",
            Self::Interrupted => "interrupted",
            Self::Cancelled { .. } => "cancelled",
            Self::Lost { .. } => "lost",
            Self::PushFailed { .. } => "push-failed",
            Self::SetupFailed { .. } => "setup-failed",
            Self::Unknown => "unknown",
        }
    }
}

/// The word, and what is known beyond it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Stuck { why: detail }
            | Self::Refused { policy: detail }
            | Self::Transient { cause: detail }
            | Self::Auth { message: detail }
            | Self::Credit { message: detail }
            | Self::Budget { cap: detail }
            | Self::Failed { reason: detail }
            | Self::Crashed { how: detail }
            | Self::Lost { reason: detail }
            | Self::PushFailed { reason: detail }
            | Self::Cancelled { reason: Some(detail) } => write!(f, ": {detail}"),
            Self::SetupFailed { step, reason } => write!(f, " at {step}: {reason}"),
            Self::Limited { until: Some(until) } => write!(f, " until {until}"),
            Self::Timeout { phase } => write!(f, ": {phase}"),
            Self::Done
            | Self::NoChange
            | Self::Dirty
            | Self::Limited { until: None }
            | Self::Context
            | Self::Truncated
            | Self::Interrupted
            | Self::Cancelled { reason: None }
            | Self::Unknown => Ok(()),
        }
    }
}

/// How a worker's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerExit {
    /// With a status of its own.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl fmt::Display for WorkerExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each that this version writes.
    fn outcomes() -> Vec<Outcome> {
        let text = || "x".to_owned();
        vec![
            Outcome::Done,
            Outcome::NoChange,
            Outcome::Dirty,
            Outcome::Stuck { why: text() },
            Outcome::Refused { policy: text() },
            Outcome::Limited { until: None },
            Outcome::Transient { cause: text() },
            Outcome::Auth { message: text() },
            Outcome::Credit { message: text() },
            Outcome::Context,
            Outcome::Budget { cap: text() },
            Outcome::Truncated,
            Outcome::Timeout { phase: TimeoutPhase::Idle },
            Outcome::Failed { reason: text() },
            Outcome::Crashed { how: text() },
            Outcome::Interrupted,
            Outcome::STOPPED,
            Outcome::Lost { reason: text() },
            Outcome::PushFailed { reason: text() },
            Outcome::SetupFailed { step: text(), reason: text() },
        ]
    }

    #[test]
    fn the_word_that_is_shown_is_the_word_that_is_written() {
        for outcome in outcomes() {
            assert_eq!(serde_json::to_value(&outcome).unwrap()["kind"], outcome.as_str());
            assert!(outcome.to_string().starts_with(outcome.as_str()));
        }
    }

    /// A ceiling on failures that counted what spends no attempt would be reached by waiting.
    #[test]
    fn whatever_is_a_failure_spends_an_attempt() {
        for outcome in outcomes() {
            assert!(!outcome.is_failure() || outcome.spends_attempt(), "{outcome}");
        }
    }

    #[test]
    fn a_person_is_told_all_that_is_known_of_how_it_ended() {
        let text = || "no key".to_owned();
        let until = Some("2026-03-01T23:30:00Z".parse().unwrap());
        for (outcome, told) in [
            (Outcome::Done, "done"),
            (Outcome::Stuck { why: text() }, "stuck: no key"),
            (Outcome::STOPPED, "cancelled"),
            (Outcome::Cancelled { reason: Some(text()) }, "cancelled: no key"),
            (Outcome::Limited { until: None }, "limited"),
            (Outcome::Limited { until }, "limited until 2026-03-01T23:30:00Z"),
            (
                Outcome::SetupFailed { step: "fetch".to_owned(), reason: text() },
                "setup-failed at fetch: no key",
            ),
            (
                Outcome::Timeout { phase: TimeoutPhase::FirstOutput },
                "timeout: the worker never said anything",
            ),
            (
                Outcome::Timeout { phase: TimeoutPhase::Idle },
                "timeout: the worker was silent for too long and did nothing",
            ),
            (Outcome::Timeout { phase: TimeoutPhase::Absolute }, "timeout: the run's deadline passed"),
        ] {
            assert_eq!(outcome.to_string(), told);
        }
        assert_eq!(WorkerExit::Code(2).to_string(), "exit status 2");
        assert_eq!(WorkerExit::Signal(9).to_string(), "signal 9");
    }
}
