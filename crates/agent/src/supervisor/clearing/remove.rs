//! Removing what was decided to go. Each removal looks again: what is not as it was decided upon stays.

use std::collections::BTreeSet;
use std::io;

use camino::Utf8Path;
use coord_core::id::RunId;
use coord_core::name::{CommitSha, RepoName};
use coord_core::retention::Item;
use coord_git::refs::Moved;
use coord_git::remote::Push;
use coord_git::removal::Removal;
use coord_git::store::Store;
use fs_err as fs;
use jiff::Timestamp;

use super::super::{Supervisor, lock, view};
use crate::durable;
use crate::finish::chain;
use crate::order::LogGone;
use crate::stream;

impl Supervisor {
    /// Removes one thing; doing it again is harmless. Otherwise why it stays.
    pub(super) fn remove(&self, item: &Item, at: Timestamp) -> Result<(), String> {
        match item {
            Item::Log { run } => self.remove_log(*run, at).map_err(|error| error.to_string()),
            Item::Worktree { repo, path, .. } => self.remove_left_worktree(repo, Utf8Path::new(path)),
            Item::Rescue { repo, run, reference, commit } => {
                let forgotten = self.store_of(repo)?.forget_rescued(*run, reference, commit);
                unless_moved(&forgotten.map_err(|error| chain(&error))?)
            }
            Item::Reference { repo, reference, commit, .. } => {
                let deleted = self.store_of(repo)?.delete_ref(reference, commit);
                unless_moved(&deleted.map_err(|error| chain(&error))?)
            }
            Item::OnOrigin { repo, reference, commit, .. } => self.remove_on_origin(repo, reference, commit),
            Item::Store { repo } => self.remove_store(repo),
        }
    }

    /// Leaves what says that there was a run, what it was asked for and how it ended: it must not start again.
    fn remove_log(&self, run: RunId, at: Timestamp) -> io::Result<()> {
        let dir = self.options.home.run(run);
        let (events, bytes) = (stream::tail(&dir.log())?.number, dir.room()?);
        if view::read::<LogGone>(&dir.gone())?.is_none() {
            durable::write(&dir.gone(), &serde_json::to_vec(&LogGone { at, events, bytes })?)?;
        }
        for path in dir.may_go()? {
            let metadata = fs::symlink_metadata(&path)?;
            if metadata.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        }
        Ok(())
    }

    fn remove_left_worktree(&self, repo: &RepoName, path: &Utf8Path) -> Result<(), String> {
        if lock(&self.live).values().any(|it| it.worktree == *path) {
            return Err("a run works in it by now".to_owned());
        }
        let store = self.store_of(repo)?;
        if let Ok(worktree) = store.worktree(path) {
            store.rescue(&worktree, (self.options.now)()).map_err(|error| chain(&error))?;
        }
        match store.remove_worktree(&self.options.home.worktrees(), path) {
            Ok(Removal::Removed) => Ok(()),
            Ok(Removal::HasWork(_)) => {
                Err("there is work in it that is in no reference of the store".to_owned())
            }
            Err(error) => Err(chain(&error)),
        }
    }

    fn remove_on_origin(&self, repo: &RepoName, reference: &str, commit: &CommitSha) -> Result<(), String> {
        match self.store_of(repo)?.delete_remote(reference, commit) {
            Ok(Push::Done) => Ok(()),
            Ok(Push::Moved { .. }) => Err("somebody moved it meanwhile".to_owned()),
            Ok(Push::Refused { reason }) => Err(reason),
            Err(error) => Err(chain(&error)),
        }
    }

    fn remove_store(&self, repo: &RepoName) -> Result<(), String> {
        let Ok(store) = self.store_of(repo) else { return Ok(()) };
        lock(&self.stores).retain(|(of, _), _| of != repo);
        match store.remove() {
            Ok(None) => Ok(()),
            Ok(Some(held)) => Err(held),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Gives back the room of what no reference leads to any more.
    pub(super) fn tidy_stores(&self, done: &[(Item, Result<(), String>)]) {
        let repos: BTreeSet<_> = done
            .iter()
            .filter(|(_, outcome)| outcome.is_ok())
            .filter_map(|(item, _)| match item {
                Item::Rescue { repo, .. } | Item::Reference { repo, .. } => Some(repo),
                Item::Log { .. } | Item::Worktree { .. } | Item::OnOrigin { .. } | Item::Store { .. } => None,
            })
            .collect();
        for repo in repos {
            let tidied = self.store_of(repo).and_then(|it| it.tidy().map_err(|error| chain(&error)));
            if let Err(why) = tidied {
                tracing::warn!(%repo, "the store could not be tidied: {why}");
            }
        }
    }

    fn store_of(&self, repo: &RepoName) -> Result<Store, String> {
        let all = Store::all(&self.git, self.options.home.root()).map_err(|error| error.to_string())?;
        all.into_iter().find(|it| it.repo() == repo).ok_or_else(|| format!("there is no store of {repo}"))
    }
}

fn unless_moved(moved: &Moved) -> Result<(), String> {
    match moved {
        Moved::Done | Moved::Lost { now: None } => Ok(()),
        Moved::Lost { now: Some(_) } => Err("it was moved meanwhile".to_owned()),
    }
}
