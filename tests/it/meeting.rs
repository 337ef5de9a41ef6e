//! A person and a worker on the branch of one change: neither loses what it did to the other.

use coord_testkit::model::{Hold, bash, compute, say};

use crate::change::{change, commit, origin, why};
use crate::fleet::{Fleet, text};

#[test]
fn an_attempt_continues_from_what_a_person_pushed() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    let branch = format!("issue-{number}-add-sea");
    fleet.api.push_as("Ann", &branch, "and the foam", &[("words/foam.txt", "foam\n")]);
    let steps = [commit("words/salt.txt", "salt", "Add salt"), say("done")];
    fleet.model.on_task(&format!("api#{number}"), steps);
    assert_eq!(fleet.work(number), "done");
    assert_eq!(fleet.api.log(&branch), ["Add salt", "and the foam", "Add sea", "the project"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn what_a_person_pushes_while_a_worker_works_is_not_overwritten() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    let branch = format!("issue-{number}-add-sea");
    let hold = Hold::new();
    let add = compute(|_| commit("words/salt.txt", "salt", "Add salt")).held(&hold);
    fleet.model.on_task(&format!("api#{number}"), [bash("true"), add, say("done")]);
    let run = fleet.assign(number);
    hold.wait_reached();
    let pushed = fleet.api.push_as("Ann", &branch, "and the foam", &[("words/foam.txt", "foam\n")]);
    // Whoever looks in between learns of it, and changes nothing about whose the branch is.
    why(&fleet, number);
    fleet.coord(["status"]).success();
    fleet.coord(["merge"]).exits(5);
    hold.release();
    let ended = fleet.wait(&run);
    assert_eq!(ended["outcome"]["kind"], "push-failed", "{ended}");
    assert!(text(&ended["outcome"]["reason"]).contains(&branch), "{ended}");
    assert_eq!(fleet.api.head(&branch), Some(pushed));
    // What the worker did is on origin beside it.
    let kept = origin(&fleet, &["log", "--format=%s", &format!("refs/coord/runs/{run}")]);
    assert_eq!(kept, "Add salt\nAdd sea\nthe project");
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}
