//! What `git status` says of a worktree, read so that every file name survives.

use crate::hidden;
use crate::store::Store;
use crate::worktree::{Worktree, WorktreeError};

/// One path that differs from the head.
#[derive(Debug)]
pub(crate) struct Change {
    /// Relative to the worktree, as the file system spells it.
    pub(crate) path: Vec<u8>,
    /// A repository of its own lies there and has something in it that a gitlink would not keep.
    pub(crate) nested: bool,
    /// What is staged is neither what the head nor what the worktree has.
    pub(crate) staged_differs: bool,
}

impl Store {
    /// Everything in `worktree` that differs from its head, ignored files aside.
    pub(crate) fn changes(&self, worktree: &Worktree) -> Result<Vec<Change>, WorktreeError> {
        let files = |source| WorktreeError::Files { path: worktree.path.clone(), source };
        let revealed = hidden::revealed(worktree).map_err(files)?;
        let mut call = self.git.at(&worktree.path);
        if let Some(revealed) = &revealed {
            call = call.env("GIT_INDEX_FILE", revealed.path().join("index"));
        }
        let said = call
            .args(["status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames"])
            .arg("--ignore-submodules=none")
            .bytes()
            .map_err(|source| WorktreeError::Status { path: worktree.path.clone(), source })?;
        Ok(said.split(|it| *it == 0).filter_map(parse).collect())
    }
}

/// Reads one record of the second porcelain format, whose path comes last and is not quoted under `-z`.
fn parse(record: &[u8]) -> Option<Change> {
    let fields = match record.first()? {
        b'1' => 9,
        b'u' => 11,
        b'?' => 2,
        _ => return None,
    };
    let fields: Vec<_> = record.splitn(fields, |it| *it == b' ').collect();
    let path = fields.last()?.to_vec();
    if fields.len() == 2 {
        let nested = path.ends_with(b"/");
        let path = path.strip_suffix(b"/").map_or(path.clone(), <[u8]>::to_vec);
        return Some(Change { path, nested, staged_differs: false });
    }
    let nested = fields[2].first() == Some(&b'S') && fields[2] != b"S...";
    let staged_differs = fields[0] == b"1" && !fields[1].contains(&b'.');
    Some(Change { path, nested, staged_differs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_spaces_newlines_and_bytes_that_are_no_text() {
        let record = b"1 MM N... 100644 100644 100644 1111 2222 a b\nc\xff";
        let change = parse(record).unwrap();
        assert_eq!(change.path, b"a b\nc\xff");
        assert!(change.staged_differs && !change.nested);
        assert!(parse(b"? inner/").unwrap().nested);
        assert!(parse(b"1 .M S.MU 160000 160000 160000 1 2 sub").unwrap().nested);
        assert!(parse(b"# branch.oid 1234").is_none());
    }
}
