use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::forge::{Protection, Pull, Rules};
use crate::gate::{Evidence, Source, Verdict};
use crate::pull::PullFacts;

fn sha(n: u8) -> String {
    format!("{n:040x}")
}

fn evidence(head: u8, base: u8, tree: u8, verdict: Verdict) -> Evidence {
    Evidence {
        head: sha(head).parse().unwrap(),
        base: sha(base).parse().unwrap(),
        tree: sha(tree).parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
        source: Source::Person("test".to_owned()),
        verdict,
    }
}

fn candidate(now: (u8, u8, Option<u8>), gates: Vec<(GateKind, Evidence)>) -> Candidate {
    let task: TaskRef = "api#1".parse().unwrap();
    let branch = crate::name::branch_for(1, "x");
    let base_branch: BranchName = "main".parse().unwrap();
    Candidate {
        change: Change {
            task: task.clone(),
            branch: branch.clone(),
            base_branch: base_branch.clone(),
            state: ChangeState::Published { head: sha(now.0).parse().unwrap() },
            fence: 1,
        },
        pull_request: Some(PullRequest {
            number: 2,
            task,
            branch,
            base_branch,
            title: String::new(),
            body: String::new(),
            state: PullRequestState::Open,
            url: None,
            opened_at: Timestamp::UNIX_EPOCH,
        }),
        gates: gates.into_iter().map(|(kind, evidence)| GateRecord { kind, evidence }).collect(),
        required: [GateKind::Tests].into(),
        working: None,
        testing: None,
        now: Some(MergeInput {
            head: sha(now.0).parse().unwrap(),
            base: sha(now.1).parse().unwrap(),
            tree: now.2.map(|it| sha(it).parse().unwrap()),
        }),
        missing: None,
        conflicts: Vec::new(),
        method: MergeMethod::Merge,
        closing: Vec::new(),
        on_forge: OnForge::Board,
        paused: None,
    }
}

#[test]
fn a_required_gate_without_evidence_holds_and_a_red_one_holds_even_when_not_required() {
    assert!(!verdict(&candidate((1, 2, Some(3)), vec![])).is_empty());
    let passed = (GateKind::Tests, evidence(1, 2, 3, Verdict::Passed));
    assert_eq!(verdict(&candidate((1, 2, Some(3)), vec![passed.clone()])), vec![]);
    let refused = (GateKind::Person, evidence(1, 9, 9, Verdict::Failed { reason: "ugly".to_owned() }));
    assert_eq!(verdict(&candidate((1, 2, Some(3)), vec![passed, refused])).len(), 1);
}

#[test]
fn an_unreadable_origin_holds() {
    let mut it = candidate((1, 2, Some(3)), vec![(GateKind::Tests, evidence(1, 2, 3, Verdict::Passed))]);
    it.now = None;
    assert_eq!(verdict(&it), vec![Hold::OriginUnknown]);
    it.missing = Some(it.change.branch.clone());
    assert_eq!(verdict(&it), vec![Hold::Missing(it.change.branch)]);
}

#[test]
fn messages_that_close_other_issues_hold_where_they_are_kept() {
    let passed = (GateKind::Tests, evidence(1, 2, 3, Verdict::Passed));
    let mut it = candidate((1, 2, Some(3)), vec![passed]);
    let closes = crate::closing::closed_by("Fixes #1").remove(0);
    it.closing = vec![ClosingCommit { commit: sha(1).parse().unwrap(), closes }];
    for (method, held) in [(MergeMethod::Merge, 1), (MergeMethod::Rebase, 1), (MergeMethod::Squash, 0)] {
        it.method = method;
        assert_eq!(verdict(&it).len(), held, "{method:?}");
    }
}

/// One that may merge.
fn ready() -> Candidate {
    candidate((1, 2, Some(3)), vec![(GateKind::Tests, evidence(1, 2, 3, Verdict::Passed))])
}

fn seen(head: u8, draft: bool) -> OnForge {
    let pull = Pull {
        number: 2,
        state: PullRequestState::Open,
        draft,
        title: String::new(),
        body: String::new(),
        author: "ann".to_owned(),
        branch: "issue-1-x".parse().unwrap(),
        same_repo: true,
        head: sha(head).parse().unwrap(),
        base_branch: "main".parse().unwrap(),
        mergeable: None,
        url: String::new(),
    };
    OnForge::Seen(Box::new(PullFacts {
        pull,
        checks: Vec::new(),
        reviews: Vec::new(),
        protection: Protection::Known(Rules { checks: ["ci".to_owned()].into(), ..Rules::default() }),
        may_skip: BTreeSet::new(),
        same_patch: BTreeSet::new(),
    }))
}

#[test]
fn each_thing_that_stands_in_the_way_holds_by_itself() {
    assert_eq!(verdict(&ready()), []);
    let run = RunId::from_random(1);
    let merged = ChangeState::Merged { head: sha(1).parse().unwrap(), commit: sha(4).parse().unwrap() };
    let with = |change: &dyn Fn(&mut Candidate)| {
        let mut it = ready();
        change(&mut it);
        verdict(&it)
    };
    assert_eq!(with(&|it| it.change.state = merged.clone()), [Hold::AlreadyMerged]);
    assert_eq!(with(&|it| it.change.state = ChangeState::Empty), [Hold::NoHead]);
    let begun = with(&|it| (it.change.state, it.working) = (ChangeState::Empty, Some(run)));
    assert_eq!(begun, [Hold::NoHead, Hold::Working(run)]);
    assert_eq!(with(&|it| it.pull_request = None), [Hold::NoPullRequest]);
    let closed = with(&|it| it.pull_request.as_mut().unwrap().state = PullRequestState::Closed);
    assert_eq!(closed, [Hold::NoPullRequest]);
    assert_eq!(with(&|it| it.working = Some(run)), [Hold::Working(run)]);
    assert_eq!(with(&|it| it.paused = Some("red".to_owned())), [Hold::Paused("red".to_owned())]);
    let conflict = with(&|it| {
        it.now.as_mut().unwrap().tree = None;
        it.conflicts = vec!["a.rs".to_owned()];
    });
    assert_eq!(conflict, [Hold::Conflict(vec!["a.rs".to_owned()])]);
    let unread = with(&|it| it.on_forge = OnForge::Unread { reason: "away".to_owned() });
    assert_eq!(unread, [Hold::ForgeUnknown("away".to_owned())]);
    assert_eq!(with(&|it| it.on_forge = OnForge::Nothing), []);
    // What the forge asks for holds beside what it says of the pull request itself.
    let forge = |head, draft| {
        let mut holds = with(&|it| it.on_forge = seen(head, draft));
        let Some(Hold::Gate(gate)) = holds.pop() else { panic!("{holds:?}") };
        assert_eq!((gate.kind, gate.state.as_str()), (GateKind::Checks, "unknown"));
        holds
    };
    assert_eq!(forge(1, false), []);
    assert_eq!(forge(1, true), [Hold::Draft]);
    assert_eq!(forge(9, false), [Hold::ForgeBehind]);
}

#[test]
fn a_gate_that_nobody_asks_for_is_shown_once_something_is_recorded_and_holds_only_when_it_failed() {
    let mut it = ready();
    assert_eq!(gates(&it).iter().map(|it| it.kind).collect::<Vec<_>>(), [GateKind::Tests]);
    let of_an_older_head = evidence(9, 2, 3, Verdict::Passed);
    it.gates.push(GateRecord { kind: GateKind::Person, evidence: of_an_older_head });
    let person = gates(&it).pop().unwrap();
    assert_eq!((person.kind, person.required, person.state.as_str()), (GateKind::Person, false, "stale"));
    assert_eq!(verdict(&it), []);
    it.required.insert(GateKind::Person);
    assert_eq!(verdict(&it).len(), 1);
    // Only the tests wait for a run, and they do whatever was recorded before it.
    it.testing = Some(RunId::from_random(1));
    let words: Vec<_> = gates(&it).iter().map(|it| it.state.as_str()).collect();
    assert_eq!(words, ["pending", "stale"]);
    it.now = None;
    assert_eq!(gates(&it), []);
}

#[test]
fn testing_again_may_lift_only_tests_of_which_nothing_is_known_or_that_are_stale() {
    let gate = |kind, state| Hold::Gate(GateStanding { kind, required: true, state });
    let text = String::new;
    let unknown = || GateState::Unknown { reason: text() };
    let stale = || GateState::Stale { moved: crate::gate::Moved::Base };
    for (hold, lifted) in [
        (gate(GateKind::Tests, unknown()), true),
        (gate(GateKind::Tests, stale()), true),
        (gate(GateKind::Tests, GateState::Failed { reason: text() }), false),
        (gate(GateKind::Tests, GateState::Pending { reason: text() }), false),
        (gate(GateKind::Person, unknown()), false),
        (gate(GateKind::Checks, stale()), false),
        (Hold::Conflict(vec![]), false),
        (Hold::OriginUnknown, false),
    ] {
        assert_eq!(hold.lifted_by_testing(), lifted, "{hold}");
    }
}

#[test]
fn those_that_are_named_are_tried_first_as_named_and_the_others_in_the_order_of_their_pull_requests() {
    let of = |task: u64, pull_request: Option<u64>| {
        let mut it = ready();
        it.change.task.number = task;
        it.pull_request = it.pull_request.zip(pull_request).map(|(it, number)| PullRequest { number, ..it });
        it
    };
    let all = || vec![of(1, Some(30)), of(2, None), of(3, Some(10)), of(4, Some(20))];
    let tried = |wanted: &[u64]| {
        let named: Vec<_> = wanted.iter().map(|it| format!("api#{it}").parse().unwrap()).collect();
        order(all(), &named).iter().map(|it| it.change.task.number).collect::<Vec<_>>()
    };
    assert_eq!(tried(&[]), [3, 4, 1, 2]);
    assert_eq!(tried(&[2, 1]), [2, 1, 3, 4]);
}

#[test]
fn a_person_is_told_why_a_change_does_not_merge_with_what_it_is_about() {
    let run = RunId::from_random(1);
    let closes = crate::closing::closed_by("Fixes acme/web#7").remove(0);
    let commit = ClosingCommit { commit: sha(1).parse().unwrap(), closes };
    for (hold, told) in [
        (Hold::Working(run), format!("run {run} is still working on it")),
        (
            Hold::Conflict(vec!["a.rs".to_owned(), "b.rs".to_owned()]),
            "it does not merge cleanly: a.rs, b.rs".to_owned(),
        ),
        (
            Hold::Closes(vec![commit.clone()]),
            format!(
                "the messages of its commits would close acme/web#7 ({}); `--method squash` leaves them behind",
                commit.commit.short()
            ),
        ),
        (Hold::Missing("main".parse().unwrap()), "origin has no branch `main` any more".to_owned()),
        (Hold::Paused("red".to_owned()), "merging is paused: red".to_owned()),
    ] {
        assert_eq!(hold.to_string(), told);
    }
}

proptest! {
    /// Whatever is recorded: what merges was tested as exactly this head and exactly this tree.
    #[test]
    fn nothing_merges_that_was_not_tested(
        now in (0u8..3, 0u8..3, proptest::option::of(0u8..3)),
        recorded in proptest::option::of((0u8..3, 0u8..3, 0u8..3, 0u8..3)),
    ) {
        let gates = recorded.map(|(head, base, tree, verdict)| {
            let verdict = match verdict {
                0 => Verdict::Passed,
                1 => Verdict::Failed { reason: String::new() },
                _ => Verdict::Inconclusive { reason: String::new() },
            };
            (GateKind::Tests, evidence(head, base, tree, verdict))
        });
        let it = candidate(now, gates.into_iter().collect());
        if verdict(&it).is_empty() {
            let (head, base, tree, kind) = recorded.unwrap();
            prop_assert_eq!(kind, 0);
            prop_assert_eq!(head, now.0);
            prop_assert!(base == now.1 || Some(tree) == now.2);
            prop_assert!(now.2.is_some());
        }
    }
}
