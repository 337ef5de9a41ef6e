//! Issues and what belongs to them.

use coord_testkit::github::Association;
use serde_json::json;

use crate::site::Site;

#[test]
fn an_issue_is_opened_commented_labelled_and_closed() {
    let site = Site::new();
    let number = site.api.issue("It is slow").body("very").by("ann", Association::Member).label("bug").open();
    let path = format!("/repos/acme/api/issues/{number}");

    let issue = site.octo.get(&path).is(200);
    assert_eq!(issue["title"], "It is slow");
    assert_eq!(issue["user"]["login"], "ann");
    assert_eq!(issue["author_association"], "MEMBER");
    assert_eq!(issue["labels"][0]["name"], "bug");

    site.octo.post(&format!("{path}/comments"), json!({ "body": "I look" })).is(201);
    site.octo.post(&format!("{path}/labels"), json!({ "labels": ["soon"] })).is(200);
    site.octo.delete(&format!("{path}/labels/bug"), json!(null)).is(200);
    site.octo.patch(&path, json!({ "state": "closed", "state_reason": "not_planned" })).is(200);

    let seen = site.api.issue_state(number);
    assert_eq!((seen.open, seen.labels), (false, vec!["soon".to_owned()]));
    assert_eq!(site.api.comments(number)[0].body, "I look");
    assert_eq!(site.octo.get(&path).is(200)["state_reason"], "not_planned");
}

#[test]
fn what_is_too_long_or_empty_is_refused() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let long = "é".repeat(257);
    let refused = site.octo.post("/repos/acme/api/issues", json!({ "title": long })).refuses(422);
    assert_eq!(refused, "title is too long (maximum is 256 characters)");
    site.octo.patch(&format!("/repos/acme/api/issues/{number}"), json!({ "title": long })).is(422);
    let comment = |body: &str| {
        site.octo.post(&format!("/repos/acme/api/issues/{number}/comments"), json!({ "body": body }))
    };
    assert_eq!(comment(" ").refuses(422), "Body cannot be blank");
    comment(&"é".repeat(65_536)).is(201);
    comment(&"é".repeat(65_537)).is(422);
    assert_eq!(site.api.comments(number).len(), 1);
}

#[test]
fn a_list_of_issues_has_pull_requests_in_it_and_links_to_its_pages() {
    let site = Site::new();
    for title in ["one", "two", "three"] {
        site.github.advance(std::time::Duration::from_secs(1));
        site.api.issue(title).open();
    }
    let pull = site.pull("plums");
    let first = site.octo.get("/repos/acme/api/issues?per_page=2&state=open");
    assert_eq!(first.body[0]["number"], pull);
    assert!(first.body[0]["pull_request"]["url"].is_string());
    let link = first.header("link").to_owned();
    assert!(link.contains("rel=\"next\"") && link.contains("rel=\"last\""), "{link}");
    let next = link.split(['<', '>']).nth(1).unwrap();
    let second = site.octo.get(next);
    assert_eq!(second.body[1]["title"], "one");
    assert!(second.header("link").contains("rel=\"prev\""), "{link}");
}

#[test]
fn three_hundred_issues_are_three_pages_of_a_hundred() {
    let site = Site::new();
    for at in 0..300 {
        site.api.issue(&format!("issue {at}")).open();
    }
    let mut next = "/repos/acme/api/issues?per_page=100".to_owned();
    let mut seen = Vec::new();
    while !next.is_empty() {
        let reply = site.octo.get(&next);
        let links = reply.header("link").to_owned();
        next = links
            .split(", ")
            .find(|link| link.ends_with("rel=\"next\""))
            .and_then(|link| link.split(['<', '>']).nth(1))
            .unwrap_or_default()
            .to_owned();
        seen.push(reply.is(200).as_array().unwrap().len());
    }
    assert_eq!(seen, [100, 100, 100]);
}
