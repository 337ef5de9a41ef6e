//! The way down for a process: interrupted, terminated, killed; each rung with its time.
//!
//! A runtime that can be interrupted in words of its own would be asked so before all of these.

use std::time::Duration;

use coord_core::classify::StopCause;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::Instant;

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

/// The signals that a process may do something about. Below them it is killed, with everything it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    Interrupt,
    Terminate,
}

impl Ladder {
    /// Takes the first step. `group` is the process, which leads a group of its own.
    pub(super) fn start(group: Pid, cause: StopCause) -> Self {
        let rung = match cause {
            StopCause::Asked | StopCause::Overdue(_) | StopCause::OverLimit(_) => Rung::Interrupt,
            // It has said all that it has to say; an interrupt would have it say something else.
            StopCause::Lingered => Rung::Terminate,
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
        match self.rung {
            Rung::Interrupt => {
                self.rung = Rung::Terminate;
                self.act();
                true
            }
            Rung::Terminate => false,
        }
    }

    fn act(&mut self) {
        let (signal, time) = match self.rung {
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
