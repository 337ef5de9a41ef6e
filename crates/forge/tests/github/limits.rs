//! GitHub's limits and our own, over processes and restarts.

use std::time::Duration;

use coord_forge::github::GitHub;
use coord_forge::github::budget::Standing;
use coord_forge::github::error::{GitHubError, LimitKind};
use coord_testkit::github::on;

use crate::site::{LATELY, NOW, Site, token};

#[tokio::test]
async fn a_used_up_limit_silences_everybody_until_it_is_reset() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let credential = token(&site.octo.token());
    let client = site.client(&credential);
    client.issue(number, NOW).await.unwrap();
    site.octo.rate_limit(0, Duration::from_secs(600));
    let error = client.open_issues(NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::Limited { kind: LimitKind::Primary, .. }), "{error}");
    let left = error.until().unwrap().duration_since(site.github.now()).as_secs();
    assert!((595..=601).contains(&left), "{left} seconds");

    let before = site.github.requests().len();
    let later = site.client(&credential);
    for error in [
        later.open_issues(NOW).await.unwrap_err(),
        later.add_labels(number, &["bug".to_owned()]).await.unwrap_err(),
    ] {
        assert!(matches!(error, GitHubError::Limited { kind: LimitKind::Primary, .. }), "{error}");
    }
    later.issue(number, LATELY).await.expect("what is young enough is still known");
    assert_eq!(site.github.requests().len(), before, "nothing is sent in a pause");
    let standing = site.broker(&credential, Duration::ZERO).standing().unwrap();
    assert_eq!(standing.pause.map(|it| it.kind), Some(LimitKind::Primary));
    assert_eq!(standing.quota.map(|it| it.remaining), Some(0));

    site.github.advance(Duration::from_secs(602));
    later.open_issues(NOW).await.unwrap();
    client.add_labels(number, &["bug".to_owned()]).await.unwrap();
}

#[tokio::test]
async fn a_secondary_limit_is_kept_for_as_long_as_github_says() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let client = site.octo();
    site.github.fault(on("POST", "/repos/acme/api/issues/1/labels").secondary_limit(90));
    let labels = ["bug".to_owned()];
    let error = client.add_labels(number, &labels).await.unwrap_err();
    assert!(matches!(error, GitHubError::Limited { kind: LimitKind::Secondary, .. }), "{error}");
    site.github.advance(Duration::from_secs(80));
    client.add_labels(number, &labels).await.unwrap_err();
    assert!(site.api.issue_state(number).labels.is_empty());
    site.github.advance(Duration::from_secs(11));
    client.add_labels(number, &labels).await.unwrap();
    assert_eq!(site.api.issue_state(number).labels, ["bug"]);
}

#[tokio::test]
async fn two_processes_share_one_budget_of_writes_and_keep_below_what_github_takes() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let credential = token(&site.octo.token());
    let both = [site.client(&credential), site.client(&credential)];
    let labels = ["bug".to_owned()];
    let mut written = 0;
    let error = loop {
        match both[written % 2].add_labels(number, &labels).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(written, Standing::MINUTE / 2, "from here on they keep a distance");
    assert!(matches!(error, GitHubError::WriteBudget { .. }), "{error}");
    assert!(error.until() > Some(site.github.now()));
    while written < Standing::MINUTE {
        site.github.advance(Duration::from_millis(1500));
        both[written % 2].add_labels(number, &labels).await.unwrap();
        written += 1;
    }
    site.github.advance(Duration::from_millis(1500));
    both[0].add_labels(number, &labels).await.unwrap();
    let writes = site.github.requests().iter().filter(|it| it.method == "POST").count();
    assert_eq!(writes, written + 1, "the first forty left the window meanwhile");
    let standing = site.broker(&credential, Duration::ZERO).standing().unwrap();
    assert_eq!(standing.writes_in_hour, writes);
}

#[tokio::test]
async fn a_write_waits_for_its_turn_when_there_is_patience() {
    let site = Site::new();
    let number = site.api.issue("It is slow").open();
    let broker = site.broker(&token(&site.octo.token()), Duration::from_secs(10));
    let client = GitHub::new(broker, "acme/api".parse().unwrap());
    let labels = ["bug".to_owned()];
    let mut last = site.github.now();
    for n in 0..=Standing::MINUTE / 2 {
        client.add_labels(number, &labels).await.unwrap();
        let now = site.github.now();
        if n == Standing::MINUTE / 2 {
            let gap = now.duration_since(last).as_millis();
            assert!(gap >= 950, "{gap} ms");
        }
        last = now;
    }
}
