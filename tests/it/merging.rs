//! Changes on their way into the default branch: what is merged is what was tested, in order, and everything
//! else is left alone with its reason.

use coord_testkit::model::{Request, bash, say};

use crate::change::{change, commit, main_of, merge, origin, proposed, store, tasks, test, tested, why};
use crate::fleet::{Fleet, text};

#[test]
fn two_changes_that_pass_alone_and_fail_together_are_not_both_merged() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let (first, second) = (change(&fleet, "trees", "plum"), change(&fleet, "stones", "plum"));
    test(&fleet, first);
    test(&fleet, second);
    let done = merge(&fleet, &[], 5);
    assert_eq!((tasks(&done["merged"]), tasks(&done["parked"])), (vec![first], vec![second]));
    assert!(text(&done["parked"][0]["reason"]).contains("tests"), "{done}");
    let main = main_of(&fleet);
    assert_eq!(done["merged"][0]["commit"], main);
    assert_eq!(fleet.api.log("main"), ["Add trees", "the project"]);

    let why = why(&fleet, second);
    let because = why["because"].to_string();
    assert!(because.contains("tests: failed"), "{why:#}");
    assert_eq!(why["next"]["command"], format!("coord fix api#{second}"));
    // It is known to fail on this base: asking again changes nothing and tests nothing.
    let runs = tested(&fleet, second).len();
    assert_eq!(tasks(&merge(&fleet, &[], 5)["parked"]), [second]);
    assert_eq!((main_of(&fleet), tested(&fleet, second).len()), (main, runs));

    // The next attempt is told what failed, and on what, since it passes on its own branch.
    let mend = "git merge -q -m 'Catch up' origin/main && ./test.sh || { git rm -q words/stones.txt && git commit -qm Mend; }";
    fleet.model.on_task(&format!("api#{second}"), [bash(mend), say("done")]);
    assert_eq!(fleet.work(second), "done");
    let requests = fleet.model.requests();
    let prompt = requests.iter().rfind(|it| it.is_agent()).and_then(Request::prompt).unwrap();
    assert!(prompt.contains("in two lists: plum") && prompt.contains("merged onto"), "{prompt}");
    assert_eq!(tasks(&merge(&fleet, &["--method", "squash"], 0)["merged"]), [second]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_conflict_is_left_alone_with_its_path_and_the_next_change_is_merged() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let readme = proposed(&fleet, "Say more", [commit("README.md", "more", "Say more")]);
    let other = change(&fleet, "sea", "tide");
    fleet.api.push_as("Ann", "main", "say less", &[("README.md", "less\n")]);
    let done = merge(&fleet, &[], 5);
    assert_eq!((tasks(&done["merged"]), tasks(&done["parked"])), (vec![other], vec![readme]));
    assert!(text(&done["parked"][0]["reason"]).contains("README.md"), "{done}");
    assert_eq!(fleet.api.log("main"), ["Add sea", "say less", "the project"]);
    assert!(tested(&fleet, readme).is_empty());
    assert!(why(&fleet, readme)["because"].to_string().contains("README.md"));
    let refused = fleet.coord(["test", &readme.to_string()]).exits(5);
    assert!(refused.stderr.contains("README.md"), "{}", refused.stderr);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn each_method_leaves_its_history_and_the_tree_that_was_tested() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    for (method, arguments) in [("merge", ["--method", "merge"].as_slice()), ("squash", &[]), ("rebase", &[])]
    {
        // The default is to rebase; the command line and the configuration say otherwise.
        fleet.configure(if method == "squash" { "    merge_method: squash\n" } else { "" });
        let by_ann = |word: &str| {
            bash(&format!(
                "echo {method}-{word} > words/{method}-{word}.txt && git add -A && \
                 git commit -qm '{method} {word}' --author 'Ann <ann@example.org>'"
            ))
        };
        let number = proposed(&fleet, &format!("By {method}"), [by_ann("one"), by_ann("two")]);
        let base = fleet.api.push_as("Bob", "main", "meanwhile", &[("notes.txt", method)]);
        let head = fleet.api.head(&format!("issue-{number}-by-{method}")).unwrap();
        let done = merge(&fleet, arguments, 0);
        let pull_request = &done["merged"][0]["pull_request"];

        let shown =
            origin(&fleet, &["log", "--format=%s|%an|%cn|%P", &format!("{base}..main"), "--first-parent"]);
        let lines: Vec<_> = shown.lines().collect();
        let one = origin(&fleet, &["rev-parse", "main~1"]);
        match method {
            "merge" => assert_eq!(lines, [format!("Merge #{pull_request}: By merge|Dev|Dev|{base} {head}")]),
            "squash" => assert_eq!(lines, [format!("By squash (#{pull_request})|Ann|Dev|{base}")]),
            _ => {
                assert_eq!(
                    lines,
                    [format!("rebase two|Ann|Dev|{one}"), format!("rebase one|Ann|Dev|{base}")]
                );
            }
        }
        let result = tested(&fleet, number).pop().unwrap();
        assert_eq!(
            store(&fleet, &["rev-parse", &format!("{result}^{{tree}}")]),
            origin(&fleet, &["rev-parse", "main^{tree}"])
        );
    }
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_base_that_moved_since_the_test_is_tested_on_before_it_is_merged_into() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    let base = fleet.api.push_as("Ann", "main", "meanwhile", &[("notes.txt", "hm\n")]);
    assert!(why(&fleet, number)["because"].to_string().contains("the base branch has moved"));
    assert_eq!(tasks(&merge(&fleet, &[], 0)["merged"]), [number]);
    let results = tested(&fleet, number);
    assert_eq!(results.len(), 2);
    assert_eq!(store(&fleet, &["rev-parse", &format!("{}^1", results[1])]), base);
    assert_eq!(fleet.api.log("main"), ["Add sea", "meanwhile", "the project"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_dry_run_changes_nothing_and_tells_what_merging_then_does() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let (ready, untested) = (change(&fleet, "sea", "tide"), change(&fleet, "wood", "oak"));
    test(&fleet, ready);
    let conflicting = proposed(&fleet, "Sum wrongly", [commit("lib/sum.sh", "nothing", "Sum wrongly")]);
    let failing = change(&fleet, "more-fruit", "apple");
    test_fails(&fleet, failing);
    let board = || {
        let mut board = fleet.coord(["--json", "task", "list"]).success().json().to_string();
        for number in [ready, untested, conflicting, failing] {
            board.push_str(&why(&fleet, number).to_string());
        }
        board
    };
    let (refs, was) = (fleet.api.refs(), board());
    let planned = merge(&fleet, &["--dry-run"], 5);
    assert_eq!((fleet.api.refs(), board()), (refs, was));
    let steps: Vec<_> = planned["planned"].as_array().unwrap().iter().map(|it| text(&it["step"])).collect();
    assert_eq!(steps, ["merge", "test", "test"]);
    assert_eq!(tasks(&planned["planned"]), [ready, untested, conflicting]);
    assert_eq!(tasks(&planned["parked"]), [failing]);

    let done = merge(&fleet, &[], 5);
    assert_eq!(tasks(&done["merged"]), [ready, untested]);
    // What was to be tested first did not pass; what was to be left alone is.
    assert_eq!(tasks(&done["parked"]), [conflicting, failing]);
    assert_eq!(fleet.api.log("main"), ["Add wood", "Add sea", "the project"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

fn test_fails(fleet: &Fleet, number: u64) {
    let tested = fleet.coord(["--json", "test", &number.to_string()]).exits(1).json();
    assert_eq!(tested["data"]["gate"]["state"], "failed", "{tested:#}");
}

#[test]
fn changes_are_merged_in_the_order_that_is_asked_for() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let numbers = [change(&fleet, "a", "ash"), change(&fleet, "b", "beech"), change(&fleet, "c", "cedar")];
    let order = format!("{},{}", numbers[2], numbers[1]);
    let done = merge(&fleet, &["--order", &order], 0);
    assert_eq!(tasks(&done["merged"]), [numbers[2], numbers[1], numbers[0]]);
    assert_eq!(fleet.api.log("main"), ["Add a", "Add b", "Add c", "the project"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn what_a_person_pushes_to_the_branch_is_tested_and_merged_too() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    let branch = format!("issue-{number}-add-sea");
    let pushed = fleet.api.push_as("Ann", &branch, "and the foam", &[("words/foam.txt", "foam\n")]);
    assert!(why(&fleet, number)["because"].to_string().contains("new commits"));
    assert_eq!(tasks(&merge(&fleet, &["--method", "merge"], 0)["merged"]), [number]);
    assert_eq!(tested(&fleet, number).len(), 2);
    origin(&fleet, &["merge-base", "--is-ancestor", &pushed, "main"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_branch_that_cannot_be_replayed_is_left_alone_and_the_printed_way_works() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let merges = "git checkout -q -b side HEAD~1 && git commit -q --allow-empty -m side && \
                  git checkout -q - && git merge -q -m 'join them' side";
    let number = proposed(&fleet, "Join", [commit("words/sea.txt", "tide", "Add the tide"), bash(merges)]);
    let main = main_of(&fleet);
    let parked = merge(&fleet, &[], 5)["parked"].clone();
    let reason = text(&parked[0]["reason"]);
    assert!(reason.contains("merge commits") && reason.contains("--method merge"), "{reason}");
    assert_eq!(main_of(&fleet), main);
    assert_eq!(tasks(&merge(&fleet, &["--method", "merge"], 0)["merged"]), [number]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}
