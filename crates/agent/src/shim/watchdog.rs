//! Watching over a worker: when it has been silent, or has gone on, for too long.
//!
//! A state machine that is told what happens, and answers when to look again and what to stop for. A silent model
//! and a running tool are different things: a tool may be silent for as long as its processes compute, read or
//! write.
//!
//! Time is tokio's, which is the system's monotonic clock: it stands still while the machine is suspended, and
//! nobody can set it. So a laptop may be closed during a run, and no jump of the wall clock ends one.
//!
//! Deliberately absent: looking at processes, and stopping anything.

use std::time::Duration;

use coord_core::classify::StopCause;
use coord_core::limits::RunLimits;
use coord_core::outcome::TimeoutPhase;
use tokio::time::Instant;

use crate::runtime::Phase;

/// How long a worker may stay that has told its last result and has nothing left to do, whatever it goes on to say.
const LINGER: Duration = Duration::from_secs(10);
/// How often the processes are looked at while a tool is silent, for a tool that may be so for long.
const SELDOM: Duration = Duration::from_secs(15);
/// How often at most.
const OFTEN: Duration = Duration::from_millis(200);
/// Of the time between two looks, a process that is at work has used more than one part in this many.
const SHARE: u32 = 100;
/// A process that is at work reads or writes more than this many bytes a second.
const BYTES: u64 = 1024;

/// What the processes of a run have used between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Used {
    /// Processor time.
    pub(super) computed: Duration,
    /// Bytes read and written.
    pub(super) moved: u64,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing before this moment; then ask again.
    Wait(Instant),
    /// Nothing before this moment; then say what the processes have used.
    Look(Instant),
    /// Stop the worker.
    Stop(StopCause),
}

/// One worker being watched.
#[derive(Debug)]
pub(super) struct Watchdog {
    first_output: Option<Duration>,
    idle: Option<Duration>,
    tool_idle: Option<Duration>,
    deadline: Instant,
    started: Instant,
    /// When the worker last printed something, if it has.
    heard: Option<Instant>,
    /// When it last gave a sign of life of any kind, or when it was over.
    alive: Instant,
    /// When the processes were last looked at.
    looked: Instant,
    phase: Phase,
}

impl Watchdog {
    /// Begins now, with a worker that has just been started in this phase.
    pub(super) fn begin(limits: &RunLimits, deadline: Instant, phase: Phase, now: Instant) -> Self {
        let seconds = |it: Option<u64>| it.map(Duration::from_secs);
        Self {
            first_output: seconds(limits.first_output),
            idle: seconds(limits.idle),
            tool_idle: seconds(limits.tool_idle),
            deadline,
            started: now,
            heard: None,
            alive: now,
            looked: now,
            phase,
        }
    }

    /// The worker has printed something, and is in this phase now.
    pub(super) fn heard(&mut self, phase: Phase, now: Instant) {
        self.heard = Some(now);
        // Whatever it says once it is over does not make it stay longer.
        if [self.phase, phase] != [Phase::Over; 2] {
            self.alive = now;
        }
        self.phase = phase;
    }

    /// This is what its processes have used since the last look.
    pub(super) fn used(&mut self, used: Used, now: Instant) {
        let since = now.saturating_duration_since(self.looked);
        let computes = used.computed > since / SHARE;
        let moves = u128::from(used.moved) * 1000 > u128::from(BYTES) * since.as_millis();
        if computes || moves {
            self.alive = now;
        }
        self.looked = now;
    }

    /// What is to be done next, as things stand.
    pub(super) fn next(&self, now: Instant) -> Next {
        let first = self.first_output.filter(|_| self.heard.is_none());
        let first = first.map(|it| (self.started + it, StopCause::Overdue(TimeoutPhase::FirstOutput)));
        let phase = match self.phase {
            Phase::Model => self.idle.map(|it| (self.alive + it, StopCause::Overdue(TimeoutPhase::Idle))),
            Phase::Tool => self.tool_idle.map(|it| (self.alive + it, StopCause::Overdue(TimeoutPhase::Idle))),
            Phase::Over => Some((self.alive + LINGER, StopCause::Lingered)),
        };
        let absolute = Some((self.deadline, StopCause::Overdue(TimeoutPhase::Absolute)));
        let ends = [absolute, first, phase];
        let (at, cause) =
            ends.into_iter().flatten().min_by_key(|it| it.0).expect("there is always a deadline");
        if at <= now {
            return Next::Stop(cause);
        }
        match self.look() {
            Some(look) if look < at => Next::Look(look),
            Some(_) | None => Next::Wait(at),
        }
    }

    /// When the processes are to be looked at, if what they do matters.
    fn look(&self) -> Option<Instant> {
        let every = match self.phase {
            Phase::Tool => (self.tool_idle? / 8).clamp(OFTEN, SELDOM),
            Phase::Model | Phase::Over => return None,
        };
        Some(self.looked + every)
    }
}

#[cfg(test)]
mod tests;
