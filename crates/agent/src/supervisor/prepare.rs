//! Making a worktree for a run, up to the order its shim is started with.
//!
//! What must hold: the base is what origin has now, fetched for this run, or the run does not start; what an
//! earlier run left at the path is in a ref of the store before it is touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use coord_core::id::RunId;
use coord_core::name::CommitSha;
use coord_core::outcome::Outcome;
use coord_core::sandbox::Confinement;
use coord_git::bootstrap::Lfs;
use coord_git::store::Store;
use coord_git::worktree::{Added, Worktree};
use coord_proto::run::{Checkout, RunSpec};
use tokio::sync::watch;

use super::means::Means;
use super::{Live, Supervisor, lock};
use crate::finish::chain;
use crate::log::LogWriter;
use crate::log::secrets::Secrets;
use crate::order::{Announcement, Order};
use crate::sandbox::{Confined, Needs, Shared};
use crate::{durable, environment, runtime};

/// Why a run has no worktree.
pub(super) enum Unready {
    /// This server is being stopped.
    Halted,
    /// The run ends like this.
    Never(Outcome),
}

/// Which step failed, and what it said.
struct Failure {
    step: &'static str,
    reason: String,
}

impl Failure {
    fn at<E: std::error::Error>(step: &'static str) -> impl Fn(E) -> Self {
        move |error| Self { step, reason: chain(&error) }
    }
}

impl From<Failure> for Unready {
    fn from(failure: Failure) -> Self {
        Self::Never(Outcome::SetupFailed { step: failure.step.to_owned(), reason: failure.reason })
    }
}

impl Supervisor {
    /// Fetches, makes the worktree and writes the order. A stop is heeded between the steps, and at once while
    /// origin is waited for.
    pub(super) async fn prepare(
        self: &Arc<Self>,
        live: &Arc<Live>,
        says: &watch::Sender<Announcement>,
        means: Means,
    ) -> Result<(), Unready> {
        self.wait_for_predecessor(live).await?;
        let means = Arc::new(means);
        let fetching = {
            let (live, means) = (Arc::clone(live), Arc::clone(&means));
            self.git_step(move |this| {
                let repo = &live.spec.task.repo;
                let store =
                    this.store(repo, &means.origin, means.clone.as_deref()).map_err(Failure::at("store"))?;
                store.fetch().map_err(Failure::at("fetch"))?;
                Ok(store)
            })
        };
        // A fetch that nobody waits for any more does no harm: it ends by itself.
        let store = tokio::select! {
            fetched = fetching => fetched?,
            () = live.stop.cancelled() => return Err(Unready::Never(Outcome::STOPPED)),
            () = self.halt.cancelled() => return Err(Unready::Halted),
        };
        let making = Arc::clone(live);
        let last = self.git_step(move |this| this.make(&making, &store, &means)).await?;
        says.send_modify(|it| it.last_event = last);
        Ok(())
    }

    /// Waits until the run that worked on this branch before is collected: its worktree is about to go.
    async fn wait_for_predecessor(&self, live: &Live) -> Result<(), Unready> {
        loop {
            let before = lock(&self.live)
                .values()
                .find(|it| it.worktree == live.worktree && it.spec.run != live.spec.run)
                .map(|it| it.collected.clone());
            let Some(before) = before else { return Ok(()) };
            tokio::select! {
                () = before.cancelled() => {}
                () = live.stop.cancelled() => return Err(Unready::Never(Outcome::STOPPED)),
                () = self.halt.cancelled() => return Err(Unready::Halted),
            }
        }
    }

    /// Does a step of preparing on a thread of its own, of which there are not too many.
    async fn git_step<T: Send + 'static>(
        self: &Arc<Self>,
        step: impl FnOnce(&Self) -> Result<T, Unready> + Send + 'static,
    ) -> Result<T, Unready> {
        let permit = tokio::select! {
            permit = self.git_threads.acquire() => permit,
            () = self.halt.cancelled() => return Err(Unready::Halted),
        };
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || step(&this)).await;
        drop(permit);
        done.unwrap_or_else(|error| Err(Failure { step: "thread", reason: error.to_string() }.into()))
    }

    /// Everything after the fetch. Returns the number of the newest event in the log.
    fn make(&self, live: &Live, store: &Store, means: &Means) -> Result<u64, Unready> {
        let spec = &live.spec;
        let dir = self.options.home.run(spec.run);
        let (base, start) = commits(spec, store)?;
        let environment = environment::reduce(&self.options.environment, &means.runtime.pass_env);
        let secrets = Secrets::of(&environment);
        let mut log = LogWriter::open(&dir.log(), secrets).map_err(Failure::at("log"))?;
        let mut note = |text: &str| log.note((self.options.now)(), text).map_err(Failure::at("log"));
        let worktree = self.stand(live, store, &start, &mut note)?;
        if live.stop.is_cancelled() {
            return Err(Unready::Never(Outcome::STOPPED));
        }
        let ready = store
            .bootstrap(&worktree, means.clone.as_deref())
            .map_err(|error| Failure { step: error.step.as_str(), reason: chain(&error.cause) })?;
        if ready.lfs == Lfs::NotInstalled {
            note(
                "the repo keeps large files with git-lfs, which is not installed: pointers lie in their place",
            )?;
        }
        let sandbox = self.confine(spec, store, &worktree, means, &environment)?;
        if sandbox.is_some() && ready.submodules {
            let reason = "a sandbox cannot be had for a repo with submodules".to_owned();
            return Err(Failure { step: "sandbox", reason }.into());
        }
        for told in sandbox.iter().flat_map(|it| &it.told) {
            note(told)?;
        }
        let order = Order {
            spec: RunSpec::clone(spec),
            home: self.options.home.root().to_owned(),
            origin: means.origin.clone(),
            clone: means.clone.clone(),
            worktree: worktree.path().to_owned(),
            base,
            start,
            runtime: means.runtime.clone(),
            push_rescues: means.push_rescues,
            sandbox,
            environment,
            reporter: None,
        };
        let order = serde_json::to_vec(&order).map_err(Failure::at("order"))?;
        durable::write(&dir.order(), &order).map_err(Failure::at("order"))?;
        Ok(log.last())
    }

    /// What the run is started in, where it is to be confined.
    fn confine(
        &self,
        spec: &RunSpec,
        store: &Store,
        worktree: &Worktree,
        means: &Means,
        environment: &BTreeMap<String, String>,
    ) -> Result<Option<Confined>, Failure> {
        let Some(program) = &means.sandbox else { return Ok(None) };
        let dir = self.options.home.run(spec.run);
        let strict = spec.sandbox.level == Confinement::Strict;
        let lent = strict.then(|| store.lend(worktree, &dir.git()));
        let lent = lent.transpose().map_err(Failure::at("sandbox"))?;
        let shared = Shared {
            path: store.path(),
            written: store.written_by(worktree).map_err(Failure::at("sandbox"))?,
            fixed: store.fixed_for(worktree),
        };
        let state = runtime::named(&spec.runtime).map(|it| it.state(environment)).unwrap_or_default();
        let needs = Needs {
            sandbox: spec.sandbox,
            program,
            coord_home: self.options.home.root(),
            worktree: worktree.path(),
            objects: store.objects(),
            store: Some(shared).filter(|_| !strict),
            lent,
            shown: [dir.report_socket(), dir.tools()],
            programs: vec![means.program.clone(), self.options.shim_program.clone()],
            state,
            readable: &means.readable,
            environment,
        };
        Ok(Some(needs.confine()))
    }

    /// Makes the worktree stand at `start`; what an earlier run left in it is rescued first.
    fn stand(
        &self,
        live: &Live,
        store: &Store,
        start: &CommitSha,
        note: &mut impl FnMut(&str) -> Result<u64, Failure>,
    ) -> Result<Worktree, Failure> {
        let run = live.spec.run;
        let path: &Utf8PathBuf = &live.worktree;
        let failed = Failure::at("worktree");
        let (left, work) = match store.add_worktree(path, run, start).map_err(&failed)? {
            Added::Ready(worktree) => return Ok(worktree),
            Added::Leftover(worktree, work) => (worktree, work),
        };
        let rescued = store.rescue(&left, (self.options.now)()).map_err(Failure::at("rescue"))?;
        let place = rescued.map_or_else(|| "a ref of its own".to_owned(), |it| format!("`{}`", it.reference));
        note(&format!(
            "run {} had left {} files and {} stashes here; they are in {place} of the repo store",
            left.run(),
            work.files.len(),
            work.stashes
        ))?;
        match store.add_worktree(path, run, start).map_err(&failed)? {
            Added::Ready(worktree) => Ok(worktree),
            Added::Leftover(left, _) => {
                let reason = format!("work of run {} in `{path}` cannot be rescued", left.run());
                Err(Failure { step: "rescue", reason })
            }
        }
    }
}

/// Where a commit is kept that was fetched for one run and is on no branch of origin.
pub(super) fn fetched_ref(run: RunId) -> String {
    format!("refs/coord/fetched/{run}")
}

/// The recorded base, and the commit that the worktree is to stand at.
fn commits(spec: &RunSpec, store: &Store) -> Result<(CommitSha, CommitSha), Failure> {
    let base = store.tip(&spec.base_branch).map_err(Failure::at("base"))?.ok_or_else(|| Failure {
        step: "base",
        reason: format!("origin has no branch `{}`", spec.base_branch),
    })?;
    let start = match &spec.checkout {
        Checkout::Base => base.clone(),
        Checkout::Head { head } => head.clone(),
        Checkout::Commit { commit, reference } => {
            if !store.contains(commit).map_err(Failure::at("checkout"))? {
                store.fetch_ref(reference, &fetched_ref(spec.run)).map_err(Failure::at("checkout"))?;
            }
            commit.clone()
        }
    };
    if !store.contains(&start).map_err(Failure::at("checkout"))? {
        return Err(Failure { step: "checkout", reason: format!("origin does not have commit {start}") });
    }
    Ok((base, start))
}
