//! The way down: each rung takes whoever goes by it, and nobody is pushed further than needed.

use std::time::Duration;

use coord_core::outcome::{Outcome, WorkerExit};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::fixture::Place;

/// Stops a worker that does this with each signal; how it ended, and how long that took.
fn stopped(traps: &str) -> (WorkerExit, Duration) {
    stopped_after(traps, |_| {})
}

/// The same, after something has been done to the worker.
fn stopped_after(traps: &str, first: impl FnOnce(u32)) -> (WorkerExit, Duration) {
    let place = Place::new();
    let run = place.command(1, &format!("{traps}\necho ready; while :; do sleep 0.05; done"));
    let shim = run.start();
    run.wait_for_output("ready");
    first(run.worker());
    let before = Instant::now();
    run.stop();
    let (end, _) = run.ended(shim);
    assert_eq!(end.outcome, Outcome::STOPPED);
    (end.exit.expect("it was started"), before.elapsed())
}

#[test]
fn who_goes_when_interrupted_is_not_terminated() {
    let (exit, took) = stopped("trap 'exit 40' INT; trap 'exit 50' TERM");
    assert_eq!(exit, WorkerExit::Code(40));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn who_is_deaf_to_interrupts_is_terminated() {
    let (exit, took) = stopped("trap '' INT; trap 'exit 50' TERM");
    assert_eq!(exit, WorkerExit::Code(50));
    assert!(took >= Duration::from_secs(5), "{took:?}");
}

#[test]
fn who_is_deaf_to_both_is_killed() {
    let (exit, took) = stopped("trap 'echo no' INT TERM");
    assert_eq!(exit, WorkerExit::Signal(9));
    assert!(took >= Duration::from_secs(8), "{took:?}");
}

#[test]
fn who_is_suspended_takes_note_of_an_interrupt_all_the_same() {
    let (exit, took) = stopped_after("trap 'exit 40' INT", |worker| {
        kill_process(Pid::from_raw(worker.cast_signed()).unwrap(), Signal::STOP).unwrap();
    });
    assert_eq!(exit, WorkerExit::Code(40));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
