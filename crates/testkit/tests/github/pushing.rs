//! The real git against the stand-in.

use coord_testkit::github::{Access, Permission, Protection, StatusState, on};
use coord_testkit::hold::Hold;
use serde_json::json;

use crate::site::Site;

/// Runs git in the developer's clone with a token, and returns whether it went well and what it said.
fn git(site: &Site, token: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = site.world.command("git");
    command.args(arguments).current_dir(&site.project.clone).env("GIT_TERMINAL_PROMPT", "0");
    if !token.is_empty() {
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", format!("http.{}/.extraheader", site.github.url()))
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: Bearer {token}"));
    }
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn push(site: &Site, token: &str, what: &str) -> (bool, String) {
    git(site, token, &["push", &site.api.clone_url(), what])
}

#[test]
fn a_clone_a_push_and_a_fetch_go_over_http() {
    let site = Site::new();
    let token = site.github.user("octo").token();
    let commit = site.project.commit("words", &[("words/one.txt", "plum\n")]);
    let (pushed, said) = push(&site, &token, "HEAD:refs/heads/one");
    assert!(pushed, "{said}");
    assert_eq!(site.project.head("one").unwrap(), commit);
    let (cloned, said) =
        git(&site, "", &["clone", "--quiet", "--branch", "one", &site.api.clone_url(), "copy"]);
    assert!(cloned, "{said}");
    let with_name = site.api.clone_url().replace("http://", &format!("http://x-access-token:{token}@"));
    let (fetched, said) = git(&site, "", &["fetch", &with_name, &commit]);
    assert!(fetched, "a commit can be fetched by its name: {said}");
    let by =
        site.github.requests().iter().find(|it| it.path.ends_with("git-receive-pack")).unwrap().by.clone();
    assert_eq!(by, "octo");
}

#[test]
fn a_large_push_arrives_in_pieces() {
    let site = Site::new();
    let token = site.github.user("octo").token();
    let noise: String =
        (0..400_000_u64).map(|at| format!("{:x}", at.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let commit = site.project.commit("noise", &[("noise.txt", &noise)]);
    let (pushed, said) = push(&site, &token, "HEAD:refs/heads/noise");
    assert!(pushed, "{said}");
    assert_eq!(site.project.head("noise").unwrap(), commit);
}

#[test]
fn who_may_not_write_may_not_push() {
    let site = Site::new();
    site.project.commit("words", &[("words/one.txt", "plum\n")]);
    let refused = |token: &str, words: &str| {
        let (pushed, said) = push(&site, token, "HEAD:refs/heads/one");
        assert!(!pushed && said.contains(words), "{said}");
    };
    refused("ghp_wrong", "could not read Username");
    refused("", "could not read Username");
    let reader = site.github.user("octo").fine_grained(&[("contents", Access::Read)]);
    refused(&reader, "Permission to acme/api.git denied to octo.");
    refused(&site.github.user("eve").token(), "Permission to acme/api.git denied to eve.");
    site.api.make_private();
    refused(&site.github.user("eve").token(), "Repository not found.");
    site.api.archive();
    refused(&site.github.user("octo").token(), "archived");
    assert_eq!(site.project.head("one"), None);
}

#[test]
fn a_protected_branch_takes_what_has_passed_and_nothing_else() {
    let site = Site::new();
    let token = site.github.user("octo").token();
    site.api.protect("main", Protection { required_checks: vec!["ci".into()], ..Default::default() });
    let commit = site.project.commit("words", &[("words/one.txt", "plum\n")]);
    let (pushed, said) = push(&site, &token, "HEAD:refs/heads/main");
    assert!(!pushed);
    for line in [
        "remote: error: GH006: Protected branch update failed for refs/heads/main.",
        "remote: - Required status check \"ci\" is expected.",
        "(protected branch hook declined)",
    ] {
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
    let (pushed, said) = push(&site, &token, "HEAD:refs/heads/one");
    assert!(pushed, "another branch is free: {said}");
    site.api.status(&commit, "ci", StatusState::Success);
    let (pushed, said) = push(&site, &token, "HEAD:refs/heads/main");
    assert!(pushed, "{said}");
    assert_eq!(site.project.head("main").unwrap(), commit);
}

#[test]
fn a_protected_branch_is_not_rewritten_deleted_or_pushed_by_others() {
    let site = Site::new();
    let token = site.github.user("octo").token();
    site.api.protect("main", Protection::default());
    let main = site.project.head("main").unwrap();
    site.project.git(&site.project.clone, ["commit", "--quiet", "--amend", "--message", "another past"]);
    let (pushed, said) = push(&site, &token, "+HEAD:refs/heads/main");
    assert!(!pushed && said.contains("Cannot force-push to this branch"), "{said}");
    let objects = site.project.git(&site.project.clone, ["rev-parse", "HEAD"]);
    let kept = site
        .world
        .command("git")
        .args(["cat-file", "-e", &objects])
        .current_dir(&site.project.origin)
        .output();
    assert!(!kept.unwrap().status.success(), "nothing of a refused push stays");
    let (pushed, said) = push(&site, &token, ":refs/heads/main");
    assert!(!pushed && said.contains("Cannot delete this branch"), "{said}");
    assert_eq!(site.project.head("main").unwrap(), main);

    let rules = Protection { restrict_pushes: Some(vec!["bob".into()]), ..Default::default() };
    site.api.protect("main", rules);
    site.project.git(&site.project.clone, ["reset", "--quiet", "--hard", "origin/main"]);
    site.project.commit("words", &[("words/one.txt", "plum\n")]);
    let (pushed, said) = push(&site, &token, "HEAD:refs/heads/main");
    assert!(!pushed && said.contains("You're not authorized to push to this branch."), "{said}");
    let (pushed, said) = push(&site, &site.github.user("bob").token(), "HEAD:refs/heads/main");
    assert!(pushed, "{said}");
}

#[test]
fn a_ruleset_refuses_in_its_own_words() {
    let site = Site::new();
    site.api.ruleset("main", Protection { approvals: 1, ..Default::default() });
    site.project.commit("words", &[("words/one.txt", "plum\n")]);
    let (pushed, said) = push(&site, &site.github.user("octo").token(), "HEAD:refs/heads/main");
    assert!(!pushed);
    for words in [
        "GH013: Repository rule violations found for refs/heads/main.",
        "/acme/api/rules?ref=refs%2Fheads%2Fmain",
        "Changes must be made through a pull request.",
        "push declined due to repository rule violations",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_pull_request_whose_head_is_pushed_to_the_base_is_merged() {
    let site = Site::new();
    let token = site.github.user("bob").token();
    let issue = site.api.issue("one").open();
    site.branch("one");
    let pull = site.pull_of("one", &json!({ "body": format!("Closes #{issue}") }));
    site.project.git(&site.project.clone, ["fetch", "--quiet", "origin"]);
    site.project.git(&site.project.clone, ["merge", "--quiet", "--no-ff", "-m", "by hand", "origin/one"]);
    let (pushed, said) = push(&site, &token, "HEAD:refs/heads/main");
    assert!(pushed, "{said}");
    let seen = site.api.pull(pull);
    assert_eq!((seen.merged, seen.merged_by.as_deref()), (true, Some("bob")));
    assert_eq!(seen.merge_commit, site.project.head("main"), "the merge that brought it there");
    assert!(!site.api.issue_state(issue).open);
}

#[test]
fn a_commit_on_the_default_branch_closes_what_it_names() {
    let site = Site::new();
    let [fixed, other] = ["fixed", "other"].map(|title| site.api.issue(title).open());
    site.project.commit(&format!("words\n\nFixes #{fixed}. See #{other}."), &[("words/one.txt", "plum\n")]);
    let token = site.github.user("octo").token();
    assert!(push(&site, &token, "HEAD:refs/heads/side").0);
    assert!(site.api.issue_state(fixed).open, "another branch closes nothing");
    assert!(push(&site, &token, "HEAD:refs/heads/main").0);
    assert!(!site.api.issue_state(fixed).open);
    assert!(site.api.issue_state(other).open);
}

#[test]
fn a_held_push_has_arrived_before_git_knows() {
    let site = Site::new();
    let token = site.github.user("octo").token();
    let commit = site.project.commit("words", &[("words/one.txt", "plum\n")]);
    let hold = Hold::new();
    site.github.fault(on("POST", "/acme/api.git/git-receive-pack").hold(&hold));
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| push(&site, &token, "HEAD:refs/heads/one"));
        hold.wait_reached();
        assert_eq!(site.project.head("one").unwrap(), commit);
        assert!(!pushing.is_finished());
        hold.release();
        assert!(pushing.join().unwrap().0);
    });
}

#[test]
fn a_push_by_two_at_once_is_won_by_one() {
    let site = Site::new();
    site.api.collaborator("cat", Permission::Write);
    let main = site.project.head("main").unwrap();
    site.project.commit("words", &[("words/one.txt", "plum\n")]);
    let lease = format!("--force-with-lease=refs/heads/main:{main}");
    let token = site.github.user("cat").token();
    assert!(git(&site, &token, &["push", &lease, &site.api.clone_url(), "HEAD:refs/heads/main"]).0);
    let (pushed, said) =
        git(&site, &token, &["push", &lease, &site.api.clone_url(), "HEAD^:refs/heads/main"]);
    assert!(!pushed && said.contains("stale info"), "{said}");
}
