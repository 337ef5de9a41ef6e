//! What is asked and done when a store is cleared up: which references origin has, whether a commit is in a branch
//! of it, giving back room, and removing a whole store that holds nothing any more.

use std::io;

use coord_core::name::CommitSha;
use fs_err as fs;

use crate::history::{HistoryError, oid};
use crate::program::ProgramError;
use crate::refs::RefError;
use crate::rescued::unpublished;
use crate::store::Store;

/// For how long an object stays that nothing leads to: somebody may be about to name it.
const PRUNE: &str = "--prune=2.weeks.ago";

impl Store {
    /// Whether a branch of origin has `commit`, as of the last fetch.
    ///
    /// # Errors
    /// When the commit is not in the store, or history cannot be read.
    pub fn is_published(&self, commit: &CommitSha) -> Result<bool, HistoryError> {
        let read = |source| HistoryError::Read { subject: commit.to_string(), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        Ok(unpublished(&repo, oid(commit)).map_err(read)?.is_empty())
    }

    /// What would be lost with the store, or who needs it; `None` when nothing would.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn holds(&self) -> Result<Option<String>, RefError> {
        for (below, what) in [
            ("refs/coord/rescue", "rescued work is in it"),
            ("refs/coord/keep", "commits are in it that nothing else has"),
            ("refs/heads", "branches of runs are in it"),
        ] {
            if !self.names_below(below)?.is_empty() {
                return Ok(Some(what.to_owned()));
            }
        }
        let stash = self.read_ref("refs/stash")?;
        let worktrees = fs::read_dir(self.path.join("worktrees").as_std_path());
        Ok(match (stash, worktrees.is_ok_and(|mut it| it.next().is_some())) {
            (Some(_), _) => Some("stashes are in it".to_owned()),
            (None, true) => Some("worktrees belong to it".to_owned()),
            (None, false) => None,
        })
    }

    /// Removes the whole store, unless it holds something: then that is said. One that is being removed is under
    /// another name first, so that a crash leaves nothing that could be taken for a store.
    ///
    /// # Errors
    /// When it cannot be read, or its files not deleted.
    pub fn remove(&self) -> io::Result<Option<String>> {
        let _held = self.lock()?;
        if let Some(why) = self.holds().map_err(io::Error::other)? {
            return Ok(Some(why));
        }
        let going = self.path.with_file_name(format!(".{}-gone", self.repo));
        if going.exists() {
            fs::remove_dir_all(&going)?;
        }
        fs::rename(&self.path, &going)?;
        fs::remove_dir_all(&going)?;
        Ok(None)
    }

    /// Packs what is loose and gives back the room of what nothing has led to for two weeks. Work in worktrees,
    /// staged files and stashes included, counts as led to.
    ///
    /// # Errors
    /// When git fails.
    pub fn tidy(&self) -> Result<(), ProgramError> {
        self.git.at(&self.path).args(["gc", "--quiet", "--no-detach", PRUNE]).bytes().map(drop)
    }
}
