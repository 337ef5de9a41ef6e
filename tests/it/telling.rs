//! Telling a worker something while it works: it takes it in between two tools, once, whatever is killed meanwhile,
//! and the receipt says how far it has come.

use coord_testkit::model::{Hold, Request, bash, compute, say, write};
use coord_testkit::poll::{PATIENCE, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fleet::{Fleet, text};
use crate::machine::wait_for_file;
use crate::refusals::{refused, script, scripted};
use crate::wire::post;

const COMMIT: &str = "git add -A && git commit -qm 'Add the tide'";

/// A worker that is in the middle of a tool until `go` is there, and then does what `then` makes of its next request.
fn in_a_tool(fleet: &Fleet, then: impl Fn(&Request) + Send + Sync + 'static) -> String {
    let (ready, go) = (fleet.dir().join("ready"), fleet.dir().join("go"));
    let number = fleet.task(
        "Add a word",
        [
            write("words/sea.txt", "tide\n"),
            bash(&format!("touch {ready}; while [ ! -e {go} ]; do sleep 0.05; done")),
            compute(move |request| {
                then(request);
                bash(COMMIT)
            }),
            say("done"),
        ],
    );
    let run = fleet.assign(number);
    wait_for_file(&ready);
    run
}

/// What became of the messages of a run, in the order in which it did.
fn receipts(fleet: &Fleet, run: &str) -> Vec<String> {
    let events = fleet.events(run).into_iter().map(|it| it["event"].clone());
    let receipts = events.filter_map(|it| match it["kind"].as_str() {
        Some("message") => Some(format!("told {}", text(&it["text"]))),
        Some("receipt") => Some(text(&it["receipt"])),
        Some(_) | None => None,
    });
    receipts.collect()
}

#[test]
fn a_message_reaches_claude_after_the_tool_at_hand() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let run = in_a_tool(&fleet, |request| {
        // In whose name claude hands it on is its own affair.
        let told = r"A person who watches this run says:\n\n/etc is none of your business";
        assert!(request.body["messages"].to_string().contains(told), "{request:#?}");
    });
    let arguments = ["--json", "tell", &run, "/etc is none of your business", "--wait", "1"];
    let told = fleet.coord(arguments).success().json();
    assert_eq!(told["data"]["message"]["receipt"], "delivered", "{told}");
    let telling = fleet.spawn(["tell", &run, "and hurry", "--wait", "60"]);
    wait_for("the second message", PATIENCE, || {
        let receipts = receipts(&fleet, &run);
        if receipts.len() == 4 { Ok(()) } else { Err(format!("{receipts:?}")) }
    });
    fleet.write("go", "");
    let told = telling.wait().success().stdout;
    assert!(told.starts_with("read: "), "{told}");
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    let texts =
        ["told /etc is none of your business", "delivered", "told and hurry", "delivered", "read", "read"];
    assert_eq!(receipts(&fleet, &run), texts);
    assert_eq!(fleet.count(&run, "result"), 1, "it was all one turn");
    let watched = fleet.coord(["watch", &run]).success().stdout;
    assert!(watched.contains("[told] and hurry") && watched.contains("[read]"), "{watched}");
    fleet.model.assert_drained();
}

#[test]
fn a_message_that_comes_with_the_last_answer_is_another_turn() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let hold = Hold::new();
    let number = fleet.task(
        "Add a word",
        [say("nothing to do").held(&hold), write("words/sea.txt", "tide\n"), bash(COMMIT), say("done")],
    );
    let run = fleet.assign(number);
    hold.wait_reached();
    fleet.coord(["tell", &run, "add the tide all the same", "--wait", "0"]).success();
    wait_for("the message to be at its input", PATIENCE, || {
        let receipts = receipts(&fleet, &run);
        if receipts.contains(&"delivered".to_owned()) { Ok(()) } else { Err(format!("{receipts:?}")) }
    });
    hold.release();
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    assert_eq!(fleet.count(&run, "result"), 2);
    assert_eq!(receipts(&fleet, &run).last().unwrap(), "read");
    fleet.model.assert_drained();
}

#[test]
fn a_killed_server_loses_no_message_and_its_successor_repeats_none() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let run = in_a_tool(&fleet, |_| {});
    fleet.coord(["tell", &run, "first", "--wait", "0"]).success();
    wait_for("the first message to be at its input", PATIENCE, || {
        let receipts = receipts(&fleet, &run);
        if receipts.len() == 2 { Ok(()) } else { Err(format!("{receipts:?}")) }
    });
    let shim = Pid::from_raw(i32::try_from(fleet.shim_pid(&run)).unwrap()).unwrap();
    // It hears nothing now, so that only the server knows of the second message.
    kill_process(shim, Signal::STOP).unwrap();
    let told = fleet.coord(["tell", &run, "second", "--wait", "0"]).success().stdout;
    assert!(told.starts_with("queued: "), "{told}");
    fleet.kill_server();
    kill_process(shim, Signal::CONT).unwrap();
    let _server = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    wait_for("the second message to be at its input", PATIENCE, || {
        let receipts = receipts(&fleet, &run);
        if receipts.len() >= 4 { Ok(()) } else { Err(format!("{receipts:?}")) }
    });
    fleet.write("go", "");
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "done");
    assert_eq!(
        receipts(&fleet, &run),
        ["told first", "delivered", "told second", "delivered", "read", "read"]
    );
}

#[test]
fn the_same_message_twice_is_one_message() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let run = in_a_tool(&fleet, |_| {});
    let message = r#"{"id":"0d284080-ef58-4d05-b4c3-99514a7d7ffc","text":"once"}"#;
    for _ in 0..3 {
        let answer = post(&fleet, &format!("/v1/runs/{run}/message"), message);
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
    let other = message.replace("once", "something else");
    let answer = post(&fleet, &format!("/v1/runs/{run}/message"), &other);
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    fleet.write("go", "");
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "done");
    assert_eq!(receipts(&fleet, &run), ["told once", "delivered", "read"]);
}

#[test]
fn who_cannot_be_told_anything_says_why() {
    let fleet = scripted();
    let go = fleet.dir().join("go");
    let run =
        fleet.assign(script(&fleet, &format!("while [ ! -e {go} ]; do sleep 0.05; done")).parse().unwrap());
    fleet.worker_pid(&run);
    refused(&fleet, &["tell", &run, "hurry"], 5, "refused", "the runtime `script` takes no messages");
    fleet.write("go", "");
    fleet.wait(&run);
    refused(&fleet, &["tell", &run, "hurry"], 5, "refused", "it has ended");
    let claude = Fleet::with_claude();
    let Some(fleet) = claude else { return };
    let run = in_a_tool(&fleet, |_| {});
    refused(&fleet, &["tell", &run, " "], 1, "failed", "a message is empty");
    fleet.coord(["stop", &run]).success();
    assert_eq!(receipts(&fleet, &run), [""; 0]);
}

#[test]
fn a_worker_that_is_stopped_says_how_far_it_got_and_what_it_had_not_read() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let run = in_a_tool(&fleet, |_| {});
    fleet.coord(["tell", &run, "hurry", "--wait", "0"]).success();
    wait_for("the message to be at its input", PATIENCE, || {
        let receipts = receipts(&fleet, &run);
        if receipts.len() == 2 { Ok(()) } else { Err(format!("{receipts:?}")) }
    });
    let stopped = fleet.coord(["--json", "stop", &run]).success().json();
    assert_eq!(stopped["data"]["run"]["outcome"]["kind"], "cancelled");
    let events = fleet.events(&run);
    let result = events.iter().find(|it| it["event"]["kind"] == "result").expect("it ended its turn");
    assert_eq!(result["raw"]["terminal_reason"], "aborted_tools");
    let asked = |it: &&Value| it["raw"]["type"] == "control_response";
    assert_eq!(events.iter().filter(asked).count(), 1, "it was told in its own language");
    fleet.assert_nothing_runs_without_the_server();
}
