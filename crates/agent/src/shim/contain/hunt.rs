//! Ending processes that fork, hide and do not want to be ended.
//!
//! Looking takes longer than forking. So what is found is first stopped, at the moment it is seen and with its
//! whole process group, which nobody who is being forked escapes; only when a look finds nothing new is
//! everything killed. That keeps parents alive until all their children are known, and it is done again until
//! nothing is left.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use coord_core::id::RunId;
use coord_core::outcome::WorkerExit;
use coord_proto::event::LeakedProcess;
use rustix::process::{Pid, Signal, getpgrp};
use tokio::time::Instant;

use super::cgroup::Group;
use super::{Means, orphan};
use crate::process::{self, Process};
use crate::shim::child::{self, Reaped};

/// How long processes that were killed may take to go. One that hangs in the kernel is not waited for.
pub(super) const GIVE_UP: Duration = Duration::from_secs(10);
/// Between two looks.
pub(super) const PAUSE: Duration = Duration::from_millis(2);
/// How often new processes are looked for before what is known is killed.
const ROUNDS: usize = 20;
/// How many looks in a row must find nothing where nothing else proves that nothing is there: between two of
/// its children a process that forks and ends at once can be missed.
const QUIET: usize = 3;
/// How many processes are named, and how much of each command line.
const NAMED: usize = 20;
const COMMAND: usize = 200;

/// What was found and ended.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// The first of those that were found, whether or not they went.
    pub named: Vec<LeakedProcess>,
    /// How many were found, the awaited one not counted.
    pub found: usize,
    /// Those that did not go.
    pub left: Vec<LeakedProcess>,
    /// How the awaited process ended, if it did.
    pub exit: Option<WorkerExit>,
}

/// One hunt.
pub(super) struct Hunt<'a> {
    run: RunId,
    means: Means,
    groups: &'a [Group],
    /// Whether this is the shim, whose children are all of the run.
    is_shim: bool,
    awaited: Option<Pid>,
    own: u32,
    own_group: u32,
    /// Every process that was found, by number and start time.
    known: BTreeSet<(u32, u64)>,
    swept: Swept,
}

/// What one look found.
#[derive(Default)]
struct Look {
    new: usize,
    living: Vec<u32>,
    /// Nothing of the run can be left, whatever was seen.
    proven: bool,
}

impl<'a> Hunt<'a> {
    pub(super) fn by_shim(run: RunId, means: Means, groups: &'a [Group], awaited: Option<Pid>) -> Self {
        Self { means, is_shim: true, awaited, ..Self::by_server(run, groups) }
    }

    pub(super) fn by_server(run: RunId, groups: &'a [Group]) -> Self {
        Self {
            run,
            means: Means::ALL,
            groups,
            is_shim: false,
            awaited: None,
            own: std::process::id(),
            own_group: number(getpgrp()),
            known: BTreeSet::new(),
            swept: Swept::default(),
        }
    }

    pub(super) async fn run(mut self) -> io::Result<Swept> {
        let give_up = Instant::now() + GIVE_UP;
        for _ in 0..ROUNDS {
            if self.look(Signal::STOP)?.new == 0 {
                break;
            }
        }
        let mut quiet = 0;
        loop {
            self.groups.iter().for_each(Group::kill);
            let look = self.look(Signal::KILL)?;
            quiet = if look.living.is_empty() { quiet + 1 } else { 0 };
            if quiet >= QUIET || (quiet > 0 && look.proven) {
                return Ok(self.swept);
            }
            if Instant::now() >= give_up {
                self.swept.left = look.living.into_iter().take(NAMED).map(named).collect();
                return Ok(self.swept);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Looks at every process once, and sends what belongs to the run this signal as soon as it is seen.
    fn look(&mut self, signal: Signal) -> io::Result<Look> {
        let mut look = Look::default();
        if self.is_shim {
            let Reaped { exit, childless } = child::reap(self.awaited);
            self.swept.exit = self.swept.exit.or(exit);
            look.proven = childless && self.means.ancestry;
        }
        let inside: BTreeSet<_> = self.groups.iter().flat_map(Group::members).collect();
        let mut members = BTreeSet::new();
        process::scan(|it| {
            if it.pid == self.own || !self.is_member(&it, &inside, &members) {
                return;
            }
            if it.zombie {
                self.bury(&it);
                return;
            }
            members.insert(it.pid);
            if self.known.insert((it.pid, it.start_time)) {
                self.strike(&it, Signal::STOP, &members);
                self.name(&it);
                look.new += 1;
            }
            self.strike(&it, signal, &members);
            look.living.push(it.pid);
        })?;
        Ok(look)
    }

    fn is_member(&self, it: &Process, inside: &BTreeSet<u32>, members: &BTreeSet<u32>) -> bool {
        let by_ancestry = || {
            let below = members.contains(&it.parent);
            below || (it.parent == self.own && (self.is_shim || orphan::is_adopted(it)))
        };
        inside.contains(&it.pid)
            || self.known.contains(&(it.pid, it.start_time))
            || (self.means.ancestry && by_ancestry())
            || (self.means.marker && process::is_marked(it.pid, self.run))
    }

    /// The whole group, unless somebody else leads it.
    fn strike(&self, it: &Process, signal: Signal, members: &BTreeSet<u32>) {
        let ours = it.group != self.own_group
            && (members.contains(&it.group) || process::find(it.group).is_none_or(|leader| leader.zombie));
        if ours {
            process::signal_group(it.group, signal);
        } else {
            process::signal(it.pid, signal);
        }
    }

    fn name(&mut self, it: &Process) {
        if self.awaited.is_some_and(|awaited| number(awaited) == it.pid) {
            return;
        }
        self.swept.found += 1;
        if self.swept.named.len() < NAMED {
            self.swept.named.push(named(it.pid));
        }
    }

    /// Takes note of a death that nobody else takes note of: of a process that the server adopted.
    fn bury(&self, it: &Process) {
        if !self.is_shim && it.parent == self.own {
            process::reap(it.pid);
        }
    }
}

impl Swept {
    /// In a sentence, that what was found was to be found.
    pub(crate) fn as_left_behind(&self) -> String {
        match self.found {
            1 => "ended a process that was left behind".to_owned(),
            count => format!("ended {count} processes that were left behind"),
        }
    }
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// What a process is called by.
fn named(pid: u32) -> LeakedProcess {
    LeakedProcess { pid, command: process::command_line(pid).chars().take(COMMAND).collect() }
}
