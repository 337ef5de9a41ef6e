//! What git says at the end of a run, what is rescued and what goes to origin.

use coord_core::outcome::{Outcome, WorkerExit};

use crate::fixture::{Place, Run, notes};

const COMMIT: &str = "echo x > new.txt; git add new.txt; git commit -qm new";

fn run_ref(run: &Run<'_>) -> String {
    format!("refs/coord/runs/{}", run.order.spec.run)
}

#[test]
fn commits_go_to_the_runs_own_ref_and_nowhere_else() {
    let place = Place::new();
    let before = place.repo.refs();
    let run = place.command(1, COMMIT);
    let (end, _) = run.end();
    assert_eq!(end.outcome, Outcome::Done);
    assert_eq!((end.git.ahead, end.git.added, end.git.pushed), (Some(1), Some(1), Some(true)));
    let mut after = place.repo.refs();
    let pushed = after.remove(&run_ref(&run)).unwrap();
    assert_eq!(pushed, end.git.head.unwrap().as_str());
    assert_eq!(after, before);
}

#[test]
fn nothing_committed_is_no_change_and_nothing_is_pushed() {
    let place = Place::new();
    let run = place.command(1, "echo thought about it");
    let (end, _) = run.end();
    assert_eq!(end.outcome, Outcome::NoChange);
    assert_eq!((end.git.ahead, end.git.pushed), (Some(0), None));
    assert!(!place.repo.refs().contains_key(&run_ref(&run)));
}

#[test]
fn what_is_not_committed_is_rescued_and_said() {
    let place = Place::new();
    let run = place.command(1, &format!("{COMMIT}; echo more >> README.md; echo y > untracked.txt"));
    let (end, events) = run.end();
    assert_eq!(end.outcome, Outcome::Dirty);
    let rescue = end.rescue.unwrap();
    assert_eq!((rescue.files, rescue.stashes), (2, 0));
    assert!(notes(&events).contains(&rescue.reference));
    let kept = place.store().read_ref(&rescue.reference).unwrap();
    assert_eq!(kept, Some(rescue.commit));
    assert_eq!(end.git.pushed, Some(true), "what was committed is on origin all the same");
}

#[test]
fn work_of_a_failed_run_is_pushed_and_that_of_a_cancelled_one_is_kept_here() {
    let place = Place::new();
    let failed = place.command(1, &format!("{COMMIT}; exit 7"));
    let (end, _) = failed.end();
    assert_eq!((end.exit, end.outcome.as_str()), (Some(WorkerExit::Code(7)), "crashed"));
    assert!(place.repo.refs().contains_key(&run_ref(&failed)));

    let stopped = place.command(2, &format!("{COMMIT}; echo ready; sleep 1000"));
    let shim = stopped.start();
    stopped.wait_for_output("ready");
    stopped.stop();
    let (end, _) = stopped.ended(shim);
    assert_eq!((end.outcome, end.git.added, end.git.pushed), (Outcome::STOPPED, Some(1), None));
    assert!(!place.repo.refs().contains_key(&run_ref(&stopped)));
    let head = end.git.head.unwrap();
    let holding = ["for-each-ref", "--contains", head.as_str(), "refs/coord"];
    assert!(!place.repo.git(place.store().path(), holding).is_empty(), "a ref of the store has it");
}

#[test]
fn a_push_that_origin_refuses_says_why() {
    let place = Place::new();
    let hook = place.repo.origin.join("hooks/pre-receive");
    fs_err::write(&hook, "#!/bin/sh\necho closed for repairs >&2\nexit 1\n").unwrap();
    crate::runtimes::executable(&hook);
    let run = place.command(1, COMMIT);
    let (end, events) = run.end();
    let Outcome::PushFailed { reason } = &end.outcome else { panic!("{:?}", end.outcome) };
    assert!(!reason.is_empty() && notes(&events).contains(reason.as_str()));
    assert_eq!(end.git.pushed, Some(false));
}

#[test]
fn an_origin_that_is_gone_leaves_it_unknown_whether_it_has_the_work() {
    let place = Place::new();
    let run = place.command(1, &format!("{COMMIT}; mv '{0}' '{0}.away'", place.repo.origin));
    let (end, _) = run.end();
    assert_eq!((end.outcome.as_str(), end.git.pushed), ("push-failed", None));
}

#[test]
fn a_worktree_that_cannot_be_read_is_not_called_clean() {
    let place = Place::new();
    let run = place.command(1, "echo elsewhere > .git");
    let (end, events) = run.end();
    assert_eq!(end.outcome.as_str(), "lost");
    assert_eq!((end.git.dirty, end.git.ahead), (None, None));
    assert!(notes(&events).contains(run.order.worktree.as_str()), "{}", notes(&events));
}

#[test]
fn a_setup_runs_first_and_its_failure_is_its_own() {
    let place = Place::new();
    let mut run = place.command(1, "cat ignored/ready");
    run.order.spec.setup =
        Some("mkdir ignored; echo '*' > ignored/.gitignore; echo set > ignored/ready".to_owned());
    let (end, _) = run.end();
    assert_eq!((end.outcome, end.exit), (Outcome::NoChange, Some(WorkerExit::Code(0))));

    let mut failing = place.command(2, "echo never");
    failing.order.spec.setup = Some("echo oh dear >&2; exit 4".to_owned());
    let (end, events) = failing.end();
    assert_eq!(end.exit, None);
    let Outcome::SetupFailed { step, reason } = end.outcome else { panic!("{:?}", end.outcome) };
    assert!(step == "setup" && reason.contains("exit status 4"));
    assert_eq!(crate::fixture::raw_lines(&events), [b"oh dear"]);

    let mut dirty = place.command(3, "echo never");
    dirty.order.spec.setup = Some("echo x > generated.txt".to_owned());
    let (end, _) = dirty.end();
    let Outcome::SetupFailed { reason, .. } = end.outcome else { panic!("{:?}", end.outcome) };
    assert!(reason.contains("generated.txt"), "{reason}");
}
