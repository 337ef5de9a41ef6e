//! One process of a run: started in a group of its own, fed, and told when it is dead.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use camino::Utf8Path;
use coord_core::id::{MessageId, RunId};
use coord_core::outcome::WorkerExit;
use coord_proto::event::OutputStream;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe::Sender;
use tokio::sync::mpsc;

use super::contain::Containment;
use super::lines::Lines;
use crate::process;
use crate::runtime::Launch;

/// How much may wait to be written: every message that a run takes, and a little more.
const QUEUE: usize = 128;

/// A process and its ends of the pipes.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) stdout: Lines,
    pub(super) stderr: Lines,
    /// What was written to its input and is a message.
    pub(super) written: mpsc::Receiver<MessageId>,
    /// `None` once no more will be written.
    input: Option<mpsc::Sender<Said>>,
    feeding: Option<tokio::task::JoinHandle<()>>,
}

/// Something for the input of a process.
struct Said {
    text: String,
    message: Option<MessageId>,
}

impl Child {
    /// Starts what `launch` says in `worktree`, marked as a process of `run` and kept together with the others. Its
    /// input stays open if it `converses`.
    pub(super) fn start(
        launch: Launch,
        worktree: &Utf8Path,
        run: RunId,
        containment: &mut Containment,
        converses: bool,
    ) -> io::Result<Self> {
        let (program, arguments) = launch.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let stdin = if launch.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(worktree)
            .env_clear()
            .envs(&launch.environment)
            .env("PWD", worktree)
            .env(process::MARKER, run.to_string())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = containment.spawn(&mut command)?;
        let pid = Pid::from_child(&child);
        let pipe = |end: Option<OwnedFd>| Lines::of(end.expect("it was asked for as a pipe"));
        let stdout = pipe(child.stdout.take().map(OwnedFd::from))?;
        let stderr = pipe(child.stderr.take().map(OwnedFd::from))?;
        let (input, said) = mpsc::channel(QUEUE);
        let (writes, written) = mpsc::channel(QUEUE);
        let feed = |it| feed(OwnedFd::from(it), launch.stdin, said, writes);
        let feeding = child.stdin.take().map(feed).transpose()?;
        let input = Some(input).filter(|_| converses);
        Ok(Self { pid, stdout, stderr, written, input, feeding })
    }

    /// Has something written to its input, after all that was said before. Whether it will be, if it reads.
    pub(super) fn say(&self, text: String, message: Option<MessageId>) -> bool {
        self.input.as_ref().is_some_and(|it| it.try_send(Said { text, message }).is_ok())
    }

    /// Ends its input, after all that was said before.
    pub(super) fn close_input(&mut self) {
        self.input = None;
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

/// Writes `text` as fast as it is read, then what is said, and ends the input when no more will be. A reader that is
/// gone, or that never reads, is its own affair.
fn feed(
    pipe: OwnedFd,
    text: String,
    mut said: mpsc::Receiver<Said>,
    written: mpsc::Sender<MessageId>,
) -> io::Result<tokio::task::JoinHandle<()>> {
    let mut pipe = Sender::from_owned_fd(pipe)?;
    Ok(tokio::spawn(async move {
        let mut next = Some(Said { text, message: None });
        while let Some(Said { text, message }) = next {
            if pipe.write_all(text.as_bytes()).await.is_err() {
                return;
            }
            if let Some(message) = message {
                // There is room for as many as can be said.
                written.try_send(message).ok();
            }
            next = said.recv().await;
        }
    }))
}

/// What waiting for whoever has died gave.
#[derive(Debug, Default)]
pub(super) struct Reaped {
    /// How the awaited child ended, if it was among them.
    pub(super) exit: Option<WorkerExit>,
    /// No child is left. Whoever adopts orphans has no descendant then.
    pub(super) childless: bool,
}

/// Takes note of every child that has died, orphans of others included.
pub(super) fn reap(awaited: Option<Pid>) -> Reaped {
    let mut reaped = Reaped::default();
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if Some(pid) == awaited => reaped.exit = Some(exit_of(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return reaped,
            Err(error) => {
                reaped.childless = error == Errno::CHILD;
                return reaped;
            }
        }
    }
}

fn exit_of(status: WaitStatus) -> WorkerExit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => WorkerExit::Code(code),
        (None, signal) => WorkerExit::Signal(signal.unwrap_or_default()),
    }
}
