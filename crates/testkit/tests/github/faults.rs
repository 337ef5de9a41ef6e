//! What goes wrong on demand.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use coord_testkit::github::{GitHub, on};
use coord_testkit::hold::Hold;
use serde_json::{Value, json};

use crate::site::Site;

const COMMENTS: &str = "/repos/*/*/issues/*/comments";

fn comment(site: &Site, number: u64) -> Result<crate::client::Reply, reqwest::Error> {
    let path = format!("/repos/acme/api/issues/{number}/comments");
    site.octo.try_send("POST", &path, &[], &json!({ "body": "hello" }))
}

#[test]
fn a_connection_is_cut_before_or_after_the_write() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    site.github.fault(on("POST", COMMENTS).drop_before());
    assert!(comment(&site, number).is_err());
    assert!(site.api.comments(number).is_empty());
    site.github.fault(on("POST", COMMENTS).drop_after());
    assert!(comment(&site, number).is_err());
    assert_eq!(site.api.comments(number).len(), 1);
    assert_eq!(site.github.requests().last().unwrap().status, None);
    comment(&site, number).unwrap().is(201);
}

#[test]
fn a_held_write_is_done_and_answered_when_it_is_released() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let hold = Hold::new();
    site.github.fault(on("POST", COMMENTS).hold(&hold));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let other = site.client("bob");
            other
                .post(&format!("/repos/acme/api/issues/{number}/comments"), json!({ "body": "held" }))
                .is(201);
        });
        hold.wait_reached();
        assert_eq!(site.api.comments(number)[0].body, "held");
        assert!(!waiting.is_finished());
        hold.release();
    });
}

#[test]
fn a_proxy_in_front_answers_with_html() {
    let site = Site::new();
    site.github.fault(on("*", "/user").times(2).status(502));
    for _ in 0..2 {
        let reply = site.octo.get("/user");
        assert_eq!(reply.status, 502);
        assert!(reply.header("content-type").starts_with("text/html"));
    }
    site.octo.get("/user").is(200);
}

#[test]
fn an_answer_ends_in_the_middle_or_is_no_json() {
    let site = Site::new();
    site.github.fault(on("GET", "/user").truncated());
    assert!(site.octo.try_send("GET", "/user", &[], &Value::Null).is_err());
    site.github.fault(on("GET", "/user").malformed());
    let reply = site.octo.get("/user");
    assert_eq!(reply.status, 200);
    assert!(reply.body.is_string(), "{}", reply.body);
}

#[test]
fn a_stale_read_is_of_what_was_there_before_the_last_write() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let path = format!("/repos/acme/api/issues/{number}");
    site.octo.patch(&path, json!({ "title": "two" })).is(200);
    site.github.fault(on("GET", &path).stale_read());
    assert_eq!(site.octo.get(&path).is(200)["title"], "one");
    assert_eq!(site.octo.get(&path).is(200)["title"], "two");
}

#[test]
fn limits_and_a_refused_token_come_when_they_are_called() {
    let site = Site::new();
    let reset = site.github.now() + Duration::from_secs(90);
    site.github.fault(on("GET", "/user").primary_limit(reset));
    let limited = site.octo.get("/user");
    assert_eq!(limited.header("x-ratelimit-remaining"), "0");
    assert_eq!(limited.header("x-ratelimit-reset"), reset.as_second().to_string());
    limited.is(403);
    site.github.fault(on("GET", "/user").secondary_limit(7));
    let limited = site.octo.get("/user");
    assert_eq!(limited.header("retry-after"), "7");
    limited.is(403);
    site.github.fault(on("GET", "/user").too_many_requests(7));
    site.octo.get("/user").is(429);
    site.github.fault(on("GET", "/user").bad_credentials());
    site.octo.get("/user").is(401);
    site.octo.get("/user").is(200);
}

#[test]
fn an_answer_is_late() {
    let site = Site::new();
    let start = site.github.now();
    site.github.fault(on("GET", "/user").delay(Duration::from_millis(300)));
    site.octo.get("/user").is(200);
    let took = site.github.now().duration_since(start).as_millis();
    assert!(took >= 300, "{took} ms");
}

#[test]
fn a_fault_that_never_happened_is_told() {
    let github = GitHub::start();
    github.fault(on("GET", "/user").drop_before());
    github.fault(on("GET", "/user").always().drop_before());
    let failure = catch_unwind(AssertUnwindSafe(|| github.assert_clean())).unwrap_err();
    let message = failure.downcast::<String>().unwrap();
    assert_eq!(message.matches("a fault never happened").count(), 1, "{message}");
}
