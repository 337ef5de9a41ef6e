//! Going on with a change whose last run was not the end of it: whether that may be, and in which session.
//!
//! A session is worth keeping: it knows what was read, tried and found. It is gone on with where it was, or where its
//! transcript was moved to; a new one is told what there is to know instead, and is never begun where the old one
//! could have been had, unless a person wants it so.
//!
//! What must hold: what nobody could look at is not taken for gone without saying so; and the ceiling on attempts
//! counts what workers failed at, not what happened to them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::name::{MachineName, RuntimeName};
use crate::outcome::Outcome;
use crate::run::{Run, RunKind};

/// Why a change is gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    /// Its last run came to no good end.
    Retry,
    /// Something was found wrong with what there is.
    Fix,
    /// Its worker said that it is stuck, or was stopped, and a person knows how to go on.
    Unstick,
}

/// From what a run goes on, as a person asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Why.
    pub aim: Aim,
    /// The run before it.
    pub from: RunId,
    /// Whether a new session is wanted although the old one may be had.
    #[serde(default)]
    pub fresh: bool,
}

/// Everything that decides whether a change may be gone on with.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Why it is to be.
    pub aim: Aim,
    /// The runs of agent work of its task, oldest first.
    pub runs: &'a [Run],
    /// The run that a person named, if it was not the task.
    pub named: Option<RunId>,
    /// Whether a gate of the change has failed.
    pub found_wrong: bool,
    /// Whether the worker of the last run, which goes on, says that it is stuck.
    pub says_stuck: bool,
    /// How many attempts may fail.
    pub attempts: u32,
    /// Whether a person wants another one all the same.
    pub force: bool,
}

/// Why a change is not gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was ever run for it.
    NeverRun,
    /// Another run came after the one that was named.
    NotTheLast {
        /// Which was named.
        named: RunId,
        /// The last one.
        last: RunId,
    },
    /// Its last run is still under way.
    UnderWay(RunId),
    /// Its last run did what it was to do.
    WentWell(RunId),
    /// Nothing was found wrong with it.
    NothingWrong,
    /// The worker of its last run neither said that it is stuck nor was stopped.
    NotStuck {
        /// The run.
        run: RunId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Too many attempts have failed.
    Exhausted {
        /// How many.
        failed: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRun => f.write_str("nothing was ever run for it"),
            Self::NotTheLast { named, last } => {
                write!(f, "run {named} is not its last one: run {last} came after it")
            }
            Self::UnderWay(run) => write!(f, "run {run} is still under way"),
            Self::WentWell(run) => write!(f, "run {run} did what it was to do"),
            Self::NothingWrong => f.write_str("nothing was found wrong with it"),
            Self::NotStuck { run, outcome } => {
                write!(f, "run {run} is not stuck: it ended as {}", outcome.as_str())
            }
            Self::Exhausted { failed: 1 } => f.write_str("an attempt has failed, and no more are to be made"),
            Self::Exhausted { failed } => {
                write!(f, "{failed} attempts have failed, and no more are to be made")
            }
        }
    }
}

/// The run that a change is gone on from, or why it is not.
///
/// # Errors
/// The reason against it that a person has to know first.
pub fn goes_on_from<'a>(situation: &Situation<'a>) -> Result<&'a Run, Refusal> {
    let Situation { aim, runs, named, found_wrong, says_stuck, attempts, force } = *situation;
    let last = runs.last().ok_or(Refusal::NeverRun)?;
    if let Some(named) = named.filter(|it| *it != last.id) {
        return Err(Refusal::NotTheLast { named, last: last.id });
    }
    let Some(end) = last.state.end() else {
        return if aim == Aim::Unstick && says_stuck { Ok(last) } else { Err(Refusal::UnderWay(last.id)) };
    };
    match aim {
        Aim::Retry if end.outcome == Outcome::Done => return Err(Refusal::WentWell(last.id)),
        Aim::Fix if !found_wrong => return Err(Refusal::NothingWrong),
        // Who was stopped can be told how to go on as well.
        Aim::Unstick if !matches!(end.outcome, Outcome::Stuck { .. } | Outcome::Cancelled { .. }) => {
            return Err(Refusal::NotStuck { run: last.id, outcome: end.outcome.clone() });
        }
        Aim::Retry | Aim::Fix | Aim::Unstick => {}
    }
    let failed = failed_attempts(runs);
    if failed >= attempts && !force {
        return Err(Refusal::Exhausted { failed });
    }
    Ok(last)
}

/// What goes on with a change whose last run of agent work ended like this; `None` where nothing is amiss.
#[must_use]
pub fn way_on(outcome: &Outcome, found_wrong: bool) -> Option<Aim> {
    if *outcome == Outcome::Done {
        return found_wrong.then_some(Aim::Fix);
    }
    Some(if matches!(outcome, Outcome::Stuck { .. }) { Aim::Unstick } else { Aim::Retry })
}

/// How many of these runs of agent work are attempts that failed.
#[must_use]
pub fn failed_attempts(runs: &[Run]) -> u32 {
    let failed = runs.iter().filter_map(|it| it.state.end()).filter(|it| it.outcome.is_failure()).count();
    u32::try_from(failed).unwrap_or(u32::MAX)
}

/// What a run is for that goes on from `last`.
#[must_use]
pub fn kind_of(aim: Aim, last: &Run) -> RunKind {
    match aim {
        Aim::Fix => RunKind::Fix,
        Aim::Retry | Aim::Unstick => last.kind,
    }
}

/// What is left of a session on the machine that it was on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transcript {
    /// Its transcript is where its runtime looks for it.
    InPlace,
    /// Only the copy that was kept with its run is there.
    Kept,
    /// Nothing is there.
    Gone,
    /// Its runtime keeps it where coord does not look: it may be there, and cannot be moved.
    Unseen,
    /// Said by a newer version of coord.
    #[serde(other)]
    Unknown,
}

/// The last session that worked on a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The run that it was last used by.
    pub run: RunId,
    /// What the session is one of.
    pub runtime: RuntimeName,
    /// Where that was.
    pub machine: MachineName,
    /// The session, as the runtime calls it.
    pub session: String,
    /// What is left of it; `Err` says why nobody could look.
    pub transcript: Result<Transcript, String>,
}

/// In which session a change is gone on with, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rung {
    /// In the old one, where it was.
    InPlace(Past),
    /// In the old one, whose transcript is brought there.
    Moved(Past),
    /// In a new one, which is told what there is to know.
    New(Afresh),
}

/// Why a session is a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Afresh {
    /// A person wants it so.
    Wanted,
    /// No earlier run had a session.
    None,
    /// The old one is of another runtime.
    OtherRuntime(RuntimeName),
    /// Nothing is left of the old one.
    Gone(MachineName),
    /// The old one can be gone on with nowhere else.
    Stays(MachineName),
    /// Nobody could look what is left of it.
    Unknown {
        /// Where it was.
        machine: MachineName,
        /// Why not.
        reason: String,
    },
}

impl Rung {
    /// The session that is gone on with, if one is.
    #[must_use]
    pub fn past(&self) -> Option<&Past> {
        match self {
            Self::InPlace(past) | Self::Moved(past) => Some(past),
            Self::New(_) => None,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::InPlace(_) => "in-place",
            Self::Moved(_) => "moved",
            Self::New(_) => "new",
        }
    }

    /// What it means, in a sentence without its beginning, for a run on `machine`.
    #[must_use]
    pub fn told(&self, machine: &MachineName) -> String {
        match self {
            Self::InPlace(Past { run, session, .. }) => {
                format!("continues session {session} of run {run} where it was")
            }
            Self::Moved(Past { run, session, machine: from, .. }) if from == machine => {
                format!("continues session {session} of run {run} with its transcript put back")
            }
            Self::Moved(Past { run, session, machine: from, .. }) => {
                format!(
                    "continues session {session} of run {run} with its transcript moved from {from} to {machine}"
                )
            }
            Self::New(afresh) => format!("begins a new session, with a summary and the diff ({afresh})"),
        }
    }
}

impl fmt::Display for Afresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted => f.write_str("as you wanted"),
            Self::None => f.write_str("no earlier run had one"),
            Self::OtherRuntime(runtime) => write!(f, "the old one is of runtime {runtime}"),
            Self::Gone(machine) => write!(f, "nothing is left of the old one on {machine}"),
            Self::Stays(machine) => write!(f, "the old one cannot be moved away from {machine}"),
            Self::Unknown { machine, reason } => {
                write!(f, "what is left of the old one on {machine} is not known: {reason}")
            }
        }
    }
}

/// Decides in which session a run of `runtime` on `machine` goes on.
#[must_use]
pub fn rung(past: Option<Past>, runtime: &RuntimeName, machine: &MachineName, fresh: bool) -> Rung {
    if fresh {
        return Rung::New(Afresh::Wanted);
    }
    let Some(past) = past else { return Rung::New(Afresh::None) };
    if past.runtime != *runtime {
        return Rung::New(Afresh::OtherRuntime(past.runtime));
    }
    match &past.transcript {
        Ok(Transcript::InPlace | Transcript::Unseen) if past.machine == *machine => Rung::InPlace(past),
        Ok(Transcript::Unseen) => Rung::New(Afresh::Stays(past.machine)),
        Ok(Transcript::InPlace | Transcript::Kept) => Rung::Moved(past),
        Ok(Transcript::Gone) => Rung::New(Afresh::Gone(past.machine)),
        Ok(Transcript::Unknown) => {
            let reason = "it is told in words of a newer version of coord".to_owned();
            Rung::New(Afresh::Unknown { machine: past.machine, reason })
        }
        Err(reason) => Rung::New(Afresh::Unknown { reason: reason.clone(), machine: past.machine }),
    }
}

#[cfg(test)]
mod tests;
