//! The `--json` documents: what programs build on. The names in them are promised, so each document is kept
//! whole, with what differs from world to world replaced.

use coord_testkit::world::Finished;
use serde_json::{Map, Value};

use crate::fleet::{Fleet, text};
use crate::refusals::scripted;

const WORK: &str = "Do this:\n```sh\necho STATUS: half way\nmkdir -p words\necho tide > words/sea.txt\n\
                    git add -A\ngit commit -qm 'Add the tide'\n```\n";

/// The document of a command that ends with `code`.
#[track_caller]
fn document(fleet: &Fleet, code: i32, arguments: &[&str]) -> Value {
    let finished = fleet.coord(arguments.iter().chain(&["--json"])).exits(code);
    assert_eq!(finished.stderr, "", "with --json, nothing but the document is said");
    finished.json()
}

/// A document as it is kept: whole, and the same in every world.
fn settled(fleet: &Fleet, document: &Value) -> String {
    serde_json::to_string_pretty(&still(fleet, document)).unwrap()
}

fn still(fleet: &Fleet, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(still_text(fleet, text)),
        Value::Array(items) => items.iter().map(|it| still(fleet, it)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, it)| {
                let number = it.is_number() && ["pid", "port", "version", "bytes"].contains(&name.as_str());
                (name.clone(), if number { "<number>".into() } else { still(fleet, it) })
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Replaces places, ports, moments, runs and commits.
fn still_text(fleet: &Fleet, text: &str) -> String {
    let text = text.replace(fleet.dir().as_str(), "<world>").replace(&fleet.port.to_string(), "<port>");
    let text =
        text.replace(env!("CARGO_BIN_EXE_coord"), "<coord>").replace(env!("CARGO_PKG_VERSION"), "<version>");
    if text.starts_with("20") && text.ends_with('Z') && text.contains('T') {
        return "<time>".to_owned();
    }
    let mut still = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        let hex = word.chars().all(|it| it.is_ascii_hexdigit());
        still.push_str(match word.len() {
            16 if hex => "<run>",
            10 | 40 if hex && word.contains(|it: char| it.is_ascii_digit()) => "<commit>",
            _ => &word,
        });
        word.clear();
        still.push(c);
    }
    still.pop();
    still
}

macro_rules! kept {
    ($name:literal, $fleet:expr, $document:expr) => {
        insta::assert_snapshot!($name, settled($fleet, $document));
    };
}

/// One document a line.
fn lines(finished: &Finished) -> Vec<Value> {
    finished.stdout.lines().map(|it| serde_json::from_str(it).expect("each line is a document")).collect()
}

#[test]
fn from_a_task_to_a_merged_change() {
    let fleet = scripted();
    let fleet = &fleet;
    document(fleet, 0, &["session"]);
    let added = document(fleet, 0, &["task", "add", "api", "Add a word", "--body", WORK, "--label", "words"]);
    assert_eq!(added["data"]["task"]["number"], 1);
    kept!("task-add", fleet, &added);
    let waits = ["task", "add", "api", "Later", "--after", "1", "--files", "lib/sum.sh"];
    assert_eq!(document(fleet, 0, &waits)["data"]["task"]["after"][0], "api#1");
    kept!("task-edit", fleet, &document(fleet, 0, &["task", "edit", "2", "--title", "Much later"]));
    kept!("task-list", fleet, &document(fleet, 0, &["task", "list"]));

    let plan = document(fleet, 0, &["assign", "auto", "api", "1", "--dry-run"]);
    assert!(text(&plan["data"]["run"]["prompt"]).contains("Add a word"), "{plan}");
    let plan = document(fleet, 0, &["assign", "auto", "api", "2", "--dry-run"]);
    assert_eq!(plan["data"]["run"]["blockers"].as_array().unwrap().len(), 1, "{plan}");
    let assigned = document(fleet, 0, &["assign", "auto", "api", "1"]);
    kept!("assign", fleet, &assigned);
    let run = text(&assigned["data"]["run"]["id"]);

    let watched = lines(&fleet.coord(["watch", &run, "--json"]).success());
    let said = |it: &&Value| it["event"]["kind"] == "status" && it["event"]["text"] == "half way";
    assert_eq!(watched.iter().filter(said).count(), 1, "{watched:#?}");
    assert!(watched.iter().zip(1_u64..).all(|(event, n)| event["n"] == n), "{watched:#?}");
    assert_eq!(watched.last().unwrap()["event"]["kind"], "ended");
    assert_eq!(lines(&fleet.coord(["log", &run, "--json"]).success()), watched);

    let waited = document(fleet, 0, &["wait", &run]);
    assert_eq!(waited["data"]["run"]["outcome"]["kind"], "done");
    kept!("wait", fleet, &waited);
    let tested = document(fleet, 0, &["test", "1"]);
    assert_eq!(tested["data"]["gate"]["state"], "passed");
    kept!("test", fleet, &tested);
    kept!("test-by-a-person", fleet, &document(fleet, 0, &["test", "1", "--passed"]));
    kept!("pr", fleet, &document(fleet, 0, &["pr", "1"]));
    kept!("status", fleet, &document(fleet, 0, &["status"]));
    let mut why = document(fleet, 0, &["why", "1"]);
    // What a run passes through is noted when somebody looks, so it differs from time to time.
    let passing = |it: &Value| {
        ["preparing", "running", "finishing"].iter().any(|word| text(&it["what"]).ends_with(word))
    };
    why["data"]["events"].as_array_mut().unwrap().retain(|it| !passing(it));
    kept!("why", fleet, &why);
    kept!("checkout", fleet, &document(fleet, 0, &["checkout", "1", "mine"]));
    kept!("cost", fleet, &document(fleet, 0, &["cost", "--by", "task"]));
    kept!("merge-dry-run", fleet, &document(fleet, 0, &["merge", "--dry-run"]));
    let merged = document(fleet, 0, &["merge"]);
    assert_eq!(text(&merged["data"]["merged"][0]["commit"]), fleet.api.head("main").unwrap());
    kept!("merge", fleet, &merged);
    let closed = document(fleet, 0, &["done"]);
    assert_eq!(closed["data"]["session"]["number"], 1);
    kept!("done", fleet, &closed);
    kept!("task-show", fleet, &document(fleet, 0, &["task", "show", "1"]));
    kept!("task-close", fleet, &document(fleet, 0, &["task", "close", "2", "--reason", "not needed"]));
}

#[test]
fn what_did_not_go_well() {
    let fleet = scripted();
    let fleet = &fleet;
    fleet.add(&["Sleep", "--body", "```sh\nsleep 600\n```"]);
    let run = fleet.assign(1);
    kept!("wait-timed-out", fleet, &document(fleet, 3, &["wait", &run, "--timeout", "1"]));
    let stopped = document(fleet, 0, &["stop", &run]);
    assert_eq!(stopped["data"]["run"]["outcome"]["kind"], "cancelled");
    kept!("stop", fleet, &stopped);
    let session = document(fleet, 0, &["session", "--since", "today"]);
    assert!(text(&session["data"]["open"]["waiting"][0]["why"][0]).contains("cancelled"), "{session}");
    kept!("session", fleet, &session);
    let breaking = WORK.replace("tide", "apple");
    fleet.add(&["Break the tests", "--body", &breaking]);
    assert_eq!(fleet.work(2), "done");
    let failed = document(fleet, 1, &["test", "2"]);
    assert_eq!(failed["data"]["gate"]["state"], "failed");
    kept!("test-failed", fleet, &failed);
    document(fleet, 0, &["pr", "2"]);
    let parked = document(fleet, 5, &["merge"]);
    assert_eq!(parked["data"]["parked"][0]["task"], "api#2");
    assert!(text(&parked["data"]["parked"][0]["reason"]).contains("tests"), "{parked}");
    kept!("merge-parked", fleet, &parked);
    let ended = document(fleet, 1, &["wait", &run]);
    assert_eq!(ended["data"]["run"]["state"], "ended");
}

#[test]
fn what_is_gone_on_with() {
    let fleet = scripted();
    let fleet = &fleet;
    fleet.add(&["Break the tests", "--body", &WORK.replace("tide", "apple")]);
    assert_eq!(fleet.work(1), "done");
    document(fleet, 1, &["test", "1"]);
    let plan = document(fleet, 0, &["fix", "1", "--guidance", "one list only", "--dry-run"]);
    assert_eq!(
        (&plan["data"]["run"]["kind"], &plan["data"]["session"]["how"]),
        (&"fix".into(), &"new".into())
    );
    kept!("fix", fleet, &document(fleet, 0, &["fix", "1", "--guidance", "one list only"]));
    assert_ne!(fleet.wait("1")["outcome"]["kind"], "done");
    document(fleet, 5, &["resume-stuck", "1", "--guidance", "go on"]);
    kept!("retry", fleet, &document(fleet, 0, &["retry", "1"]));
    fleet.wait("1");
}

#[test]
fn what_has_to_wait_for_its_start() {
    let fleet = scripted();
    fleet.reconfigure("slots: 40", "slots: 1");
    let fleet = &fleet;
    fleet.add(&["Sleep", "--body", "```sh\nsleep 600\n```"]);
    fleet.add(&["Add a word", "--body", WORK]);
    let run = fleet.assign(1);
    let queued = document(fleet, 0, &["assign", "auto", "api", "2"]);
    assert_eq!(queued["data"]["run"]["state"], "queued");
    assert_eq!(queued["data"]["run"]["waits_for"].as_array().unwrap().len(), 1);
    kept!("assign-queued", fleet, &queued);
    let status = document(fleet, 0, &["status"]);
    let shown = status["data"]["runs"].as_array().unwrap().iter().find(|it| it["task"] == "api#2").unwrap();
    assert_eq!((&shown["place"], &shown["waits_for"]), (&1.into(), &queued["data"]["run"]["waits_for"]));
    kept!("stop-queued", fleet, &document(fleet, 0, &["stop", "2"]));
    document(fleet, 0, &["stop", &run]);
}

#[test]
fn what_was_left_behind() {
    let fleet = scripted();
    let fleet = &fleet;
    fleet.add(&["Leave it", "--body", "```sh\necho tide > sea.txt\n```"]);
    assert_eq!(fleet.work(1), "dirty");
    fleet.wait_for_no_worktree();
    kept!("rescue-list", fleet, &document(fleet, 0, &["rescue", "list"]));
    kept!("rescue-show", fleet, &document(fleet, 0, &["rescue", "show", "1"]));
    kept!("rescue-push", fleet, &document(fleet, 0, &["rescue", "push", "1"]));
    let clone = fleet.api.clone.as_str();
    kept!("rescue-apply", fleet, &document(fleet, 0, &["rescue", "apply", "1", clone]));
    fleet.coord(["task", "close", "1"]).success();
    fleet.reconfigure("runtime: script\n", "runtime: script\nretention: {log_days: 0}\n");
    kept!("gc", fleet, &document(fleet, 0, &["gc", "--dry-run"]));
}

#[test]
fn about_the_place_itself() {
    let fleet = scripted();
    let fleet = &fleet;
    kept!("version", fleet, &document(fleet, 0, &["version"]));
    kept!("config", fleet, &document(fleet, 0, &["config"]));
    let health = fleet.coord(["doctor", "--json"]).json();
    let checks = health["data"]["checks"].as_array().unwrap();
    assert!(health["data"]["healthy"].is_boolean(), "{health}");
    for check in checks {
        let names: Vec<_> = check.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["cure", "seen", "status", "subject"], "{check}");
    }
}

#[test]
fn about_accounts() {
    let fleet = scripted();
    let fleet = &fleet;
    fleet.reconfigure("machines:\n", "accounts: [{name: team}]\nmachines:\n");
    kept!("account-list", fleet, &document(fleet, 0, &["account", "list"]));
    kept!("account-lift", fleet, &document(fleet, 0, &["account", "lift", "team"]));
    document(fleet, 4, &["account", "lift", "nobody"]);
}
