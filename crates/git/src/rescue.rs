//! Rescuing work that nobody committed, and stashes, into `refs/coord/rescue/<run>` of the store.
//!
//! What must hold: the worktree and its index are only read; the rescue commit's tree is the worktree as it
//! is, ignored files aside, byte for byte; a stash leaves the shared stash only after the rescue ref has
//! it; and rescuing twice loses nothing that was rescued the first time. The commit's parents are the head,
//! then the stashes, then what was staged where the worktree says something else, then an earlier rescue.
//!
//! Of a repository inside the worktree (a submodule with changes, a clone that the worker made) the files
//! are kept, in place of the gitlink that could not be followed later. Its history is not kept.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use camino::Utf8PathBuf;
use coord_core::name::CommitSha;
use coord_core::run::Rescue;
use fs_err as fs;
use git2::{Oid, Repository, Signature, Time};
use jiff::Timestamp;

use crate::hidden;
use crate::history::{oid, sha};
use crate::program::ProgramError;
use crate::refs::RefError;
use crate::stash::StashError;
use crate::status::Change;
use crate::store::Store;
use crate::worktree::{Worktree, WorktreeError};

/// Why work could not be rescued. The worktree and the stash are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    /// The worktree cannot be read.
    #[error("cannot rescue what is in `{path}`")]
    Worktree {
        /// The worktree.
        path: Utf8PathBuf,
        /// The cause.
        #[source]
        source: Box<WorktreeError>,
    },
    /// Its files cannot be read, or no room is left for a second index.
    #[error("cannot read the files in `{path}`")]
    Files {
        /// The worktree.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its files cannot be written into the store.
    #[error("cannot snapshot the files in `{path}`")]
    Snapshot {
        /// The worktree.
        path: Utf8PathBuf,
        /// What git said.
        #[source]
        source: ProgramError,
    },
    /// The commit or an object for it cannot be written.
    #[error("cannot commit what is in `{path}`")]
    Commit {
        /// The worktree.
        path: Utf8PathBuf,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
    /// The stash cannot be read or changed.
    #[error(transparent)]
    Stash(#[from] StashError),
    /// The rescue ref cannot be written.
    #[error(transparent)]
    Reference(#[from] RefError),
}

/// Where the rescued work of the run of `worktree` is.
fn rescue_ref(worktree: &Worktree) -> String {
    format!("refs/coord/rescue/{}", worktree.run)
}

impl Store {
    /// Puts uncommitted files and stashes of `worktree` into a ref, and keeps its head by one if nothing
    /// else has it. `None` when every file is committed and there is no stash.
    pub fn rescue(&self, worktree: &Worktree, when: Timestamp) -> Result<Option<Rescue>, RescueError> {
        let path = &worktree.path;
        let unreadable = |source| RescueError::Worktree { path: path.clone(), source: Box::new(source) };
        let no_room = |source| RescueError::Files { path: path.clone(), source };
        let _held = self.lock().map_err(no_room)?;
        let repo = self.libgit2().map_err(StashError::Read)?;
        let stashes = self.stashes_of(&repo, worktree)?;
        let changes = self.changes(worktree).map_err(unreadable)?;
        if changes.is_empty() && stashes.is_empty() {
            self.keep_head(&repo, worktree).map_err(unreadable)?;
            return Ok(None);
        }
        let head = self.head_in(&repo, worktree).map_err(unreadable)?;
        let snapshot = self.snapshot(&repo, worktree, &changes)?;
        let commit = self.commit_rescue(&repo, worktree, head.as_ref(), &stashes, &snapshot, when)?;
        self.drop_stashes(&repo, &stashes)?;
        let (files, stashes) = (changes.len(), stashes.len());
        Ok(Some(Rescue { reference: rescue_ref(worktree), commit, files, stashes }))
    }

    /// Whether the rescue ref has the files of `worktree` exactly as they are now.
    pub(crate) fn is_rescued(&self, repo: &Repository, worktree: &Worktree) -> Result<bool, RescueError> {
        let unreadable =
            |source| RescueError::Worktree { path: worktree.path.clone(), source: Box::new(source) };
        let Some(rescued) = self.read_ref(&rescue_ref(worktree))? else { return Ok(false) };
        let changes = self.changes(worktree).map_err(unreadable)?;
        let now = self.snapshot(repo, worktree, &changes)?;
        let tree = repo.find_commit(oid(&rescued)).map(|it| it.tree_id());
        Ok(tree.map_err(|source| RescueError::Commit { path: worktree.path.clone(), source })? == now.files)
    }

    fn commit_rescue(
        &self,
        repo: &Repository,
        worktree: &Worktree,
        head: Option<&CommitSha>,
        stashes: &[CommitSha],
        snapshot: &Snapshot,
        when: Timestamp,
    ) -> Result<CommitSha, RescueError> {
        let failed = |source| RescueError::Commit { path: worktree.path.clone(), source };
        let who =
            Signature::new("coord", "coord@localhost", &Time::new(when.as_second(), 0)).map_err(failed)?;
        let reference = rescue_ref(worktree);
        let earlier = self.read_ref(&reference)?.map(|it| oid(&it));
        let mut parents: Vec<Oid> = head.into_iter().chain(stashes).map(oid).collect();
        if let Some(staged) = snapshot.staged {
            let message = format!("staged by run {}", worktree.run);
            let over: Vec<_> = parents.iter().copied().take(usize::from(head.is_some())).collect();
            parents.push(commit(repo, &who, &message, staged, &over).map_err(failed)?);
        }
        parents.extend(earlier);
        let message = format!("rescued from run {}", worktree.run);
        let rescued = commit(repo, &who, &message, snapshot.files, &parents).map_err(failed)?;
        let write = |source| RefError::Write { reference: reference.clone(), source };
        repo.reference(&reference, rescued, true, &message).map_err(write)?;
        Ok(sha(rescued))
    }

    /// Writes the files of `worktree` as a tree, through an index of our own.
    fn snapshot(
        &self,
        repo: &Repository,
        worktree: &Worktree,
        changes: &[Change],
    ) -> Result<Snapshot, RescueError> {
        let path = &worktree.path;
        let files = |source| RescueError::Files { path: path.clone(), source };
        let git = |source| RescueError::Snapshot { path: path.clone(), source };
        let scratch = tempfile::Builder::new()
            .prefix("rescue-")
            .tempdir_in(worktree.admin.as_std_path())
            .map_err(files)?;
        let index = scratch.path().join("index");
        // A copy keeps what git remembers about unchanged files, and a lock that a dead git left on the
        // original is not in its way.
        let revealed = hidden::revealed(worktree).map_err(files)?;
        let original =
            revealed.as_ref().map_or(worktree.admin.as_std_path(), tempfile::TempDir::path).join("index");
        match fs::copy(original, &index) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(files(error)),
        }
        let call = || self.git.at(path).env("GIT_INDEX_FILE", &index);
        let written = |text: String| {
            Oid::from_str(text.trim()).map_err(|source| RescueError::Commit { path: path.clone(), source })
        };
        let mut staged = None;
        if changes.iter().any(|it| it.staged_differs) {
            staged = call().arg("write-tree").text().ok().map(written).transpose()?;
        }
        let mut all = b".\0".to_vec();
        for nested in changes.iter().filter(|it| it.nested) {
            all.extend_from_slice(b":(exclude,literal,top)");
            all.extend_from_slice(&nested.path);
            all.push(0);
        }
        let added = call()
            .args(["add", "--all", "--sparse", "--pathspec-from-file=-", "--pathspec-file-nul"])
            .output_with(&all)
            .map_err(git)?;
        if !added.status.success() {
            let (what, status, stderr) = ("add".to_owned(), added.status, added.stderr);
            return Err(git(ProgramError::Failed { what, status, stderr }));
        }
        let mut records = Vec::new();
        for nested in changes.iter().filter(|it| it.nested) {
            self.unfold(repo, worktree, &nested.path, &mut records)?;
        }
        if !records.is_empty() {
            let updated =
                call().args(["update-index", "-z", "--index-info"]).output_with(&records).map_err(git)?;
            if !updated.status.success() {
                let (what, status, stderr) = ("update-index".to_owned(), updated.status, updated.stderr);
                return Err(git(ProgramError::Failed { what, status, stderr }));
            }
        }
        let files = written(call().arg("write-tree").text().map_err(git)?)?;
        Ok(Snapshot { files, staged })
    }

    /// Replaces the gitlink at `nested` by the files there, as records for `git update-index --index-info`.
    fn unfold(
        &self,
        repo: &Repository,
        worktree: &Worktree,
        nested: &[u8],
        records: &mut Vec<u8>,
    ) -> Result<(), RescueError> {
        let unreadable = |source| RescueError::Files { path: worktree.path.clone(), source };
        let failed = |source| RescueError::Commit { path: worktree.path.clone(), source };
        let root = worktree.path.as_std_path().join(native(nested));
        let listed = self
            .git
            .at(&root)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])
            .bytes()
            .map_err(|source| RescueError::Snapshot { path: worktree.path.clone(), source })?;
        records.extend_from_slice(format!("0 {}\t", Oid::ZERO_SHA1).as_bytes());
        records.extend_from_slice(nested);
        records.push(0);
        for name in listed.split(|it| *it == 0).filter(|it| !it.is_empty() && !it.ends_with(b"/")) {
            let Some((mode, id)) = blob(repo, &root.join(native(name)), failed, unreadable)? else {
                continue;
            };
            records.extend_from_slice(format!("{mode} {id}\t").as_bytes());
            records.extend_from_slice(nested);
            records.push(b'/');
            records.extend_from_slice(name);
            records.push(0);
        }
        Ok(())
    }
}

struct Snapshot {
    files: Oid,
    /// What was staged, where the files say something else.
    staged: Option<Oid>,
}

/// The mode and blob of a file or symlink; `None` for what git cannot hold, or what is gone.
fn blob(
    repo: &Repository,
    path: &Path,
    failed: impl Fn(git2::Error) -> RescueError,
    unreadable: impl Fn(io::Error) -> RescueError,
) -> Result<Option<(&'static str, Oid)>, RescueError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(None) };
    if metadata.is_symlink() {
        let leads_to = fs::read_link(path).map_err(unreadable)?.into_os_string().into_vec();
        return Ok(Some(("120000", repo.blob(&leads_to).map_err(failed)?)));
    }
    if !metadata.is_file() {
        return Ok(None);
    }
    let mode = if metadata.permissions().mode() & 0o100 == 0 { "100644" } else { "100755" };
    Ok(Some((mode, repo.blob_path(path).map_err(failed)?)))
}

fn commit(
    repo: &Repository,
    who: &Signature<'_>,
    message: &str,
    tree: Oid,
    parents: &[Oid],
) -> Result<Oid, git2::Error> {
    let parents = parents.iter().map(|it| repo.find_commit(*it)).collect::<Result<Vec<_>, _>>()?;
    let parents: Vec<_> = parents.iter().collect();
    repo.commit(None, who, who, message, &repo.find_tree(tree)?, &parents)
}

fn native(path: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(path.to_vec()))
}
