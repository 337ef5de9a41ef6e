//! What is gone when it is needed: a change's branch on origin, origin itself.

use coord_testkit::poll;

use crate::change::{merge, why};
use crate::refusals::{script, scripted};

const COMMIT: &str = "git add -A && git commit -qm work";

#[test]
fn a_branch_that_somebody_removed_is_said_and_made_anew_by_the_next_run() {
    let fleet = scripted();
    let number = script(&fleet, &format!("date +%N >> words/sea.txt; {COMMIT}")).parse().unwrap();
    assert_eq!(fleet.work(number), "done");
    fleet.propose(number);
    let branch = format!("issue-{number}-a-task");
    fleet.api.git(&fleet.api.origin, ["branch", "--quiet", "-D", &branch]);
    let parked = merge(&fleet, &[], 5)["parked"].to_string();
    assert!(parked.contains(&format!("origin has no branch `{branch}` any more")), "{parked}");
    assert_eq!(fleet.work(number), "done");
    let commits = fleet.api.log(&branch);
    assert_eq!(commits.iter().filter(|it| *it == "work").count(), 2, "{commits:?}");
}

#[test]
fn an_origin_that_is_away_holds_up_the_end_of_its_own_run_and_nothing_else() {
    let fleet = scripted();
    let number = script(&fleet, &format!("echo tide > words/sea.txt; {COMMIT}")).parse().unwrap();
    let run = fleet.assign(number);
    let exit = fleet.coord_home().join(format!("runs/{run}/exit.json"));
    poll::wait_for("the end of the run on its machine", poll::PATIENCE, || {
        exit.exists().then_some(()).ok_or_else(|| "it goes on".to_owned())
    });
    let away = fleet.dir().join("away.git");
    fs_err::rename(&fleet.api.origin, &away).unwrap();
    let status = fleet.coord(["--json", "status"]).success().json();
    assert_ne!(status["data"]["runs"][0]["state"], "ended", "{status:#}");
    let because = why(&fleet, number)["because"].to_string();
    assert!(because.contains("does not appear to be a git repository"), "{because}");
    fs_err::rename(&away, &fleet.api.origin).unwrap();
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "done");
}
