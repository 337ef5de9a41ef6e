//! People act on GitHub while coord works: the board follows them.

use std::time::Duration;

use coord_testkit::ageing::age;
use coord_testkit::github::MergeMethod;
use serde_json::Value;

use super::OnGitHub;
use crate::fleet::text;

impl OnGitHub {
    /// Lets what is known of GitHub grow old by as much as somebody who looks every minute would find.
    pub(crate) fn a_minute_later(&self) {
        self.later(Duration::from_secs(60));
    }

    /// Lets what is known of GitHub be older by so much.
    pub(crate) fn later(&self, by: Duration) {
        age(&self.coord_home().join("github"), by);
    }

    fn queue(&self) -> Vec<Value> {
        self.document(&["status"])["data"]["queue"].as_array().unwrap().clone()
    }
}

#[test]
fn a_pull_request_that_a_person_closes_leaves_the_queue_and_is_opened_again_when_asked() {
    let world = OnGitHub::with_scripts();
    let (number, pull) = world.open("sea", "tide");
    assert_eq!(world.queue().len(), 1);
    world.repo.close_issue(pull);
    world.a_minute_later();
    assert_eq!(world.queue(), [] as [Value; 0]);
    assert!(world.because(number).contains("no pull request is open"));
    let refused = world.coord(["merge", &number.to_string()]).exits(5);
    assert!(refused.stdout.contains("no pull request is open"), "{}", refused.stdout);
    let again = world.document(&["pr", &number.to_string()])["data"]["pull_request"].clone();
    assert_eq!((again["number"].as_u64(), &again["state"]), (Some(pull), &Value::from("open")));
    assert!(world.repo.pull(pull).open);
    world.merge(&[], 0);
    assert!(world.repo.pull(pull).merged);
}

#[test]
fn a_pull_request_that_a_person_merges_is_merged_here_as_well() {
    let world = OnGitHub::with_scripts();
    let (number, pull) = world.open("sea", "tide");
    let commit = world.repo.merge_as("ann", pull, MergeMethod::Squash);
    world.a_minute_later();
    assert_eq!(world.queue(), [] as [Value; 0]);
    let shown = world.document(&["task", "show", &number.to_string()])["data"]["task"].clone();
    assert_eq!((text(&shown["state"]), text(&shown["commit"])), ("merged".to_owned(), commit));
    assert_eq!(world.api.log("main").iter().filter(|it| it.contains("Add sea")).count(), 1);
}

#[test]
fn a_pull_request_that_a_person_opens_for_the_branch_is_the_changes_own() {
    let world = OnGitHub::with_scripts();
    let number = world.listed("sea", "tide");
    let pull = world.repo.open_pull_as("ann", &format!("issue-{number}-add-sea"), "main", "By hand");
    world.a_minute_later();
    assert_eq!(world.queue()[0]["pull_request"], pull);
    world.merge(&[], 0);
    assert!(world.repo.pull(pull).merged && !world.repo.issue_state(number).open);
}

#[test]
fn what_a_person_pushes_under_us_is_tested_and_merged_and_nothing_older() {
    let world = OnGitHub::with_scripts();
    let (number, pull) = world.open("sea", "tide");
    let id = number.to_string();
    world.coord(["test", &id]).success();
    let branch = format!("issue-{number}-add-sea");
    let pushed = world.api.push_as("Ann", &branch, "and the foam", &[("words/foam.txt", "foam\n")]);
    assert_eq!(world.repo.pull(pull).head_sha, pushed);
    assert!(world.because(number).contains("new commits"));
    let merged = world.merge(&["--method", "squash"], 0);
    assert_eq!(merged["merged"][0]["pull_request"], pull);
    assert_eq!(world.api.file("main", "words/foam.txt").as_deref(), Some("foam\n"));
}

#[test]
fn a_base_that_moved_since_the_test_is_tested_on() {
    let world = OnGitHub::with_scripts();
    let (number, _) = world.open("sea", "tide");
    world.coord(["test", &number.to_string()]).success();
    // The same word in another list: each passes alone, and together they do not.
    world.api.push_as("Ann", "main", "meanwhile", &[("words/water.txt", "tide\n")]);
    let main = world.api.head("main");
    let parked = world.merge(&[], 5);
    assert!(text(&parked["parked"][0]["reason"]).contains("tests"), "{parked:#}");
    assert_eq!(world.api.head("main"), main);
}

#[test]
fn a_draft_is_held_back_until_a_person_says_that_it_is_ready() {
    let world = OnGitHub::with_scripts();
    let number = world.listed("sea", "tide");
    let id = number.to_string();
    world.repo.collaborator("bob", coord_testkit::github::Permission::Write);
    let proposed = world.document(&["pr", &id, "--draft", "--reviewer", "bob"]);
    let pull = proposed["data"]["pull_request"]["number"].as_u64().unwrap();
    assert!(world.repo.pull(pull).draft && world.repo.pull(pull).requested == ["bob"]);
    assert!(text(&world.merge(&[], 5)["parked"][0]["reason"]).contains("draft"));
    world.repo.set_draft(pull, false);
    world.merge(&[], 0);
    assert!(world.repo.pull(pull).merged);
}

#[test]
fn a_persons_word_is_a_review_and_closing_is_closing_there() {
    let world = OnGitHub::with_scripts();
    let (number, pull) = world.open("sea", "tide");
    let id = number.to_string();
    world.document(&["test", &id, "--fail", "--reason", "too <b>salty</b> @everyone"]);
    let shown = world.repo.pull(pull);
    // One's own pull request takes no verdict: it is a comment, and a status says which it was.
    assert_eq!(shown.reviews, [("octo".to_owned(), "COMMENTED".to_owned())]);
    let statuses = world.repo.statuses(&shown.head_sha);
    assert!(statuses.iter().any(|it| it.context == "coord/person" && it.state == "failure"), "{statuses:?}");
    let closed = world.document(&["pr", &id, "--close"]);
    assert_eq!(closed["data"]["pull_request"]["state"], "closed");
    assert!(!world.repo.pull(pull).open && world.repo.issue_state(number).open);
    world.coord(["task", "close", &id, "--reason", "not now"]).success();
    assert!(!world.repo.issue_state(number).open);
    world.coord(["task", "reopen", &id]).success();
    assert!(world.repo.issue_state(number).open);
    let edited = world.document(&["task", "edit", &id, "--title", "Add the sea", "--label", "wet"]);
    assert_eq!(edited["data"]["task"]["labels"][0], "wet");
    let there = world.repo.issue_state(number);
    assert_eq!((there.title.as_str(), there.labels), ("Add the sea", vec!["wet".to_owned()]));
    let added = world.document(&["task", "add", "api", "Another", "--body", "one", "--label", "wet"]);
    let another = added["data"]["task"]["number"].as_u64().unwrap();
    assert_eq!(world.repo.issue_state(another).title, "Another");
}
