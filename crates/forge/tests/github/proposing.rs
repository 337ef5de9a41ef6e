//! A branch has one pull request, however often it is proposed and whatever happened to the last one.

use coord_core::forge::{Pull, ReviewVerdict};
use coord_forge::github::GitHub;
use coord_forge::github::error::GitHubError;
use coord_forge::github::propose::{Allowed, NewPull, Proposed, Reviewed, Verdict};
use coord_testkit::github::{MergeMethod, Permission, on};

use crate::site::{NOW, Site, name, token};

async fn propose(client: &GitHub, branch: &str, title: &str, body: &str) -> Proposed {
    let (branch, base) = (name(branch), name("main"));
    let new = NewPull { branch: &branch, base: &base, title, body, draft: false };
    client.propose(&new).await.unwrap()
}

fn opened(proposed: Proposed) -> Pull {
    let Proposed::Opened(pull) = proposed else { panic!("{proposed:?}") };
    pull
}

#[tokio::test]
async fn proposing_again_finds_it_and_brings_it_up_to_date() {
    let site = Site::new();
    site.push("topic", "x.txt");
    let client = site.octo();
    let number = opened(propose(&client, "topic", "One", "Closes #1").await).number;
    let writes = || site.github.requests().iter().filter(|it| it.method != "GET").count();
    assert_eq!(writes(), 1);
    let again = propose(&client, "topic", "One", "Closes #1\r\n").await;
    assert!(matches!(&again, Proposed::Found(pull) if pull.number == number), "{again:?}");
    assert_eq!(writes(), 1, "nothing differs");
    let changed = propose(&client, "topic", "Two", "Closes #2").await;
    assert!(matches!(&changed, Proposed::Found(pull) if pull.title == "Two"), "{changed:?}");
    assert_eq!(site.api.pulls(), [number]);
    assert_eq!(site.api.pull(number).body, "Closes #2");
}

#[tokio::test]
async fn one_whose_answer_was_lost_is_not_opened_twice() {
    let site = Site::new();
    site.push("topic", "x.txt");
    let client = site.octo();
    site.github.fault(on("POST", "/repos/acme/api/pulls").drop_after());
    let proposed = propose(&client, "topic", "One", "").await;
    assert!(matches!(proposed, Proposed::Found(_)), "{proposed:?}");
    assert_eq!(site.api.pulls().len(), 1);
}

#[tokio::test]
async fn one_that_may_not_have_arrived_is_unanswered_and_opened_the_next_time() {
    let site = Site::new();
    site.push("topic", "x.txt");
    let client = site.octo();
    site.github.fault(on("POST", "/repos/acme/api/pulls").drop_before());
    let (branch, base) = (name("topic"), name("main"));
    let new = NewPull { branch: &branch, base: &base, title: "One", body: "", draft: true };
    let error = client.propose(&new).await.unwrap_err();
    assert!(matches!(error, GitHubError::Unanswered { .. }), "{error}");
    let number = opened(client.propose(&new).await.unwrap()).number;
    assert!(site.api.pull(number).draft);
    assert_eq!(site.api.pulls(), [number]);
}

#[tokio::test]
async fn somebody_elses_that_github_did_not_show_yet_is_found_after_all() {
    let site = Site::new();
    site.push("topic", "x.txt");
    let number = opened(propose(&site.octo(), "topic", "One", "").await).number;
    let other = site.octo();
    site.github.fault(on("GET", "/repos/acme/api/pulls").stale_read());
    let proposed = propose(&other, "topic", "Two", "").await;
    assert!(matches!(&proposed, Proposed::Found(pull) if pull.number == number), "{proposed:?}");
    assert_eq!(site.api.pull(number).title, "Two");
}

#[tokio::test]
async fn a_closed_one_is_opened_again_and_a_merged_one_followed_by_another() {
    let site = Site::new();
    site.push("topic", "x.txt");
    let client = site.octo();
    let number = opened(propose(&client, "topic", "One", "").await).number;
    client.close_pull(number).await.unwrap();
    assert!(!site.api.pull(number).open);
    let again = propose(&client, "topic", "Two", "").await;
    assert!(matches!(&again, Proposed::Reopened(pull) if pull.number == number), "{again:?}");
    assert!(site.api.pull(number).open);
    assert_eq!(site.api.pull(number).title, "Two");

    let _commit = site.api.merge_as("acme", number, MergeMethod::Merge);
    assert_eq!(propose(&client, "topic", "Three", "").await, Proposed::NothingToMerge);
    site.push("topic", "y.txt");
    let next = opened(propose(&client, "topic", "Three", "").await).number;
    assert_ne!(next, number);
}

#[tokio::test]
async fn a_branch_without_a_commit_of_its_own_has_nothing_to_propose() {
    let site = Site::new();
    site.origin.git(&site.origin.clone, ["push", "--quiet", "origin", "main:empty"]);
    assert_eq!(propose(&site.octo(), "empty", "One", "").await, Proposed::NothingToMerge);
}

#[tokio::test]
async fn what_cannot_be_opened_again_or_reviewed_by_somebody_is_refused_with_a_reason() {
    let site = Site::new();
    let client = site.octo();
    let (number, _) = site.pull(&client, "topic").await;
    client.close_pull(number).await.unwrap();
    let Allowed::Done(pull) = client.reopen_pull(number).await.unwrap() else { panic!("it can be") };
    assert_eq!(pull.number, number);
    client.close_pull(number).await.unwrap();
    site.origin.git(&site.origin.clone, ["push", "--quiet", "origin", ":topic"]);
    let refused = client.reopen_pull(number).await.unwrap();
    assert!(matches!(&refused, Allowed::Refused(reason) if !reason.is_empty()), "{refused:?}");

    let (number, _) = site.pull(&client, "other").await;
    let author = client.request_review(number, &["octo".to_owned()]).await.unwrap();
    assert!(matches!(&author, Allowed::Refused(reason) if !reason.is_empty()), "{author:?}");
    site.api.collaborator("bob", Permission::Write);
    assert_eq!(client.request_review(number, &["bob".to_owned()]).await.unwrap(), Allowed::Done(()));
    assert_eq!(site.api.pull(number).requested, ["bob"]);
}

#[tokio::test]
async fn nobody_approves_their_own_and_somebody_else_does() {
    let site = Site::new();
    let client = site.octo();
    let (number, head) = site.pull(&client, "topic").await;
    for verdict in [Verdict::Approve, Verdict::RequestChanges] {
        assert_eq!(client.review(number, &head, verdict, "Mine.").await.unwrap(), Reviewed::OwnPullRequest);
    }
    assert_eq!(client.review(number, &head, Verdict::Comment, "Look.").await.unwrap(), Reviewed::Done);
    site.api.collaborator("bob", Permission::Write);
    let bob = site.client(&token(&site.github.user("bob").token()));
    assert_eq!(bob.review(number, &head, Verdict::Approve, "Good.").await.unwrap(), Reviewed::Done);
    let verdicts: Vec<_> =
        client.reviews(number, NOW).await.unwrap().iter().map(|it| (it.author.clone(), it.verdict)).collect();
    assert_eq!(
        verdicts,
        [("octo".to_owned(), ReviewVerdict::Commented), ("bob".to_owned(), ReviewVerdict::Approved)]
    );
}
