//! What `coord doctor` finds out about GitHub, and what it says each missing right is for.

use coord_testkit::github::{Access, Protection};
use serde_json::Value;

use super::OnGitHub;
use crate::fleet::text;

impl OnGitHub {
    /// What doctor says of GitHub: subject, status, what was seen, the cure.
    fn doctor(&self) -> Vec<(String, String, String, String)> {
        let checks = self.document(&["doctor"])["data"]["checks"].as_array().unwrap().clone();
        let word = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let github = checks.iter().filter(|it| text(&it["subject"]).to_lowercase().contains("github"));
        github
            .map(|it| (word(&it["subject"]), word(&it["status"]), word(&it["seen"]), word(&it["cure"])))
            .collect()
    }
}

#[test]
fn an_account_that_may_do_everything_is_well() {
    let world = OnGitHub::with_scripts();
    let checks = world.doctor();
    assert!(checks.iter().all(|(_, status, ..)| status == "ok"), "{checks:#?}");
    assert!(checks[0].2.contains("speaks as octo") && checks[0].2.contains("requests left"), "{checks:#?}");
}

#[test]
fn a_scope_that_is_missing_is_named_with_what_it_is_for() {
    let mut world = OnGitHub::with_scripts();
    let token = world.github.user("octo").token_with(&["read:org"]);
    world.set("GITHUB_TOKEN", token);
    let checks = world.doctor();
    let (_, status, seen, cure) = &checks[0];
    assert_eq!(status, "fail");
    assert!(seen.contains("read:org") && seen.contains("`repo` is missing: it is for"), "{seen}");
    assert!(cure.contains("`repo`"), "{cure}");
}

#[test]
fn a_permission_that_is_missing_is_named_with_what_it_is_for() {
    let mut world = OnGitHub::with_scripts();
    world.repo.make_private();
    let rights = [("metadata", Access::Read), ("contents", Access::Write), ("pull_requests", Access::Write)];
    let token = world.github.user("octo").fine_grained(&rights);
    world.set("GITHUB_TOKEN", token);
    let checks = world.doctor();
    let found = checks.iter().find(|(_, _, _, cure)| cure.contains("`issues` is for"));
    assert!(found.is_some_and(|(_, status, ..)| status == "fail"), "{checks:#?}");
}

#[test]
fn what_a_repo_is_and_is_called_is_told() {
    let world = OnGitHub::with_scripts();
    world.repo.protect("main", Protection { approvals: 1, ..Protection::default() });
    let unreadable = world.doctor();
    assert!(unreadable.iter().any(|(_, status, _, cure)| status == "warn" && cure.contains("`protection`")));
    world.repo.rename("acme/api2");
    assert!(
        world
            .doctor()
            .iter()
            .any(|(_, _, seen, cure)| seen.contains("acme/api2") && cure == "write `github: acme/api2`")
    );
    world.repo.archive();
    assert!(world.doctor().iter().any(|(_, status, seen, _)| status == "fail" && seen.contains("archived")));
}
