//! Repositories and issues that are not where they were.

use serde_json::json;

use crate::site::Site;

#[test]
fn a_renamed_repository_redirects_to_a_url_that_stays_good() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    site.api.rename("acme/api2");
    let moved = site.octo.get(&format!("/repos/acme/api/issues/{number}?x=1"));
    assert_eq!(moved.status, 301);
    let location = moved.header("location").to_owned();
    assert!(
        location.contains("/repositories/") && location.ends_with(&format!("/issues/{number}?x=1")),
        "{location}"
    );
    let location = location.split_once('?').unwrap().0;
    let issue = site.octo.get(location).is(200);
    assert!(issue["url"].as_str().unwrap().contains("/repos/acme/api2/"));
    let written = site.octo.post("/repos/acme/api/issues", json!({ "title": "lost" }));
    assert_eq!(written.status, 307, "a client that follows it posts again");
    assert_eq!(site.api.issue_count(), 1);
    site.octo.post(written.header("location"), json!({ "title": "found" })).is(201);
    assert_eq!(site.api.issue_count(), 2);
    assert_eq!(site.github.problems().len(), 1, "the parameter that is none");
}

#[test]
fn git_follows_a_rename() {
    let site = Site::new();
    let url = site.api.clone_url();
    site.api.rename("acme/api2");
    let cloned = site.world.command("git").args(["clone", "--quiet", &url, "copy"]).output().unwrap();
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
}

#[test]
fn a_transferred_issue_redirects_and_a_deleted_one_is_gone() {
    let site = Site::new();
    let other = site.world.repo("web");
    let web = site.github.repo("acme/web", &other.origin);
    let [moved, deleted] = ["moved", "deleted"].map(|title| site.api.issue(title).label("bug").open());
    let there = site.api.transfer_issue(moved, &web);
    let reply = site.octo.get(&format!("/repos/acme/api/issues/{moved}/comments"));
    assert_eq!(reply.status, 301);
    let location = reply.header("location");
    assert!(location.ends_with(&format!("/issues/{there}/comments")), "{location}");
    site.octo.get(location).is(200);
    assert_eq!(web.issue_state(there).title, "moved");

    site.api.delete_issue(deleted);
    let gone = site.octo.get(&format!("/repos/acme/api/issues/{deleted}"));
    assert_eq!(gone.refuses(410), "This issue was deleted");
    assert_eq!(site.api.issue("next").open(), deleted + 1, "numbers are not used again");

    web.make_private();
    site.octo.get(&format!("/repos/acme/api/issues/{moved}")).is(404);
}

#[test]
fn an_archived_repository_is_read_only() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    site.api.archive();
    site.octo.get(&format!("/repos/acme/api/issues/{number}")).is(200);
    let refused =
        site.octo.post(&format!("/repos/acme/api/issues/{number}/comments"), json!({ "body": "x" }));
    assert_eq!(refused.refuses(403), "Repository was archived so is read-only.");
}

#[test]
fn where_issues_are_disabled_there_are_only_pull_requests() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let pull = site.pull("one");
    site.api.disable_issues();
    site.octo.get("/repos/acme/api/issues").is(404);
    site.octo.get(&format!("/repos/acme/api/issues/{number}")).is(410);
    site.octo.post("/repos/acme/api/issues", json!({ "title": "no" })).is(410);
    site.octo.post(&format!("/repos/acme/api/issues/{pull}/comments"), json!({ "body": "yes" })).is(201);
}
