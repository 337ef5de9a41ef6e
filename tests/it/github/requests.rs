//! How much is asked of GitHub: on the way from an issue to its merge, and by whoever only looks on.
//!
//! Git fetches and pushes over HTTP as well. Those are no requests to the API, and no limit of the API counts them.

use std::collections::BTreeMap;
use std::time::Duration;

use coord_testkit::github::{Conclusion, Protection, Recorded, Review, Status};
use serde_json::{Value, json};

use super::OnGitHub;

/// The most requests that a story from an issue to its merge may take.
const STORY: usize = 30;
/// The most requests that may be counted against GitHub's limit in an hour of looking on.
const HOUR: usize = 20;
/// How often somebody looks.
const BETWEEN: Duration = Duration::from_secs(10);
/// How many looks there are in an hour.
const LOOKS: usize = 360;
/// Within so many looks, a minute, what others did is seen.
const MINUTE: usize = 6;

impl OnGitHub {
    /// The requests to the API since there were so many of all kinds.
    fn asked_since(&self, before: usize) -> Vec<Recorded> {
        let mut requests = self.github.requests().split_off(before);
        requests.retain(|it| !it.path.contains(".git/"));
        requests
    }

    /// Asks for a check and an approval before anything reaches the default branch.
    fn ask_for_check_and_approval(&self) {
        let ci = Protection { required_checks: vec!["ci".to_owned()], approvals: 1, ..Protection::default() };
        self.repo.protect("main", ci);
        // Whoever may only write cannot read what protects a branch, and says what it is instead.
        self.configure("    protection: {checks: [ci], approvals: 1}\n");
    }

    fn give_check_and_approval(&self, pull: u64) {
        let head = self.repo.pull(pull).head_sha;
        self.repo.check_run(&head, "ci", Status::Completed(Conclusion::Success));
        self.repo.review_as("ann", pull, Review::Approve);
    }

    /// What there is of a repo to look at: its branch protected, a pull request with a check and a review, and an
    /// issue beside it. The issue of the change, the pull request and the other issue.
    fn in_progress(&self) -> (u64, u64, u64) {
        self.ask_for_check_and_approval();
        let (number, pull) = self.open("sea", "tide");
        let another = self.scripted("Add another", "true");
        self.give_check_and_approval(pull);
        (number, pull, another)
    }

    /// Looks every ten seconds for a minute, until `seen` finds in `coord status` what others did.
    #[track_caller]
    fn within_a_minute(&self, what: &str, seen: impl Fn(&Value) -> bool) {
        let mut status = Value::Null;
        for _ in 0..MINUTE {
            self.later(BETWEEN);
            status = self.document(&["status"])["data"].clone();
            if seen(&status) {
                return;
            }
        }
        panic!("a minute later it is not seen that {what}: {status:#}");
    }
}

/// Requests by kind, for a failure: how often each was made and what it was answered with.
fn by_kind(requests: &[Recorded]) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for it in requests {
        let status = it.status.map_or("none".to_owned(), |it| it.to_string());
        *kinds.entry(format!("{} {} → {status}", it.method, it.path)).or_default() += 1;
    }
    let lines = kinds.into_iter().map(|(kind, count)| format!("{count:>4} × {kind}\n"));
    lines.collect()
}

#[test]
fn a_story_from_an_issue_to_its_merge_takes_thirty_requests_at_most() {
    for rules in [false, true] {
        let world = OnGitHub::with_scripts();
        if rules {
            world.ask_for_check_and_approval();
        }
        let lines = "printf 'tide\\n' > words/sea.txt && git add -A && git commit -qm 'Add the tide'";
        let id = world.scripted("Add a word about the sea", lines).to_string();
        world.coord(["assign", "auto", "api", &id, "--watch"]).success();
        world.coord(["test", &id]).success();
        let proposed = world.document(&["pr", &id]);
        let pull = proposed["data"]["pull_request"]["number"].as_u64().unwrap();
        if rules {
            world.give_check_and_approval(pull);
        }
        world.merge(&[], 0);
        assert!(world.repo.pull(pull).merged);
        let asked = world.asked_since(0);
        assert!(asked.len() <= STORY, "with rules: {rules}, {} requests:\n{}", asked.len(), by_kind(&asked));
    }
}

#[test]
fn an_idle_hour_of_looking_on_counts_twenty_requests_at_most() {
    let world = OnGitHub::with_scripts();
    let _shown = world.in_progress();
    // What was read before the last write of ours is asked for once more.
    world.a_minute_later();
    let before = world.github.requests().len();
    for _ in 0..LOOKS {
        world.coord(["status"]).success();
        world.later(BETWEEN);
    }
    let asked = world.asked_since(before);
    let counted = asked.iter().filter(|it| it.counted).count();
    assert!(counted <= HOUR, "{counted} counted of {}:\n{}", asked.len(), by_kind(&asked));
}

#[test]
fn what_others_do_is_seen_within_a_minute_of_looking_on() {
    let world = OnGitHub::with_scripts();
    let (number, pull, another) = world.in_progress();
    world.a_minute_later();
    let status = world.document(&["status"])["data"].clone();
    assert_eq!(status["waiting"][0]["task"], format!("api#{another}"));
    let held = |status: &Value, why: &str| status["queue"][0]["holds"].to_string().contains(why);
    assert!(!held(&status, "checks:") && !held(&status, "approval:"), "{status:#}");

    let head = world.repo.pull(pull).head_sha;
    world.repo.check_run(&head, "ci", Status::Completed(Conclusion::Failure));
    world.within_a_minute("a check is red", |it| held(it, "check `ci`: failure"));
    world.repo.review_as("ann", pull, Review::RequestChanges);
    world.within_a_minute("somebody asks for changes", |it| held(it, "ann asked for changes"));
    world.repo.close_issue(another);
    world.within_a_minute("an issue is closed", |it| it["waiting"] == json!([]));
    let shown = world.document(&["task", "show", &another.to_string()]);
    assert_eq!(shown["data"]["task"]["state"], "closed");
    world.repo.close_issue(pull);
    world.within_a_minute("the pull request is closed", |it| it["queue"] == json!([]));
    assert!(world.because(number).contains("no pull request is open"));
}

#[test]
fn what_is_known_is_shown_without_a_way_to_github() {
    let mut world = OnGitHub::with_scripts();
    let _shown = world.in_progress();
    world.a_minute_later();
    let before = world.document(&["status"])["data"].clone();
    // No connection can be made ready without certificates.
    world.set("SSL_CERT_FILE", "/nowhere");
    let status = world.document(&["status"])["data"].clone();
    assert_eq!((&status["queue"], &status["github"]), (&before["queue"], &before["github"]));
    world.a_minute_later();
    let status = world.document(&["status"])["data"].clone();
    assert_eq!(status["github"]["state"], "failing");
    assert!(status["github"]["reason"].to_string().contains("certificates"), "{status:#}");
}
