//! Money: what is spent is told truthfully, and a cap is a cap.

use coord_testkit::model::{Hold, bash, say};
use serde_json::{Value, json};

use crate::change::commit;
use crate::fleet::{Fleet, text};
use crate::limits::subscribed;
use crate::machine::kill;
use crate::refusals::cures;

fn cost(fleet: &Fleet, by: &str) -> Value {
    fleet.coord(["--json", "cost", "--by", by]).success().json()["data"].clone()
}

#[test]
fn what_a_run_cost_is_the_same_wherever_it_is_told() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.coord(["session"]).success();
    let number = fleet.task(
        "Add a word",
        [commit("words/sea.txt", "tide", "Add the tide").usage(100_000, 10_000), say("done")],
    );
    let run = fleet.wait(&fleet.assign(number));
    let usd = run["cost_usd"].as_f64().unwrap();
    assert!(usd > 0.1, "{run}");
    assert_eq!(text(&run["cost"]), format!("${usd:.2}"));
    let tokens = json!({"input": 100_100, "output": 10_020, "cache_read": 0, "cache_write": 0});
    assert_eq!(run["tokens"], tokens);
    for (by, key) in [
        ("run", text(&run["id"])),
        ("task", format!("api#{number}")),
        ("repo", "api".to_owned()),
        ("model", text(&run["model"])),
        ("machine", "here".to_owned()),
        ("account", text(&run["account"])),
    ] {
        let told = cost(&fleet, by);
        assert_eq!(text(&told["lines"][0]["key"]), key, "{told:#}");
        for part in [&told["lines"][0]["cost"], &told["total"]] {
            assert_eq!((&part["billed_usd"], &part["unknown_runs"]), (&json!(usd), &json!(0)), "{told:#}");
            assert_eq!((&part["tokens"], &part["not_billed_usd"]), (&tokens, &json!(0.0)));
        }
    }
    let said = fleet.coord(["cost"]).success().stdout;
    assert!(said.contains(&format!("${usd:.2} (1 run; tokens: 100100 in")), "{said}");
    let done = fleet.coord(["done", "--json"]).success().json();
    assert_eq!(done["data"]["cost"]["billed_usd"], usd);
}

#[test]
fn what_a_subscription_covers_is_not_billed() {
    let Some(fleet) = subscribed() else { return };
    let number = fleet.task("Look", [say("nothing to do").usage(100_000, 10_000)]);
    let run = fleet.wait(&fleet.assign(number));
    let usd = run["cost_usd"].as_f64().unwrap();
    assert_eq!(text(&run["cost"]), format!("≈ ${usd:.2}, not billed"));
    let total = cost(&fleet, "day")["total"].clone();
    assert_eq!((&total["billed_usd"], &total["not_billed_usd"]), (&json!(0.0), &json!(usd)));
    let said = fleet.coord(["cost"]).success().stdout;
    assert!(said.contains(&format!("≈ ${usd:.2}, not billed")), "{said}");
}

#[test]
fn what_a_killed_worker_cost_is_unknown_and_never_nothing() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let hold = Hold::new();
    let number = fleet.task("Add a word", [bash("true").usage(5000, 10), say("never").held(&hold)]);
    let run = fleet.assign(number);
    hold.wait_reached();
    kill(fleet.worker_pid(&run));
    let run = fleet.wait(&run);
    assert_eq!((&run["outcome"]["kind"], &run["cost"]), (&json!("crashed"), &json!("unknown")));
    assert_eq!((&run["cost_usd"], &run["tokens"]["input"]), (&Value::Null, &json!(5000)), "{run}");
    let total = cost(&fleet, "run")["total"].clone();
    assert_eq!((&total["unknown_runs"], &total["words"]), (&json!(1), &json!("unknown")));
    hold.release();
}

/// Each turn costs 30 cents, and each of eight may spend 50.
#[test]
fn eight_at_once_overstep_a_cap_by_at_most_one_turn_each() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.reconfigure("slots: 40", "slots: 8");
    fleet.reconfigure("machines:\n", "limits: {usd_per_day: 4}\nmachines:\n");
    let hold = Hold::new();
    let turn = || bash("true").usage(100_000, 10_000);
    let numbers: Vec<_> =
        (0..8).map(|n| fleet.task(&format!("Task {n}"), [turn().held(&hold), turn().forever()])).collect();
    let runs: Vec<_> = numbers.iter().map(|it| fleet.assign(*it)).collect();
    hold.wait_reached_by(8);
    let more = fleet.add(&["One more"]).to_string();
    let waits = fleet.coord(["--json", "assign", "here", "api", &more, "--dry-run"]).success().json();
    let reserved = "nothing is left to spend: $0.00 spent and $4.00 reserved of the $4.00 for a day";
    assert!(waits["data"]["run"]["blockers"].to_string().contains(reserved), "{waits:#}");
    assert_eq!(waits["data"]["run"]["can_wait"], true, "what is reserved may yet be given back");
    hold.release();
    let mut spent = 0.0;
    for run in &runs {
        let run = fleet.wait(run);
        assert_eq!(run["outcome"]["kind"], "budget", "{run}");
        spent += run["cost_usd"].as_f64().unwrap();
    }
    assert!(spent > 4.0 && spent <= 4.0 + 8.0 * 0.301, "{spent}");
    let refused = fleet.coord(["assign", "here", "api", &more]).exits(5).stderr;
    assert!(refused.contains("spent and $0.00 reserved of the $4.00 for a day"), "{refused}");
    let shows = cures(std::slice::from_ref(&refused));
    assert!(shows.iter().any(|it| it == "coord cost"), "{shows:?}");
    let caps = cost(&fleet, "day")["caps"].clone();
    assert_eq!(caps[0]["cap"], "day");
    assert!((caps[0]["spent_usd"].as_f64().unwrap() - spent).abs() < 1e-4, "{caps} {spent}");
}

#[test]
fn it_is_said_once_that_a_cap_nears_its_end() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.reconfigure("machines:\n", "limits: {usd_per_month: 1}\nmachines:\n");
    fleet.reconfigure("slots: 40", "slots: 1");
    let look = || say("nothing to do").usage(300_000, 30_000);
    let first = fleet.task("Look", [look()]);
    assert_eq!(fleet.work(first), "no-change");
    let status = fleet.coord(["status"]).success().stdout;
    assert!(status.contains("of the $1.00 for a month: it nears its end"), "{status}");
    let second = fleet.task("Look again", [say("nothing to do")]);
    assert_eq!(fleet.work(second), "no-change");
    let warned = |number: u64| {
        let why = fleet.coord(["why", &number.to_string()]).success().stdout;
        why.matches("of the $1.00 for a month are spent").count()
    };
    assert_eq!([warned(first), warned(second)], [1, 0]);
}
