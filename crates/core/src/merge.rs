//! Whether a change may merge, and in which order changes do.
//!
//! `merge`, `merge --dry-run`, `status` and `why` all ask [`verdict`], so none can disagree with another.

use std::collections::BTreeSet;
use std::fmt;

use crate::change::{Change, ChangeState, PullRequest, PullRequestState};
use crate::closing::ClosingCommit;
use crate::gate::{GateKind, GateRecord, GateStanding, GateState, MergeInput, standing};
use crate::id::RunId;
use crate::name::BranchName;
use crate::pull::{self, OnForge};
use crate::repo::MergeMethod;
use crate::task::TaskRef;

/// Everything that decides whether one change may merge, as it is at this moment.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The change.
    pub change: Change,
    /// Its pull request, if one was opened.
    pub pull_request: Option<PullRequest>,
    /// The newest evidence for each gate.
    pub gates: Vec<GateRecord>,
    /// The gates that configuration asks for.
    pub required: BTreeSet<GateKind>,
    /// A run of agent work on it that has not ended.
    pub working: Option<RunId>,
    /// A test run on it that has not ended.
    pub testing: Option<RunId>,
    /// Where head and base are; `None` when origin could not be read, or does not have them.
    pub now: Option<MergeInput>,
    /// The branch that origin was read and found not to have: that of the change, or the one it is for.
    pub missing: Option<BranchName>,
    /// Paths that do not merge cleanly.
    pub conflicts: Vec<String>,
    /// How it is to be merged.
    pub method: MergeMethod,
    /// Its commits whose messages would have the forge close another issue than its own.
    pub closing: Vec<ClosingCommit>,
    /// What the forge says of its pull request.
    pub on_forge: OnForge,
    /// Why nothing is merged into its base branch at the moment.
    pub paused: Option<String>,
}

/// Why a change does not merge now. All reasons are reported, not only the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// It is part of the base already.
    AlreadyMerged,
    /// Nothing has been published.
    NoHead,
    /// No pull request is open.
    NoPullRequest,
    /// A worker is still at it.
    Working(RunId),
    /// Origin could not be read, so head and base are not known.
    OriginUnknown,
    /// Origin does not have this branch any more.
    Missing(BranchName),
    /// Merging head and base leaves these paths in conflict.
    Conflict(Vec<String>),
    /// Its commits would close other issues, since their messages say so.
    Closes(Vec<ClosingCommit>),
    /// Its author says that it is not ready.
    Draft,
    /// The forge could not be asked, so nothing is known of checks, reviews and rules.
    ForgeUnknown(String),
    /// What the forge says is about another head than the one that origin has.
    ForgeBehind,
    /// Nothing is merged into its base branch at the moment.
    Paused(String),
    /// A gate is not passed.
    Gate(GateStanding),
}

impl Hold {
    /// Whether testing again may lift it.
    #[must_use]
    pub fn lifted_by_testing(&self) -> bool {
        match self {
            Self::Gate(GateStanding { kind: GateKind::Tests, state, .. }) => match state {
                GateState::Unknown { .. } | GateState::Stale { .. } => true,
                GateState::Pending { .. } | GateState::Passed | GateState::Failed { .. } => false,
            },
            Self::Gate(_)
            | Self::AlreadyMerged
            | Self::NoHead
            | Self::NoPullRequest
            | Self::Working(_)
            | Self::OriginUnknown
            | Self::Missing(_)
            | Self::Conflict(_)
            | Self::Closes(_)
            | Self::Draft
            | Self::ForgeUnknown(_)
            | Self::ForgeBehind
            | Self::Paused(_) => false,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyMerged => f.write_str("it is merged already"),
            Self::NoHead => f.write_str("nothing has been published for it yet"),
            Self::NoPullRequest => f.write_str("no pull request is open for it"),
            Self::Working(run) => write!(f, "run {run} is still working on it"),
            Self::OriginUnknown => {
                f.write_str("origin could not be read, so its head and base are not known")
            }
            Self::Missing(branch) => write!(f, "origin has no branch `{branch}` any more"),
            Self::Conflict(paths) => write!(f, "it does not merge cleanly: {}", paths.join(", ")),
            Self::Closes(commits) => {
                let said = commits.iter().map(|it| format!("{} ({})", it.closes, it.commit.short()));
                let said = said.collect::<Vec<_>>().join(", ");
                write!(
                    f,
                    "the messages of its commits would close {said}; `--method squash` leaves them behind"
                )
            }
            Self::Draft => f.write_str("its pull request is a draft"),
            Self::ForgeUnknown(reason) => write!(f, "the forge could not be asked: {reason}"),
            Self::ForgeBehind => f.write_str("the forge has not taken in its newest commits yet"),
            Self::Paused(reason) => write!(f, "merging is paused: {reason}"),
            Self::Gate(gate) => write!(f, "{gate}"),
        }
    }
}

/// Where every gate of a change stands: those asked for, and those that failed without being asked for.
#[must_use]
pub fn gates(candidate: &Candidate) -> Vec<GateStanding> {
    let Some(now) = &candidate.now else { return Vec::new() };
    let recorded = [GateKind::Tests, GateKind::Person].into_iter().filter_map(|kind| {
        let required = candidate.required.contains(&kind);
        let record = candidate.gates.iter().find(|it| it.kind == kind);
        let pending = if kind == GateKind::Tests { candidate.testing } else { None };
        (required || record.is_some()).then(|| GateStanding {
            kind,
            required,
            state: standing(kind, record, pending, now),
        })
    });
    let on_forge = match &candidate.on_forge {
        OnForge::Seen(facts) => pull::gates(facts, &candidate.required),
        OnForge::Board | OnForge::Nothing | OnForge::Unread { .. } => Vec::new(),
    };
    recorded.chain(on_forge).collect()
}

/// Every reason why a change may not merge now; none means that it may.
#[must_use]
pub fn verdict(candidate: &Candidate) -> Vec<Hold> {
    match candidate.change.state {
        ChangeState::Merged { .. } => return vec![Hold::AlreadyMerged],
        ChangeState::Empty => {
            let working = candidate.working.map(Hold::Working);
            return [Hold::NoHead].into_iter().chain(working).collect();
        }
        ChangeState::Published { .. } => {}
    }
    let mut holds = Vec::new();
    let open = candidate.pull_request.as_ref().is_some_and(|it| it.state == PullRequestState::Open);
    if !open {
        holds.push(Hold::NoPullRequest);
    }
    holds.extend(candidate.working.map(Hold::Working));
    holds.extend(candidate.paused.clone().map(Hold::Paused));
    holds.extend(on_forge(candidate));
    match &candidate.now {
        None => holds.push(candidate.missing.clone().map_or(Hold::OriginUnknown, Hold::Missing)),
        Some(MergeInput { tree: None, .. }) => holds.push(Hold::Conflict(candidate.conflicts.clone())),
        Some(MergeInput { tree: Some(_), .. }) => {}
    }
    let keeps_messages = match candidate.method {
        MergeMethod::Merge | MergeMethod::Rebase => true,
        MergeMethod::Squash => false,
    };
    if keeps_messages && !candidate.closing.is_empty() {
        holds.push(Hold::Closes(candidate.closing.clone()));
    }
    let blocks = |gate: &GateStanding| match gate.state {
        GateState::Passed => false,
        GateState::Failed { .. } => true,
        GateState::Unknown { .. } | GateState::Pending { .. } | GateState::Stale { .. } => gate.required,
    };
    holds.extend(gates(candidate).into_iter().filter(blocks).map(Hold::Gate));
    holds
}

fn on_forge(candidate: &Candidate) -> Vec<Hold> {
    let facts = match &candidate.on_forge {
        OnForge::Board | OnForge::Nothing => return Vec::new(),
        OnForge::Unread { reason } => return vec![Hold::ForgeUnknown(reason.clone())],
        OnForge::Seen(facts) => facts,
    };
    let behind = candidate.now.as_ref().is_some_and(|now| now.head != facts.pull.head);
    [(facts.pull.draft, Hold::Draft), (behind, Hold::ForgeBehind)]
        .into_iter()
        .filter_map(|(holds, hold)| holds.then_some(hold))
        .collect()
}

/// The order in which changes are tried: those named in `wanted` first, as named; then by pull request.
#[must_use]
pub fn order(mut candidates: Vec<Candidate>, wanted: &[TaskRef]) -> Vec<Candidate> {
    candidates.sort_by_key(|it| {
        let named = wanted.iter().position(|task| *task == it.change.task).unwrap_or(wanted.len());
        (named, it.pull_request.as_ref().map_or(u64::MAX, |it| it.number))
    });
    candidates
}

#[cfg(test)]
mod tests;
