//! Landing a change with git alone: on the local forge, and on any other where the account may push.
//!
//! What lands is a commit whose tree is the tested tree and whose first parent is the base it was tested on,
//! pushed to origin by compare-and-swap. Between the push and the board's record of it a crash is possible, so
//! the commit is noted by a reference of the store first: [`Landing::recover`] finds it there and looks
//! whether origin has it. Each commit that is tried has a note of its own until the board knows: the push of a
//! merge that was killed may arrive while the next one is under way.

use std::collections::BTreeSet;

use coord_core::change::Change;
use coord_core::gate::MergeInput;
use coord_core::name::{CommitSha, TreeSha};
use coord_core::repo::MergeMethod;
use coord_git::history::HistoryError;
use coord_git::merge::{Identity, MergeError, Rebased};
use coord_git::refs::{Moved, RefError};
use coord_git::remote::{Push, RemoteError};
use coord_git::store::Store;
use jiff::Timestamp;

/// The numbers of the tasks of which there are still notes: their landing is under way, or what follows it.
///
/// # Errors
/// When the store cannot be read.
pub fn noted(store: &Store) -> Result<BTreeSet<u64>, LandError> {
    let mut numbers = BTreeSet::new();
    for prefix in [LANDING, EXPECTED] {
        for name in store.names_below(prefix).map_err(LandError::Note)? {
            numbers.extend(name.split('/').nth(3).and_then(|it| it.parse::<u64>().ok()));
        }
    }
    Ok(numbers)
}

const LANDING: &str = "refs/coord/landing";
const EXPECTED: &str = "refs/coord/expected";

/// One change that is about to land. All of it blocks.
#[derive(Debug)]
pub struct Landing<'a> {
    /// The repo store.
    pub store: &'a Store,
    /// The change.
    pub change: &'a Change,
}

/// What becomes of the change's own branch when other commits land than those on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// It stays as it is.
    Stays,
    /// It is moved to what landed, together with the base branch: a forge that is not told otherwise takes a pull
    /// request for merged once its head is part of the base.
    Follows,
}

/// How a landing went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Landed {
    /// Origin's base branch is at this commit.
    At(CommitSha),
    /// The base moved first; nothing was changed, and what was tested is stale.
    BaseMoved,
    /// This method would not give the tested tree, for this reason.
    NotAsTested(String),
    /// Origin said no.
    Refused(String),
}

/// Why a landing could not even be tried.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    /// The commit could not be made.
    #[error("cannot make the commit to land")]
    Commit(#[source] MergeError),
    /// Origin could not be asked.
    #[error("cannot reach origin")]
    Remote(#[source] RemoteError),
    /// The store could not be read.
    #[error("cannot read history")]
    History(#[source] HistoryError),
    /// The landing could not be written down before it was tried.
    #[error("cannot note the landing")]
    Note(#[source] RefError),
}

/// The words of a landing.
#[derive(Debug, Clone)]
pub struct Words {
    /// First line of a merge or squash commit.
    pub subject: String,
    /// The rest of it.
    pub body: String,
    /// Who commits.
    pub committer: Identity,
    /// When.
    pub at: Timestamp,
}

impl Landing<'_> {
    /// Lands `now.head` on `now.base`, giving `tree`, which is what was tested.
    ///
    /// # Errors
    /// See [`LandError`]. After [`LandError::Remote`] it may or may not have landed: [`Landing::recover`] tells.
    pub fn land(
        &self,
        method: MergeMethod,
        now: &MergeInput,
        tree: &TreeSha,
        words: &Words,
        branch: Branch,
    ) -> Result<Landed, LandError> {
        let Words { subject, body, committer, at } = words;
        let message = format!("{subject}\n\n{body}");
        let message = message.trim_end();
        let store = self.store;
        let commit = match method {
            MergeMethod::Merge => store
                .commit_merge(&now.base, &now.head, tree, message, committer, *at)
                .map_err(LandError::Commit)?,
            MergeMethod::Squash => store
                .commit_squash(&now.base, &now.head, tree, message, committer, *at)
                .map_err(LandError::Commit)?,
            MergeMethod::Rebase => {
                match store.rebase(&now.head, &now.base, committer, *at).map_err(LandError::Commit)? {
                    Rebased::At(commit) => commit,
                    Rebased::HasMerges => return Ok(not_rebased("its branch contains merge commits")),
                    Rebased::Conflict(paths) => {
                        return Ok(not_rebased(&format!(
                            "its commits conflict one by one: {}",
                            paths.join(", ")
                        )));
                    }
                }
            }
        };
        if store.tree_of(&commit).map_err(LandError::History)? != *tree {
            return Ok(not_rebased("replaying its commits gives another tree than merging them"));
        }
        self.note(&commit)?;
        let base = format!("refs/heads/{}", self.change.base_branch);
        let own = format!("refs/heads/{}", self.change.branch);
        let push = match (branch, method) {
            (Branch::Follows, MergeMethod::Squash | MergeMethod::Rebase) => {
                store.push_forward_with(&commit, &base, &now.base, (&own, &now.head))
            }
            // A merge commit has the head among its parents.
            (Branch::Stays, _) | (Branch::Follows, MergeMethod::Merge) => {
                store.push_forward(&commit, &base, &now.base)
            }
        };
        match push.map_err(LandError::Remote)? {
            Push::Done => Ok(Landed::At(commit)),
            Push::Moved { .. } => Ok(Landed::BaseMoved),
            Push::Refused { reason } => Ok(Landed::Refused(reason)),
        }
    }

    /// The commit of an earlier landing that origin has although the board does not know. `base` is the tip
    /// of the base branch, just fetched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recover(&self, base: &CommitSha) -> Result<Option<CommitSha>, LandError> {
        for commit in self.store.refs_below(&self.notes()).map_err(LandError::Note)? {
            if self.store.is_ancestor(&commit, base).map_err(LandError::History)? {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }

    /// Removes the notes, once the board knows.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn forget(&self) -> Result<(), LandError> {
        self.expect_nothing()?;
        for commit in self.store.refs_below(&self.notes()).map_err(LandError::Note)? {
            match self.store.delete_ref(&self.note_of(&commit), &commit).map_err(LandError::Note)? {
                Moved::Done | Moved::Lost { .. } => {}
            }
        }
        Ok(())
    }

    /// Writes down the tree that a merge by the forge has to give, before the forge is asked for it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn expect(&self, now: &MergeInput, tree: &TreeSha, words: &Words) -> Result<(), LandError> {
        let Words { subject, committer, at, .. } = words;
        let commit = self.store.commit_merge(&now.base, &now.head, tree, subject, committer, *at);
        let commit = commit.map_err(LandError::Commit)?;
        let old = self.store.read_ref(&self.expectation()).map_err(LandError::Note)?;
        match self
            .store
            .write_ref(&self.expectation(), old.as_ref(), &commit, "expected")
            .map_err(LandError::Note)?
        {
            Moved::Done | Moved::Lost { .. } => Ok(()),
        }
    }

    /// The tree that the forge was last asked to give, if it was asked.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn expected(&self) -> Result<Option<TreeSha>, LandError> {
        let Some(commit) = self.store.read_ref(&self.expectation()).map_err(LandError::Note)? else {
            return Ok(None);
        };
        self.store.tree_of(&commit).map(Some).map_err(LandError::History)
    }

    /// Removes what the forge had to give, once it is known to give nothing.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn expect_nothing(&self) -> Result<(), LandError> {
        if let Some(commit) = self.store.read_ref(&self.expectation()).map_err(LandError::Note)? {
            match self.store.delete_ref(&self.expectation(), &commit).map_err(LandError::Note)? {
                Moved::Done | Moved::Lost { .. } => {}
            }
        }
        Ok(())
    }

    fn expectation(&self) -> String {
        format!("{EXPECTED}/{}", self.change.task.number)
    }

    fn note(&self, commit: &CommitSha) -> Result<(), LandError> {
        let written = self.store.write_ref(&self.note_of(commit), None, commit, "landing");
        match written.map_err(LandError::Note)? {
            // The name says which commit it is: who was faster has written the same.
            Moved::Done | Moved::Lost { .. } => Ok(()),
        }
    }

    fn note_of(&self, commit: &CommitSha) -> String {
        format!("{}/{commit}", self.notes())
    }

    fn notes(&self) -> String {
        format!("{LANDING}/{}", self.change.task.number)
    }
}

fn not_rebased(why: &str) -> Landed {
    Landed::NotAsTested(format!("{why}; merge it with `--method merge` or `--method squash`"))
}
