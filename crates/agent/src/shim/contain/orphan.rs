//! What a shim that died leaves to the agent server.
//!
//! The server adopts what its descendants orphan, as a shim does. Between the two a living shim comes first, so
//! what reaches the server has lost its shim. The server's own children are told from it by a variable that
//! everything the server starts is given.

use std::io;
use std::time::Duration;

use crate::process::{self, Process};

/// What an agent server gives everything it starts: its own process id.
pub(crate) const PARENT: &str = "COORD_AGENT_PID";

/// How long something dead may be waited for by whoever has started it.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// Has this process adopt what its descendants orphan. Done by the program that is an agent server, and by no
/// process that an agent server is only a part of.
///
/// # Errors
/// When the system does not let it.
pub fn adopt_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Whether a child of this process was not started by it.
pub(super) fn is_adopted(child: &Process) -> bool {
    adopts() && !child.zombie && !is_own(child.pid)
}

#[cfg(target_os = "linux")]
fn adopts() -> bool {
    matches!(rustix::process::child_subreaper(), Ok(Some(_)))
}

#[cfg(not(target_os = "linux"))]
fn adopts() -> bool {
    false
}

fn is_own(pid: u32) -> bool {
    // A process that is being started still has the program and the environment of this one.
    process::was_given(pid, PARENT, &std::process::id().to_string()) || runs_this_program(pid)
}

fn runs_this_program(pid: u32) -> bool {
    let program = |pid: &str| fs_err::read_link(format!("/proc/{pid}/exe"));
    matches!((program(&pid.to_string()), program("self")), (Ok(its), Ok(own)) if its == own)
}

/// Takes note, for ever, of the deaths of processes that this one has adopted.
///
/// What it has started itself is waited for at once by whoever started it, so what is dead at two looks belongs
/// to nobody.
pub(crate) async fn bury_adopted() {
    let mut before = Vec::new();
    while adopts() {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let looked = tokio::task::spawn_blocking(move || bury(&before)).await;
        before = looked.expect("looking does not panic and is not aborted").unwrap_or_else(|error| {
            tracing::warn!("cannot look for processes that have died: {error}");
            Vec::new()
        });
    }
}

fn bury(before: &[(u32, u64)]) -> io::Result<Vec<(u32, u64)>> {
    let own = std::process::id();
    let mut dead = Vec::new();
    process::scan(|it| {
        if it.zombie && it.parent == own {
            dead.push((it.pid, it.start_time));
        }
    })?;
    for (pid, _) in dead.iter().filter(|it| before.contains(it)) {
        process::reap(*pid);
    }
    Ok(dead)
}
