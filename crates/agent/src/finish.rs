//! The end of a run: what git says, what has to be rescued, what goes to origin, and the exit record.
//!
//! Done once by the shim when its worker is gone; by the server for a run whose shim died. What must hold: no
//! process of the run is left when this begins; work is in a ref of the store before the exit record exists;
//! the exit record is written once, whole, and after the last event.
//!
//! A run's commits go to `refs/coord/runs/<run>` on origin, however the run ended, so that no machine is the
//! only one to have them. The one exception is a run that somebody stopped: nothing of it leaves the machine
//! any more, and the store keeps its head. Publishing is the coordinator's, and is not done here.

mod work;

use std::io;

use camino::Utf8PathBuf;
use coord_core::classify::{StopCause, StreamFacts, classify};
use coord_core::id::RunId;
use coord_core::outcome::{Outcome, WorkerExit};
use coord_core::run::{RunEnd, RuntimeReport};
use coord_git::program::Git;
use coord_proto::event::EventKind;
use fs_err as fs;
use fs_err::OpenOptions;
use jiff::Timestamp;

use self::work::Work;
use crate::durable;
use crate::layout::RunDir;
use crate::log::secrets::Secrets;
use crate::log::{LogError, LogWriter, RawLine};
use crate::order::{Order, ShimRecord};
use crate::shim::contain::{Containment, Swept};

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
    if let Err(problem) = work.examine(order, git, may_push, log.secrets(), clock) {
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

/// Where the commits of a run are on origin until its change is published.
pub(crate) fn run_reference(run: RunId) -> String {
    format!("refs/coord/runs/{run}")
}

/// Why records cannot be written, where it is the disk that does not take them.
pub(crate) fn unwritable(error: &FinishError) -> Option<&'static str> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                return Some("the disk was full, and its records could not be written");
            }
            Some(io::ErrorKind::ReadOnlyFilesystem) => {
                return Some("the disk was read-only, and its records could not be written");
            }
            Some(_) | None => cause = error.source(),
        }
    }
    None
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
