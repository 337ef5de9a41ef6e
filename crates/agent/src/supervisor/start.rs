//! Starting a run, once, however often it is asked for.
//!
//! What must hold before anybody is told that a run was accepted: its spec and its task's fence are on disk.
//! From then on the run ends with an exit record, whatever happens to this server.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use coord_core::id::RunId;
use coord_core::run::RunState;
use coord_proto::client::Started;
use coord_proto::problem::{Problem, ProblemKind};
use coord_proto::run::{RunSpec, RunView};
use fs_err as fs;
use tokio::sync::watch;

use super::course::Stage;
use super::means::Means;
use super::{Live, Supervisor, lock, view};
use crate::durable;
use crate::fence::Raised;
use crate::order::Announcement;

/// What asking for a place among the live runs gave.
enum Reserved {
    New(Arc<Live>, watch::Sender<Announcement>),
    /// The run was there already.
    Known,
}

impl Supervisor {
    /// Starts the run that `spec` describes under the id `run`, or finds that it was started.
    pub(crate) async fn start(
        self: &Arc<Self>,
        run: RunId,
        spec: RunSpec,
    ) -> Result<(Started, RunView), Problem> {
        if spec.run != run {
            let detail = format!("the path names run {run} and the body run {}", spec.run);
            return Err(Problem::new(ProblemKind::BadRequest, detail));
        }
        let this = Arc::clone(self);
        // A caller that hangs up must not leave a start half made: it gets a task of its own.
        let admission = self.tasks.spawn(async move { this.admit(Arc::new(spec)).await });
        let started =
            admission.await.map_err(|error| Problem::new(ProblemKind::Internal, error.to_string()))??;
        Ok((started, self.view(run).await?))
    }

    async fn admit(self: Arc<Self>, spec: Arc<RunSpec>) -> Result<Started, Problem> {
        loop {
            if let Some(known) = self.known(&spec).await? {
                return self.confirm(&known, &spec).await;
            }
            if (self.options.now)() > spec.start_before {
                let detail = format!("run {} was to start before {}", spec.run, spec.start_before);
                return Err(Problem::new(ProblemKind::TooLate, detail));
            }
            let means = self.means(&spec).await?;
            self.raise(&spec).await?;
            match self.reserve(Arc::clone(&spec))? {
                Reserved::New(live, says) => return self.begin(live, says, means).await,
                Reserved::Known => {}
            }
        }
    }

    /// The spec that a run was started with, if it was.
    async fn known(self: &Arc<Self>, spec: &Arc<RunSpec>) -> Result<Option<Arc<RunSpec>>, Problem> {
        if let Some(live) = self.find(spec.run) {
            live.admitted.wait().await.clone()?;
            return Ok(Some(Arc::clone(&live.spec)));
        }
        let dir = self.options.home.run(spec.run);
        self.off_loop("read the run's spec", move |_| Ok(view::spec(&dir)?.map(Arc::new))).await
    }

    /// Confirms a start that was made before, provided that it is this one. Its fence and its latest start
    /// belong to the asking and not to the run.
    async fn confirm(&self, known: &RunSpec, asked: &RunSpec) -> Result<Started, Problem> {
        let same =
            RunSpec { fence: known.fence, start_before: known.start_before, ..asked.clone() } == *known;
        if !same {
            let detail = format!("run {} was started with another spec, for {}", known.run, known.task);
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        self.raise(asked).await?;
        Ok(Started::Already)
    }

    /// What the run needs of this machine, under the configuration as it is now.
    pub(super) async fn means(self: &Arc<Self>, spec: &Arc<RunSpec>) -> Result<Means, Problem> {
        let config = self.load().await.map_err(|why| {
            Problem::new(ProblemKind::Unable, format!("the machine's configuration cannot be used: {why}"))
                .hinted("correct the configuration; it is read again at the next start")
        })?;
        let spec = Arc::clone(spec);
        self.off_loop("look for what the run needs", move |this| {
            let path = this.options.environment.get("PATH").map_or("", String::as_str);
            Ok(Means::find(&config, &spec, path))
        })
        .await?
    }

    async fn raise(&self, spec: &RunSpec) -> Result<(), Problem> {
        match self.fences.raise(&spec.task, spec.fence).await {
            Ok(Raised::Accepted) => Ok(()),
            Ok(Raised::Older { highest }) => {
                let detail = format!(
                    "fence {} of {} is older than {highest}, which this machine has seen",
                    spec.fence, spec.task
                );
                Err(Problem::new(ProblemKind::Fenced, detail))
            }
            Err(error) => Err(Problem::new(ProblemKind::Internal, format!("cannot keep the fence: {error}"))),
        }
    }

    /// Takes a place among the live runs. Two agents never work in one directory.
    fn reserve(&self, spec: Arc<RunSpec>) -> Result<Reserved, Problem> {
        let worktree = self.options.home.worktree(&spec.task.repo, &spec.branch, spec.kind, spec.run);
        let mut live = lock(&self.live);
        let holder =
            live.values().find(|it| it.worktree == worktree && it.spec.run != spec.run && !it.has_ended());
        if let Some(holder) = holder {
            let detail = format!("run {} still works on branch `{}`", holder.spec.run, spec.branch);
            let hint = format!("`coord stop {}` ends it", holder.spec.run);
            return Err(Problem::new(ProblemKind::Unable, detail).hinted(hint));
        }
        match live.entry(spec.run) {
            Entry::Occupied(_) => Ok(Reserved::Known),
            Entry::Vacant(place) => {
                let (made, says) = Live::new(spec, worktree);
                place.insert(Arc::clone(&made));
                Ok(Reserved::New(made, says))
            }
        }
    }

    /// Makes the start durable, and lets the run take its course.
    async fn begin(
        self: &Arc<Self>,
        live: Arc<Live>,
        says: watch::Sender<Announcement>,
        means: Means,
    ) -> Result<Started, Problem> {
        let spec = Arc::clone(&live.spec);
        let kept = self.off_loop("keep the run's spec", move |this| {
            let dir = this.options.home.run(spec.run);
            fs::create_dir_all(dir.path())?;
            durable::write(&dir.spec(), &serde_json::to_vec(&*spec)?)?;
            this.tell_at_once(spec.run, &RunState::Preparing);
            Ok(())
        });
        let kept = kept.await;
        if kept.is_err() {
            lock(&self.live).remove(&live.spec.run);
        } else {
            self.take_course(&live, says, Stage::Prepare(Box::new(means)));
        }
        // Nobody sets it but here and on adoption, once each.
        live.admitted.set(kept.clone()).expect("a run is admitted once");
        kept.map(|()| Started::Created)
    }
}
