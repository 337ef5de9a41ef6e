//! Pull requests, short of merging them.

use coord_testkit::github::{Association, Permission, Review};
use serde_json::{Value, json};

use crate::site::Site;

#[test]
fn a_pull_request_needs_commits_and_a_head_of_its_own() {
    let site = Site::new();
    let open = |head: &str, base: &str| {
        site.octo.post("/repos/acme/api/pulls", json!({ "title": "words", "head": head, "base": base }))
    };
    let main = site.project.head("main").unwrap();
    site.octo.post("/repos/acme/api/git/refs", json!({ "ref": "refs/heads/same", "sha": main })).is(201);
    assert_eq!(open("same", "main").refuses(422), "No commits between main and same");
    open("nowhere", "main").is(422);
    site.branch("one");
    open("one", "nowhere").is(422);
    let issue = site.api.issue("an issue").open();
    let pull = open("one", "main").is(201);
    assert_eq!(pull["number"], issue + 1, "they share one sequence of numbers");
    let again = open("acme:one", "main").refuses(422);
    assert_eq!(again, "A pull request already exists for acme:one.");
    assert_eq!(site.api.pulls(), [issue + 1]);
}

#[test]
fn a_list_is_filtered_by_the_owner_and_branch_of_the_head() {
    let site = Site::new();
    let (one, two) = (site.pull("one"), site.pull("two"));
    let numbers = |query: &str| {
        let list = site.octo.get(&format!("/repos/acme/api/pulls?{query}")).is(200);
        list.as_array().unwrap().iter().map(|it| it["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("head=acme:one"), [one]);
    assert_eq!(numbers("head=one&direction=asc"), [one, two], "without an owner it filters nothing");
    assert!(numbers("head=other:one").is_empty());
    site.api.close_issue(one);
    assert_eq!(numbers(""), [two]);
    assert_eq!(numbers("state=closed"), [one]);
}

#[test]
fn mergeability_is_unknown_at_first_and_again_after_each_push() {
    let site = Site::new();
    let pull = site.pull("one");
    let look = || {
        let seen = site.octo.get(&format!("/repos/acme/api/pulls/{pull}")).is(200);
        (seen["mergeable"].clone(), seen["mergeable_state"].clone())
    };
    assert_eq!(look(), (Value::Null, json!("unknown")));
    assert_eq!(look(), (json!(true), json!("clean")));
    site.project.push_as("Ann", "main", "the same file", &[("words/one.txt", "quince\n")]);
    assert_eq!(look(), (Value::Null, json!("unknown")));
    assert_eq!(look(), (json!(false), json!("dirty")));
    site.project.push_as("Ann", "one", "again", &[("words/two.txt", "fig\n")]);
    site.github.never_mergeable();
    for _ in 0..5 {
        assert_eq!(look(), (Value::Null, json!("unknown")));
    }
}

#[test]
fn the_base_of_a_pull_request_does_not_follow_its_branch() {
    let site = Site::new();
    let start = site.project.head("main").unwrap();
    let pull = site.pull("one");
    let base = || site.octo.get(&format!("/repos/acme/api/pulls/{pull}")).is(200)["base"]["sha"].clone();
    let main = site.project.push_as("Ann", "main", "meanwhile", &[("other.txt", "x\n")]);
    assert_eq!(base(), start);
    site.project.push_as("Ann", "one", "more", &[("words/more.txt", "fig\n")]);
    assert_eq!(base(), main);
}

#[test]
fn a_push_to_its_branch_moves_it_and_deleting_the_branch_closes_it() {
    let site = Site::new();
    let pull = site.pull("one");
    let head = site.project.push_as("Bob", "one", "under you", &[("words/two.txt", "fig\n")]);
    assert_eq!(site.api.pull(pull).head_sha, head);
    assert_eq!(site.project.refs()[&format!("refs/pull/{pull}/head")], head);

    site.octo.delete("/repos/acme/api/git/refs/heads/one", Value::Null).is(204);
    assert!(!site.api.pull(pull).open);
    let reopened = site.octo.patch(&format!("/repos/acme/api/pulls/{pull}"), json!({ "state": "open" }));
    assert!(reopened.refuses(422).contains("branch has been deleted"));
}

#[test]
fn a_pull_request_is_edited_closed_and_opened_again() {
    let site = Site::new();
    let pull = site.pull_of_draft("one");
    let path = format!("/repos/acme/api/pulls/{pull}");
    site.octo.patch(&path, json!({ "title": "Fruit", "body": "all of it" })).is(200);
    site.octo.patch(&path, json!({ "state": "closed" })).is(200);
    let seen = site.api.pull(pull);
    assert_eq!((seen.title.as_str(), seen.body.as_str(), seen.open), ("Fruit", "all of it", false));
    assert_eq!(site.octo.patch(&path, json!({ "state": "open" })).is(200)["draft"], true);
    site.api.set_draft(pull, false);
    assert!(!site.api.pull(pull).draft);
    let stranger = site.client("eve").patch(&path, json!({ "title": "mine" }));
    assert_eq!(stranger.refuses(403), "Must have admin rights to Repository.");
}

#[test]
fn nobody_approves_their_own_and_a_review_is_of_a_commit() {
    let site = Site::new();
    let pull = site.pull("one");
    let head = site.api.pull(pull).head_sha;
    let path = format!("/repos/acme/api/pulls/{pull}/reviews");
    let own = site.octo.post(&path, json!({ "event": "APPROVE" }));
    assert_eq!(own.refuses(422), "Review Can not approve your own pull request");
    site.octo.post(&path, json!({ "event": "COMMENT", "body": "to be read" })).is(200);
    let approved = site.client("bob").post(&path, json!({ "event": "APPROVE" })).is(200);
    assert_eq!(approved["commit_id"], head);
    site.project.push_as("Ann", "one", "more", &[("words/more.txt", "fig\n")]);
    let reviews = site.octo.get(&path).is(200);
    assert_eq!(reviews[1]["state"], "APPROVED");
    assert_eq!(reviews[1]["commit_id"], head, "it stays with the commit that was read");
}

#[test]
fn a_review_is_asked_of_collaborators_but_not_of_the_author() {
    let site = Site::new();
    let pull = site.pull("one");
    let path = format!("/repos/acme/api/pulls/{pull}/requested_reviewers");
    let ask = |login: &str| site.octo.post(&path, json!({ "reviewers": [login] }));
    assert_eq!(ask("octo").refuses(422), "Review cannot be requested from pull request author.");
    assert!(ask("eve").refuses(422).starts_with("Reviews may only be requested from collaborators."));
    ask("bob").is(201);
    assert_eq!(site.api.pull(pull).requested, ["bob"]);
    site.api.review_as("bob", pull, Review::Approve);
    assert!(site.api.pull(pull).requested.is_empty());
}

#[test]
fn a_strangers_comment_says_that_they_are_one() {
    let site = Site::new();
    let pull = site.pull("one");
    site.api.collaborator("cat", Permission::Read);
    site.api.associate("mia", Association::Member);
    for login in ["eve", "cat", "mia", "acme"] {
        site.api.comment_as(login, pull, "hello");
    }
    let comments = site.octo.get(&format!("/repos/acme/api/issues/{pull}/comments")).is(200);
    let seen: Vec<_> =
        comments.as_array().unwrap().iter().map(|it| it["author_association"].clone()).collect();
    assert_eq!(seen, ["NONE", "COLLABORATOR", "MEMBER", "OWNER"]);
}
