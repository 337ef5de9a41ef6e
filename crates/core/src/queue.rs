//! Whose turn it is among the runs that wait to start.
//!
//! A queued run holds its task's lease, so nobody else takes the task meanwhile, and takes nothing else: no slot,
//! no machine. Everything about its start is decided when it starts and not when it was queued, but for what a
//! person said ([`Wish`]). The oldest goes first; one that cannot start holds nobody up.
//!
//! What must hold: no more starts than there are slots, no two closer together than they are to be, and no wait
//! without an end: what will never lift, or has not for a [`CEILING`], ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::again::Again;
use crate::claim::Said;
use crate::hours::Hours;
use crate::id::RunId;
use crate::machine::Machine;
use crate::name::{MachineName, RuntimeName};
use crate::park::Parked;
use crate::readiness::{Blocker, Lift, blockers};
use crate::repo::Repo;
use crate::routing::{Route, route};
use crate::run::{Reservation, Run, RunState};
use crate::task::Task;
use crate::window::Hold;

/// How long a run stays queued at most, by the clock on the wall. Whoever was asleep all the while starts what can
/// be started before anything is given up.
pub const CEILING: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a person said when they gave a task out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// Where to; `None` leaves it to the routing.
    pub machine: Option<MachineName>,
    /// Instead of the model that labels and configuration give.
    pub model: Option<String>,
    /// Instead of the configured runtime.
    pub runtime: Option<RuntimeName>,
    /// What to tell the worker on top.
    pub briefing: Option<String>,
    /// What does not hold it back because the person says so.
    pub said: Said,
    /// Where it goes on, if another run was cut short there.
    pub parked: Option<Parked>,
    /// From what it goes on; without it the task is given out anew.
    pub again: Option<Again>,
}

/// A queued run, with what decides about it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The run.
    pub run: Run,
    /// What was said when it was queued.
    pub wish: Wish,
    /// Its task, as it is now.
    pub task: Task,
    /// The tasks that it waits for, where the board has them.
    pub waited: Vec<Task>,
}

/// Everything that decides about the queue at one moment.
#[derive(Debug, Clone)]
pub struct Queue<'a> {
    /// The queued runs, oldest first.
    pub entries: &'a [Entry],
    /// Every run that has not ended.
    pub active: &'a [Run],
    /// Every repo under coordination.
    pub repos: &'a [Repo],
    /// Every machine of the fleet.
    pub machines: &'a [Machine],
    /// The machine that decides.
    pub here: Option<&'a MachineName>,
    /// Machines that were asked just now and did not answer.
    pub away: &'a BTreeSet<MachineName>,
    /// Machines on which a runtime has an account that nothing may be started for.
    pub held: &'a Holds,
    /// When what is parked may go on.
    pub hours: &'a Hours,
    /// The time zone of those hours.
    pub zone: &'a TimeZone,
    /// When agent work was last reserved.
    pub last_start: Option<Timestamp>,
    /// How long after that the next may be.
    pub stagger: Duration,
    /// The time.
    pub now: Timestamp,
}

/// Accounts that nothing may be started for, by where they would be used.
pub type Holds = BTreeMap<(MachineName, RuntimeName), Hold>;

/// What becomes of a queued run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It starts there.
    Start(MachineName),
    /// It goes on waiting, for every one of these.
    Wait(Vec<Blocker>),
    /// It leaves the queue, because of these.
    Leave(Vec<Blocker>),
}

/// What becomes of each queued run now. A run that starts counts for those behind it.
#[must_use]
pub fn turns(queue: &Queue<'_>) -> Vec<(RunId, Turn)> {
    let mut active = queue.active.to_vec();
    let mut last_start = queue.last_start;
    let mut turns = Vec::with_capacity(queue.entries.len());
    for entry in queue.entries {
        let turn = turn(queue, entry, &active, last_start);
        if let Turn::Start(machine) = &turn {
            let reservation = Some(Reservation { machine: machine.clone(), at: queue.now });
            active.retain(|it| it.id != entry.run.id);
            active.push(Run { reservation, state: RunState::Reserved, ..entry.run.clone() });
            last_start = Some(queue.now);
        }
        turns.push((entry.run.id, turn));
    }
    turns
}

fn turn(queue: &Queue<'_>, entry: &Entry, active: &[Run], last_start: Option<Timestamp>) -> Turn {
    let rivals: Vec<_> = active.iter().filter(|it| it.id != entry.run.id).cloned().collect();
    let (machine, mut all) = match place(queue, entry, &rivals) {
        Ok(machine) => (Some(machine), Vec::new()),
        Err(reasons) => (None, reasons),
    };
    all.extend(blockers(&entry.task, &entry.waited, &rivals, queue.repos, machine));
    all.extend(too_soon(last_start, queue.stagger, queue.now));
    let parked = entry.wish.parked.as_ref();
    all.extend(parked.and_then(|it| it.waits_for(queue.hours, queue.zone, queue.now)));
    match machine {
        Some(machine) if all.is_empty() => return Turn::Start(machine.name.clone()),
        Some(_) | None => {}
    }
    let hopeless: Vec<_> = all.iter().filter(|it| it.lift() == Lift::Never).cloned().collect();
    if !hopeless.is_empty() {
        Turn::Leave(hopeless)
    } else if queue.now >= leaves_at(&entry.run) {
        Turn::Leave(all)
    } else {
        Turn::Wait(all)
    }
}

/// Where it would run now, or why nowhere.
fn place<'a>(queue: &Queue<'a>, entry: &Entry, active: &[Run]) -> Result<&'a Machine, Vec<Blocker>> {
    let unfit = |name: &MachineName| {
        let away = queue.away.contains(name).then(|| Blocker::Away(name.clone()));
        let hold = queue.held.get(&(name.clone(), entry.run.runtime.clone()));
        away.or_else(|| hold.cloned().map(Blocker::Held))
    };
    let Some(name) = &entry.wish.machine else {
        return match route(&entry.task, queue.machines, active, queue.here, unfit) {
            Route::To(machine) => Ok(machine),
            Route::Nowhere(reasons) => Err(reasons),
        };
    };
    if let Some(blocker) = unfit(name) {
        return Err(vec![blocker]);
    }
    let machine = queue.machines.iter().find(|it| it.name == *name);
    machine.ok_or_else(|| vec![Blocker::UnknownMachine(name.clone())])
}

/// When a queued run leaves the queue, if it has not started by then.
#[must_use]
pub fn leaves_at(run: &Run) -> Timestamp {
    run.created_at.saturating_add(CEILING).unwrap_or(Timestamp::MAX)
}

/// Whether the last start of agent work is less than `stagger` ago. One that lies further ahead than the next
/// start could was written by a clock that has been set since, and says nothing.
#[must_use]
pub fn too_soon(last_start: Option<Timestamp>, stagger: Duration, now: Timestamp) -> Option<Blocker> {
    let after = |at: Timestamp| at.saturating_add(stagger).unwrap_or(Timestamp::MAX);
    let last_start = last_start.filter(|it| *it <= after(now))?;
    let until = after(last_start);
    (now < until).then_some(Blocker::TooSoon { until })
}

#[cfg(test)]
mod tests;
