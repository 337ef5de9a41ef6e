//! Every operation that the client says it uses is used here, through the real client, and no other: the stand-in
//! checks each request and each answer against GitHub's published description.

use std::collections::BTreeSet;

use coord_core::repo::MergeMethod;
use coord_forge::github::OPERATIONS;
use coord_forge::github::credential::Credential;
use coord_forge::github::merge::{MergeAnswer, MergeOrder, NewStatus, StatusState};
use coord_forge::github::propose::{NewPull, Proposed, Reviewed, Verdict};
use coord_forge::github::write::{CloseReason, NewIssue, Search};
use coord_testkit::github::{Access, Permission, Protection, Review};

use crate::site::{NOW, Site, name, token};

#[expect(clippy::print_stdout, reason = "the figure is for who runs the test")]
#[tokio::test]
async fn every_operation_that_is_used_is_driven_and_described() {
    let site = Site::new();
    site.api.collaborator("octo", Permission::Admin);
    let client = site.octo();
    issues(&site, &client).await;
    pulls(&site, &client).await;
    app(&site).await;
    site.github.assert_clean();

    let driven: BTreeSet<String> = site.github.operations().into_keys().collect();
    let used: BTreeSet<String> = OPERATIONS.iter().map(|it| (*it).to_owned()).collect();
    println!("operations driven / operations used: {}/{}", driven.intersection(&used).count(), used.len());
    assert_eq!(driven, used);
}

async fn issues(site: &Site, client: &coord_forge::github::GitHub) {
    client.access(NOW).await.unwrap();
    client.user().await.unwrap();
    let labels = ["bug".to_owned()];
    let new = NewIssue { title: "It is slow", body: "Really.", marker: "<!-- coord:p -->", labels: &labels };
    let number = client.create_issue(&new, site.github.now()).await.unwrap().number;
    let part = site.api.issue("A part").open();
    site.api.sub_issue(number, part);
    site.api.blocked_by(number, part);
    client.issue(number, NOW).await.unwrap();
    client.open_issues(NOW).await.unwrap();
    client.related(number, NOW).await.unwrap();
    client.comment_once(number, "<!-- coord:c -->", "Begun.", Search::First).await.unwrap();
    client.comments(number, NOW).await.unwrap();
    client.add_labels(number, &["more".to_owned()]).await.unwrap();
    client.remove_label(number, "more").await.unwrap();
    client.edit_issue(number, Some("It was slow"), Some("Fixed.")).await.unwrap();
    client.close_issue(number, CloseReason::Completed).await.unwrap();
    client.reopen_issue(number).await.unwrap();
}

async fn pulls(site: &Site, client: &coord_forge::github::GitHub) {
    let (branch, base) = (name("issue-1-slow"), name("main"));
    let head = site.push(branch.as_str(), "x.txt");
    client.branches_for_issue(1, NOW).await.unwrap();
    client.ahead(&base, &head, NOW).await.unwrap();
    let new = NewPull { branch: &branch, base: &base, title: "Fix it", body: "Closes #1", draft: false };
    let Proposed::Opened(pull) = client.propose(&new).await.unwrap() else { panic!("it is new") };
    let number = pull.number;
    assert!(matches!(client.propose(&NewPull { title: "Fix", ..new }).await.unwrap(), Proposed::Found(_)));
    client.open_pulls(NOW).await.unwrap();
    client.pull(number, NOW).await.unwrap();
    client.files(number, NOW).await.unwrap();
    site.api.collaborator("bob", Permission::Write);
    let _allowed = client.request_review(number, &["bob".to_owned()]).await.unwrap();
    let bob = site.client(&token(&site.github.user("bob").token()));
    assert_eq!(bob.review(number, &head, Verdict::Comment, "Hm.").await.unwrap(), Reviewed::Done);
    site.api.review_as("bob", number, Review::Approve);
    client.reviews(number, NOW).await.unwrap();
    let status = NewStatus { context: "coord/tests", state: StatusState::Success, description: "all pass" };
    client.status(&head, &status).await.unwrap();
    client.checks(&head, NOW).await.unwrap();
    site.api.protect("main", Protection { approvals: 1, ..Protection::default() });
    client.protection(&base, NOW).await.unwrap();
    let order =
        MergeOrder { number, method: MergeMethod::Squash, head: &head, title: Some("Fix"), message: None };
    assert!(matches!(client.merge(&order).await.unwrap(), MergeAnswer::Merged { .. }));
    assert!(!site.api.issue_state(1).open, "its issue is closed with it");
}

async fn app(site: &Site) {
    let app = site.github.app("coord-bot");
    let installation = app.install("acme", None, &[("issues", Access::Read)]);
    let key_pem = app.private_key().to_owned().into();
    let client = site.client(&Credential::App { id: app.id(), key_pem, installation });
    client.issue(1, NOW).await.unwrap();
}
