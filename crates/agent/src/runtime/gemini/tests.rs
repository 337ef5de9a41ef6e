use coord_core::classify::classify;
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

fn outcome(facts: &StreamFacts, exit: i32) -> &'static str {
    classify(RunKind::Work, WorkerExit::Code(exit), None, facts, &GitFacts::default(), false).as_str()
}

#[test]
fn what_it_says_in_pieces_is_read_as_a_whole() {
    let (events, facts, report) = read(
        &[
            r#"{"type":"init","session_id":"s-1","model":"m-1"}"#,
            r#"{"type":"message","role":"user","content":"STUCK: not me"}"#,
            r#"{"type":"message","role":"assistant","content":"Well.\nSTA","delta":true}"#,
            r#"{"type":"message","role":"assistant","content":"TUS: reading","delta":true}"#,
            r#"{"type":"tool_use","tool_name":"read_file","tool_id":"t1","parameters":{"file_path":"a"}}"#,
            r#"{"type":"tool_result","tool_id":"t1","status":"error","output":"STUCK: not me either"}"#,
            r#"{"type":"result","status":"success","stats":{"input_tokens":100,"output_tokens":20,"cached":30,"models":{"m-2":{"input_tokens":100,"output_tokens":20,"cached":30}}}}"#,
        ],
        0,
    );
    let text = "Well.\nSTATUS: reading".to_owned();
    assert_eq!(
        events,
        [
            EventKind::Init { session: "s-1".to_owned(), model: "m-1".to_owned() },
            EventKind::Other,
            EventKind::Other,
            EventKind::Other,
            EventKind::Text { text: text.clone() },
            EventKind::Status { text: "reading".to_owned(), confidence: None },
            EventKind::Tool { id: "t1".to_owned(), name: "read_file".to_owned(), subject: "a".to_owned() },
            EventKind::ToolResult {
                id: "t1".to_owned(),
                is_error: true,
                text: "STUCK: not me either".to_owned()
            },
            EventKind::Result {
                is_error: false,
                subtype: "success".to_owned(),
                turns: None,
                cost_usd: None,
                text
            },
        ]
    );
    let tokens = Tokens { input: 70, output: 20, cache_read: 30, cache_write: 0 };
    assert_eq!((report.usage.tokens, report.usage.models["m-2"].tokens), (Some(tokens), tokens));
    assert_eq!(facts.stuck, None);
}

#[test]
fn a_failure_is_told_by_what_the_api_said_or_by_the_exit_status() {
    let failed = |code: u16, exit: i32| {
        let message = format!("[API Error: {{\"error\":{{\"code\":{code},\"message\":\"no\"}}}}]");
        let line =
            serde_json::json!({ "type": "result", "status": "error", "error": { "message": message } });
        outcome(&read(&[&line.to_string()], exit).1, exit)
    };
    let by_status = [401, 402, 429, 500, 400].map(|code| failed(code, i32::from(code) % 256));
    assert_eq!(by_status, ["auth", "credit", "limited", "transient", "failed"]);
    let wordy =
        r#"{"type":"result","status":"error","error":{"message":"You have exhausted your daily quota."}}"#;
    assert_eq!([173, 1].map(|exit| outcome(&read(&[wordy], exit).1, exit)), ["limited", "failed"]);
    let said_nothing = |exit: i32| {
        let mut reader = Box::<Reader>::default();
        reader.complaint("Error: it is like this");
        reader.complaint("Error: and somewhere in the code");
        outcome(&reader.finish(WorkerExit::Code(exit)).0, exit)
    };
    assert_eq!([41, 42, 53, 130].map(said_nothing), ["auth", "failed", "budget", "interrupted"]);
    assert_eq!(outcome(&read(&[], 0).1, 0), "crashed", "a signal ends it with status 0");
}
