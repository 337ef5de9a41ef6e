//! The end of a run: what git says, what has to be rescued, what goes to origin, and the exit record.
//!
//! Done once by the shim when its worker is gone; by the server for a run whose shim died. What must hold: no
//! process of the run is left when this begins; work is in a ref of the store before the exit record exists;
//! the exit record is written once, whole, and after the last event.
//!
//! A run's commits go to `refs/coord/runs/<run>` on origin, however the run ended, so that no machine is the
//! only one to have them. The one exception is a run that somebody stopped: nothing of it leaves the machine
//! any more, and the store keeps its head. Publishing is the coordinator's, and is not done here.

use std::io;

use camino::Utf8PathBuf;
use coord_core::classify::{StopCause, StreamFacts, classify};
use coord_core::id::RunId;
use coord_core::outcome::{Outcome, WorkerExit};
use coord_core::run::{GitFacts, Rescue, RunEnd, RuntimeReport};
use coord_git::history::HistoryError;
use coord_git::program::Git;
use coord_git::remote::{Expect, Push, RemoteError};
use coord_git::rescue::RescueError;
use coord_git::store::{Store, StoreError};
use coord_git::worktree::{Worktree, WorktreeError};
use coord_proto::event::EventKind;
use fs_err as fs;
use fs_err::OpenOptions;
use jiff::Timestamp;

use crate::durable;
use crate::layout::RunDir;
use crate::log::secrets::Secrets;
use crate::log::{LogError, LogWriter, RawLine};
use crate::order::{Order, ShimRecord};
use crate::shim::contain::{Containment, Swept};

/// How many changed files are named.
const NAMED: usize = 20;

/// Why a run could not be brought to its end. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The event log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file of the run cannot be read or written.
    #[error("cannot read or write `{path}`")]
    File {
        /// Which one.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Processes of the run cannot be ended.
    #[error("processes of run {run} are still there: {left:?}")]
    Processes {
        /// Which run.
        run: RunId,
        /// Their ids.
        left: Vec<u32>,
    },
}

/// How the worker's part of a run went.
#[derive(Debug)]
pub enum Ending {
    /// It ran and is gone.
    Ran {
        /// How its process ended.
        exit: WorkerExit,
        /// Why coord ended it, if it did.
        stopped: Option<StopCause>,
        /// What its output said.
        stream: Box<StreamFacts>,
        /// What it said about itself.
        report: Box<RuntimeReport>,
    },
    /// It never ran, or nobody saw it end.
    Decided(Outcome),
}

impl Ending {
    fn was_cancelled(&self) -> bool {
        match self {
            Self::Ran { stopped, .. } => *stopped == Some(StopCause::Asked),
            Self::Decided(outcome) => *outcome == Outcome::STOPPED,
        }
    }
}

/// What was found in the place of a run whose shim does not answer.
#[derive(Debug)]
#[must_use]
pub enum Abandoned {
    /// The shim lives.
    Alive,
    /// The run has ended, now or before.
    Ended(Box<RunEnd>),
}

/// Brings a run to its end whose worker is gone. Doing it again is harmless.
///
/// # Errors
/// When the end cannot be recorded. What git cannot do is told in the record and is no error.
pub fn finish(
    dir: &RunDir,
    order: &Order,
    ending: Ending,
    git: &Git,
    log: &mut LogWriter,
    clock: fn() -> Timestamp,
) -> Result<RunEnd, FinishError> {
    if let Some(end) = log.ended()? {
        record(dir, &end)?;
        return Ok(end);
    }
    let mut work = Work::default();
    let may_push = order.spec.kind.is_agent_work() && !ending.was_cancelled();
    if let Err(problem) = work.examine(order, git, may_push, clock) {
        work.notes.push(chain(&problem));
    }
    for note in &work.notes {
        log.note(clock(), note)?;
    }
    let secrets = log.secrets();
    let (outcome, exit, report) = match ending {
        Ending::Decided(outcome) => (outcome, None, RuntimeReport::default()),
        Ending::Ran { exit, stopped, stream, report } => {
            let mut outcome =
                classify(order.spec.kind, exit, stopped, &stream, &work.facts, work.rescue.is_some());
            if let (Outcome::PushFailed { reason }, Some(said)) = (&mut outcome, &work.push_failure) {
                *reason = secrets.strike_text(said).into_owned();
            }
            (outcome, Some(exit), *report)
        }
    };
    let end = RunEnd {
        outcome,
        at: clock(),
        exit,
        git: work.facts,
        rescue: work.rescue,
        report,
        leaked: log.leaked(),
    };
    conclude(dir, log, &end)?;
    Ok(end)
}

/// Writes the last event and then the exit record.
///
/// # Errors
/// When either cannot be written.
pub fn conclude(dir: &RunDir, log: &mut LogWriter, end: &RunEnd) -> Result<(), FinishError> {
    log.append(end.at, &[EventKind::Ended { end: Box::new(end.clone()) }], RawLine::None);
    log.commit()?;
    log.sync()?;
    record(dir, end)
}

fn record(dir: &RunDir, end: &RunEnd) -> Result<(), FinishError> {
    let path = dir.exit();
    let bytes = serde_json::to_vec(end).expect("an end is made of strings and numbers");
    durable::write(&path, &bytes).map_err(|source| FinishError::File { path, source })
}

/// Brings a run to its end whose shim died, which its lock tells, with this outcome. What is left of its worker is found and
/// killed; its work is treated like that of any other run.
///
/// # Errors
/// When processes of it cannot be ended, or its end cannot be recorded.
pub async fn abandoned(
    dir: &RunDir,
    outcome: Outcome,
    git: &Git,
    secrets: Secrets,
    clock: fn() -> Timestamp,
) -> Result<Abandoned, FinishError> {
    let failed = |path: Utf8PathBuf| move |source| FinishError::File { path, source };
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.shim());
    let lock = lock.map_err(failed(dir.shim()))?;
    match lock.file().try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(Abandoned::Alive),
        Err(std::fs::TryLockError::Error(source)) => return Err(failed(dir.shim())(source)),
    }
    match fs::read(dir.exit()) {
        Ok(bytes) => {
            let end = serde_json::from_slice(&bytes).map_err(io::Error::from).map_err(failed(dir.exit()))?;
            return Ok(Abandoned::Ended(Box::new(end)));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(dir.exit())(error)),
    }
    let order = fs::read(dir.order()).map_err(failed(dir.order()))?;
    let order: Order =
        serde_json::from_slice(&order).map_err(io::Error::from).map_err(failed(dir.order()))?;
    let (dir, git, run) = (dir.clone(), git.clone(), order.spec.run);
    // Without a record there never was a worker; without a readable one its group is not known.
    let record = fs::read(dir.shim()).ok().and_then(|it| serde_json::from_slice(&it).ok());
    let swept = sweep(run, record).await?;
    let ended = tokio::task::spawn_blocking(move || {
        let mut log = LogWriter::open(&dir.log(), secrets)?;
        if swept.found > 0 {
            log.note(clock(), &swept.as_left_behind())?;
        }
        let ending = Ending::Decided(outcome);
        let end = finish(&dir, &order, ending, &git, &mut log, clock);
        drop(lock);
        end
    });
    let end = ended.await.expect("finishing a run does not panic and is not aborted")?;
    Ok(Abandoned::Ended(Box::new(end)))
}

/// Ends what is left of a run whose shim died.
async fn sweep(run: RunId, record: Option<ShimRecord>) -> Result<Swept, FinishError> {
    let unlisted = |source| FinishError::File { path: Utf8PathBuf::from("/proc"), source };
    let (event_loop, containment) =
        (tokio::runtime::Handle::current(), Containment::abandoned(run, record.as_ref()));
    // It reads a great many small files, which others on the event loop would have to wait for.
    let sweeping = tokio::task::spawn_blocking(move || {
        event_loop.block_on(async {
            let swept = containment.end_abandoned().await?;
            if swept.left.is_empty()
                && let Err(error) = containment.remove().await
            {
                tracing::warn!(%run, "the cgroup of the run stays: {error}");
            }
            io::Result::Ok(swept)
        })
    });
    let swept = sweeping.await.expect("sweeping does not panic and is not aborted").map_err(unlisted)?;
    if !swept.left.is_empty() {
        return Err(FinishError::Processes { run, left: swept.left.iter().map(|it| it.pid).collect() });
    }
    Ok(swept)
}

/// What git could not be asked or made to do.
#[derive(Debug, thiserror::Error)]
enum GitProblem {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("work that is not committed could not be rescued; it stays in the worktree")]
    Rescue(#[from] RescueError),
}

/// What became of a run's work.
#[derive(Debug, Default)]
struct Work {
    facts: GitFacts,
    rescue: Option<Rescue>,
    push_failure: Option<String>,
    notes: Vec<String>,
}

impl Work {
    /// Stops at the first thing that git cannot do: what is not known by then stays unknown.
    fn examine(
        &mut self,
        order: &Order,
        git: &Git,
        may_push: bool,
        clock: fn() -> Timestamp,
    ) -> Result<(), GitProblem> {
        self.facts.base = Some(order.base.clone());
        let repo = &order.spec.task.repo;
        let store = Store::open(git, &order.home, repo, &order.origin, order.clone.as_deref())?;
        if !order.spec.kind.is_agent_work() {
            // What was tested is what was checked out, whatever the tests did to it.
            self.facts.head = Some(order.start.clone());
            self.facts.tree = Some(store.tree_of(&order.start)?);
        }
        let worktree = store.worktree(&order.worktree)?;
        let rescued = self.rescue(&store, &worktree, clock());
        if !order.spec.kind.is_agent_work() {
            return rescued;
        }
        let head = store.head(&worktree)?;
        if let Some(head) = &head {
            self.facts.head = Some(head.clone());
            self.facts.tree = Some(store.tree_of(head)?);
            self.facts.ahead = Some(store.ahead(&order.base, head)?);
            let added = store.ahead(&order.start, head)?;
            self.facts.added = Some(added);
            if may_push && added > 0 {
                self.push(&store, order.spec.run, head);
            }
        }
        rescued
    }

    fn rescue(&mut self, store: &Store, worktree: &Worktree, now: Timestamp) -> Result<(), GitProblem> {
        self.facts.dirty = Some(store.changed_files(worktree, NAMED)?);
        let Some(rescue) = store.rescue(worktree, now)? else { return Ok(()) };
        let (reference, commit) = (&rescue.reference, rescue.commit.short());
        self.notes.push(format!("rescued {rescue} into `{reference}` of the repo store, as {commit}"));
        self.rescue = Some(rescue);
        Ok(())
    }

    /// Origin has the last word: an answer that got lost is no failure, and one that came is no proof.
    fn push(&mut self, store: &Store, run: RunId, head: &coord_core::name::CommitSha) {
        let reference = format!("refs/coord/runs/{run}");
        let failure = match store.push(head, &reference, Expect::Anything) {
            Ok(Push::Done) => None,
            Ok(Push::Moved { now }) => Some(format!(
                "somebody else moved `{reference}` to {}",
                now.map_or("nothing".to_owned(), |it| it.to_string())
            )),
            Ok(Push::Refused { reason }) => Some(reason),
            Err(error) => Some(chain(&error)),
        };
        let there = store.remote_ref(&reference);
        self.facts.pushed = there.as_ref().ok().map(|it| it.as_ref() == Some(head));
        if self.facts.pushed == Some(true) {
            return;
        }
        let unread = |error: RemoteError| format!("origin could not be read back: {}", chain(&error));
        let reason = failure.or_else(|| there.err().map(unread));
        let reason = reason.unwrap_or_else(|| format!("origin does not have {head} at `{reference}`"));
        self.notes
            .push(format!("the commits are in the repo store of this machine, but not on origin: {reason}"));
        self.push_failure = Some(reason);
    }
}

/// An error and its causes, as one sentence.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
