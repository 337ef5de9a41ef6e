//! What is made of each way in which GitHub can refuse or fail.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use coord_forge::github::GitHub;
use coord_forge::github::broker::{Broker, Settings};
use coord_forge::github::error::GitHubError;
use coord_forge::github::write::Search;
use coord_testkit::github::{Access, on};
use jiff::Timestamp;

use crate::site::{LATELY, NOW, Site, token};

#[tokio::test]
async fn a_token_that_is_no_longer_accepted_is_said_and_not_shown() {
    let site = Site::new();
    let text = site.octo.token();
    let client = site.client(&token(&text));
    site.octo.revoke(&text);
    let error = client.open_issues(NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::Unauthorised { .. }), "{error}");
    assert!(!format!("{error} {error:?} {client:?}").contains(&text));
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn a_token_without_a_permission_is_told_which_one_it_needs() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.client(&token(&site.octo.fine_grained(&[("issues", Access::Read)])));
    client.issue(number, NOW).await.unwrap();
    let error = client.comment_once(number, "<!-- coord:x -->", "Hello", Search::Not).await.unwrap_err();
    let GitHubError::Forbidden { needs: Some(needs), .. } = &error else { panic!("{error}") };
    assert!(needs.contains("issues=write"), "{needs}");
    assert!(error.to_string().contains(needs.as_str()), "{error}");
    assert!(site.api.comments(number).is_empty());
}

#[tokio::test]
async fn the_scopes_of_a_classic_token_are_known_once_something_was_asked() {
    let site = Site::new();
    let credential = token(&site.octo.token_with(&["repo"]));
    let broker = site.broker(&credential, Duration::ZERO);
    assert_eq!(broker.standing().unwrap().scopes, None);
    assert_eq!(site.client(&credential).user().await.unwrap().as_deref(), Some("octo"));
    let standing = broker.standing().unwrap();
    assert_eq!(standing.scopes.unwrap().into_iter().collect::<Vec<_>>(), ["repo"]);
    assert_eq!(standing.login.as_deref(), Some("octo"));
    let quota = standing.quota.unwrap();
    assert_eq!((quota.limit, quota.remaining), (5000, 4999));
}

#[tokio::test]
async fn what_is_not_there_and_what_may_not_be_seen_are_the_same() {
    let site = Site::new();
    let hidden = site.repo("hidden");
    hidden.make_private();
    let client = site.client_of("acme/hidden", &token(&site.octo.token()));
    for error in [client.access(NOW).await.unwrap_err(), site.octo().issue(77, NOW).await.unwrap_err()] {
        assert!(matches!(error, GitHubError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains("no access"), "{error}");
    }
}

#[tokio::test]
async fn an_issue_that_was_deleted_is_gone_and_a_pull_request_is_none() {
    let site = Site::new();
    let client = site.octo();
    let number = site.api.issue("A mistake").open();
    site.api.delete_issue(number);
    let error = client.issue(number, NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::Gone { .. }), "{error}");
    let (pull, _) = site.pull(&client, "issue-9-x").await;
    let error = client.issue(pull, NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::NotAnIssue { number } if number == pull), "{error}");
}

#[tokio::test]
async fn an_archived_repository_is_read_and_not_written() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    site.api.archive();
    assert!(client.access(NOW).await.unwrap().archived);
    client.issue(number, NOW).await.unwrap();
    let error = client.add_labels(number, &["bug".to_owned()]).await.unwrap_err();
    assert!(matches!(error, GitHubError::Archived { .. }), "{error}");
}

#[tokio::test]
async fn a_renamed_repository_is_found_and_its_new_name_known() {
    let site = Site::new();
    let client = site.octo();
    let number = site.api.issue("It is slow").open();
    let before = client.access(NOW).await.unwrap();
    assert_eq!((before.repo.as_str(), before.push), ("acme/api", Some(true)));
    site.api.rename("acme/api2");
    assert_eq!(client.issue(number, NOW).await.unwrap().title, "It is slow");
    assert_eq!(client.access(NOW).await.unwrap().repo.as_str(), "acme/api2");
    client.comment_once(number, "<!-- coord:x -->", "Hello", Search::Not).await.unwrap();
    assert_eq!(site.api.comments(number).len(), 1);
}

#[tokio::test]
async fn an_issue_that_was_transferred_is_told_apart_from_a_rename() {
    let site = Site::new();
    let client = site.octo();
    let number = site.api.issue("It is slow").open();
    let web = site.repo("web");
    let _first = web.issue("Another").open();
    let there = site.api.transfer_issue(number, &web);
    let error = client.issue(number, NOW).await.unwrap_err();
    let GitHubError::Transferred { to, .. } = &error else { panic!("{error}") };
    assert_eq!(*to, format!("acme/web#{there}"));
    let error = client.comment_once(number, "<!-- coord:x -->", "Hello", Search::Not).await.unwrap_err();
    assert!(matches!(error, GitHubError::Moved { .. }), "{error}");
    assert!(web.comments(there).is_empty(), "nothing is written where nobody meant to");
}

#[tokio::test]
async fn a_read_is_tried_three_times_and_no_more() {
    type Is = fn(&GitHubError) -> bool;

    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    let issue = || on("GET", "/repos/acme/api/issues/1");
    for (fault, title) in [
        (issue().times(2).status(502), "one"),
        (issue().times(2).truncated(), "two"),
        (issue().times(2).malformed(), "three"),
        (issue().times(2).drop_before(), "four"),
    ] {
        let before = site.github.requests().len();
        site.api.edit_issue(number, title, "");
        site.github.fault(fault);
        assert_eq!(client.issue(number, NOW).await.unwrap().title, title);
        assert_eq!(site.github.requests().len() - before, 3);
    }
    let server: Is = |it| matches!(it, GitHubError::Server { status: 503, .. });
    let unreachable: Is = |it| matches!(it, GitHubError::Unreachable { .. });
    let nonsense: Is = |it| matches!(it, GitHubError::Malformed { .. } | GitHubError::Truncated { .. });
    // How much of an answer arrives before its connection is cut is not ours to say.
    let cut: Is = |it| matches!(it, GitHubError::Truncated { .. } | GitHubError::Unreachable { .. });
    let outcomes = [
        (issue().times(3).status(503), server),
        (issue().times(3).malformed(), nonsense),
        (issue().times(3).drop_before(), unreachable),
        (issue().times(3).truncated(), cut),
    ];
    for (n, (fault, is_it)) in outcomes.into_iter().enumerate() {
        site.api.edit_issue(number, &format!("edit {n}"), "");
        site.github.fault(fault);
        let error = client.issue(number, NOW).await.unwrap_err();
        assert!(is_it(&error) && error.is_temporary(), "{error:?}");
        client.issue(number, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn a_write_that_never_left_is_unreachable_and_any_other_failure_leaves_it_open() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    for fault in [
        on("POST", "/repos/acme/api/issues/1/labels").drop_before(),
        on("POST", "/repos/acme/api/issues/1/labels").drop_after(),
        on("POST", "/repos/acme/api/issues/1/labels").status(502),
        on("POST", "/repos/acme/api/issues/1/labels").truncated(),
    ] {
        let before = site.github.requests().len();
        site.github.fault(fault);
        let error = client.add_labels(number, &["bug".to_owned()]).await.unwrap_err();
        assert!(matches!(error, GitHubError::Unanswered { .. }), "{error}");
        assert_eq!(site.github.requests().len() - before, 1, "a write is not repeated");
        client.issue(number, NOW).await.unwrap();
    }

    // Nothing listens where something did a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let github = Arc::clone(&site.github);
    let settings = Settings {
        api_url: format!("http://127.0.0.1:{port}"),
        directory: site.directory(),
        clock: Arc::new(move || github.now()),
        patience: Duration::ZERO,
    };
    let nobody = Arc::new(Broker::open(&token("ghp_x"), settings).unwrap());
    let nowhere = GitHub::new(Arc::clone(&nobody), "acme/api".parse().unwrap());
    let error = nowhere.add_labels(number, &["bug".to_owned()]).await.unwrap_err();
    assert!(matches!(error, GitHubError::Unreachable { .. }), "{error}");
    assert_eq!(nobody.standing().unwrap().writes_in_minute, 1, "tried three times, counted once");
}

#[tokio::test]
async fn github_is_left_alone_after_five_failures_in_a_row_by_everybody_and_tried_again_later() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let credential = token(&site.octo.token());
    let client = site.client(&credential);
    client.issue(number, NOW).await.unwrap();
    site.github.fault(on("GET", "/repos/acme/api/issues/1").times(5).status(502));
    for _ in 0..2 {
        let error = client.issue(number, NOW).await.unwrap_err();
        assert!(matches!(error, GitHubError::Server { .. }), "{error}");
    }
    let before = site.github.requests().len();
    let other = site.client(&credential);
    let error = other.issue(number, NOW).await.unwrap_err();
    assert!(matches!(&error, GitHubError::CircuitOpen { cause, .. } if cause.contains("502")), "{error}");
    assert!(error.until() > Some(site.github.now()));
    other.issue(number, LATELY).await.expect("what is young enough is still known");
    let error = other.add_labels(number, &["bug".to_owned()]).await.unwrap_err();
    assert!(matches!(error, GitHubError::CircuitOpen { .. }), "{error}");
    assert_eq!(site.github.requests().len(), before);
    let standing = site.broker(&credential, Duration::ZERO).standing().unwrap();
    assert!(standing.outage.is_some_and(|it| it.cause.contains("502")));

    site.github.advance(Duration::from_secs(31));
    other.issue(number, NOW).await.unwrap();
    client.issue(number, NOW).await.unwrap();
}

#[tokio::test]
async fn what_cannot_work_is_refused_when_it_is_opened() {
    let site = Site::new();
    let open = |api_url: &str, text: &str| {
        let settings = Settings {
            api_url: api_url.to_owned(),
            directory: site.directory(),
            clock: Arc::new(|| Timestamp::UNIX_EPOCH),
            patience: Duration::ZERO,
        };
        Broker::open(&token(text), settings).map(drop)
    };
    open(site.github.url(), "ghp_1").unwrap();
    for (api_url, text) in [("api.github.com", "ghp_1"), (site.github.url(), ""), (site.github.url(), "a\nb")]
    {
        let error = open(api_url, text).unwrap_err();
        assert!(matches!(error, GitHubError::Configuration { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_app_speaks_for_its_installation_and_for_nobody() {
    use coord_forge::github::credential::Credential;

    let site = Site::new();
    let app = site.github.app("coord-bot");
    let installation = app.install("acme", None, &[("issues", Access::Write), ("metadata", Access::Read)]);
    let key_pem: secrecy::SecretString = app.private_key().to_owned().into();
    let credential = Credential::App { id: app.id(), key_pem: key_pem.clone(), installation };
    let client = site.client(&credential);
    assert_eq!(client.user().await.unwrap(), None);
    let number = site.api.issue("It is slow").open();
    let comments = on("POST", "/repos/acme/api/issues/1/comments");
    site.github.fault(comments.drop_after());
    let id = client.comment_once(number, "<!-- coord:x -->", "Hello", Search::Not).await.unwrap();
    assert_eq!(client.comment_once(number, "<!-- coord:x -->", "Hello", Search::First).await.unwrap(), id);
    assert_eq!(site.api.comments(number).len(), 1);

    let wrong = Credential::App { id: app.id(), key_pem, installation: installation + 1000 };
    let error = site.client(&wrong).open_issues(NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::NotFound { .. } | GitHubError::Unauthorised { .. }), "{error:?}");
}
