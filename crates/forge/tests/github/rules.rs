//! The rules of a branch, and what is known of them without the right to see them.

use std::time::Duration;

use coord_core::forge::{Protection as Known, Rules};
use coord_forge::github::broker::Age;
use coord_testkit::github::{Permission, Protection};

use crate::site::{NOW, Site, name, token};

const SHOWN: Age = Age::Within(Duration::from_secs(45));

fn checks(names: &[&str]) -> Protection {
    Protection { required_checks: names.iter().map(|it| (*it).to_owned()).collect(), ..Protection::default() }
}

#[tokio::test]
async fn a_branch_that_is_not_protected_is_known_to_have_no_rules() {
    let site = Site::new();
    let protection = site.octo().protection(&name("main"), NOW).await.unwrap();
    assert_eq!(protection, Known::Known(Rules::default()));
}

#[tokio::test]
async fn whoever_administers_sees_both_kinds_of_rules_as_one() {
    let site = Site::new();
    site.api.collaborator("root", Permission::Admin);
    let classic = Protection { strict: true, approvals: 1, ..checks(&["build"]) };
    site.api.protect("main", classic);
    site.api.ruleset("main", Protection { approvals: 2, ..checks(&["lint"]) });
    let client = site.client(&token(&site.github.user("root").token()));
    let Known::Known(rules) = client.protection(&name("main"), NOW).await.unwrap() else {
        panic!("an administrator may see it");
    };
    assert_eq!(rules.checks.iter().map(String::as_str).collect::<Vec<_>>(), ["build", "lint"]);
    assert!(rules.strict && rules.pull_request_only);
    assert_eq!(rules.approvals, 2);
}

#[tokio::test]
async fn a_branch_with_rulesets_only_is_known_to_who_may_see_that_there_is_nothing_else() {
    let site = Site::new();
    site.api.collaborator("root", Permission::Admin);
    site.api.ruleset("main", checks(&["lint"]));
    let client = site.client(&token(&site.github.user("root").token()));
    let protection = client.protection(&name("main"), NOW).await.unwrap();
    assert!(matches!(&protection, Known::Known(rules) if rules.checks.contains("lint")), "{protection:?}");
}

#[tokio::test]
async fn protection_that_may_not_be_seen_is_unknown_with_what_everybody_sees() {
    let site = Site::new();
    site.api.protect("main", Protection { approvals: 2, ..checks(&["build"]) });
    site.api.ruleset("main", checks(&["lint"]));
    let protection = site.octo().protection(&name("main"), NOW).await.unwrap();
    let Known::Unknown { reason, at_least } = protection else { panic!("{protection:?}") };
    assert!(reason.contains("Administration"), "{reason}");
    assert_eq!(at_least.checks.iter().map(String::as_str).collect::<Vec<_>>(), ["build", "lint"]);
    assert_eq!(at_least.approvals, 0);
}

#[tokio::test]
async fn whether_one_is_among_those_who_may_push_is_found_out_by_pushing() {
    let site = Site::new();
    site.api.collaborator("root", Permission::Admin);
    site.api.protect("main", Protection { restrict_pushes: Some(Vec::new()), ..Protection::default() });
    let client = site.client(&token(&site.github.user("root").token()));
    let protection = client.protection(&name("main"), NOW).await.unwrap();
    assert!(matches!(&protection, Known::Known(rules) if !rules.pull_request_only), "{protection:?}");
}

#[tokio::test]
async fn rules_that_may_not_be_seen_are_not_asked_for_at_every_look_but_whoever_acts_asks() {
    let site = Site::new();
    site.api.protect("main", checks(&["build"]));
    let client = site.octo();
    let asked_by_a_look = async |age: Age, later: u64| {
        site.github.advance(Duration::from_secs(later));
        let before = site.github.requests().len();
        let protection = client.protection(&name("main"), age).await.unwrap();
        let asked = site.github.requests().split_off(before);
        (protection, asked.iter().filter(|it| it.path.ends_with("/protection")).count())
    };
    let (first, asked) = asked_by_a_look(SHOWN, 0).await;
    assert!(matches!(&first, Known::Unknown { .. }) && asked == 1, "{first:?}");
    assert_eq!(asked_by_a_look(SHOWN, 60).await, (first.clone(), 0));
    assert_eq!(asked_by_a_look(NOW, 0).await, (first.clone(), 1));
    assert_eq!(asked_by_a_look(SHOWN, 15 * 60).await, (first, 1));

    // Everybody sees that it is protected otherwise.
    site.api.protect("main", checks(&["build", "lint"]));
    assert_eq!(asked_by_a_look(SHOWN, 60).await.1, 1);
    assert_eq!(asked_by_a_look(SHOWN, 60).await.1, 0);

    // Once they have been seen, that they could not be is past.
    site.api.collaborator("octo", Permission::Admin);
    let (seen, _) = asked_by_a_look(NOW, 0).await;
    assert!(matches!(seen, Known::Known(_)), "{seen:?}");
    assert_eq!(asked_by_a_look(SHOWN, 60).await, (seen, 1));
}
