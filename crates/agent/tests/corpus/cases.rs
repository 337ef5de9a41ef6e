//! The cases: what the model does, how claude is started, and how the run ends.

use coord_testkit::model::{
    Step, agent, bash, drop_connection, error, over_limit, say, stream_error, tool, write,
};
use jiff::Timestamp;
use serde_json::json;

/// One case of the corpus.
#[derive(Debug)]
pub(super) struct Case {
    /// The name of its recordings.
    pub(super) name: &'static str,
    /// The script of the model.
    pub(super) model: fn() -> Vec<Step>,
    /// What is special about the start or the end.
    pub(super) with: &'static [With],
    /// The word for its outcome.
    pub(super) outcome: &'static str,
    /// What a watcher is told of besides: `retry`, `limit`, `denial`, and by the current version `two results`.
    pub(super) tells: &'static [&'static str],
}

/// What is special about a case.
#[derive(Debug, Clone, Copy)]
pub(super) enum With {
    /// More arguments.
    Arguments(&'static [&'static str]),
    /// A subscription's credential instead of an API key.
    Subscription,
    /// A task for the subagents that the worker starts.
    Subagents(fn() -> Vec<Step>),
    /// Another prompt.
    Prompt(&'static str),
    /// This signal, once the worker's tool runs.
    Signal(i32),
}

const fn case(name: &'static str, model: fn() -> Vec<Step>, outcome: &'static str) -> Case {
    Case { name, model, with: &[], outcome, tells: &[] }
}

impl Case {
    const fn with(self, with: &'static [With]) -> Self {
        Self { with, ..self }
    }

    const fn tells(self, tells: &'static [&'static str]) -> Self {
        Self { tells, ..self }
    }
}

/// Far away and always the same: claude tells people about it in words.
fn some_day() -> Timestamp {
    Timestamp::from_second(4_102_444_800).unwrap()
}

const SCHEMA: &str = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
/// Long enough for any signal to come first.
const LONG: &str = "touch running; sleep 60";

pub(super) const CASES: &[Case] = &[
    case("done", || vec![bash("echo hi"), say("all done")], "done"),
    case("stuck", || vec![say("STUCK: there is no key")], "stuck"),
    case(
        "overloaded-twice",
        || vec![error(529, "Overloaded"), error(529, "Overloaded"), say("back")],
        "done",
    )
    .tells(&["retry"]),
    case("overloaded", || vec![error(529, "Overloaded").forever()], "transient").tells(&["retry"]),
    case("server-error-twice", || vec![error(500, "Internal"), error(500, "Internal"), say("back")], "done")
        .tells(&["retry"]),
    case("server-error", || vec![error(500, "Internal").forever()], "transient").tells(&["retry"]),
    case("connection-dropped", || vec![drop_connection(), say("back")], "done").tells(&["retry"]),
    case("connection-dropped-always", || vec![drop_connection().forever()], "transient").tells(&["retry"]),
    case("error-in-the-stream", || vec![stream_error(529, "Overloaded"), say("back")], "done"),
    case(
        "rate-limit-short",
        || vec![error(429, "slow down").header("retry-after", "1"), say("back")],
        "done",
    )
    .tells(&["retry"]),
    case("rate-limit-long", || vec![error(429, "slow down").header("retry-after", "3600")], "limited"),
    case("window-spent", || vec![over_limit(some_day())], "limited")
        .with(&[With::Subscription])
        .tells(&["limit"]),
    case("window-spent-with-a-key", || vec![over_limit(some_day())], "limited"),
    case("window-nearly-spent", || vec![say("ok").limit("allowed_warning", some_day())], "done")
        .with(&[With::Subscription])
        .tells(&["limit"]),
    case("key-refused", || vec![error(401, "invalid x-api-key").forever()], "auth").tells(&["retry"]),
    case("login-refused", || vec![error(401, "invalid bearer token").forever()], "auth")
        .with(&[With::Subscription])
        .tells(&["retry"]),
    case(
        "organisation-refused",
        || {
            vec![
                error(403, "Your organization does not have access to Claude. Please login again.").forever(),
            ]
        },
        "auth",
    ),
    case(
        "no-credit",
        || vec![error(400, "Your credit balance is too low to access the Anthropic API.").forever()],
        "credit",
    ),
    case(
        "spending-limit",
        || {
            vec![error(400, "You have reached your specified API usage limits. You will regain access on 2099-12-01 at 00:00 UTC.").forever()]
        },
        "credit",
    ),
    case(
        "too-long",
        || vec![error(400, "prompt is too long: 210000 tokens > 200000 maximum").forever()],
        "context",
    ),
    case("no-such-model", || vec![error(404, "model: claude-nope").forever()], "failed"),
    case("refused", || vec![say("I cannot").stop("refusal").forever()], "refused"),
    case(
        "cut-off-and-continued",
        || vec![say("the first ha").stop("max_tokens"), say("lf and the rest")],
        "done",
    ),
    case("turns-spent", || vec![bash("echo tick").forever()], "budget")
        .with(&[With::Arguments(&["--max-turns", "2"])]),
    case("money-spent", || vec![bash("echo tick").usage(100_000, 10_000).forever()], "budget")
        .with(&[With::Arguments(&["--max-budget-usd", "0.5"])]),
    case("an-old-limit-in-words", || vec![say("Claude AI usage limit reached|1763700000")], "done"),
    case(
        "tools-fail",
        || vec![bash("ls /nonexistent; exit 3"), tool("NoSuchTool", json!({"x": 1})), say("went on")],
        "done",
    ),
    case("denied", || vec![bash("touch x"), write("/nonexistent/x", "x"), say("went on")], "done")
        .with(&[With::Arguments(&["--permission-mode", "dontAsk", "--allowedTools", "Read"])])
        .tells(&["denial"]),
    case("structured", || vec![tool("StructuredOutput", json!({"n": 7})), say("done").forever()], "done")
        .with(&[With::Arguments(&["--json-schema", SCHEMA])]),
    case("unknown-command", Vec::new, "failed").with(&[With::Prompt("/nosuchcommand now")]),
    case("unknown-session", Vec::new, "failed")
        .with(&[With::Arguments(&["--resume", "11111111-1111-4111-8111-111111111111"])]),
    case("a-subagent", || vec![agent("count the words"), say("under way"), say("both are done")], "done")
        .with(&[With::Subagents(|| vec![bash("wc -w README.md"), say("two")])])
        .tells(&["two results"]),
    case("interrupted", || vec![bash(LONG)], "interrupted").with(&[With::Signal(2)]),
    case("terminated", || vec![bash(LONG)], "crashed").with(&[With::Signal(15)]),
    case("killed", || vec![bash(LONG)], "crashed").with(&[With::Signal(9)]),
];
