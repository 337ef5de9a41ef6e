//! That limits on what a run uses bite: with an allocation, a fork bomb and a large file.

use coord_core::limits::RunLimits;
use coord_core::outcome::Outcome;
use coord_core::run::RunEnd;
use coord_testkit::need;

use crate::fixture::{Place, notes};

const MIB: u64 = 1 << 20;

/// Runs a command under limits, by all the means there are or by one; how it ended, and what was said.
fn ended(command: &str, limits: RunLimits, means: Option<&str>) -> (RunEnd, String) {
    let place = Place::new();
    let mut run = place.command(1, command);
    run.order.spec.limits = limits;
    let shim = means.map_or_else(|| run.start(), |it| run.start_by(it));
    let (end, events) = run.ended(shim);
    assert!(run.groups().is_empty());
    (end, notes(&events))
}

fn over(end: &RunEnd, limit: &str) {
    let cap = format!("the limit of its machine on {limit}");
    assert_eq!(end.outcome, Outcome::Budget { cap });
}

const ALLOCATE: &str = "perl -e 'my @a; push @a, \"x\" x 1048576 for 1..400; sleep 1000'; sleep 1000";
const BOMB: &str = "i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done; sleep 1000";

#[test]
fn the_kernel_ends_a_run_that_allocates_more_than_it_may() {
    let (end, notes) = ended(ALLOCATE, RunLimits { memory: Some(100 * MIB), ..RunLimits::default() }, None);
    over(&end, "memory 100 MiB");
    if !notes.contains("limit: memory 100 MiB, enforced by the kernel") {
        need::not_run("no cgroup here may limit memory");
    }
}

#[test]
fn the_kernel_keeps_a_fork_bomb_small_and_the_run_ends() {
    let (end, notes) = ended(BOMB, RunLimits { processes: Some(60), ..RunLimits::default() }, None);
    over(&end, "processes 60");
    if !notes.contains("limit: processes 60, enforced by the kernel") {
        need::not_run("no cgroup here may limit processes");
    }
}

#[test]
fn what_no_cgroup_limits_is_looked_at_and_the_run_stopped() {
    let (end, notes) =
        ended(ALLOCATE, RunLimits { memory: Some(100 * MIB), ..RunLimits::default() }, Some("ancestry"));
    over(&end, "memory 100 MiB");
    assert!(notes.contains("limit: memory 100 MiB, advisory"), "{notes}");
    let (end, notes) =
        ended(BOMB, RunLimits { processes: Some(60), ..RunLimits::default() }, Some("ancestry"));
    over(&end, "processes 60");
    assert!(notes.contains("limit: processes 60, advisory"), "{notes}");
}

#[test]
fn a_run_that_fills_the_disk_is_stopped() {
    let limits = RunLimits { disk: Some(20 * MIB), ..RunLimits::default() };
    let fill = "dd if=/dev/zero of=large bs=1M count=50 2>/dev/null; sleep 1000";
    let (end, notes) = ended(fill, limits, None);
    over(&end, "disk 20 MiB");
    assert!(notes.contains("limit: disk 20 MiB, advisory"), "{notes}");
}

#[test]
fn who_stays_below_its_limits_notices_nothing() {
    let limits = RunLimits {
        memory: Some(1000 * MIB),
        processes: Some(500),
        disk: Some(1000 * MIB),
        ..RunLimits::default()
    };
    let modest = "dd if=/dev/zero of=/dev/null bs=1M count=10 2>/dev/null; sleep 2.5";
    assert_eq!(ended(modest, limits, None).0.outcome, Outcome::NoChange);
    assert_eq!(ended(modest, limits, Some("ancestry")).0.outcome, Outcome::NoChange);
}

#[test]
fn a_worker_goes_before_its_shim_when_the_machine_has_no_memory_left() {
    let place = Place::new();
    let run = place.command(1, "cat /proc/self/oom_score_adj; cat /proc/$PPID/oom_score_adj");
    let lines = crate::fixture::raw_lines(&run.end().1);
    let scores: Vec<i32> = lines.iter().map(|it| String::from_utf8_lossy(it).parse().unwrap()).collect();
    assert_eq!(scores[0], (scores[1] + 500).min(1000));
}
