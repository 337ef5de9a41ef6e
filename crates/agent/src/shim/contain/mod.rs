//! Keeping the processes of a run together, and ending every one of them.
//!
//! A worker may fork, become a daemon, take a session of its own, ignore signals and forget its environment.
//! Three things still tell whose it is, and all that a machine has are used together:
//!
//! - the *group*: a cgroup of the run's own, which it was started in, where one may be made. `cgroup.kill` then
//!   ends everything in it, however fast it forks;
//! - *ancestry*: the shim adopts what its descendants orphan. So does the agent server, for a shim that died;
//! - the *marker* in the environment, which is inherited.
//!
//! What must hold: when `Containment::end_all` returns, nothing of the run is left, or it says what is; no
//! process of anybody else is signalled; no group outlives its run.
//!
//! Deliberately absent: asking anybody to go. That is the ladder's part, before this.

use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::id::RunId;
use coord_core::limits::RunLimits;
use rustix::process::Pid;

use self::cgroup::{Group, Hierarchy};
use self::hunt::Hunt;
use crate::order::ShimRecord;
use crate::process;
use crate::shim::child;

mod caps;
mod census;
mod cgroup;
mod hunt;
mod oom;
mod orphan;

pub(super) use caps::Caps;
pub(super) use census::Census;
pub(crate) use hunt::Swept;
pub use orphan::adopt_orphans;
pub(crate) use orphan::{PARENT, bury_adopted};

/// How long after its parent a process may end that was told to.
const STRAGGLE: Duration = Duration::from_millis(300);

/// By which means the processes of a run are told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// By the cgroup they are in.
    pub group: bool,
    /// By whose descendants they are.
    pub ancestry: bool,
    /// By the marker in their environment.
    pub marker: bool,
}

impl Means {
    /// All there are, which is what a shim uses. Each by itself is for tests.
    pub const ALL: Self = Self { group: true, ancestry: true, marker: true };
}

/// What this machine offers to keep runs together and within their limits, in a sentence. To know it, groups are
/// made, and removed again.
#[must_use]
pub fn survey() -> String {
    let nobody = RunId::from_random(u64::from(std::process::id()));
    let places = Places::find(Utf8Path::new(&nobody.to_string()), Means::ALL);
    // Limits that nothing reaches.
    let large = Some(1 << 50);
    let limits = RunLimits { memory: large, processes: Some(1 << 20), disk: large, ..RunLimits::default() };
    let (contained, caps) = Containment::set_up(nobody, Means::ALL, &places, &limits);
    let unified = contained.groups.iter().any(|it| Some(it) == places.unified.as_ref());
    let by =
        if unified { "a cgroup, ancestry and a marker" } else { "ancestry and a marker, with no cgroup" };
    for group in &contained.groups {
        // One that stays is empty, and named after coord.
        group.remove().ok();
    }
    // A log is written by the shim itself.
    format!("processes of a run are kept together by {by}; limits on {}, log: enforced", caps.survey())
}

/// Where the groups of a run are going to be, in each hierarchy that there is.
#[derive(Debug, Default)]
pub(super) struct Places {
    unified: Option<Group>,
    memory: Option<Group>,
    processes: Option<Group>,
}

/// What keeps the processes of one run together.
#[derive(Debug)]
pub(crate) struct Containment {
    run: RunId,
    means: Means,
    groups: Vec<Group>,
}

impl Places {
    /// For the run in `run_dir`. Makes nothing.
    pub(super) fn find(run_dir: &Utf8Path, means: Means) -> Self {
        let Some(run) = run_dir.file_name().filter(|_| means.group) else { return Self::default() };
        Self {
            unified: Group::place(run, Hierarchy::Unified),
            memory: Group::place(run, Hierarchy::Memory),
            processes: Group::place(run, Hierarchy::Processes),
        }
    }

    /// For the record of the shim.
    pub(super) fn paths(&self) -> Vec<Utf8PathBuf> {
        let all = [&self.unified, &self.memory, &self.processes];
        all.into_iter().flatten().map(|it| it.path().to_owned()).collect()
    }
}

impl Containment {
    /// For the shim of `run`, whose groups are to be at `places`, with the limits that they are to keep.
    pub(super) fn set_up(run: RunId, means: Means, places: &Places, limits: &RunLimits) -> (Self, Caps) {
        // Where it may not be made, the other means have to do.
        let unified = places.unified.clone().filter(|it| it.make().is_ok());
        let mut groups = Vec::new();
        let caps = Caps::set(limits, places, unified.as_ref(), &mut groups);
        groups.extend(unified);
        (Self { run, means, groups }, caps)
    }

    /// For a run whose shim died and left this record.
    pub(crate) fn abandoned(run: RunId, record: Option<&ShimRecord>) -> Self {
        let name = run.to_string();
        let groups = record.into_iter().flat_map(|it| &it.groups);
        let groups = groups.filter_map(|it| Group::recorded(it, &name)).filter(|it| it.path().exists());
        Self { run, means: Means::ALL, groups: groups.collect() }
    }

    /// Starts a process inside.
    ///
    /// The kernel puts a new process where its parent is, so the shim goes in, starts it and comes out again.
    pub(super) fn spawn(&mut self, command: &mut Command) -> io::Result<Child> {
        if !self.means.marker {
            command.env_remove(process::MARKER);
        }
        self.groups.retain(|it| {
            let entered = it.enter();
            if entered.is_err() {
                it.remove().ok();
            }
            entered.is_ok()
        });
        let usual = oom::expose();
        let child = command.spawn();
        oom::restore(usual);
        // Ending a group that the shim could not leave would end the shim as well.
        self.groups.retain(|it| it.leave().is_ok());
        child
    }

    /// Gives what a process that ended had started, and told to end, the moment that this takes. Whoever is left then
    /// was not going to.
    pub(super) async fn let_end(&self) {
        let give_up = tokio::time::Instant::now() + STRAGGLE;
        while !child::reap(None).childless && tokio::time::Instant::now() < give_up {
            tokio::time::sleep(hunt::PAUSE).await;
        }
    }

    /// Ends every process of the run, and tells how `awaited` ended if that was among them.
    ///
    /// # Errors
    /// When the machine's processes cannot be listed.
    pub(super) async fn end_all(&self, awaited: Option<Pid>) -> io::Result<Swept> {
        Hunt::by_shim(self.run, self.means, &self.groups, awaited).run().await
    }

    /// Ends every process of a run whose shim died, from another process than its shim.
    ///
    /// # Errors
    /// When the machine's processes cannot be listed.
    pub(crate) async fn end_abandoned(&self) -> io::Result<Swept> {
        Hunt::by_server(self.run, &self.groups).run().await
    }

    /// Removes the groups, once nothing is in them.
    ///
    /// # Errors
    /// When something still is.
    pub(crate) async fn remove(&self) -> io::Result<()> {
        let give_up = tokio::time::Instant::now() + hunt::GIVE_UP;
        for group in &self.groups {
            loop {
                match group.remove() {
                    // What was killed leaves its group a moment after it has left the list of its members.
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        if tokio::time::Instant::now() >= give_up {
                            return Err(error);
                        }
                    }
                    removed => break removed?,
                }
                tokio::time::sleep(hunt::PAUSE).await;
            }
        }
        Ok(())
    }
}
