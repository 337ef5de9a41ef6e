//! GitHub's limits: they pause coord visibly, survive a restart, and whatever they cut short goes on afterwards.

use std::time::Duration;

use coord_testkit::github::on;
use coord_testkit::poll;
use coord_testkit::world::Finished;

use super::OnGitHub;
use crate::fleet::text;

impl OnGitHub {
    /// Gives a command that meets the limit: it says until when, and nothing is sent meanwhile. Then the limit is
    /// over, and the same command succeeds.
    #[track_caller]
    fn limited_in(&self, (method, path): (&str, &str), arguments: &[&str]) -> Finished {
        self.github.fault(on(method, path).secondary_limit(2));
        let cut_short = self.coord(arguments.iter().copied());
        assert!([0, 5].contains(&cut_short.status.code().unwrap()), "{}", cut_short.stderr);
        let told = format!("{}\n{}", cut_short.stdout, cut_short.stderr);
        assert!(told.contains("secondary"), "{told}");
        let before = self.github.requests().len();
        let status = self.document(&["status"])["data"]["github"].clone();
        assert_eq!(status["state"], "paused", "{status}");
        assert_eq!(self.github.requests().len(), before, "nothing is sent while it is paused");
        poll::wait_for("the end of the pause", poll::PATIENCE, || {
            let status = self.document(&["status"])["data"]["github"].clone();
            if status["state"] == "ok" { Ok(()) } else { Err(status.to_string()) }
        });
        self.coord(arguments.iter().copied()).success()
    }
}

#[test]
fn a_limit_in_the_middle_of_each_step_is_waited_out_and_the_step_goes_on() {
    let world = OnGitHub::with_scripts();
    let number =
        world.scripted("Add a word", "echo tide > words/sea.txt && git add -A && git commit -qm sea");
    let id = number.to_string();
    world.limited_in(("GET", "/repos/acme/api/issues/*"), &["assign", "auto", "api", &id, "--watch"]);
    world.limited_in(("GET", "/repos/acme/api/issues"), &["notify"]);
    assert_eq!(world.said(number), ["briefing", "completion"]);
    world.limited_in(("POST", "/repos/acme/api/pulls"), &["pr", &id]);
    world.limited_in(("POST", "/repos/acme/api/statuses/*"), &["test", &id]);
    world.limited_in(("GET", "/repos/acme/api/commits/*/check-runs"), &["merge", &id]);
    let pull = number + 1;
    assert!(world.repo.pull(pull).merged && !world.repo.issue_state(number).open);
    assert_eq!(world.said(number), ["briefing", "completion"]);
    let status = world.repo.statuses(&world.repo.pull(pull).head_sha);
    assert!(status.iter().any(|it| it.context == "coord/tests"), "{status:?}");
}

#[test]
fn a_spent_hour_pauses_until_it_is_over_and_is_shown() {
    let world = OnGitHub::with_scripts();
    let number = world.scripted("Add a word", "true");
    world.github.user("octo").rate_limit(0, Duration::from_secs(1800));
    let refused = world.coord(["assign", "auto", "api", &number.to_string()]).exits(5);
    assert!(refused.stderr.contains("primary"), "{}", refused.stderr);
    let before = world.github.requests().len();
    let status = world.document(&["status"])["data"]["github"].clone();
    assert_eq!(status["state"], "paused");
    assert!(text(&status["reason"]).contains("primary"), "{status}");
    assert_eq!(status["remaining"], 0);
    let shown = world.coord(["status"]).success().stdout;
    assert!(shown.contains("paused") && shown.contains("0 of 5000 requests left"), "{shown}");
    world.coord(["assign", "auto", "api", &number.to_string()]).exits(5);
    assert_eq!(world.github.requests().len(), before);
}

#[test]
fn the_budget_of_writes_is_shown() {
    let world = OnGitHub::with_scripts();
    let number = world.listed("sea", "tide");
    let status = world.document(&["status"])["data"]["github"].clone();
    assert_eq!((status["writes_in_minute"].as_u64(), status["writes_in_hour"].as_u64()), (Some(2), Some(2)));
    assert_eq!(status["limit"], 5000);
    assert_eq!(world.said(number).len(), 2);
}
