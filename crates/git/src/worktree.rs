//! A run's worktree: made, found again, handed to the next run, and asked what is in it.
//!
//! What must hold: a worktree is on its own branch `coord/run/<id>` and cannot push; its path belongs to the
//! change and is reused only when nothing in it could be lost; a path that is not ours is not touched.
//!
//! The administrative files are written here, as gitrepository-layout(5) describes them, and only the
//! checkout is a process, outside the store's lock. So the configuration that forbids pushing is there
//! before the first file is, and many worktrees are filled at once. Removing is not done here: see
//! [`crate::removal`].

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::id::RunId;
use coord_core::name::CommitSha;
use fs_err as fs;
use git2::Repository;

use crate::hidden;
use crate::history::{HistoryError, find, oid, sha};
use crate::keep::{branch_of, run_of};
use crate::merge::Identity;
use crate::program::ProgramError;
use crate::refs::{RefError, target};
use crate::rescue::RescueError;
use crate::stash::StashError;
use crate::store::Store;

/// Where a worker's `git push` would go. The name is the explanation that git prints.
const NO_PUSH: &str = "no-push://workers-commit-coord-publishes";

/// What git leaves in a worktree's administrative directory while an operation is unfinished.
const UNFINISHED: [&str; 9] = [
    "MERGE_HEAD",
    "MERGE_MSG",
    "MERGE_MODE",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "AUTO_MERGE",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
];

/// Why a worktree could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// Something is at the path that this store did not put there.
    #[error("`{path}` is not a worktree of this store, and is left alone: move it away to go on")]
    NotOurs {
        /// The path.
        path: Utf8PathBuf,
    },
    /// Its files cannot be read or written.
    #[error("cannot read or write the worktree at `{path}`")]
    Files {
        /// The path.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The commit it is to stand at is not in the store, or history cannot be read.
    #[error("cannot tell what the worktree at `{path}` is to hold")]
    History {
        /// The path.
        path: Utf8PathBuf,
        /// The cause.
        #[source]
        source: HistoryError,
    },
    /// Its branch cannot be read or moved.
    #[error("cannot set up the branch of the worktree at `{path}`")]
    Branch {
        /// The path.
        path: Utf8PathBuf,
        /// The cause.
        #[source]
        source: RefError,
    },
    /// Its files cannot be checked out.
    #[error("cannot check out the worktree at `{path}`")]
    Checkout {
        /// The path.
        path: Utf8PathBuf,
        /// What git said.
        #[source]
        source: ProgramError,
    },
    /// Git cannot say what changed in it.
    #[error("cannot read the state of the worktree at `{path}`")]
    Status {
        /// The path.
        path: Utf8PathBuf,
        /// What git said.
        #[source]
        source: ProgramError,
    },
    /// Whether its files are in the rescue ref cannot be found out.
    #[error("cannot compare the worktree at `{path}` with what was rescued")]
    Rescued {
        /// The path.
        path: Utf8PathBuf,
        /// The cause.
        #[source]
        source: Box<RescueError>,
    },
    /// The stashes cannot be read.
    #[error("cannot read the stashes of the worktree at `{path}`")]
    Stashes {
        /// The path.
        path: Utf8PathBuf,
        /// The cause.
        #[source]
        source: StashError,
    },
}

/// A worktree of a store.
#[derive(Debug, Clone)]
pub struct Worktree {
    pub(crate) path: Utf8PathBuf,
    pub(crate) admin: Utf8PathBuf,
    pub(crate) run: RunId,
}

/// What asking for a worktree gave.
#[derive(Debug)]
#[must_use]
pub enum Added {
    /// It stands at the commit that was asked for, on the run's branch, clean.
    Ready(Worktree),
    /// An earlier run's work is still in it. Rescue that, then ask again.
    Leftover(Worktree, Work),
}

/// What would be lost if a worktree went now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Work {
    /// Changed files that are in no rescue ref.
    pub files: Vec<String>,
    /// A head that neither origin nor `refs/coord` has.
    pub unpushed: Option<CommitSha>,
    /// Stashes of its run.
    pub stashes: usize,
}

impl Work {
    /// Whether nothing would be lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.unpushed.is_none() && self.stashes == 0
    }
}

impl Worktree {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The run that it was last made for.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }
}

impl Store {
    /// Makes the worktree of `run` at `path`, standing at `at`; or hands an earlier run's to it.
    pub fn add_worktree(&self, path: &Utf8Path, run: RunId, at: &CommitSha) -> Result<Added, WorktreeError> {
        let files = |source| WorktreeError::Files { path: path.to_owned(), source };
        let (worktree, earlier) = {
            let _held = self.lock().map_err(files)?;
            match self.found(path)? {
                Some(found) => {
                    let work = self.work_in(&found)?;
                    if !work.is_empty() {
                        return Ok(Added::Leftover(found, work));
                    }
                    let earlier = found.run;
                    let worktree = Worktree { run, ..found };
                    self.point(&worktree, at)?;
                    (worktree, Some(earlier))
                }
                None => {
                    let worktree = self.register(path, run)?;
                    self.point(&worktree, at)?;
                    let gitdir = format!("gitdir: {}\n", worktree.admin);
                    fs::write(worktree.path.join(".git"), gitdir).map_err(files)?;
                    (worktree, None)
                }
            }
        };
        let checkout = |source| WorktreeError::Checkout { path: path.to_owned(), source };
        let git = || self.git.at(&worktree.path);
        git().args(["reset", "--hard", "--quiet", "--no-recurse-submodules"]).bytes().map_err(checkout)?;
        if let Some(earlier) = earlier {
            git().args(["clean", "-ffdq"]).bytes().map_err(checkout)?;
            if earlier != run {
                self.drop_branch(earlier, path)?;
            }
        }
        Ok(Added::Ready(worktree))
    }

    /// The worktree at `path`, which must be one of this store.
    pub fn worktree(&self, path: &Utf8Path) -> Result<Worktree, WorktreeError> {
        self.found(path)?.ok_or_else(|| WorktreeError::NotOurs { path: path.to_owned() })
    }

    /// The commit that `worktree` stands at; `None` on a branch without commits.
    pub fn head(&self, worktree: &Worktree) -> Result<Option<CommitSha>, WorktreeError> {
        let history = |source| WorktreeError::History { path: worktree.path.clone(), source };
        let repo = self.libgit2().map_err(HistoryError::Open).map_err(history)?;
        self.head_in(&repo, worktree)
    }

    pub(crate) fn head_in(
        &self,
        repo: &Repository,
        worktree: &Worktree,
    ) -> Result<Option<CommitSha>, WorktreeError> {
        let path = &worktree.path;
        let files = |source| WorktreeError::Files { path: path.clone(), source };
        let text = fs::read_to_string(worktree.admin.join("HEAD")).map_err(files)?;
        let Some(branch) = text.trim().strip_prefix("ref: ") else {
            let broken = |error| files(io::Error::new(io::ErrorKind::InvalidData, error));
            return text.trim().parse().map(Some).map_err(broken);
        };
        let read = |source| RefError::Read { reference: branch.to_owned(), source };
        let branch = |source| WorktreeError::Branch { path: path.clone(), source };
        let at = target(repo, text.trim().trim_start_matches("ref: ")).map_err(read).map_err(branch)?;
        Ok(at.map(sha))
    }

    /// The files in `worktree` that differ from its head or that git does not know, ignored ones aside; at
    /// most `cap` of them. Names that are no UTF-8 are shown as well as they can be.
    pub fn changed_files(&self, worktree: &Worktree, cap: usize) -> Result<Vec<String>, WorktreeError> {
        let changes = self.changes(worktree)?;
        Ok(changes.iter().take(cap).map(|it| String::from_utf8_lossy(&it.path).into_owned()).collect())
    }

    /// What would be lost if `worktree` went now.
    pub fn work_in(&self, worktree: &Worktree) -> Result<Work, WorktreeError> {
        let path = &worktree.path;
        let history = |source| WorktreeError::History { path: path.clone(), source };
        // The index is written when a checkout is complete: without one, no worker has been here.
        if !worktree.admin.join("index").exists() {
            return Ok(Work::default());
        }
        let repo = self.libgit2().map_err(HistoryError::Open).map_err(history)?;
        let head = self.head_in(&repo, worktree)?;
        let kept = match &head {
            Some(head) => self.is_kept(&repo, oid(head)).map_err(history)?,
            None => true,
        };
        let mut files = self.changed_files(worktree, usize::MAX)?;
        if !files.is_empty() {
            let rescued = |source| WorktreeError::Rescued { path: path.clone(), source: Box::new(source) };
            if self.is_rescued(&repo, worktree).map_err(rescued)? {
                files.clear();
            }
        }
        let stashes = |source| WorktreeError::Stashes { path: path.clone(), source };
        let stashes = self.stashes_of(&repo, worktree).map_err(stashes)?.len();
        Ok(Work { files, unpushed: head.filter(|_| !kept), stashes })
    }

    /// The worktree at `path`, or `None` when nothing but perhaps an empty directory is there. One that has
    /// lost its link to the store gets it back.
    fn found(&self, path: &Utf8Path) -> Result<Option<Worktree>, WorktreeError> {
        let files = |source| WorktreeError::Files { path: path.to_owned(), source };
        let not_ours = || WorktreeError::NotOurs { path: path.to_owned() };
        if fs::symlink_metadata(path).is_err_and(|it| it.kind() == io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let link = path.join(".git");
        match fs::symlink_metadata(&link) {
            Ok(it) if it.is_file() => {}
            Ok(_) => return Err(not_ours()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut entries = fs::read_dir(path).map_err(|_| not_ours())?;
                if entries.next().is_none() {
                    return Ok(None);
                }
                // The entry in the store still says whose it was, and has what was committed there.
                let real = path.canonicalize_utf8().map_err(files)?;
                let admin = self.entry_of(&real).map_err(files)?.ok_or_else(not_ours)?;
                fs::write(&link, format!("gitdir: {admin}\n")).map_err(files)?;
            }
            Err(error) => return Err(files(error)),
        }
        let path = path.canonicalize_utf8().map_err(files)?;
        let text = fs::read_to_string(&link).map_err(files)?;
        let named = text.trim().strip_prefix("gitdir: ").ok_or_else(not_ours)?;
        let admin = path.join(named).canonicalize_utf8().map_err(|_| not_ours())?;
        let back = fs::read_to_string(admin.join("gitdir")).map_err(|_| not_ours())?;
        if admin.parent() != Some(&self.path.join("worktrees")) || back.trim() != path.join(".git").as_str() {
            return Err(not_ours());
        }
        let run = run_of(&admin).ok_or_else(not_ours)?;
        Ok(Some(Worktree { path, admin, run }))
    }

    /// The administrative entry that was made for `path`.
    fn entry_of(&self, path: &Utf8Path) -> io::Result<Option<Utf8PathBuf>> {
        let Ok(entries) = self.path.join("worktrees").read_dir_utf8() else { return Ok(None) };
        for entry in entries {
            let admin = entry?.into_path();
            let link = fs::read_to_string(admin.join("gitdir")).unwrap_or_default();
            if link.trim() == path.join(".git").as_str() {
                return Ok(Some(admin));
            }
        }
        Ok(None)
    }

    /// Makes the directory and its administrative entry; an entry left from a path that vanished goes first.
    fn register(&self, path: &Utf8Path, run: RunId) -> Result<Worktree, WorktreeError> {
        let files = |source| WorktreeError::Files { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(files)?;
        let path = path.canonicalize_utf8().map_err(files)?;
        self.forget_vanished(&path)?;
        let all = self.path.join("worktrees");
        fs::create_dir_all(&all).map_err(files)?;
        let mut admin = all.join(run.to_string());
        for n in 2u32.. {
            match fs::create_dir(&admin) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    admin = all.join(format!("{run}-{n}"));
                }
                Err(error) => return Err(files(error)),
            }
        }
        fs::write(admin.join("commondir"), "../..\n").map_err(files)?;
        fs::write(admin.join("gitdir"), format!("{path}/.git\n")).map_err(files)?;
        Ok(Worktree { path, admin, run })
    }

    /// Puts `worktree` on the branch of its run at `at`, with its configuration. Files are not touched yet.
    fn point(&self, worktree: &Worktree, at: &CommitSha) -> Result<(), WorktreeError> {
        let path = &worktree.path;
        let history = |source| WorktreeError::History { path: path.clone(), source };
        let files = |source| WorktreeError::Files { path: path.clone(), source };
        let repo = self.libgit2().map_err(HistoryError::Open).map_err(history)?;
        find(&repo, at).map_err(history)?;
        let branch = branch_of(worktree.run);
        let write = |source| WorktreeError::Branch {
            path: path.clone(),
            source: RefError::Write { reference: branch.clone(), source },
        };
        if let Some(old) = target(&repo, &branch).map_err(write)?.filter(|it| *it != oid(at)) {
            self.keep(&repo, worktree, &sha(old))?;
        }
        repo.reference(&branch, oid(at), true, "run starts here").map_err(write)?;
        fs::write(worktree.admin.join("HEAD"), format!("ref: {branch}\n")).map_err(files)?;
        for name in UNFINISHED.into_iter().chain(["index.lock", "logs/HEAD", "ORIG_HEAD"]) {
            remove_if_there(&worktree.admin.join(name)).map_err(files)?;
        }
        // A checkout would leave what the index hides.
        if let Some(revealed) = hidden::revealed(worktree).map_err(files)? {
            fs::copy(revealed.path().join("index"), worktree.admin.join("index")).map_err(files)?;
        }
        let checkout = |source| WorktreeError::Checkout { path: path.clone(), source };
        // A worker sees less of the environment than we do, and with it perhaps not what names the user.
        let Identity { name, email } = self.committer().map_err(checkout)?;
        let config = format!(
            "[coord]\n\trun = {}\n[remote \"origin\"]\n\tpushurl = {NO_PUSH}\n[credential]\n\thelper =\n\
             [pull]\n\trebase = true\n[user]\n\tname = {}\n\temail = {}\n",
            worktree.run,
            quoted(&name),
            quoted(&email),
        );
        fs::write(worktree.admin.join("config.worktree"), config).map_err(files)
    }
}

/// A value as it is written in a configuration file of git.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn remove_if_there(path: &Utf8Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(it) if it.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
