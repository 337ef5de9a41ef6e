//! The way down for a process: told in its own language where it has one, interrupted, terminated, killed; each rung
//! with its time.

use std::time::Duration;

use coord_core::classify::StopCause;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::Instant;

/// How long a runtime that was told to stop may take to end its turn and say how far it got.
const TOLD: Duration = Duration::from_secs(2);
/// How long an interrupted process may take to end its tools and say how far it got.
const INTERRUPT: Duration = Duration::from_secs(5);
/// How long a terminated process may take.
const TERMINATE: Duration = Duration::from_secs(3);

/// A process on its way down.
#[derive(Debug)]
pub(super) struct Ladder {
    group: Pid,
    rung: Rung,
    until: Instant,
    pub(super) cause: StopCause,
}

/// What a process may do something about. Below that it is killed, with everything it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    /// It was told in its own language, before this began.
    Told,
    Interrupt,
    Terminate,
}

impl Ladder {
    /// Takes the first step. `group` is the process, which leads a group of its own; it may have been `told` to stop in
    /// its own language.
    pub(super) fn start(group: Pid, cause: StopCause, told: bool) -> Self {
        let rung = match cause {
            // It has said all that it has to say; an interrupt would have it say something else.
            StopCause::Lingered => Rung::Terminate,
            StopCause::Asked | StopCause::Overdue(_) | StopCause::OverLimit(_) if told => Rung::Told,
            StopCause::Asked | StopCause::Overdue(_) | StopCause::OverLimit(_) => Rung::Interrupt,
        };
        let mut ladder = Self { group, rung, until: Instant::now(), cause };
        ladder.act();
        ladder
    }

    /// When the next step is due.
    pub(super) fn due(&self) -> Instant {
        self.until
    }

    /// Takes the next step; false when there is none but to kill.
    pub(super) fn step(&mut self) -> bool {
        self.rung = match self.rung {
            Rung::Told => Rung::Interrupt,
            Rung::Interrupt => Rung::Terminate,
            Rung::Terminate => return false,
        };
        self.act();
        true
    }

    fn act(&mut self) {
        let (signal, time) = match self.rung {
            Rung::Told => {
                self.until = Instant::now() + TOLD;
                return;
            }
            Rung::Interrupt => (Signal::INT, INTERRUPT),
            Rung::Terminate => (Signal::TERM, TERMINATE),
        };
        self.until = Instant::now() + time;
        // A group that is gone has ended, which is what this is for; whoever waits for it is told.
        if kill_process_group(self.group, signal).is_ok() {
            // A stopped process would not notice that it is to go.
            kill_process_group(self.group, Signal::CONT).ok();
        }
    }
}
