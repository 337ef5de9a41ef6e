use coord_core::classify::classify;
use coord_core::outcome::Outcome;
use coord_core::run::GitFacts;

use super::*;
use crate::runtime::Reader as _;

fn read(lines: &[&str], exit: i32) -> (Vec<EventKind>, StreamFacts, RuntimeReport) {
    let (mut reader, mut events) = (Box::<Reader>::default(), Vec::new());
    for line in lines {
        assert_eq!(reader.line(line, &mut events), Shape::Json, "{line}");
    }
    let (facts, report) = reader.finish(WorkerExit::Code(exit));
    (events, facts, report)
}

#[test]
fn a_whole_turn_becomes_events() {
    let (events, facts, report) = read(
        &[
            r#"{"type":"thread.started","thread_id":"t-1"}"#,
            r#"{"type":"turn.started"}"#,
            r#"{"type":"item.completed","item":{"id":"i0","type":"agent_message","text":"Looking.\nSTATUS: reading"}}"#,
            r#"{"type":"item.started","item":{"id":"i1","type":"command_execution","command":"ls","status":"in_progress"}}"#,
            r#"{"type":"item.completed","item":{"id":"i1","type":"command_execution","command":"ls","aggregated_output":"STUCK: no\n","exit_code":3,"status":"failed"}}"#,
            r#"{"type":"item.completed","item":{"id":"i2","type":"command_execution","command":"rm -rf /","status":"declined"}}"#,
            r#"{"type":"error","message":"Reconnecting... 2/5 (stream disconnected (early))"}"#,
            r#"{"type":"turn.completed","usage":{"input_tokens":400,"cached_input_tokens":40,"output_tokens":80}}"#,
        ],
        0,
    );
    assert_eq!(
        events,
        [
            EventKind::Init { session: "t-1".to_owned(), model: String::new() },
            EventKind::Other,
            EventKind::Text { text: "Looking.\nSTATUS: reading".to_owned() },
            EventKind::Status { text: "reading".to_owned(), confidence: None },
            EventKind::Tool {
                id: "i1".to_owned(),
                name: "command_execution".to_owned(),
                subject: "ls".to_owned()
            },
            EventKind::ToolResult { id: "i1".to_owned(), is_error: true, text: "STUCK: no\n".to_owned() },
            EventKind::Denial { tool: "command_execution".to_owned(), reason: "rm -rf /".to_owned() },
            EventKind::ToolResult { id: "i2".to_owned(), is_error: true, text: String::new() },
            EventKind::Retry { attempt: 2, delay_ms: 0, error: "stream disconnected (early".to_owned() },
            EventKind::Result {
                is_error: false,
                subtype: "turn.completed".to_owned(),
                turns: Some(1),
                cost_usd: None,
                text: "Looking.\nSTATUS: reading".to_owned(),
            },
        ]
    );
    assert_eq!((facts.stuck, report.session.as_deref()), (None, Some("t-1")));
    let tokens = Tokens { input: 360, output: 80, cache_read: 40, cache_write: 0 };
    assert_eq!((report.usage.tokens, report.cost_usd), (Some(tokens), None));
}

#[test]
fn a_sentence_of_a_failed_turn_says_what_kind_of_failure_it_is() {
    let outcome = |message: &str| {
        let line = serde_json::json!({ "type": "turn.failed", "error": { "message": message } }).to_string();
        let (_, facts, _) = read(&[&line], 1);
        let git = GitFacts::default();
        classify(RunKind::Work, WorkerExit::Code(1), None, &facts, &git, false).as_str()
    };
    let cases = [
        ("You’ve hit your usage limit. Visit a page or try again at 10:49 PM.", "limited"),
        ("Quota exceeded. Check your plan and billing details.", "credit"),
        ("unexpected status 401 Unauthorized: Incorrect API key provided, url: http://x", "auth"),
        ("exceeded retry limit, last status: 429 Too Many Requests", "transient"),
        ("unexpected status 502 Bad Gateway: , url: http://x", "transient"),
        ("Selected model is at capacity. Please try a different model.", "transient"),
        ("stream disconnected before completion: stream closed", "transient"),
        ("Codex ran out of room in the model's context window. Start a new thread.", "context"),
        ("unexpected status 400 Bad Request: no such thing, url: http://x", "failed"),
    ];
    for (message, wanted) in cases {
        assert_eq!(outcome(message), wanted, "{message}");
    }
}

#[test]
fn a_program_that_cannot_begin_has_its_last_word_as_the_reason() {
    let mut reader = Box::<Reader>::default();
    reader.complaint("WARNING: proceeding");
    reader.complaint("Error: thread/resume failed: no rollout found for thread id x");
    let (facts, report) = reader.finish(WorkerExit::Code(1));
    let outcome = classify(RunKind::Work, WorkerExit::Code(1), None, &facts, &GitFacts::default(), false);
    let reason = "thread/resume failed: no rollout found for thread id x".to_owned();
    assert_eq!(outcome, Outcome::Failed { reason });
    assert_eq!(report.usage.tokens, None, "nobody told what it used");
}
