use coord_core::classify::classify;
use coord_core::outcome::Outcome;
use coord_core::run::GitFacts;

use super::*;
use crate::runtime::Reader as _;

fn read(lines: &[&str], exit: i32) -> (Vec<EventKind>, Outcome, RuntimeReport) {
    let (mut reader, mut events) = (Box::<Reader>::default(), Vec::new());
    for line in lines {
        assert_eq!(reader.line(line, &mut events), Shape::Json, "{line}");
    }
    let exit = WorkerExit::Code(exit);
    let (facts, report) = reader.finish(exit);
    let git = GitFacts { ahead: Some(0), added: Some(0), dirty: Some(Vec::new()), ..GitFacts::default() };
    (events, classify(RunKind::Work, exit, None, &facts, &git, false), report)
}

const START: &str = r#"{"type":"step_start","sessionID":"s-1","part":{}}"#;
const TOOL_STEP: &str = r#"{"type":"step_finish","sessionID":"s-1","part":{"reason":"tool-calls","tokens":{"input":100,"output":20,"cache":{"write":1,"read":2}},"cost":0.25}}"#;
const LAST_STEP: &str = r#"{"type":"step_finish","sessionID":"s-1","part":{"reason":"stop","tokens":{"input":10,"output":2},"cost":0.5}}"#;

#[test]
fn it_has_ended_well_when_its_last_step_stopped() {
    let (events, outcome, report) = read(
        &[
            START,
            r#"{"type":"tool_use","sessionID":"s-1","part":{"tool":"bash","callID":"c1","state":{"status":"completed","input":{"command":"ls"},"output":"STUCK: no"}}}"#,
            TOOL_STEP,
            START,
            r#"{"type":"text","sessionID":"s-1","part":{"text":"STATUS: ready"}}"#,
            LAST_STEP,
        ],
        0,
    );
    assert_eq!(outcome, Outcome::NoChange);
    assert_eq!(
        events,
        [
            EventKind::Init { session: "s-1".to_owned(), model: String::new() },
            EventKind::Tool { id: "c1".to_owned(), name: "bash".to_owned(), subject: "ls".to_owned() },
            EventKind::ToolResult { id: "c1".to_owned(), is_error: false, text: "STUCK: no".to_owned() },
            EventKind::Other,
            EventKind::Other,
            EventKind::Text { text: "STATUS: ready".to_owned() },
            EventKind::Status { text: "ready".to_owned(), confidence: None },
            EventKind::Result {
                is_error: false,
                subtype: "stop".to_owned(),
                turns: Some(2),
                cost_usd: Some(0.75),
                text: "STATUS: ready".to_owned(),
            },
        ]
    );
    let tokens = Tokens { input: 110, output: 22, cache_read: 2, cache_write: 1 };
    assert_eq!((report.turns, report.usage.tokens), (Some(2), Some(tokens)));
    assert!(!report.usage.at_least);
}

#[test]
fn a_step_that_ended_in_a_tool_is_no_end_and_a_rejected_tool_is_the_reason() {
    assert_eq!(read(&[START, TOOL_STEP], 0).1.as_str(), "crashed");
    assert_eq!(read(&[START, LAST_STEP, START], 0).1.as_str(), "crashed");
    let rejected = r#"{"type":"tool_use","sessionID":"s-1","part":{"tool":"read","callID":"c1","state":{"status":"error","input":{"filePath":"/x"},"error":"The user rejected permission to use this specific tool call."}}}"#;
    let (events, outcome, report) = read(&[START, rejected, TOOL_STEP], 0);
    assert!(
        matches!(&outcome, Outcome::Failed { reason } if reason.contains("`read` was rejected")),
        "{outcome}"
    );
    assert!(events.iter().any(|it| matches!(it, EventKind::Denial { tool, .. } if tool == "read")));
    assert_eq!(report.denials, ["read: /x"]);
    assert_eq!(read(&[START, rejected, TOOL_STEP, START, LAST_STEP], 0).1, Outcome::NoChange);
}

#[test]
fn an_error_is_told_by_its_name_or_its_status() {
    let failed = |name: &str, status: Option<u16>, message: &str| {
        let data = serde_json::json!({ "message": message, "statusCode": status });
        let line = serde_json::json!({ "type": "error", "sessionID": "s-1", "error": { "name": name, "data": data } });
        read(&[&line.to_string()], 1).1.as_str()
    };
    assert_eq!(
        [401, 402, 429, 503, 400].map(|it| failed("APIError", Some(it), "no")),
        ["auth", "credit", "limited", "transient", "failed"]
    );
    assert_eq!(failed("ProviderAuthError", None, "no key"), "auth");
    assert_eq!(failed("ContextOverflowError", None, "too long"), "context");
    assert_eq!(failed("MessageAbortedError", None, ""), "interrupted");
}

const TOO_LONG: &str =
    r#"{"type":"error","sessionID":"s-1","error":{"name":"ContextOverflowError","data":{"message":"long"}}}"#;
const SUMMARY: &str = r#"{"type":"text","sessionID":"s-1","part":{"text":"STUCK: so far"}}"#;
const GO_ON: &str =
    r#"{"type":"text","sessionID":"s-1","part":{"text":"STUCK: not my words","synthetic":true}}"#;

#[test]
fn a_conversation_is_summed_up_and_goes_on() {
    let mut reader = Reader::default();
    let mut phase = |line: &str| {
        reader.line(line, &mut Vec::new());
        reader.phase()
    };
    for line in [TOO_LONG, START, SUMMARY, LAST_STEP, GO_ON, START] {
        assert_eq!(phase(line), Phase::Tool, "{line}");
    }
    assert_eq!(phase(LAST_STEP), Phase::Over);
    let (facts, report) = Box::new(reader).finish(WorkerExit::Code(0));
    assert_eq!((facts.stuck, facts.result.map(|it| it.is_error)), (None, Some(false)));
    assert_eq!(report.usage.tokens.map(|it| it.input), Some(20), "the summary is paid for too");
    let lines = [TOO_LONG, START, SUMMARY, LAST_STEP, GO_ON, START, LAST_STEP];
    assert_eq!(read(&lines, 1).1, Outcome::NoChange, "it ends with status 1 once there was an error");
}

#[test]
fn it_is_over_when_a_conversation_stays_too_long_and_nothing_is_done() {
    let again = [TOO_LONG, START, SUMMARY, LAST_STEP, GO_ON];
    let tool = r#"{"type":"tool_use","sessionID":"s-1","part":{"tool":"bash","callID":"c","state":{}}}"#;
    let lines = |times: usize| again.iter().copied().cycle().take(again.len() * times);
    let phase_after = |lines: &mut dyn Iterator<Item = &str>| {
        let mut reader = Reader::default();
        lines.for_each(|it| assert_eq!(reader.line(it, &mut Vec::new()), Shape::Json));
        reader.phase()
    };
    assert_eq!(phase_after(&mut lines(2)), Phase::Tool);
    assert_eq!(phase_after(&mut lines(3)), Phase::Over);
    assert_eq!(phase_after(&mut lines(2).chain([tool]).chain(lines(2))), Phase::Tool);
    assert_eq!(read(&lines(3).collect::<Vec<_>>(), 0).1.as_str(), "context");
}

#[test]
fn a_session_that_is_missing_is_said_without_colours() {
    let mut reader = Box::<Reader>::default();
    reader.complaint("\u{1b}[91m\u{1b}[1mError: \u{1b}[0mSession not found");
    let (facts, _) = reader.finish(WorkerExit::Code(1));
    assert_eq!(facts.result.unwrap().text, "Session not found");
}
