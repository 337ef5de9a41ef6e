//! Putting what an earlier run left unpublished into the worktree of the run that goes on with its change.
//!
//! What must hold: commits are only ever added on top of where the worktree stands; files are put back whole or not
//! at all; and nothing is taken from where it is kept, so that what cannot be put back is as safe as before.

use camino::Utf8PathBuf;
use coord_core::name::CommitSha;

use crate::history::HistoryError;
use crate::merge::{MergeError, MergeResult};
use crate::program::ProgramError;
use crate::store::Store;
use crate::worktree::{Worktree, WorktreeError};

/// Why something could not be put back. The worktree is as it was, or has some of the files.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Where the worktree stands cannot be read.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
    /// The commit that is to be put back cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Whether the files go together with what is there cannot be found out.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// Files cannot be written.
    #[error("cannot put files back into `{path}`")]
    Files {
        /// The worktree.
        path: Utf8PathBuf,
        /// What git said.
        #[source]
        source: ProgramError,
    },
}

/// What became of commits that were to be gone on from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Advanced {
    /// The worktree stands there now, so many commits further on.
    By(u64),
    /// It has them already.
    Already,
    /// It stands at something else, which they do not follow from.
    Diverged,
    /// This store does not have them.
    Missing,
}

/// What became of files that were to be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum PutBack {
    /// They are there again, uncommitted.
    Done,
    /// These do not go together with what is there now; nothing was written.
    Conflict(Vec<String>),
    /// This store does not have them.
    Missing,
}

impl Store {
    /// Moves a clean `worktree` on to `head`, where that follows from where it stands.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn advance(&self, worktree: &Worktree, head: &CommitSha) -> Result<Advanced, RestoreError> {
        if !self.contains(head)? {
            return Ok(Advanced::Missing);
        }
        let Some(here) = self.head(worktree)? else { return Ok(Advanced::Diverged) };
        if self.is_ancestor(head, &here)? {
            return Ok(Advanced::Already);
        }
        if !self.is_ancestor(&here, head)? {
            return Ok(Advanced::Diverged);
        }
        let commits = self.ahead(&here, head)?;
        self.in_worktree(
            worktree,
            &["reset", "--hard", "--quiet", "--no-recurse-submodules", head.as_str()],
        )?;
        Ok(Advanced::By(commits))
    }

    /// Writes the files that `rescue` holds into a clean `worktree`, merged with what has been committed since.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn put_back(&self, worktree: &Worktree, rescue: &CommitSha) -> Result<PutBack, RestoreError> {
        if !self.contains(rescue)? {
            return Ok(PutBack::Missing);
        }
        let Some(here) = self.head(worktree)? else { return Ok(PutBack::Missing) };
        let tree = match self.merge(&here, rescue)? {
            MergeResult::Clean(tree) => tree,
            MergeResult::Conflict(paths) => return Ok(PutBack::Conflict(paths)),
        };
        let source = format!("--source={tree}");
        self.in_worktree(
            worktree,
            &["restore", &source, "--worktree", "--ignore-skip-worktree-bits", "--", "."],
        )?;
        Ok(PutBack::Done)
    }

    fn in_worktree(&self, worktree: &Worktree, arguments: &[&str]) -> Result<(), RestoreError> {
        let failed = |source| RestoreError::Files { path: worktree.path().to_owned(), source };
        self.git.at(worktree.path()).args(arguments).bytes().map(drop).map_err(failed)
    }
}
