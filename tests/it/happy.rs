//! From a task to a merged change.

use coord_testkit::model::{bash, say, write};

use crate::fleet::{Fleet, text};

#[test]
fn a_task_becomes_a_merged_change() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = fleet.task(
        "Add a word about the sea",
        [
            say("STATUS: looking around").then(write("words/sea.txt", "tide\n")),
            bash("git add -A && git commit -qm 'Add the tide'"),
            say("done"),
        ],
    );
    let id = number.to_string();
    let watched = fleet.coord(["assign", "auto", "api", &id, "--watch"]).success();
    assert!(watched.stdout.contains("looking around"), "{}", watched.stdout);
    assert!(fleet.api.head("main") != fleet.api.head(&format!("issue-{number}-add-a-word-about-the-sea")));

    let tested = fleet.coord(["--json", "test", &id]).success().json();
    assert_eq!(tested["data"]["gate"]["state"], "passed");
    let proposed = fleet.coord(["--json", "pr", &id]).success().json();
    assert!(text(&proposed["data"]["pull_request"]["body"]).contains("Add the tide"));
    let merged = fleet.coord(["--json", "merge"]).success().json();
    assert_eq!(merged["data"]["merged"][0]["task"], format!("api#{number}"));

    assert_eq!(fleet.api.file("main", "words/sea.txt").as_deref(), Some("tide\n"));
    let shown = fleet.coord(["--json", "task", "show", &id]).success().json();
    assert_eq!(shown["data"]["task"]["state"], "merged");
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}
