//! The way down for a process: told in its own language where it has one, interrupted, terminated, killed; each rung
//! with its time.

use std::time::Duration;

use coord_core::classify::StopCause;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::Instant;

use crate::process;

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
    /// The process only keeps others together, and would take them with it.
    confined: bool,
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
    /// Takes the first step. `group` is the process, which leads a group of its own; it is that of a sandbox if the
    /// worker is `confined`, and may have been `told` to stop in its own language.
    pub(super) fn start(group: Pid, confined: bool, cause: StopCause, told: bool) -> Self {
        let rung = match cause {
            // It has said all that it has to say; an interrupt would have it say something else.
            StopCause::Lingered => Rung::Terminate,
            StopCause::Asked | StopCause::Overdue(_) | StopCause::OverLimit(_) if told => Rung::Told,
            StopCause::Asked | StopCause::Overdue(_) | StopCause::OverLimit(_) => Rung::Interrupt,
        };
        let mut ladder = Self { group, confined, rung, until: Instant::now(), cause };
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
        if self.confined && self.signal_within(signal) {
            return;
        }
        // A group that is gone has ended, which is what this is for; whoever waits for it is told.
        if kill_process_group(self.group, signal).is_ok() {
            // A stopped process would not notice that it is to go.
            kill_process_group(self.group, Signal::CONT).ok();
        }
    }

    /// Signals what runs in the sandbox that the process is: all its descendants but its children, which are the
    /// first process in there and stand for the sandbox as well. False when there is nothing.
    fn signal_within(&self, signal: Signal) -> bool {
        let root = self.group.as_raw_nonzero().get().unsigned_abs();
        let table = process::table().unwrap_or_default();
        let within = process::descendants(&table, root);
        let is_first = |pid: u32| table.iter().any(|it| it.pid == pid && it.parent == root);
        let inside = within.into_iter().filter(|it| !is_first(*it));
        let pids: Vec<_> = inside.filter_map(|it| Pid::from_raw(i32::try_from(it).ok()?)).collect();
        for pid in &pids {
            // Who is gone has ended, which is what this is for.
            if kill_process(*pid, signal).is_ok() {
                kill_process(*pid, Signal::CONT).ok();
            }
        }
        !pids.is_empty()
    }
}
