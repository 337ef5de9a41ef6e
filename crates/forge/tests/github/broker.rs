//! What a broker spares GitHub: answers that are known, and what has not changed.

use std::time::Duration;

use coord_testkit::github::{Association, on};

use crate::site::{LATELY, NOW, Site, token};

#[tokio::test]
async fn what_has_not_changed_counts_nothing_and_what_is_young_is_not_asked() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let credential = token(&site.octo.token());
    let client = site.client(&credential);
    let first = client.issue(number, NOW).await.unwrap();
    assert_eq!(client.issue(number, NOW).await.unwrap(), first);
    // Another process finds what this one has read.
    let other = site.client(&credential);
    assert_eq!(other.issue(number, LATELY).await.unwrap(), first);
    let requests = site.github.requests();
    let told: Vec<_> = requests.iter().map(|it| (it.status, it.counted)).collect();
    assert_eq!(told, [(Some(200), true), (Some(304), false)]);

    site.api.edit_issue(number, "It is very slow", "");
    assert_eq!(other.issue(number, LATELY).await.unwrap().title, "It is slow");
    site.github.advance(Duration::from_secs(601));
    assert_eq!(other.issue(number, LATELY).await.unwrap().title, "It is very slow");
}

#[tokio::test]
async fn an_answer_that_github_has_confirmed_is_as_young_as_its_confirmation() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    client.issue(number, NOW).await.unwrap();
    site.github.advance(Duration::from_secs(500));
    client.issue(number, NOW).await.unwrap();
    let before = site.github.requests().len();
    site.github.advance(Duration::from_secs(500));
    client.issue(number, LATELY).await.unwrap();
    assert_eq!(site.github.requests().len(), before);
}

#[tokio::test]
async fn an_answer_that_a_write_of_ours_may_have_changed_is_not_young() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    assert_eq!(client.issue(number, LATELY).await.unwrap().labels, [""; 0]);
    client.add_labels(number, &["bug".to_owned()]).await.unwrap();
    assert_eq!(client.issue(number, LATELY).await.unwrap().labels, ["bug"]);
}

#[tokio::test]
async fn three_hundred_open_issues_are_three_requests_and_none_of_them_counts_when_nothing_changed() {
    let site = Site::new();
    for n in 0..300 {
        let _number = site.api.issue(&format!("Issue {n}")).by("ann", Association::Member).open();
    }
    let client = site.octo();
    let first = client.open_issues(NOW).await.unwrap();
    assert_eq!(first.len(), 300);
    let before = site.github.requests().len();
    assert_eq!(client.open_issues(NOW).await.unwrap(), first);
    let again = site.github.requests().split_off(before);
    assert!(again.len() <= 8, "{} requests", again.len());
    assert!(again.iter().all(|it| it.status == Some(304) && !it.counted), "{again:?}");
}

#[tokio::test]
async fn a_page_that_was_full_and_the_last_one_does_not_hide_the_next() {
    let site = Site::new();
    let number = site.api.issue("Much to say").open();
    for n in 0..100 {
        site.api.comment_as("ann", number, &format!("comment {n}"));
    }
    let client = site.octo();
    assert_eq!(client.comments(number, NOW).await.unwrap().len(), 100);
    site.api.comment_as("bob", number, "one more");
    let comments = client.comments(number, NOW).await.unwrap();
    assert_eq!(comments.len(), 101);
    assert_eq!(comments[100].body, "one more");
}

#[tokio::test]
async fn the_state_of_a_credential_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let token_text = site.octo.token();
    site.client(&token(&token_text)).issue(number, NOW).await.unwrap();
    let mut left = vec![site.directory()];
    let mut files = 0;
    while let Some(path) = left.pop() {
        let mode = fs_err::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert!(!path.as_str().contains(&token_text));
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{path}");
            left.extend(path.read_dir_utf8().unwrap().map(|it| it.unwrap().into_path()));
        } else {
            files += 1;
            assert_eq!(mode, 0o600, "{path}");
            assert!(!fs_err::read_to_string(&path).unwrap().contains(&token_text), "{path}");
        }
    }
    assert_eq!(files, 3, "a lock, a state and an answer");
}

#[tokio::test]
async fn two_that_read_at_once_are_both_answered() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    site.github.fault(on("GET", "/repos/acme/api/issues/1").delay(Duration::from_millis(50)));
    let (one, other) = tokio::join!(client.issue(number, NOW), client.issue(number, NOW));
    assert_eq!(one.unwrap(), other.unwrap());
}
