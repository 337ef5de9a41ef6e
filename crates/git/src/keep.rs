//! Seeing to it that a run's commits outlive its worktree.

use camino::Utf8Path;
use coord_core::id::RunId;
use coord_core::name::CommitSha;
use fs_err as fs;
use git2::{ErrorCode, Repository};

use crate::history::{HistoryError, oid};
use crate::refs::RefError;
use crate::store::Store;
use crate::worktree::{Worktree, WorktreeError};

/// The branch of a run, as a full reference name.
pub(crate) fn branch_of(run: RunId) -> String {
    format!("refs/heads/coord/run/{run}")
}

/// Where a head that nothing else has is kept when a worktree goes.
fn keep_ref(run: RunId) -> String {
    format!("refs/coord/keep/{run}")
}

/// The run that an administrative entry was last made for. Written after `HEAD`, so who has it has a head.
pub(crate) fn run_of(admin: &Utf8Path) -> Option<RunId> {
    let config = git2::Config::open(admin.join("config.worktree").as_std_path()).ok()?;
    config.get_string("coord.run").ok()?.parse().ok()
}

impl Store {
    /// Removes entries of worktrees whose directory at `path` is gone, once their head is kept.
    pub(crate) fn forget_vanished(&self, path: &Utf8Path) -> Result<(), WorktreeError> {
        let files = |source| WorktreeError::Files { path: path.to_owned(), source };
        let history = |source| WorktreeError::History { path: path.to_owned(), source };
        let Ok(entries) = self.path.join("worktrees").read_dir_utf8() else { return Ok(()) };
        for entry in entries {
            let admin = entry.map_err(files)?.into_path();
            let link = fs::read_to_string(admin.join("gitdir")).unwrap_or_default();
            if link.trim() != path.join(".git").as_str() {
                continue;
            }
            if let Some(run) = run_of(&admin) {
                let repo = self.libgit2().map_err(HistoryError::Open).map_err(history)?;
                self.keep_head(&repo, &Worktree { path: path.to_owned(), admin: admin.clone(), run })?;
                self.drop_branch(run, path)?;
            }
            fs::remove_dir_all(&admin).map_err(files)?;
        }
        Ok(())
    }

    /// The head of a run whose worktree at `path` is gone, from what is left of it in the store: kept from now on.
    /// `None` when there is no trace of it.
    pub fn head_of_vanished(&self, path: &Utf8Path, run: RunId) -> Result<Option<CommitSha>, WorktreeError> {
        let files = |source| WorktreeError::Files { path: path.to_owned(), source };
        let history = |source| WorktreeError::History { path: path.to_owned(), source };
        let _held = self.lock().map_err(files)?;
        let repo = self.libgit2().map_err(HistoryError::Open).map_err(history)?;
        let Ok(entries) = self.path.join("worktrees").read_dir_utf8() else { return Ok(None) };
        for entry in entries {
            let admin = entry.map_err(files)?.into_path();
            if run_of(&admin) == Some(run) {
                let worktree = Worktree { path: path.to_owned(), admin, run };
                self.keep_head(&repo, &worktree)?;
                return self.head_in(&repo, &worktree);
            }
        }
        Ok(None)
    }

    /// Points a reference under `refs/coord/keep` at the head of `worktree` when nothing else keeps it.
    pub(crate) fn keep_head(&self, repo: &Repository, worktree: &Worktree) -> Result<(), WorktreeError> {
        match self.head_in(repo, worktree)? {
            Some(head) => self.keep(repo, worktree, &head),
            None => Ok(()),
        }
    }

    /// The same for any commit of the run of `worktree`.
    pub(crate) fn keep(
        &self,
        repo: &Repository,
        worktree: &Worktree,
        head: &CommitSha,
    ) -> Result<(), WorktreeError> {
        let path = &worktree.path;
        let history = |source| WorktreeError::History { path: path.clone(), source };
        if self.is_kept(repo, oid(head)).map_err(history)? {
            return Ok(());
        }
        // A second head of one run gets a name of its own: the first is as precious.
        let first = keep_ref(worktree.run);
        let taken = repo.find_reference(&first).is_ok();
        let reference = if taken { format!("{first}-{}", head.short()) } else { first };
        let written = repo.reference(&reference, oid(head), true, "kept: nothing else has it");
        let write = |source| WorktreeError::Branch {
            path: path.clone(),
            source: RefError::Write { reference: reference.clone(), source },
        };
        written.map(drop).map_err(write)
    }

    /// Removes the branch of a run that is over, unless it is the last to have its commits.
    pub(crate) fn drop_branch(&self, run: RunId, path: &Utf8Path) -> Result<(), WorktreeError> {
        let history = |source| WorktreeError::History { path: path.to_owned(), source };
        let name = branch_of(run);
        let write = |source| WorktreeError::Branch {
            path: path.to_owned(),
            source: RefError::Write { reference: name.clone(), source },
        };
        let repo = self.libgit2().map_err(HistoryError::Open).map_err(history)?;
        let mut branch = match repo.find_reference(&name) {
            Ok(branch) => branch,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(()),
            Err(error) => return Err(write(error)),
        };
        let Some(tip) = branch.target() else { return Ok(()) };
        if self.is_kept(&repo, tip).map_err(history)? {
            branch.delete().map_err(write)?;
        }
        Ok(())
    }
}
