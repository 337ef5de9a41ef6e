//! What is said of a run on the forge, and the marker by which it is found again.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::name::MachineName;
use crate::outcome::Outcome;
use crate::run::{Run, RunState};
use crate::task::TaskRef;

/// The things that are said of a run, each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommentEvent {
    /// A worker has been given the task.
    Briefing,
    /// It has finished well.
    Completion,
    /// It has ended otherwise.
    Failure,
    /// It says that it cannot go on.
    Stuck,
}

impl CommentEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Briefing, Self::Completion, Self::Failure, Self::Stuck];

    /// The word of the marker.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Briefing => "briefing",
            Self::Completion => "completion",
            Self::Failure => "failure",
            Self::Stuck => "stuck",
        }
    }
}

/// The line by which a comment of ours is known, whatever else it says. Its values are names and numbers, so
/// nothing in it can end it early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker<'a> {
    /// What is said.
    pub event: CommentEvent,
    /// Of which run.
    pub run: RunId,
    /// Where it runs.
    pub machine: &'a MachineName,
    /// What it is at.
    pub task: &'a TaskRef,
}

impl fmt::Display for Marker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, run, machine, task } = self;
        write!(
            f,
            "<!-- coord:event={} run={run} machine={machine} repo={} issue={} -->",
            event.as_str(),
            task.repo,
            task.number
        )
    }
}

/// What ought to have been said of a run by now; `said` is what has been.
#[must_use]
pub fn due(run: &Run, said: &BTreeSet<CommentEvent>) -> Vec<CommentEvent> {
    // Nobody on the forge has heard of a run that no machine has heard of.
    if !run.kind.is_agent_work() || run.reservation.is_none() {
        return Vec::new();
    }
    match &run.state {
        RunState::Queued(_) | RunState::Reserved => Vec::new(),
        RunState::Preparing | RunState::Running { .. } | RunState::Finishing => vec![CommentEvent::Briefing],
        RunState::Ended(end) => match &end.outcome {
            Outcome::Done | Outcome::NoChange => vec![CommentEvent::Briefing, CommentEvent::Completion],
            Outcome::Stuck { .. } => vec![CommentEvent::Briefing, CommentEvent::Stuck],
            // Nor of one that never had a worker, unless it was announced.
            Outcome::Lost { .. } | Outcome::SetupFailed { .. }
                if end.exit.is_none() && !said.contains(&CommentEvent::Briefing) =>
            {
                Vec::new()
            }
            Outcome::Dirty
            | Outcome::Failed { .. }
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
            | Outcome::Unknown => vec![CommentEvent::Briefing, CommentEvent::Failure],
        },
    }
}

/// Whether another run of the same attempt says this in place of `run`: where a session was cut short and goes on, it
/// was announced once, and has not failed. `runs` are those of its task.
#[must_use]
pub fn is_said_of_another(run: &Run, runs: &[Run], event: CommentEvent) -> bool {
    let mut same = runs.iter().filter(|it| it.kind == run.kind && it.attempt == run.attempt);
    match event {
        CommentEvent::Briefing => same.any(|it| it.fence < run.fence),
        CommentEvent::Failure => same.any(|it| it.fence > run.fence),
        CommentEvent::Completion | CommentEvent::Stuck => false,
    }
}
