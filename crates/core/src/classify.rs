//! The classifier: how a run ended, decided from three witnesses, the exit status, the last result event and
//! git.
//!
//! A worker's own words are a claim. `done` is what git says; everything else says what stood in the way.
//! In the event stream of Claude Code `subtype` alone means nothing: a failure of its model arrives as
//! `success` with `is_error` set, and an interrupted run exits with 0.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::limits::Limit;
use crate::outcome::{Outcome, TimeoutPhase, WorkerExit};
use crate::run::{GitFacts, RunKind};

/// Why coord itself ended the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// Somebody asked.
    Asked,
    /// It took too long.
    Overdue(TimeoutPhase),
    /// It had told its result, had nothing left to do, and did not end.
    Lingered,
    /// It used more of its machine than it may.
    OverLimit(Limit),
}

/// The classes of error that a runtime attaches to its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The credential is not accepted.
    AuthenticationFailed,
    /// The organisation may not use this login.
    OauthOrgNotAllowed,
    /// No credit.
    BillingError,
    /// A rate or usage limit.
    RateLimit,
    /// The model is overloaded.
    Overloaded,
    /// The request was malformed or too long.
    InvalidRequest,
    /// No such model.
    ModelNotFound,
    /// The model's server failed.
    ServerError,
    /// Cut off at the output limit.
    MaxOutputTokens,
    /// Anything else, now or in a later version.
    #[serde(other)]
    Unknown,
}

/// What the event stream said, once it has been read to its end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamFacts {
    /// The last result event; there may have been several.
    pub result: Option<ResultFacts>,
    /// The class of the last error attached to an answer.
    pub error: Option<ErrorClass>,
    /// The last usage window that was refused.
    pub rejected_until: Option<Option<Timestamp>>,
    /// The last `STUCK:` line in the worker's own words.
    pub stuck: Option<String>,
    /// Whether this runtime always ends with a result event when it ends well.
    pub result_expected: bool,
    /// Whether it got over an error before its result, of which its exit status tells all the same.
    pub overcame: bool,
}

/// The fields of a result event that decide.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResultFacts {
    /// The runtime calls it an error.
    pub is_error: bool,
    /// The HTTP status of the model's refusal, where there was one.
    pub api_status: Option<u16>,
    /// `error_max_turns`, `error_max_budget_usd`, …
    pub subtype: String,
    /// Why the loop ended: `prompt_too_long`, `aborted_tools`, …
    pub terminal_reason: Option<String>,
    /// Why the last answer ended: `end_turn`, `refusal`, `max_tokens`, …
    pub stop_reason: Option<String>,
    /// The closing text.
    pub text: String,
}

/// Decides how a run ended.
///
/// The order is the order of certainty: what we did ourselves, what killed the process, what the result
/// event says, and only then what git has to show.
#[must_use]
pub fn classify(
    kind: RunKind,
    exit: WorkerExit,
    stopped: Option<StopCause>,
    stream: &StreamFacts,
    git: &GitFacts,
    rescued: bool,
) -> Outcome {
    match stopped {
        Some(StopCause::Asked) => return Outcome::STOPPED,
        Some(StopCause::Overdue(phase)) => return Outcome::Timeout { phase },
        Some(StopCause::OverLimit(limit)) => {
            return Outcome::Budget { cap: format!("the limit of its machine on {limit}") };
        }
        Some(StopCause::Lingered) | None => {}
    }
    // How a process ends that had said all it had to say, and was told to go, is no news.
    let exit = if stopped == Some(StopCause::Lingered) { WorkerExit::Code(0) } else { exit };
    if !kind.is_agent_work() {
        return classify_command(exit);
    }
    if let Some(failure) = failure_of(exit, stream) {
        return failure;
    }
    classify_by_git(stream, git, rescued)
}

/// A test says what it has to say with its exit status, and nothing else.
fn classify_command(exit: WorkerExit) -> Outcome {
    match exit {
        WorkerExit::Code(0) => Outcome::Done,
        WorkerExit::Code(code @ (126 | 127)) => Outcome::SetupFailed {
            step: "command".to_owned(),
            reason: format!(
                "exit status {code}: a program that the command names is missing or not executable"
            ),
        },
        WorkerExit::Code(code) => Outcome::Failed { reason: format!("exit status {code}") },
        WorkerExit::Signal(signal) => Outcome::Crashed { how: format!("signal {signal}") },
    }
}

fn failure_of(exit: WorkerExit, stream: &StreamFacts) -> Option<Outcome> {
    let Some(result) = &stream.result else {
        return match exit {
            WorkerExit::Code(0) if stream.result_expected => {
                Some(Outcome::Crashed { how: "it exited with status 0 without a result".to_owned() })
            }
            WorkerExit::Code(0) => None,
            WorkerExit::Code(_) | WorkerExit::Signal(_) => Some(Outcome::Crashed { how: exit.to_string() }),
        };
    };
    if let Some(until) = stream.rejected_until
        && result.is_error
    {
        return Some(Outcome::Limited { until });
    }
    let ending = result.terminal_reason.as_deref().unwrap_or_default();
    if ending.starts_with("aborted") {
        return Some(Outcome::Interrupted);
    }
    if result.stop_reason.as_deref() == Some("refusal") {
        return Some(Outcome::Refused { policy: said(result, "the model refused") });
    }
    if result.is_error || result.subtype.starts_with("error") {
        return Some(error_class(result, stream.error));
    }
    match exit {
        WorkerExit::Code(0) => None,
        WorkerExit::Code(_) if stream.overcame => None,
        WorkerExit::Code(_) | WorkerExit::Signal(_) => {
            Some(Outcome::Crashed { how: format!("{exit} after a result that was no error") })
        }
    }
}

fn error_class(result: &ResultFacts, class: Option<ErrorClass>) -> Outcome {
    match result.subtype.as_str() {
        "error_max_turns" => return Outcome::Budget { cap: "the limit on turns".to_owned() },
        "error_max_budget_usd" => return Outcome::Budget { cap: "the limit on cost".to_owned() },
        _ => {}
    }
    if result.terminal_reason.as_deref() == Some("prompt_too_long") {
        return Outcome::Context;
    }
    match class {
        Some(ErrorClass::AuthenticationFailed | ErrorClass::OauthOrgNotAllowed) => {
            return Outcome::Auth { message: said(result, "the runtime is not logged in") };
        }
        Some(ErrorClass::BillingError) => {
            return Outcome::Credit { message: said(result, "the account has no credit") };
        }
        Some(ErrorClass::RateLimit) => return Outcome::Limited { until: None },
        Some(ErrorClass::Overloaded | ErrorClass::ServerError) => {
            return Outcome::Transient { cause: said(result, "the model's server failed") };
        }
        Some(ErrorClass::MaxOutputTokens) => return Outcome::Truncated,
        Some(ErrorClass::InvalidRequest | ErrorClass::ModelNotFound | ErrorClass::Unknown) | None => {}
    }
    if spending_limit(result) {
        return Outcome::Credit { message: said(result, "the account's spending limit is reached") };
    }
    match result.api_status {
        Some(401 | 403) => Outcome::Auth { message: said(result, "the credential is not accepted") },
        Some(402) => Outcome::Credit { message: said(result, "the account has no credit") },
        Some(429) => Outcome::Limited { until: None },
        Some(status) if status >= 500 => {
            Outcome::Transient { cause: said(result, "the model's server failed") }
        }
        Some(_) | None => Outcome::Failed { reason: said(result, "the runtime ended with an error") },
    }
}

/// A limit that somebody set for the account comes as a malformed request without a class of its own. This is the
/// one place where a text decides, and it is the model server's answer inside an error, never a worker's words.
fn spending_limit(result: &ResultFacts) -> bool {
    result.api_status == Some(400) && result.text.contains("You have reached your specified API usage limits")
}

fn classify_by_git(stream: &StreamFacts, git: &GitFacts, rescued: bool) -> Outcome {
    if let Some(why) = &stream.stuck {
        return Outcome::Stuck { why: why.clone() };
    }
    if rescued || git.dirty.as_ref().is_some_and(|files| !files.is_empty()) {
        return Outcome::Dirty;
    }
    let stopped_short = stream.result.as_ref().and_then(|it| it.stop_reason.as_deref());
    match (git.ahead, git.added) {
        (None, _) | (_, None) => {
            Outcome::Lost { reason: "git could not be asked what the worker did".to_owned() }
        }
        // What nobody could look at is not known to be clean.
        _ if git.dirty.is_none() => Outcome::Lost {
            reason: "its worktree could not be looked at when it ended; what it committed is safe".to_owned(),
        },
        (Some(0), _) | (_, Some(0)) if stopped_short == Some("max_tokens") => Outcome::Truncated,
        (Some(0), _) | (_, Some(0)) => Outcome::NoChange,
        (Some(_), Some(_)) if git.pushed == Some(true) => Outcome::Done,
        (Some(_), Some(_)) => Outcome::PushFailed {
            reason: "origin does not have the commits; they are safe in the machine's repo store".to_owned(),
        },
    }
}

fn said(result: &ResultFacts, otherwise: &str) -> String {
    let text = result.text.trim();
    if text.is_empty() { otherwise.to_owned() } else { text.chars().take(300).collect() }
}

#[cfg(test)]
mod tests;
