//! Gates that GitHub keeps: checks and approvals, read anew each time, bound to the head they saw.

use coord_testkit::github::{Conclusion, Protection, Review, Status};

use super::OnGitHub;
use crate::fleet::text;

impl OnGitHub {
    #[track_caller]
    fn parked(&self, number: u64) -> String {
        text(&self.merge(&[&number.to_string()], 5)["parked"][0]["reason"])
    }
}

#[test]
fn a_required_check_holds_until_it_has_looked_at_this_head() {
    let world = OnGitHub::with_scripts();
    let wanted = vec!["ci".to_owned()];
    world.repo.protect("main", Protection { required_checks: wanted, ..Protection::default() });
    world.configure("    protection: {checks: [ci]}\n");
    let (number, pull) = world.open("sea", "tide");
    world.coord(["test", &number.to_string()]).success();
    let head = world.repo.pull(pull).head_sha;
    assert!(world.parked(number).contains("`ci` has not been reported"));
    world.repo.check_run(&head, "ci", Status::InProgress);
    assert!(world.parked(number).contains("`ci` has not ended yet"));
    world.repo.check_run(&head, "ci", Status::Completed(Conclusion::Skipped));
    assert!(world.parked(number).contains("looked at nothing"));
    world.repo.check_run(&head, "ci", Status::Completed(Conclusion::Failure));
    assert!(world.parked(number).contains("check `ci`: failure"));
    world.repo.check_run(&head, "ci", Status::Completed(Conclusion::Success));
    // Nobody asked for this one, and it is red.
    world.repo.check_run(&head, "lint", Status::Completed(Conclusion::Failure));
    assert!(world.parked(number).contains("check `lint`: failure"));
    world.repo.check_run(&head, "lint", Status::Completed(Conclusion::Success));
    world.merge(&[], 0);
    assert!(world.repo.pull(pull).merged);
}

#[test]
fn a_check_that_may_be_skipped_may_be_skipped() {
    let world = OnGitHub::with_scripts();
    world.configure("    protection: {checks: [ci]}\n    may_skip: [ci]\n");
    let wanted = vec!["ci".to_owned()];
    world.repo.protect("main", Protection { required_checks: wanted, ..Protection::default() });
    let (_, pull) = world.open("sea", "tide");
    let head = world.repo.pull(pull).head_sha;
    world.repo.check_run(&head, "ci", Status::Completed(Conclusion::Skipped));
    world.merge(&[], 0);
    assert!(world.repo.pull(pull).merged);
}

#[test]
fn an_approval_of_an_older_head_is_stale_unless_the_change_was_merely_replayed() {
    let world = OnGitHub::with_scripts();
    world.repo.protect("main", Protection { approvals: 1, ..Protection::default() });
    world.configure("    protection: {approvals: 1}\n");
    let (number, pull) = world.open("sea", "tide");
    let branch = format!("issue-{number}-add-sea");
    world.coord(["test", &number.to_string()]).success();
    assert!(world.parked(number).contains("it needs 1 approval and has 0"));
    world.repo.review_as("ann", pull, Review::Approve);
    world.api.push_as("Ann", &branch, "and the foam", &[("words/foam.txt", "foam\n")]);
    world.coord(["test", &number.to_string()]).success();
    assert!(world.parked(number).contains("new commits since it was approved"));
    world.repo.review_as("ann", pull, Review::Approve);

    // The very same patch on a newer base: the approval holds, and the tests have to run again.
    world.api.push_as("Ann", "main", "meanwhile", &[("notes.txt", "hm\n")]);
    world.rebased_as("Ann", &branch);
    world.merge(&[], 0);
    assert!(world.repo.pull(pull).merged);
    world.repo.protect("main", Protection::default());
}

#[test]
fn rules_that_cannot_be_read_hold_until_somebody_says_what_they_are() {
    let world = OnGitHub::with_scripts();
    world.repo.protect("main", Protection { approvals: 1, ..Protection::default() });
    let (number, pull) = world.open("sea", "tide");
    world.coord(["test", &number.to_string()]).success();
    world.repo.review_as("ann", pull, Review::Approve);
    let reason = world.parked(number);
    assert!(reason.contains("Administration: read") && reason.contains("`protection`"), "{reason}");
    world.configure("    protection: {approvals: 1}\n");
    world.merge(&[], 0);
    assert!(world.repo.pull(pull).merged);
}

#[test]
fn the_configuration_asks_for_checks_and_an_approval_where_no_rule_does() {
    let world = OnGitHub::with_scripts();
    world.configure("    gates: [tests, checks, approval]\n");
    let (number, pull) = world.open("sea", "tide");
    world.coord(["test", &number.to_string()]).success();
    let reason = world.parked(number);
    assert!(
        reason.contains("no check has been reported") && reason.contains("it needs 1 approval"),
        "{reason}"
    );
    let head = world.repo.pull(pull).head_sha;
    world.repo.check_run(&head, "ci", Status::Completed(Conclusion::Success));
    world.repo.review_as("ann", pull, Review::Approve);
    world.merge(&[], 0);
    assert!(world.repo.pull(pull).merged);
}
