//! Statuses and check runs.

use coord_testkit::github::{Conclusion, Status, StatusState};
use serde_json::json;

use crate::site::Site;

#[test]
fn the_combined_status_is_that_of_the_last_word_of_each_context() {
    let site = Site::new();
    let sha = site.branch("one");
    let state = || site.octo.get("/repos/acme/api/commits/one/status").is(200)["state"].clone();
    assert_eq!(state(), "pending", "nobody has said anything");
    site.api.status(&sha, "lint", StatusState::Failure);
    assert_eq!(state(), "failure");
    site.octo
        .post(
            &format!("/repos/acme/api/statuses/{sha}"),
            json!({ "state": "success", "context": "lint", "description": "neat" }),
        )
        .is(201);
    assert_eq!(state(), "success");
    site.api.status(&sha, "build", StatusState::Pending);
    assert_eq!(state(), "pending");
    let seen = site.api.statuses(&sha);
    assert_eq!(seen.iter().map(|it| it.context.as_str()).collect::<Vec<_>>(), ["build", "lint"]);
    assert_eq!(seen[1].description, "neat");
}

#[test]
fn a_check_run_goes_on_and_the_last_one_of_a_name_is_shown() {
    let site = Site::new();
    let sha = site.branch("one");
    let path = format!("/repos/acme/api/commits/{sha}/check-runs");
    assert_eq!(site.octo.get(&path).is(200)["total_count"], 0);
    site.api.check_run(&sha, "ci", Status::Queued);
    assert_eq!(site.octo.get(&path).is(200)["check_runs"][0]["status"], "queued");
    site.api.check_run(&sha, "ci", Status::Completed(Conclusion::Skipped));
    let runs = site.octo.get(&format!("{path}?check_name=ci")).is(200);
    assert_eq!(runs["total_count"], 1);
    assert_eq!(runs["check_runs"][0]["conclusion"], "skipped");
    let suites = site.octo.get(&format!("/repos/acme/api/commits/{sha}/check-suites")).is(200);
    assert_eq!(suites["check_suites"][0]["latest_check_runs_count"], 1);
}

#[test]
fn only_an_app_makes_check_runs() {
    let site = Site::new();
    let sha = site.branch("one");
    let refused = site.octo.post("/repos/acme/api/check-runs", json!({ "name": "ci", "head_sha": sha }));
    assert_eq!(refused.refuses(403), "You must authenticate via a GitHub App.");
}

#[test]
fn what_is_no_commit_has_no_status() {
    let site = Site::new();
    let path = format!("/repos/acme/api/statuses/{}", "0".repeat(40));
    site.octo.post(&path, json!({ "state": "success" })).is(422);
    site.octo.get("/repos/acme/api/commits/nowhere/status").is(404);
}
