//! Agent servers that come and go while runs go on: watchers miss nothing, see nothing twice, and no run notices.

use std::collections::BTreeSet;

use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::Running;
use serde_json::Value;

use crate::fleet::{Fleet, text};
use crate::machine::{is_alive, wait_for_file};
use crate::refusals::{script, scripted};

const RUNS: usize = 8;
const RESTARTS: usize = 50;

/// Waits until a run has said something more.
fn wait_for_more(fleet: &Fleet, run: &str) {
    let before = fleet.log_file(run).len();
    wait_for("the run to say more", PATIENCE, || {
        let now = fleet.log_file(run).len();
        if now > before { Ok(()) } else { Err(format!("{now} bytes")) }
    });
}

/// The numbers of the events that a watcher printed, one document a line.
fn numbers(printed: &str) -> Vec<u64> {
    let events = printed.lines().map(|it| serde_json::from_str::<Value>(it).unwrap());
    events.map(|it| it["n"].as_u64().unwrap()).collect()
}

#[test]
fn a_server_restarted_fifty_times_under_load_is_noticed_by_nobody() {
    let fleet = scripted();
    let go = fleet.dir().join("go");
    let mut server = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    let lines = |n: usize| {
        format!(
            "i=0; while [ ! -e {go} ]; do i=$((i+1)); echo line $i; sleep 0.05; done\n\
             echo {n} > {n}.txt; git add -A; git commit -qm {n}"
        )
    };
    let runs: Vec<_> = (0..RUNS).map(|n| fleet.assign(script(&fleet, &lines(n)).parse().unwrap())).collect();
    let pids: Vec<_> = runs.iter().map(|it| (fleet.worker_pid(it), fleet.shim_pid(it))).collect();
    let watchers: Vec<Running> = runs.iter().map(|it| fleet.spawn(["watch", it, "--json"])).collect();
    for watcher in &watchers {
        // One that finds no server would start one.
        wait_for("a watcher to see its run", PATIENCE, || {
            if watcher.stdout().contains("line ") { Ok(()) } else { Err(watcher.stderr()) }
        });
    }
    for n in 0..RESTARTS {
        wait_for_more(&fleet, &runs[n % RUNS]);
        server.kill();
        drop(server.wait());
        server = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    }
    for (run, (worker, shim)) in runs.iter().zip(pids) {
        assert_eq!((fleet.worker_pid(run), fleet.shim_pid(run)), (worker, shim));
        assert!(is_alive(worker) && is_alive(shim));
        assert_eq!(fleet.shown(run)["state"], "running");
    }
    fs_err::write(&go, "").unwrap();
    for (run, watcher) in runs.iter().zip(watchers) {
        assert_eq!(fleet.wait(run)["outcome"]["kind"], "done");
        let events = fleet.events(run);
        let watched = numbers(&watcher.wait().success().stdout);
        assert_eq!(watched, (1..=events.len() as u64).collect::<Vec<_>>(), "{run}");
        for kind in ["started", "ended"] {
            assert_eq!(fleet.count(run, kind), 1, "{kind}");
        }
    }
    fleet.wait_for_no_worktree();
    let feed = fs_err::read_to_string(fleet.coord_home().join("agent/feed.ndjson")).unwrap();
    let entries: Vec<Value> = feed.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let mut told = BTreeSet::new();
    for (entry, n) in entries.iter().zip(1_u64..) {
        assert_eq!(entry["n"], n, "{feed}");
        assert!(told.insert((text(&entry["run"]), text(&entry["state"]))), "twice: {entry}\n{feed}");
    }
    let ended = told.iter().filter(|(_, state)| state == "ended").count();
    assert_eq!(ended, RUNS, "{feed}");
    fleet.assert_nothing_runs_without_the_server();
    drop(server.wait());
}

#[test]
fn a_run_of_an_older_program_is_watched_and_stopped_by_a_newer_one() {
    let fleet = scripted();
    let ready = fleet.dir().join("ready");
    let run = fleet.assign(
        script(&fleet, &format!("echo tide > sea.txt; touch {ready}; while :; do sleep 0.05; done"))
            .parse()
            .unwrap(),
    );
    wait_for_file(&ready);
    let (worker, shim) = (fleet.worker_pid(&run), fleet.shim_pid(&run));
    fleet.kill_server();
    // What wrote the record has another version, and knew fields that nobody knows any more.
    let path = fleet.run_dir(&run).join("order.json");
    let mut order: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    order["a_field_of_old"] = "said".into();
    order.as_object_mut().unwrap().remove("push_rescues");
    fs_err::write(&path, serde_json::to_vec(&order).unwrap()).unwrap();
    let newer = fleet.dir().join("bin/coord-newer");
    fs_err::copy(env!("CARGO_BIN_EXE_coord"), &newer).unwrap();
    let _server = fleet.serve(newer.as_str());
    let watcher = fleet.spawn(["watch", &run]);
    wait_for("the watcher to see it", PATIENCE, || {
        if watcher.stdout().contains("started") { Ok(()) } else { Err(watcher.stdout()) }
    });
    assert_eq!((fleet.worker_pid(&run), fleet.shim_pid(&run)), (worker, shim));
    let stopped = fleet.coord(["stop", &run, "--json"]).success().json()["data"]["run"].clone();
    assert_eq!(stopped["outcome"]["kind"], "cancelled", "{stopped}");
    assert_eq!(fleet.in_store(&text(&stopped["rescue"]), "sea.txt"), "tide");
    watcher.wait().exits(1);
    assert!(!is_alive(worker) && !is_alive(shim));
    fleet.assert_nothing_runs_without_the_server();
}
