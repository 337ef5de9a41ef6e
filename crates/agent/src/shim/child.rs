//! One process of a run: started in a group of its own, fed, and told when it is dead.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use camino::Utf8Path;
use coord_core::id::RunId;
use coord_core::outcome::WorkerExit;
use coord_proto::event::OutputStream;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe::Sender;
use tokio::time::Instant;

use super::lines::Lines;
use crate::process;
use crate::runtime::Launch;

/// How long processes that were killed may take to go.
const SWEEP: Duration = Duration::from_secs(10);

/// A process and its ends of the pipes.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) stdout: Lines,
    pub(super) stderr: Lines,
    feeding: Option<tokio::task::JoinHandle<()>>,
}

impl Child {
    /// Starts what `launch` says in `worktree`, marked as a process of `run`.
    pub(super) fn start(launch: Launch, worktree: &Utf8Path, run: RunId) -> io::Result<Self> {
        let (program, arguments) = launch.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let stdin = if launch.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(worktree)
            .env_clear()
            .envs(&launch.environment)
            .env("PWD", worktree)
            .env(process::MARKER, run.to_string())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&child);
        let pipe = |end: Option<OwnedFd>| Lines::of(end.expect("it was asked for as a pipe"));
        let stdout = pipe(child.stdout.take().map(OwnedFd::from))?;
        let stderr = pipe(child.stderr.take().map(OwnedFd::from))?;
        let feeding = child.stdin.take().map(|it| feed(OwnedFd::from(it), launch.stdin)).transpose()?;
        Ok(Self { pid, stdout, stderr, feeding })
    }

    pub(super) fn lines(&mut self, stream: OutputStream) -> &mut Lines {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(feeding) = &self.feeding {
            feeding.abort();
        }
    }
}

/// Writes `text` as fast as it is read, and then ends the input. A reader that is gone, or that never
/// reads, is its own affair.
fn feed(pipe: OwnedFd, text: String) -> io::Result<tokio::task::JoinHandle<()>> {
    let mut pipe = Sender::from_owned_fd(pipe)?;
    Ok(tokio::spawn(async move {
        pipe.write_all(text.as_bytes()).await.ok();
    }))
}

/// Takes note of every child that has died, orphans of others included. Tells how `awaited` ended, if it was
/// among them.
pub(super) fn reap(awaited: Option<Pid>) -> Option<WorkerExit> {
    let mut found = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if Some(pid) == awaited => found = Some(exit_of(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return found,
        }
    }
}

fn exit_of(status: WaitStatus) -> WorkerExit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => WorkerExit::Code(code),
        (None, signal) => WorkerExit::Signal(signal.unwrap_or_default()),
    }
}

/// What was left of a process that has ended.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// How many processes were killed.
    pub(super) killed: usize,
    /// Processes that did not go.
    pub(super) left: Vec<u32>,
}

/// Kills every descendant of this process and every process that is marked as one of `run`, until none is
/// left. A session of its own is no hiding place: orphans are adopted here, and the mark is inherited.
pub(super) async fn sweep(run: RunId) -> io::Result<Swept> {
    let own = std::process::id();
    let give_up = Instant::now() + SWEEP;
    let mut killed = std::collections::BTreeSet::new();
    loop {
        reap(None);
        let table = process::table()?;
        let below = process::descendants(&table, own);
        let live = table.iter().filter(|it| !it.zombie && it.pid != own);
        let left: Vec<_> =
            live.filter(|it| below.contains(&it.pid) || process::is_marked(it.pid, run)).collect();
        if left.is_empty() || Instant::now() >= give_up {
            let left = left.iter().map(|it| it.pid).collect();
            return Ok(Swept { killed: killed.len(), left });
        }
        for process in left {
            process::kill(process.pid);
            killed.insert((process.pid, process.start_time));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
