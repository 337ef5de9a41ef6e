//! What the forge's checks, reviews and rules say about merging a change now.
//!
//! Nothing is remembered of them: each look reads them anew, and what they say holds for the head that the forge
//! knows and for no other. A check that did not look, an approval of an older head and rules that could not be
//! read have not passed. A red check blocks whether or not anybody asks for it; so does a reviewer's wish for
//! changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::forge::{Association, Check, CheckState, Protection, Pull, Review, ReviewVerdict, Rules};
use crate::gate::{GateKind, GateStanding, GateState, Moved};
use crate::name::CommitSha;

/// How the commit statuses begin that coord itself writes. They repeat what the board knows better.
pub const OWN_STATUS: &str = "coord/";

/// What is known of a change's pull request where pull requests live.
#[derive(Debug, Clone, PartialEq)]
pub enum OnForge {
    /// The board is the forge: there is nothing else to ask.
    Board,
    /// This, as of one look.
    Seen(Box<PullFacts>),
    /// It has none there.
    Nothing,
    /// It could not be asked.
    Unread {
        /// Why.
        reason: String,
    },
}

/// Everything about a pull request that decides whether it may merge.
#[derive(Debug, Clone, PartialEq)]
pub struct PullFacts {
    /// The pull request.
    pub pull: Pull,
    /// The checks on its head.
    pub checks: Vec<Check>,
    /// What was said of it, oldest first.
    pub reviews: Vec<Review>,
    /// The rules of its base branch.
    pub protection: Protection,
    /// Required checks that may be skipped.
    pub may_skip: BTreeSet<String>,
    /// Earlier heads that bring the very same patch: an approval of one of them still holds.
    pub same_patch: BTreeSet<CommitSha>,
}

impl Protection {
    /// These rules, or, where they could not be read, those that a person says there are.
    #[must_use]
    pub fn or_configured(self, configured: Option<&Rules>) -> Self {
        match (self, configured) {
            (Self::Unknown { at_least, .. }, Some(said)) => Self::Known(Rules {
                checks: at_least.checks.union(&said.checks).cloned().collect(),
                strict: at_least.strict || said.strict,
                approvals: at_least.approvals.max(said.approvals),
                pull_request_only: at_least.pull_request_only || said.pull_request_only,
            }),
            (read, _) => read,
        }
    }
}

/// Where the gates stand that the forge keeps: those that configuration (`asked`) or its own rules ask for, and
/// those that failed without being asked for.
#[must_use]
pub fn gates(facts: &PullFacts, asked: &BTreeSet<GateKind>) -> Vec<GateStanding> {
    let unreadable = match &facts.protection {
        Protection::Known(_) => None,
        Protection::Unknown { reason, .. } => Some(reason),
    };
    let rules = facts.protection.rules();
    let checks = GateStanding {
        kind: GateKind::Checks,
        required: asked.contains(&GateKind::Checks) || !rules.checks.is_empty() || unreadable.is_some(),
        state: checks(facts, asked.contains(&GateKind::Checks)),
    };
    let approvals = rules.approvals.max(u32::from(asked.contains(&GateKind::Approval)));
    let approval = GateStanding {
        kind: GateKind::Approval,
        required: approvals > 0 || unreadable.is_some(),
        state: approval(facts, approvals),
    };
    let told = |gate: &GateStanding| gate.required || matches!(gate.state, GateState::Failed { .. });
    let known = |mut gate: GateStanding| {
        if let (Some(reason), GateState::Passed) = (unreadable, &gate.state) {
            let way_out = "`protection` of the repo in the configuration can say what it asks for";
            gate.state = GateState::Unknown { reason: format!("{reason}; {way_out}") };
        }
        gate
    };
    [checks, approval].into_iter().map(known).filter(told).collect()
}

/// `all` asks for every check that was reported, and for at least one.
fn checks(facts: &PullFacts, all: bool) -> GateState {
    let required = &facts.protection.rules().checks;
    let reported: Vec<_> = facts.checks.iter().filter(|it| !it.name.starts_with(OWN_STATUS)).collect();
    let red: Vec<_> = reported.iter().filter_map(|it| red(it)).collect();
    if !red.is_empty() {
        return GateState::Failed { reason: red.join(", ") };
    }
    let missing = required.iter().filter(|name| !name.starts_with(OWN_STATUS));
    let missing = missing.filter(|name| !reported.iter().any(|it| it.name == **name));
    let mut unknown: Vec<_> =
        missing.map(|it| format!("required check `{it}` has not been reported for this head")).collect();
    let mut running = Vec::new();
    for check in reported.iter().filter(|it| all || required.contains(&it.name)) {
        let name = &check.name;
        match &check.state {
            CheckState::Passed | CheckState::Failed { .. } => {}
            CheckState::Running => running.push(format!("`{name}`")),
            CheckState::Skipped { .. } if facts.may_skip.contains(name) || !required.contains(name) => {}
            CheckState::Skipped { conclusion } => {
                unknown
                    .push(format!("required check `{name}` ended as {conclusion}: it has looked at nothing"));
            }
            CheckState::Unknown { word } => unknown.push(format!("check `{name}` says `{word}`")),
        }
    }
    if all && reported.is_empty() {
        unknown.push("no check has been reported for this head".to_owned());
    }
    if !unknown.is_empty() {
        return GateState::Unknown { reason: unknown.join("; ") };
    }
    if !running.is_empty() {
        return GateState::Pending { reason: format!("{} has not ended yet", running.join(", ")) };
    }
    GateState::Passed
}

fn red(check: &Check) -> Option<String> {
    match &check.state {
        CheckState::Failed { conclusion } => Some(format!("check `{}`: {conclusion}", check.name)),
        CheckState::Running
        | CheckState::Passed
        | CheckState::Skipped { .. }
        | CheckState::Unknown { .. } => None,
    }
}

/// Only the word of those who may push counts, as on the forge itself.
fn approval(facts: &PullFacts, wanted: u32) -> GateState {
    let mut last: BTreeMap<&str, &Review> = BTreeMap::new();
    for review in facts.reviews.iter().filter(|it| Association::TRUSTED.contains(&it.association)) {
        match review.verdict {
            ReviewVerdict::Approved | ReviewVerdict::ChangesRequested | ReviewVerdict::Dismissed => {
                last.insert(&review.author, review);
            }
            ReviewVerdict::Commented | ReviewVerdict::Pending | ReviewVerdict::Unknown => {}
        }
    }
    let said = |verdict| last.values().filter(move |it| it.verdict == verdict);
    let against: Vec<_> = said(ReviewVerdict::ChangesRequested).map(|it| it.author.as_str()).collect();
    if !against.is_empty() {
        return GateState::Failed { reason: format!("{} asked for changes", against.join(", ")) };
    }
    let holds = |review: &&&Review| {
        review.commit.as_ref().is_some_and(|it| *it == facts.pull.head || facts.same_patch.contains(it))
    };
    let approved = said(ReviewVerdict::Approved).filter(holds).count();
    if u32::try_from(approved).unwrap_or(u32::MAX) >= wanted {
        return GateState::Passed;
    }
    if said(ReviewVerdict::Approved).count() > approved {
        return GateState::Stale { moved: Moved::Head };
    }
    let people = if wanted == 1 { "approval" } else { "approvals" };
    GateState::Unknown { reason: format!("it needs {wanted} {people} and has {approved}") }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            (word(&facts, GateKind::Checks), word(&facts, GateKind::Approval)),
            ("unknown", "unknown")
        );
        assert!(gates(&facts, &BTreeSet::new()).iter().all(|it| it.required));
        facts.protection = unread.or_configured(Some(&wants(&["lint"], 0)));
        assert_eq!(facts.protection, Protection::Known(wants(&["ci", "lint"], 0)));
        assert_eq!(
            (word(&facts, GateKind::Checks), word(&facts, GateKind::Approval)),
            ("unknown", "not asked for")
        );
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
}
