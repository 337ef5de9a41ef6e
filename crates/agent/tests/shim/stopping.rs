//! How a run is ended, and that nothing of it stays.

use std::io::{BufRead as _, BufReader};

use coord_agent::finish::{Abandoned, abandoned};
use coord_agent::layout::Home;
use coord_agent::log::secrets::Secrets;
use coord_agent::process;
use coord_core::outcome::{Outcome, TimeoutPhase, WorkerExit};
use coord_proto::event::EventKind;
use coord_testkit::poll::{PATIENCE, wait_for};
use jiff::Timestamp;

use crate::fixture::{Place, SOON, notes};

const FOR_EVER: &str = "sleep 1000";

#[test]
fn a_stop_leaves_no_process_wherever_it_hid() {
    let place = Place::new();
    // A session of its own; a daemon whose parents are gone; one without the marker; one that ignores signals.
    let hiding = format!(
        "setsid {FOR_EVER} & (setsid sh -c '{FOR_EVER} & {FOR_EVER} &' &) ; (env -i {FOR_EVER} &) ; \
         (trap '' TERM INT HUP; {FOR_EVER}) & echo ready; wait"
    );
    let run = place.command(1, &hiding);
    let shim = run.start();
    run.wait_for_output("ready");
    run.stop();
    let (end, events) = run.ended(shim);
    assert_eq!(end.outcome, Outcome::STOPPED);
    assert!(notes(&events).contains("left behind"), "{}", notes(&events));
}

#[test]
fn what_a_worker_leaves_behind_when_it_ends_well_is_ended_too() {
    let place = Place::new();
    let run = place.command(1, &format!("setsid {FOR_EVER} & (setsid {FOR_EVER} &) ; exit 0"));
    let (end, _) = run.end();
    assert_eq!((end.exit, end.leaked.outlived), (Some(WorkerExit::Code(0)), 2));
}

#[test]
fn a_terminated_shim_stops_its_run_and_a_hang_up_is_nothing_to_it() {
    let place = Place::new();
    let run = place.command(1, "echo ready; cat fifo || mkfifo fifo; cat fifo");
    let shim = run.start();
    run.wait_for_output("ready");
    let pid = rustix::process::Pid::from_raw(i32::try_from(shim.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    let mut heard = BufReader::new(run.connect()).lines();
    assert!(heard.next().unwrap().unwrap().contains("running"), "it goes on");
    shim.terminate();
    assert_eq!(run.ended(shim).0.outcome, Outcome::STOPPED);
}

#[test]
fn a_run_ends_at_its_deadline() {
    let place = Place::new();
    let mut run = place.command(1, FOR_EVER);
    run.order.spec.deadline_seconds = 1;
    assert_eq!(run.end().0.outcome, Outcome::Timeout { phase: TimeoutPhase::Absolute });
}

#[test]
fn a_stop_during_setup_starts_no_worker() {
    let place = Place::new();
    let mut run = place.command(1, "echo worker");
    run.order.spec.setup = Some(format!("echo preparing; {FOR_EVER}"));
    let shim = run.start();
    run.wait_for_output("preparing");
    run.stop();
    let (end, events) = run.ended(shim);
    assert_eq!((end.outcome, end.exit), (Outcome::STOPPED, None));
    assert!(!events.iter().any(|it| matches!(it.event, EventKind::Started { .. })));
}

#[test]
fn two_shims_for_one_run_start_one_worker() {
    let place = Place::new();
    let run = place.command(1, &format!("echo ready; {FOR_EVER}"));
    let first = run.start();
    let second = run.start_again();
    run.wait_for_output("ready");
    let third = run.start_again();
    assert!(third.wait().status.success());
    run.stop();
    let finished = [first.wait(), second.wait()];
    assert!(finished.iter().all(|it| it.status.success()));
    let started = |run: &crate::fixture::Run<'_>| {
        run.events().iter().filter(|it| matches!(it.event, EventKind::Started { .. })).count()
    };
    assert_eq!(started(&run), 1);
    assert!(run.start_again().wait().status.success(), "a run that has ended is left alone");
    assert_eq!(started(&run), 1);
}

#[test]
fn a_run_whose_shim_died_is_swept_rescued_and_lost() {
    let place = Place::new();
    let run = place.command(1, &format!("echo x > left.txt; setsid {FOR_EVER} & echo ready; wait"));
    let shim = run.start();
    run.wait_for_output("ready");
    let abandon = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (git, secrets) = (place.git(), Secrets::of(&run.order.environment));
        let (clock, outcome) =
            (|| Timestamp::UNIX_EPOCH, Outcome::Lost { reason: "its shim died".to_owned() });
        runtime.block_on(abandoned(&run.dir, outcome, &git, secrets, clock)).unwrap()
    };
    assert!(matches!(abandon(), Abandoned::Alive));
    let pid = shim.pid();
    shim.kill();
    wait_for("the shim's death", PATIENCE, || {
        process::find(pid).is_none_or(|it| it.zombie).then_some(()).ok_or_else(|| "it lives".to_owned())
    });
    assert!(run.start_again().wait().status.success(), "its worker may live: no second one is started");
    let Abandoned::Ended(end) = abandon() else { panic!("a dead shim is not alive") };
    assert_eq!(end.outcome, Outcome::Lost { reason: "its shim died".to_owned() });
    assert_eq!(end.git.dirty.as_deref(), Some(&["left.txt".to_owned()][..]));
    assert!(end.rescue.is_some());
    place.world.assert_no_process_left();
    let count = run.events().len();
    assert!(matches!(abandon(), Abandoned::Ended(again) if again == end));
    fs_err::remove_file(run.dir.exit()).unwrap();
    assert!(matches!(abandon(), Abandoned::Ended(again) if again == end), "the log remembers");
    assert_eq!(run.events().len(), count);
    drop(shim);
}

#[test]
fn a_long_path_is_no_obstacle_for_the_socket() {
    let mut place = Place::new();
    place.home = Home::new(place.home.root().join("a".repeat(80)).join("b".repeat(80)));
    let run = place.command(1, &format!("echo ready; {FOR_EVER}"));
    assert!(run.dir.socket().as_str().len() > 200);
    let shim = run.start();
    run.wait_for_output("ready");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use tokio::io::AsyncWriteExt as _;
        let mut client = coord_agent::shim::connect(&run.dir).await.unwrap();
        client.write_all(b"{\"command\":\"stop\",\"at\":\"2026-01-01T00:00:00Z\"}\n").await.unwrap();
    });
    assert_eq!(run.ended(shim).0.outcome, Outcome::STOPPED);
}

#[test]
fn an_interrupt_is_the_first_thing_that_claude_is_told() {
    let place = Place::new();
    let said = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"num_turns":1,"terminal_reason":"aborted_tools"}"#;
    let said = place.world.write("said", &format!("{said}\n"));
    let script = format!(
        "#!/bin/sh\ntrap 'cat {said}; exit 0' INT\ntrap '' TERM\necho ready\nwhile :; do sleep 0.1; done\n"
    );
    let program = place.world.write("bin/fake", &script);
    crate::runtimes::executable(&program);
    let mut run = place.run(1, "claude", |_| {});
    run.order.runtime.program = Some(program.to_string());
    let shim = run.start();
    run.wait_for_output("ready");
    let before = tokio::time::Instant::now();
    run.stop();
    let (end, events) = run.ended(shim);
    assert!(before.elapsed() < SOON, "it did not wait for the next rung");
    assert_eq!((end.exit, end.outcome), (Some(WorkerExit::Code(0)), Outcome::STOPPED));
    assert!(events.iter().any(|it| matches!(it.event, EventKind::Result { .. })));
}
