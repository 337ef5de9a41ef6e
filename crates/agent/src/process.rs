//! The processes of this machine, as the kernel lists them.
//!
//! A process is a number and a start time: numbers are used again, the pair is not, within one boot. The
//! marker in its environment tells which run a process belongs to, however it was started and whoever its
//! parent is by now.

use std::collections::BTreeSet;
use std::io;

use coord_core::id::RunId;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};

/// The variable that every process of a run inherits.
pub const MARKER: &str = "COORD_RUN";

/// One process, as it was when the table was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The number of its parent.
    pub parent: u32,
    /// The number of the group it is in.
    pub group: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub start_time: u64,
    /// Whether it is dead already and only waits for its parent to notice.
    pub zombie: bool,
    /// The processor time that it and the children it has waited for have used, in clock ticks.
    pub used: u64,
}

/// What a process uses of its machine, besides processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many threads it has.
    pub threads: u64,
    /// Memory of its own, in bytes: what it shares with the files it maps is not counted.
    pub memory: u64,
    /// Bytes that it and the children it has waited for have read and written, wherever.
    pub moved: u64,
    /// Bytes of it that went to a disk.
    pub written: u64,
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

/// Sends a signal to a process. One that is gone already, or that belongs to somebody else, is left to the next
/// look at the table.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = number(pid) {
        // Every failure shows in the table, which the caller takes again until nothing is left.
        kill_process(pid, signal).ok();
    }
}

/// Sends a signal to every process of a group at once: one that is being forked meanwhile does not get away.
pub fn signal_group(group: u32, signal: Signal) {
    if let Some(group) = number(group) {
        kill_process_group(group, signal).ok();
    }
}

/// Takes note of the death of a child that nobody else waits for.
pub fn reap(pid: u32) {
    // One that lives, or that is nobody's child any more, is left as it is.
    waitpid(number(pid), WaitOptions::NOHANG).ok();
}

fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Every process of this machine that can be seen.
///
/// # Errors
/// When the table cannot be read at all; a process that goes away meanwhile is left out.
pub fn table() -> io::Result<Vec<Process>> {
    let mut table = Vec::new();
    scan(|process| table.push(process))?;
    Ok(table)
}

/// Whether a process carries the marker of `run`. One that may not be looked at does not.
#[must_use]
pub fn is_marked(pid: u32, run: RunId) -> bool {
    let run = run.to_string();
    environment_of(pid).is_some_and(|it| holds(&it, MARKER, &run))
}

/// Whether a process was started with this value of a variable. One that may not be looked at was not.
#[must_use]
pub fn was_given(pid: u32, name: &str, value: &str) -> bool {
    environment_of(pid).is_some_and(|it| holds(&it, name, value))
}

/// Whether `environment`, entries ended by zero bytes, gives the variable `name` this value.
fn holds(environment: &[u8], name: &str, value: &str) -> bool {
    let wanted = format!("{name}={value}");
    environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Process, Usage, io};

    /// Shows `see` every process of this machine that can be seen, each at the moment it is looked at, in the
    /// order of their numbers.
    ///
    /// # Errors
    /// When the table cannot be read at all; a process that goes away meanwhile is left out.
    pub fn scan(mut see: impl FnMut(Process)) -> io::Result<()> {
        for entry in fs_err::read_dir("/proc")? {
            let name = entry?.file_name();
            if let Some(process) = name.to_str().and_then(|it| find(it.parse().ok()?)) {
                see(process);
            }
        }
        Ok(())
    }

    /// One process; `None` when there is none of this number.
    #[must_use]
    pub fn find(pid: u32) -> Option<Process> {
        parse(pid, &fs_err::read(format!("/proc/{pid}/stat")).ok()?)
    }

    pub(super) fn environment_of(pid: u32) -> Option<Vec<u8>> {
        fs_err::read(format!("/proc/{pid}/environ")).ok()
    }

    /// The command line of a process; of one that has none, its name. Empty for one that is gone.
    #[must_use]
    pub fn command_line(pid: u32) -> String {
        let read = |what| fs_err::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let line = read("cmdline");
        let line = if line.is_empty() { read("comm") } else { line };
        String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned()
    }

    /// What a process uses. Nothing is known of one that is gone or that may not be looked at.
    #[must_use]
    pub fn usage(pid: u32) -> Option<Usage> {
        let read = |what| fs_err::read_to_string(format!("/proc/{pid}/{what}")).ok();
        let (status, io) = (read("status")?, read("io")?);
        let sum = |text: &str, names: &[&str]| {
            let values = text.lines().filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                let value = value.split_ascii_whitespace().next().filter(|_| names.contains(&name));
                value?.parse::<u64>().ok()
            });
            values.sum::<u64>()
        };
        Some(Usage {
            threads: sum(&status, &["Threads"]),
            memory: sum(&status, &["RssAnon", "RssShmem"]) * 1024,
            moved: sum(&io, &["rchar", "wchar"]),
            written: sum(&io, &["write_bytes"]),
        })
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
        let group = fields.next()?.parse().ok()?;
        let mut used = 0;
        for time in fields.by_ref().skip(8).take(4) {
            used += time.parse::<u64>().ok()?;
        }
        let start_time = fields.nth(4)?.parse().ok()?;
        Some(Process { pid, parent, group, start_time, zombie, used })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::process::Command;

    use super::{Process, Usage, io};

    /// Shows `see` every process of this machine.
    ///
    /// # Errors
    /// When `ps` cannot be run.
    pub fn scan(see: impl FnMut(Process)) -> io::Result<()> {
        let output = Command::new("ps")
            .args(["-A", "-o", "pid=,ppid=,pgid=,stat=,time=,lstart="])
            .env("LC_ALL", "C")
            .output()?;
        String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).for_each(see);
        Ok(())
    }

    /// One process; `None` when there is none of this number.
    #[must_use]
    pub fn find(pid: u32) -> Option<Process> {
        super::table().ok()?.into_iter().find(|it| it.pid == pid)
    }

    pub(super) fn environment_of(pid: u32) -> Option<Vec<u8>> {
        let said = Command::new("ps").args(["-E", "-ww", "-o", "command=", "-p", &pid.to_string()]).output();
        Some(said.ok()?.stdout.iter().map(|byte| if *byte == b' ' { 0 } else { *byte }).collect())
    }

    /// The command line of a process. Empty for one that is gone.
    #[must_use]
    pub fn command_line(pid: u32) -> String {
        let said = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
        said.map_or(String::new(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
    }

    /// What a process uses, which is not asked for here.
    #[must_use]
    pub fn usage(_pid: u32) -> Option<Usage> {
        None
    }

    /// What tells this boot of the machine from every other.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn boot_id() -> io::Result<String> {
        let output = Command::new("sysctl").args(["-n", "kern.boottime"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The processor time and the start time are text here; equal texts give equal numbers, and that is all
    /// they are used for.
    fn parse(line: &str) -> Option<Process> {
        let number_of = |sum: u64, byte: u8| sum.wrapping_mul(31).wrapping_add(u64::from(byte));
        let mut fields = line.split_whitespace();
        let pid = fields.next()?.parse().ok()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let zombie = fields.next()?.starts_with('Z');
        let used = fields.next()?.bytes().fold(0, number_of);
        let start_time = fields.flat_map(str::bytes).fold(0, number_of);
        Some(Process { pid, parent, group, start_time, zombie, used })
    }
}

use system::environment_of;
pub use system::{boot_id, command_line, find, scan, usage};

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32) -> Process {
        Process { pid, parent, group: pid, start_time: 0, zombie: false, used: 0 }
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
        let marks = |environment: &[u8]| holds(environment, MARKER, "a000000000000001");
        assert!(marks(b"PATH=/bin\0COORD_RUN=a000000000000001\0"));
        assert!(!marks(b"X=COORD_RUN=a000000000000001\0"));
        assert!(!marks(b"COORD_RUN=a0000000000000012\0"));
    }

    #[test]
    fn this_process_is_in_the_table_with_its_parent() {
        let own = table().unwrap().into_iter().find(|it| it.pid == std::process::id()).unwrap();
        assert_eq!(own.parent, std::os::unix::process::parent_id());
        let again = find(own.pid).unwrap();
        assert_eq!(Process { used: own.used, ..again }, own);
        assert!(!boot_id().unwrap().is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_may_be_called_anything() {
        let stat = b"42 (a) R (b)) S 7 41 40 0 -1 4194560 1 0 0 0 2 3 4 5 20 0 1 0 123456 8192 1 1";
        let wanted = Process { pid: 42, parent: 7, group: 41, start_time: 123_456, zombie: false, used: 14 };
        assert_eq!(system::parse(42, stat), Some(wanted));
    }
}
