//! The event loop of a shim: everything that can happen while a process runs, one thing after the other.

use coord_core::classify::StopCause;
use coord_core::outcome::WorkerExit;
use coord_proto::event::OutputStream;
use tokio::time::{Instant, sleep_until};

use super::ShimError;
use super::child::{Child, reap};
use super::contain::Census;
use super::ladder::Ladder;
use super::supervise::Supervision;
use super::watchdog::{Next, Used, Watchdog};
use crate::runtime::Reader;

/// How following a process ended.
pub(super) struct Followed {
    /// `None` when it would not go.
    pub(super) exit: Option<WorkerExit>,
    pub(super) stopped: Option<StopCause>,
}

/// What can happen while a process runs.
enum Happening {
    Output(OutputStream),
    Died,
    Asked,
    /// The moment has come that was waited for.
    Due,
}

impl Supervision {
    /// Follows a process until it is dead, or is to be killed.
    pub(super) async fn follow(
        &mut self,
        child: &mut Child,
        reader: &mut dyn Reader,
        mut watchdog: Watchdog,
    ) -> Result<Followed, ShimError> {
        self.commit()?;
        let mut ladder: Option<Ladder> = None;
        let mut census = Census::default();
        let exit = loop {
            let next = match &ladder {
                Some(ladder) => Next::Wait(ladder.due()),
                None => watchdog.next(Instant::now()),
            };
            let (Next::Wait(due) | Next::Look(due)) = next else {
                if let Next::Stop(cause) = next {
                    ladder = Some(self.stop(child, cause)?);
                }
                continue;
            };
            let guarded = self.guard.due().filter(|_| ladder.is_none());
            match self.next(child, guarded.map_or(due, |it| it.min(due))).await {
                Happening::Output(stream) => {
                    self.take(child, stream, reader)?;
                    watchdog.heard(reader.phase(), Instant::now());
                }
                Happening::Died => {
                    if let Some(exit) = reap(Some(child.pid)).exit {
                        break Some(exit);
                    }
                }
                Happening::Asked if ladder.is_none() => {
                    ladder = Some(self.stop(child, StopCause::Asked)?);
                }
                Happening::Asked => {}
                Happening::Due => match &mut ladder {
                    Some(ladder) => {
                        if !ladder.step() {
                            break None;
                        }
                    }
                    None => ladder = self.look(child, next, &mut watchdog, &mut census)?,
                },
            }
        };
        Ok(Followed { exit, stopped: ladder.map(|it| it.cause) })
    }

    /// Looks at what the processes do and use, as far as it is time to.
    fn look(
        &mut self,
        child: &Child,
        next: Next,
        watchdog: &mut Watchdog,
        census: &mut Census,
    ) -> Result<Option<Ladder>, ShimError> {
        let now = Instant::now();
        if matches!(next, Next::Look(due) if due <= now) {
            let count = census.count().map_err(unlisted)?;
            watchdog.used(Used { computed: count.computed, moved: count.moved }, now);
        }
        if self.guard.due().is_none_or(|due| due > now) {
            return Ok(None);
        }
        let reached = self.guard.look().map_err(unlisted)?;
        reached.map(|limit| self.stop(child, StopCause::OverLimit(limit))).transpose()
    }

    fn stop(&mut self, child: &Child, cause: StopCause) -> Result<Ladder, ShimError> {
        self.note(&match cause {
            StopCause::Asked => "stopping, because somebody asked".to_owned(),
            StopCause::Overdue(phase) => format!("stopping, because {phase}"),
            StopCause::OverLimit(limit) => format!("stopping, because the run reached its limit on {limit}"),
            StopCause::Lingered => {
                "stopping, because the worker has told its result and does not end".to_owned()
            }
        })?;
        Ok(Ladder::start(child.pid, cause))
    }

    async fn next(&mut self, child: &mut Child, due: Instant) -> Happening {
        tokio::select! {
            // A pipe that cannot be read has ended, which is all that its reader can be told.
            _ = child.stdout.fill(), if child.stdout.is_open() => Happening::Output(OutputStream::Stdout),
            _ = child.stderr.fill(), if child.stderr.is_open() => Happening::Output(OutputStream::Stderr),
            _ = self.died.recv() => Happening::Died,
            _ = self.terminate.recv() => Happening::Asked,
            _ = self.interrupt.recv() => Happening::Asked,
            Some(()) = self.stops.recv() => Happening::Asked,
            () = sleep_until(due) => Happening::Due,
        }
    }
}

fn unlisted(source: std::io::Error) -> ShimError {
    ShimError::System { what: "list processes", source }
}
