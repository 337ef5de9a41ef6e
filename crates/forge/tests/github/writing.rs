//! What is written about issues, once, whatever happens in between.

use coord_forge::github::error::GitHubError;
use coord_forge::github::write::{CloseReason, NewIssue, Search};
use coord_testkit::github::{Association, on};
use jiff::SignedDuration;

use crate::site::{NOW, Site};

const MARKER: &str = "<!-- coord:event=completion run=a000000000000001 -->";

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_found_and_not_written_again() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    site.github.fault(on("POST", "/repos/acme/api/issues/1/comments").drop_after());
    let id = client.comment_once(number, MARKER, "Done.", Search::Not).await.unwrap();
    assert_eq!(client.comment_once(number, MARKER, "Done.", Search::First).await.unwrap(), id);
    let comments = site.api.comments(number);
    assert_eq!(comments.len(), 1);
    assert_eq!(
        (comments[0].author.as_str(), comments[0].body.as_str()),
        ("octo", &*format!("{MARKER}\nDone."))
    );
}

#[tokio::test]
async fn a_comment_that_did_not_arrive_is_unanswered_and_can_be_written_later() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    site.github.fault(on("POST", "/repos/acme/api/issues/1/comments").drop_before());
    let error = client.comment_once(number, MARKER, "Done.", Search::Not).await.unwrap_err();
    assert!(matches!(error, GitHubError::Unanswered { .. }), "{error}");
    client.comment_once(number, MARKER, "Done.", Search::First).await.unwrap();
    assert_eq!(site.api.comments(number).len(), 1);
}

#[tokio::test]
async fn a_strangers_copy_of_a_marker_and_a_quoted_one_stand_in_nobodys_way() {
    let site = Site::new();
    let number = site.api.issue("It is slow").by("ann", Association::Member).open();
    site.api.comment_as("eve", number, &format!("{MARKER}\nI did it."));
    site.api.comment_as("ann", number, &format!("> x\n\n{MARKER}\nwhat is this?"));
    let client = site.octo();
    client.comment_once(number, MARKER, "Done.", Search::First).await.unwrap();
    assert_eq!(site.api.comments(number).len(), 3);
    client.comment_once(number, MARKER, "Done.", Search::First).await.unwrap();
    assert_eq!(site.api.comments(number).len(), 3);
}

#[tokio::test]
async fn a_long_comment_is_cut_visibly_before_github_refuses_it() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    client.comment_once(number, MARKER, &"ä\n".repeat(50_000), Search::Not).await.unwrap();
    let comment = site.api.comments(number).remove(0).body;
    assert!(comment.chars().count() <= 65_536);
    assert!(comment.starts_with(MARKER) && comment.ends_with("more characters"));
}

#[tokio::test]
async fn an_issue_is_created_once_and_found_by_its_marker() {
    let site = Site::new();
    let client = site.octo();
    let labels = ["bug".to_owned(), "good first issue 🐛".to_owned()];
    let new = NewIssue {
        title: "Retry",
        body: "It forgets.",
        marker: "<!-- coord:proposal=7 -->",
        labels: &labels,
    };
    site.github.fault(on("POST", "/repos/acme/api/issues").drop_after());
    let created = client.create_issue(&new, site.github.now()).await.unwrap();
    assert_eq!((site.api.issue_count(), created.title.as_str()), (1, "Retry"));
    let seen = site.api.issue_state(created.number);
    assert_eq!(seen.labels, labels);
    let since = site.github.now() - SignedDuration::from_mins(1);
    let found = client.find_issue(new.marker, since).await.unwrap().unwrap();
    assert_eq!(found.number, created.number);
    assert!(client.find_issue("<!-- coord:proposal=8 -->", since).await.unwrap().is_none());

    // What a stranger has copied is not ours.
    let copied = "<!-- coord:proposal=8 -->";
    let _number = site.api.issue("Copy").body(copied).by("eve", Association::None).open();
    assert!(client.find_issue(copied, since).await.unwrap().is_none());
}

#[tokio::test]
async fn an_issue_is_edited_closed_and_opened_again() {
    let site = Site::new();
    let number = site.api.issue("It is slow").body("old").open();
    let client = site.octo();
    client.edit_issue(number, Some("It was\nslow"), None).await.unwrap();
    assert_eq!(
        (site.api.issue_state(number).title.as_str(), site.api.issue_state(number).body.as_str()),
        ("It was slow", "old")
    );
    client.edit_issue(number, None, Some("new")).await.unwrap();
    assert_eq!(site.api.issue_state(number).body, "new");
    assert!(!client.close_issue(number, CloseReason::NotPlanned).await.unwrap().open);
    assert!(!site.api.issue_state(number).open);
    let closed = site.github.requests().into_iter().rfind(|it| it.method == "PATCH").unwrap();
    assert_eq!(closed.body["state_reason"], "not_planned");
    client.reopen_issue(number).await.unwrap();
    assert!(site.api.issue_state(number).open);
}

#[tokio::test]
async fn labels_of_any_name_are_added_and_taken_off_and_a_missing_one_is_off_already() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    let labels = ["coord: running".to_owned(), "a/b#c 100% 🐛".to_owned()];
    client.add_labels(number, &labels).await.unwrap();
    assert_eq!(site.api.issue_state(number).labels, labels);
    for label in &labels {
        client.remove_label(number, label).await.unwrap();
        client.remove_label(number, label).await.unwrap();
    }
    assert!(site.api.issue_state(number).labels.is_empty());
    let error = client.remove_label(number + 50, "bug").await.unwrap_err();
    assert!(
        matches!(error, GitHubError::NotFound { .. }),
        "an issue that is not there is not a label: {error}"
    );
    assert_eq!(client.issue(number, NOW).await.unwrap().labels, [""; 0]);
}
