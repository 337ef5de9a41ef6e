//! Rate limits and conditional requests.

use std::time::Duration;

use serde_json::{Value, json};

use crate::site::Site;

#[test]
fn the_primary_limit_counts_down_and_is_reset() {
    let site = Site::new();
    site.github.user("octo").rate_limit(2, Duration::from_secs(600));
    let remaining = |reply: &crate::client::Reply| reply.header("x-ratelimit-remaining").to_owned();
    assert_eq!(remaining(&site.octo.get("/user")), "1");
    site.octo.get("/rate_limit").is(200);
    assert_eq!(remaining(&site.octo.get("/user")), "0");
    let refused = site.octo.get("/user");
    let reset: i64 = refused.header("x-ratelimit-reset").parse().unwrap();
    assert!((590..=600).contains(&(reset - site.github.now().as_second())));
    assert!(refused.refuses(403).starts_with("API rate limit exceeded for user ID "));
    assert_eq!(site.octo.get("/rate_limit").is(200)["rate"]["remaining"], 0, "asking for it is free");
    site.client("bob").get("/user").is(200);

    site.github.advance(Duration::from_secs(601));
    assert_eq!(remaining(&site.octo.get("/user")), "4999");
}

#[test]
fn what_is_unchanged_costs_nothing() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let path = format!("/repos/acme/api/issues/{number}");
    let first = site.octo.get(&path);
    let (tag, at) = (first.header("etag").to_owned(), first.header("last-modified").to_owned());
    assert!(tag.starts_with("W/\"") && at.ends_with("GMT"), "{tag} {at}");
    let again = |name, value| site.octo.try_send("GET", &path, &[(name, value)], &Value::Null).unwrap();
    let unchanged = again("if-none-match", &tag);
    assert_eq!((unchanged.status, unchanged.body), (304, json!("")));
    assert_eq!(again("if-modified-since", &at).status, 304);
    let counted: Vec<_> = site.github.requests().iter().map(|it| (it.status, it.counted)).collect();
    assert_eq!(counted, [(Some(200), true), (Some(304), false), (Some(304), false)]);

    site.api.comment_as("ann", number, "news");
    assert_eq!(again("if-none-match", &tag).status, 200);
}

#[test]
fn who_writes_too_fast_is_told_to_wait() {
    let site = Site::new();
    site.github.limit_writes(2);
    let write = || site.octo.post("/repos/acme/api/issues", json!({ "title": "more" }));
    write().is(201);
    write().is(201);
    let refused = write();
    assert_eq!(refused.header("retry-after"), "60");
    assert_ne!(refused.header("x-ratelimit-remaining"), "0");
    assert!(refused.refuses(403).starts_with("You have exceeded a secondary rate limit"));
    site.octo.get("/repos/acme/api/issues").is(200);
    assert_eq!(site.api.issue_count(), 2);
    site.github.advance(Duration::from_secs(61));
    write().is(201);
}

#[test]
fn eighty_writes_a_minute_are_the_most_by_itself() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let label = |name: String| {
        site.octo.post(&format!("/repos/acme/api/issues/{number}/labels"), json!({ "labels": [name] })).status
    };
    let statuses: Vec<_> = (0..81).map(|at| label(format!("l{at}"))).collect();
    assert!(statuses[..80].iter().all(|it| *it == 200), "{statuses:?}");
    assert_eq!(statuses[80], 403);
}
