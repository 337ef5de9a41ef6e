//! Looking at a repository that belongs to a person: their clone. Read only, and without the optional locks
//! and the refreshed index that looking usually leaves behind.

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::name::{BranchName, CommitSha};
use git2::{ErrorCode, Repository};

use crate::program::{Git, ProgramError};

/// Why a clone could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CloneError {
    /// There is no repository.
    #[error("`{path}` is not a git repository")]
    NotARepo {
        /// The path.
        path: Utf8PathBuf,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
    /// It cannot be read.
    #[error("cannot read the repository at `{path}`")]
    Read {
        /// The path.
        path: Utf8PathBuf,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
    /// Git cannot say what changed in it.
    #[error("cannot read the state of `{path}`")]
    Status {
        /// The path.
        path: Utf8PathBuf,
        /// What git said.
        #[source]
        source: ProgramError,
    },
}

/// Where a clone stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneState {
    /// The commit checked out; `None` when there is none yet.
    pub head: Option<CommitSha>,
    /// The branch checked out; `None` when a commit is, without a branch.
    pub branch: Option<String>,
    /// Whether a file differs from the head or is unknown to git.
    pub dirty: bool,
}

/// Where the clone at `path` stands.
pub fn clone_state(git: &Git, path: &Utf8Path) -> Result<CloneState, CloneError> {
    let said = git
        .at(path)
        .args(["status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=normal"])
        .text()
        .map_err(|source| CloneError::Status { path: path.to_owned(), source })?;
    let mut state = CloneState { head: None, branch: None, dirty: false };
    for record in said.split('\0').filter(|it| !it.is_empty()) {
        match record.strip_prefix("# ") {
            None => state.dirty = true,
            Some(header) => match header.split_once(' ') {
                Some(("branch.oid", id)) => state.head = id.parse().ok(),
                Some(("branch.head", name)) if name != "(detached)" => state.branch = Some(name.to_owned()),
                _ => {}
            },
        }
    }
    Ok(state)
}

/// Whether a repository that can be opened is at `path` itself.
#[must_use]
pub fn is_repo(path: &Utf8Path) -> bool {
    Repository::open(path.as_std_path()).is_ok()
}

/// Whether the repository at `path` has no commit on any branch, so that nothing can be based on it.
pub fn is_empty(path: &Utf8Path) -> Result<bool, CloneError> {
    let read = |source| CloneError::Read { path: path.to_owned(), source };
    let repo = open(path)?;
    let mut branches = repo.branches(None).map_err(read)?;
    Ok(branches.next().is_none() && repo.head().is_err())
}

/// Where the repository at `path` fetches from, as configured; a relative path is made absolute, since it
/// means something else anywhere else.
pub fn origin_of(path: &Utf8Path) -> Result<Option<String>, CloneError> {
    let read = |source| CloneError::Read { path: path.to_owned(), source };
    let repo = open(path)?;
    let config = repo.config().map_err(read)?;
    let url = match config.get_string("remote.origin.url") {
        Ok(url) => url,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
    };
    let beside = path.join(&url);
    let is_path = !url.contains("://") && beside.exists();
    Ok(Some(if is_path { beside.canonicalize_utf8().unwrap_or(beside).into_string() } else { url }))
}

/// The branch that changes to the repository at `path` are most likely merged into: origin's default when
/// the clone knows it, else `main` or `master` of origin, else the branch checked out.
pub fn default_branch_of(path: &Utf8Path) -> Result<Option<BranchName>, CloneError> {
    let repo = open(path)?;
    let named = |reference: &str, prefix: &str| {
        let reference = repo.find_reference(reference).ok()?;
        reference.symbolic_target().ok()??.strip_prefix(prefix)?.parse().ok()
    };
    if let Some(branch) = named("refs/remotes/origin/HEAD", "refs/remotes/origin/") {
        return Ok(Some(branch));
    }
    let usual = ["main", "master"].into_iter();
    let mut usual = usual.filter(|it| repo.find_reference(&format!("refs/remotes/origin/{it}")).is_ok());
    let usual = usual.next().and_then(|it| it.parse().ok());
    Ok(usual.or_else(|| named("HEAD", "refs/heads/")))
}

fn open(path: &Utf8Path) -> Result<Repository, CloneError> {
    Repository::open(path.as_std_path())
        .map_err(|source| CloneError::NotARepo { path: path.to_owned(), source })
}
