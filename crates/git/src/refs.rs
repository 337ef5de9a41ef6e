//! References of the store: reading them, and moving them by compare-and-swap.

use std::time::Duration;

use coord_core::name::{BranchName, CommitSha};
use git2::{ErrorCode, Oid, Repository};

use crate::history::{HistoryError, oid, sha};
use crate::store::Store;

/// Why a reference could not be read or moved. A lost race is no error: see [`Moved`].
#[derive(Debug, thiserror::Error)]
pub enum RefError {
    /// It could not be read.
    #[error("cannot read `{reference}`")]
    Read {
        /// Which one.
        reference: String,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
    /// It could not be written or removed.
    #[error("cannot write `{reference}`")]
    Write {
        /// Which one.
        reference: String,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
}

/// How a compare-and-swap went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Moved {
    /// The reference is where it was asked to be.
    Done,
    /// It was not where the caller thought, and was left alone.
    Lost {
        /// Where it is.
        now: Option<CommitSha>,
    },
}

/// How often a locked reference is tried again.
const LOCK_LOOKS: u32 = 40;
/// How long it is left alone in between.
const LOCK_PAUSE: Duration = Duration::from_millis(25);

impl Store {
    /// The commit at the tip of `branch` of origin, as of the last fetch.
    pub fn tip(&self, branch: &BranchName) -> Result<Option<CommitSha>, RefError> {
        self.read_ref(&format!("refs/remotes/origin/{branch}"))
    }

    /// The commit that `reference` of the store points to.
    pub fn read_ref(&self, reference: &str) -> Result<Option<CommitSha>, RefError> {
        let read = |source| RefError::Read { reference: reference.to_owned(), source };
        let repo = self.libgit2().map_err(read)?;
        Ok(target(&repo, reference).map_err(read)?.map(sha))
    }

    /// The commits that the references below the directory `prefix` of the store point to.
    pub fn refs_below(&self, prefix: &str) -> Result<Vec<CommitSha>, RefError> {
        let read = |source| RefError::Read { reference: prefix.to_owned(), source };
        let repo = self.libgit2().map_err(read)?;
        let found = repo.references_glob(&format!("{prefix}/*")).map_err(read)?;
        let targets = found.map(|it| it.map(|it| it.target().map(sha)));
        targets.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(read)
    }

    /// The full names of the references below the directory `prefix` of the store.
    pub fn names_below(&self, prefix: &str) -> Result<Vec<String>, RefError> {
        let read = |source| RefError::Read { reference: prefix.to_owned(), source };
        let repo = self.libgit2().map_err(read)?;
        let mut found = repo.references_glob(&format!("{prefix}/*")).map_err(read)?;
        let names = found.names().map(|it| it.map(str::to_owned));
        names.collect::<Result<_, _>>().map_err(read)
    }

    /// Points `reference` at `to`, provided that it is at `from` (or absent) now; `why` goes to its log.
    pub fn write_ref(
        &self,
        reference: &str,
        from: Option<&CommitSha>,
        to: &CommitSha,
        why: &str,
    ) -> Result<Moved, RefError> {
        let write = |source| RefError::Write { reference: reference.to_owned(), source };
        let repo = self.libgit2().map_err(write)?;
        let written = patiently(|| match from {
            Some(from) => repo.reference_matching(reference, oid(to), true, oid(from), why),
            None => repo.reference(reference, oid(to), false, why),
        });
        match written {
            Ok(_) => Ok(Moved::Done),
            Err(error) => lost_or(&repo, reference, error).map_err(write),
        }
    }

    /// Removes `reference`, provided that it is at `from` now. One that is gone already counts as removed.
    pub fn delete_ref(&self, reference: &str, from: &CommitSha) -> Result<Moved, RefError> {
        let write = |source| RefError::Write { reference: reference.to_owned(), source };
        let repo = self.libgit2().map_err(write)?;
        let mut found = match repo.find_reference(reference) {
            Ok(found) => found,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(Moved::Done),
            Err(error) => return Err(write(error)),
        };
        if found.target() != Some(oid(from)) {
            return Ok(Moved::Lost { now: found.target().map(sha) });
        }
        // libgit2 compares once more, under the reference's own lock, with the value that was just read.
        match patiently(|| found.delete()) {
            Ok(()) => Ok(Moved::Done),
            Err(error) => lost_or(&repo, reference, error).map_err(write),
        }
    }

    /// Whether the work that ends in `commit` cannot be lost: some reference of origin or under
    /// `refs/coord` has it.
    pub(crate) fn is_kept(&self, repo: &Repository, commit: Oid) -> Result<bool, HistoryError> {
        let read = |source| HistoryError::Read { subject: sha(commit).to_string(), source };
        let mut walk = repo.revwalk().map_err(read)?;
        walk.push(commit).map_err(read)?;
        for glob in ["refs/remotes/*", "refs/coord/*"] {
            walk.hide_glob(glob).map_err(read)?;
        }
        match walk.next() {
            None => Ok(true),
            Some(found) => found.map(|_| false).map_err(read),
        }
    }
}

/// Writes a reference again while another process holds a lock that this takes as well: libgit2 gives up at once
/// where git itself waits a second (`core.packedRefsTimeout`).
#[expect(clippy::disallowed_methods, reason = "a lock file of git's tells nobody when it goes")]
fn patiently<T>(mut write: impl FnMut() -> Result<T, git2::Error>) -> Result<T, git2::Error> {
    for _ in 0..LOCK_LOOKS {
        match write() {
            Err(error) if error.code() == ErrorCode::Locked => std::thread::sleep(LOCK_PAUSE),
            written => return written,
        }
    }
    write()
}

fn lost_or(repo: &Repository, reference: &str, error: git2::Error) -> Result<Moved, git2::Error> {
    if matches!(error.code(), ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound) {
        return Ok(Moved::Lost { now: target(repo, reference)?.map(sha) });
    }
    Err(error)
}

/// What `reference` points to, symbolic references followed; `None` when it does not exist.
pub(crate) fn target(repo: &Repository, reference: &str) -> Result<Option<Oid>, git2::Error> {
    match repo.refname_to_id(reference) {
        Ok(id) => Ok(Some(id)),
        Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::UnbornBranch) => Ok(None),
        Err(error) => Err(error),
    }
}
