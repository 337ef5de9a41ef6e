//! Webhooks, with somebody who listens.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use coord_testkit::poll;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::site::Site;

/// A delivery as it arrived.
struct Delivery {
    headers: BTreeMap<String, String>,
    body: String,
}

/// Listens for deliveries, for as long as the test.
fn listen() -> (String, Receiver<Delivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = String::new();
            let mut chunk = [0; 65536];
            let body = loop {
                let read = stream.read(&mut chunk).unwrap();
                text.push_str(&String::from_utf8_lossy(&chunk[..read]));
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.to_lowercase();
                let length = length.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
                if body.len() >= length.parse().unwrap() {
                    break body.to_owned();
                }
            };
            let headers =
                text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
            let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
            if sender.send(Delivery { headers, body }).is_err() {
                break;
            }
        }
    });
    (url, receiver)
}

fn next(receiver: &Receiver<Delivery>, event: &str) -> (Delivery, Value) {
    loop {
        let delivery = receiver.recv_timeout(poll::PATIENCE).unwrap();
        if delivery.headers["x-github-event"] == event {
            let body = serde_json::from_str(&delivery.body).unwrap();
            return (delivery, body);
        }
    }
}

#[test]
fn a_webhook_is_pinged_and_told_with_a_signature() {
    let site = Site::new();
    let (url, deliveries) = listen();
    let hook = site.api.hook(&url, "it's a secret");
    next(&deliveries, "ping");
    let number = site.api.issue("one").open();
    let (delivery, body) = next(&deliveries, "issues");
    assert_eq!((&body["action"], &body["issue"]["number"]), (&json!("opened"), &json!(number)));
    assert_eq!(body["repository"]["full_name"], "acme/api");

    let mut mac = Hmac::<Sha256>::new_from_slice(b"it's a secret").unwrap();
    mac.update(delivery.body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(delivery.headers["x-hub-signature-256"], format!("sha256={hex}"));

    let guid = delivery.headers["x-github-delivery"].clone();
    poll::wait_for("the delivery to be written down", poll::PATIENCE, || {
        let seen = site.api.deliveries(hook);
        let found = seen.iter().find(|it| it.guid == guid && it.status == Some(202));
        found.map(drop).ok_or_else(|| format!("{seen:?}"))
    });
}

#[test]
fn everything_that_happens_is_told() {
    let site = Site::new();
    let (url, deliveries) = listen();
    let sha = site.branch("one");
    site.api.hook(&url, "secret");
    let pull = site.pull_of("one", &json!({}));
    assert_eq!(next(&deliveries, "pull_request").1["action"], "opened");
    site.api.comment_as("ann", pull, "hm");
    assert_eq!(next(&deliveries, "issue_comment").1["comment"]["body"], "hm");
    site.api.check_run(&sha, "ci", coord_testkit::github::Status::Queued);
    assert_eq!(next(&deliveries, "check_run").1["check_run"]["name"], "ci");
    site.api.status(&sha, "lint", coord_testkit::github::StatusState::Success);
    assert_eq!(next(&deliveries, "status").1["sha"], sha);
    site.api.review_as("bob", pull, coord_testkit::github::Review::Approve);
    assert_eq!(next(&deliveries, "pull_request_review").1["review"]["state"], "APPROVED");
    let merged = site.api.merge_as("bob", pull, coord_testkit::github::MergeMethod::Merge);
    assert_eq!(next(&deliveries, "pull_request").1["pull_request"]["merged"], true);
    assert_eq!(next(&deliveries, "push").1["after"], merged);
}

#[test]
fn a_delivery_comes_twice_with_one_id() {
    let site = Site::new();
    let (url, deliveries) = listen();
    site.api.hook(&url, "secret");
    next(&deliveries, "ping");
    site.github.duplicate_deliveries(1);
    site.api.issue("one").open();
    let (first, second) = (next(&deliveries, "issues").0, next(&deliveries, "issues").0);
    assert_eq!(first.headers["x-github-delivery"], second.headers["x-github-delivery"]);
    site.api.issue("two").open();
    next(&deliveries, "issues");
    assert!(deliveries.recv_timeout(Duration::ZERO).is_err());
}

#[test]
fn a_receiver_that_is_not_there_is_written_down() {
    let site = Site::new();
    let owner = site.client("acme");
    let hook = json!({ "config": { "url": "http://127.0.0.1:9/" }, "events": ["issues"] });
    let id = owner.post("/repos/acme/api/hooks", hook).is(201)["id"].clone();
    let path = format!("/repos/acme/api/hooks/{id}/deliveries");
    poll::wait_for("the attempt", poll::PATIENCE, || {
        let seen = owner.get(&path).is(200);
        if seen[0]["status_code"] == 0 { Ok(()) } else { Err(seen.to_string()) }
    });
    site.octo.get("/repos/acme/api/hooks").is(404);
}
