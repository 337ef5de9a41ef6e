//! Who else is at an issue: what others have begun is left alone, unless a person takes it and says why.

use coord_testkit::github::on;

use super::OnGitHub;
use crate::cures::take;
use crate::fleet::text;

#[test]
fn what_others_have_begun_is_left_alone_until_a_person_takes_it() {
    let world = OnGitHub::with_scripts();
    let begun = |number: u64, branch: &str| {
        world.api.push_as("Bob", branch, "begin", &[("bob.txt", &number.to_string())]);
    };
    let cases: [(&dyn Fn(u64), &str); 4] = [
        (&|number| begun(number, &format!("issue-{number}-my-way")), "-my-way` on origin has 1 commit"),
        (
            &|number| {
                begun(number, "bobs");
                let body = format!("It was easy.\n\nFixes: #{number}.");
                let pull = world.repo.open_pull_as("ann", "bobs", "main", "Easy");
                world.repo.edit_issue(pull, "Easy", &body);
            },
            "by ann is open for it",
        ),
        (
            &|number| {
                let branch = format!("issue-{number}");
                begun(number, &branch);
                world.repo.open_pull_as("ann", &branch, "main", "By its name");
            },
            "by ann is open for it",
        ),
        (&|number| world.repo.assign(number, "ann"), "ann is assigned to it"),
    ];
    for (claim, says) in cases {
        let number = world.simple("Do it");
        claim(number);
        let cures = world.not_given_out(number, says);
        let [cure] = cures.as_slice() else { panic!("{says}: {cures:?}") };
        take(&world, cure).unwrap().success();
        let events = world.events(number);
        let noted = |it: &&String| it.starts_with("given out although ") && it.ends_with(": why you take it");
        let noted: Vec<_> = events.iter().filter(noted).collect();
        assert!(noted.len() == 1 && noted[0].contains(says), "{events:?}");
        assert_eq!(world.wait(&format!("api#{number}"))["outcome"]["kind"], "done");
    }
}

#[test]
fn every_claim_on_an_issue_is_told_at_once() {
    let world = OnGitHub::with_scripts();
    let number = world.simple("Do it");
    for branch in [format!("issue-{number}-a"), format!("issue-{number}-b"), format!("issue-{number}0-c")] {
        world.api.push_as("Bob", &branch, "begin", &[("bob.txt", &branch)]);
    }
    world.repo.assign(number, "ann");
    world.not_given_out(number, "ann is assigned to it");
    let blockers = world.blockers(number);
    assert_eq!(blockers.len(), 3, "the branch of another issue is no claim to this one: {blockers:?}");
}

#[test]
fn what_is_merged_ours_or_elsewhere_is_no_claim() {
    let world = OnGitHub::with_scripts();
    let number = world.simple("Do it");
    world.repo.assign(number, "octo");
    let merged = format!("issue-{number}-before");
    world.api.git(&world.api.origin, ["branch", &merged, "main"]);
    world.api.push_as("Bob", "elsewhere", "begin", &[("bob.txt", "")]);
    let pull = world.repo.open_pull_as("ann", "elsewhere", "main", "About it");
    world.repo.edit_issue(pull, "About it", &format!("See #{number}, and closes #{number}0"));
    assert_eq!(world.blockers(number), [""; 0]);
    assert_eq!(world.work(number), "done");
    // The branch that this made, and the pull request of it, are the change: the next attempt goes on there.
    let id = number.to_string();
    let branch = text(&world.document(&["why", &id])["data"]["runs"][0]["branch"]);
    world.coord(["pr", &id]).success();
    let first = world.api.head(&branch);
    assert_eq!(world.work(number), "done");
    let runs = world.document(&["why", &id])["data"]["runs"].clone();
    assert_eq!((&runs[1]["attempt"], text(&runs[1]["branch"])), (&2.into(), branch.clone()));
    assert_ne!(world.api.head(&branch), first);
    assert_eq!(world.api.log(&branch), ["Do it", "Do it", "the project"]);
    world.repo.assign(number, "ann");
    world.coord(["assign", "auto", "api", &id]).exits(5);
}

#[test]
fn where_nobody_can_look_the_issue_is_not_given_out() {
    let world = OnGitHub::with_scripts();
    let number = world.simple("Do it");
    world.github.fault(on("GET", "/repos/acme/api/git/matching-refs/**").always().status(502));
    let says = "it could not be found out whether somebody else is at it";
    let cures = world.not_given_out(number, says);
    let [cure] = cures.as_slice() else { panic!("{cures:?}") };
    take(&world, cure).unwrap().success();
    let events = world.events(number);
    assert!(events.iter().any(|it| it.contains(says) && it.contains("502")), "{events:?}");
}
