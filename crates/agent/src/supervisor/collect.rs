//! What is left to do for a run that has ended: its worktree goes, the feed says so, and it is forgotten.

use std::io;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::run::{RunEnd, RunState};
use coord_git::removal::Removal;
use coord_git::store::Store;
use coord_proto::run::Checkout;
use fs_err as fs;

use super::prepare::fetched_ref;
use super::{Live, Supervisor, lock, view};
use crate::finish::chain;
use crate::order::Order;

/// Where the store of a run is, as an order tells it.
struct Place {
    origin: String,
    clone: Option<Utf8PathBuf>,
}

impl Supervisor {
    /// Deals with the end of a run. What fails here is said and left: the work itself is safe, and the next
    /// run on the branch looks again.
    pub(super) async fn collect(self: &Arc<Self>, live: &Arc<Live>, end: RunEnd) {
        let run = live.spec.run;
        let permit = self.git_threads.acquire().await;
        let kept = self.off_loop("keep the transcript of its session", move |this| this.keep_transcript(run));
        if let Err(problem) = kept.await {
            tracing::warn!(%run, "{problem}");
        }
        let clearing = Arc::clone(live);
        let cleared = self.off_loop("remove the worktree", move |this| Ok(this.clear(&clearing))).await;
        drop(permit);
        match cleared {
            Ok(Ok(())) => {}
            Ok(Err(why)) => tracing::warn!(%run, worktree = %live.worktree, "the worktree stays: {why}"),
            Err(problem) => tracing::error!(%run, "{problem}"),
        }
        let how = end.clone();
        let unpushed =
            self.off_loop("note what is not pushed", move |this| this.note_unpushed(run, &how)).await;
        self.tell(run, RunState::Ended(Box::new(end))).await;
        let mark = self.options.home.run(run).collected();
        if let Err(problem) = self.off_loop("mark the run as collected", move |_| fs::write(mark, "")).await {
            tracing::error!(%run, "{problem}");
        }
        lock(&self.live).remove(&run);
        live.collected.cancel();
        match unpushed {
            Ok(true) => self.push_later(run),
            Ok(false) => {}
            Err(problem) => tracing::error!(%run, "{problem}"),
        }
    }

    /// Removes the worktree of a run through the one place that does so.
    fn clear(&self, live: &Live) -> Result<(), String> {
        let spec = &live.spec;
        let gone = matches!(fs::symlink_metadata(&live.worktree), Err(error) if error.kind() == io::ErrorKind::NotFound);
        // Of one that was made, a removal that was cut off may have left something.
        let made = self.options.home.run(spec.run).order().try_exists().map_err(|error| error.to_string())?;
        if gone && !made {
            return Ok(());
        }
        let place = self.place(live).map_err(|error| error.to_string())?;
        let store = self
            .store(&spec.task.repo, &place.origin, place.clone.as_deref())
            .map_err(|error| chain(&error))?;
        let root = self.options.home.worktrees();
        match store.remove_worktree(&root, &live.worktree) {
            Ok(Removal::Removed) => match &spec.checkout {
                Checkout::Commit { commit, .. } => {
                    let forgotten = store.delete_ref(&fetched_ref(spec.run), commit);
                    forgotten.map(|_| ()).map_err(|error| chain(&error))
                }
                Checkout::Base | Checkout::Head { .. } => Ok(()),
            },
            Ok(Removal::HasWork(work)) => Err(format!(
                "{} files, {} stashes and {} are in no reference of the store",
                work.files.len(),
                work.stashes,
                work.unpushed.map_or_else(|| "no commit".to_owned(), |it| format!("commit {it}"))
            )),
            Err(error) => Err(chain(&error)),
        }
    }

    /// From the run's order, which says what was in force when it started; a run that never had one asks the
    /// configuration.
    fn place(&self, live: &Live) -> io::Result<Place> {
        if let Some(order) = view::read::<Order>(&self.options.home.run(live.spec.run).order())? {
            return Ok(Place { origin: order.origin, clone: order.clone });
        }
        let config = Arc::clone(&lock(&self.config));
        let repo = config.repos.get(&live.spec.task.repo);
        let repo =
            repo.ok_or_else(|| io::Error::other("the configuration does not have its repo any more"))?;
        let origin = repo.origin.clone().map_err(io::Error::other)?;
        Ok(Place { origin, clone: repo.clone.clone() })
    }

    /// The store of a repo: one per origin and process, so that its fetches are shared.
    pub(super) fn store(
        &self,
        repo: &coord_core::name::RepoName,
        origin: &str,
        clone: Option<&Utf8Path>,
    ) -> Result<Store, coord_git::store::StoreError> {
        let key = (repo.clone(), origin.to_owned());
        if let Some(store) = lock(&self.stores).get(&key) {
            return Ok(store.clone());
        }
        let store = Store::open(&self.git, self.options.home.root(), repo, origin, clone)?;
        // Who opened it at the same time as somebody else takes that one's, for the sake of its fetches.
        Ok(lock(&self.stores).entry(key).or_insert(store).clone())
    }
}
