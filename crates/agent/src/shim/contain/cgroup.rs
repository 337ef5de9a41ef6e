//! Control groups: directories of the kernel that a process cannot leave by changing its parent, its session or
//! its environment.
//!
//! A run's group is made below the group that the shim itself is in; or beside it, where the system has handed over the
//! group above to whoever runs there (systemd's `Delegate=` with `DelegateSubgroup=`). Nobody else's part of the
//! hierarchy is touched. Where it may not be made there is none, and the run is kept together by other means.
//!
//! A group that processes are in cannot have its unified controllers limit the groups below it. So on a system that
//! has no others, memory and processes are limited by the kernel only where the group above was handed over.
//!
//! Deliberately absent: moving coord itself to another place of the hierarchy. A systemd that knows no
//! `DelegateSubgroup=` puts a service that it restarts into the group that it has handed over, which it cannot while
//! that limits the groups of runs that go on.

use std::fmt;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// What the names of the groups begin with that coord makes.
const PREFIX: &str = "coord-";

/// The hierarchies that a run may have a group in. The unified one can do all of it where its controllers are not
/// bound to the others, which are older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hierarchy {
    Unified,
    Memory,
    Processes,
}

/// The group of one run in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    path: Utf8PathBuf,
    /// Where the shim is when it is not in there.
    outside: Utf8PathBuf,
}

impl Group {
    /// Where the group of `run` would be; `None` where there is no such hierarchy. Makes nothing.
    pub(super) fn place(run: &str, hierarchy: Hierarchy) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let outside = place_in(&mounts, &own, hierarchy)?;
        let above = outside.parent().filter(|it| is_handed_over(it)).unwrap_or(&outside);
        Some(Self { path: above.join(format!("{PREFIX}{run}")), outside })
    }

    /// The group that the record of a shim names. A path that none of ours can be is none.
    pub(super) fn recorded(path: &Utf8Path, run: &str) -> Option<Self> {
        let ours = path.file_name().and_then(|it| it.strip_prefix(PREFIX)) == Some(run);
        let outside = path.parent().filter(|it| ours && it.is_absolute())?;
        Some(Self { path: path.to_owned(), outside: outside.to_owned() })
    }

    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Makes it. One that is there already is taken: a run has one group.
    pub(super) fn make(&self) -> io::Result<()> {
        match fs::create_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Asks the group above to let the groups below it limit memory and processes. It may do so already, and it
    /// may not be able to, which shows when a limit is set.
    pub(super) fn ask_for_controllers(&self) {
        if let Some(above) = self.path.parent() {
            fs::write(above.join("cgroup.subtree_control"), "+memory +pids").ok();
        }
    }

    /// Sets one of its values.
    pub(super) fn set(&self, name: &str, value: impl fmt::Display) -> io::Result<()> {
        fs::write(self.path.join(name), value.to_string())
    }

    /// Moves this process into it.
    pub(super) fn enter(&self) -> io::Result<()> {
        join(&self.path)
    }

    /// Moves this process back to where it was.
    pub(super) fn leave(&self) -> io::Result<()> {
        join(&self.outside)
    }

    /// Everything that is in it or in a group below it.
    pub(super) fn members(&self) -> Vec<u32> {
        let mut found = Vec::new();
        for group in self.tree() {
            let list = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            found.extend(list.lines().filter_map(|it| it.parse::<u32>().ok()));
        }
        found
    }

    /// Kills everything that is in it, what is being forked included. Where the kernel cannot, or the group is
    /// gone, the members are found and killed one by one.
    pub(super) fn kill(&self) {
        fs::write(self.path.join("cgroup.kill"), "1").ok();
    }

    /// Removes it with all the groups that were made below it. It must be empty.
    pub(super) fn remove(&self) -> io::Result<()> {
        for group in self.tree().into_iter().rev() {
            match fs::remove_dir(group) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// It and all below it, each before what is below it.
    fn tree(&self) -> Vec<Utf8PathBuf> {
        let mut found = vec![self.path.clone()];
        let mut next = 0;
        while let Some(group) = found.get(next).cloned() {
            next += 1;
            for entry in group.read_dir_utf8().into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|it| it.is_dir()) {
                    found.push(entry.into_path());
                }
            }
        }
        found
    }
}

/// Whether the system has left everything below a group to whoever runs there.
fn is_handed_over(group: &Utf8Path) -> bool {
    ["user.delegate", "trusted.delegate"].into_iter().any(|name| {
        let mut value = [0; 1];
        let length = rustix::fs::getxattr(group.as_std_path(), name, &mut value[..]);
        length == Ok(1) && value == *b"1"
    })
}

fn join(group: &Utf8Path) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}

/// The directory of the group that a process is in, of one hierarchy.
///
/// `mounts` is its `mountinfo` and `own` its `cgroup`.
fn place_in(mounts: &str, own: &str, hierarchy: Hierarchy) -> Option<Utf8PathBuf> {
    let (kind, controller) = match hierarchy {
        Hierarchy::Unified => ("cgroup2", None),
        Hierarchy::Memory => ("cgroup", Some("memory")),
        Hierarchy::Processes => ("cgroup", Some("pids")),
    };
    let named = |list: &str| controller.is_none_or(|it| list.split(',').any(|word| word == it));
    let own = own.lines().find_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        ((number == "0") == controller.is_none() && named(controllers)).then_some(path)
    })?;
    mounts.lines().find_map(|line| {
        let (place, about) = line.split_once(" - ")?;
        let mut about = about.split(' ');
        if about.next() != Some(kind) || !named(about.next_back()?) {
            return None;
        }
        let mut fields = place.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Utf8Path::new(own).strip_prefix(root).ok()?;
        // A group outside of what is mounted here is told by a way up.
        let inside = !below.components().any(|it| it.as_str() == "..");
        inside.then(|| Utf8Path::new(point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "30 23 0:27 / /proc rw - proc proc rw\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_group_of_a_process_is_found_where_its_hierarchy_is_mounted() {
        let own = "8:pids:/\n4:memory,x:/elsewhere\n0::/user.slice/a.scope\n";
        let place = |own: &str, hierarchy| place_in(MOUNTS, own, hierarchy).map(Utf8PathBuf::into_string);
        let (unified, memory) =
            ("/sys/fs/cgroup/unified/user.slice/a.scope", "/sys/fs/cgroup/memory/elsewhere");
        assert_eq!(place(own, Hierarchy::Unified).as_deref(), Some(unified));
        assert_eq!(place(own, Hierarchy::Memory).as_deref(), Some(memory));
        assert_eq!(place(own, Hierarchy::Processes), None, "it is mounted nowhere");
        assert_eq!(place("0::/\n", Hierarchy::Unified).as_deref(), Some("/sys/fs/cgroup/unified/"));
        assert_eq!(place("4:memory:/\n", Hierarchy::Unified), None);
        assert_eq!(place_in("30 23 0:27 / /proc rw - proc proc rw\n", own, Hierarchy::Unified), None);
    }

    #[test]
    fn a_group_that_is_not_below_the_mount_is_none() {
        let mounts = MOUNTS.replace("0:38 / ", "0:38 /user.slice ");
        assert_eq!(
            place_in(&mounts, "0::/user.slice/a.scope\n", Hierarchy::Unified).unwrap(),
            "/sys/fs/cgroup/unified/a.scope"
        );
        assert_eq!(place_in(&mounts, "0::/system.slice\n", Hierarchy::Unified), None);
        assert_eq!(place_in(MOUNTS, "0::/../outside\n", Hierarchy::Unified), None);
    }

    #[test]
    fn a_record_names_the_group_of_its_own_run_or_none() {
        let place = Utf8Path::new("/sys/fs/cgroup/coord-a1");
        assert_eq!(Group::recorded(place, "a1").unwrap().path(), place);
        assert_eq!(Group::recorded(place, "a2"), None);
        assert_eq!(Group::recorded(Utf8Path::new("/sys/fs/cgroup"), "a1"), None);
        assert_eq!(Group::recorded(Utf8Path::new("coord-a1"), "a1"), None);
    }
}
