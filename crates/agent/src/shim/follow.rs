//! The event loop of a shim: everything that can happen while a process runs, one thing after the other.

use coord_core::classify::StopCause;
use coord_core::id::MessageId;
use coord_core::outcome::WorkerExit;
use coord_proto::event::OutputStream;
use coord_proto::run::Receipt;
use tokio::time::{Instant, sleep_until};

use super::ShimError;
use super::child::{Child, reap};
use super::contain::Census;
use super::ladder::Ladder;
use super::report::Reported;
use super::socket::Wanted;
use super::supervise::Supervision;
use super::watchdog::{Next, Used, Watchdog};
use crate::runtime::{Dialogue, Reader};

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
    Wanted(Wanted),
    Written(MessageId),
    Reported(Reported),
    /// The moment has come that was waited for.
    Due,
}

impl Supervision {
    /// Follows a process until it is dead, or is to be killed. It is spoken to in the `dialogue` of its runtime.
    pub(super) async fn follow(
        &mut self,
        child: &mut Child,
        dialogue: Option<Dialogue>,
        reader: &mut dyn Reader,
        mut watchdog: Watchdog,
    ) -> Result<Followed, ShimError> {
        self.commit()?;
        let mut ladder: Option<Ladder> = None;
        let mut census = Census::default();
        let exit = loop {
            if self.desk.is_waited_for() {
                // It waits for a person, who may take as long as the whole run may.
                watchdog.heard(reader.phase(), Instant::now());
            }
            let next = match &ladder {
                Some(ladder) => Next::Wait(ladder.due()),
                None => watchdog.next(Instant::now()),
            };
            let (Next::Wait(due) | Next::Look(due)) = next else {
                if let Next::Stop(cause) = next {
                    ladder = Some(self.stop(child, dialogue, cause)?);
                }
                continue;
            };
            let guarded = self.guard.due().filter(|_| ladder.is_none());
            match self.next(child, guarded.map_or(due, |it| it.min(due))).await {
                Happening::Output(stream) => {
                    self.take(child, stream, reader)?;
                    watchdog.heard(reader.phase(), Instant::now());
                    if reader.rests() {
                        self.no_more_messages(child);
                    }
                }
                Happening::Reported(reported) => {
                    self.reported(&reported)?;
                    watchdog.heard(reader.phase(), Instant::now());
                }
                Happening::Written(message) => self.receipt(message, Receipt::Delivered)?,
                Happening::Wanted(wanted) => {
                    if self.is_wanted_by_a_person(wanted, child, ladder.is_some())? {
                        ladder = Some(self.stop(child, dialogue, StopCause::Asked)?);
                    }
                }
                Happening::Died => {
                    if let Some(exit) = reap(Some(child.pid)).exit {
                        break Some(exit);
                    }
                }
                Happening::Asked if ladder.is_none() => {
                    ladder = Some(self.stop(child, dialogue, StopCause::Asked)?);
                }
                Happening::Asked => {
                    if let Some(hold) = self.hold.take() {
                        hold.decline("somebody stopped the run");
                    }
                }
                Happening::Due => match &mut ladder {
                    Some(ladder) => {
                        if !ladder.step() {
                            break None;
                        }
                    }
                    None => {
                        if let Some(cause) = self.look(next, &mut watchdog, &mut census)? {
                            ladder = Some(self.stop(child, dialogue, cause)?);
                        }
                    }
                },
            }
        };
        Ok(Followed { exit, stopped: ladder.map(|it| it.cause) })
    }

    /// Does what is wanted of the run. True when a person is to have its session, for which the worker must go; there
    /// is nothing to have of one that is `stopping`.
    fn is_wanted_by_a_person(
        &mut self,
        wanted: Wanted,
        child: &mut Child,
        stopping: bool,
    ) -> Result<bool, ShimError> {
        let was_held = self.hold.is_some();
        self.wanted(wanted, child)?;
        if was_held || self.hold.is_none() {
            return Ok(false);
        }
        if stopping && let Some(hold) = self.hold.take() {
            hold.decline("it is being stopped");
        }
        Ok(!stopping)
    }

    /// Looks at what the processes do and use, as far as it is time to.
    fn look(
        &mut self,
        next: Next,
        watchdog: &mut Watchdog,
        census: &mut Census,
    ) -> Result<Option<StopCause>, ShimError> {
        let now = Instant::now();
        if matches!(next, Next::Look(due) if due <= now) {
            let count = census.count().map_err(unlisted)?;
            watchdog.used(Used { computed: count.computed, moved: count.moved }, now);
        }
        if self.guard.due().is_none_or(|due| due > now) {
            return Ok(None);
        }
        Ok(self.guard.look().map_err(unlisted)?.map(StopCause::OverLimit))
    }

    /// Begins to stop a process: in its own language, where it has one.
    fn stop(
        &mut self,
        child: &mut Child,
        dialogue: Option<Dialogue>,
        cause: StopCause,
    ) -> Result<Ladder, ShimError> {
        let whom = self.hold.as_ref().map_or("somebody", |it| &it.who);
        self.note(&match cause {
            StopCause::Asked => format!("stopping, because {whom} asked"),
            StopCause::Overdue(phase) => format!("stopping, because {phase}"),
            StopCause::OverLimit(limit) => format!("stopping, because the run reached its limit on {limit}"),
            StopCause::Lingered => {
                "stopping, because the worker has told its result and does not end".to_owned()
            }
        })?;
        let told = dialogue.is_some_and(|it| child.say(it.interrupt.to_owned(), None));
        self.no_more_messages(child);
        Ok(Ladder::start(child.pid, self.order.sandbox.is_some(), cause, told))
    }

    /// Ends the worker's input, which for one that converses is to say that nothing more will come.
    fn no_more_messages(&self, child: &mut Child) {
        child.close_input();
        self.announce.send_if_modified(|it| std::mem::take(&mut it.takes_messages));
    }

    async fn next(&mut self, child: &mut Child, due: Instant) -> Happening {
        tokio::select! {
            // A pipe that cannot be read has ended, which is all that its reader can be told.
            _ = child.stdout.fill(), if child.stdout.is_open() => Happening::Output(OutputStream::Stdout),
            _ = child.stderr.fill(), if child.stderr.is_open() => Happening::Output(OutputStream::Stderr),
            _ = self.died.recv() => Happening::Died,
            _ = self.terminate.recv() => Happening::Asked,
            _ = self.interrupt.recv() => Happening::Asked,
            Some(()) = self.inbox.stops.recv() => Happening::Asked,
            Some(message) = child.written.recv() => Happening::Written(message),
            Some(wanted) = self.inbox.wants.recv() => Happening::Wanted(wanted),
            Some(reported) = self.inbox.reports.recv() => Happening::Reported(reported),
            () = sleep_until(due) => Happening::Due,
        }
    }
}

fn unlisted(source: std::io::Error) -> ShimError {
    ShimError::System { what: "list processes", source }
}
