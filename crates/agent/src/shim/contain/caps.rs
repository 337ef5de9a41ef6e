//! What the kernel keeps a run from using more of than it may, by the cgroups of the run.

use coord_core::limits::{Limit, Resource, RunLimits};
use fs_err as fs;

use super::Places;
use super::cgroup::Group;

/// How a limit is kept.
#[derive(Debug)]
enum Kept {
    /// By the kernel. The file tells how often it had to, behind this word.
    By { version: u8, group: Group, file: &'static str, word: &'static str },
    /// By nobody: what is used is looked at, and the run stopped.
    Watched,
}

/// The limits of a run on what it uses of its machine, and how each is kept.
#[derive(Debug, Default)]
pub(in crate::shim) struct Caps(Vec<(Limit, Kept)>);

impl Caps {
    /// Sets what may be set, in the groups that may be made; those beyond the `unified` one are added to `made`.
    pub(super) fn set(
        limits: &RunLimits,
        places: &Places,
        unified: Option<&Group>,
        made: &mut Vec<Group>,
    ) -> Self {
        if let Some(unified) = unified.filter(|_| limits.memory.or(limits.processes).is_some()) {
            unified.ask_for_controllers();
        }
        let mut caps = Self::default();
        if let Some(at) = limits.memory {
            let kept = by_unified(unified, "memory.max", at, "memory.events", "oom_kill").or_else(|| {
                let old = places.memory.as_ref()?;
                by_old(old, "memory.limit_in_bytes", at, "memory.oom_control", "oom_kill", made)
            });
            caps.0.push((Limit { of: Resource::Memory, at }, kept.unwrap_or(Kept::Watched)));
        }
        if let Some(at) = limits.processes {
            let kept = by_unified(unified, "pids.max", at, "pids.events", "max").or_else(|| {
                let old = places.processes.as_ref()?;
                by_old(old, "pids.max", at, "pids.events", "max", made)
            });
            caps.0.push((Limit { of: Resource::Processes, at }, kept.unwrap_or(Kept::Watched)));
        }
        caps.0.extend(limits.disk.map(|at| (Limit { of: Resource::Disk, at }, Kept::Watched)));
        caps
    }

    /// Whether there is none.
    pub(in crate::shim) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that nobody keeps.
    pub(in crate::shim) fn watched(&self) -> impl Iterator<Item = Limit> {
        self.0.iter().filter(|(_, kept)| matches!(kept, Kept::Watched)).map(|(limit, _)| *limit)
    }

    /// The first limit that the kernel had to keep.
    pub(in crate::shim) fn hit(&self) -> Option<Limit> {
        self.0.iter().find(|(_, kept)| kept.times() > 0).map(|(limit, _)| *limit)
    }

    /// What of it is enforced, and what is advisory.
    pub(super) fn survey(&self) -> String {
        let kept = self.0.iter().map(|(limit, kept)| match kept {
            Kept::By { version, .. } => format!("{}: enforced (cgroup v{version})", limit.of),
            Kept::Watched => format!("{}: advisory", limit.of),
        });
        kept.collect::<Vec<_>>().join(", ")
    }

    /// Each limit in a sentence: what it is, and whether it is enforced or advisory.
    pub(in crate::shim) fn describe(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(limit, kept)| match kept {
            Kept::By { version, .. } => format!("limit: {limit}, enforced by the kernel (cgroup v{version})"),
            Kept::Watched => {
                format!(
                    "limit: {limit}, advisory: what is used is looked at, and the run stopped when it is more"
                )
            }
        })
    }
}

impl Kept {
    fn times(&self) -> u64 {
        match self {
            Self::By { group, file, word, .. } => {
                let text = fs::read_to_string(group.path().join(file)).unwrap_or_default();
                let said = text.lines().find_map(|it| it.strip_prefix(word)?.trim().parse().ok());
                said.unwrap_or_default()
            }
            Self::Watched => 0,
        }
    }
}

fn by_unified(
    group: Option<&Group>,
    name: &str,
    at: u64,
    file: &'static str,
    word: &'static str,
) -> Option<Kept> {
    let group = group?.clone();
    group.set(name, at).ok()?;
    if name == "memory.max" {
        // Where there is swap, it is memory as well.
        group.set("memory.swap.max", 0).ok();
    }
    Some(Kept::By { version: 2, group, file, word })
}

fn by_old(
    group: &Group,
    name: &str,
    at: u64,
    file: &'static str,
    word: &'static str,
    made: &mut Vec<Group>,
) -> Option<Kept> {
    group.make().ok()?;
    made.push(group.clone());
    group.set(name, at).ok()?;
    if name == "memory.limit_in_bytes" {
        group.set("memory.memsw.limit_in_bytes", at).ok();
    }
    Some(Kept::By { version: 1, group: group.clone(), file, word })
}
