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
mod tests;
