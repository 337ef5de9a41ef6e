//! What a worker leaves behind, and what is said of it.

use coord_testkit::cgroup::{HandedOver, group_of, run_in};
use coord_testkit::poll::{PATIENCE, wait_for};

use crate::fleet::{Fleet, text};

fn fleet() -> Fleet {
    let fleet = Fleet::without_claude();
    fleet.configure("");
    fleet.reconfigure("runtimes:\n", "runtime: script\nruntimes:\n");
    fleet
}

#[test]
fn a_process_that_outlives_its_worker_is_ended_and_told_wherever_one_looks() {
    let fleet = fleet();
    let body = "```sh\n(setsid env -i sleep 1234 &)\necho hello\n```\n";
    let number = fleet.add(&["Leave a daemon", "--body", body]);
    let run = fleet.wait(&fleet.assign(number));
    assert_eq!((&run["outcome"]["kind"], &run["leaked"]), (&"no-change".into(), &1.into()), "{run}");
    let id = text(&run["id"]);
    let why = fleet.coord(["why", &id]).success().stdout;
    assert!(why.contains("a process that outlived it was ended"), "{why}");
    let log = fleet.coord(["log", &id]).success().stdout;
    assert!(
        log.contains("[leak] a process that outlived it was ended") && log.contains("sleep 1234"),
        "{log}"
    );
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn a_worker_that_leaves_nothing_has_leaked_nothing() {
    let fleet = fleet();
    let number = fleet.add(&["Leave nothing", "--body", "```sh\necho hello\n```\n"]);
    let run = fleet.wait(&fleet.assign(number));
    assert_eq!(run["leaked"], 0, "{run}");
    let why = fleet.coord(["why", &text(&run["id"])]).success().stdout;
    assert!(!why.contains("outlived"), "{why}");
}

#[test]
fn the_groups_of_runs_come_beside_a_server_whose_group_above_was_handed_over() {
    let Some(given) = HandedOver::make() else { return };
    let fleet = fleet();
    let _server = fleet.serve_by(run_in(&given.inner(), &fleet.server(env!("CARGO_BIN_EXE_coord"))));
    let number = fleet.add(&["Wait", "--body", "```sh\nwhile ! [ -e ~/go ]; do sleep 0.05; done\n```\n"]);
    let run = fleet.assign(number);
    let (shim, worker) = (fleet.shim_pid(&run), fleet.worker_pid(&run));
    let name = given.path().file_name().unwrap();
    for (pid, below) in [(worker, format!("coord-{run}")), (shim, "inner".to_owned())] {
        wait_for("everybody to be in their group", PATIENCE, || {
            let group = group_of(pid);
            if group.ends_with(&format!("/{name}/{below}")) { Ok(()) } else { Err(group) }
        });
    }
    fleet.write("home/go", "");
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "no-change");
    assert!(!given.path().join(format!("coord-{run}")).exists());
    let seen = fleet.coord(["doctor"]).stdout;
    assert!(seen.contains("containment on here: processes of a run are kept together by a cgroup"), "{seen}");
}
