//! What this machine offers: git, a home for the state, room on the disk; and what a predecessor left.

use std::os::unix::fs::MetadataExt as _;

use camino::Utf8Path;
use coord_agent::sandbox;
use coord_git::program::{Git, ProgramError};
use rustix::fs::{Access, access, statvfs};

use super::Check;
use crate::context::Context;

/// With less than this, a handful of worktrees fills the disk.
const ROOM: u64 = 5 << 30;
/// With less than this, nothing works for long.
const LEAST_ROOM: u64 = 500 << 20;

/// Files that the predecessor keeps in `~/.coord`.
const PREDECESSOR: [&str; 5] =
    ["board.json", "dispatched.json", "notified.json", "merge_queue.json", "agent_state.json"];

pub(super) fn checks(cx: &Context) -> Vec<Check> {
    let mut checks = vec![git(cx), home(&cx.home), disk(&cx.home), confinement(cx)];
    checks.extend(predecessor(&cx.home));
    checks
}

fn git(cx: &Context) -> Check {
    let git = Git::new(cx.environment.iter().map(|(name, value)| (name.into(), value.into())));
    match git.version() {
        Ok(version) => Check::ok("git", version),
        Err(error @ ProgramError::TooOld { .. }) => {
            Check::fail("git", error.to_string(), "install a newer git: https://git-scm.com/downloads")
        }
        Err(error) => {
            let seen = format!("{:#}", anyhow::Error::from(error));
            Check::fail("git", seen, "install git: https://git-scm.com/downloads")
        }
    }
}

fn home(home: &Utf8Path) -> Check {
    let subject = "COORD_HOME";
    let metadata = match fs_err::metadata(home) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return future_home(home),
        Err(error) => return Check::fail(subject, error.to_string(), format!("ls -ld {home}")),
    };
    if !metadata.is_dir() {
        return Check::fail(subject, format!("{home} is not a directory"), format!("mv {home} {home}.old"));
    }
    if let Err(error) = access(home.as_std_path(), Access::WRITE_OK | Access::EXEC_OK) {
        return Check::fail(
            subject,
            format!("{home} cannot be written to: {error}"),
            format!("chmod u+rwx {home}"),
        );
    }
    if metadata.mode() & 0o077 != 0 {
        let seen = format!(
            "others may look into {home} (mode {:o}); tokens in it are protected",
            metadata.mode() & 0o777
        );
        return Check::warn(subject, seen, "coord doctor --fix");
    }
    Check::ok(subject, home.as_str())
}

/// A home that does not exist can still be made.
fn future_home(home: &Utf8Path) -> Check {
    let above = home.ancestors().find(|it| it.exists()).unwrap_or(home);
    match access(above.as_std_path(), Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Check::ok("COORD_HOME", format!("{home}, which is made when it is needed")),
        Err(error) => {
            let seen = format!("{home} does not exist and cannot be made in {above}: {error}");
            Check::fail("COORD_HOME", seen, "export COORD_HOME=/a/directory/of/yours")
        }
    }
}

fn disk(home: &Utf8Path) -> Check {
    let existing = home.ancestors().find(|it| it.exists()).unwrap_or(home);
    let free = match statvfs(existing.as_std_path()) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            return Check::warn(
                "disk",
                format!("free space at {existing} is not known: {error}"),
                format!("df {existing}"),
            );
        }
    };
    let seen = format!("{} MiB free at {existing}", free >> 20);
    if free < LEAST_ROOM {
        Check::fail("disk", seen, format!("make room, or put COORD_HOME on another disk; du -sh {home}/*"))
    } else if free < ROOM {
        Check::warn("disk", seen, format!("every worker has a worktree of its own there; du -sh {home}/*"))
    } else {
        Check::ok("disk", seen)
    }
}

/// Whether workers could be confined. Where no repo asks for it, a run without is as it was asked for.
fn confinement(cx: &Context) -> Check {
    let path = cx.environment.get("PATH").map_or("", String::as_str);
    match sandbox::probe(path) {
        Ok(program) => {
            Check::ok("sandbox", format!("{program} can confine workers, where `sandbox` asks for it"))
        }
        Err(why) => {
            let seen = format!("{why}: no repo can ask for a `sandbox` on this machine");
            Check::warn("sandbox".to_owned(), seen, "apt-get install bubblewrap".to_owned())
        }
    }
}

fn predecessor(home: &Utf8Path) -> Option<Check> {
    let found: Vec<_> = PREDECESSOR.into_iter().filter(|it| home.join(it).is_file()).collect();
    if found.is_empty() {
        return None;
    }
    let seen = format!(
        "{home} also holds files of the predecessor ({}); they are never read or written",
        found.join(", ")
    );
    Some(Check::ok("predecessor", seen))
}
