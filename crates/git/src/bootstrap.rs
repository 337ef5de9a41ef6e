//! Making a new worktree ready to work in: the ignored files it needs, submodules, large files.
//!
//! What must hold: afterwards `git status` is as clean as before; no tracked file is overwritten; nothing is
//! read outside the clone or written outside the worktree, whatever symlinks there are; the clone is only
//! read. A `setup` command is not run here: that is a run of its own.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use camino::Utf8Path;
use fs_err as fs;

use crate::program::{Call, ProgramError};
use crate::store::Store;
use crate::worktree::Worktree;

/// The file that says which ignored files of the clone a new worktree gets, in the syntax of `.gitignore`.
pub const INCLUDE_FILE: &str = ".worktreeinclude";

/// A step of making a worktree ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copying what `.worktreeinclude` names.
    Include,
    /// Checking out submodules.
    Submodules,
    /// Fetching large files.
    Lfs,
}

impl Step {
    /// The word used in outcomes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Include => "worktreeinclude",
            Self::Submodules => "submodules",
            Self::Lfs => "lfs",
        }
    }
}

/// Why a worktree could not be made ready: the step, and what went wrong in it.
#[derive(Debug, thiserror::Error)]
#[error("{} failed", step.as_str())]
pub struct BootstrapError {
    /// Which step.
    pub step: Step,
    /// What went wrong.
    #[source]
    pub cause: BootstrapCause,
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapCause {
    /// A file could not be read or copied.
    #[error(transparent)]
    Files(#[from] io::Error),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] ProgramError),
}

/// What was done to make a worktree ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrapped {
    /// The ignored files that were copied from the clone.
    pub copied: Vec<PathBuf>,
    /// Whether submodules were checked out.
    pub submodules: bool,
    /// What became of large files.
    pub lfs: Lfs,
}

/// What became of the files that git-lfs keeps elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lfs {
    /// The repo has none.
    NotUsed,
    /// They are there.
    Fetched,
    /// The repo has some, but git-lfs is not installed: pointers lie in their place.
    NotInstalled,
}

impl Store {
    /// Makes `worktree` ready, with what `clone` can lend.
    pub fn bootstrap(
        &self,
        worktree: &Worktree,
        clone: Option<&Utf8Path>,
    ) -> Result<Bootstrapped, BootstrapError> {
        let failed = |step| move |cause| BootstrapError { step, cause };
        let copied = match clone {
            Some(clone) => self.include(worktree, clone).map_err(failed(Step::Include))?,
            None => Vec::new(),
        };
        let submodules = self.submodules(worktree).map_err(failed(Step::Submodules))?;
        let lfs = self.lfs(worktree).map_err(failed(Step::Lfs))?;
        Ok(Bootstrapped { copied, submodules, lfs })
    }

    /// Copies the files of `clone` that `.worktreeinclude` of the change, or else of the clone, names and
    /// that are ignored both there and here.
    fn include(&self, worktree: &Worktree, clone: &Utf8Path) -> Result<Vec<PathBuf>, BootstrapCause> {
        let candidates = [worktree.path.join(INCLUDE_FILE), clone.join(INCLUDE_FILE)];
        let Some(patterns) = candidates.into_iter().find(|it| it.is_file()) else { return Ok(Vec::new()) };
        let exclude_from = format!("--exclude-from={}", patterns.canonicalize_utf8()?);
        let named =
            self.git.at(clone).args(["ls-files", "-z", "--others", "--ignored", &exclude_from]).bytes()?;
        let ignored_there = self.ignored(clone, &named)?;
        // Git refuses to say anything about a path behind a symlink, so those go first.
        let free = ignored_there.split_inclusive(|it| *it == 0).filter(|it| is_free(worktree, &native(it)));
        let ignored_here = self.ignored(&worktree.path, &free.collect::<Vec<_>>().concat())?;
        let mut copied = Vec::new();
        for name in ignored_here.split_inclusive(|it| *it == 0).map(native) {
            if copy(clone.as_std_path(), worktree.path.as_std_path(), &name)? {
                copied.push(name);
            }
        }
        Ok(copied)
    }

    /// Those of `names` (each ended by a zero byte) that the repository at `dir` ignores.
    fn ignored(&self, dir: &Utf8Path, names: &[u8]) -> Result<Vec<u8>, ProgramError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let output = self.git.at(dir).args(["check-ignore", "-z", "--stdin"]).output_with(names)?;
        // 1 says that none is ignored.
        match output.status.code() {
            Some(0 | 1) => Ok(output.stdout),
            _ => {
                let what = "check-ignore".to_owned();
                Err(ProgramError::Failed { what, status: output.status, stderr: output.stderr })
            }
        }
    }

    fn submodules(&self, worktree: &Worktree) -> Result<bool, BootstrapCause> {
        if !worktree.path.join(".gitmodules").is_file() {
            return Ok(false);
        }
        // A submodule has a git directory of its own, for which the worktree's configuration does not count.
        let call = self.git.remote_at(&worktree.path);
        call.args(["submodule", "--quiet", "update", "--init", "--recursive"]).bytes()?;
        Ok(true)
    }

    fn lfs(&self, worktree: &Worktree) -> Result<Lfs, BootstrapCause> {
        let attributes = match fs::read(worktree.path.join(".gitattributes")) {
            Ok(attributes) => String::from_utf8_lossy(&attributes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lfs::NotUsed),
            Err(error) => return Err(error.into()),
        };
        let used =
            attributes.lines().any(|it| !it.trim_start().starts_with('#') && it.contains("filter=lfs"));
        if !used {
            return Ok(Lfs::NotUsed);
        }
        if !self.git.at(&worktree.path).args(["lfs", "version"]).output()?.status.success() {
            return Ok(Lfs::NotInstalled);
        }
        self.with_credentials(worktree)?.args(["lfs", "pull"]).bytes()?;
        Ok(Lfs::Fetched)
    }

    /// A call in `worktree` with the credential helpers that the user configured, which a worker there does
    /// not get: its configuration has them switched off, so they are named again for this call.
    fn with_credentials(&self, worktree: &Worktree) -> Result<Call, ProgramError> {
        let listed = self
            .git
            .at(&self.path)
            .args(["config", "-z", "--get-regexp", r"^credential\..*helper$"])
            .output()?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let call = self.git.remote_at(&worktree.path);
        Ok(listed
            .split_terminator('\0')
            .filter_map(|it| it.split_once('\n'))
            .fold(call, |call, (key, value)| call.config(&format!("{key}={value}"))))
    }
}

/// A name as `-z` lists it, without the zero byte that ends it.
fn native(name: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(name.strip_suffix(b"\0").unwrap_or(name).to_vec()))
}

/// Whether nothing is at `name` in the worktree yet, and the way there leads through directories only.
fn is_free(worktree: &Worktree, name: &Path) -> bool {
    let root = worktree.path.as_std_path();
    let inside = name.components().all(|it| matches!(it, Component::Normal(_)));
    let through = |it: &Path| fs::symlink_metadata(root.join(it)).map_or(true, |it| it.is_dir());
    inside && fs::symlink_metadata(root.join(name)).is_err() && name.ancestors().skip(1).all(through)
}

/// Copies one file or symlink with its mode; `false` for anything else.
fn copy(from: &Path, to: &Path, name: &Path) -> io::Result<bool> {
    let (source, goal) = (from.join(name), to.join(name));
    fs::create_dir_all(goal.parent().unwrap_or(to))?;
    let kind = fs::symlink_metadata(&source)?;
    if kind.is_symlink() {
        fs_err::os::unix::fs::symlink(fs::read_link(&source)?, &goal)?;
    } else if kind.is_file() {
        fs::copy(&source, &goal)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}
