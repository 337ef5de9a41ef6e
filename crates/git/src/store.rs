//! The repo store: one bare repository per repo and `COORD_HOME`, shared by every process of this machine.
//!
//! What must hold: only `refs/heads/*` of origin is fetched, into `refs/remotes/origin/*`, so no prune ever
//! touches `refs/coord`; nothing in it is collected behind anyone's back; creating it, fetching, and
//! everything that changes its list of worktrees or its stash happens under the lock file beside it. The
//! developer's own clone lends objects while the store is made and is otherwise only read.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::name::RepoName;
use fs_err as fs;
use git2::Repository;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::merge::Identity;
use crate::program::{Git, ProgramError};
use crate::remote::Flight;

/// What is fetched, and where to: the only refspec the store ever uses.
pub(crate) const REFSPEC: &str = "+refs/heads/*:refs/remotes/origin/*";

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory of it cannot be made or read.
    #[error("cannot set up the store of `{repo}`")]
    Files {
        /// Whose store.
        repo: RepoName,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The first clone from origin failed.
    #[error("cannot clone `{repo}` into its store")]
    Clone {
        /// Whose store.
        repo: RepoName,
        /// What git said.
        #[source]
        source: ProgramError,
    },
    /// Its configuration cannot be written or read.
    #[error("cannot configure the store of `{repo}`")]
    Configure {
        /// Whose store.
        repo: RepoName,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
}

/// The store of one repo. Cheap to clone; clones share one flight of fetches, so keep one per process.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) git: Git,
    pub(crate) repo: RepoName,
    pub(crate) path: Utf8PathBuf,
    pub(crate) lock: Utf8PathBuf,
    pub(crate) flight: Arc<Flight>,
    /// Whose commits are made here, once git has said so.
    pub(crate) identity: Arc<OnceLock<Identity>>,
}

/// The store's lock, held until dropped.
pub(crate) struct StoreLock {
    _file: fs::File,
}

impl Store {
    /// Opens the store of `repo` under `home`, making it on first use with the objects that `clone` lends.
    ///
    /// A store is made under a temporary name and renamed, so a crash leaves nothing half made.
    pub fn open(
        git: &Git,
        home: &Utf8Path,
        repo: &RepoName,
        origin: &str,
        clone: Option<&Utf8Path>,
    ) -> Result<Self, StoreError> {
        let files = |source| StoreError::Files { repo: repo.clone(), source };
        let configure = |source| StoreError::Configure { repo: repo.clone(), source };
        let repos = home.join("repos");
        fs::create_dir_all(&repos).map_err(files)?;
        let store = Self {
            git: git.clone(),
            repo: repo.clone(),
            // Worktrees name the store by its real path, and are recognised by it.
            path: repos.canonicalize_utf8().map_err(files)?.join(format!("{repo}.git")),
            lock: repos.join(format!("{repo}.lock")),
            flight: Arc::default(),
            identity: Arc::default(),
        };
        if !store.path.exists() {
            let _held = store.lock().map_err(files)?;
            if !store.path.exists() {
                store.create(&repos, origin, clone)?;
            }
        }
        if store.origin().map_err(configure)? != origin {
            let _held = store.lock().map_err(files)?;
            let mut config =
                git2::Config::open(store.path.join("config").as_std_path()).map_err(configure)?;
            config.set_str("remote.origin.url", origin).map_err(configure)?;
        }
        Ok(store)
    }

    /// The stores that were made under `home`, as they are: nothing is fetched, configured or made.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn all(git: &Git, home: &Utf8Path) -> io::Result<Vec<Self>> {
        let repos = home.join("repos");
        let entries = match repos.read_dir_utf8() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let repos = repos.canonicalize_utf8()?;
        let mut stores = Vec::new();
        for entry in entries {
            let entry = entry?;
            let repo = entry.file_name().strip_suffix(".git").and_then(|it| it.parse::<RepoName>().ok());
            if let Some(repo) = repo
                && entry.file_type()?.is_dir()
            {
                stores.push(Self {
                    git: git.clone(),
                    path: repos.join(format!("{repo}.git")),
                    lock: repos.join(format!("{repo}.lock")),
                    repo,
                    flight: Arc::default(),
                    identity: Arc::default(),
                });
            }
        }
        stores.sort_by(|a, b| a.repo.cmp(&b.repo));
        Ok(stores)
    }

    /// Whose it is.
    #[must_use]
    pub fn repo(&self) -> &RepoName {
        &self.repo
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Clones without a checkout, then keeps only the git directory. `git clone --bare` would put origin's
    /// branches where the branches of our worktrees live.
    fn create(&self, repos: &Utf8Path, origin: &str, clone: Option<&Utf8Path>) -> Result<(), StoreError> {
        let files = |source| StoreError::Files { repo: self.repo.clone(), source };
        let configure = |source| StoreError::Configure { repo: self.repo.clone(), source };
        let scratch =
            tempfile::Builder::new().prefix(&format!(".{}-", self.repo)).tempdir_in(repos).map_err(files)?;
        let checkout = scratch.path().join("clone");
        let mut call = self
            .git
            .remote_at(repos)
            // libgit2 reads no other format, whatever the user's configuration prefers.
            .env("GIT_DEFAULT_REF_FORMAT", "files")
            .args(["clone", "--quiet", "--no-checkout", "--no-tags", "--template=", "--origin=origin"])
            .args(["--no-recurse-submodules", "--no-local"]);
        if let Some(clone) = clone {
            call = call.args(["--reference-if-able", clone.as_str(), "--dissociate"]);
        }
        call.args(["--", origin])
            .arg(&checkout)
            .bytes()
            .map_err(|source| StoreError::Clone { repo: self.repo.clone(), source })?;
        let git_dir = checkout.join(".git");
        drop_local_branches(&git_dir).map_err(configure)?;
        write_config(&git_dir, origin).map_err(configure)?;
        fs::write(git_dir.join("config.worktree"), "[core]\n\tbare = true\n").map_err(files)?;
        fs::create_dir_all(git_dir.join("info")).map_err(files)?;
        fs::rename(git_dir, &self.path).map_err(files)
    }

    fn origin(&self) -> Result<String, git2::Error> {
        let config = git2::Config::open(self.path.join("config").as_std_path())?;
        match config.get_string("remote.origin.url") {
            Ok(url) => Ok(url),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// Waits for the store's lock. It excludes threads of this process like other processes.
    pub(crate) fn lock(&self) -> io::Result<StoreLock> {
        let file = fs::OpenOptions::new().create(true).append(true).open(&self.lock)?;
        while let Err(error) = flock(file.file(), FlockOperation::LockExclusive) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        Ok(StoreLock { _file: file })
    }

    /// Opens it for libgit2. A tenth of a millisecond, and no handle is ever stale or shared.
    pub(crate) fn libgit2(&self) -> Result<Repository, git2::Error> {
        Repository::open_bare(self.path.as_std_path())
    }
}

/// Removes what a clone leaves in `refs/heads`, and its idea of origin's default branch, which nobody
/// would keep up to date.
fn drop_local_branches(git_dir: &Path) -> Result<(), git2::Error> {
    let repo = Repository::open_bare(git_dir)?;
    for reference in repo.references_glob("refs/heads/*")? {
        reference?.delete()?;
    }
    match repo.find_reference("refs/remotes/origin/HEAD") {
        Ok(mut reference) => reference.delete(),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// With `extensions.worktreeConfig`, `core.bare` moves to the main worktree's own file: a linked worktree
/// would believe it otherwise.
fn write_config(git_dir: &Path, origin: &str) -> Result<(), git2::Error> {
    let mut config = git2::Config::open(&git_dir.join("config"))?;
    config.remove("core.bare")?;
    config.set_i32("core.repositoryformatversion", 1)?;
    config.set_bool("extensions.worktreeConfig", true)?;
    config.set_str("core.logAllRefUpdates", "always")?;
    config.set_i32("gc.auto", 0)?;
    config.set_bool("maintenance.auto", false)?;
    config.set_str("remote.origin.url", origin)?;
    config.set_str("remote.origin.fetch", REFSPEC)?;
    config.set_str("remote.origin.tagOpt", "--no-tags")
}
