//! Merging without a working tree: every result is made in memory and written as objects of the store.
//!
//! What must hold: the same inputs give the same commits, byte for byte (who and when are arguments), so a
//! step that is repeated after a crash finds its own work; and whether a result may land is decided by its
//! tree, which the caller compares with the tree that was tested.

use coord_core::name::{CommitSha, TreeSha};
use git2::{Commit, Index, MergeOptions, Oid, Repository, Signature, Time};
use jiff::Timestamp;

use crate::history::{HistoryError, between, find, oid, sha, tree_sha};
use crate::store::Store;

/// Why a merge could not be made. A conflict is no error.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// What is to be merged cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Merging failed.
    #[error("cannot merge {head} onto {base}")]
    Merge {
        /// What is to be merged.
        head: CommitSha,
        /// Onto what.
        base: CommitSha,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
    /// The result cannot be written.
    #[error("cannot commit {head} on top of {base}")]
    Commit {
        /// What is to be merged.
        head: CommitSha,
        /// Onto what.
        base: CommitSha,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
}

/// What merging two commits gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum MergeResult {
    /// They merge; the tree is in the store.
    Clean(TreeSha),
    /// They do not, because of these paths.
    Conflict(Vec<String>),
}

/// What replaying commits onto another base gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Rebased {
    /// The replayed head; the base itself when nothing was left to replay.
    At(CommitSha),
    /// A commit does not apply, because of these paths.
    Conflict(Vec<String>),
    /// There is a merge among the commits, which cannot be replayed faithfully.
    HasMerges,
}

/// Who a commit says it is by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

impl Identity {
    fn at(&self, when: Timestamp) -> Result<Signature<'static>, git2::Error> {
        Signature::new(&self.name, &self.email, &Time::new(when.as_second(), 0))
    }
}

impl Store {
    /// Merges `head` onto `base`.
    pub fn merge(&self, base: &CommitSha, head: &CommitSha) -> Result<MergeResult, MergeError> {
        let failed = |source| MergeError::Merge { head: head.clone(), base: base.clone(), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let (ours, theirs) = (find(&repo, base)?, find(&repo, head)?);
        let mut index = repo.merge_commits(&ours, &theirs, Some(&options())).map_err(failed)?;
        let paths = conflicts(&index).map_err(failed)?;
        if !paths.is_empty() {
            return Ok(MergeResult::Conflict(paths));
        }
        Ok(MergeResult::Clean(tree_sha(index.write_tree_to(&repo).map_err(failed)?)))
    }

    /// Makes the merge commit of `head` onto `base` with `tree`, which [`Self::merge`] gave.
    pub fn commit_merge(
        &self,
        base: &CommitSha,
        head: &CommitSha,
        tree: &TreeSha,
        message: &str,
        who: &Identity,
        when: Timestamp,
    ) -> Result<CommitSha, MergeError> {
        let failed = |source| MergeError::Commit { head: head.clone(), base: base.clone(), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let who = who.at(when).map_err(failed)?;
        commit(&repo, (&who, &who), message, tree, &[base, head]).map_err(failed)
    }

    /// Makes one commit on top of `base` with `tree`, by the author of the change's first commit.
    pub fn commit_squash(
        &self,
        base: &CommitSha,
        head: &CommitSha,
        tree: &TreeSha,
        message: &str,
        who: &Identity,
        when: Timestamp,
    ) -> Result<CommitSha, MergeError> {
        let failed = |source| MergeError::Commit { head: head.clone(), base: base.clone(), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let first = between(&repo, oid(base), oid(head))?.first().map_or_else(|| head.clone(), |it| sha(*it));
        let first = find(&repo, &first)?;
        let who = who.at(when).map_err(failed)?;
        commit(&repo, (&first.author(), &who), message, tree, &[base]).map_err(failed)
    }

    /// Replays the commits that `head` has and `onto` lacks on top of `onto`. Authors stay; commits that
    /// become empty are dropped; a head that is on top of `onto` already stays as it is.
    pub fn rebase(
        &self,
        head: &CommitSha,
        onto: &CommitSha,
        committer: &Identity,
        when: Timestamp,
    ) -> Result<Rebased, MergeError> {
        let failed = |source| MergeError::Merge { head: head.clone(), base: onto.clone(), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let commits = between(&repo, oid(onto), oid(head))?
            .into_iter()
            .map(|id| find(&repo, &sha(id)))
            .collect::<Result<Vec<_>, _>>()?;
        if commits.iter().any(|it| it.parent_count() > 1) {
            return Ok(Rebased::HasMerges);
        }
        if commits.first().is_some_and(|it| it.parent_ids().next() == Some(oid(onto))) {
            return Ok(Rebased::At(head.clone()));
        }
        let committer = committer.at(when).map_err(failed)?;
        let mut tip = find(&repo, onto)?;
        for picked in &commits {
            match pick(&repo, picked, &tip, &committer).map_err(failed)? {
                Picked::Conflict(paths) => return Ok(Rebased::Conflict(paths)),
                Picked::Empty => {}
                Picked::At(id) => tip = repo.find_commit(id).map_err(failed)?,
            }
        }
        Ok(Rebased::At(sha(tip.id())))
    }
}

enum Picked {
    At(Oid),
    Empty,
    Conflict(Vec<String>),
}

/// Applies what `picked` changed to `tip`. A commit that was empty from the start is kept.
fn pick(
    repo: &Repository,
    picked: &Commit<'_>,
    tip: &Commit<'_>,
    committer: &Signature<'_>,
) -> Result<Picked, git2::Error> {
    let before = picked.parents().next().map(|it| it.tree()).transpose()?;
    let before = match before {
        Some(tree) => tree,
        None => repo.find_tree(repo.treebuilder(None)?.write()?)?,
    };
    let mut index = repo.merge_trees(&before, &tip.tree()?, &picked.tree()?, Some(&options()))?;
    let paths = conflicts(&index)?;
    if !paths.is_empty() {
        return Ok(Picked::Conflict(paths));
    }
    let tree = index.write_tree_to(repo)?;
    if tree == tip.tree_id() && before.id() != picked.tree_id() {
        return Ok(Picked::Empty);
    }
    let message = String::from_utf8_lossy(picked.message_raw_bytes());
    let tree = repo.find_tree(tree)?;
    repo.commit(None, &picked.author(), committer, &message, &tree, &[tip]).map(Picked::At)
}

fn commit(
    repo: &Repository,
    (author, committer): (&Signature<'_>, &Signature<'_>),
    message: &str,
    tree: &TreeSha,
    parents: &[&CommitSha],
) -> Result<CommitSha, git2::Error> {
    let parents = parents.iter().map(|it| repo.find_commit(oid(it))).collect::<Result<Vec<_>, _>>()?;
    let parents: Vec<_> = parents.iter().collect();
    let tree = repo.find_tree(Oid::from_str(tree.as_str())?)?;
    repo.commit(None, author, committer, message, &tree, &parents).map(sha)
}

fn options() -> MergeOptions {
    let mut options = MergeOptions::new();
    options.find_renames(true);
    options
}

/// The paths in conflict, sorted, each once however many versions of it there are.
fn conflicts(index: &Index) -> Result<Vec<String>, git2::Error> {
    let mut paths = Vec::new();
    for conflict in index.conflicts()? {
        let conflict = conflict?;
        let sides = [conflict.our, conflict.their, conflict.ancestor];
        let named = sides.into_iter().flatten().next();
        paths.extend(named.map(|it| String::from_utf8_lossy(&it.path).into_owned()));
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}
