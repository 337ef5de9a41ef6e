//! A git directory of a worker's own, for the files of its worktree, which borrows the objects of the store.
//!
//! Whoever commits in a linked worktree writes to its store, where the references of everybody and the hooks are.
//! A worker that is kept from that gets this instead, laid over the link in its worktree while it works. To
//! everybody else the worktree stays one of the store; when the worker is gone, what it committed and stashed is
//! fetched, and all goes on as if it had worked in the store.
//!
//! What must hold: nothing here or later runs a program that the worker chose. Its git directory is only ever read
//! by `git upload-pack`, which is made for repositories of others (git-upload-pack(1), SECURITY), and what it sends
//! is checked. Repositories that a worker made inside of its worktree would be entered by `git status`, so they must
//! be given another name before that; their files stay.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::name::CommitSha;
use fs_err as fs;

use crate::history::{HistoryError, sha};
use crate::keep::branch_of;
use crate::program::ProgramError;
use crate::refs::RefError;
use crate::store::Store;
use crate::worktree::{Worktree, WorktreeError};

/// How many stashes are taken back, the newest first.
const STASHES: usize = 50;
/// What a repository inside of a worktree is called once its worker is gone.
const DISARMED: &str = ".git-of-a-worker";

/// Why a git directory could not be lent or taken back.
#[derive(Debug, thiserror::Error)]
pub enum LendError {
    /// Its files cannot be read or written.
    #[error("cannot read or write the worker's git directory at `{path}`")]
    Files {
        /// The path.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store cannot be read.
    #[error("cannot read the store")]
    Store(#[from] HistoryError),
    /// The worktree cannot be read.
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
    /// What the worker committed cannot be fetched.
    #[error("cannot fetch what the worker committed")]
    Fetch(#[source] ProgramError),
    /// The branch of the run cannot be moved.
    #[error("cannot move the branch of the run to what the worker committed")]
    Branch(#[source] RefError),
    /// What the worker stashed cannot be kept.
    #[error("cannot keep what the worker stashed")]
    Stash(#[source] ProgramError),
}

/// What a worker's link to its own git directory says, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lent {
    /// The git directory.
    pub directory: Utf8PathBuf,
    /// A file with the link to it, to lie over the one in the worktree.
    pub link: Utf8PathBuf,
}

impl Store {
    /// Where the objects are that a lent git directory borrows.
    #[must_use]
    pub fn objects(&self) -> Utf8PathBuf {
        self.path.join("objects")
    }

    /// What a worker in `worktree` has to write to commit there, when it works in the store itself: the objects,
    /// the worktree's own entry, and the branches of runs with their logs. All of it is there.
    ///
    /// # Errors
    /// When a directory of it cannot be made.
    pub fn written_by(&self, worktree: &Worktree) -> Result<[Utf8PathBuf; 4], LendError> {
        let runs = ["refs/heads/coord/run", "logs/refs/heads/coord/run"].map(|it| self.path.join(it));
        for directory in &runs {
            let failed = |source| LendError::Files { path: directory.clone(), source };
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let [branches, logs] = runs;
        Ok([self.objects(), worktree.admin.clone(), branches, logs])
    }

    /// What of that decides which programs git runs and which repository it takes the worktree for. It stays as it is.
    #[must_use]
    pub fn fixed_for(&self, worktree: &Worktree) -> [Utf8PathBuf; 4] {
        let admin = |name: &str| worktree.admin.join(name);
        [admin("config.worktree"), admin("commondir"), admin("gitdir"), worktree.path.join(".git")]
    }

    /// Makes a git directory at `directory` for the files of `worktree`, standing where that stands. One that is
    /// there is replaced.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn lend(&self, worktree: &Worktree, directory: &Utf8Path) -> Result<Lent, LendError> {
        let files = |source| LendError::Files { path: directory.to_owned(), source };
        let head = self.head(worktree)?;
        let tracked = self.tracked()?;
        let write = || -> io::Result<Utf8PathBuf> {
            remove(directory)?;
            let branch = branch_of(worktree.run);
            let place = directory.join(&branch);
            fs::create_dir_all(place.parent().unwrap_or(directory))?;
            fs::create_dir_all(directory.join("objects/info"))?;
            fs::create_dir_all(directory.join("info"))?;
            fs::write(directory.join("objects/info/alternates"), format!("{}\n", self.objects()))?;
            fs::write(directory.join("packed-refs"), tracked)?;
            if let Some(head) = head {
                fs::write(place, format!("{head}\n"))?;
            }
            fs::write(directory.join("HEAD"), format!("ref: {branch}\n"))?;
            fs::copy(worktree.admin.join("index"), directory.join("index"))?;
            let own = fs::read_to_string(worktree.admin.join("config.worktree"))?;
            let config = format!(
                "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tlogAllRefUpdates = always\n\
                 [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n{own}"
            );
            fs::write(directory.join("config"), config)?;
            let link = directory.with_extension("link");
            fs::write(&link, format!("gitdir: {directory}\n"))?;
            Ok(link)
        };
        let link = write().map_err(files)?;
        Ok(Lent { directory: directory.to_owned(), link })
    }

    /// Keeps git from entering repositories that a worker made inside of `worktree`: they are given another name.
    ///
    /// # Errors
    /// When a directory cannot be read or renamed. The worktree must not be looked at by git then.
    pub fn disarm(&self, worktree: &Worktree) -> Result<(), LendError> {
        disarm(&worktree.path).map_err(|source| LendError::Files { path: worktree.path.clone(), source })
    }

    /// Fetches what was committed and stashed in the git directory at `directory`, so that `worktree` stands there
    /// with the rest as uncommitted files. Does nothing when that has been done.
    ///
    /// # Errors
    /// When something of it could not be had. What is in files can be rescued all the same, and the git directory
    /// stays.
    pub fn take_back(&self, worktree: &Worktree, directory: &Utf8Path) -> Result<(), LendError> {
        if !directory.exists() {
            return Ok(());
        }
        let files = |source| LendError::Files { path: directory.to_owned(), source };
        let scratch = format!("refs/coord/lent/{}", worktree.run);
        self.fetch_lent(directory, "HEAD", &scratch).map_err(LendError::Fetch)?;
        let branch = branch_of(worktree.run);
        let written = |source| LendError::Branch(RefError::Write { reference: branch.clone(), source });
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let head = repo.refname_to_id(&scratch).map_err(written)?;
        repo.reference(&branch, head, true, "what its worker committed").map_err(written)?;
        fs::write(worktree.admin.join("HEAD"), format!("ref: {branch}\n")).map_err(files)?;
        let reset =
            self.git.at(&worktree.path).args(["reset", "--quiet", "--mixed", "--no-recurse-submodules"]);
        reset.bytes().map_err(LendError::Fetch)?;
        let _held = self.lock().map_err(files)?;
        for (stash, message) in stashes(directory).map_err(files)? {
            self.fetch_lent(directory, &stash.to_string(), &scratch).map_err(LendError::Stash)?;
            let store =
                self.git.at(&worktree.path).args(["stash", "store", "--quiet", "--message", &message]);
            store.arg(stash.to_string()).bytes().map_err(LendError::Stash)?;
        }
        let mut scratch = repo.find_reference(&scratch).map_err(written)?;
        scratch.delete().map_err(written)?;
        remove(directory).map_err(files)
    }

    /// Protocol 2, which every git that is new enough speaks, lets any commit be asked for.
    fn fetch_lent(&self, directory: &Utf8Path, what: &str, into: &str) -> Result<(), ProgramError> {
        let call = self
            .git
            .at(&self.path)
            .config("protocol.version=2")
            .config("protocol.file.allow=always")
            .config("fetch.fsckObjects=true")
            .args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"])
            .args(["--no-recurse-submodules", "--refmap=", "--", directory.as_str()])
            .arg(format!("+{what}:{into}"));
        call.bytes().map(drop)
    }

    /// What the store knows of origin's branches, as `packed-refs` has it.
    fn tracked(&self) -> Result<String, LendError> {
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let list = || -> Result<String, git2::Error> {
            let mut lines = Vec::new();
            for reference in repo.references_glob("refs/remotes/origin/*")? {
                let reference = reference?;
                if let (Some(at), Ok(name)) = (reference.target(), reference.name()) {
                    lines.push((name.to_owned(), at));
                }
            }
            lines.sort();
            Ok(lines.into_iter().map(|(name, at)| format!("{} {name}\n", sha(at))).collect())
        };
        list().map_err(|source| {
            LendError::Branch(RefError::Read { reference: "refs/remotes/origin".to_owned(), source })
        })
    }
}

/// The stashes of a worker's git directory with what git noted about them, the oldest first.
fn stashes(directory: &Utf8Path) -> io::Result<Vec<(CommitSha, String)>> {
    let log = match fs::read(directory.join("logs/refs/stash")) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let log = String::from_utf8_lossy(&log);
    let entries = log.lines().filter_map(|line| {
        let (who, message) = line.split_once('\t')?;
        let commit: CommitSha = who.split(' ').nth(1)?.parse().ok()?;
        Some((commit, message.chars().take(200).collect()))
    });
    let entries: Vec<_> = entries.collect();
    Ok(entries[entries.len().saturating_sub(STASHES)..].to_vec())
}

/// Gives every repository below `directory` a name that git does not know.
fn disarm(directory: &Utf8Path) -> io::Result<()> {
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let inner = entry.path();
        // git compares without regard to case where the file system does.
        for nested in inner.read_dir_utf8()? {
            let nested = nested?;
            if nested.file_name().eq_ignore_ascii_case(".git") {
                let names = (1_u32..).map(|n| inner.join(format!("{DISARMED}-{n}")));
                let free = names.into_iter().find(|it| fs::symlink_metadata(it).is_err());
                fs::rename(nested.path(), free.expect("there are endlessly many names"))?;
            }
        }
        disarm(inner)?;
    }
    Ok(())
}

fn remove(directory: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
