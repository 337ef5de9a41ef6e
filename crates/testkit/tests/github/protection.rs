//! What protected branches demand.

use coord_testkit::github::{Access, Conclusion, Permission, Protection, Review, Status, StatusState};
use serde_json::{Value, json};

use crate::client::Client;
use crate::site::Site;

fn state(site: &Site, pull: u64) -> Value {
    let path = format!("/repos/acme/api/pulls/{pull}");
    site.octo.get(&path).is(200);
    site.octo.get(&path).is(200)["mergeable_state"].clone()
}

#[test]
fn a_required_check_is_expected_pending_failing_and_passed() {
    let site = Site::new();
    site.api.protect("main", Protection { required_checks: vec!["ci".into()], ..Default::default() });
    let pull = site.pull("one");
    let head = site.api.pull(pull).head_sha;
    let refused = || site.octo.put(&format!("/repos/acme/api/pulls/{pull}/merge"), json!({})).refuses(405);
    assert_eq!(state(&site, pull), "blocked");
    assert_eq!(refused(), "Required status check \"ci\" is expected.");
    site.api.check_run(&head, "ci", Status::InProgress);
    assert_eq!(refused(), "Required status check \"ci\" is pending.");
    site.api.check_run(&head, "ci", Status::Completed(Conclusion::Failure));
    assert_eq!(refused(), "Required status check \"ci\" is failing.");
    site.api.check_run(&head, "ci", Status::Completed(Conclusion::Skipped));
    assert_eq!(state(&site, pull), "clean", "one that was skipped has passed");
}

#[test]
fn a_check_that_nobody_requires_makes_it_unstable_and_no_more() {
    let site = Site::new();
    let pull = site.pull("one");
    site.api.status(&site.api.pull(pull).head_sha, "lint", StatusState::Failure);
    assert_eq!(state(&site, pull), "unstable");
    site.octo.put(&format!("/repos/acme/api/pulls/{pull}/merge"), json!({})).is(200);
}

#[test]
fn a_strict_branch_wants_its_tip_in_the_head() {
    let site = Site::new();
    let rules = Protection { required_checks: vec!["ci".into()], strict: true, ..Default::default() };
    site.api.protect("main", rules);
    let pull = site.pull("one");
    site.api.status(&site.api.pull(pull).head_sha, "ci", StatusState::Success);
    site.project.push_as("Bob", "main", "meanwhile", &[("other.txt", "x\n")]);
    assert_eq!(state(&site, pull), "behind");
    let refused = site.octo.put(&format!("/repos/acme/api/pulls/{pull}/merge"), json!({}));
    let words = "Required status check \"ci\" is expected.";
    assert_eq!(refused.refuses(405), words, "what has passed on an old base is expected again");
}

#[test]
fn protection_is_for_those_who_may_administer() {
    let site = Site::new();
    let path = "/repos/acme/api/branches/main/protection";
    let owner = site.client("acme");
    assert_eq!(owner.get(path).refuses(404), "Branch not protected");
    let rules = Protection {
        required_checks: vec!["ci".into()],
        strict: true,
        approvals: 2,
        restrict_pushes: Some(vec!["bob".into()]),
        ..Default::default()
    };
    site.api.protect("main", rules);
    let seen = owner.get(path).is(200);
    assert_eq!(seen["required_status_checks"]["contexts"], json!(["ci"]));
    assert_eq!(seen["required_status_checks"]["strict"], true);
    assert_eq!(seen["required_pull_request_reviews"]["required_approving_review_count"], 2);
    assert_eq!(seen["restrictions"]["users"][0]["login"], "bob");

    assert_eq!(site.octo.get(path).refuses(404), "Not Found", "who may only write is told nothing");
    site.api.collaborator("mia", Permission::Admin);
    let token = site.github.user("mia").fine_grained(&[("contents", Access::Read)]);
    let refused = Client::new(&site.github, &token).get(path).refuses(403);
    assert_eq!(refused, "Resource not accessible by personal access token");

    let short = site.octo.get("/repos/acme/api/branches/main").is(200);
    assert_eq!(short["protected"], true);
    assert_eq!(short["protection"]["required_status_checks"]["contexts"], json!(["ci"]));
}

#[test]
fn rulesets_are_seen_by_everyone_and_hold_for_administrators() {
    let site = Site::new();
    site.api.ruleset(
        "main",
        Protection { required_checks: vec!["ci".into()], approvals: 1, ..Default::default() },
    );
    let rules = site.octo.get("/repos/acme/api/rules/branches/main").is(200);
    let kinds: Vec<_> = rules.as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
    assert_eq!(kinds, ["deletion", "non_fast_forward", "required_status_checks", "pull_request"]);
    assert_eq!(site.octo.get("/repos/acme/api/rules/branches/other").is(200), json!([]));
    let pull = site.pull("one");
    let refused =
        site.client("acme").put(&format!("/repos/acme/api/pulls/{pull}/merge"), json!({})).refuses(405);
    let words = "Repository rule violations found\n\nRequired status check \"ci\" is expected.\n\n\
                 At least 1 approving review is required by reviewers with write access.";
    assert_eq!(refused, words);
}

#[test]
fn an_administrator_passes_classic_protection_unless_it_is_enforced() {
    let site = Site::new();
    let rules = |enforce_admins| Protection { approvals: 1, enforce_admins, ..Default::default() };
    let pull = site.pull("one");
    let merge = || site.client("acme").put(&format!("/repos/acme/api/pulls/{pull}/merge"), json!({}));
    site.api.protect("main", rules(true));
    merge().is(405);
    site.api.protect("main", rules(false));
    merge().is(200);
}

#[test]
fn a_push_takes_approvals_away_where_that_is_wanted() {
    let site = Site::new();
    let pull = site.pull("one");
    site.api.review_as("bob", pull, Review::Approve);
    site.project.push_as("Ann", "one", "more", &[("words/more.txt", "fig\n")]);
    assert_eq!(site.api.pull(pull).reviews[0].1, "APPROVED");
    site.api.protect("main", Protection { approvals: 1, dismiss_stale: true, ..Default::default() });
    site.project.push_as("Ann", "one", "even more", &[("words/even.txt", "fig\n")]);
    assert_eq!(site.api.pull(pull).reviews[0].1, "DISMISSED");
}
