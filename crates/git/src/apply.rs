//! Rescued work, brought into a clone of a person's own.
//!
//! It is merged three ways: what the worker changed is applied to what the clone has now. What must hold: a clone with
//! changes of its own in the way, or where the work conflicts, is left as it was and the files are named, unless
//! conflict markers were asked for (objects that nothing leads to may be there, until git collects them); nothing is
//! committed, and no reference of the clone but its stash is written.

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::name::CommitSha;

use crate::program::{Call, Git, ProgramError};
use crate::rescued::{merged, quiet};

/// How many files are named.
const NAMED: usize = 20;

/// Why it could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// There is no clone.
    #[error("`{0}` is not a clone with files in it")]
    NotAClone(Utf8PathBuf),
    /// The bundle cannot be written for git to read.
    #[error("no room for the work beside `{path}`")]
    Files {
        /// The clone.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Git failed in the clone.
    #[error("cannot apply it in `{path}`")]
    Program {
        /// The clone.
        path: Utf8PathBuf,
        /// What git said.
        #[source]
        source: ProgramError,
    },
}

/// What is brought.
#[derive(Debug, Clone)]
pub struct Parcel<'a> {
    /// The work with everything that origin does not have.
    pub bundle: &'a [u8],
    /// The commit whose tree is the worktree as it was.
    pub commit: &'a CommitSha,
    /// The commit that the worktree stood at; `None` where there was none.
    pub head: Option<&'a CommitSha>,
    /// Stashes, newest first.
    pub stashes: &'a [CommitSha],
}

/// What to do where the work does not apply cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing.
    LeaveAlone,
    /// Leave conflict markers for the person to resolve.
    Mark,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// The changes are staged in the clone, and the stashes are on its stash.
    Done {
        /// Files that changed.
        files: Vec<String>,
        /// Stashes that are there now and were not before.
        stashes: usize,
    },
    /// It conflicts.
    Conflicts {
        /// In which files.
        files: Vec<String>,
        /// Whether markers were left in them. Otherwise the clone is as it was.
        marked: bool,
    },
    /// Changes of the person's own are in the way; the clone is as it was.
    InTheWay {
        /// In which files, twenty at most.
        files: Vec<String>,
    },
    /// The clone lacks the commits that the work builds on; it is as it was.
    Behind,
}

/// Brings a parcel into the clone at `path`.
///
/// # Errors
/// When it is no clone, or git fails in it.
pub fn apply(
    git: &Git,
    path: &Utf8Path,
    parcel: &Parcel<'_>,
    on_conflict: OnConflict,
) -> Result<Applied, ApplyError> {
    let clone = Clone { git, path: top(git, path)? };
    let in_the_way = clone.changes()?;
    if !in_the_way.is_empty() {
        return Ok(Applied::InTheWay { files: in_the_way });
    }
    if !clone.unbundle(parcel.bundle)? {
        return Ok(Applied::Behind);
    }
    let theirs = clone.squashed(parcel)?;
    let (tree, conflicts) = clone.merge(&theirs)?;
    if !conflicts.is_empty() {
        let marked = on_conflict == OnConflict::Mark;
        if marked {
            // It fails, since it conflicts; what it leaves is what was asked for.
            let call = clone.call().args(["merge", "--squash", "--quiet", &theirs]);
            call.output().map_err(|source| clone.failed(source))?;
            clone.stash(parcel.stashes)?;
        }
        return Ok(Applied::Conflicts { files: conflicts, marked });
    }
    let files = clone.differing(&tree)?;
    clone.text(["read-tree", "-m", "-u", "HEAD", &tree])?;
    Ok(Applied::Done { files, stashes: clone.stash(parcel.stashes)? })
}

/// The directory of the working tree that `path` is in.
fn top(git: &Git, path: &Utf8Path) -> Result<Utf8PathBuf, ApplyError> {
    let none = || ApplyError::NotAClone(path.to_owned());
    let said = match git.at(path).args(["rev-parse", "--show-toplevel"]).text() {
        Ok(said) => said,
        Err(ProgramError::Failed { .. } | ProgramError::Start { .. }) => return Err(none()),
        Err(source) => return Err(ApplyError::Program { path: path.to_owned(), source }),
    };
    let top = said.trim_end_matches('\n');
    if top.is_empty() { Err(none()) } else { Ok(top.into()) }
}

struct Clone<'a> {
    git: &'a Git,
    path: Utf8PathBuf,
}

impl Clone<'_> {
    fn call(&self) -> Call {
        quiet(self.git, &self.path)
    }

    fn failed(&self, source: ProgramError) -> ApplyError {
        ApplyError::Program { path: self.path.clone(), source }
    }

    fn text<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<String, ApplyError> {
        self.call().args(arguments).text().map_err(|source| self.failed(source))
    }

    /// Files with changes of the person's own: any that git tracks, since a merge needs the index as it is in `HEAD`.
    fn changes(&self) -> Result<Vec<String>, ApplyError> {
        let call = self.call().args(["diff", "--name-only", "-z", "HEAD"]);
        let said = call.bytes().map_err(|source| self.failed(source))?;
        Ok(merged(said.split(|it| *it == 0)).into_iter().take(NAMED).collect())
    }

    /// Puts the objects into the clone; `false` when it lacks what they build on.
    fn unbundle(&self, bundle: &[u8]) -> Result<bool, ApplyError> {
        let files = |source| ApplyError::Files { path: self.path.clone(), source };
        let scratch = tempfile::tempdir().map_err(files)?;
        let file = scratch.path().join("bundle");
        fs_err::write(&file, bundle).map_err(files)?;
        match self.call().args(["bundle", "unbundle"]).arg(&file).bytes() {
            Ok(_) => Ok(true),
            Err(ProgramError::Failed { stderr, .. }) if stderr.contains("prerequisite") => Ok(false),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// A commit of the work on nothing but its head: the stashes beneath a rescue commit are no part of its history.
    fn squashed(&self, parcel: &Parcel<'_>) -> Result<String, ApplyError> {
        let Some(head) = parcel.head.filter(|it| *it != parcel.commit) else {
            return Ok(parcel.commit.to_string());
        };
        let tree = format!("{}^{{tree}}", parcel.commit);
        let made = self.text(["commit-tree", &tree, "-p", head.as_str(), "-m", "rescued"])?;
        Ok(made.trim().to_owned())
    }

    /// The tree of the merge, and the files in which it conflicts.
    fn merge(&self, theirs: &str) -> Result<(String, Vec<String>), ApplyError> {
        let call = self.call().args(["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z"]);
        let what = "merge-tree".to_owned();
        let merge = call.args(["HEAD", theirs]).output().map_err(|source| self.failed(source))?;
        if !matches!(merge.status.code(), Some(0 | 1)) {
            return Err(self.failed(ProgramError::Failed {
                what,
                status: merge.status,
                stderr: merge.stderr,
            }));
        }
        let mut fields = merge.stdout.split(|it| *it == 0);
        let tree = String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
        Ok((tree, merged(fields)))
    }

    fn differing(&self, tree: &str) -> Result<Vec<String>, ApplyError> {
        let call = self.call().args(["diff", "--name-only", "-z", "HEAD", tree]);
        let said = call.bytes().map_err(|source| self.failed(source))?;
        Ok(merged(said.split(|it| *it == 0)))
    }

    /// Puts stashes on the clone's own stash, the newest on top; how many were not there yet.
    fn stash(&self, stashes: &[CommitSha]) -> Result<usize, ApplyError> {
        let there = self.text(["stash", "list", "--format=%H"])?;
        let new: Vec<_> = stashes.iter().filter(|it| !there.contains(it.as_str())).collect();
        for stash in new.iter().rev() {
            let message = self.text(["log", "-1", "--format=%s", stash.as_str()])?;
            self.text(["stash", "store", "--quiet", "-m", message.trim(), stash.as_str()])?;
        }
        Ok(new.len())
    }
}
