//! Files that a worker has told git not to look at (`git update-index --assume-unchanged` or
//! `--skip-worktree`). What was changed in them is work like any other, so we look all the same.

use std::io;
use std::path::Path;

use camino::Utf8Path;
use fs_err as fs;
use git2::{Index, IndexEntry, IndexEntryExtendedFlag, IndexEntryFlag, IndexTime};

use crate::worktree::Worktree;

/// A copy of the index of `worktree` that hides no file which is there; `None` when the index itself does not.
pub(crate) fn revealed(worktree: &Worktree) -> io::Result<Option<tempfile::TempDir>> {
    let index = worktree.admin.join("index");
    // An index of a kind that libgit2 does not read (split, sparse) is left to git.
    let Ok(read) = Index::open(index.as_std_path()) else { return Ok(None) };
    if !read.iter().any(|it| is_hidden(&it, &worktree.path)) {
        return Ok(None);
    }
    let scratch = tempfile::Builder::new().prefix("revealed-").tempdir_in(worktree.admin.as_std_path())?;
    let copy = scratch.path().join("index");
    fs::copy(&index, &copy)?;
    reveal(&copy, &worktree.path).map_err(io::Error::other)?;
    Ok(Some(scratch))
}

fn reveal(index: &Path, tree: &Utf8Path) -> Result<(), git2::Error> {
    let mut index = Index::open(index)?;
    let hidden: Vec<_> = index.iter().filter(|it| is_hidden(it, tree)).collect();
    for mut entry in hidden {
        entry.flags &= !IndexEntryFlag::VALID.bits();
        entry.flags_extended &= !IndexEntryExtendedFlag::SKIP_WORKTREE.bits();
        // Without its times git has to read the file. They may be those of a change made within the same tick of
        // the clock, which git recognises by the age of an index, and this one is new.
        (entry.mtime, entry.ctime) = (IndexTime::new(0, 0), IndexTime::new(0, 0));
        index.add(&entry)?;
    }
    index.write()
}

fn is_hidden(entry: &IndexEntry, tree: &Utf8Path) -> bool {
    let marked = entry.flags & IndexEntryFlag::VALID.bits() != 0
        || entry.flags_extended & IndexEntryExtendedFlag::SKIP_WORKTREE.bits() != 0;
    // A file that is not there is not work: so sparse checkouts are made.
    marked && fs::symlink_metadata(tree.as_std_path().join(native(&entry.path))).is_ok()
}

fn native(path: &[u8]) -> &Path {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path))
}
