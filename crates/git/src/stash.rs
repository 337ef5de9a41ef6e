//! The stash, which all worktrees of a store share: whose entry is whose, and taking a run's own out of it.

use std::collections::BTreeSet;

use coord_core::name::CommitSha;
use fs_err as fs;
use git2::{ErrorCode, Oid, Repository};

use crate::history::{HistoryError, oid, sha};
use crate::keep::branch_of;
use crate::store::Store;
use crate::worktree::Worktree;

const STASH: &str = "refs/stash";

/// Why the stash could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StashError {
    /// It could not be read.
    #[error("cannot read the stash")]
    Read(#[source] git2::Error),
    /// History around its entries could not be read.
    #[error("cannot tell whose stashes there are")]
    History(#[from] HistoryError),
    /// Entries could not be taken out.
    #[error("cannot take entries out of the stash")]
    Drop(#[source] git2::Error),
}

impl Store {
    /// The stashes that the run of `worktree` made, newest first.
    ///
    /// Git notes the branch in each entry. The run's own branch is proof, as is another run's of the
    /// contrary. For any other, or none, it counts whether the worktree was seen on that branch, or whether
    /// the stash sits on a commit that only this run has. What is nobody's for certain is left in the stash.
    pub(crate) fn stashes_of(
        &self,
        repo: &Repository,
        worktree: &Worktree,
    ) -> Result<Vec<CommitSha>, StashError> {
        let entries = entries(repo).map_err(StashError::Read)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let own = branch_of(worktree.run);
        let own = own.trim_start_matches("refs/heads/");
        let visited = visited_branches(worktree);
        let mut stashes = Vec::new();
        for (id, message) in entries {
            let is_ours = match branch_in(&message) {
                Some(branch) if branch == own => true,
                Some(branch) if branch.starts_with("coord/run/") => false,
                Some(branch) if visited.contains(branch) => true,
                _ => self.sits_on_own_commit(repo, worktree, id)?,
            };
            if is_ours {
                stashes.push(sha(id));
            }
        }
        Ok(stashes)
    }

    /// Whether the commit that `stash` was made on is in the history of this run's head and in nothing that
    /// is on origin.
    fn sits_on_own_commit(
        &self,
        repo: &Repository,
        worktree: &Worktree,
        stash: Oid,
    ) -> Result<bool, StashError> {
        let parent = repo.find_commit(stash).and_then(|it| it.parent_id(0)).map_err(StashError::Read)?;
        let Some(head) = repo.refname_to_id(&branch_of(worktree.run)).ok() else { return Ok(false) };
        let ours = parent == head || repo.graph_descendant_of(head, parent).map_err(StashError::Read)?;
        if !ours {
            return Ok(false);
        }
        let mut walk = repo.revwalk().map_err(StashError::Read)?;
        walk.push(parent).map_err(StashError::Read)?;
        walk.hide_glob("refs/remotes/*").map_err(StashError::Read)?;
        Ok(walk.next().is_some())
    }

    /// Takes exactly `stashes` out of the shared stash. The reference is locked while the list is read and
    /// rewritten, so a `git stash` that another worker does right now is neither lost nor mistaken.
    pub(crate) fn drop_stashes(&self, repo: &Repository, stashes: &[CommitSha]) -> Result<(), StashError> {
        if stashes.is_empty() {
            return Ok(());
        }
        let stashes: BTreeSet<_> = stashes.iter().map(oid).collect();
        let drop_them = || {
            let mut change = repo.transaction()?;
            change.lock_ref(STASH)?;
            let mut log = repo.reflog(STASH)?;
            for n in (0..log.len()).rev() {
                if log.get(n).is_some_and(|it| stashes.contains(&it.id_new())) {
                    log.remove(n, true)?;
                }
            }
            match log.get(0).map(|it| it.id_new()) {
                Some(top) => change.set_target(STASH, top, None, "dropped what a run left")?,
                None => change.remove(STASH)?,
            }
            change.set_reflog(STASH, log)?;
            change.commit()
        };
        drop_them().map_err(StashError::Drop)
    }
}

/// Every stash with what git noted about it, newest first.
fn entries(repo: &Repository) -> Result<Vec<(Oid, String)>, git2::Error> {
    match repo.find_reference(STASH) {
        Ok(_) => {}
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let log = repo.reflog(STASH)?;
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    Ok(log.iter().map(|it| (it.id_new(), it.message_bytes().map(text).unwrap_or_default())).collect())
}

/// The branch in `WIP on <branch>: …` or `On <branch>: …`; `None` when there was none.
fn branch_in(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("WIP on ").or_else(|| message.strip_prefix("On "))?;
    let (branch, _) = rest.split_once(": ")?;
    (branch != "(no branch)").then_some(branch)
}

/// The branches that the worktree was on since its run began, as its log of `HEAD` tells.
fn visited_branches(worktree: &Worktree) -> BTreeSet<String> {
    let log = fs::read_to_string(worktree.admin.join("logs/HEAD")).unwrap_or_default();
    log.lines()
        .filter_map(|line| line.split_once("\tcheckout: moving from ")?.1.split_once(" to "))
        .flat_map(|(from, to)| [from.to_owned(), to.to_owned()])
        .collect()
}
