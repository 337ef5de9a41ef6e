//! The event loop of a shim: everything that can happen to a run, one thing after the other.

use std::io;
use std::time::Duration;

use coord_core::classify::StopCause;
use coord_core::outcome::{Outcome, TimeoutPhase, WorkerExit};
use coord_core::run::RunState;
use coord_git::program::Git;
use coord_git::store::Store;
use coord_proto::event::{EventKind, OutputStream};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::child::{Child, reap, sweep};
use super::ladder::Ladder;
use super::{ShimError, now};
use crate::finish::{Ending, finish};
use crate::layout::RunDir;
use crate::log::{LogWriter, RawLine};
use crate::order::{Announcement, Order};
use crate::runtime::{self, Launch, Plain, Reader, Shape};

/// How long the pipes of a dead process may stay open. Whoever could hold them has been killed by then.
const DRAIN: Duration = Duration::from_secs(2);
/// How many files are named that a setup left changed.
const NAMED: usize = 20;

/// Sees a run through to its exit record.
pub(super) async fn supervise(
    dir: &RunDir,
    order: Order,
    log: LogWriter,
    announce: watch::Sender<Announcement>,
    stops: mpsc::Receiver<()>,
) -> Result<(), ShimError> {
    let listen = |kind| signal(kind).map_err(|source| ShimError::System { what: "watch signals", source });
    // Once it is listened to, a hang-up no longer ends the process; nobody need hear it.
    drop(listen(SignalKind::hangup())?);
    let deadline = Instant::now() + Duration::from_secs(order.spec.deadline_seconds);
    let mut supervision = Supervision {
        died: listen(SignalKind::child())?,
        terminate: listen(SignalKind::terminate())?,
        interrupt: listen(SignalKind::interrupt())?,
        git: Git::new(std::env::vars_os()),
        order,
        log,
        announce,
        stops,
        deadline,
        events: Vec::new(),
    };
    let ending = supervision.work().await?;
    supervision.finish(dir.clone(), ending).await
}

/// What can happen while a process runs.
enum Happening {
    Output(OutputStream),
    Died,
    Stop(StopCause),
    Rung,
}

/// How a process ended.
struct Ran {
    exit: WorkerExit,
    stopped: Option<StopCause>,
}

/// Why no process was started.
enum Unstarted {
    Cancelled,
    Failed(String),
}

struct Supervision {
    order: Order,
    git: Git,
    log: LogWriter,
    announce: watch::Sender<Announcement>,
    stops: mpsc::Receiver<()>,
    died: Signal,
    terminate: Signal,
    interrupt: Signal,
    deadline: Instant,
    /// The events of the line at hand; kept for its room.
    events: Vec<EventKind>,
}

impl Supervision {
    async fn work(&mut self) -> Result<Ending, ShimError> {
        if let Some(setup) = self.order.spec.setup.take()
            && let Some(outcome) = self.set_up(setup).await?
        {
            return Ok(Ending::Decided(outcome));
        }
        let failed = |reason| Ok(Ending::Decided(Outcome::SetupFailed { step: "worker".to_owned(), reason }));
        let Some(runtime) = runtime::named(&self.order.spec.runtime) else {
            return failed(format!("this version of coord knows no runtime `{}`", self.order.spec.runtime));
        };
        let launch = match runtime.launch(&self.order) {
            Ok(launch) => launch,
            Err(error) => return failed(error.to_string()),
        };
        // It can be as large as all the rest of this process.
        self.order.spec.prompt = String::new();
        let mut reader = runtime.reader(self.order.spec.kind);
        match self.run(launch, runtime.takes_interrupt(), &mut *reader, true).await? {
            Ok(Ran { exit, stopped }) => {
                let (stream, report) = reader.finish(exit);
                Ok(Ending::Ran { exit, stopped, stream: Box::new(stream), report: Box::new(report) })
            }
            Err(Unstarted::Cancelled) => Ok(Ending::Decided(Outcome::STOPPED)),
            Err(Unstarted::Failed(reason)) => failed(reason),
        }
    }

    /// Runs the setup command; gives the outcome of the run if that is where it ends.
    async fn set_up(&mut self, command: String) -> Result<Option<Outcome>, ShimError> {
        self.note(&format!("setup: {command}"))?;
        let launch = Launch::shell(&self.order, command);
        let failed = |reason| Ok(Some(Outcome::SetupFailed { step: "setup".to_owned(), reason }));
        match self.run(launch, false, &mut Plain, false).await? {
            Err(Unstarted::Cancelled) => return Ok(Some(Outcome::STOPPED)),
            Err(Unstarted::Failed(reason)) => return failed(reason),
            Ok(Ran { stopped: Some(StopCause::Asked), .. }) => return Ok(Some(Outcome::STOPPED)),
            Ok(Ran { stopped: Some(StopCause::Deadline), .. }) => {
                return Ok(Some(Outcome::Timeout { phase: TimeoutPhase::Absolute }));
            }
            Ok(Ran { exit: WorkerExit::Code(0), stopped: None }) => {}
            Ok(Ran { exit, stopped: None }) => {
                return failed(format!("the setup command ended with {exit}; the log has its output"));
            }
        }
        let (git, order) = (self.git.clone(), self.order.clone());
        let changed = tokio::task::spawn_blocking(move || changed_files(&git, &order)).await;
        match changed.expect("asking git does not panic and is not aborted") {
            Ok(files) if files.is_empty() => Ok(None),
            Ok(files) => failed(format!(
                "the setup command changed files that git tracks or does not ignore: {}",
                files.join(", ")
            )),
            Err(reason) => failed(reason),
        }
    }

    /// Runs one process to its end, and ends what it left behind.
    async fn run(
        &mut self,
        launch: Launch,
        takes_interrupt: bool,
        reader: &mut dyn Reader,
        is_worker: bool,
    ) -> Result<Result<Ran, Unstarted>, ShimError> {
        if self.stops.try_recv().is_ok() {
            return Ok(Err(Unstarted::Cancelled));
        }
        let argv = launch.argv.clone();
        let mut child = match Child::start(launch, &self.order.worktree, self.order.spec.run) {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.order.worktree.exists() => {
                return Ok(Err(Unstarted::Failed(format!("there is no program `{}`", argv[0]))));
            }
            Err(error) => return Ok(Err(Unstarted::Failed(format!("cannot start `{}`: {error}", argv[0])))),
        };
        if is_worker {
            self.started(&child, &argv);
        }
        let ran = self.follow(&mut child, takes_interrupt, reader).await;
        // Whatever went wrong, nothing of the run stays.
        let swept = sweep(self.order.spec.run).await;
        let swept = swept.map_err(|source| ShimError::System { what: "list processes", source })?;
        let ran = ran?;
        self.drain(&mut child, reader).await?;
        if swept.killed > 0 {
            let text = match swept.killed {
                1 => "ended a process that was left behind".to_owned(),
                count => format!("ended {count} processes that were left behind"),
            };
            self.note(&text)?;
        }
        if !swept.left.is_empty() {
            self.note(&format!("these processes do not end: {:?}", swept.left))?;
        }
        Ok(Ok(ran))
    }

    fn started(&mut self, child: &Child, argv: &[String]) {
        let pid = child.pid.as_raw_nonzero().get().unsigned_abs();
        let since = now();
        let secrets = self.log.secrets();
        let argv = argv.iter().map(|it| secrets.strike_text(it).into_owned()).collect();
        self.log.append(since, &[EventKind::Started { pid, argv }], RawLine::None);
        self.announce.send_modify(|it| {
            it.state = RunState::Running { since };
            it.pid = Some(pid);
        });
    }

    /// Follows a process until it is dead.
    async fn follow(
        &mut self,
        child: &mut Child,
        takes_interrupt: bool,
        reader: &mut dyn Reader,
    ) -> Result<Ran, ShimError> {
        self.commit()?;
        let mut ladder: Option<Ladder> = None;
        let exit = loop {
            match self.next(child, ladder.as_ref()).await {
                Happening::Output(stream) => self.take(child, stream, reader)?,
                Happening::Died => {
                    if let Some(exit) = reap(Some(child.pid)) {
                        break exit;
                    }
                }
                Happening::Stop(_) if ladder.is_some() => {}
                Happening::Stop(cause) => {
                    self.note(match cause {
                        StopCause::Asked => "stopping, because somebody asked",
                        StopCause::Deadline => "stopping, because the run's deadline passed",
                    })?;
                    ladder = Some(Ladder::start(child.pid, takes_interrupt, cause));
                }
                Happening::Rung => {
                    if !ladder.as_mut().is_some_and(Ladder::step) {
                        break WorkerExit::Signal(rustix::process::Signal::KILL.as_raw());
                    }
                }
            }
        };
        Ok(Ran { exit, stopped: ladder.map(|it| it.cause) })
    }

    async fn next(&mut self, child: &mut Child, ladder: Option<&Ladder>) -> Happening {
        let stopping = ladder.is_some();
        let due = ladder.map_or(self.deadline, Ladder::due);
        tokio::select! {
            // A pipe that cannot be read has ended, which is all that its reader can be told.
            _ = child.stdout.fill(), if child.stdout.is_open() => Happening::Output(OutputStream::Stdout),
            _ = child.stderr.fill(), if child.stderr.is_open() => Happening::Output(OutputStream::Stderr),
            _ = self.died.recv() => Happening::Died,
            _ = self.terminate.recv() => Happening::Stop(StopCause::Asked),
            _ = self.interrupt.recv() => Happening::Stop(StopCause::Asked),
            Some(()) = self.stops.recv() => Happening::Stop(StopCause::Asked),
            () = sleep_until(due) => {
                if stopping { Happening::Rung } else { Happening::Stop(StopCause::Deadline) }
            }
        }
    }

    /// Reads what a dead process has written and nobody has read yet.
    async fn drain(&mut self, child: &mut Child, reader: &mut dyn Reader) -> Result<(), ShimError> {
        let give_up = Instant::now() + DRAIN;
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            while child.lines(stream).is_open() {
                tokio::select! {
                    _ = child.lines(stream).fill() => self.take(child, stream, reader)?,
                    () = sleep_until(give_up) => break,
                }
            }
        }
        Ok(())
    }

    /// Makes events of the lines that were read, and writes them at once.
    fn take(
        &mut self,
        child: &mut Child,
        stream: OutputStream,
        reader: &mut dyn Reader,
    ) -> Result<(), ShimError> {
        let lines = child.lines(stream);
        if lines.whole().is_empty() {
            return Ok(());
        }
        let at = now();
        let secrets = self.log.secrets().clone();
        let batch = secrets.strike(lines.whole());
        let mut rest = &*batch;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            self.line(at, stream, &rest[..end.unwrap_or(rest.len())], reader);
            rest = &rest[end.map_or(rest.len(), |it| it + 1)..];
        }
        drop(batch);
        child.lines(stream).clear();
        self.commit()
    }

    fn line(&mut self, at: Timestamp, stream: OutputStream, line: &[u8], reader: &mut dyn Reader) {
        self.events.clear();
        let raw = match std::str::from_utf8(line) {
            // What a runtime has to say it says on its standard output.
            Ok(text) if stream == OutputStream::Stderr => {
                self.events.push(EventKind::Output { stream, text: text.to_owned() });
                RawLine::Bytes(line)
            }
            Ok(text) => match reader.line(text, &mut self.events) {
                Shape::Json => RawLine::Json(text),
                Shape::Text => RawLine::Bytes(line),
            },
            Err(_) => {
                let text = String::from_utf8_lossy(line).into_owned();
                self.events.push(EventKind::Output { stream, text });
                RawLine::Bytes(line)
            }
        };
        self.log.append(at, &self.events, raw);
        let said =
            self.events.iter().any(|it| matches!(it, EventKind::Status { .. } | EventKind::Stuck { .. }));
        if said {
            self.announce.send_modify(|announced| {
                for event in self.events.drain(..) {
                    if let EventKind::Status { text } = event {
                        announced.status = Some(text);
                    } else if let EventKind::Stuck { why } = event {
                        announced.stuck = Some(why);
                    }
                }
            });
        }
    }

    fn note(&mut self, text: &str) -> Result<(), ShimError> {
        self.log.note(now(), text)?;
        self.commit()
    }

    /// Writes what is in the batch, and only then says so.
    fn commit(&mut self) -> Result<(), ShimError> {
        let last = self.log.commit()?;
        self.announce.send_if_modified(|it| std::mem::replace(&mut it.last_event, last) != last);
        Ok(())
    }

    /// Hands over to git and the exit record, while the socket goes on answering.
    async fn finish(self, dir: RunDir, ending: Ending) -> Result<(), ShimError> {
        self.announce.send_modify(|it| {
            it.state = RunState::Finishing;
            it.pid = None;
        });
        let Self { order, git, mut log, announce, .. } = self;
        let finishing = tokio::task::spawn_blocking(move || {
            let end = finish(&dir, &order, ending, &git, &mut log, now);
            (log.last(), end)
        });
        let (last, end) = finishing.await.expect("finishing a run does not panic and is not aborted");
        announce.send_modify(|it| it.last_event = last);
        end?;
        Ok(())
    }
}

/// What a setup left changed in the worktree, or why that is not known.
fn changed_files(git: &Git, order: &Order) -> Result<Vec<String>, String> {
    let text =
        |error: &dyn std::error::Error| format!("what the setup command changed is not known: {error}");
    let repo = &order.spec.task.repo;
    let store = Store::open(git, &order.home, repo, &order.origin, order.clone.as_deref());
    let store = store.map_err(|it| text(&it))?;
    let worktree = store.worktree(&order.worktree).map_err(|it| text(&it))?;
    store.changed_files(&worktree, NAMED).map_err(|it| text(&it))
}
