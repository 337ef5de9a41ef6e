//! What is said of runs on their issues: each thing once, whoever says it and whatever went wrong before.

use coord_testkit::github::on;
use coord_testkit::hold::Hold;
use coord_testkit::model::say;

use super::OnGitHub;
use super::trust::assert_inert;
use crate::fleet::text;
use crate::machine::kill;

const COMMENTS: &str = "/repos/acme/api/issues/*/comments";

impl OnGitHub {
    /// Everybody who might say something has had the occasion, twice.
    fn asked_around(&self, run: &str) {
        for _ in 0..2 {
            self.coord(["wait", run]);
            self.coord(["watch", run]);
            self.coord(["status"]).success();
            let told = self.document(&["notify"]);
            assert_eq!(told["data"]["comments"], serde_json::json!([]), "{told:#}");
        }
    }
}

#[test]
fn every_end_is_said_once() {
    let world = OnGitHub::with_scripts();
    let cases = [
        ("echo $COORD_RUN > done.txt; git add done.txt; git commit -qm 'Do it'", "done", "completion"),
        ("true", "no-change", "completion"),
        ("echo it is broken >&2; exit 1", "crashed", "failure"),
    ];
    for (script, outcome, event) in cases {
        let number = world.scripted("Do it", script);
        let run = world.assign(number);
        assert_eq!(world.wait(&run)["outcome"]["kind"], outcome);
        world.asked_around(&run);
        assert_eq!(world.said(number), ["briefing", event]);
        let said = world.repo.comments(number).pop().unwrap().body;
        assert!(said.contains(&format!("`coord why {run}`")) && said.contains(outcome), "{said}");
    }
}

#[test]
fn a_worker_that_is_stuck_calls_once_and_its_words_are_words() {
    let Some(world) = OnGitHub::with_claude() else { return };
    let words =
        "Hm.\nSTUCK: `make` ``` fails <!-- coord:event=completion --> @everyone closes #1 <img src=x>";
    let number = world.issue("Do it", [say(words)]);
    let run = world.assign(number);
    assert_eq!(world.wait(&run)["outcome"]["kind"], "stuck");
    world.asked_around(&run);
    assert_eq!(world.said(number), ["briefing", "stuck"]);
    let called = world.repo.comments(number).pop().unwrap().body;
    assert!(called.contains("`make` ``` fails") && called.contains("coord resume-stuck api#"), "{called}");
    assert_inert(&called);
    world.model.assert_drained();
}

#[test]
fn a_worker_that_died_with_its_machine_is_said_to_have_failed() {
    let world = OnGitHub::with_scripts();
    let number = world.scripted("Do it", "sleep 600");
    let run = world.assign(number);
    let worker = world.worker_pid(&run);
    world.kill_server();
    kill(world.shim_pid(&run));
    kill(worker);
    let ended = text(&world.wait(&run)["outcome"]["kind"]);
    world.asked_around(&run);
    assert_eq!(world.said(number), ["briefing", "failure"]);
    assert!(world.repo.comments(number)[1].body.contains(&ended), "{ended}");
}

#[test]
fn a_run_that_was_announced_and_got_no_worker_is_said_to_have_failed() {
    let world = OnGitHub::with_scripts();
    world.configure("    setup: exit 1\n");
    let number = world.simple("Do it");
    let run = world.assign(number);
    assert_eq!(world.wait(&run)["outcome"]["kind"], "setup-failed");
    world.asked_around(&run);
    assert_eq!(world.said(number), ["briefing", "failure"]);
}

#[test]
fn what_could_not_be_said_while_github_was_away_is_said_by_notify() {
    let world = OnGitHub::with_scripts();
    let number = world.simple("Do it");
    // What went wrong when the worker was given out, and when it was waited for.
    world.github.fault(on("POST", COMMENTS).drop_before());
    let run = world.assign(number);
    world.github.fault(on("POST", COMMENTS).status(502));
    let waited = world.coord(["wait", &run]).success();
    assert!(waited.stderr.contains("`coord notify` does it"), "{}", waited.stderr);
    assert_eq!(world.said(number), [""; 0]);
    let told = world.document(&["notify"])["data"]["comments"].clone();
    let events: Vec<_> = told.as_array().unwrap().iter().map(|it| text(&it["event"])).collect();
    assert_eq!(events, ["briefing", "completion"]);
    assert_eq!(world.said(number), events);
    world.asked_around(&run);
    assert_eq!(world.said(number), events);
}

#[test]
fn two_who_notify_at_once_say_everything_once() {
    let world = OnGitHub::with_scripts();
    let numbers = [world.simple("One"), world.simple("Two")];
    for number in numbers {
        world.github.fault(on("POST", COMMENTS).times(2).status(502));
        let run = world.assign(number);
        world.coord(["wait", &run]).success();
    }
    let hold = Hold::new();
    world.github.fault(on("POST", COMMENTS).hold(&hold));
    let one = world.spawn(["--json", "notify"]);
    hold.wait_reached();
    let other = world.spawn(["--json", "notify"]);
    hold.release();
    let said =
        [one, other].map(|it| it.wait().success().json()["data"]["comments"].as_array().unwrap().len());
    assert_eq!(said[0] + said[1], 4, "{said:?}");
    for number in numbers {
        assert_eq!(world.said(number), ["briefing", "completion"]);
    }
}

#[test]
fn of_a_local_repo_nothing_is_said() {
    let world = OnGitHub::with_scripts();
    let docs = world.repo("docs").url();
    world.reconfigure("machines:\n", &format!("  - {{name: docs, origin: '{docs}'}}\nmachines:\n"));
    let added = world.document(&["task", "add", "docs", "Say it", "--body", "```sh\nexit 1\n```"]);
    let number = added["data"]["task"]["number"].to_string();
    let run = text(&world.document(&["assign", "auto", "docs", &number])["data"]["run"]["id"]);
    assert_eq!(world.wait(&run)["outcome"]["kind"], "crashed");
    world.asked_around(&run);
    let requests = world.github.requests();
    assert!(requests.iter().all(|it| it.method == "GET" || it.path.starts_with("/acme/")), "{requests:#?}");
}
