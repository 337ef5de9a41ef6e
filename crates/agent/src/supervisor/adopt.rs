//! Finding the runs again after a restart. What a run's directory holds says where its course is taken up.

use std::io;
use std::sync::Arc;

use coord_core::id::RunId;
use coord_core::outcome::Outcome;
use coord_core::run::RunEnd;
use coord_proto::run::RunSpec;
use fs_err as fs;

use super::course::Stage;
use super::{Live, Supervisor, lock, view};
use crate::layout::RunDir;

/// What the directory of a run that is not collected says.
enum Found {
    Ended(Box<RunEnd>),
    /// A shim was there.
    Shim,
    /// An order is there, and no trace of a shim.
    Order,
    /// The server stopped while preparing, or before.
    Spec,
}

/// Runs that there is something left to do for.
struct Unfinished {
    /// Those that are not collected, and what their directories say.
    uncollected: Vec<(RunSpec, Found)>,
    /// Those whose commits are not on origin.
    unpushed: Vec<RunId>,
}

impl Supervisor {
    /// Takes up the course of every run that is not collected. Those that are cost one look each.
    pub(crate) async fn adopt(self: &Arc<Self>) -> io::Result<()> {
        let this = Arc::clone(self);
        let Unfinished { uncollected, unpushed } =
            tokio::task::spawn_blocking(move || this.unfinished()).await??;
        unpushed.into_iter().for_each(|run| self.push_later(run));
        for (spec, found) in uncollected {
            let spec = Arc::new(spec);
            let worktree = self.options.home.worktree(&spec.task.repo, &spec.branch, spec.kind, spec.run);
            let (live, says) = Live::new(Arc::clone(&spec), worktree);
            live.admitted.set(Ok(())).expect("a run is adopted once");
            lock(&self.live).insert(spec.run, Arc::clone(&live));
            let stage = match found {
                Found::Ended(end) => Stage::Collect(end),
                Found::Shim => Stage::Attend,
                Found::Order => Stage::Start,
                Found::Spec => self.resume_preparing(&spec).await,
            };
            self.take_course(&live, says, stage);
        }
        Ok(())
    }

    /// A start that was confirmed is made good, unless its time has passed by now.
    async fn resume_preparing(self: &Arc<Self>, spec: &Arc<RunSpec>) -> Stage {
        if (self.options.now)() > spec.start_before {
            let reason = "the agent server was stopped before the worker started, and came back too late";
            return Stage::End(Outcome::Lost { reason: reason.to_owned() });
        }
        match self.means(spec).await {
            Ok(means) => Stage::Prepare(Box::new(means)),
            Err(problem) => {
                let step = "configuration".to_owned();
                Stage::End(Outcome::SetupFailed { step, reason: problem.detail })
            }
        }
    }

    fn unfinished(&self) -> io::Result<Unfinished> {
        let (mut all, mut unpushed) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(self.options.home.runs())? {
            let Some(run) = entry?.file_name().to_str().and_then(|it| it.parse::<RunId>().ok()) else {
                continue;
            };
            let dir = self.options.home.run(run);
            if dir.collected().try_exists()? {
                if dir.unpushed().try_exists()? {
                    unpushed.push(run);
                }
                continue;
            }
            match (view::spec(&dir), found(&dir)) {
                (Ok(Some(spec)), Ok(found)) if spec.run == run => all.push((spec, found)),
                // No spec: nobody was told that it was accepted.
                (Ok(None), _) => {}
                (Ok(Some(_)), Ok(_)) => tracing::error!(%run, "its spec is another run's"),
                (Err(error), _) | (_, Err(error)) => tracing::error!(%run, "the run cannot be read: {error}"),
            }
        }
        self.feed.recall(&all.iter().map(|(spec, _)| spec.run).collect())?;
        Ok(Unfinished { uncollected: all, unpushed })
    }
}

fn found(dir: &RunDir) -> io::Result<Found> {
    if let Some(end) = view::read(&dir.exit())? {
        return Ok(Found::Ended(end));
    }
    Ok(if dir.shim().try_exists()? {
        Found::Shim
    } else if dir.order().try_exists()? {
        Found::Order
    } else {
        Found::Spec
    })
}
