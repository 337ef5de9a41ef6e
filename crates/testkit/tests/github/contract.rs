//! What is compared with GitHub's own description, and how much of it is there.

use coord_testkit::github::Access;
use serde_json::{Value, json};

use crate::client::Client;
use crate::site::Site;

#[test]
fn what_github_does_not_describe_is_told() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    assert!(site.github.problems().is_empty());

    site.octo.get("/repos/acme/api/issues?stat=open&per_page=many").is(200);
    site.octo.patch(&format!("/repos/acme/api/issues/{number}"), json!({ "state": "shut" })).is(200);
    site.octo.get("/repos/acme/api/branches/main?verbose=1").is(200);
    site.octo.get("/repos/acme/api/stargazers").is(404);
    site.octo.post("/repos/acme/api/pulls", json!({ "title": "no head", "base": "main" })).is(422);

    let problems = site.github.problems().join("\n");
    for part in ["`stat`", "per_page", "issues/update request /state", "`verbose`", "stargazers", "\"head\""]
    {
        assert!(problems.contains(part), "{part} is not in:\n{problems}");
    }
}

#[test]
fn what_the_stand_in_cannot_do_is_told() {
    let site = Site::new();
    site.octo.get("/search/issues?q=sort:updated").is(501);
    site.octo
        .post("/graphql", json!({ "query": "{ repository(owner: \"acme\", name: \"api\") { sponsors } }" }))
        .is(501);
    assert_eq!(site.github.problems().len(), 2);
}

#[test]
fn a_body_that_is_no_json_is_a_bad_request() {
    let site = Site::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let http = reqwest::Client::builder().user_agent("tests").build().unwrap();
    let request = http.post(format!("{}/repos/acme/api/issues", site.github.url())).body("{\"title\":");
    let status = runtime.block_on(async { request.send().await.unwrap().status() });
    assert_eq!(status, 400);
}

/// Drives what no other request of this test drives.
fn the_rest(site: &Site, pull: u64, head: &str) {
    let get = |path: &str| site.octo.get(&format!("/repos/acme/api{path}"));
    for path in [
        "",
        "/events",
        "/actions/runs",
        "/labels",
        "/issues/comments",
        "/branches",
        "/branches/main",
        "/rules/branches/main",
        "/git/matching-refs/heads",
        "/git/ref/heads/main",
        "/compare/main...one",
        "/commits/main",
        "/contents/words",
        "/collaborators/octo/permission",
        "/pulls",
    ] {
        get(path).is(200);
    }
    for path in ["", "/files", "/commits", "/reviews", "/comments"] {
        get(&format!("/pulls/{pull}{path}")).is(200);
    }
    get(&format!("/pulls/{pull}/merge")).is(404);
    for path in ["status", "statuses", "check-runs", "check-suites", "pulls"] {
        get(&format!("/commits/{head}/{path}")).is(200);
    }
    get("/branches/main/protection").is(404);
    site.octo.get("/user").is(200);
    site.octo.get("/rate_limit").is(200);
    site.octo.get("/search/issues?q=repo:acme/api+is:issue").is(200);
}

fn the_issues(site: &Site) {
    let (one, two) = (site.api.issue("one").open(), site.api.issue("two").open());
    let path = |rest: &str| format!("/repos/acme/api/issues/{one}{rest}");
    site.octo.get("/repos/acme/api/issues").is(200);
    site.octo.post("/repos/acme/api/labels", json!({ "name": "bug", "color": "ff0000" })).is(201);
    site.octo.post("/repos/acme/api/issues", json!({ "title": "three", "labels": ["bug"] })).is(201);
    let id = site.octo.get(&format!("/repos/acme/api/issues/{two}")).is(200)["id"].clone();
    let comment = site.octo.post(&path("/comments"), json!({ "body": "hm" })).is(201)["id"].clone();
    site.octo.patch(&format!("/repos/acme/api/issues/comments/{comment}"), json!({ "body": "ah" })).is(200);
    site.octo.post(&path("/labels"), json!({ "labels": ["bug"] })).is(200);
    site.octo.post(&path("/assignees"), json!({ "assignees": ["bob"] })).is(201);
    site.octo.post(&path("/sub_issues"), json!({ "sub_issue_id": id })).is(201);
    site.octo.patch(&path("/sub_issues/priority"), json!({ "sub_issue_id": id })).is(200);
    site.octo.get(&format!("/repos/acme/api/issues/{two}/parent")).is(200);
    site.octo.post(&path("/dependencies/blocked_by"), json!({ "issue_id": id })).is(201);
    for list in [
        "/comments",
        "/labels",
        "/events",
        "/timeline",
        "/sub_issues",
        "/dependencies/blocked_by",
        "/dependencies/blocking",
    ] {
        site.octo.get(&path(list)).is(200);
    }
    site.octo.delete(&path("/labels/bug"), Value::Null).is(200);
    site.octo.delete(&path("/sub_issue"), json!({ "sub_issue_id": id })).is(200);
    site.octo.delete(&path(&format!("/dependencies/blocked_by/{id}")), Value::Null).is(200);
    site.octo.patch(&path(""), json!({ "state": "closed" })).is(200);
}

fn the_pulls_and_refs(site: &Site, pull: u64, head: &str) {
    let path = |rest: &str| format!("/repos/acme/api/pulls/{pull}{rest}");
    site.octo.patch(&path(""), json!({ "title": "Plums" })).is(200);
    site.octo.post(&path("/requested_reviewers"), json!({ "reviewers": ["bob"] })).is(201);
    site.client("bob").post(&path("/reviews"), json!({ "event": "APPROVE" })).is(200);
    site.project.push_as("Ann", "main", "more", &[("more.txt", "more\n")]);
    site.octo.put(&path("/update-branch"), json!({})).is(202);
    let state = json!({ "state": "success", "context": "lint" });
    site.octo.post(&format!("/repos/acme/api/statuses/{head}"), state).is(201);
    let refs = "/repos/acme/api/git/refs";
    site.octo.post(refs, json!({ "ref": "refs/heads/made", "sha": head })).is(201);
    let main = site.project.head("main").unwrap();
    site.octo.patch(&format!("{refs}/heads/made"), json!({ "sha": main, "force": true })).is(200);
    site.octo.delete(&format!("{refs}/heads/made"), Value::Null).is(204);
    site.octo.put(&path("/merge"), json!({})).is(200);
}

fn the_app_and_the_owner(site: &Site, head: &str) {
    let app = site.github.app("helper");
    let installation = app.install("acme", None, &[("checks", Access::Write), ("contents", Access::Read)]);
    let signed = Client::new(&site.github, &crate::apps::signed(&site.github, &app, 540));
    signed.get("/app").is(200);
    signed.get("/app/installations").is(200);
    signed.get("/repos/acme/api/installation").is(200);
    let token = signed.post(&format!("/app/installations/{installation}/access_tokens"), json!({})).is(201);
    let app = Client::new(&site.github, token["token"].as_str().unwrap());
    app.get("/installation/repositories").is(200);
    let run = app.post("/repos/acme/api/check-runs", json!({ "name": "ci", "head_sha": head })).is(201);
    let path = format!("/repos/acme/api/check-runs/{}", run["id"]);
    app.patch(&path, json!({ "conclusion": "success" })).is(200);

    let owner = site.client("acme");
    let hook = json!({ "config": { "url": "http://127.0.0.1:9/hook" }, "events": ["push"] });
    let hook = owner.post("/repos/acme/api/hooks", hook).is(201);
    owner.get("/repos/acme/api/hooks").is(200);
    owner.get(&format!("/repos/acme/api/hooks/{}/deliveries", hook["id"])).is(200);
}

#[test]
fn every_operation_of_the_description_is_there_and_answers_as_described() {
    let site = Site::new();
    let head = site.branch("one");
    let pull = site.pull_of("one", &json!({ "body": "words" }));
    the_issues(&site);
    the_rest(&site, pull, &head);
    the_app_and_the_owner(&site, &head);
    the_pulls_and_refs(&site, pull, &head);

    site.github.assert_clean();
    let driven = site.github.operations();
    let missing: Vec<_> =
        site.github.described_operations().into_iter().filter(|it| !driven.contains_key(it)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
