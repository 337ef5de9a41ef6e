//! Finding every process of a world.
//!
//! A process belongs to a world when a variable of its initial environment names a path of it (`HOME` does, in
//! every process that was given an environment at all) or when it works below it. Neither a new session nor a
//! new parent changes that. It reads `/proc`; where there is none, nothing is found.

use std::io::ErrorKind;
use std::path::Path;

use camino::Utf8Path;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, kill_process};
use serde_json::Value;

use crate::poll;

/// A process that belongs to a world.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its arguments, joined.
    pub command: String,
}

/// Every living process that belongs to the world at `dir`, but the test itself.
#[must_use]
pub fn of(dir: &Utf8Path) -> Vec<Process> {
    let Ok(entries) = fs_err::read_dir("/proc") else { return Vec::new() };
    let own = getpid().as_raw_nonzero().get();
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // A process that ends while it is looked at does not belong to anything any more.
    pids.filter(|pid| *pid != own).filter_map(|pid| look(pid, dir)).collect()
}

fn look(pid: i32, dir: &Utf8Path) -> Option<Process> {
    let proc = Path::new("/proc").join(pid.to_string());
    let works_there = || fs_err::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
    let was_told = || {
        let marker = format!("{dir}/");
        fs_err::read(proc.join("environ"))
            .is_ok_and(|bytes| bytes.windows(marker.len()).any(|window| window == marker.as_bytes()))
    };
    if !works_there() && !was_told() {
        return None;
    }
    // What has ended but was not waited for yet has an empty command line.
    let arguments = fs_err::read(proc.join("cmdline")).ok().filter(|bytes| !bytes.is_empty())?;
    let command = String::from_utf8_lossy(&arguments).replace('\0', " ").trim_end().to_owned();
    Some(Process { pid, command })
}

/// Kills them until none is left: one may start another between the look and the kill.
pub(super) fn kill_all(dir: &Utf8Path) {
    poll::wait_for("every process of the world to be dead", poll::PATIENCE, || {
        let left = of(dir);
        for process in &left {
            let Some(pid) = Pid::from_raw(process.pid) else { continue };
            match kill_process(pid, Signal::KILL) {
                // It may have ended by itself since it was found.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(format!("cannot kill {process:?}: {error}")),
            }
        }
        if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
    });
}

/// Removes the cgroups of runs whose shims were killed by it, which nobody else is going to do.
pub(super) fn remove_groups(coord_home: &Utf8Path) {
    for run in coord_home.join("runs").read_dir_utf8().into_iter().flatten().flatten() {
        let record = fs_err::read(run.path().join("shim.json")).unwrap_or_default();
        let record: Value = serde_json::from_slice(&record).unwrap_or_default();
        for group in record["groups"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            poll::wait_for("a cgroup to be empty", poll::PATIENCE / 12, || match fs_err::remove_dir(group) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => Err(error.to_string()),
                _ => Ok(()),
            });
        }
    }
}
