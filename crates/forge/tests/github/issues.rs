//! Issues as they are read: all of their facts, what they have to do with each other, who is at work on them.

use coord_core::forge::{Association, Relation};
use coord_testkit::github::{Association as There, Permission};

use crate::site::{NOW, Site, name};

#[tokio::test]
async fn an_issue_has_everything_that_people_said_of_it() {
    let site = Site::new();
    let milestone = site.api.milestone("v1");
    let number = site
        .api
        .issue("It is <slow> 🐌")
        .body("Really.\n<!-- coord:event=completion -->")
        .by("ann", There::Contributor)
        .label("good first issue 🐛")
        .milestone(milestone)
        .open();
    site.api.collaborator("bob", Permission::Write);
    site.api.assign(number, "bob");
    site.api.comment_as("eve", number, "me too");
    let client = site.octo();
    let issue = client.issue(number, NOW).await.unwrap();
    assert_eq!(issue.title, "It is <slow> 🐌");
    assert_eq!(issue.body, "Really.\n<!-- coord:event=completion -->");
    assert_eq!(issue.labels, ["good first issue 🐛"]);
    assert_eq!(issue.origin.milestone.as_deref(), Some("v1"));
    assert!(issue.open);
    assert_eq!(issue.comments, 1);
    assert_eq!((issue.origin.author.as_str(), issue.origin.association), ("ann", Association::Contributor));
    assert_eq!(issue.origin.assignees, ["bob"]);
    assert!(issue.origin.url.ends_with(&format!("/issues/{number}")));
    let comments = client.comments(number, NOW).await.unwrap();
    assert_eq!((comments[0].author.as_str(), comments[0].body.as_str()), ("eve", "me too"));
    assert_eq!(comments[0].association, Association::None);
    site.api.close_issue(number);
    assert!(!client.issue(number, NOW).await.unwrap().open);
}

#[tokio::test]
async fn open_issues_are_those_and_no_pull_requests() {
    let site = Site::new();
    let client = site.octo();
    let [first, closed, last] = ["one", "two", "three"].map(|title| site.api.issue(title).open());
    site.pull(&client, "topic").await;
    site.api.close_issue(closed);
    let numbers: Vec<_> = client.open_issues(NOW).await.unwrap().iter().map(|it| it.number).collect();
    assert_eq!(numbers, [last, first]);
}

#[tokio::test]
async fn what_an_issue_consists_of_and_waits_for_is_known() {
    let site = Site::new();
    let [whole, part, done, before] =
        ["whole", "part", "done part", "before"].map(|title| site.api.issue(title).open());
    site.api.sub_issue(whole, part);
    site.api.sub_issue(whole, done);
    site.api.close_issue(done);
    site.api.blocked_by(whole, before);
    let client = site.octo();
    let issue = client.issue(whole, NOW).await.unwrap();
    assert_eq!((issue.open_sub_issues, issue.open_blockers), (Some(1), Some(1)));
    let related = client.related(whole, NOW).await.unwrap();
    let told: Vec<_> = related.iter().map(|it| (it.relation, it.repo.as_str(), it.number, it.open)).collect();
    assert_eq!(
        told,
        [
            (Relation::SubIssue, "acme/api", part, true),
            (Relation::SubIssue, "acme/api", done, false),
            (Relation::BlockedBy, "acme/api", before, true),
        ]
    );
}

#[tokio::test]
async fn the_branches_of_an_issue_are_not_those_of_a_longer_number() {
    let site = Site::new();
    for branch in ["issue-4-fix", "issue-4", "issue-42-other", "issue-4x", "my-issue-4-fix"] {
        site.push(branch, "x.txt");
    }
    let client = site.octo();
    let branches = client.branches_for_issue(4, NOW).await.unwrap();
    let names: Vec<_> = branches.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["issue-4", "issue-4-fix"]);
    let head = branches[1].head.clone();
    assert_eq!(Some(head.to_string()), site.origin.head("issue-4-fix"));
    assert_eq!(client.ahead(&name("main"), &head, NOW).await.unwrap(), 1);
    let main = site.origin.head("main").unwrap().parse().unwrap();
    assert_eq!(client.ahead(&name("main"), &main, NOW).await.unwrap(), 0);
    assert!(client.branches_for_issue(7, NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_branch_may_have_any_name_that_git_takes() {
    let site = Site::new();
    let odd = name("feature/a#1&b=100%+ü");
    let head = site.push(odd.as_str(), "x.txt");
    let client = site.octo();
    assert_eq!(client.ahead(&odd, &head, NOW).await.unwrap(), 0);
    assert!(client.protection(&odd, NOW).await.is_ok());
    assert_eq!(client.pull_for(&odd, NOW).await.unwrap(), None);
}
