//! Who may do what, and what they are told otherwise.

use coord_testkit::github::{Access, Permission};
use serde_json::json;

use crate::client::Client;
use crate::site::Site;

#[test]
fn a_token_that_is_none_is_refused_and_no_token_sees_what_is_public() {
    let site = Site::new();
    assert_eq!(Client::new(&site.github, "ghp_wrong").get("/user").refuses(401), "Bad credentials");
    let nobody = Client::new(&site.github, "");
    nobody.get("/repos/acme/api").is(200);
    nobody.get("/user").is(401);
    site.api.make_private();
    nobody.get("/repos/acme/api").is(404);
}

#[test]
fn what_is_private_is_not_there_for_strangers_and_small_tokens() {
    let site = Site::new();
    site.api.make_private();
    site.client("eve").get("/repos/acme/api").is(404);
    let small = Client::new(&site.github, &site.github.user("octo").token_with(&["public_repo"]));
    let reply = small.get("/repos/acme/api");
    assert_eq!(reply.header("x-oauth-scopes"), "public_repo");
    assert_eq!(reply.header("x-accepted-oauth-scopes"), "repo");
    reply.is(404);
    site.octo.get("/repos/acme/api").is(200);
}

#[test]
fn a_token_without_a_scope_reads_what_is_public_and_writes_nothing() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let token = site.github.user("octo").token_with(&["read:org"]);
    let small = Client::new(&site.github, &token);
    small.get(&format!("/repos/acme/api/issues/{number}")).is(200);
    small.post(&format!("/repos/acme/api/issues/{number}/comments"), json!({ "body": "no" })).is(404);
    assert!(site.api.comments(number).is_empty());
}

#[test]
fn a_fine_grained_token_does_what_it_was_given() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let sha = site.branch("one");
    let token =
        site.github.user("octo").fine_grained(&[("issues", Access::Write), ("contents", Access::Read)]);
    let client = Client::new(&site.github, &token);
    client.post(&format!("/repos/acme/api/issues/{number}/comments"), json!({ "body": "yes" })).is(201);
    client.get("/repos/acme/api/commits/main").is(200);
    let refused = client.post(&format!("/repos/acme/api/statuses/{sha}"), json!({ "state": "success" }));
    assert_eq!(refused.header("x-accepted-github-permissions"), "statuses=write");
    assert_eq!(refused.refuses(403), "Resource not accessible by personal access token");
}

#[test]
fn a_reader_opens_issues_and_comments_but_does_not_merge_or_close() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let pull = site.pull("one");
    let eve = site.client("eve");
    let own = eve.post("/repos/acme/api/issues", json!({ "title": "mine", "labels": ["bug"] })).is(201);
    assert_eq!(own["labels"], json!([]), "who may not triage labels nothing, and is not told");
    eve.post(&format!("/repos/acme/api/issues/{number}/comments"), json!({ "body": "me too" })).is(201);
    eve.patch(&format!("/repos/acme/api/issues/{number}"), json!({ "state": "closed" })).is(403);
    eve.patch(&format!("/repos/acme/api/issues/{}", own["number"]), json!({ "state": "closed" })).is(200);
    eve.put(&format!("/repos/acme/api/pulls/{pull}/merge"), json!({})).is(403);
}

#[test]
fn a_repository_says_what_the_one_who_asks_may_do() {
    let site = Site::new();
    let permissions = |client: &Client| client.get("/repos/acme/api").is(200)["permissions"].clone();
    let seen = permissions(&site.octo);
    assert_eq!((&seen["push"], &seen["admin"]), (&json!(true), &json!(false)));
    assert_eq!(permissions(&site.client("eve"))["push"], false);
    site.api.collaborator("mia", Permission::Maintain);
    let mia = site.octo.get("/repos/acme/api/collaborators/mia/permission").is(200);
    assert_eq!((&mia["permission"], &mia["role_name"]), (&json!("write"), &json!("maintain")));
    site.octo.get("/repos/acme/api/collaborators/nobody-there/permission").is(404);
}

#[test]
fn a_token_that_was_taken_back_is_none() {
    let site = Site::new();
    let user = site.github.user("octo");
    let token = user.token();
    let client = Client::new(&site.github, &token);
    client.get("/user").is(200);
    user.revoke(&token);
    client.get("/user").is(401);
}

#[test]
fn what_does_not_say_what_it_is_is_refused() {
    let site = Site::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let http = reqwest::Client::new();
    let request = http.get(format!("{}/rate_limit", site.github.url()));
    assert_eq!(runtime.block_on(async { request.send().await.unwrap().status() }), 403);
}
