//! GitHub merges something else than what was tested: nothing more is merged until that has been tested.

use coord_testkit::github::{Protection, Review, on};
use coord_testkit::model::Hold;

use super::OnGitHub;
use crate::fleet::text;

/// A change whose merge GitHub is asked for, and that something else overtakes on the way: `file` reaches the base
/// between the last look and the merge.
fn overtaken(file: (&str, &str)) -> (OnGitHub, u64, u64) {
    let world = OnGitHub::with_scripts();
    world.repo.protect("main", Protection { approvals: 1, ..Protection::default() });
    world.configure("    protection: {approvals: 1}\n");
    let (number, pull) = world.open("sea", "tide");
    let (other, other_pull) = world.open("wood", "oak");
    for (number, pull) in [(number, pull), (other, other_pull)] {
        world.coord(["test", &number.to_string()]).success();
        world.repo.review_as("ann", pull, Review::Approve);
    }
    let hold = Hold::new();
    world.github.fault(on("GET", &format!("/repos/acme/api/pulls/{pull}")).hold(&hold));
    let running = world.spawn(["--json", "merge", "--method", "squash"]);
    hold.wait_reached();
    world.api.push_as("Ann", "main", "meanwhile", &[file]);
    hold.release();
    let merged = running.wait().exits(5).json()["data"].clone();
    assert_eq!(merged["merged"][0]["pull_request"], pull);
    // The one behind it is left alone, although nothing is wrong with it.
    assert!(text(&merged["parked"][0]["reason"]).contains("merging is paused"), "{merged:#}");
    assert!(!world.repo.pull(other_pull).merged);
    (world, number, other)
}

#[test]
fn an_untested_merge_is_an_incident_and_merging_goes_on_once_the_base_has_passed() {
    let (world, number, other) = overtaken(("notes.txt", "hm\n"));
    let events = world.document(&["why", &number.to_string()])["data"]["events"].to_string();
    assert!(events.contains("incident") && events.contains("another tree than was tested"), "{events}");
    assert!(world.because(other).contains("merging is paused"));
    let merged = world.merge(&["--method", "squash"], 0);
    assert_eq!(merged["merged"][0]["task"], format!("api#{other}"));
    let events = world.document(&["why", &number.to_string()])["data"]["events"].to_string();
    assert!(events.contains("merging goes on: the tests pass on"), "{events}");
}

#[test]
fn a_base_that_fails_keeps_merging_paused_until_a_person_lets_it_go_on() {
    let (world, _, other) = overtaken(("words/water.txt", "tide\n"));
    for _ in 0..2 {
        let parked = world.merge(&[], 5);
        assert!(text(&parked["parked"][0]["reason"]).contains("merging is paused"), "{parked:#}");
    }
    world.api.push_as("Ann", "main", "mend it", &[("words/water.txt", "foam\n")]);
    let merged = world.merge(&["--repo", "api", "--resume", "mended by hand", "--method", "squash"], 0);
    assert_eq!(merged["merged"][0]["task"], format!("api#{other}"));
}
