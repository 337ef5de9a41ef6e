//! `coord session` and `coord done`: what happened while somebody was at work, what it cost, what is left to do.

use coord_testkit::poll;
use serde_json::{Value, json};

use crate::fleet::{Fleet, text};
use crate::refusals::{script, scripted};

const COMMIT: &str =
    "mkdir -p words && echo tide > words/$COORD_RUN.txt && git add -A && git commit -qm 'Add a word'";

fn session(fleet: &Fleet, arguments: &[&str]) -> Value {
    fleet.coord(["session", "--json"].iter().chain(arguments)).success().json()["data"].clone()
}

fn done(fleet: &Fleet, arguments: &[&str]) -> Value {
    fleet.coord(["done", "--json"].iter().chain(arguments)).success().json()["data"].clone()
}

/// Adds a task that is this script and has it done; its number.
fn worked(fleet: &Fleet, lines: &str) -> u64 {
    let number = script(fleet, lines).parse().unwrap();
    fleet.work(number);
    number
}

#[test]
fn a_session_tells_what_happened_in_it_and_the_next_one_what_happened_since() {
    let fleet = scripted();
    worked(&fleet, COMMIT);
    let first = session(&fleet, &[]);
    assert_eq!(first["session"]["number"], 1);
    assert_eq!(first["happened"]["tasks_added"], json!(["api#1"]), "the first one tells all there is");
    let number = worked(&fleet, COMMIT);
    fleet.propose(number);
    fleet.coord(["merge"]).success();
    worked(&fleet, "echo STUCK: no key");
    let again = session(&fleet, &[]);
    assert_eq!(again["session"], first["session"], "it goes on");
    assert_eq!(again["happened"]["tasks_merged"], json!(["api#2"]), "{again}");

    let end = done(&fleet, &[]);
    assert_eq!(end["since"], end["session"]["opened_at"]);
    assert_eq!(end["happened"]["tasks_added"].as_array().unwrap().len(), 2, "{end}");
    assert_eq!(end["happened"]["pull_requests_opened"][0]["task"], "api#2");
    assert_eq!(end["happened"]["runs"], json!({"done": 1, "stuck": 1}));
    assert_eq!(end["happened"]["tests"], json!({"done": 1}));
    let cost = (&end["cost"]["usd"], &end["cost"]["unknown_runs"], &end["cost"]["words"]);
    assert_eq!(cost, (&json!(0.0), &json!(2), &json!("unknown")), "a script does not say what it cost");

    let next = session(&fleet, &[]);
    assert_eq!(next["session"]["number"], 2);
    assert_eq!(next["since"], end["session"]["closed_at"]);
    assert_eq!(next["happened"]["tasks_added"], json!([]), "{next}");
    let all = session(&fleet, &["--since", "yesterday"]);
    assert_eq!(all["happened"]["tasks_added"].as_array().unwrap().len(), 3, "{all}");
}

#[test]
fn what_is_open_is_listed_and_what_waits_for_a_person_says_why() {
    let fleet = scripted();
    let unproposed = worked(&fleet, COMMIT);
    let stuck = worked(&fleet, "echo STUCK: no key");
    let dirty = worked(&fleet, "echo half > half-done");
    let busy = script(&fleet, "sleep 600");
    let run = fleet.assign(busy.parse().unwrap());
    let open = session(&fleet, &[])["open"].clone();
    assert_eq!(open["runs"][0]["id"], json!(run), "{open}");
    assert_eq!(open["changes"][0]["task"], json!(format!("api#{unproposed}")));
    assert_eq!(open["rescues"][0]["task"], json!(format!("api#{dirty}")));
    let waiting: Vec<_> = open["waiting"].as_array().unwrap().iter().map(|it| text(&it["task"])).collect();
    assert_eq!(waiting, [unproposed, stuck, dirty].map(|it| format!("api#{it}")), "{open}");
    assert!(text(&open["waiting"][1]["why"][0]).contains("no key"), "{open}");
    let human = fleet.coord(["session"]).success().stdout;
    assert!(human.contains("for you: ") && human.contains(&run), "{human}");

    fleet.propose(unproposed);
    let open = done(&fleet, &[])["open"].clone();
    assert_eq!((&open["changes"], &open["pull_requests"][0]["task"]), (&json!([]), &json!("api#1")));
    assert_eq!(open["runs"][0]["id"], json!(run), "that it runs on is no error");
    fleet.coord(["stop", &run]).success();
}

#[test]
fn done_can_wait_for_what_runs_and_what_is_queued() {
    let fleet = scripted();
    fleet.reconfigure("slots: 40", "slots: 1");
    session(&fleet, &[]);
    let go = fleet.dir().join("go");
    // The second one waits in the queue for the first.
    for lines in [format!("until test -e {go}; do sleep 0.05; done"), "true".to_owned()] {
        fleet.assign(script(&fleet, &lines).parse().unwrap());
    }
    let waiting = fleet.spawn(["done", "--wait"]);
    poll::wait_for("somebody to wait", poll::PATIENCE, || {
        let said = waiting.stderr();
        if said.contains("waiting for run ") { Ok(()) } else { Err(said) }
    });
    assert_eq!(waiting.stdout(), "", "it is closed only once the run has ended");
    fleet.write("go", "");
    let end = waiting.wait().success().stdout;
    assert!(end.contains("2 no-change") && !end.contains("goes on"), "{end}");
}

#[test]
fn there_is_nothing_to_close_twice() {
    let fleet = scripted();
    fleet.coord(["done"]).exits(4);
    session(&fleet, &[]);
    done(&fleet, &[]);
    let refused = fleet.coord(["done"]).exits(4).stderr;
    assert!(refused.contains("`coord session` opens one"), "{refused}");
    let usage = fleet.coord(["session", "--since", "noon"]).exits(2).stderr;
    assert!(usage.contains("`noon` is no moment"), "{usage}");
    fleet.coord(["done"]).exits(4);
}

#[test]
fn a_session_that_was_never_closed_is_still_open_and_says_so() {
    let fleet = scripted();
    let opened = fleet.coord(["session"]).success().stdout;
    assert!(opened.starts_with("session 1, opened now\n"), "{opened}");
    let found = fleet.coord(["session"]).success().stdout;
    assert!(found.starts_with("session 1, open since 20"), "{found}");
}
