//! What `coord doctor` sees of GitHub: who speaks, what is missing, and what that is for.

use std::time::Duration;

use coord_testkit::github::{Permission, Protection};
use serde_json::Value;

use super::OnGitHub;
use crate::fleet::text;

/// The checks that have to do with GitHub: subject, status and what was seen.
fn checks(world: &OnGitHub) -> Vec<(String, String, String)> {
    let document = world.document(&["doctor"]);
    let checks = document["data"]["checks"].as_array().unwrap().iter();
    let of_github = checks.filter(|it| text(&it["subject"]).contains("GitHub"));
    let told = |it: &Value| {
        assert_eq!(it["cure"].is_string(), it["status"] != "ok", "{it}");
        (text(&it["subject"]), text(&it["status"]), text(&it["seen"]))
    };
    of_github.map(told).collect()
}

#[track_caller]
fn assert_seen(world: &OnGitHub, status: &str, seen: &str) {
    let checks = checks(world);
    assert!(checks.iter().any(|it| it.1 == status && it.2.contains(seen)), "{checks:#?}");
}

#[test]
fn who_speaks_is_told_and_what_the_branch_asks_for() {
    let world = OnGitHub::with_scripts();
    world.repo.collaborator("octo", Permission::Admin);
    assert_seen(&world, "ok", "`octo` at 127.0.0.1:");
    assert_seen(&world, "ok", "acme/api may be worked on; main asks for nothing");
    let rules = Protection { required_checks: vec!["ci".to_owned()], approvals: 2, ..Protection::default() };
    world.repo.protect("main", rules);
    assert_seen(&world, "ok", "main asks for the checks `ci`, 2 approvals");
    assert!(!world.document(&["doctor"]).to_string().contains("ghp_"), "no token is shown");
}

#[test]
fn a_scope_that_is_missing_is_named_with_what_it_is_for() {
    let mut world = OnGitHub::with_scripts();
    let octo = world.github.user("octo");
    world.set("GITHUB_TOKEN", octo.token_with(&["read:org", "workflow"]));
    assert_seen(&world, "fail", "lacks the scope `repo`, with which issues, pull requests");
    world.set("GITHUB_TOKEN", octo.token_with(&["repo"]));
    assert_seen(
        &world,
        "warn",
        "lacks the scope `workflow`, with which changes of files under .github/workflows",
    );
}

#[test]
fn a_credential_that_is_missing_or_not_accepted_is_told() {
    let mut world = OnGitHub::with_scripts();
    let octo = world.github.user("octo");
    let token = octo.token();
    world.set("GITHUB_TOKEN", &token);
    octo.revoke(&token);
    assert_seen(&world, "fail", "does not accept the credential");
    world.set("GITHUB_TOKEN", "");
    world.set("PATH", "/usr/bin:/bin");
    assert_seen(&world, "fail", "GITHUB_TOKEN is not set");
}

#[test]
fn each_way_in_which_a_repository_can_be_unfit_is_told() {
    let world = OnGitHub::with_scripts();
    world.repo.collaborator("octo", Permission::Read);
    assert_seen(&world, "warn", "`octo` may not push to acme/api");
    world.repo.disable_issues();
    assert_seen(&world, "fail", "issues are switched off in acme/api");
    world.repo.rename("acme/api2");
    assert_seen(&world, "warn", "acme/api is called acme/api2 now");
    world.repo.archive();
    assert_seen(&world, "fail", "acme/api2 is archived");
    let world = OnGitHub::with_scripts();
    world.reconfigure("github: acme/api", "github: acme/other");
    assert_seen(
        &world,
        "fail",
        "GitHub has nothing at `GET /repos/acme/other`, or the credential has no access",
    );
}

#[test]
fn rules_that_cannot_be_read_are_a_warning_until_somebody_says_what_they_are() {
    let world = OnGitHub::with_scripts();
    world.repo.protect("main", Protection::default());
    assert_seen(&world, "warn", "what main asks for is not known, so nothing is merged");
    world.configure("    protection: {}\n");
    assert_seen(&world, "ok", "the configuration says what is asked for");
}

#[test]
fn a_limit_that_is_used_up_is_told_with_its_end() {
    let world = OnGitHub::with_scripts();
    checks(&world);
    world.github.user("octo").rate_limit(0, Duration::from_secs(600));
    assert_seen(&world, "warn", "limit is used up");
}
