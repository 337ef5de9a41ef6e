//! What has to hold before a change is merged, and what is no evidence for it.

use coord_testkit::model::{Request, say};

use crate::change::{change, commit, main_of, merge, tasks, test, tested};
use crate::fleet::{Fleet, text};

#[test]
fn a_persons_no_holds_the_change_and_is_told_to_the_next_worker() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    let id = number.to_string();
    let output = fleet.write("said.txt", "expected: foam\n");
    let reason = "the sea lacks foam";
    fleet.coord(["test", &id, "--fail", "--reason", reason, "--output", output.as_str()]).success();
    let main = main_of(&fleet);
    let parked = merge(&fleet, &[], 5)["parked"].clone();
    assert_eq!(tasks(&parked), [number]);
    let told = text(&parked[0]["reason"]);
    assert!(told.contains(reason) && !told.contains("expected: foam"), "{parked}");
    assert_eq!(main_of(&fleet), main);

    let steps = [commit("words/foam.txt", "foam", "Add foam"), say("done")];
    fleet.model.on_task(&format!("api#{number}"), steps);
    assert_eq!(fleet.work(number), "done");
    let requests = fleet.model.requests();
    let prompt = requests.iter().rfind(|it| it.is_agent()).and_then(Request::prompt).unwrap();
    assert!(prompt.contains(reason) && prompt.contains("expected: foam"), "{prompt}");
    // The no was about a head that is not the change any more.
    assert_eq!(tasks(&merge(&fleet, &[], 0)["merged"]), [number]);
    assert_eq!(fleet.api.log("main"), ["Add foam", "Add sea", "the project"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn what_a_worker_gave_up_on_is_proposed_when_a_person_has_found_it_good() {
    let fleet = Fleet::without_claude();
    let script =
        "echo foam > words/foam.txt; git add -A; git commit -qm 'Add foam'; echo 'STUCK: is it sea foam?'";
    let number = fleet.add(&["Add foam", "--body", &format!("```sh\n{script}\n```")]);
    let id = number.to_string();
    fleet.coord(["assign", "here", "api", &id, "--runtime", "script"]).success();
    assert_eq!(fleet.wait(&id)["outcome"]["kind"], "stuck");
    let next = || text(&fleet.coord(["why", &id, "--json"]).success().json()["next"][0]["command"]);
    let refused = fleet.coord(["pr", &id]).exits(5);
    assert!(refused.stderr.contains(&format!("`{}`", next())), "{}", refused.stderr);
    assert_eq!(next(), format!("coord resume-stuck api#{number} --guidance \"how to go on\""));
    assert!(refused.stderr.contains(&format!("`coord test api#{number} --passed`")), "{}", refused.stderr);
    fleet.coord(["test", &id, "--passed"]).success();
    assert_eq!(next(), format!("coord pr api#{number}"));
    fleet.propose(number);
    assert_eq!(tasks(&merge(&fleet, &[], 0)["merged"]), [number]);
}

#[test]
fn a_person_is_waited_for_where_the_gates_ask_for_one() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.configure("    gates: [tests, person]\n");
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    let parked = merge(&fleet, &[], 5)["parked"].clone();
    assert!(text(&parked[0]["reason"]).starts_with("person: not known to pass"), "{parked}");
    let said = fleet.coord(["--json", "test", &number.to_string(), "--passed"]).success().json();
    assert_eq!(said["data"]["gate"]["state"], "passed");
    assert_eq!(tasks(&merge(&fleet, &[], 0)["merged"]), [number]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn without_gates_a_change_is_merged_untested() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.configure("    gates: []\n");
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "fruit-again", "apple");
    assert_eq!(tasks(&merge(&fleet, &[], 0)["merged"]), [number]);
    assert!(tested(&fleet, number).is_empty());
    assert_eq!(fleet.api.log("main"), ["Add fruit-again", "the project"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn tests_that_could_not_be_run_say_nothing_and_merge_nothing() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.configure("    build_command: no-such-compiler --all\n");
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    let main = main_of(&fleet);
    let tested = fleet.coord(["--json", "test", &number.to_string()]).exits(1).json();
    assert_eq!(tested["data"]["gate"]["state"], "unknown", "{tested:#}");
    assert!(text(&tested["data"]["gate"]["detail"]).contains("missing"), "{tested:#}");
    let parked = merge(&fleet, &[], 5)["parked"].clone();
    assert!(text(&parked[0]["reason"]).contains("missing"), "{parked}");
    assert_eq!(main_of(&fleet), main);
    // With the program there, nothing stands in the way: no failure was recorded.
    fleet.configure("");
    assert_eq!(tasks(&merge(&fleet, &[], 0)["merged"]), [number]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}
