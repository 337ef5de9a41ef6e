//! The queue and the machines it starts runs on: which of several, and what when one is not there.

use camino::Utf8PathBuf;
use coord_testkit::model::{Hold, say};
use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::Running;
use serde_json::{Value, json};

use super::{assign, fleet, held, id};
use crate::change::commit;
use crate::fleet::Fleet;
use crate::machine::kill;
use crate::refusals::{script, scripted};

/// A second machine, `there`.
struct Other {
    home: Utf8PathBuf,
}

impl Other {
    /// Adds it to the configuration, with so many slots. Nothing answers there yet.
    fn configured(fleet: &Fleet, slots: usize) -> Self {
        let (home, port) = (fleet.dir().join("there"), fleet.free_port());
        let machine = format!(
            "{{name: there, port: {port}, slots: {slots}, token_file: {home}/agent/token, repo_paths: {{api: {}}}}}",
            fleet.api.clone
        );
        fleet.reconfigure("machines:\n", &format!("machines:\n  - {machine}\n"));
        Self { home }
    }

    /// Starts its agent server, from a home of its own.
    fn serve(&self, fleet: &Fleet) -> Running {
        let mut there = fleet.command(env!("CARGO_BIN_EXE_coord"));
        there.env("COORD_HOME", &self.home).args(["agent", "--machine", "there"]);
        let there = Running::start(there);
        wait_for("the other machine", PATIENCE, || {
            if there.stderr().contains(" on http://") { Ok(()) } else { Err(there.stderr()) }
        });
        there
    }
}

#[test]
fn a_run_that_may_go_anywhere_goes_where_a_slot_gets_free() {
    let Some(fleet) = fleet(1) else { return };
    let here = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    let there = Other::configured(&fleet, 1).serve(&fleet);
    let holds = [Hold::new(), Hold::new()];
    let busy = [("here", "tide"), ("there", "oak")];
    let busy: Vec<_> = busy
        .iter()
        .zip(&holds)
        .map(|((machine, word), hold)| {
            let number = fleet.task(&format!("Add {word}"), held(word, hold)).to_string();
            fleet.coord(["assign", machine, "api", &number]).success();
            hold.wait_reached();
            number
        })
        .collect();
    let number = fleet.task("Add rain", [commit("words/rain.txt", "rain", "Add rain"), say("done")]);
    let run = assign(&fleet, number, &[]);
    assert_eq!((&run["state"], &run["machine"]), (&json!("queued"), &Value::Null));
    assert_eq!(run["waits_for"].as_array().unwrap().len(), 2, "{run}");
    holds[1].release();
    fleet.wait_until_unattended();
    let ended = fleet.wait(&id(&run));
    assert_eq!((&ended["machine"], &ended["outcome"]["kind"]), (&json!("there"), &json!("done")), "{ended}");
    holds[0].release();
    for number in &busy {
        assert_eq!(fleet.wait(number)["outcome"]["kind"], "done");
    }
    for server in [here, there] {
        server.terminate();
        server.wait().success();
    }
    fleet.assert_no_process_left();
}

#[test]
fn a_machine_that_is_away_when_its_turn_comes_is_waited_for_and_holds_nobody_up() {
    let fleet = scripted();
    let here = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    let other = Other::configured(&fleet, 40);
    let token = "0".repeat(64);
    fleet.reconfigure("runtimes:\n", "concurrency: {stagger_seconds: 2}\nruntimes:\n");
    let file = fleet.write("there/agent/token", &token);
    fs_err::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let add = || script(&fleet, "echo $COORD_RUN > x; git add x; git commit -qm x");
    fleet.assign(add().parse().unwrap());
    let number = add();
    let assigned = fleet.coord(["--json", "assign", "there", "api", &number]).success().json();
    let waits = id(&assigned["data"]["run"]);
    wait_for("the machine to be missed", PATIENCE, || {
        let reasons = fleet.shown(&waits)["waits_for"].clone();
        if reasons == json!(["machine `there` does not answer"]) { Ok(()) } else { Err(reasons.to_string()) }
    });
    // It has the most free slots by far, and would be the first choice.
    let anywhere = assign(&fleet, add().parse().unwrap(), &[]);
    let ended = fleet.wait(&id(&anywhere));
    assert_eq!((&ended["machine"], &ended["outcome"]["kind"]), (&json!("here"), &json!("done")), "{ended}");
    assert_eq!(fleet.shown(&waits)["state"], "queued");

    let there = other.serve(&fleet);
    fleet.wait_until_unattended();
    let ended = fleet.wait(&waits);
    assert_eq!((&ended["machine"], &ended["outcome"]["kind"]), (&json!("there"), &json!("done")), "{ended}");
    for server in [here, there] {
        server.terminate();
        server.wait().success();
    }
    fleet.assert_no_process_left();
}

#[test]
fn after_a_power_cut_one_command_is_enough() {
    let fleet = scripted();
    fleet.reconfigure("slots: 40", "slots: 1");
    let cut_off = fleet.assign(script(&fleet, "touch ~/begun; sleep 600").parse().unwrap());
    let rest = [1, 2].map(|n| {
        let number = script(&fleet, &format!("echo {n} > {n}; git add {n}; git commit -qm 'Add {n}'"));
        id(&assign(&fleet, number.parse().unwrap(), &[]))
    });
    crate::machine::wait_for_file(&fleet.home().join("begun"));
    // Who looks after the queue goes first, so that it has no time to wonder where the others are.
    kill(fleet.attendant());
    for process in fleet.processes() {
        kill(u32::try_from(process.pid).unwrap());
    }
    fleet.assert_no_process_left();
    fleet.coord(["status"]).success();
    for run in &rest {
        fleet.wait_until_ended(run);
    }
    fleet.wait_until_unattended();
    assert_eq!(fleet.wait(&cut_off)["outcome"]["kind"], "lost");
    for run in &rest {
        assert_eq!(fleet.wait(run)["outcome"]["kind"], "done");
    }
    fleet.assert_nothing_runs_without_the_server();
}
