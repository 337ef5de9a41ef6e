//! Everything that GitHub may say no to, as whoever types a command meets it: what, why, what to do about it, and
//! nothing lost.

use coord_testkit::github::{Access, on};
use coord_testkit::poll;

use super::OnGitHub;
use crate::cures::take;
use crate::fleet::text;
use crate::refusals::{cures, refused};

const ISSUE: &str = "/repos/acme/api/issues/*";

impl OnGitHub {
    /// A command is refused, to people and to programs; each cure that is printed is a step out.
    #[track_caller]
    fn in_vain(&self, arguments: &[&str], code: i32, kind: &str, says: &str) {
        let hints = refused(self, arguments, code, kind, says);
        let cures = cures(&hints);
        assert!(!cures.is_empty(), "{arguments:?}: {hints:?}");
        for cure in cures {
            let taken = take(self, &cure).unwrap();
            let found = cure == "coord doctor" && taken.stdout.contains('→');
            assert!(taken.status.success() || found, "{cure}: {taken:#?}");
        }
    }

    /// Nothing came of a task: no run, and no word on its issue.
    #[track_caller]
    fn untouched(&self, number: u64) {
        let shown = self.coord(["--json", "why", &format!("api#{number}")]).json();
        assert!(shown["ok"] == false || shown["data"]["runs"] == serde_json::json!([]), "{shown:#}");
        assert_eq!(self.said(number), [""; 0]);
    }
}

#[test]
fn a_token_that_was_taken_back_is_said_and_another_one_goes_on() {
    let mut world = OnGitHub::with_scripts();
    let (number, octo) = (world.simple("Do it"), world.github.user("octo"));
    let token = octo.token();
    world.set("GITHUB_TOKEN", &token);
    assert_eq!(world.document(&["task", "list"])["data"]["tasks"].as_array().unwrap().len(), 1);
    octo.revoke(&token);
    let id = number.to_string();
    let says = "GitHub does not accept the credential for `GET /repos/acme/api/issues/1`: Bad credentials";
    world.in_vain(&["assign", "auto", "api", &id], 7, "unauthorised", says);
    world.untouched(number);
    world.a_minute_later();
    let listed = world.coord(["task", "list"]).success();
    assert!(listed.stdout.contains("Do it") && listed.stderr.contains("as of the last look"), "{listed:?}");
    let status = world.document(&["status"])["data"]["github"].clone();
    assert!(status["state"] == "failing" && text(&status["reason"]).contains("Bad credentials"), "{status}");
    world.set("GITHUB_TOKEN", octo.token());
    assert_eq!(world.work(number), "done");
}

#[test]
fn without_a_credential_nothing_is_done_and_every_place_is_named() {
    let mut world = OnGitHub::with_scripts();
    let number = world.simple("Do it");
    let token = world.github.user("octo").token();
    world.set("GITHUB_TOKEN", "");
    let id = number.to_string();
    let says = "repo `api` is on GitHub, and there is no credential for it: ";
    world.in_vain(&["assign", "auto", "api", &id], 7, "unauthorised", says);
    world.in_vain(&["task", "add", "api", "Another"], 7, "unauthorised", "GITHUB_TOKEN is not set");
    assert_eq!(world.repo.issue_count(), 1);
    world.coord(["status"]).success();
    world.set("GITHUB_TOKEN", token);
    assert_eq!(world.work(number), "done");
}

#[test]
fn a_token_that_may_not_write_issues_lets_work_go_on_and_says_what_it_needs() {
    let mut world = OnGitHub::with_scripts();
    let (number, octo) = (world.simple("Do it"), world.github.user("octo"));
    let reads = ["issues", "pull_requests", "checks", "statuses"].map(|it| (it, Access::Read));
    let token = octo.fine_grained(&[reads.as_slice(), &[("contents", Access::Write)]].concat());
    world.set("GITHUB_TOKEN", token);
    let id = number.to_string();
    let assigned = world.coord(["assign", "auto", "api", &id]).success();
    let told = "GitHub forbids `POST /repos/acme/api/issues/1/comments`: Resource not accessible by personal access token (needs issues=write";
    assert!(assigned.stderr.contains(told), "{}", assigned.stderr);
    assert_eq!(world.wait(&id)["outcome"]["kind"], "done");
    assert_eq!(world.said(number), [""; 0]);
    let needs = "(needs pull_requests=write)";
    world.in_vain(&["pr", &id], 7, "unauthorised", needs);
    world.in_vain(&["notify"], 7, "unauthorised", "Resource not accessible");
    assert_eq!(world.repo.pulls(), [0; 0]);
    world.set("GITHUB_TOKEN", octo.token());
    world.coord(["notify"]).success();
    assert_eq!(world.said(number), ["briefing", "completion"]);
    world.coord(["pr", &id]).success();
    world.merge(&[&id], 0);
}

#[test]
fn what_may_not_be_seen_is_not_told_from_what_is_not_there() {
    let mut world = OnGitHub::with_scripts();
    let (number, octo) = (world.simple("Do it"), world.github.user("octo"));
    world.repo.make_private();
    let assign = ["assign", "auto", "api", &number.to_string()];
    let says = "GitHub has nothing at `GET /repos/acme/api/issues/1`, or the credential has no access to it";
    for token in [octo.token_with(&["public_repo"]), world.github.user("eve").token()] {
        world.set("GITHUB_TOKEN", token);
        world.in_vain(&assign, 4, "not-found", says);
    }
    world.set("GITHUB_TOKEN", octo.token());
    world.untouched(number);
    world.in_vain(&["assign", "auto", "api", "77"], 4, "not-found", "issues/77`, or the credential has no");
    assert_eq!(world.work(number), "done");
}

#[test]
fn what_has_gone_away_is_said_to_be_gone() {
    let world = OnGitHub::with_scripts();
    let [deleted, moved, number] = ["Delete me", "Move me", "Do it"].map(|it| world.simple(it));
    world.document(&["task", "list"]);
    let other = world.github.repo("acme/other", &world.repo("other").origin);
    world.repo.delete_issue(deleted);
    let there = world.repo.transfer_issue(moved, &other);
    let [of_deleted, of_moved] = [deleted, moved].map(|it| it.to_string());
    world.in_vain(&["assign", "auto", "api", &of_deleted], 4, "not-found", "is gone: This issue was deleted");
    let says = format!("issue #{moved} was transferred and is acme/other#{there} now");
    world.in_vain(&["assign", "auto", "api", &of_moved], 4, "not-found", &says);
    world.a_minute_later();
    let listed = world.document(&["task", "list"])["data"]["tasks"].clone();
    assert!(listed.as_array().unwrap().len() == 1 && listed[0]["number"] == number, "{listed:#}");
    assert!(world.because(moved).contains(&says), "{}", world.because(moved));
    assert!(world.because(deleted).contains("is gone"), "{}", world.because(deleted));
    world.repo.disable_issues();
    let id = number.to_string();
    world.in_vain(&["assign", "auto", "api", &id], 4, "not-found", "Issues");
}

#[test]
fn a_renamed_repository_is_worked_on_as_before() {
    let world = OnGitHub::with_scripts();
    let number = world.simple("Do it");
    world.document(&["task", "list"]);
    world.repo.rename("acme/renamed");
    assert_eq!(world.work(number), "done");
    let id = number.to_string();
    world.coord(["pr", &id]).success();
    let added = world.document(&["task", "add", "api", "Another"])["data"]["task"]["number"].clone();
    world.coord(["task", "close", &added.to_string()]).success();
    world.merge(&[&id], 0);
    assert!(!world.repo.issue_state(number).open);
    assert_eq!(world.said(number), ["briefing", "completion"]);
    let doctor = world.coord(["doctor"]).stdout;
    assert!(doctor.contains("acme/api is called acme/renamed now"), "{doctor}");
}

#[test]
fn an_archived_repository_can_only_be_read() {
    let world = OnGitHub::with_scripts();
    let number = world.simple("Do it");
    world.repo.archive();
    let id = format!("api#{number}");
    world.coord(["task", "show", &id]).success();
    for arguments in [["task", "close", &id].as_slice(), &["task", "add", "api", "Another"]] {
        world.in_vain(arguments, 5, "refused", "is archived and can only be read");
    }
    assert!(world.repo.issue_state(number).open);
}

#[test]
fn what_is_refused_for_how_things_are_names_the_reason() {
    let world = OnGitHub::with_scripts();
    let (number, pull) = world.open("sea", "tide");
    let id = number.to_string();
    let eve = world.github.user("eve");
    let says = format!("pull request #{pull} of api#{number} is open, but nobody was asked for a review");
    let refused = world.coord(["pr", &id, "--reviewer", eve.login()]).exits(5);
    assert!(
        refused.stderr.contains(&says) && refused.stderr.contains("--reviewer LOGIN"),
        "{}",
        refused.stderr
    );
    for (status, says) in [(409, "conflicts with what is there"), (422, "as invalid")] {
        let other = world.simple("Another").to_string();
        world.document(&["task", "show", &format!("api#{other}")]);
        world.github.fault(on("PATCH", ISSUE).times(2).status(status));
        world.in_vain(&["task", "close", &other], 5, "refused", says);
        world.coord(["task", "close", &other]).success();
    }
    world.merge(&[&id], 0);
}

#[test]
fn an_answer_that_makes_no_sense_or_breaks_off_is_asked_for_again() {
    let world = OnGitHub::with_scripts();
    let number = world.simple("Do it");
    let id = number.to_string();
    let plan = ["assign", "auto", "api", &id, "--dry-run"];
    // Each read is tried three times.
    for fault in [on("GET", ISSUE).times(3).malformed(), on("GET", ISSUE).times(3).truncated()] {
        // What has not changed has no body that could be spoilt.
        world.repo.comment_as("ann", number, "Go on.");
        world.github.fault(fault);
        let failed = world.coord(plan).exits(6);
        assert!(failed.stderr.contains("`GET /repos/acme/api/issues/1`"), "{}", failed.stderr);
        assert!(failed.stderr.contains("hint: run the same command again"), "{}", failed.stderr);
        world.coord(plan).success();
    }
    world.repo.comment_as("ann", number, "Go on.");
    world.github.fault(on("GET", ISSUE).malformed());
    world.github.fault(on("POST", "/repos/acme/api/issues/*/comments").times(2).truncated());
    assert_eq!(world.work(number), "done");
    world.github.fault(on("POST", "/repos/acme/api/pulls").malformed());
    world.coord(["pr", &id]).success();
    assert_eq!(world.repo.pulls().len(), 1);
    world.coord(["notify"]).success();
    assert_eq!(world.said(number), ["briefing", "completion"]);
}

#[test]
fn github_is_left_alone_when_it_fails_and_what_is_known_is_shown() {
    let world = OnGitHub::with_scripts();
    let number = world.simple("Do it");
    world.document(&["task", "list"]);
    // What is known is too old to be shown without asking.
    world.a_minute_later();
    world.github.fault(on("GET", ISSUE).times(5).status(503));
    let assign = ["assign", "auto", "api", &number.to_string()];
    let failed = world.coord(assign).exits(6);
    assert!(
        failed.stderr.contains("GitHub failed at `GET /repos/acme/api/issues/1` with status 503"),
        "{failed:?}"
    );
    world.coord(assign).exits(6);
    let before = world.github.requests().len();
    world.in_vain(&assign, 6, "unreachable", "GitHub failed several times in a row and is left alone until");
    let listed = world.coord(["task", "list"]).success();
    assert!(listed.stdout.contains("Do it") && listed.stderr.contains("as of the last look"), "{listed:?}");
    let status = world.document(&["status"])["data"]["github"].clone();
    assert!(status["state"] == "failing" && text(&status["reason"]).contains("status 503"), "{status}");
    let api = |it: &&coord_testkit::github::Recorded| !it.path.starts_with("/acme/");
    assert_eq!(world.github.requests()[before..].iter().filter(api).count(), 0, "it is left alone");
    world.untouched(number);
    poll::wait_for("GitHub to be asked again", poll::PATIENCE, || {
        let tried = world.coord(assign);
        if tried.status.success() { Ok(()) } else { Err(tried.stderr) }
    });
    assert_eq!(world.wait(&number.to_string())["outcome"]["kind"], "done");
}

#[test]
fn a_number_that_is_a_pull_requests_is_no_task() {
    let world = OnGitHub::with_scripts();
    let (_, pull) = world.open("sea", "tide");
    let says = format!("#{pull} is a pull request and not an issue");
    world.in_vain(&["assign", "auto", "api", &pull.to_string()], 4, "not-found", &says);
    world.in_vain(&["task", "show", &format!("api#{pull}")], 4, "not-found", &says);
}
