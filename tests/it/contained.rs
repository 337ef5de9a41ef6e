//! What a worker leaves behind, and what is said of it.

use coord_testkit::cgroup::{HandedOver, run_in};

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
fn a_server_leaves_the_cgroup_that_was_handed_over_to_it_to_runs() {
    let Some(given) = HandedOver::make() else { return };
    let fleet = fleet();
    let server = fleet.serve_by(run_in(given.path(), &fleet.server(env!("CARGO_BIN_EXE_coord"))));
    let body = "```sh\ncat /proc/self/cgroup > ~/worker; cat /proc/$PPID/cgroup > ~/shim\n```\n";
    let run = fleet.assign(fleet.add(&["Look around", "--body", body]));
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "no-change");
    let unified = |path: String| {
        let groups = fs_err::read_to_string(path).unwrap();
        groups.lines().find_map(|it| it.strip_prefix("0::")).unwrap().to_owned()
    };
    let name = given.path().file_name().unwrap();
    let (home, pid) = (fleet.home(), server.pid());
    for (whose, below) in [
        (format!("/proc/{pid}/cgroup"), "coord.server".to_owned()),
        (format!("{home}/shim"), "coord.server".to_owned()),
        (format!("{home}/worker"), format!("coord-{run}")),
    ] {
        let group = unified(whose.clone());
        assert!(group.ends_with(&format!("/{name}/{below}")), "{whose}: {group}");
    }
    assert!(!given.path().join(format!("coord-{run}")).exists());
}
