//! Putting rescued work back into a worktree, for a worker that goes on where it was cut short.

use coord_core::name::CommitSha;

use crate::program::ProgramError;
use crate::store::Store;
use crate::worktree::Worktree;

/// What became of putting work back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PutBack {
    /// The files are as they were when they were rescued; nothing is staged.
    Done,
    /// The worktree does not stand where the work was rescued, or the store does not have it, and nothing was touched.
    Elsewhere,
}

impl Store {
    /// Puts the files of a rescue back into a clean worktree that stands at the very head on which they were rescued:
    /// anywhere else, they would undo what has happened since.
    ///
    /// # Errors
    /// When git cannot write them.
    pub fn put_back(&self, worktree: &Worktree, rescue: &CommitSha) -> Result<PutBack, ProgramError> {
        let first = self.parents(rescue).ok().and_then(|it| it.into_iter().next());
        let head = self.head(worktree).ok().flatten();
        if first.is_none() || first != head {
            return Ok(PutBack::Elsewhere);
        }
        let source = format!("--source={rescue}");
        self.git.at(&worktree.path).args(["restore", &source, "--worktree", "--", ":/"]).bytes()?;
        Ok(PutBack::Done)
    }
}
