//! What must hold before a change may merge.
//!
//! A gate exists only where configuration asks for it, and is written only from the evidence of an ended
//! run or a person's word. Its state is not stored: it follows from the evidence and from where head and base
//! are *now*, so that nothing has to remember to make it stale.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::name::{CommitSha, TreeSha};
use crate::outcome::Outcome;

/// What a gate asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateKind {
    /// Build and test commands pass on the merge result.
    Tests,
    /// A person tried it and said so (`coord test --passed`).
    Person,
    /// The checks of the forge passed on the head.
    Checks,
    /// Somebody approved the head on the forge.
    Approval,
}

impl GateKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Tests, Self::Person, Self::Checks, Self::Approval];

    /// The word used everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tests => "tests",
            Self::Person => "person",
            Self::Checks => "checks",
            Self::Approval => "approval",
        }
    }
}

/// What one examination of one merge result found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The head that was examined.
    pub head: CommitSha,
    /// The base it was merged onto.
    pub base: CommitSha,
    /// The tree that the merge results in.
    pub tree: TreeSha,
    /// When it ended.
    pub at: Timestamp,
    /// Who or what says so.
    pub source: Source,
    /// What was found.
    pub verdict: Verdict,
}

/// Who or what says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An ended run.
    Run(RunId),
    /// A person, by name.
    Person(String),
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not.
    Failed {
        /// Why: a sentence, and in the lines below it the output that shows it, where there is any.
        reason: String,
    },
    /// The examination itself broke off: nothing was learnt either way.
    Inconclusive {
        /// What happened.
        reason: String,
    },
}

impl Verdict {
    /// What the end of a test run says. Only the suite's own word counts as a failure: what kept it from
    /// speaking (a missing program, a signal, a stop) tells nothing about the change.
    #[must_use]
    pub fn of_test(run: RunId, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Passed,
            Outcome::Failed { reason } => Self::Failed { reason: format!("{reason}, run {run}") },
            Outcome::NoChange
            | Outcome::Dirty
            | Outcome::Stuck { .. }
            | Outcome::Refused { .. }
            | Outcome::Limited { .. }
            | Outcome::Transient { .. }
            | Outcome::Auth { .. }
            | Outcome::Credit { .. }
            | Outcome::Context
            | Outcome::Budget { .. }
            | Outcome::Truncated
            | Outcome::Timeout { .. }
            | Outcome::Crashed { .. }
            | Outcome::Interrupted
            | Outcome::Cancelled { .. }
            | Outcome::Lost { .. }
            | Outcome::PushFailed { .. }
            | Outcome::SetupFailed { .. }
            | Outcome::Unknown => Self::Inconclusive { reason: format!("run {run} ended as {outcome}") },
        }
    }
}

/// What the board holds about one gate of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateRecord {
    /// Which gate.
    pub kind: GateKind,
    /// The newest evidence.
    pub evidence: Evidence,
}

/// Where a gate stands for the head and base of this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState {
    /// There is no evidence, or it says nothing.
    Unknown {
        /// Why nothing is known.
        reason: String,
    },
    /// An examination is under way.
    Pending {
        /// What will tell.
        reason: String,
    },
    /// It holds.
    Passed,
    /// It does not.
    Failed {
        /// Why.
        reason: String,
    },
    /// It held for something else than what would be merged now.
    Stale {
        /// What moved.
        moved: Moved,
    },
}

/// What moved since the evidence was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The change.
    Head,
    /// The branch it is to be merged into.
    Base,
}

impl GateState {
    /// The word used everywhere.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown",
            Self::Pending { .. } => "pending",
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Stale { .. } => "stale",
        }
    }
}

/// A gate's name and state, as a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateStanding {
    /// Which gate.
    pub kind: GateKind,
    /// Whether configuration asks for it.
    pub required: bool,
    /// Where it stands.
    pub state: GateState,
}

impl fmt::Display for GateStanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.kind.as_str();
        match &self.state {
            GateState::Unknown { reason } => write!(f, "{name}: not known to pass ({reason})"),
            GateState::Pending { reason } => write!(f, "{name}: {reason}"),
            GateState::Passed => write!(f, "{name}: passed"),
            // What shows it may be long, and is for whoever mends it.
            GateState::Failed { reason } => {
                write!(f, "{name}: failed ({})", reason.lines().next().unwrap_or_default())
            }
            GateState::Stale { moved: Moved::Head } => {
                let seen =
                    if self.kind == GateKind::Approval { "it was approved" } else { "they were tested" };
                write!(f, "{name}: the change has new commits since {seen}")
            }
            GateState::Stale { moved: Moved::Base } => {
                write!(f, "{name}: the base branch has moved since the merge result was tested")
            }
        }
    }
}

/// Where a gate of which the board keeps evidence stands for what would be merged now. Where checks and
/// approvals stand is read from the forge each time: see [`crate::pull`].
///
/// Tests hold for a tree: a moved base makes them stale, unless merging gives the very tree that was tested.
/// A person's word is bound to the head alone.
#[must_use]
pub fn standing(
    kind: GateKind,
    record: Option<&GateRecord>,
    pending: Option<RunId>,
    now: &MergeInput,
) -> GateState {
    if let Some(run) = pending {
        return GateState::Pending { reason: format!("run {run} has not ended yet") };
    }
    let Some(GateRecord { evidence, .. }) = record else {
        return GateState::Unknown { reason: "nothing has been recorded".to_owned() };
    };
    if evidence.head != now.head {
        return GateState::Stale { moved: Moved::Head };
    }
    let same_result = evidence.base == now.base || now.tree.as_ref() == Some(&evidence.tree);
    match &evidence.verdict {
        Verdict::Inconclusive { reason } => GateState::Unknown { reason: reason.clone() },
        Verdict::Failed { .. } | Verdict::Passed if kind == GateKind::Tests && !same_result => {
            GateState::Stale { moved: Moved::Base }
        }
        Verdict::Failed { reason } => GateState::Failed { reason: reason.clone() },
        Verdict::Passed => GateState::Passed,
    }
}

/// What would be merged now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeInput {
    /// The change's head on origin.
    pub head: CommitSha,
    /// The tip of the base branch on origin.
    pub base: CommitSha,
    /// The tree that merging gives; `None` when it does not merge cleanly.
    pub tree: Option<TreeSha>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunId {
        RunId::from_random(1)
    }

    fn now() -> MergeInput {
        let sha = |digit: &str| digit.repeat(40);
        MergeInput {
            head: sha("a").parse().unwrap(),
            base: sha("b").parse().unwrap(),
            tree: Some(sha("c").parse().unwrap()),
        }
    }

    fn record(kind: GateKind, seen: MergeInput, verdict: Verdict) -> GateRecord {
        let MergeInput { head, base, tree } = seen;
        let (tree, at) = (tree.unwrap(), Timestamp::UNIX_EPOCH);
        let evidence = Evidence { head, base, tree, at, source: Source::Run(run()), verdict };
        GateRecord { kind, evidence }
    }

    #[test]
    fn only_the_suites_own_word_passes_or_fails_the_tests() {
        let failed = Outcome::Failed { reason: "exit status 1".to_owned() };
        assert_eq!(Verdict::of_test(run(), &Outcome::Done), Verdict::Passed);
        let Verdict::Failed { reason } = Verdict::of_test(run(), &failed) else { panic!("it did fail") };
        assert!(reason.contains("exit status 1") && reason.contains(&run().to_string()), "{reason}");
        let missing =
            Outcome::SetupFailed { step: "command".to_owned(), reason: "no such program".to_owned() };
        for outcome in [Outcome::STOPPED, Outcome::NoChange, Outcome::Unknown, missing] {
            let verdict = Verdict::of_test(run(), &outcome);
            let Verdict::Inconclusive { reason } = verdict else { panic!("{verdict:?} of {outcome}") };
            assert!(reason.contains(&outcome.to_string()), "{reason}");
        }
    }

    #[test]
    fn evidence_holds_for_the_head_it_was_taken_of_and_that_of_tests_for_the_very_tree() {
        let other = |digit: &str| digit.repeat(40);
        let new_head = MergeInput { head: other("1").parse().unwrap(), ..now() };
        let new_base = MergeInput { base: other("2").parse().unwrap(), ..now() };
        let new_tree = MergeInput { tree: Some(other("3").parse().unwrap()), ..new_base.clone() };
        let conflict = MergeInput { tree: None, ..new_base.clone() };
        for (kind, now_is, word) in [
            (GateKind::Tests, now(), "passed"),
            (GateKind::Tests, new_base, "passed"),
            (GateKind::Tests, new_tree.clone(), "stale"),
            (GateKind::Tests, conflict, "stale"),
            (GateKind::Tests, new_head.clone(), "stale"),
            (GateKind::Person, new_tree.clone(), "passed"),
            (GateKind::Person, new_head, "stale"),
        ] {
            let passed = record(kind, now(), Verdict::Passed);
            assert_eq!(standing(kind, Some(&passed), None, &now_is).as_str(), word, "{kind:?} {now_is:?}");
            assert_eq!(standing(kind, Some(&passed), Some(run()), &now_is).as_str(), "pending");
        }
        // What did not look says as little of a moved base as of the one that it saw.
        let broke_off = record(GateKind::Tests, now(), Verdict::Inconclusive { reason: "reboot".to_owned() });
        for now_is in [now(), new_tree] {
            let state = standing(GateKind::Tests, Some(&broke_off), None, &now_is);
            assert_eq!(state, GateState::Unknown { reason: "reboot".to_owned() });
        }
    }

    #[test]
    fn the_word_that_is_shown_of_a_gate_is_the_word_that_is_written() {
        for kind in GateKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_person_is_told_where_a_gate_stands_and_why_in_one_line() {
        let reason = || "2 of 9 failed\nthe first\nthe second".to_owned();
        let (head, base) = (Moved::Head, Moved::Base);
        for (kind, state, told) in [
            (GateKind::Tests, GateState::Passed, "tests: passed"),
            (GateKind::Tests, GateState::Failed { reason: reason() }, "tests: failed (2 of 9 failed)"),
            (
                GateKind::Checks,
                GateState::Unknown { reason: "nobody looked".to_owned() },
                "checks: not known to pass (nobody looked)",
            ),
            (
                GateKind::Checks,
                GateState::Pending { reason: "`ci` has not ended yet".to_owned() },
                "checks: `ci` has not ended yet",
            ),
            (
                GateKind::Tests,
                GateState::Stale { moved: head },
                "tests: the change has new commits since they were tested",
            ),
            (
                GateKind::Approval,
                GateState::Stale { moved: head },
                "approval: the change has new commits since it was approved",
            ),
            (
                GateKind::Tests,
                GateState::Stale { moved: base },
                "tests: the base branch has moved since the merge result was tested",
            ),
        ] {
            assert_eq!(GateStanding { kind, required: true, state }.to_string(), told);
        }
    }
}
