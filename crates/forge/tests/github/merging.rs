//! Merges through GitHub: the expected head or nothing, and never twice.

use coord_core::name::CommitSha;
use coord_core::repo::MergeMethod;
use coord_forge::github::error::GitHubError;
use coord_forge::github::merge::{MergeAnswer, MergeOrder, NewStatus, StatusState};
use coord_testkit::github::{Protection, on};

use crate::site::Site;

fn order(number: u64, head: &CommitSha) -> MergeOrder<'_> {
    MergeOrder {
        number,
        method: MergeMethod::Merge,
        head,
        title: Some("Merge it (#1)"),
        message: Some("Why."),
    }
}

#[tokio::test]
async fn each_method_leaves_its_history_on_the_base() {
    let site = Site::new();
    let client = site.octo();
    for (branch, method) in
        [("one", MergeMethod::Merge), ("two", MergeMethod::Squash), ("three", MergeMethod::Rebase)]
    {
        let (number, head) = site.pull(&client, branch).await;
        let title = (method != MergeMethod::Rebase).then_some("In my words");
        let order = MergeOrder { number, method, head: &head, title, message: None };
        let answer = client.merge(&order).await.unwrap();
        let MergeAnswer::Merged { commit } = answer else { panic!("{answer:?}") };
        assert_eq!(site.origin.head("main"), Some(commit.to_string()));
        let subject = site.origin.log("main").remove(0);
        assert_eq!(subject, title.map_or_else(|| format!("add {branch}.txt"), str::to_owned));
        assert!(site.api.pull(number).merged);
    }
}

#[tokio::test]
async fn a_head_that_moved_is_not_merged() {
    let site = Site::new();
    let client = site.octo();
    let (number, head) = site.pull(&client, "topic").await;
    site.push("topic", "more.txt");
    let main = site.origin.head("main");
    assert_eq!(client.merge(&order(number, &head)).await.unwrap(), MergeAnswer::HeadMoved);
    assert_eq!(site.origin.head("main"), main);
}

#[tokio::test]
async fn a_merge_whose_answer_was_lost_is_known_by_its_pull_request_and_not_made_again() {
    let site = Site::new();
    let client = site.octo();
    let (number, head) = site.pull(&client, "topic").await;
    site.github.fault(on("PUT", "/repos/acme/api/pulls/*/merge").drop_after());
    let answer = client.merge(&order(number, &head)).await.unwrap();
    let commit = site.origin.head("main").unwrap().parse().unwrap();
    assert_eq!(answer, MergeAnswer::Merged { commit });
    assert_eq!(client.merge(&order(number, &head)).await.unwrap(), answer, "asked again after a crash");
    assert_eq!(site.origin.log("main").iter().filter(|it| *it == "Merge it (#1)").count(), 1);
}

#[tokio::test]
async fn a_merge_that_did_not_arrive_is_unanswered() {
    let site = Site::new();
    let client = site.octo();
    let (number, head) = site.pull(&client, "topic").await;
    site.github.fault(on("PUT", "/repos/acme/api/pulls/*/merge").status(502));
    let error = client.merge(&order(number, &head)).await.unwrap_err();
    assert!(matches!(error, GitHubError::Unanswered { .. }), "{error}");
    assert!(!site.api.pull(number).merged);
}

#[tokio::test]
async fn what_the_rules_of_the_base_do_not_allow_is_said_and_a_status_may_satisfy_them() {
    let site = Site::new();
    let client = site.octo();
    let required = Protection { required_checks: vec!["coord/tests".to_owned()], ..Protection::default() };
    site.api.protect("main", required);
    let (number, head) = site.pull(&client, "topic").await;
    let answer = client.merge(&order(number, &head)).await.unwrap();
    assert!(
        matches!(&answer, MergeAnswer::NotAllowed { reason } if reason.contains("coord/tests")),
        "{answer:?}"
    );
    let long = "x".repeat(200);
    let status = NewStatus { context: "coord/tests", state: StatusState::Success, description: &long };
    client.status(&head, &status).await.unwrap();
    assert_eq!(site.api.statuses(head.as_str())[0].state, "success");
    assert_eq!(site.api.statuses(head.as_str())[0].description.chars().count(), 140);
    let answer = client.merge(&order(number, &head)).await.unwrap();
    assert!(matches!(answer, MergeAnswer::Merged { .. }), "{answer:?}");
}
