//! What every runtime has to do with what its program may do, through the real shim.
//!
//! Each has a dialect here: how its program says things. A runtime without one fails, so that nobody adds a runtime
//! whose reader was never shown a broken line. What a dialect has no words for (a shell has no usage limit) is left out
//! there.
#![expect(clippy::unwrap_used, reason = "a world that cannot be set up is a failed test")]

use camino::Utf8PathBuf;
use coord_agent::runtime;
use coord_core::outcome::{Outcome, WorkerExit};
use coord_core::run::RunEnd;
use coord_proto::event::{Event, EventKind};
use coord_proto::run::Resume;
use coord_testkit::poll::{PATIENCE, wait_for};

use crate::fixture::{Place, Run, notes, raw_lines};
use crate::runtimes::executable;

/// How the program of a runtime says things: lines of its standard output.
struct Dialect {
    name: &'static str,
    /// It begins, in the session `s-1`.
    begins: &'static str,
    /// It has begun to use a tool.
    uses_a_tool: &'static str,
    /// It is over, and went well. `None` where that is told by the exit status alone.
    ends: Option<&'static str>,
    /// It is over, and failed.
    fails: Option<&'static str>,
    /// It was not allowed what it wanted.
    is_denied: Option<&'static str>,
    /// The usage window is spent.
    is_limited: Option<&'static str>,
    /// What it does when the session is missing that it is to go on with.
    misses_session: Option<&'static str>,
}

const DIALECTS: [Dialect; 6] = [
    Dialect {
        name: "claude",
        begins: r#"{"type":"system","subtype":"init","session_id":"s-1","model":"m"}"#,
        uses_a_tool: r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"x"}}]}}"#,
        ends: Some(r#"{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"ok"}"#),
        fails: Some(r#"{"type":"result","subtype":"success","is_error":true,"num_turns":1,"result":"no"}"#),
        is_denied: Some(
            r#"{"type":"system","subtype":"permission_denied","tool_use_id":"t1","tool_name":"Bash","message":"no"}"#,
        ),
        is_limited: Some(
            r#"{"type":"assistant","message":{"content":[]},"error":"rate_limit"}
{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"limit"}"#,
        ),
        misses_session: Some(
            r#"echo '{"type":"result","subtype":"error_during_execution","is_error":true,"num_turns":0,"errors":["No conversation found"]}'; exit 1"#,
        ),
    },
    Dialect {
        name: "codex",
        begins: r#"{"type":"thread.started","thread_id":"s-1"}"#,
        uses_a_tool: r#"{"type":"item.started","item":{"id":"t1","type":"command_execution","command":"x"}}"#,
        ends: Some(r#"{"type":"turn.completed","usage":{"input_tokens":1}}"#),
        fails: Some(r#"{"type":"turn.failed","error":{"message":"no"}}"#),
        is_denied: Some(
            r#"{"type":"item.completed","item":{"id":"t1","type":"command_execution","command":"x","status":"declined"}}"#,
        ),
        is_limited: Some(
            r#"{"type":"turn.failed","error":{"message":"You hit your usage limit. Try again at noon."}}"#,
        ),
        misses_session: Some("echo 'Error: no rollout found for thread id x' >&2; exit 1"),
    },
    Dialect {
        name: "gemini",
        begins: r#"{"type":"init","session_id":"s-1","model":"m"}"#,
        uses_a_tool: r#"{"type":"tool_use","tool_name":"run_shell_command","tool_id":"t1","parameters":{"command":"x"}}"#,
        ends: Some(r#"{"type":"result","status":"success","stats":{}}"#),
        fails: Some(r#"{"type":"result","status":"error","error":{"message":"no"}}"#),
        is_denied: None,
        is_limited: Some(
            r#"{"type":"result","status":"error","error":{"message":"[API Error: {\"error\":{\"code\":429}}]"}}"#,
        ),
        misses_session: Some("echo 'Error resuming session: Invalid session identifier' >&2; exit 42"),
    },
    Dialect {
        name: "opencode",
        begins: r#"{"type":"step_start","sessionID":"s-1","part":{}}"#,
        uses_a_tool: r#"{"type":"tool_use","sessionID":"s-1","part":{"tool":"bash","callID":"t1","state":{"status":"completed","input":{"command":"x"},"output":""}}}"#,
        ends: Some(r#"{"type":"step_finish","sessionID":"s-1","part":{"reason":"stop"}}"#),
        fails: Some(
            r#"{"type":"error","sessionID":"s-1","error":{"name":"APIError","data":{"message":"no"}}}"#,
        ),
        is_denied: Some(
            r#"{"type":"tool_use","sessionID":"s-1","part":{"tool":"read","callID":"t1","state":{"status":"error","input":{},"error":"The user rejected permission"}}}"#,
        ),
        is_limited: Some(
            r#"{"type":"error","sessionID":"s-1","error":{"name":"APIError","data":{"message":"no","statusCode":429}}}"#,
        ),
        misses_session: Some("echo 'Error: Session not found' >&2; exit 1"),
    },
    Dialect { name: "script", ..SHELL },
    Dialect { name: "command", ..SHELL },
];

/// What is nothing but a program says nothing that only it would say.
const SHELL: Dialect = Dialect {
    name: "",
    begins: "begun",
    uses_a_tool: "at it",
    ends: None,
    fails: None,
    is_denied: None,
    is_limited: None,
    misses_session: None,
};

/// Has `case` tried with each runtime, in a place of its own.
fn each(case: impl Fn(&Place, &Dialect)) {
    for dialect in &DIALECTS {
        case(&Place::new(), dialect);
    }
}

/// A run whose program is this piece of shell.
fn run<'a>(place: &'a Place, dialect: &Dialect, script: &str) -> Run<'a> {
    let program = place.world.write("bin/fake", &format!("#!/bin/sh\n{script}\n"));
    executable(&program);
    let prompt = format!("coord: run=x\n```sh\n{program}\n```\n");
    let mut run = place.run(1, dialect.name, |spec| spec.prompt = prompt);
    run.order.runtime.program = Some(program.to_string());
    run.order.runtime.argv = Some(vec![program.to_string()]);
    run.order.spec.deadline_seconds = 60;
    run
}

/// A piece of shell that prints these lines.
fn print(lines: &[&str]) -> String {
    format!("cat <<'END'\n{}\nEND\n", lines.join("\n"))
}

fn end(place: &Place, dialect: &Dialect, script: &str) -> (RunEnd, Vec<Event>) {
    run(place, dialect, script).end()
}

/// How it ends well: with its last words, if it has any.
fn well(dialect: &Dialect) -> String {
    dialect.ends.map(|it| print(&[it])).unwrap_or_default()
}

#[test]
fn every_runtime_has_a_dialect_here() {
    let mut known: Vec<_> = DIALECTS.iter().map(|it| it.name).collect();
    let mut all: Vec<_> = runtime::ALL.iter().map(|it| it.name()).collect();
    known.sort_unstable();
    all.sort_unstable();
    assert_eq!(known, all);
}

#[test]
fn its_input_ends_so_that_nobody_waits_for_more() {
    each(|place, dialect| {
        let script = format!("read -r prompt\n{}cat > /dev/null", well(dialect));
        assert_eq!(end(place, dialect, &script).0.outcome, Outcome::NoChange, "{}", dialect.name);
    });
}

#[test]
fn what_it_was_not_allowed_is_told() {
    each(|place, dialect| {
        let Some(denied) = dialect.is_denied else { return };
        let script = print(&[dialect.begins, denied]) + &well(dialect);
        let (end, events) = end(place, dialect, &script);
        assert!(events.iter().any(|it| matches!(it.event, EventKind::Denial { .. })), "{}", dialect.name);
        assert_eq!(end.report.denials.len(), 1, "{}", dialect.name);
    });
}

#[test]
fn what_is_new_or_no_json_is_kept_and_hides_nothing() {
    each(|place, dialect| {
        let odd =
            [r#"{"type":"from_the_future","deep":{"er":[1]}}"#, "{\"type\":7}", "{", "npm WARN", "", "[]"];
        let script = print(&[dialect.begins]) + &print(&odd) + &well(dialect);
        let (end, events) = end(place, dialect, &script);
        assert_eq!(end.outcome, Outcome::NoChange, "{}", dialect.name);
        let raw = raw_lines(&events);
        for line in odd {
            assert!(raw.iter().any(|it| it == line.as_bytes()), "{}: {line}", dialect.name);
        }
    });
}

#[test]
fn a_line_of_ten_megabytes_is_read_past() {
    each(|place, dialect| {
        let long = "head -c 10000000 /dev/zero | tr '\\0' x; echo; ";
        let (end, events) = end(place, dialect, &(print(&[dialect.begins]) + long + &well(dialect)));
        assert_eq!(end.outcome, Outcome::NoChange, "{}", dialect.name);
        assert!(raw_lines(&events).iter().any(|it| it.len() == 10_000_000), "{}", dialect.name);
    });
}

#[test]
fn a_last_line_that_is_cut_off_is_kept_and_is_no_result() {
    each(|place, dialect| {
        let Some(ends) = dialect.ends else { return };
        let cut = &ends[..ends.len() - 3];
        let (end, events) = end(place, dialect, &format!("{}printf '%s' '{cut}'", print(&[dialect.begins])));
        assert_eq!(end.outcome.as_str(), "crashed", "{}", dialect.name);
        assert_eq!(raw_lines(&events).last().unwrap(), cut.as_bytes());
    });
}

#[test]
fn without_a_result_it_has_crashed_if_it_has_results_at_all() {
    each(|place, dialect| {
        let (end, _) = end(place, dialect, &print(&[dialect.begins]));
        let wanted = if dialect.ends.is_some() { "crashed" } else { "no-change" };
        assert_eq!(end.outcome.as_str(), wanted, "{}", dialect.name);
    });
}

#[test]
fn a_result_and_then_nothing_is_an_end_before_long() {
    // Each is waited for as long as anybody could have something to say.
    std::thread::scope(|scope| {
        for dialect in &DIALECTS {
            let Some(ends) = dialect.ends else { continue };
            scope.spawn(move || {
                let (end, _) =
                    end(&Place::new(), dialect, &(print(&[dialect.begins, ends]) + "exec sleep 1000"));
                assert_eq!(end.outcome, Outcome::NoChange, "{}", dialect.name);
            });
        }
    });
}

#[test]
fn of_two_results_the_last_one_counts() {
    each(|place, dialect| {
        let (Some(ends), Some(fails)) = (dialect.ends, dialect.fails) else { return };
        let good = end(place, dialect, &print(&[dialect.begins, fails, ends])).0.outcome;
        assert_eq!(good, Outcome::NoChange, "{}", dialect.name);
        let bad = end(&Place::new(), dialect, &(print(&[dialect.begins, ends, fails]) + "exit 1")).0.outcome;
        assert!(matches!(bad, Outcome::Failed { .. }), "{}: {bad:?}", dialect.name);
    });
}

#[test]
fn a_spent_usage_window_is_a_limit() {
    each(|place, dialect| {
        let Some(limited) = dialect.is_limited else { return };
        let (end, _) = end(place, dialect, &(print(&[dialect.begins, limited]) + "exit 1"));
        assert_eq!(end.outcome, Outcome::Limited { until: None }, "{}", dialect.name);
    });
}

#[test]
fn a_session_is_asked_for_by_its_name_and_one_that_is_missing_is_followed_by_a_new_one_once() {
    each(|place, dialect| {
        let Some(misses) = dialect.misses_session else { return };
        let asked = place.world.dir().join("asked");
        let mut run = run(place, dialect, &format!("echo \"$@\" >> {asked}; {misses}"));
        run.order.spec.resume = Some(Resume { session: "s-9".to_owned(), from: None, prompt: None });
        let runtime = runtime::named(&run.order.spec.runtime).unwrap();
        // Where coord can look, it asks for nothing that is not there.
        if let Some(path) = runtime.transcript(&run.order.environment, &run.order.worktree, "s-9") {
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "").unwrap();
        }
        let (end, events) = run.end();
        assert!(matches!(end.outcome, Outcome::Failed { .. }), "{}: {:?}", dialect.name, end.outcome);
        let asked = fs_err::read_to_string(asked).unwrap();
        let told: Vec<_> = asked.lines().map(|it| it.contains(" s-9")).collect();
        assert_eq!(told, [true, false], "{}: {asked}", dialect.name);
        assert!(notes(&events).contains("so a new one is begun"), "{}", dialect.name);
    });
}

#[test]
fn killed_in_a_tool_it_leaves_nothing() {
    each(|place, dialect| {
        let mark = place.world.dir().join("mark");
        let script = print(&[dialect.begins, dialect.uses_a_tool]);
        let script = format!("{script}setsid sleep 1000 & echo $$ > {mark}.new; mv {mark}.new {mark}; wait");
        let run = run(place, dialect, &script);
        let shim = run.start();
        let pid = number_in(&mark);
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let (end, _) = run.ended(shim);
        assert_eq!(end.outcome.as_str(), "crashed", "{}", dialect.name);
        if dialect.name != "script" {
            assert_eq!(end.exit, Some(WorkerExit::Signal(9)), "{}", dialect.name);
        }
    });
}

#[test]
fn a_child_that_escapes_is_ended_with_it() {
    each(|place, dialect| {
        let script = format!("setsid sleep 1000 > /dev/null 2>&1 & {}", well(dialect));
        let (end, _) = end(place, dialect, &script);
        assert_eq!(end.outcome, Outcome::NoChange, "{}", dialect.name);
    });
}

fn number_in(mark: &Utf8PathBuf) -> rustix::process::Pid {
    let text = wait_for("the worker to be in its tool", PATIENCE, || {
        fs_err::read_to_string(mark).map_err(|error| error.to_string())
    });
    rustix::process::Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}
