//! Pull requests as they are read: where they stand, what they change, what was found out about their head.

use coord_core::change::PullRequestState;
use coord_core::forge::{CheckState, ReviewVerdict};
use coord_testkit::github::{Conclusion, MergeMethod, Permission, Review, Status, StatusState};

use crate::site::{NOW, Site, name};

#[tokio::test]
async fn whether_it_can_be_merged_is_unknown_until_github_has_found_out() {
    let site = Site::new();
    let client = site.octo();
    let (number, head) = site.pull(&client, "topic").await;
    let first = client.pull(number, NOW).await.unwrap();
    assert_eq!(first.mergeable, None);
    let second = client.pull(number, NOW).await.unwrap();
    assert_eq!(second.mergeable, Some(true));
    assert_eq!((&second.head, second.branch.as_str(), second.base_branch.as_str()), (&head, "topic", "main"));
    assert!(second.same_repo && !second.draft);
    assert_eq!((second.author.as_str(), second.title.as_str()), ("octo", "A change"));
    assert_eq!(client.files(number, NOW).await.unwrap(), ["topic.txt"]);
}

#[tokio::test]
async fn the_pull_request_of_a_branch_is_the_open_one_else_the_newest() {
    let site = Site::new();
    let client = site.octo();
    let topic = name("topic");
    assert_eq!(client.pull_for(&topic, NOW).await.unwrap(), None);
    let (number, _) = site.pull(&client, "topic").await;
    let (other, _) = site.pull(&client, "topic-2").await;
    let open = client.open_pulls(NOW).await.unwrap();
    assert_eq!(open.iter().map(|it| it.number).collect::<Vec<_>>(), [other, number]);
    let commit = site.api.merge_as("acme", number, MergeMethod::Merge);
    let merged = client.pull_for(&topic, NOW).await.unwrap().unwrap();
    assert_eq!(merged.state, PullRequestState::Merged { commit: commit.parse().unwrap() });
    let (again, _) = site.pull(&client, "topic").await;
    assert_eq!(client.pull_for(&topic, NOW).await.unwrap().unwrap().number, again);
}

#[tokio::test]
async fn reviews_say_who_what_and_of_which_commit() {
    let site = Site::new();
    let client = site.octo();
    let (number, head) = site.pull(&client, "topic").await;
    site.api.collaborator("bob", Permission::Write);
    site.api.review_as("bob", number, Review::RequestChanges);
    site.api.review_as("bob", number, Review::Approve);
    let reviews = client.reviews(number, NOW).await.unwrap();
    let told: Vec<_> = reviews.iter().map(|it| (it.author.as_str(), it.verdict)).collect();
    assert_eq!(told, [("bob", ReviewVerdict::ChangesRequested), ("bob", ReviewVerdict::Approved)]);
    assert!(reviews.iter().all(|it| it.commit.as_ref() == Some(&head) && it.at.is_some()));
}

#[tokio::test]
async fn the_newest_word_of_each_check_counts() {
    let site = Site::new();
    let client = site.octo();
    let head = site.push("topic", "x.txt");
    let sha = head.as_str();
    assert!(client.checks(&head, NOW).await.unwrap().is_empty());
    site.api.check_run(sha, "build", Status::Completed(Conclusion::Failure));
    site.api.check_run(sha, "build", Status::Completed(Conclusion::Success));
    site.api.check_run(sha, "lint", Status::Completed(Conclusion::Skipped));
    site.api.check_run(sha, "docs", Status::Completed(Conclusion::Failure));
    site.api.check_run(sha, "slow", Status::InProgress);
    site.api.status(sha, "old", StatusState::Failure);
    site.api.status(sha, "old", StatusState::Success);
    site.api.status(sha, "ext", StatusState::Error);
    site.api.status(sha, "wait", StatusState::Pending);
    let checks = client.checks(&head, NOW).await.unwrap();
    let mut told: Vec<_> = checks.into_iter().map(|it| (it.name, it.state)).collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    let failed = |word: &str| CheckState::Failed { conclusion: word.to_owned() };
    let skipped = CheckState::Skipped { conclusion: "skipped".to_owned() };
    let wanted = [
        ("build", CheckState::Passed),
        ("docs", failed("failure")),
        ("ext", failed("error")),
        ("lint", skipped),
        ("old", CheckState::Passed),
        ("slow", CheckState::Running),
        ("wait", CheckState::Running),
    ];
    assert_eq!(told, wanted.map(|(name, state)| (name.to_owned(), state)));
}
