//! That no process of a run stays, by each of the means alone, wherever and however it hides.

use coord_agent::finish::{Abandoned, abandoned};
use coord_agent::log::secrets::Secrets;
use coord_agent::process;
use coord_agent::shim::contain::adopt_orphans;
use coord_core::outcome::{Outcome, WorkerExit};
use coord_core::run::{Leaked, RunEnd};
use coord_proto::event::{Event, EventKind, Leak};
use coord_testkit::cgroup::{HandedOver, group_of};
use coord_testkit::need;
use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::Running;
use jiff::Timestamp;

use crate::fixture::{Place, Run, notes};

/// Ways to outlive a parent. Each leaves at least one process.
const HIDDEN: [&str; 7] = [
    // A session of its own.
    "setsid sleep 1000 &",
    // A daemon: two forks, a session, and parents that are gone.
    "(setsid sh -c 'sleep 1001 & sleep 1001 &' &)",
    // Deaf to hang-ups.
    "nohup sleep 1002 > /dev/null 2>&1 &",
    // Deaf to everything that one can be deaf to.
    "(trap '' TERM INT HUP; sleep 1003) &",
    // Stopped, so that it takes note of nothing.
    "sleep 1004 & kill -STOP $!;",
    // Never more than two of them alive, each of them for a moment.
    "runs_away() { runs_away & }; runs_away;",
    // One more at every moment.
    "(while :; do sleep 1005 & sleep 0.01; done) &",
];
/// A daemon that has also forgotten its environment, and so the marker.
const FORGETFUL: &str = "(setsid env -i sleep 1006 &)";

fn leaks(events: &[Event]) -> Vec<(Leak, u64, String)> {
    let leaks = events.iter().filter_map(|it| {
        let EventKind::Leak { what, count, processes } = &it.event else { return None };
        let named: Vec<_> = processes.iter().map(|it| it.command.as_str()).collect();
        Some((*what, *count, named.join("\n")))
    });
    leaks.collect()
}

/// Whether this machine lets us make a cgroup with `cgroup.kill`.
fn groups_can_be_made() -> bool {
    let mounts = fs_err::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let point = mounts.lines().find(|it| it.contains(" - cgroup2 ")).and_then(|it| it.split(' ').nth(4));
    let own = fs_err::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|it| it.strip_prefix("0::"));
    let made = point.zip(own).is_some_and(|(point, own)| {
        let group = format!("{point}{own}/coord-test-{}", std::process::id());
        fs_err::create_dir(&group).and_then(|()| fs_err::remove_dir(&group)).is_ok()
    });
    if !made {
        need::not_run("no cgroup2 may be written here");
    }
    made
}

/// Has a worker hide processes and go on, and stops it by one of the means.
fn stopped_by(means: &str, hidden: &[&str]) {
    let place = Place::new();
    let run = place.command(1, &format!("{}\necho ready; sleep 1007", hidden.join("\n")));
    let shim = run.start_by(means);
    run.wait_for_output("ready");
    assert_eq!(!run.groups().is_empty(), means == "group");
    run.stop();
    let (end, events) = run.ended(shim);
    assert_eq!((end.outcome, end.leaked), (Outcome::STOPPED, Leaked::default()));
    assert!(notes(&events).contains("left behind") && leaks(&events).is_empty(), "{}", notes(&events));
    assert!(run.groups().is_empty(), "its cgroup is gone");
}

#[test]
fn a_cgroup_alone_ends_all_that_a_worker_hides() {
    if !groups_can_be_made() {
        return;
    }
    stopped_by("group", &[&HIDDEN[..], &[FORGETFUL]].concat());
}

#[test]
fn ancestry_alone_ends_all_that_a_worker_hides() {
    stopped_by("ancestry", &[&HIDDEN[..], &[FORGETFUL]].concat());
}

#[test]
fn the_marker_alone_ends_all_that_a_worker_hides_with_its_environment() {
    stopped_by("marker", &HIDDEN);
}

#[test]
fn beside_a_shim_whose_group_above_was_handed_over_runs_have_theirs() {
    let place = Place::new();
    let Some(above) = HandedOver::make() else { return };
    let run = place.command(1, "sleep 1000");
    let shim = run.start_in(&above.inner());
    wait_for("everybody to be in their group", PATIENCE, || {
        let started = run.events().into_iter().find_map(|it| {
            let EventKind::Started { pid, .. } = it.event else { return None };
            Some(pid)
        });
        let worker = started.map(group_of).unwrap_or_default();
        let groups = (worker, group_of(shim.pid()));
        let below = format!("-above/coord-{}", run.order.spec.run);
        // The shim has been in there as well, to start the worker.
        let right = groups.0.ends_with(&below) && groups.1.ends_with("-above/inner");
        if right { Ok(()) } else { Err(format!("{groups:?}")) }
    });
    run.stop();
    run.ended(shim);
    assert!(run.groups().is_empty());
}

#[test]
fn what_outlives_a_worker_is_ended_told_and_counted() {
    let place = Place::new();
    let hidden = [&HIDDEN[..4], &[FORGETFUL]].concat().join("\n");
    let mut run = place.command(1, &format!("{hidden}\nsetsid sleep 1008 $A_TOKEN & exit 0"));
    // Not a number of seconds, so the process does not live long; its command line is what counts.
    run.order.environment.insert("A_TOKEN".to_owned(), "0.000000001".to_owned());
    let (end, events) = run.end();
    assert_eq!((end.outcome, end.exit), (Outcome::NoChange, Some(WorkerExit::Code(0))));
    let leaks = leaks(&events);
    let [(Leak::Outlived, count, named)] = leaks.as_slice() else { panic!("{leaks:?}") };
    assert_eq!(end.leaked, Leaked { outlived: *count, stay: 0 });
    assert!((6..=9).contains(count), "{leaks:?}");
    for number in [1000, 1001, 1002, 1003, 1006, 1008] {
        assert!(named.contains(&format!("sleep {number}")), "no {number} in {named}");
    }
    assert!(named.contains("sleep 1008 [redacted]"), "{named}");
}

#[test]
fn a_worker_that_leaves_nothing_leaks_nothing() {
    let place = Place::new();
    // Whoever ends a moment after its parent was going to.
    let (end, events) = place.command(1, "sleep 0.05 & exit 0").end();
    assert_eq!(end.leaked, Leaked::default());
    assert!(leaks(&events).is_empty());
}

/// Kills the shim of a run, and has the run brought to its end from here as a server does it.
fn abandon(place: &Place, run: &Run<'_>, shim: &Running) -> RunEnd {
    shim.kill();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("an event loop starts");
    let end = wait_for("the end of a run without a shim", PATIENCE, || {
        let (git, secrets) = (place.git(), Secrets::of(&run.order.environment));
        let outcome = Outcome::Lost { reason: "its shim died".to_owned() };
        let ended = abandoned(&run.dir, outcome, &git, secrets, || Timestamp::UNIX_EPOCH);
        let Abandoned::Ended(end) = runtime.block_on(ended).expect("the run can be ended") else {
            return Err("the shim is not quite dead".to_owned());
        };
        Ok(end)
    });
    place.world.assert_no_process_left();
    assert!(notes(&run.events()).contains("left behind"), "{}", notes(&run.events()));
    *end
}

#[test]
fn the_cgroup_of_a_dead_shim_tells_what_is_left_of_its_run() {
    if !groups_can_be_made() {
        return;
    }
    let place = Place::new();
    let run = place.command(1, &format!("{}\n{FORGETFUL}\necho ready; sleep 1007", HIDDEN.join("\n")));
    let shim = run.start_by("group");
    run.wait_for_output("ready");
    assert!(!run.groups().is_empty());
    abandon(&place, &run, &shim);
    assert!(run.groups().is_empty());
}

#[test]
fn the_marker_tells_what_is_left_of_the_run_of_a_dead_shim() {
    let place = Place::new();
    let run = place.command(1, &format!("{}\necho ready; sleep 1007", HIDDEN.join("\n")));
    let shim = run.start_by("marker");
    run.wait_for_output("ready");
    abandon(&place, &run, &shim);
}

#[test]
fn what_a_dead_shim_left_to_the_server_is_told_from_what_the_server_started() {
    adopt_orphans().unwrap();
    let place = Place::new();
    let run = place.command(1, &format!("{}\n{FORGETFUL}\necho ready; sleep 1007", HIDDEN.join("\n")));
    let shim = run.start_by("ancestry");
    run.wait_for_output("ready");
    // In no world, so that whoever looks for what is left does not find it.
    let mut own = std::process::Command::new("sleep");
    own.arg("1009").env_clear().env("COORD_AGENT_PID", std::process::id().to_string()).current_dir("/");
    let own = Running::start(own);
    abandon(&place, &run, &shim);
    assert!(process::find(own.pid()).is_some_and(|it| !it.zombie), "it is not of the run");
}
