use proptest::prelude::*;

use super::*;
use crate::change::PullRequestState;

fn sha(n: u8) -> CommitSha {
    format!("{n:040x}").parse().unwrap()
}

fn facts(rules: Rules, checks: &[(&str, CheckState)], reviews: Vec<Review>) -> PullFacts {
    PullFacts {
        pull: Pull {
            number: 5,
            state: PullRequestState::Open,
            draft: false,
            title: String::new(),
            body: String::new(),
            author: "octo".to_owned(),
            branch: "issue-1-x".parse().unwrap(),
            same_repo: true,
            head: sha(1),
            base_branch: "main".parse().unwrap(),
            mergeable: None,
            url: String::new(),
        },
        checks: checks
            .iter()
            .map(|(name, state)| Check { name: (*name).to_owned(), state: state.clone(), url: None })
            .collect(),
        reviews,
        protection: Protection::Known(rules),
        may_skip: BTreeSet::new(),
        same_patch: BTreeSet::new(),
    }
}

fn review(author: &str, verdict: ReviewVerdict, commit: u8) -> Review {
    let association = Association::Collaborator;
    Review { author: author.to_owned(), association, verdict, commit: Some(sha(commit)), at: None }
}

fn wants(checks: &[&str], approvals: u32) -> Rules {
    Rules { checks: checks.iter().map(|it| (*it).to_owned()).collect(), approvals, ..Rules::default() }
}

fn of(facts: &PullFacts, kind: GateKind) -> Option<GateStanding> {
    gates(facts, &BTreeSet::new()).into_iter().find(|it| it.kind == kind)
}

fn word(facts: &PullFacts, kind: GateKind) -> &'static str {
    of(facts, kind).map_or("not asked for", |it| it.state.as_str())
}

#[test]
fn a_required_check_passes_only_when_it_was_reported_and_has_looked() {
    let skipped = CheckState::Skipped { conclusion: "skipped".to_owned() };
    let failed = CheckState::Failed { conclusion: "timed_out".to_owned() };
    let unknown = CheckState::Unknown { word: "bored".to_owned() };
    for (state, expected) in [
        (None, "unknown"),
        (Some(CheckState::Running), "pending"),
        (Some(CheckState::Passed), "passed"),
        (Some(failed.clone()), "failed"),
        (Some(skipped.clone()), "unknown"),
        (Some(unknown), "unknown"),
    ] {
        let checks: Vec<_> = state.into_iter().map(|it| ("ci", it)).collect();
        assert_eq!(
            word(&facts(wants(&["ci"], 0), &checks, vec![]), GateKind::Checks),
            expected,
            "{checks:?}"
        );
    }
    let mut allowed = facts(wants(&["ci"], 0), &[("ci", skipped)], vec![]);
    allowed.may_skip.insert("ci".to_owned());
    assert_eq!(word(&allowed, GateKind::Checks), "passed");
    // Nobody asked for this one, and still it is red; and coord's own are no news.
    let red = facts(Rules::default(), &[("lint", failed.clone())], vec![]);
    assert_eq!(word(&red, GateKind::Checks), "failed");
    let own = facts(Rules::default(), &[("coord/tests", failed)], vec![]);
    assert_eq!(word(&own, GateKind::Checks), "not asked for");
}

#[test]
fn an_approval_is_of_a_head_and_of_those_who_may_push() {
    use ReviewVerdict::{Approved, ChangesRequested, Commented, Dismissed};
    let standing = |reviews| word(&facts(wants(&[], 1), &[], reviews), GateKind::Approval);
    assert_eq!(standing(vec![]), "unknown");
    assert_eq!(standing(vec![review("bob", Approved, 1)]), "passed");
    assert_eq!(standing(vec![review("bob", Approved, 9)]), "stale");
    assert_eq!(standing(vec![review("bob", Approved, 1), review("bob", Commented, 1)]), "passed");
    assert_eq!(standing(vec![review("bob", Approved, 1), review("bob", Dismissed, 1)]), "unknown");
    assert_eq!(standing(vec![review("bob", Approved, 1), review("eve", ChangesRequested, 9)]), "failed");
    let stranger = Review { association: Association::None, ..review("eve", Approved, 1) };
    assert_eq!(standing(vec![stranger]), "unknown");
    let mut rebased = facts(wants(&[], 1), &[], vec![review("bob", Approved, 9)]);
    rebased.same_patch.insert(sha(9));
    assert_eq!(word(&rebased, GateKind::Approval), "passed");
    let two = facts(wants(&[], 2), &[], vec![review("bob", Approved, 1), review("bob", Approved, 1)]);
    assert_eq!(word(&two, GateKind::Approval), "unknown");
}

#[test]
fn rules_that_cannot_be_read_have_not_passed_unless_somebody_says_what_they_are() {
    let mut facts = facts(wants(&[], 0), &[("ci", CheckState::Passed)], vec![]);
    let unread = Protection::Unknown { reason: "no right to".to_owned(), at_least: wants(&["ci"], 0) };
    facts.protection = unread.clone();
    assert_eq!((word(&facts, GateKind::Checks), word(&facts, GateKind::Approval)), ("unknown", "unknown"));
    assert!(gates(&facts, &BTreeSet::new()).iter().all(|it| it.required));
    facts.protection = unread.or_configured(Some(&wants(&["lint"], 0)));
    assert_eq!(facts.protection, Protection::Known(wants(&["ci", "lint"], 0)));
    assert_eq!(
        (word(&facts, GateKind::Checks), word(&facts, GateKind::Approval)),
        ("unknown", "not asked for")
    );
}

#[test]
fn where_every_check_is_asked_for_there_has_to_be_one_and_none_that_is_not_known() {
    let asked = BTreeSet::from([GateKind::Checks]);
    let skipped = || CheckState::Skipped { conclusion: "neutral".to_owned() };
    let unknown = CheckState::Unknown { word: "bored".to_owned() };
    for (required, checks, word) in [
        (&[][..], vec![], "unknown"),
        (&[], vec![("ci", CheckState::Passed)], "passed"),
        (&[], vec![("ci", CheckState::Running)], "pending"),
        (&[], vec![("ci", CheckState::Running), ("lint", unknown.clone())], "unknown"),
        (&[], vec![("ci", CheckState::Passed), ("docs", skipped())], "passed"),
        (&["docs"], vec![("ci", CheckState::Passed), ("docs", skipped())], "unknown"),
        (&["ci"], vec![("ci", CheckState::Passed), ("lint", CheckState::Running)], "pending"),
        // What coord itself says is no examination of anybody else's.
        (&[], vec![("coord/tests", CheckState::Passed)], "unknown"),
        (&["coord/tests"], vec![("ci", CheckState::Passed)], "passed"),
    ] {
        let gate = gates(&facts(wants(required, 0), &checks, vec![]), &asked).remove(0);
        assert_eq!(
            (gate.kind, gate.required, gate.state.as_str()),
            (GateKind::Checks, true, word),
            "{checks:?}"
        );
    }
    // Nobody asks for the one that has not ended.
    let checks = [("ci", CheckState::Passed), ("lint", CheckState::Running), ("x", unknown)];
    assert_eq!(word(&facts(wants(&["ci"], 0), &checks, vec![]), GateKind::Checks), "passed");
}

#[test]
fn a_wish_for_changes_blocks_where_nobody_asks_for_an_approval() {
    use ReviewVerdict::{Approved, ChangesRequested};
    let standing = |reviews| of(&facts(wants(&[], 0), &[], reviews), GateKind::Approval);
    let refused = standing(vec![review("eve", ChangesRequested, 9)]).unwrap();
    assert_eq!((refused.required, refused.state.as_str()), (false, "failed"));
    assert_eq!(standing(vec![review("eve", ChangesRequested, 9), review("eve", Approved, 1)]), None);
    let asked = BTreeSet::from([GateKind::Approval]);
    let gates = gates(&facts(wants(&[], 0), &[], vec![]), &asked);
    let gate = gates.into_iter().find(|it| it.kind == GateKind::Approval).unwrap();
    assert_eq!((gate.required, gate.state.as_str()), (true, "unknown"));
}

#[test]
fn it_is_said_how_many_approvals_are_missing_and_whether_there_were_enough_of_an_older_head() {
    use ReviewVerdict::Approved;
    let of =
        |wanted, reviews| of(&facts(wants(&[], wanted), &[], reviews), GateKind::Approval).unwrap().state;
    let unknown = |reason: &str| GateState::Unknown { reason: reason.to_owned() };
    assert_eq!(of(1, vec![]), unknown("it needs 1 approval and has 0"));
    assert_eq!(of(2, vec![review("bob", Approved, 1)]), unknown("it needs 2 approvals and has 1"));
    let of_older = vec![review("bob", Approved, 1), review("ann", Approved, 9)];
    assert_eq!(of(2, of_older), GateState::Stale { moved: Moved::Head });
    let of_a_commit_that_is_gone = Review { commit: None, ..review("bob", Approved, 1) };
    assert_eq!(of(1, vec![of_a_commit_that_is_gone]), GateState::Stale { moved: Moved::Head });
}

#[test]
fn what_a_person_says_of_rules_adds_to_what_could_be_read_and_takes_nothing_away() {
    let strict = |strict| Rules { strict, ..Rules::default() };
    let through_pulls = |pull_request_only| Rules { pull_request_only, ..Rules::default() };
    let (none, some) = (Rules::default(), wants(&[], 2));
    for (read, said, wanted) in [
        (strict(true), none.clone(), strict(true)),
        (none.clone(), strict(true), strict(true)),
        (through_pulls(true), none.clone(), through_pulls(true)),
        (none.clone(), through_pulls(true), through_pulls(true)),
        (some.clone(), wants(&[], 1), some.clone()),
        (wants(&[], 1), some.clone(), some.clone()),
    ] {
        let unread = Protection::Unknown { reason: String::new(), at_least: read };
        assert_eq!(unread.or_configured(Some(&said)), Protection::Known(wanted));
    }
    assert_eq!(Protection::Known(none.clone()).or_configured(Some(&some)), Protection::Known(none.clone()));
    let unread = Protection::Unknown { reason: String::new(), at_least: none };
    assert_eq!(unread.clone().or_configured(None), unread);
}

fn state() -> impl Strategy<Value = CheckState> {
    prop_oneof![
        Just(CheckState::Passed),
        Just(CheckState::Running),
        Just(CheckState::Failed { conclusion: "failure".to_owned() }),
        Just(CheckState::Skipped { conclusion: "neutral".to_owned() }),
        Just(CheckState::Unknown { word: "x".to_owned() }),
    ]
}

proptest! {
    /// Whatever else there is: what passes has every required check passed on this head, and nothing red.
    #[test]
    fn nothing_passes_without_its_evidence(
        states in proptest::collection::vec((0usize..4, state()), 0..5),
        required in proptest::collection::btree_set(0usize..4, 0..4),
        asked: bool,
    ) {
        let names = ["a", "b", "c", "d"];
        let mut checks: BTreeMap<&str, CheckState> = BTreeMap::new();
        checks.extend(states.into_iter().map(|(name, state)| (names[name], state)));
        let checks: Vec<_> = checks.into_iter().collect();
        let rules = wants(&required.iter().map(|it| names[*it]).collect::<Vec<_>>(), 0);
        let asked: BTreeSet<_> = asked.then_some(GateKind::Checks).into_iter().collect();
        let facts = facts(rules.clone(), &checks, vec![]);
        let gate = gates(&facts, &asked).into_iter().find(|it| it.kind == GateKind::Checks);
        let passed = |name: &str| checks.iter().any(|(it, state)| *it == name && *state == CheckState::Passed);
        if gate.as_ref().is_none_or(|it| it.state == GateState::Passed) {
            let red = checks.iter().any(|(_, state)| matches!(state, CheckState::Failed { .. }));
            prop_assert!(!red);
            prop_assert!(rules.checks.iter().all(|it| passed(it)));
            prop_assert!(asked.is_empty() || !checks.is_empty());
        }
    }
}
