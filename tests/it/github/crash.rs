//! A coordinator that is killed right after each of its writes, before it could write down that it had made it.
//!
//! The stand-in does what it is asked, and holds its answer back; then the process is killed, as a power cut would,
//! and the same command is given again. Everything must be there once.

use coord_testkit::github::{Protection, Review, on};
use coord_testkit::model::Hold;

use super::OnGitHub;

impl OnGitHub {
    /// Starts a command, kills it once the request has been done but not answered, and gives it again.
    #[track_caller]
    fn killed_after(&self, (method, path): (&str, &str), arguments: &[&str], code: i32) {
        let hold = Hold::new();
        self.github.fault(on(method, path).hold(&hold));
        let running = self.spawn(arguments.iter().copied());
        hold.wait_reached();
        running.kill();
        drop(running.wait());
        hold.release();
        self.coord(arguments.iter().copied()).exits(code);
    }

    fn merges_of(&self, subject: &str) -> usize {
        self.api.log("main").iter().filter(|it| it.contains(subject)).count()
    }
}

const COMMENTS: (&str, &str) = ("POST", "/repos/acme/api/issues/*/comments");

#[test]
fn every_comment_stands_once_although_its_writer_was_killed() {
    let world = OnGitHub::with_scripts();
    let number =
        world.scripted("Add a word", "echo tide > words/sea.txt && git add -A && git commit -qm sea");
    let id = number.to_string();
    let hold = Hold::new();
    world.github.fault(on(COMMENTS.0, COMMENTS.1).hold(&hold));
    let running = world.spawn(["assign", "auto", "api", &id]);
    hold.wait_reached();
    running.kill();
    drop(running.wait());
    hold.release();
    world.coord(["wait", &id, "--timeout", "120"]).success();
    // The wait has said the rest; the briefing was there, and nobody said it again.
    assert_eq!(world.said(number), ["briefing", "completion"]);
    world.coord(["notify"]).success();
    assert_eq!(world.said(number), ["briefing", "completion"]);
}

#[test]
fn a_completion_is_found_again_by_its_marker() {
    let world = OnGitHub::with_scripts();
    let number =
        world.scripted("Add a word", "echo tide > words/sea.txt && git add -A && git commit -qm sea");
    let run = world.assign(number);
    world.killed_after(COMMENTS, &["wait", &run, "--timeout", "120"], 0);
    for _ in 0..2 {
        world.coord(["notify"]).success();
    }
    assert_eq!(world.said(number), ["briefing", "completion"]);
}

#[test]
fn a_pull_request_is_opened_once_although_whoever_opened_it_was_killed() {
    let world = OnGitHub::with_scripts();
    let number = world.listed("sea", "tide");
    let id = number.to_string();
    world.killed_after(("POST", "/repos/acme/api/pulls"), &["pr", &id], 0);
    let proposed = world.document(&["pr", &id]);
    let pull = proposed["data"]["pull_request"]["number"].as_u64().unwrap();
    let opened = world
        .github
        .requests()
        .iter()
        .filter(|it| it.method == "POST" && it.path.ends_with("/pulls"))
        .count();
    assert_eq!((opened, pull), (1, number + 1));
    let events = world.document(&["why", &id])["data"]["events"].to_string();
    assert_eq!(events.matches(&format!("pull request #{pull} opened")).count(), 1, "{events}");
}

#[test]
fn a_merge_that_was_pushed_is_recorded_once_and_closes_what_it_has_to() {
    for method in ["merge", "squash", "rebase"] {
        let world = OnGitHub::with_scripts();
        let (number, pull) = world.open("sea", "tide");
        let id = number.to_string();
        world.coord(["test", &id]).success();
        world.api.push_as("Ann", "main", "meanwhile", &[("notes.txt", "hm\n")]);
        world.coord(["test", &id]).success();
        let merge = ["merge", "--method", method, &id];
        world.killed_after(("POST", "/acme/api.git/git-receive-pack"), &merge, 0);
        assert!(world.repo.pull(pull).merged && !world.repo.issue_state(number).open, "{method}");
        let subject = if method == "merge" { "Merge pull request" } else { "Add sea" };
        assert_eq!(world.merges_of(subject), 1, "{method}: {:?}", world.api.log("main"));
        let events = world.document(&["why", &id])["data"]["events"].to_string();
        assert_eq!(events.matches("merged by").count(), 1, "{events}");
        world.coord(["merge", &id]).success();
        assert_eq!(world.merges_of(subject), 1);
    }
}

#[test]
fn a_merge_that_github_made_is_recorded_once() {
    let world = OnGitHub::with_scripts();
    world.repo.protect("main", Protection { approvals: 1, ..Protection::default() });
    world.configure("    protection: {approvals: 1}\n");
    let (number, pull) = world.open("sea", "tide");
    let id = number.to_string();
    world.coord(["test", &id]).success();
    world.repo.review_as("ann", pull, Review::Approve);
    world.killed_after(("PUT", "/repos/acme/api/pulls/*/merge"), &["merge", "--method", "squash", &id], 0);
    assert!(world.repo.pull(pull).merged && !world.repo.issue_state(number).open);
    assert_eq!(world.merges_of("Add sea"), 1);
    let events = world.document(&["why", &id])["data"]["events"].to_string();
    assert_eq!((events.matches("merged by").count(), events.matches("incident").count()), (1, 0), "{events}");
}

#[test]
fn what_follows_a_merge_is_done_by_the_next_who_looks() {
    let world = OnGitHub::with_scripts();
    let (number, pull) = world.open("sea", "tide");
    let id = number.to_string();
    world.coord(["test", &id]).success();
    // GitHub is away from the moment of the push on: what landed is recorded all the same.
    let away = on("*", "/repos/acme/api/pulls/**").always().status(502);
    let hold = Hold::new();
    world.github.fault(on("POST", "/acme/api.git/git-receive-pack").hold(&hold));
    let running = world.spawn(["merge", &id]);
    hold.wait_reached();
    world.github.fault(away);
    world.github.fault(on("PATCH", "/repos/acme/api/issues/*").always().status(502));
    hold.release();
    let merged = running.wait().success();
    assert!(merged.stderr.contains("coord notify"), "{}", merged.stderr);
    let shown = world.document(&["task", "show", &id]);
    assert_eq!(shown["data"]["task"]["state"], "merged");
    world.github.mend();
    // A circuit that opened meanwhile closes with its time.
    coord_testkit::poll::wait_for("GitHub to be asked again", coord_testkit::poll::PATIENCE, || {
        let notified = world.coord(["notify"]);
        if notified.status.success() { Ok(()) } else { Err(notified.stderr) }
    });
    assert!(world.repo.pull(pull).merged && !world.repo.issue_state(number).open);
}
