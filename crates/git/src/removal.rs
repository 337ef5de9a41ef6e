//! The one place that removes worktrees.
//!
//! What must hold: only a linked worktree of this store, strictly under the given root, is removed, and only
//! when nothing in it could be lost. Paths are resolved first, so no symlink leads the removal elsewhere.
//! Deleting follows no symlink either. A removal that was cut off is completed by the next one of the same path: what is
//! deleted is moved aside first, as half of a worktree would look like work.

use std::io;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::store::Store;
use crate::worktree::{Work, WorktreeError};

/// Why a worktree was not removed. Work still in it is no error: see [`Removal`].
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// The path, resolved, is not strictly under the root.
    #[error("`{path}` is not under `{root}`, and is left alone")]
    OutsideRoot {
        /// The path, resolved.
        path: Utf8PathBuf,
        /// The root, resolved.
        root: Utf8PathBuf,
    },
    /// It is somebody's repository itself.
    #[error("`{path}` is a main worktree, and is left alone")]
    MainWorktree {
        /// The path.
        path: Utf8PathBuf,
    },
    /// It is no worktree of this store, or cannot be read.
    #[error("`{path}` cannot be removed")]
    Unfit {
        /// The path.
        path: Utf8PathBuf,
        /// The cause.
        #[source]
        source: WorktreeError,
    },
    /// Its files cannot be deleted.
    #[error("cannot delete the files of `{path}`")]
    Files {
        /// The path.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// How a removal went.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Removal {
    /// It is gone, or was gone already.
    Removed,
    /// Something in it would be lost; nothing was changed. Rescue it first.
    HasWork(Work),
}

impl Store {
    /// Removes the worktree at `path`, which must lie under `root`, with its entry in the store and, when
    /// its commits are kept elsewhere, its run's branch.
    pub fn remove_worktree(&self, root: &Utf8Path, path: &Utf8Path) -> Result<Removal, RemovalError> {
        let files = |source| RemovalError::Files { path: path.to_owned(), source };
        let unfit = |source| RemovalError::Unfit { path: path.to_owned(), source };
        let root = root.canonicalize_utf8().map_err(files)?;
        let gone = fs::symlink_metadata(path).is_err_and(|it| it.kind() == io::ErrorKind::NotFound);
        let real = if gone { resolve_parent(path) } else { path.canonicalize_utf8() }.map_err(files)?;
        if real == root || !real.starts_with(&root) {
            return Err(RemovalError::OutsideRoot { path: real, root });
        }
        let going = aside(&real).map_err(files)?;
        let _held = self.lock().map_err(files)?;
        if going.try_exists().map_err(files)? {
            remove_tree(&going).map_err(files)?;
        }
        if gone {
            self.forget_vanished(&real).map_err(unfit)?;
            return Ok(Removal::Removed);
        }
        if fs::symlink_metadata(real.join(".git")).is_ok_and(|it| it.is_dir()) {
            return Err(RemovalError::MainWorktree { path: real });
        }
        let worktree = self.worktree(&real).map_err(unfit)?;
        let work = self.work_in(&worktree).map_err(unfit)?;
        if !work.is_empty() {
            return Ok(Removal::HasWork(work));
        }
        fs::rename(&worktree.path, &going).map_err(files)?;
        self.drop_branch(worktree.run, path).map_err(unfit)?;
        remove_tree(&worktree.admin).map_err(files)?;
        remove_tree(&going).map_err(files)?;
        Ok(Removal::Removed)
    }
}

/// Where a worktree is moved that is to be deleted.
fn aside(path: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(path.with_file_name(format!(".{name}.going")))
}

fn resolve_parent(path: &Utf8Path) -> io::Result<Utf8PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize_utf8()?.join(name)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Deletes a directory with everything in it. Directories that forbid changes, as some package caches are
/// made, are opened up first.
fn remove_tree(path: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

fn open_up(directory: &Utf8Path) -> io::Result<()> {
    let mut permissions = fs::symlink_metadata(directory)?.permissions();
    permissions.set_mode(permissions.mode() | 0o700);
    fs::set_permissions(directory, permissions)?;
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(entry.path())?;
        }
    }
    Ok(())
}
