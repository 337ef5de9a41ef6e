//! From an issue to a merged change, with each method, where the account may push and where it may not.

use coord_testkit::github::{Conclusion, Protection, Status};
use coord_testkit::model::{bash, say};

use super::OnGitHub;
use crate::fleet::text;

#[test]
fn an_issue_becomes_a_merged_pull_request() {
    let Some(world) = OnGitHub::with_claude() else { return };
    let before = world.api.fingerprint();
    let number = world.issue(
        "Add a word about the sea",
        [
            bash("env > seen.env; printf 'tide\\n' > words/sea.txt && git add words && git commit -qm 'Add the tide'; cat seen.env; rm seen.env"),
            say("done"),
        ],
    );
    let id = number.to_string();
    let run = world.assign(number);
    assert_eq!(world.said(number), ["briefing"]);
    assert_eq!(world.wait(&run)["outcome"]["kind"], "done");
    assert_eq!(world.said(number), ["briefing", "completion"]);
    let log = world.coord(["log", &run, "--raw"]).success().stdout;
    assert!(log.contains("COORD_RUN") && !log.contains("GITHUB_TOKEN"), "a worker gets no token of GitHub's");

    assert_eq!(world.document(&["test", &id])["data"]["gate"]["state"], "passed");
    let proposed = world.document(&["pr", &id])["data"]["pull_request"].clone();
    let pull = proposed["number"].as_u64().unwrap();
    assert!(text(&proposed["url"]).ends_with(&format!("acme/api/pull/{pull}")), "{proposed}");
    let shown = world.repo.pull(pull);
    assert!(
        shown.open && !shown.draft && shown.body.contains(&format!("Closes #{number}")),
        "{}",
        shown.body
    );
    assert!(shown.body.contains("`Add the tide`") && shown.body.contains("Passed on the merge result"));
    let statuses = world.repo.statuses(&shown.head_sha);
    assert!(statuses.iter().any(|it| it.context == "coord/tests" && it.state == "success"), "{statuses:?}");

    let merged = world.merge(&[], 0);
    assert_eq!(merged["merged"][0]["task"], format!("api#{number}"));
    assert_eq!(merged["merged"][0]["commit"], world.api.head("main").unwrap());
    assert!(world.repo.pull(pull).merged && !world.repo.issue_state(number).open);
    assert_eq!(world.api.file("main", "words/sea.txt").as_deref(), Some("tide\n"));
    let shown = world.document(&["task", "show", &id]);
    assert_eq!(shown["data"]["task"]["state"], "merged");
    assert_eq!(world.said(number), ["briefing", "completion"]);
    world.api.fingerprint().assert_same_as(&before);
    world.model.assert_drained();
}

#[test]
fn each_method_leaves_its_history_whether_or_not_the_account_may_push() {
    let Some(world) = OnGitHub::with_claude() else { return };
    // Whoever may only write cannot read what protects a branch, and says what it is instead.
    world.configure("    protection: {approvals: 0}\n");
    for (may_push, method) in [
        (true, "merge"),
        (true, "squash"),
        (true, "rebase"),
        (false, "merge"),
        (false, "squash"),
        (false, "rebase"),
    ] {
        let list = format!("{method}-{may_push}");
        let protection = Protection { approvals: u32::from(!may_push), ..Protection::default() };
        world.repo.protect("main", protection);
        let (number, pull) = world.proposed(&list, &list);
        // Somebody else lands something first, so nothing is a mere fast-forward.
        world.api.push_as("Ann", "main", "meanwhile", &[("notes.txt", &list)]);
        let base = world.api.head("main").unwrap();
        if !may_push {
            world.repo.review_as("ann", pull, coord_testkit::github::Review::Approve);
        }
        let merged = world.merge(&["--method", method, &number.to_string()], 0);
        assert_eq!(merged["merged"][0]["pull_request"], pull);
        let shown = world.repo.pull(pull);
        assert!(shown.merged && !world.repo.issue_state(number).open, "{method} {may_push}");
        let api = |format: &str| {
            world.api.git(&world.api.origin, ["log", "-1", &format!("--format={format}"), "main"])
        };
        let parents = api("%P");
        match method {
            "merge" => {
                assert!(parents.starts_with(&base) && parents.split(' ').count() == 2, "{parents}");
                assert!(
                    api("%s").starts_with(&format!("Merge pull request #{pull} from acme/issue-{number}-"))
                );
            }
            "squash" => {
                assert_eq!((parents, api("%s")), (base, format!("Add {list} (#{pull})")));
            }
            _ => assert_eq!((parents, api("%s")), (base, format!("Add {list}"))),
        }
        assert_eq!(shown.merged_by.as_deref(), Some("octo"), "{method} {may_push}");
    }
    world.model.assert_drained();
}

#[test]
fn a_base_that_takes_only_branches_which_contain_it_gets_one() {
    let Some(world) = OnGitHub::with_claude() else { return };
    let strict = Protection { required_checks: vec!["ci".to_owned()], strict: true, ..Protection::default() };
    world.repo.protect("main", strict);
    world.configure("    protection: {checks: [ci], strict: true}\n");
    let (number, pull) = world.proposed("sea", "tide");
    let first = world.repo.pull(pull).head_sha;
    world.repo.check_run(&first, "ci", Status::Completed(Conclusion::Success));
    world.api.push_as("Ann", "main", "meanwhile", &[("notes.txt", "hm\n")]);
    let id = number.to_string();
    let parked = world.merge(&[&id], 5);
    assert!(text(&parked["parked"][0]["reason"]).contains("brought up to date"), "{parked:#}");
    let second = world.repo.pull(pull).head_sha;
    assert_ne!(second, first);
    world.api.git(&world.api.origin, ["merge-base", "--is-ancestor", "main", &second]);
    // The check has not looked at the new head.
    let parked = world.merge(&[&id], 5);
    assert!(text(&parked["parked"][0]["reason"]).contains("`ci` has not been reported"), "{parked:#}");
    world.repo.check_run(&second, "ci", Status::Completed(Conclusion::Success));
    assert_eq!(world.merge(&[&id], 0)["merged"][0]["pull_request"], pull);
    assert!(world.repo.pull(pull).merged);
    world.model.assert_drained();
}
