//! The processes of this machine, as the kernel lists them.
//!
//! A process is a number and a start time: numbers are used again, the pair is not, within one boot. The
//! marker in its environment tells which run a process belongs to, however it was started and whoever its
//! parent is by now.

use std::collections::BTreeSet;
use std::io;

use coord_core::id::RunId;
use rustix::process::{Pid, Signal, kill_process};

/// The variable that every process of a run inherits.
pub const MARKER: &str = "COORD_RUN";

/// One process, as it was when the table was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The number of its parent.
    pub parent: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub start_time: u64,
    /// Whether it is dead already and only waits for its parent to notice.
    pub zombie: bool,
}

/// Every process below `root` in a table, `root` itself excluded.
#[must_use]
pub fn descendants(table: &[Process], root: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        found.extend(
            table.iter().filter(|it| found.contains(&it.parent)).map(|it| it.pid).collect::<Vec<_>>(),
        );
        if found.len() == before {
            found.remove(&root);
            return found;
        }
    }
}

/// Kills a process. One that is gone already, or that belongs to somebody else, is left to the next look at
/// the table.
pub fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Every failure shows in the table, which the caller takes again until nothing is left.
        kill_process(pid, Signal::KILL).ok();
    }
}

/// Whether `environment`, entries ended by zero bytes, marks a process of `run`.
fn marks(environment: &[u8], run: RunId) -> bool {
    let marker = format!("{MARKER}={run}");
    environment.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes())
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Process, RunId, io, marks};

    /// Every process of this machine that can be seen.
    ///
    /// # Errors
    /// When the table cannot be read at all; a process that goes away meanwhile is left out.
    pub fn table() -> io::Result<Vec<Process>> {
        let mut table = Vec::new();
        for entry in fs_err::read_dir("/proc")? {
            let name = entry?.file_name();
            if let Some(pid) = name.to_str().and_then(|it| it.parse().ok()) {
                table.extend(find(pid));
            }
        }
        Ok(table)
    }

    /// One process; `None` when there is none of this number.
    #[must_use]
    pub fn find(pid: u32) -> Option<Process> {
        parse(pid, &fs_err::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Whether a process carries the marker of `run`. One that may not be looked at does not.
    #[must_use]
    pub fn is_marked(pid: u32, run: RunId) -> bool {
        fs_err::read(format!("/proc/{pid}/environ")).is_ok_and(|it| marks(&it, run))
    }

    /// What tells this boot of the machine from every other.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn boot_id() -> io::Result<String> {
        Ok(fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
    }

    /// The second field is the program's name, which may hold anything, parentheses included.
    pub(super) fn parse(pid: u32, stat: &[u8]) -> Option<Process> {
        let rest = &stat[memchr::memrchr(b')', stat)? + 1..];
        let mut fields = std::str::from_utf8(rest).ok()?.split_ascii_whitespace();
        let zombie = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let start_time = fields.nth(17)?.parse().ok()?;
        Some(Process { pid, parent, start_time, zombie })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::process::Command;

    use super::{Process, RunId, io, marks};

    /// Every process of this machine that can be seen.
    ///
    /// # Errors
    /// When `ps` cannot be run.
    pub fn table() -> io::Result<Vec<Process>> {
        let output =
            Command::new("ps").args(["-A", "-o", "pid=,ppid=,stat=,lstart="]).env("LC_ALL", "C").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).collect())
    }

    /// One process; `None` when there is none of this number.
    #[must_use]
    pub fn find(pid: u32) -> Option<Process> {
        table().ok()?.into_iter().find(|it| it.pid == pid)
    }

    /// Whether a process carries the marker of `run`. One that may not be looked at does not.
    #[must_use]
    pub fn is_marked(pid: u32, run: RunId) -> bool {
        let pid = pid.to_string();
        Command::new("ps").args(["-E", "-ww", "-o", "command=", "-p", &pid]).output().is_ok_and(|it| {
            let entries: Vec<u8> =
                it.stdout.iter().map(|byte| if *byte == b' ' { 0 } else { *byte }).collect();
            marks(&entries, run)
        })
    }

    /// What tells this boot of the machine from every other.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn boot_id() -> io::Result<String> {
        let output = Command::new("sysctl").args(["-n", "kern.boottime"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The start time is text here; equal texts give equal numbers, and that is all it is used for.
    fn parse(line: &str) -> Option<Process> {
        let mut fields = line.split_whitespace();
        let pid = fields.next()?.parse().ok()?;
        let parent = fields.next()?.parse().ok()?;
        let zombie = fields.next()?.starts_with('Z');
        let start_time = fields
            .flat_map(str::bytes)
            .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Some(Process { pid, parent, start_time, zombie })
    }
}

pub use system::{boot_id, find, is_marked, table};

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32) -> Process {
        Process { pid, parent, start_time: 0, zombie: false }
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_in_any_order() {
        let table =
            [process(9, 8), process(8, 5), process(5, 1), process(6, 1), process(7, 5), process(1, 0)];
        assert_eq!(descendants(&table, 5), BTreeSet::from([7, 8, 9]));
        assert_eq!(descendants(&table, 9), BTreeSet::new());
    }

    #[test]
    fn a_marker_is_a_whole_entry() {
        let run: RunId = "a000000000000001".parse().unwrap();
        assert!(marks(b"PATH=/bin\0COORD_RUN=a000000000000001\0", run));
        assert!(!marks(b"X=COORD_RUN=a000000000000001\0", run));
        assert!(!marks(b"COORD_RUN=a0000000000000012\0", run));
    }

    #[test]
    fn this_process_is_in_the_table_with_its_parent() {
        let own = table().unwrap().into_iter().find(|it| it.pid == std::process::id()).unwrap();
        assert_eq!(own.parent, std::os::unix::process::parent_id());
        assert_eq!(find(own.pid), Some(own));
        assert!(!boot_id().unwrap().is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_may_be_called_anything() {
        let stat = b"42 (a) R (b)) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 8192 1 1";
        assert_eq!(
            system::parse(42, stat),
            Some(Process { pid: 42, parent: 7, start_time: 123_456, zombie: false })
        );
    }
}
