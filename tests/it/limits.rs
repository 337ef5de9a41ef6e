//! Limits of accounts: what meets one goes on in the same session once it may, and nothing else is thrown at it.

use coord_testkit::model::{Step, bash, error, over_limit, say, write};
use coord_testkit::poll::{PATIENCE, wait_for};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::change::commit;
use crate::fleet::{Fleet, text};
use crate::machine::kill;
use crate::refusals::cures;

/// The moment in so many seconds.
#[expect(clippy::disallowed_methods, reason = "what a model says of the time is said now")]
pub(crate) fn from_now(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

/// A fleet whose workers are on a subscription.
pub(crate) fn subscribed() -> Option<Fleet> {
    let mut fleet = Fleet::with_claude()?;
    fleet.set("ANTHROPIC_API_KEY", "");
    fleet.set("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-dummy");
    Some(fleet)
}

/// Every run of a task, oldest first, as `why` documents them.
fn runs_of(fleet: &Fleet, number: u64) -> Vec<Value> {
    let why = fleet.coord(["--json", "why", &number.to_string()]).success().json();
    why["data"]["runs"].as_array().unwrap().clone()
}

/// Waits until the newest of so many runs of a task has ended; all of them.
#[track_caller]
fn wait_for_runs(fleet: &Fleet, number: u64, count: usize) -> Vec<Value> {
    wait_for("the last run to end", PATIENCE, || {
        let runs = runs_of(fleet, number);
        let over = runs.len() == count && runs.iter().all(|it| it["state"] == "ended");
        if over { Ok(runs) } else { Err(format!("{runs:#?}; {}", fleet.queue_log())) }
    })
}

fn outcomes(runs: &[Value]) -> Vec<String> {
    runs.iter().map(|it| text(&it["outcome"]["kind"])).collect()
}

/// The session of each request that brought a task's work forward, and what the last of them had been through.
fn sessions(fleet: &Fleet) -> Vec<String> {
    let requests = fleet.model.requests();
    let agent = requests.iter().filter(|it| it.is_agent());
    let mut sessions: Vec<_> =
        agent.filter_map(|it| it.header("x-claude-code-session-id").map(str::to_owned)).collect();
    sessions.dedup();
    sessions
}

#[test]
fn a_run_whose_window_is_used_up_goes_on_in_the_same_session_once_it_opens_again() {
    let Some(fleet) = subscribed() else { return };
    let opens = from_now(12);
    let number = fleet.task(
        "Add words",
        [
            commit("words/sea.txt", "tide", "Add the tide"),
            write("words/wood.txt", "oak\n"),
            over_limit(opens),
            bash("git add -A && git commit -qm 'Add the oak'"),
            say("done"),
        ],
    );
    let first = fleet.assign(number);
    assert_eq!(fleet.wait(&first)["outcome"]["kind"], "limited");
    let shown = fleet.coord(["status"]).success().stdout;
    assert!(shown.contains("has used up its window `five_hour` until"), "{shown}");
    let why = fleet.coord(["why", &number.to_string()]).success().stdout;
    assert!(why.contains("it was cut short (limited until") && why.contains("at that moment"), "{why}");
    // Nothing that was running then is needed for it.
    kill(fleet.attendant());
    fleet.kill_server();
    let other = fleet.add(&["Another"]);
    let refused = fleet.coord(["assign", "here", "api", &other.to_string(), "--no-queue"]).exits(5);
    assert!(refused.stderr.contains("has used up its window"), "{}", refused.stderr);

    let runs = wait_for_runs(&fleet, number, 2);
    assert_eq!(outcomes(&runs), ["limited", "done"]);
    assert_eq!((&runs[0]["attempt"], &runs[1]["attempt"]), (&json!(1), &json!(1)), "it was no attempt");
    assert_eq!(sessions(&fleet).len(), 1, "{:?}", sessions(&fleet));
    let branch = format!("issue-{number}-add-words");
    assert_eq!(fleet.api.log(&branch), ["Add the oak", "Add the tide", "the project"]);
    let went_on = text(&runs[1]["created_at"]).parse::<Timestamp>().unwrap();
    assert!(went_on < opens, "it was queued when the other one ended");
    let began = fleet.events(&text(&runs[1]["id"]))[0]["at"].clone();
    // The moment is told in whole seconds.
    assert!(text(&began).parse::<Timestamp>().unwrap().as_second() >= opens.as_second(), "{began}");
    fleet.coord(["assign", "here", "api", &other.to_string(), "--dry-run"]).success();
    fleet.wait_until_unattended();
    fleet.assert_nothing_runs_without_the_server();
    fleet.model.assert_drained();
}

#[test]
fn an_account_is_limited_on_every_machine_that_has_it() {
    let Some(fleet) = subscribed() else { return };
    fleet.reconfigure(
        "machines:\n",
        "accounts: [{name: team}]\nmachines:\n  - {name: there, host: 192.0.2.1, slots: 3, token_file: token}\n",
    );
    let opens = from_now(3600);
    let number = fleet.task("Too much", [over_limit(opens)]);
    fleet.wait(&fleet.assign(number));
    let other = fleet.add(&["Another"]).to_string();
    for machine in ["here", "there", "auto"] {
        let plan = fleet.coord(["--json", "assign", machine, "api", &other, "--dry-run"]).success().json();
        let blockers = plan["data"]["run"]["blockers"].to_string();
        assert!(blockers.contains("account `team` has used up its window"), "{machine}: {blockers}");
        assert_eq!(plan["data"]["run"]["can_wait"], true, "{machine}");
    }
    let queued = fleet.coord(["--json", "assign", "auto", "api", &other]).success().json();
    assert_eq!(queued["data"]["run"]["state"], "queued");
    let accounts = fleet.coord(["--json", "account", "list"]).success().json();
    let team = &accounts["data"]["accounts"][0];
    assert_eq!(
        (&team["account"], &team["used_by"]),
        (&json!("team"), &json!(["there/claude", "here/claude"]))
    );
    assert_eq!(team["parked"].as_array().unwrap().len(), 1, "{team}");
    for task in [number.to_string(), other] {
        fleet.coord(["stop", &task]).success();
    }
    fleet.wait_until_unattended();
}

#[test]
fn an_overload_is_waited_out_in_seconds_and_is_no_attempt() {
    let Some(mut fleet) = Fleet::with_claude() else { return };
    fleet.set("CLAUDE_CODE_MAX_RETRIES", "0");
    let number = fleet.task(
        "Add a word",
        [error(529, "overloaded"), commit("words/sea.txt", "tide", "Add the tide"), say("done")],
    );
    let first = fleet.assign(number);
    assert_eq!(fleet.wait(&first)["outcome"]["kind"], "transient");
    let runs = wait_for_runs(&fleet, number, 2);
    assert_eq!(outcomes(&runs), ["transient", "done"]);
    assert_eq!((&runs[1]["attempt"], sessions(&fleet).len()), (&json!(1), 1));
    fleet.wait_until_unattended();
    fleet.model.assert_drained();
}

#[test]
fn no_credit_is_for_a_person_to_mend_and_to_say_so() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.install("coord", env!("CARGO_BIN_EXE_coord").into());
    let broke = || -> Step { error(400, "Your credit balance is too low to access the Anthropic API.") };
    let work = [broke(), commit("words/sea.txt", "tide", "Add the tide"), say("done")];
    let number = fleet.task("Add a word", work);
    assert_eq!(fleet.wait(&fleet.assign(number))["outcome"]["kind"], "credit");
    let other = fleet.task("Add another", [commit("words/wood.txt", "oak", "Add the oak"), say("done")]);
    let refused = fleet.coord(["assign", "here", "api", &other.to_string()]).exits(5).stderr;
    assert!(refused.contains("has no credit left"), "{refused}");
    let lift = cures(std::slice::from_ref(&refused))
        .into_iter()
        .find(|it| it.contains("account lift"))
        .expect("it says what to do");
    let why = fleet.coord(["why", &number.to_string()]).success();
    assert!(why.stdout.contains("goes on when a person says so"), "{}", why.stdout);
    assert!(why.stderr.contains(&lift), "{}", why.stderr);
    crate::cures::take(&fleet, &lift).unwrap().success();
    assert_eq!(outcomes(&wait_for_runs(&fleet, number, 2)), ["credit", "done"]);
    assert_eq!(fleet.work(other), "done");
    fleet.wait_until_unattended();
    fleet.model.assert_drained();
}

#[test]
fn what_is_kept_of_a_window_is_the_persons_while_its_workers_go_on() {
    let Some(fleet) = subscribed() else { return };
    fleet.reconfigure("machines:\n", "limits: {keep: 0.2}\nmachines:\n");
    let hold = coord_testkit::model::Hold::new();
    let near = bash("true").limit("allowed_warning", from_now(3600));
    let steps = [near, commit("words/sea.txt", "tide", "Add the tide").held(&hold), say("done")];
    let number = fleet.task("Add a word", steps);
    let run = fleet.assign(number);
    hold.wait_reached();
    let other = fleet.add(&["Another"]).to_string();
    let refused = fleet.coord(["assign", "here", "api", &other, "--no-queue"]).exits(5).stderr;
    assert!(refused.contains("and the rest is kept for you"), "{refused}");
    hold.release();
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "done");
}
