//! The course of one run, from preparing to collected: one task, the only one that does anything for the run.
//!
//! What must hold: the channel is closed only when the exit record is there; a server that stops leaves at a
//! point from which [`super::adopt`] goes on; nothing is given up because it failed once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use coord_core::id::RunId;
use coord_core::outcome::Outcome;
use coord_core::run::{GitFacts, Leaked, RunEnd, RunState, RuntimeReport};
use fs_err as fs;
use tokio::process::Child;
use tokio::sync::watch;

use super::means::Means;
use super::prepare::Unready;
use super::shims::Heard;
use super::{Live, Supervisor, view};
use crate::finish::{self, Abandoned, chain};
use crate::layout::RunDir;
use crate::log::secrets::Secrets;
use crate::log::{self, LogWriter};
use crate::order::{Announcement, ShimRecord};
use crate::process;
use crate::stream;

/// How long to wait before something is tried again that cannot be given up, such as recording an end on a
/// disk that is full.
const AGAIN: Duration = Duration::from_secs(5);

/// Where a run's course is taken up.
pub(super) enum Stage {
    /// Its worktree is to be made.
    Prepare(Box<Means>),
    /// Its order is written, and perhaps a shim was started. A second one does no harm.
    Start,
    /// It had a shim, which may still live.
    Attend,
    /// It will never run.
    End(Outcome),
    /// It has ended, and nobody has dealt with that yet.
    Collect(Box<RunEnd>),
}

/// What is known of the end of a shim that left no exit record.
fn how_lost(dir: &RunDir) -> String {
    if let Some(why) = stream::tail(&dir.log()).ok().and_then(|it| log::unwritten(&it.line)) {
        return why;
    }
    let record = view::read::<ShimRecord>(&dir.shim()).ok().flatten();
    let restarted = match (record, process::boot_id()) {
        (Some(record), Ok(boot_id)) => record.boot_id != boot_id,
        // Who cannot be asked says nothing.
        (Some(_) | None, Ok(_) | Err(_)) => false,
    };
    if restarted {
        "the machine was restarted while it ran".to_owned()
    } else {
        "its shim died, and nobody saw the worker end".to_owned()
    }
}

impl Supervisor {
    /// Gives a run the task that is its course.
    pub(super) fn take_course(
        self: &Arc<Self>,
        live: &Arc<Live>,
        says: watch::Sender<Announcement>,
        stage: Stage,
    ) {
        let (this, live) = (Arc::clone(self), Arc::clone(live));
        self.tasks.spawn(async move {
            let Some(end) = this.until_ended(&live, &says, stage).await else { return };
            drop(says);
            this.collect(&live, end).await;
        });
    }

    /// `None` when this server is being stopped.
    async fn until_ended(
        self: &Arc<Self>,
        live: &Arc<Live>,
        says: &watch::Sender<Announcement>,
        stage: Stage,
    ) -> Option<RunEnd> {
        match stage {
            Stage::Prepare(means) => match self.prepare(live, says, *means).await {
                Ok(()) => self.attend(live, says, true).await,
                Err(Unready::Halted) => None,
                Err(Unready::Never(outcome)) => self.end_unstarted(live, outcome).await,
            },
            Stage::Start => self.attend(live, says, true).await,
            Stage::Attend => self.attend(live, says, false).await,
            Stage::End(outcome) => self.end_unstarted(live, outcome).await,
            Stage::Collect(end) => Some(*end),
        }
    }

    /// Listens to the run's shim, which is started if `start`, until the run has ended. A shim that is gone
    /// without an exit record is seen to here.
    async fn attend(
        self: &Arc<Self>,
        live: &Arc<Live>,
        says: &watch::Sender<Announcement>,
        start: bool,
    ) -> Option<RunEnd> {
        let dir = self.options.home.run(live.spec.run);
        let mut child: Option<Child> = None;
        let mut unwritable = None;
        if start {
            match self.start_shim(&dir) {
                Ok(started) => child = Some(started),
                Err(error) => {
                    let reason = format!("`{}`: {error}", self.options.shim_program);
                    let outcome = Outcome::SetupFailed { step: "shim".to_owned(), reason };
                    return self.end_unstarted(live, outcome).await;
                }
            }
        }
        loop {
            match self.listen(live, says).await {
                Heard::Halted => return None,
                Heard::Silence => {}
            }
            // A shim that was just started has no lock yet: as long as it lives there is nothing to see to.
            if let Some(started) = &mut child {
                match started.try_wait() {
                    Ok(None) => continue,
                    Ok(Some(_)) | Err(_) => child = None,
                }
            }
            let outcome = if live.stop.is_cancelled() {
                Outcome::STOPPED
            } else {
                Outcome::Lost { reason: unwritable.map_or_else(|| how_lost(&dir), str::to_owned) }
            };
            let secrets = Secrets::of(&self.options.environment);
            match finish::abandoned(&dir, outcome, &self.git, secrets, self.options.now).await {
                Ok(Abandoned::Ended(end)) => return Some(*end),
                Ok(Abandoned::Alive) => {}
                Err(error) => {
                    tracing::error!(run = %live.spec.run, "cannot end the run: {}", chain(&error));
                    unwritable = finish::unwritable(&error).or(unwritable);
                    self.pause().await?;
                }
            }
        }
    }

    /// Ends a run that never had a worker.
    async fn end_unstarted(self: &Arc<Self>, live: &Arc<Live>, outcome: Outcome) -> Option<RunEnd> {
        loop {
            let (run, outcome) = (live.spec.run, outcome.clone());
            let ended =
                self.off_loop("record the end", move |this| this.record_unstarted(run, outcome)).await;
            match ended {
                Ok(end) => return Some(end),
                Err(problem) => {
                    tracing::error!(run = %live.spec.run, "{problem}");
                    self.pause().await?;
                }
            }
        }
    }

    fn record_unstarted(&self, run: RunId, outcome: Outcome) -> io::Result<RunEnd> {
        let dir = self.options.home.run(run);
        if let Some(end) = view::read(&dir.exit())? {
            return Ok(end);
        }
        fs::create_dir_all(dir.path())?;
        let environment = Secrets::of(&self.options.environment);
        let mut log = LogWriter::open(&dir.log(), environment).map_err(io::Error::other)?;
        let end = match log.ended().map_err(io::Error::other)? {
            Some(end) => end,
            None => RunEnd {
                outcome,
                at: (self.options.now)(),
                exit: None,
                git: GitFacts::default(),
                rescue: None,
                report: RuntimeReport::default(),
                leaked: Leaked::default(),
            },
        };
        finish::conclude(&dir, &mut log, &end).map_err(|error| io::Error::other(chain(&error)))?;
        Ok(end)
    }

    /// Waits a while; `None` when this server is being stopped meanwhile.
    pub(super) async fn pause(&self) -> Option<()> {
        tokio::select! {
            () = self.halt.cancelled() => None,
            () = tokio::time::sleep(AGAIN) => Some(()),
        }
    }

    /// Says in the feed where a run stands.
    pub(super) async fn tell(self: &Arc<Self>, run: RunId, state: RunState) {
        let told = self.off_loop("write the feed", move |this| {
            this.tell_at_once(run, &state);
            Ok(())
        });
        if let Err(problem) = told.await {
            tracing::error!(%run, "{problem}");
        }
    }

    /// The same, on a thread that may block. A feed that cannot be written holds up no run.
    pub(super) fn tell_at_once(&self, run: RunId, state: &RunState) {
        if let Err(error) = self.feed.say((self.options.now)(), run, state) {
            tracing::error!(%run, "cannot write the feed: {error}");
        }
    }
}
