//! A world of one origin, one developer's clone and one `COORD_HOME`, with git's configuration shut out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::id::RunId;
use coord_core::name::{CommitSha, TreeSha};
use coord_git::merge::{Identity, MergeResult};
use coord_git::program::Git;
use coord_git::store::Store;
use coord_git::worktree::{Added, Worktree};
use jiff::Timestamp;

pub(crate) struct World {
    _scratch: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
    pub(crate) origin: Utf8PathBuf,
    /// The developer's clone.
    pub(crate) clone: Utf8PathBuf,
    pub(crate) home: Utf8PathBuf,
    pub(crate) git: Git,
}

pub(crate) fn env() -> Vec<(OsString, OsString)> {
    let path = std::env::vars_os().filter(|(name, _)| name == "PATH");
    let own = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nonexistent")];
    path.chain(own.map(|(name, value)| (name.into(), value.into()))).collect()
}

impl World {
    /// An origin whose `main` has one commit with `README`, and a clone of it.
    pub(crate) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap().canonicalize_utf8().unwrap();
        let world = Self {
            origin: root.join("origin.git"),
            clone: root.join("clone"),
            home: root.join("home"),
            git: Git::new(env()),
            root,
            _scratch: scratch,
        };
        sh(&world.root, "git init -q --bare -b main origin.git && git clone -q origin.git clone 2>&1");
        sh(&world.clone, "echo one > README && git add . && git commit -qm first && git push -q origin main");
        world
    }

    pub(crate) fn store(&self) -> Store {
        self.store_with(&self.git)
    }

    pub(crate) fn store_with(&self, git: &Git) -> Store {
        let repo = "api".parse().unwrap();
        Store::open(git, &self.home, &repo, self.origin.as_str(), Some(&self.clone)).unwrap()
    }

    /// Where worktrees go.
    pub(crate) fn trees(&self) -> Utf8PathBuf {
        self.root.join("trees")
    }

    /// A worktree at `trees/<name>`, standing at origin's main.
    pub(crate) fn worktree(&self, store: &Store, name: &str, id: RunId) -> Worktree {
        let main = store.tip(&"main".parse().unwrap()).unwrap().unwrap();
        match store.add_worktree(&self.trees().join(name), id, &main).unwrap() {
            Added::Ready(worktree) => worktree,
            Added::Leftover(_, work) => panic!("left over: {work:?}"),
        }
    }

    /// Commits `files` on a new branch of the clone that starts at `base`, pushes it, and gives the commit.
    pub(crate) fn branch(&self, name: &str, base: &str, files: &[(&str, &str)]) -> CommitSha {
        sh(&self.clone, &format!("git checkout -q -b {name} {base}"));
        for (path, text) in files {
            fs_err::write(self.clone.join(path), text).unwrap();
        }
        sh(&self.clone, &format!("git add -A && git commit -qm 'on {name}' && git push -q origin {name}"));
        let commit = head(&self.clone);
        sh(&self.clone, "git checkout -q main");
        commit
    }
}

/// Runs a shell line in `dir` as the developer or the worker would, and gives what it printed.
pub(crate) fn sh(dir: &Utf8Path, line: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", line])
        .current_dir(dir)
        .env_clear()
        .envs(env())
        .envs([("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Ann"), ("GIT_COMMITTER_EMAIL", "ann@example.com")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{line}` in {dir}: {said}\n{error}");
    said
}

pub(crate) fn head(dir: &Utf8Path) -> CommitSha {
    sh(dir, "git rev-parse HEAD").parse().unwrap()
}

pub(crate) fn run(n: u64) -> RunId {
    RunId::from_random(n)
}

pub(crate) fn coord() -> Identity {
    Identity { name: "coord".to_owned(), email: "coord@example.com".to_owned() }
}

pub(crate) fn then() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

pub(crate) fn clean(result: MergeResult) -> TreeSha {
    match result {
        MergeResult::Clean(tree) => tree,
        MergeResult::Conflict(paths) => panic!("conflict in {paths:?}"),
    }
}

/// Every file under `dir` with its bytes, its mode aside: what "byte-identical" is about.
pub(crate) fn contents(dir: &Utf8Path) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in dir.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_symlink() {
                all.insert(path.clone(), path.read_link_utf8().unwrap().into_string().into_bytes());
            } else if path.is_dir() {
                left.push(path);
            } else {
                all.insert(path.clone(), fs_err::read(&path).unwrap());
            }
        }
    }
    all
}
