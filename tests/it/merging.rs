//! Changes on their way into the default branch: what is merged is what was tested, once, and everything else
//! is left alone with its reason.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8PathBuf;
use coord_testkit::model::{Request, Step, bash, say};
use coord_testkit::poll;
use coord_testkit::world::Running;
use serde_json::Value;

use crate::fleet::{Fleet, text};

/// The reply that writes a file and commits it.
fn commit(path: &str, content: &str, message: &str) -> Step {
    bash(&format!("printf '{content}\\n' > {path} && git add -A && git commit -qm '{message}'"))
}

/// A task that a worker has done, with an open pull request: it adds a list of one word.
fn change(fleet: &Fleet, list: &str, word: &str) -> u64 {
    let (path, title) = (format!("words/{list}.txt"), format!("Add {list}"));
    proposed(fleet, &title, [commit(&path, word, &title)])
}

fn proposed(fleet: &Fleet, title: &str, steps: impl IntoIterator<Item = Step>) -> u64 {
    let number = fleet.task(title, steps.into_iter().chain([say("done")]));
    assert_eq!(fleet.work(number), "done");
    fleet.propose(number);
    number
}

fn test(fleet: &Fleet, number: u64) {
    let tested = fleet.coord(["--json", "test", &number.to_string()]).success().json();
    assert_eq!(tested["data"]["gate"]["state"], "passed", "{tested:#}");
}

/// `coord merge` with these arguments: its document, once it has ended with `code`.
#[track_caller]
fn merge(fleet: &Fleet, arguments: &[&str], code: i32) -> Value {
    let arguments = ["--json", "merge"].iter().chain(arguments);
    fleet.coord(arguments).exits(code).json()["data"].clone()
}

/// The numbers of the tasks in a list of `merge`'s document.
fn tasks(list: &Value) -> Vec<u64> {
    let tasks = list.as_array().unwrap().iter().map(|it| text(&it["task"]));
    tasks.map(|it| it.strip_prefix("api#").unwrap().parse().unwrap()).collect()
}

fn why(fleet: &Fleet, number: u64) -> Value {
    fleet.coord(["--json", "why", &number.to_string()]).success().json()["data"].clone()
}

/// The merge results that were tested for a task, oldest first.
fn tested(fleet: &Fleet, number: u64) -> Vec<String> {
    let why = why(fleet, number);
    let runs = why["runs"].as_array().unwrap().iter().filter(|it| it["kind"] == "test");
    let ends = runs.map(|it| fleet.coord_home().join(format!("runs/{}/exit.json", text(&it["id"]))));
    let ends = ends.map(|it| serde_json::from_str::<Value>(&fs_err::read_to_string(it).unwrap()).unwrap());
    ends.map(|it| text(&it["git"]["head"])).collect()
}

fn store(fleet: &Fleet, arguments: &[&str]) -> String {
    fleet.api.git(&fleet.coord_home().join("repos/api.git"), arguments.iter().copied())
}

fn origin(fleet: &Fleet, arguments: &[&str]) -> String {
    fleet.api.git(&fleet.api.origin, arguments.iter().copied())
}

fn main_of(fleet: &Fleet) -> String {
    fleet.api.head("main").expect("origin has a default branch")
}

/// How often a task was recorded as merged.
fn mergings(fleet: &Fleet, number: u64) -> usize {
    let why = why(fleet, number);
    let events = why["events"].as_array().unwrap();
    events.iter().filter(|it| text(&it["what"]).starts_with("merged by")).count()
}

/// Has origin run a script at a hook of its own. The script holds pushes until files of the world exist.
fn hook(fleet: &Fleet, name: &str, script: &str) {
    let path: Utf8PathBuf = fleet.api.origin.join("hooks").join(name);
    let script = format!(
        "#!/bin/sh\ncd {}\ngrep -q ' refs/heads/main$' || exit 0\n\
         await() {{ while [ ! -e \"$1\" ]; do sleep 0.01; done; }}\n{script}\n",
        fleet.dir()
    );
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, script).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn wait_for_file(fleet: &Fleet, name: &str) {
    poll::wait_for(name, poll::PATIENCE, || {
        fleet.dir().join(name).exists().then_some(()).ok_or_else(|| "it is not there".to_owned())
    });
}

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
    assert_eq!(why["next"], format!("coord assign auto api {second}"));
    // It is known to fail on this base: asking again changes nothing and tests nothing.
    let runs = tested(&fleet, second).len();
    assert_eq!(tasks(&merge(&fleet, &[], 5)["parked"]), [second]);
    assert_eq!((main_of(&fleet), tested(&fleet, second).len()), (main, runs));
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
                assert_eq!(lines, [format!("rebase two|Ann|Dev|{one}"), format!("rebase one|Ann|Dev|{base}")])
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
fn a_base_that_moves_while_it_is_pushed_to_is_not_overwritten() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    // The first push to the default branch waits until somebody else's has arrived.
    hook(&fleet, "pre-receive", "mkdir first 2>/dev/null || exit 0; await go");
    let merging = fleet.spawn(["--json", "merge"]);
    wait_for_file(&fleet, "first");
    fleet.api.push_as("Ann", "main", "meanwhile", &[("notes.txt", "hm\n")]);
    fleet.write("go", "");
    let done = merging.wait().success().json();
    assert_eq!(tasks(&done["data"]["merged"]), [number]);
    assert_eq!(tested(&fleet, number).len(), 2);
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
fn a_merge_that_dies_between_origin_and_board_is_recorded_by_the_next_and_not_repeated() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let (first, second) = (change(&fleet, "sea", "tide"), change(&fleet, "wood", "oak"));
    hook(&fleet, "post-receive", "mkdir landed 2>/dev/null || exit 0; await go");
    let merging = fleet.spawn(["merge", "--method", "squash", &first.to_string()]);
    wait_for_file(&fleet, "landed");
    merging.kill();
    drop(merging);
    fleet.write("go", "");
    let landed = main_of(&fleet);
    let shown = fleet.coord(["--json", "task", "show", &first.to_string()]).success().json();
    assert_eq!(shown["data"]["task"]["state"], "open", "the board could not know");

    fleet.coord(["status"]).success();
    let done = merge(&fleet, &["--method", "squash"], 0);
    assert_eq!(tasks(&done["merged"]), [second]);
    let shown = fleet.coord(["--json", "task", "show", &first.to_string()]).success().json();
    assert_eq!(shown["data"]["task"]["commit"], landed);
    assert_eq!(mergings(&fleet, first), 1);
    let log = fleet.api.log("main");
    assert_eq!(log.iter().filter(|it| it.starts_with("Add sea")).count(), 1, "{log:?}");
    assert_eq!(log.len(), 3, "{log:?}");
    assert!(store(&fleet, &["for-each-ref", "refs/coord/landing"]).is_empty());
    assert!(tasks(&merge(&fleet, &[], 0)["merged"]).is_empty());
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

/// The push of a merge that was killed arrives while another merge of the same change pushes.
#[test]
fn a_push_that_outlives_its_merge_is_not_followed_by_another() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    let base = main_of(&fleet);
    let (first, second) = two_pushes_at_once(&fleet);
    first.kill();
    drop(first);
    fleet.write("go-first", "");
    let landed = poll::wait_for("the orphan's push", poll::PATIENCE, || {
        let main = main_of(&fleet);
        if main == base { Err("it has not arrived".to_owned()) } else { Ok(main) }
    });
    fleet.write("go-second", "");
    let done = second.wait().success().json();
    assert_eq!(done["data"]["merged"][0]["commit"], landed);
    assert_eq!((main_of(&fleet), mergings(&fleet, number)), (landed, 1));
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn two_merges_at_once_land_a_change_once() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    let (first, second) = two_pushes_at_once(&fleet);
    fleet.write("go-second", "");
    fleet.write("go-first", "");
    for merging in [first, second] {
        let done = merging.wait().success().json();
        assert_eq!(tasks(&done["data"]["merged"]), [number]);
        assert_eq!(done["data"]["merged"][0]["commit"], main_of(&fleet));
    }
    assert_eq!(mergings(&fleet, number), 1);
    assert_eq!(fleet.api.log("main").len(), 3, "the project, the commit and its merge");
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

/// Two merges whose pushes origin holds: each goes on when `go-first` or `go-second` is there.
fn two_pushes_at_once(fleet: &Fleet) -> (Running, Running) {
    hook(
        fleet,
        "pre-receive",
        "who=first; mkdir first 2>/dev/null || { who=second; mkdir -p second; }; await go-$who",
    );
    let first = fleet.spawn(["--json", "merge", "--method", "merge"]);
    wait_for_file(fleet, "first");
    let second = fleet.spawn(["--json", "merge", "--method", "merge"]);
    wait_for_file(fleet, "second");
    (first, second)
}

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
    assert!(text(&parked[0]["reason"]).contains(reason), "{parked}");
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
