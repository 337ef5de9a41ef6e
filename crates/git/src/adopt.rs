//! What is done once, when a person's repository comes under coordination: looking at what a worktree of it
//! would lack, asking its origin, and, where they agreed to it, giving it an origin.
//!
//! This is the only module that writes to a person's clone, and it writes two things: a remote where there is
//! none ([`give_origin`]) and a line in `info/exclude` ([`keep_out`]).

use std::io;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::name::BranchName;
use fs_err as fs;
use git2::Repository;

use crate::program::{Git, ProgramError};

/// Why a repository could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Its ignored files could not be listed.
    #[error("cannot list the ignored files of `{path}`")]
    Ignored {
        /// The clone.
        path: Utf8PathBuf,
        /// What git said.
        #[source]
        source: ProgramError,
    },
    /// It could not be given an origin.
    #[error("cannot make `{bare}` the origin of `{path}`")]
    Origin {
        /// The clone.
        path: Utf8PathBuf,
        /// The bare repository.
        bare: Utf8PathBuf,
        /// What git said.
        #[source]
        source: ProgramError,
    },
    /// A directory for the origin could not be made.
    #[error("cannot make a place for `{bare}`")]
    Place {
        /// The bare repository.
        bare: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The repository around a file could not be read.
    #[error("cannot read the repository around `{path}`")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
    /// The list of excluded files could not be written.
    #[error("cannot keep `{path}` out of git")]
    Exclude {
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What an origin has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginState {
    /// The branch is there.
    Ready,
    /// There are branches, but not that one.
    OtherBranches(Vec<String>),
    /// There is no branch at all.
    Empty,
}

/// What became of a file that is to stay out of git.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum KeptOut {
    /// It lies in no work tree.
    NotInARepo,
    /// It is ignored already.
    Already,
    /// It is excluded from now on.
    Excluded,
    /// It is committed or staged already, so nothing keeps it out.
    Tracked,
}

/// Whether `origin` can be reached and has `branch`.
pub fn ask_origin(git: &Git, origin: &str, branch: &BranchName) -> Result<OriginState, ProgramError> {
    let said = git.remote_at("/").args(["ls-remote", "--heads", "--quiet", "--", origin]).text()?;
    let names = said.lines().filter_map(|line| line.split_once("\trefs/heads/").map(|(_, name)| name));
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.iter().any(|it| it == branch.as_str()) {
        return Ok(OriginState::Ready);
    }
    Ok(if names.is_empty() { OriginState::Empty } else { OriginState::OtherBranches(names) })
}

/// The files of a clone that git ignores, which a new worktree would not have. Directories that are ignored as
/// a whole (`target/`, `node_modules/`) are left out: they can be made again.
pub fn ignored_files(git: &Git, clone: &Utf8Path) -> Result<Vec<Utf8PathBuf>, AdoptError> {
    let said = git
        .at(clone)
        .args(["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"])
        .text()
        .map_err(|source| AdoptError::Ignored { path: clone.to_owned(), source })?;
    Ok(said.split('\0').filter(|it| !it.is_empty() && !it.ends_with('/')).map(Utf8PathBuf::from).collect())
}

/// Makes a bare repository at `bare`, pushes `branch` of `clone` there and names it `origin` in the clone,
/// which must have no such remote.
pub fn give_origin(
    git: &Git,
    clone: &Utf8Path,
    bare: &Utf8Path,
    branch: &BranchName,
) -> Result<(), AdoptError> {
    let place = |source| AdoptError::Place { bare: bare.to_owned(), source };
    fs::create_dir_all(bare.parent().unwrap_or(bare)).map_err(place)?;
    let failed = |source| AdoptError::Origin { path: clone.to_owned(), bare: bare.to_owned(), source };
    let initial = format!("--initial-branch={branch}");
    git.at("/").args(["init", "--quiet", "--bare", &initial, "--", bare.as_str()]).bytes().map_err(failed)?;
    let refspec = format!("refs/heads/{branch}:refs/heads/{branch}");
    git.at(clone).args(["push", "--quiet", "--", bare.as_str(), &refspec]).bytes().map_err(failed)?;
    git.at(clone).args(["remote", "add", "--", "origin", bare.as_str()]).bytes().map_err(failed)?;
    Ok(())
}

/// Has the repository around `file` ignore it, without a change that anyone would commit.
pub fn keep_out(file: &Utf8Path) -> Result<KeptOut, AdoptError> {
    let read = |source| AdoptError::Read { path: file.to_owned(), source };
    let Ok(repo) = Repository::discover(file.parent().unwrap_or(file)) else {
        return Ok(KeptOut::NotInARepo);
    };
    let real = file.canonicalize_utf8().unwrap_or_else(|_| file.to_owned());
    let Some(inside) = repo.workdir().and_then(|it| real.as_std_path().strip_prefix(it).ok()) else {
        return Ok(KeptOut::NotInARepo);
    };
    if repo.index().map_err(read)?.get_path(inside, 0).is_some() {
        return Ok(KeptOut::Tracked);
    }
    if repo.is_path_ignored(inside).map_err(read)? {
        return Ok(KeptOut::Already);
    }
    exclude(&repo.commondir().join("info/exclude"), inside)
        .map_err(|source| AdoptError::Exclude { path: file.to_owned(), source })?;
    Ok(KeptOut::Excluded)
}

fn exclude(list: &Path, file: &Path) -> io::Result<()> {
    let mut text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.extend(["/", &file.to_string_lossy(), "\n"]);
    fs::create_dir_all(list.parent().unwrap_or(list))?;
    fs::write(list, text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn git(dir: &Utf8Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Dev", "-c", "user.email=dev@example.org"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn program() -> Git {
        let path = std::env::var_os("PATH").unwrap();
        Git::new([
            ("PATH".into(), path),
            ("GIT_CONFIG_GLOBAL".into(), "/dev/null".into()),
            ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ])
    }

    fn clone() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        let clone = root.join("clone");
        fs::create_dir(&clone).unwrap();
        git(&clone, &["init", "--quiet", "--initial-branch=main"]);
        fs::write(clone.join(".gitignore"), ".env\ntarget/\n").unwrap();
        git(&clone, &["add", "."]);
        git(&clone, &["commit", "--quiet", "-m", "first"]);
        (dir, clone)
    }

    #[test]
    fn a_repo_without_origin_gets_one_that_has_its_branch() {
        let (_dir, clone) = clone();
        let bare = clone.parent().unwrap().join("origins/api.git");
        let main: BranchName = "main".parse().unwrap();
        assert!(ask_origin(&program(), bare.as_str(), &main).is_err());
        give_origin(&program(), &clone, &bare, &main).unwrap();
        assert_eq!(git(&clone, &["remote", "get-url", "origin"]), bare.as_str());
        assert_eq!(git(&bare, &["rev-parse", "main"]), git(&clone, &["rev-parse", "HEAD"]));
        assert_eq!(ask_origin(&program(), bare.as_str(), &main).unwrap(), OriginState::Ready);
        let other = ask_origin(&program(), bare.as_str(), &"develop".parse().unwrap()).unwrap();
        assert_eq!(other, OriginState::OtherBranches(vec!["main".to_owned()]));
        assert!(give_origin(&program(), &clone, &bare, &main).is_err(), "it has an origin already");
    }

    #[test]
    fn ignored_files_are_listed_and_ignored_directories_are_not() {
        let (_dir, clone) = clone();
        fs::create_dir(clone.join("target")).unwrap();
        for name in [".env", "target/out", "untracked"] {
            fs::write(clone.join(name), "x").unwrap();
        }
        assert_eq!(ignored_files(&program(), &clone).unwrap(), [".env"]);
    }

    #[test]
    fn a_file_is_kept_out_once_and_nothing_becomes_dirty() {
        let (_dir, clone) = clone();
        let file = clone.join("sub/coordinator.yml");
        fs::create_dir(clone.join("sub")).unwrap();
        fs::write(&file, "x").unwrap();
        assert_eq!(keep_out(&file).unwrap(), KeptOut::Excluded);
        assert_eq!(keep_out(&file).unwrap(), KeptOut::Already);
        assert_eq!(git(&clone, &["status", "--porcelain"]), "");
        assert_eq!(keep_out(&clone.join(".gitignore")).unwrap(), KeptOut::Tracked);
        assert_eq!(keep_out(Utf8Path::new("/nowhere/coordinator.yml")).unwrap(), KeptOut::NotInARepo);
    }
}
