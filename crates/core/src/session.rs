//! A person's working session: what happened in it, what it cost, and what is left for a person.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::event::{Event, Fact};
use crate::gate::{GateKind, GateStanding, GateState};
use crate::id::RunId;
use crate::merge::{Candidate, Hold, verdict};
use crate::outcome::Outcome;
use crate::run::{Run, RunKind};
use crate::task::TaskRef;

/// A person's working session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number; they only grow.
    pub number: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed; `None` while it is open.
    pub closed_at: Option<Timestamp>,
}

/// What happened in a span of time, as far as people count it. Built from the events of that span, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Happened {
    /// Tasks that were added.
    pub added: Vec<TaskRef>,
    /// Tasks whose change was merged.
    pub merged: Vec<TaskRef>,
    /// Tasks that were closed and stayed so.
    pub closed: Vec<TaskRef>,
    /// Pull requests that were opened, and for which task.
    pub opened: Vec<(TaskRef, u64)>,
    /// Runs that ended.
    pub ended: Vec<RunId>,
}

impl Happened {
    /// Takes the next event in.
    pub fn note(&mut self, event: &Event) {
        let task = || event.task.clone();
        match &event.fact {
            Fact::TaskAdded { .. } => self.added.push(task()),
            Fact::TaskClosed { .. } => self.closed.push(task()),
            Fact::TaskReopened => self.closed.retain(|it| *it != event.task),
            Fact::Merged { .. } => self.merged.push(task()),
            Fact::PullRequestOpened { number } => self.opened.push((task(), *number)),
            Fact::RunEnded { run, .. } => self.ended.push(*run),
            Fact::TaskEdited
            | Fact::Overridden { .. }
            | Fact::RunQueued { .. }
            | Fact::RunReserved { .. }
            | Fact::RunMoved { .. }
            | Fact::RunParked { .. }
            | Fact::RunReleased { .. }
            | Fact::RescuePushed { .. }
            | Fact::CapNeared { .. }
            | Fact::Published { .. }
            | Fact::HeadMoved { .. }
            | Fact::GateRecorded { .. }
            | Fact::PullRequestClosed { .. }
            | Fact::Commented { .. }
            | Fact::Incident { .. }
            | Fact::MergingResumed { .. }
            | Fact::Unknown => {}
        }
    }
}

/// How many of these runs, agent work or not as `kind` is, ended in which way, by the word of the outcome.
#[must_use]
pub fn outcomes(runs: &[Run], kind: RunKind) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    let of_sort = runs.iter().filter(|it| it.kind.is_agent_work() == kind.is_agent_work());
    for end in of_sort.filter_map(|it| it.state.end()) {
        *counts.entry(end.outcome.as_str()).or_default() += 1;
    }
    counts
}

/// Why an open task at which nothing works goes no further without a person; empty when nothing has been done for
/// it, or when it would. `last` is the newest run of agent work at it.
#[must_use]
pub fn for_a_person(last: Option<&Run>, candidate: Option<&Candidate>) -> Vec<String> {
    let end = last.and_then(|run| Some((run, run.state.end()?)));
    let published = candidate.filter(|it| it.change.head().is_some());
    let outcome = end.filter(|(_, end)| published.is_none() || end.outcome != Outcome::Done);
    let ended = outcome.map(|(run, end)| format!("run {} ended as {}", run.id, end.outcome));
    let holds = published.map(verdict).unwrap_or_default();
    let held = holds.iter().filter(|it| is_for_a_person(it)).map(ToString::to_string);
    ended.into_iter().chain(held).collect()
}

/// Whether nothing but a person lifts it.
fn is_for_a_person(hold: &Hold) -> bool {
    match hold {
        Hold::NoPullRequest
        | Hold::Missing(_)
        | Hold::Conflict(_)
        | Hold::Closes(_)
        | Hold::Draft
        | Hold::Paused(_) => true,
        Hold::Gate(GateStanding { kind, state, .. }) => match state {
            GateState::Failed { .. } => true,
            GateState::Unknown { .. } | GateState::Stale { .. } => *kind != GateKind::Tests,
            GateState::Pending { .. } | GateState::Passed => false,
        },
        Hold::AlreadyMerged
        | Hold::NoHead
        | Hold::Working(_)
        | Hold::OriginUnknown
        | Hold::ForgeUnknown(_)
        | Hold::ForgeBehind => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Entry, total};
    use crate::run::{GitFacts, Leaked, Reservation, RunEnd, RunState, RuntimeReport};

    fn event(number: u64, task: &str, fact: Fact) -> Event {
        Event { number, at: Timestamp::UNIX_EPOCH, task: task.parse().unwrap(), fact }
    }

    fn ended(kind: RunKind, outcome: Outcome, cost_usd: Option<f64>) -> Run {
        let end = RunEnd {
            outcome,
            at: Timestamp::UNIX_EPOCH,
            exit: None,
            git: GitFacts::default(),
            rescue: None,
            report: RuntimeReport { cost_usd, ..RuntimeReport::default() },
            leaked: Leaked::default(),
        };
        Run {
            id: RunId::from_random(1),
            kind,
            task: "api#1".parse().unwrap(),
            reservation: Some(Reservation { machine: "here".parse().unwrap(), at: Timestamp::UNIX_EPOCH }),
            runtime: "claude".parse().unwrap(),
            model: None,
            branch: "issue-1".parse().unwrap(),
            attempt: 1,
            fence: 1,
            state: RunState::Ended(Box::new(end)),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_task_that_was_closed_and_opened_again_is_not_closed() {
        let mut happened = Happened::default();
        let closed = || Fact::TaskClosed { reason: "no".to_owned() };
        let facts = [("api#1", closed()), ("api#2", closed()), ("api#1", Fact::TaskReopened)];
        for (number, (task, fact)) in (1..).zip(facts) {
            happened.note(&event(number, task, fact));
        }
        assert_eq!(happened.closed, ["api#2".parse().unwrap()]);
    }

    #[test]
    fn what_is_not_known_is_counted_and_never_nothing() {
        let runs = [
            ended(RunKind::Work, Outcome::Done, Some(0.25)),
            ended(RunKind::Work, Outcome::Context, Some(0.5)),
            ended(RunKind::Work, Outcome::Done, None),
            ended(RunKind::Test, Outcome::Done, None),
            Run { reservation: None, ..ended(RunKind::Work, Outcome::STOPPED, None) },
        ];
        let entries: Vec<_> = runs.iter().filter_map(Entry::of).collect();
        assert_eq!(total(&entries).to_string(), "$0.75, and one run of unknown cost");
        assert_eq!(
            outcomes(&runs, RunKind::Work),
            BTreeMap::from([("cancelled", 1), ("context", 1), ("done", 2)])
        );
        assert_eq!(outcomes(&runs, RunKind::Test), BTreeMap::from([("done", 1)]));
    }

    #[test]
    fn work_that_came_to_nothing_is_for_a_person() {
        let stuck = ended(RunKind::Work, Outcome::Stuck { why: "no key".to_owned() }, None);
        assert!(for_a_person(Some(&stuck), None)[0].contains("no key"));
        assert_eq!(for_a_person(None, None), Vec::<String>::new());
    }
}
