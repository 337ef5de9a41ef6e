//! Runs that wait for their turn: slots and distances hold, and what is queued starts by itself, whoever has gone.

mod machines;

use std::time::Duration;

use coord_testkit::model::{Hold, Step, bash, say};
use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::Running;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::change::commit;
use crate::fleet::{Fleet, text};
use crate::machine::{is_alive, kill};
use crate::refusals::{script, scripted};

/// A fleet with the real claude and this many slots.
fn fleet(slots: usize) -> Option<Fleet> {
    let fleet = Fleet::with_claude()?;
    fleet.reconfigure("slots: 40", &format!("slots: {slots}"));
    Some(fleet)
}

/// A worker that is held before it commits a word of its own, and ends as done.
fn held(word: &str, hold: &Hold) -> [Step; 2] {
    [commit(&format!("words/{word}.txt"), word, &format!("Add {word}")).held(hold), say("done")]
}

/// Assigns a task of `api` anywhere; the run as `assign` documents it.
#[track_caller]
fn assign(fleet: &Fleet, number: u64, more: &[&str]) -> Value {
    let number = number.to_string();
    let arguments = ["--json", "assign", "auto", "api", &number];
    fleet.coord(arguments.iter().chain(more)).success().json()["data"]["run"].clone()
}

fn id(run: &Value) -> String {
    text(&run["id"])
}

/// When a run's worker was started, and when the run ended, as its log has it.
fn lifetime(fleet: &Fleet, run: &str) -> (Timestamp, Timestamp) {
    let events = fleet.events(run);
    let of_kind = |kind: &str| {
        let event = events.iter().find(|it| it["event"]["kind"] == kind);
        text(&event.unwrap_or_else(|| panic!("{run} has no {kind}: {events:#?}"))["at"]).parse().unwrap()
    };
    (of_kind("started"), of_kind("ended"))
}

/// When each run of a task was handed to a machine, as the board has it.
fn assigned_at(fleet: &Fleet, number: u64) -> Vec<Timestamp> {
    let why = fleet.coord(["--json", "why", &number.to_string()]).success().json();
    let events = why["data"]["events"].as_array().unwrap().iter();
    let assigned = events.filter(|it| text(&it["what"]).contains(" assigned to "));
    assigned.map(|it| text(&it["at"]).parse().unwrap()).collect()
}

#[test]
fn five_tasks_share_two_slots_and_nobody_has_to_do_anything() {
    let Some(fleet) = fleet(2) else { return };
    let holds = [1, 2, 3, 4, 5].map(|_| Hold::new());
    let words = ["tide", "oak", "rain", "moss", "reed"];
    let numbers: Vec<_> = words
        .iter()
        .zip(&holds)
        .map(|(word, hold)| fleet.task(&format!("Add {word}"), held(word, hold)))
        .collect();
    let runs: Vec<_> = numbers.iter().map(|number| assign(&fleet, *number, &[])).collect();
    for run in &runs[..2] {
        assert_eq!((&run["machine"], &run["waits_for"]), (&json!("here"), &json!([])), "{run}");
    }
    for run in &runs[2..] {
        let full = json!(["all 2 worker slots of machine `here` are taken"]);
        assert_eq!((&run["state"], &run["machine"]), (&json!("queued"), &Value::Null), "{run}");
        assert_eq!(run["waits_for"], full, "{run}");
    }
    let runs: Vec<_> = runs.iter().map(id).collect();
    // From here on, nobody types anything.
    for (n, hold) in holds.iter().enumerate() {
        let reached = holds.len().min(n + 2);
        for hold in &holds[..reached] {
            hold.wait_reached();
        }
        assert_eq!(fleet.workers().len(), reached - n, "{:#?}", fleet.workers());
        hold.release();
        wait_for("a run to end", PATIENCE, || {
            let alive = fleet.workers();
            assert!(alive.len() <= 2, "{alive:#?}");
            if fleet.has_ended(&runs[n]) { Ok(()) } else { Err(fleet.queue_log()) }
        });
    }
    fleet.wait_until_unattended();
    let lives: Vec<_> = runs.iter().map(|run| lifetime(&fleet, run)).collect();
    for (started, _) in &lives {
        let beside = lives.iter().filter(|(from, to)| from <= started && started < to).count();
        assert!(beside <= 2, "{lives:?}");
    }
    assert!(lives[2..].is_sorted_by_key(|(started, _)| *started), "{lives:?}");
    for (number, run) in numbers.iter().zip(&runs) {
        let ended = fleet.wait(&number.to_string());
        assert_eq!(
            (id(&ended), text(&ended["outcome"]["kind"])),
            (run.clone(), "done".to_owned()),
            "{ended}"
        );
    }
    fleet.wait_for_no_worktree();
    fleet.assert_nothing_runs_without_the_server();
    fleet.model.assert_drained();
}

#[test]
fn when_who_looks_after_the_queue_is_killed_the_next_commands_go_on_and_start_each_run_once() {
    let Some(fleet) = fleet(1) else { return };
    let (first, second) = (Hold::new(), Hold::new());
    let one = fleet.task("Add tide", held("tide", &first));
    let two = fleet.task("Add oak", held("oak", &second));
    let three = fleet.task("Add rain", [commit("words/rain.txt", "rain", "Add rain"), say("done")]);
    let runs = [one, two, three].map(|number| id(&assign(&fleet, number, &[])));
    first.wait_reached();
    kill(fleet.attendant());
    first.release();
    fleet.wait_until_ended(&runs[0]);
    assert!(fleet.attendants().is_empty());
    assert!(!fleet.run_dir(&runs[1]).exists(), "it started although nobody was there to start it");

    let looking = [0; 4].map(|_| fleet.spawn(["--json", "status"]));
    for status in looking.map(Running::wait) {
        let shown = status.success().json()["data"]["runs"].clone();
        let third = shown.as_array().unwrap().iter().find(|it| it["id"] == runs[2]).unwrap().clone();
        assert_eq!((&third["state"], third["waits_for"].as_array().unwrap().len()), (&json!("queued"), 1));
    }
    second.wait_reached();
    fleet.attendant();
    second.release();
    for run in &runs[1..] {
        fleet.wait_until_ended(run);
    }
    fleet.wait_until_unattended();
    for (number, run) in [one, two, three].iter().zip(&runs) {
        assert_eq!(fleet.wait(run)["outcome"]["kind"], "done");
        assert_eq!((fleet.count(run, "started"), assigned_at(&fleet, *number).len()), (1, 1));
    }
    fleet.assert_nothing_runs_without_the_server();
    fleet.model.assert_drained();
}

#[test]
fn a_queued_run_is_stopped_at_once_and_no_machine_is_asked() {
    let Some(fleet) = fleet(1) else { return };
    let hold = Hold::new();
    let busy = fleet.task("Add tide", held("tide", &hold));
    let task = fleet.task("Add oak", [commit("words/oak.txt", "oak", "Add oak"), say("done")]);
    let first = id(&assign(&fleet, busy, &[]));
    let queued = id(&assign(&fleet, task, &[]));
    hold.wait_reached();
    let watching = fleet.spawn(["watch", &queued]);
    let waiting = fleet.spawn(["--json", "wait", &queued]);
    wait_for("the watcher to say what it waits for", PATIENCE, || {
        let said = watching.stderr();
        if said.contains("it starts by itself") { Ok(()) } else { Err(said) }
    });
    fleet.kill_server();
    let stopped = fleet.coord(["--json", "stop", &queued]).success().json()["data"]["run"].clone();
    assert_eq!((&stopped["outcome"], &stopped["machine"]), (&json!({"kind": "cancelled"}), &Value::Null));
    let watched = watching.wait().exits(1);
    assert!(watched.stdout.is_empty() && watched.stderr.contains("ended as cancelled"), "{watched:?}");
    assert_eq!(waiting.wait().exits(1).json()["data"]["run"]["outcome"]["kind"], "cancelled");
    fleet.wait_until_unattended();
    assert!(!fleet.run_dir(&queued).exists());
    let log = fleet.coord(["log", &queued]).exits(4);
    assert!(log.stderr.contains(&format!("`coord why {queued}`")), "{}", log.stderr);

    // The task is free, and the machine was never bothered.
    hold.release();
    assert_eq!(fleet.wait(&first)["outcome"]["kind"], "done");
    assert_eq!(fleet.work(task), "done");
    fleet.assert_nothing_runs_without_the_server();
    fleet.model.assert_drained();
}

#[test]
fn starts_keep_the_distance_that_the_configuration_asks_for() {
    let Some(fleet) = fleet(40) else { return };
    let distance = Duration::from_secs(4);
    let stagger = format!("concurrency: {{stagger_seconds: {}}}\nruntimes:\n", distance.as_secs());
    fleet.reconfigure("runtimes:\n", &stagger);
    let numbers = ["tide", "oak", "rain"].map(|word| {
        let add = commit(&format!("words/{word}.txt"), word, &format!("Add {word}"));
        fleet.task(&format!("Add {word}"), [add, say("done")])
    });
    let runs = numbers.map(|number| assign(&fleet, number, &[]));
    for run in &runs[1..] {
        let reasons = run["waits_for"].as_array().unwrap();
        assert!(
            matches!(&reasons[..], [one] if text(one).starts_with("another worker was started")),
            "{run}"
        );
    }
    let runs = runs.map(|run| id(&run));
    for run in &runs {
        fleet.wait_until_ended(run);
    }
    fleet.wait_until_unattended();
    let starts: Vec<_> = numbers.iter().flat_map(|number| assigned_at(&fleet, *number)).collect();
    assert_eq!(starts.len(), 3);
    for pair in starts.windows(2) {
        assert!(pair[1].duration_since(pair[0]) >= distance.try_into().unwrap(), "{starts:?}");
    }
    for (run, start) in runs.iter().zip(&starts) {
        // However long it was queued, its machine has as long as any other.
        let spec = fs_err::read(fleet.run_dir(run).join("spec.json")).unwrap();
        let spec: Value = serde_json::from_slice(&spec).unwrap();
        let before: Timestamp = text(&spec["start_before"]).parse().unwrap();
        assert_eq!(before.duration_since(*start).as_secs(), 60, "{spec:#}");
    }
    for run in &runs {
        assert_eq!(fleet.wait(run)["outcome"]["kind"], "done");
    }
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn a_closed_task_leaves_the_queue_and_says_why() {
    let fleet = scripted();
    fleet.reconfigure("slots: 40", "slots: 1");
    let busy = fleet.assign(script(&fleet, "sleep 600").parse().unwrap());
    let closed: u64 = script(&fleet, "true").parse().unwrap();
    let queued = id(&assign(&fleet, closed, &[]));
    // It is taken all the same: nobody else is given the task.
    let refused = fleet.coord(["assign", "here", "api", &closed.to_string()]).exits(5);
    assert!(refused.stderr.contains(&queued), "{}", refused.stderr);
    let why = fleet.coord(["why", &queued]).success().stdout;
    for told in
        ["number 1 in line", "at the latest", "slots of machine `here` are taken; it goes on when a run"]
    {
        assert!(why.contains(told), "{why}");
    }
    fleet.coord(["task", "close", &closed.to_string()]).success();
    let ended = fleet.coord(["--json", "wait", &queued]).exits(1).json()["data"]["run"].clone();
    assert_eq!(ended["outcome"], json!({"kind": "cancelled", "reason": "it is closed"}));
    fleet.wait_until_unattended();
    fleet.coord(["stop", &busy]).success();
    assert!(!fleet.run_dir(&queued).exists());
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn a_worker_is_told_of_its_task_as_it_is_when_it_starts_and_of_what_was_said_when_it_was_queued() {
    let Some(fleet) = fleet(1) else { return };
    let hold = Hold::new();
    let busy = fleet.task("Add tide", held("tide", &hold));
    assign(&fleet, busy, &[]);
    hold.wait_reached();
    let number = fleet.task("Add oak", [commit("words/oak.txt", "oak", "Add oak"), say("done")]);
    let said = ["--briefing", "Ann is in a hurry", "--model", "opus"];
    let run = id(&assign(&fleet, number, &said));
    fleet.coord(["task", "edit", &number.to_string(), "--body", "The English one"]).success();
    // A slot that somebody adds is a slot that gets free.
    fleet.reconfigure("slots: 1", "slots: 2");
    fleet.wait_until_ended(&run);
    hold.release();
    let requests = fleet.model.requests();
    let prompt = requests.iter().find_map(|it| it.prompt().filter(|it| it.contains(&run)));
    let prompt = prompt.expect("the run had a worker");
    assert!(prompt.contains("The English one") && prompt.contains("Ann is in a hurry"), "{prompt}");
    assert!(prompt.lines().next().unwrap().ends_with("attempt=1"), "{prompt}");
    let ended = fleet.wait(&run);
    assert_eq!((&ended["attempt"], &ended["outcome"]["kind"]), (&json!(1), &json!("done")), "{ended}");
    assert!(workers_asked_for(&fleet, &run).contains("opus"), "{}", workers_asked_for(&fleet, &run));
    assert_eq!(fleet.wait(&busy.to_string())["outcome"]["kind"], "done");
    fleet.assert_nothing_runs_without_the_server();
}

/// The command line that a run's worker was started with.
fn workers_asked_for(fleet: &Fleet, run: &str) -> String {
    let events = fleet.events(run);
    events.iter().find(|it| it["event"]["kind"] == "started").expect("it had a worker")["event"]["argv"]
        .to_string()
}

#[test]
fn who_waits_for_a_queued_run_starts_it_and_needs_nobody_else() {
    let Some(fleet) = fleet(1) else { return };
    let hold = Hold::new();
    let busy = fleet.task("Add tide", held("tide", &hold));
    let first = id(&assign(&fleet, busy, &[]));
    let number =
        fleet.task("Add oak", [bash("true"), commit("words/oak.txt", "oak", "Add oak"), say("done")]);
    let queued = id(&assign(&fleet, number, &[]));
    hold.wait_reached();
    let watching = fleet.spawn(["watch", &queued]);
    wait_for("the watcher to say what it waits for", PATIENCE, || {
        let said = watching.stderr();
        if said.contains("it starts by itself") { Ok(()) } else { Err(said) }
    });
    // However often it is killed, it is in nobody's way.
    let attendant = fleet.attendant();
    kill(attendant);
    hold.release();
    let watched = watching.wait().success();
    assert!(watched.stdout.contains("[started]") && watched.stdout.contains("[ended] done"), "{watched:?}");
    assert!(fleet.has_ended(&first) && !is_alive(attendant));
    assert_eq!(fleet.count(&queued, "started"), 1);
    fleet.wait_until_unattended();
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn whoever_does_not_want_to_wait_is_refused() {
    let fleet = scripted();
    fleet.reconfigure("slots: 40", "slots: 1");
    let busy = fleet.assign(script(&fleet, "sleep 600").parse().unwrap());
    let number = script(&fleet, "true");
    let planned = fleet.coord(["assign", "auto", "api", &number, "--dry-run"]).success().stdout;
    assert!(planned.contains("queued: all 1 worker slots") && !planned.contains("blocked:"), "{planned}");
    for machine in ["auto", "here"] {
        let refused = fleet.coord(["assign", machine, "api", &number, "--no-queue"]).exits(5);
        assert!(
            refused.stderr.contains("all 1 worker slots of machine `here` are taken"),
            "{}",
            refused.stderr
        );
    }
    let waits = fleet.add(&["Later", "--after", &number]).to_string();
    // What only a person can lift is not waited for.
    let refused = fleet.coord(["assign", "auto", "api", &waits]).exits(5);
    assert!(refused.stderr.contains("it waits for api#2"), "{}", refused.stderr);
    assert!(fleet.attendants().is_empty());
    fleet.coord(["stop", &busy]).success();
    fleet.assert_nothing_runs_without_the_server();
}
