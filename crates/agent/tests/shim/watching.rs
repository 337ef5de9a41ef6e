//! What a worker is stopped for that takes too long, with real processes.

use std::time::Duration;

use coord_core::outcome::{Outcome, TimeoutPhase, WorkerExit};
use coord_testkit::need;
use coord_testkit::world::Running;
use tokio::time::Instant;

use crate::fixture::{Place, Run, notes};

/// A worker that is called as claude is, and does this.
fn claude<'a>(place: &'a Place, script: &str) -> Run<'a> {
    let program = place.world.write("bin/fake", &format!("#!/bin/sh\n{script}\n"));
    crate::runtimes::executable(&program);
    let mut run = place.run(1, "claude", |_| {});
    run.order.runtime.program = Some(program.to_string());
    run
}

/// Ends it; the outcome, and how long that took.
fn ended(run: &Run<'_>) -> (Outcome, Duration) {
    let before = Instant::now();
    let (end, events) = run.end();
    if let Outcome::Timeout { phase } = end.outcome {
        assert!(notes(&events).contains(&format!("stopping, because {phase}")), "{}", notes(&events));
    }
    (end.outcome, before.elapsed())
}

fn timeout(phase: TimeoutPhase) -> Outcome {
    Outcome::Timeout { phase }
}

const INIT: &str = r#"echo '{"type":"system","subtype":"init","session_id":"s"}'"#;
const CALL: &str = r#"echo '{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Bash","input":{}}]}}'"#;
const RESULT: &str =
    r#"echo '{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"ok"}'"#;

#[test]
fn a_worker_that_never_says_anything_is_stopped() {
    let place = Place::new();
    let mut run = claude(&place, "exec sleep 1000");
    run.order.spec.limits.first_output = Some(1);
    assert_eq!(ended(&run).0, timeout(TimeoutPhase::FirstOutput));
}

#[test]
fn a_worker_whose_model_is_silent_is_stopped_though_it_computes() {
    let place = Place::new();
    let mut run = claude(&place, &format!("{INIT}\nwhile :; do :; done"));
    run.order.spec.limits.idle = Some(1);
    run.order.spec.limits.tool_idle = Some(1000);
    assert_eq!(ended(&run).0, timeout(TimeoutPhase::Idle));
}

#[test]
fn a_silent_tool_is_stopped_when_nothing_is_going_on_and_not_before() {
    let place = Place::new();
    let work = "end=$(($(date +%s) + 5)); while [ $(date +%s) -lt $end ]; do :; done";
    let mut run = claude(&place, &format!("{INIT}\n{CALL}\nsetsid sh -c '{work}'\nexec sleep 1000"));
    run.order.spec.limits.idle = Some(1);
    run.order.spec.limits.tool_idle = Some(2);
    let (outcome, took) = ended(&run);
    assert_eq!(outcome, timeout(TimeoutPhase::Idle));
    assert!(took >= Duration::from_secs(6), "it was stopped while a process of it computed: {took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn a_command_is_watched_as_a_tool_is() {
    let place = Place::new();
    let mut run = place.command(1, "echo on; sleep 1000");
    run.order.spec.limits.idle = Some(1);
    run.order.spec.limits.tool_idle = Some(2);
    assert_eq!(ended(&run).0, timeout(TimeoutPhase::Idle));
}

#[test]
fn a_worker_that_stays_after_its_result_is_told_to_go_and_judged_by_it() {
    let place = Place::new();
    let interrupted = r#"{"type":"result","subtype":"error_during_execution","is_error":true}"#;
    let run = claude(
        &place,
        &format!("trap 'echo {interrupted:?}; exit 0' INT\n{INIT}\n{RESULT}\nsleep 1000 & wait"),
    );
    let before = Instant::now();
    let (end, events) = run.end();
    assert_eq!((end.outcome, end.exit), (Outcome::NoChange, Some(WorkerExit::Signal(15))));
    assert!(notes(&events).contains("does not end"), "{}", notes(&events));
    assert!(before.elapsed() >= Duration::from_secs(10));
}

#[test]
fn a_worker_with_a_task_in_the_background_may_stay_until_that_has_ended() {
    let place = Place::new();
    let began = r#"echo '{"type":"system","subtype":"task_started","task_id":"b1"}'"#;
    let ended_task =
        r#"echo '{"type":"system","subtype":"task_notification","task_id":"b1","status":"completed"}'"#;
    let more = RESULT.replace("ok", "all of it");
    let run = claude(&place, &format!("{INIT}\n{began}\n{RESULT}\nsleep 12\n{ended_task}\n{more}"));
    let (end, events) = run.end();
    assert_eq!((end.outcome, end.exit), (Outcome::NoChange, Some(WorkerExit::Code(0))));
    assert_eq!(end.report.text.as_deref(), Some("all of it"));
    assert!(!notes(&events).contains("stopping"), "{}", notes(&events));
}

/// Names that this process is to say what time it is by the clock of the deadlines.
const CLOCK: &str = "TEST_SHIM_CLOCK";

#[test]
fn clock_process() {
    if std::env::var_os(CLOCK).is_some() {
        let uptime = fs_err::read_to_string("/proc/uptime").unwrap();
        let told = format!("{:?} and up for {uptime}", Instant::now());
        std::io::Write::write_all(&mut std::io::stdout(), told.as_bytes()).unwrap();
    }
}

/// In a time namespace whose clock that counts suspension is ahead, the clock of the deadlines is not.
#[test]
fn the_clock_of_the_deadlines_does_not_count_the_time_that_a_machine_is_suspended() {
    let program = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new("unshare");
    command.args(["--time", "--boottime", "1000000", "--fork"]).arg(program);
    command.args(["--exact", "watching::clock_process", "--nocapture"]).env(CLOCK, "1");
    let finished = Running::start(command).wait();
    if !finished.status.success() {
        return need::not_run("no time namespace can be made");
    }
    let seconds = |behind: &str| {
        let rest = finished.stdout.split(behind).nth(1).unwrap();
        let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap();
        rest[..end].parse::<i64>().unwrap()
    };
    let ahead = seconds("up for ") - seconds("tv_sec: ");
    assert!(ahead > 900_000, "{ahead}: {}", finished.stdout);
}

#[test]
fn a_setup_need_not_say_anything() {
    let place = Place::new();
    let mut run = place.command(1, "echo on");
    run.order.spec.setup = Some("sleep 3".to_owned());
    run.order.spec.limits.first_output = Some(1);
    assert_eq!(run.end().0.outcome, Outcome::NoChange);
}
