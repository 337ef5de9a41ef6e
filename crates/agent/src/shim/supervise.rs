//! The course of a run: its setup, its worker, and what follows from how they end.

use std::io;
use std::time::Duration;

use coord_core::classify::StopCause;
use coord_core::outcome::{Outcome, WorkerExit};
use coord_core::run::RunState;
use coord_git::program::Git;
use coord_git::store::Store;
use coord_proto::event::{EventKind, Leak};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::child::Child;
use super::contain::{Caps, Containment, Swept};
use super::desk::Desk;
use super::follow::Followed;
use super::guard::Guard;
use super::hold::Hold;
use super::mail::Mail;
use super::report::Reported;
use super::socket::Wanted;
use super::watchdog::Watchdog;
use super::{ShimError, now};
use crate::durable;
use crate::finish::{Ending, finish};
use crate::layout::RunDir;
use crate::log::{LogWriter, RawLine};
use crate::order::{Announcement, Order};
use crate::runtime::{self, Launch, Plain, Reader, Runtime};

mod carry_on;

/// How many files are named that a setup left changed.
const NAMED: usize = 20;

/// Sees a run through to its exit record.
pub(super) async fn supervise(
    dir: &RunDir,
    order: Order,
    log: LogWriter,
    (containment, caps): (Containment, Caps),
    announce: watch::Sender<Announcement>,
    inbox: Inbox,
) -> Result<(), ShimError> {
    let listen = |kind| signal(kind).map_err(|source| ShimError::System { what: "watch signals", source });
    // Once it is listened to, a hang-up no longer ends the process; nobody need hear it.
    drop(listen(SignalKind::hangup())?);
    let deadline = Instant::now() + Duration::from_secs(order.spec.deadline_seconds);
    let enforced: Vec<_> = caps.describe().collect();
    let mut supervision = Supervision {
        guard: Guard::begin(caps, &order.worktree),
        died: listen(SignalKind::child())?,
        terminate: listen(SignalKind::terminate())?,
        interrupt: listen(SignalKind::interrupt())?,
        git: Git::new(std::env::vars_os()),
        order,
        log,
        containment,
        announce,
        inbox,
        desk: Desk::default(),
        mail: Mail::default(),
        hold: None,
        deadline,
        events: Vec::new(),
    };
    for limit in enforced {
        supervision.note(&limit)?;
    }
    let ending = supervision.work(dir).await;
    let removed = supervision.containment.remove().await;
    let ending = ending?;
    supervision.tell_left_out()?;
    if let Err(error) = removed {
        supervision.note(&format!("the cgroup of the run stays: {error}"))?;
    }
    supervision.finish(dir.clone(), ending).await
}

/// What others want of a run.
pub(super) struct Inbox {
    pub(super) stops: mpsc::Receiver<()>,
    pub(super) wants: mpsc::Receiver<Wanted>,
    pub(super) reports: mpsc::Receiver<Reported>,
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

/// A run under way.
pub(super) struct Supervision {
    pub(super) order: Order,
    git: Git,
    pub(super) log: LogWriter,
    pub(super) containment: Containment,
    pub(super) guard: Guard,
    pub(super) announce: watch::Sender<Announcement>,
    pub(super) inbox: Inbox,
    pub(super) desk: Desk,
    pub(super) mail: Mail,
    /// Who is to have the session once the worker has gone.
    pub(super) hold: Option<Hold>,
    pub(super) died: Signal,
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    deadline: Instant,
    /// The events of the line at hand; kept for its room.
    pub(super) events: Vec<EventKind>,
}

impl Supervision {
    async fn work(&mut self, dir: &RunDir) -> Result<Ending, ShimError> {
        if let Some(setup) = self.order.spec.setup.take()
            && let Some(outcome) = self.set_up(setup).await?
        {
            return Ok(Ending::Decided(outcome));
        }
        let failed = |reason| Ok(Ending::Decided(Outcome::SetupFailed { step: "worker".to_owned(), reason }));
        let Some(runtime) = runtime::named(&self.order.spec.runtime) else {
            return failed(format!("this version of coord knows no runtime `{}`", self.order.spec.runtime));
        };
        self.put_back().await?;
        self.take_up_session(dir)?;
        loop {
            let launch = match runtime.launch(&self.order) {
                Ok(launch) => launch,
                Err(error) => return failed(error.to_string()),
            };
            let resumes = self.order.spec.resume.is_some();
            if !resumes {
                // It can be as large as all the rest of this process.
                self.order.spec.prompt = String::new();
            }
            let mut reader = runtime.reader(self.order.spec.kind);
            let account = runtime.account(&launch.environment);
            self.announce.send_modify(|it| it.account.clone_from(&account));
            let Ran { exit, stopped } = match self.run(launch, Some(runtime), &mut *reader).await? {
                Ok(ran) => ran,
                Err(Unstarted::Cancelled) => return Ok(Ending::Decided(Outcome::STOPPED)),
                Err(Unstarted::Failed(reason)) => return failed(reason),
            };
            let (mut stream, mut report) = reader.finish(exit);
            report.account = account;
            if resumes && stopped.is_none() && exit != WorkerExit::Code(0) && report.session.is_none() {
                self.begin_anew("the runtime ended without it")?;
                continue;
            }
            self.nobody_reads()?;
            stream.stuck = self.desk.stuck.take().or(stream.stuck);
            report.verdict = self.desk.verdict.take();
            if let Some(hold) = self.hold.take() {
                return self.left_to_a_person(hold, report).await;
            }
            return Ok(Ending::Ran { exit, stopped, stream: Box::new(stream), report: Box::new(report) });
        }
    }

    /// Runs the setup command; gives the outcome of the run if that is where it ends.
    async fn set_up(&mut self, command: String) -> Result<Option<Outcome>, ShimError> {
        self.note(&format!("setup: {command}"))?;
        let launch = Launch::shell(&self.order, command);
        let failed = |reason| Ok(Some(Outcome::SetupFailed { step: "setup".to_owned(), reason }));
        match self.run(launch, None, &mut Plain).await? {
            Err(Unstarted::Cancelled) => return Ok(Some(Outcome::STOPPED)),
            Err(Unstarted::Failed(reason)) => return failed(reason),
            Ok(Ran { stopped: Some(StopCause::Asked), .. }) => return Ok(Some(Outcome::STOPPED)),
            Ok(Ran { stopped: Some(StopCause::Overdue(phase)), .. }) => {
                return Ok(Some(Outcome::Timeout { phase }));
            }
            Ok(Ran { stopped: Some(StopCause::OverLimit(limit)), .. }) => {
                return failed(format!("the setup command reached the limit on {limit}"));
            }
            Ok(Ran { exit: WorkerExit::Code(0), .. }) => {}
            Ok(Ran { exit, .. }) => {
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

    /// Runs one process to its end, and ends what it left behind. The worker is the one that has a runtime.
    async fn run(
        &mut self,
        launch: Launch,
        worker: Option<&dyn Runtime>,
        reader: &mut dyn Reader,
    ) -> Result<Result<Ran, Unstarted>, ShimError> {
        if self.inbox.stops.try_recv().is_ok() {
            return Ok(Err(Unstarted::Cancelled));
        }
        let launch = match &self.order.sandbox {
            Some(sandbox) => sandbox.wrap(launch),
            None => launch,
        };
        let argv = launch.argv.clone();
        for (path, text) in &launch.files {
            let written = durable::write(path, text.as_bytes());
            written.map_err(|source| ShimError::File { path: path.clone(), source })?;
        }
        let (worktree, run) = (&self.order.worktree, self.order.spec.run);
        let dialogue = worker.and_then(Runtime::dialogue);
        let converses = dialogue.is_some();
        let mut child = match Child::start(launch, worktree, run, &mut self.containment, converses) {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound && worktree.exists() => {
                return Ok(Err(Unstarted::Failed(format!("there is no program `{}`", argv[0]))));
            }
            Err(error) => return Ok(Err(Unstarted::Failed(format!("cannot start `{}`: {error}", argv[0])))),
        };
        if worker.is_some() {
            self.started(&child, &argv, converses);
            self.hand_over(&child)?;
        }
        let mut limits = self.order.spec.limits;
        // A setup command need not say anything.
        limits.first_output = limits.first_output.filter(|_| worker.is_some());
        let watchdog = Watchdog::begin(&limits, self.deadline, reader.phase(), Instant::now());
        let followed = self.follow(&mut child, dialogue, reader, watchdog).await;
        if matches!(followed, Ok(Followed { stopped: None, .. })) {
            self.containment.let_end().await;
        }
        // Whatever went wrong, nothing of the run stays.
        let swept = self.containment.end_all(Some(child.pid)).await;
        let swept = swept.map_err(|source| ShimError::System { what: "list processes", source })?;
        let Followed { exit, stopped } = followed?;
        // The kernel may have been quicker, and ended the whole.
        let stopped = stopped.or_else(|| self.guard.hit().map(StopCause::OverLimit));
        self.drain(&mut child, reader).await?;
        self.tell_leaks(&swept, stopped.is_some())?;
        let killed = WorkerExit::Signal(rustix::process::Signal::KILL.as_raw());
        Ok(Ok(Ran { exit: exit.or(swept.exit).unwrap_or(killed), stopped }))
    }

    /// Says what outlived the process that it belonged to. After a stop that is no more than what was to be
    /// stopped; after an end of its own accord it is a leak, and so is in any case what cannot be ended.
    fn tell_leaks(&mut self, swept: &Swept, stopped: bool) -> Result<(), ShimError> {
        if stopped && swept.found > 0 {
            self.note(&swept.as_left_behind())?;
        }
        let outlived = if stopped { 0 } else { swept.found };
        for (what, count, strays) in
            [(Leak::Outlived, outlived, &swept.named), (Leak::Stay, swept.left.len(), &swept.left)]
        {
            if count > 0 {
                self.log.leak(now(), what, count, strays.clone())?;
            }
        }
        self.commit()
    }

    fn started(&mut self, child: &Child, argv: &[String], takes_messages: bool) {
        let pid = child.pid.as_raw_nonzero().get().unsigned_abs();
        let since = now();
        let secrets = self.log.secrets();
        let argv = argv.iter().map(|it| secrets.strike_text(it).into_owned()).collect();
        self.log.append(since, &[EventKind::Started { pid, argv }], RawLine::None);
        self.announce.send_modify(|it| {
            it.state = RunState::Running { since };
            it.pid = Some(pid);
            it.takes_messages = takes_messages;
        });
    }

    /// Hands over to git and the exit record, while the socket goes on answering.
    async fn finish(self, dir: RunDir, ending: Ending) -> Result<(), ShimError> {
        self.announce.send_modify(|it| {
            it.state = RunState::Finishing;
            it.pid = None;
            it.questions.clear();
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
    if order.sandbox.is_some() {
        store.disarm(&worktree).map_err(|it| text(&it))?;
    }
    store.changed_files(&worktree, NAMED).map_err(|it| text(&it))
}
