//! The way down for a process: asked nicely, told, killed; each rung with its time.

use std::time::Duration;

use coord_core::classify::StopCause;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::Instant;

/// How long an interrupted runtime may take to end its tools and say how far it got.
const INTERRUPT: Duration = Duration::from_secs(5);
/// How long a terminated process may take.
const TERMINATE: Duration = Duration::from_secs(3);
/// How long the kernel may take to end a killed process. One that hangs in the kernel is not waited for.
const KILL: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    Interrupt,
    Terminate,
    Kill,
    /// Nothing more can be done.
    Bottom,
}

/// A process on its way down.
#[derive(Debug)]
pub(super) struct Ladder {
    group: Pid,
    rung: Rung,
    until: Instant,
    pub(super) cause: StopCause,
}

impl Ladder {
    /// Takes the first step. `group` is the process, which leads a group of its own.
    pub(super) fn start(group: Pid, takes_interrupt: bool, cause: StopCause) -> Self {
        let rung = if takes_interrupt { Rung::Interrupt } else { Rung::Terminate };
        let mut ladder = Self { group, rung, until: Instant::now(), cause };
        ladder.act();
        ladder
    }

    /// When the next step is due.
    pub(super) fn due(&self) -> Instant {
        self.until
    }

    /// Takes the next step; false when there is none and the process is to be given up.
    pub(super) fn step(&mut self) -> bool {
        self.rung = match self.rung {
            Rung::Interrupt => Rung::Terminate,
            Rung::Terminate => Rung::Kill,
            Rung::Kill | Rung::Bottom => Rung::Bottom,
        };
        self.act();
        self.rung != Rung::Bottom
    }

    fn act(&mut self) {
        let (signal, time) = match self.rung {
            Rung::Interrupt => (Signal::INT, INTERRUPT),
            Rung::Terminate => (Signal::TERM, TERMINATE),
            Rung::Kill => (Signal::KILL, KILL),
            Rung::Bottom => return,
        };
        self.until = Instant::now() + time;
        // A group that is gone has ended, which is what this is for; whoever waits for it is told.
        if kill_process_group(self.group, signal).is_ok() && signal != Signal::KILL {
            // A stopped process would not notice that it is to go.
            kill_process_group(self.group, Signal::CONT).ok();
        }
    }
}
