//! A repository with an origin, a developer's clone of it, and other people who push.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Environment, Running};

/// A bare origin and a clone of it. The project in it is small, and its tests are real: `./test.sh` fails when
/// `sum` is wrong, and when a word stands in two of the lists below `words`; so two changes that each add a
/// list can pass alone and fail together without a conflict.
#[derive(Debug, Clone)]
pub struct Repo {
    /// The bare repository that `origin` is.
    pub origin: Utf8PathBuf,
    /// The developer's clone.
    pub clone: Utf8PathBuf,
    /// The default branch.
    pub branch: String,
    environment: Environment,
}

const PROJECT: [(&str, &str); 4] = [
    ("README.md", "# A small project\n\nIt sums, and it keeps lists of words.\n"),
    ("lib/sum.sh", "sum() { echo $(($1 + $2)); }\n"),
    ("words/fruit.txt", "apple\npear\n"),
    (
        "test.sh",
        "#!/bin/sh\nset -eu\ncd \"$(dirname \"$0\")\"\n. lib/sum.sh\n\
         [ \"$(sum 2 3)\" = 5 ] || { echo \"2 + 3 gives $(sum 2 3)\" >&2; exit 1; }\n\
         twice=$(cat words/*.txt | sort | uniq -d)\n\
         [ -z \"$twice\" ] || { echo \"in two lists: $twice\" >&2; exit 1; }\n\
         echo \"all tests pass\"\n",
    ),
];

impl Repo {
    pub(super) fn create(environment: Environment, name: &str, branch: &str) -> Self {
        let origin = environment.dir.join(format!("origin/{name}.git"));
        let clone = environment.dir.join("home/src").join(name);
        let repo = Self { origin, clone, branch: branch.into(), environment };
        let (origin, clone) = (repo.origin.as_str(), repo.clone.as_str());
        repo.git(&repo.environment.dir, ["init", "--quiet", "--bare", "--initial-branch", branch, origin]);
        repo.git(&repo.environment.dir, ["clone", "--quiet", &repo.url(), clone]);
        repo.git(&repo.clone, ["checkout", "--quiet", "-B", branch]);
        repo.commit("the project", &PROJECT);
        repo.git(&repo.clone, ["push", "--quiet", "--set-upstream", "origin", branch]);
        repo.git(&repo.clone, ["remote", "set-head", "origin", branch]);
        repo
    }

    /// The origin as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("file://{}", self.origin)
    }

    /// Runs git in a directory and returns what it prints, without the end of the last line.
    ///
    /// # Panics
    /// When git fails.
    #[track_caller]
    pub fn git<'a>(&self, dir: &Utf8Path, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let mut command = self.environment.command("git");
        command.args(arguments).current_dir(dir);
        Running::start(command).wait().success().stdout.trim_end().to_owned()
    }

    /// Commits files in the developer's clone, without pushing, and returns the commit.
    #[track_caller]
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        self.commit_in(&self.clone, message, files)
    }

    /// Has another person commit files onto a branch of origin and push; a new branch starts at the default
    /// one. Returns the commit.
    ///
    /// # Panics
    /// When the push is refused.
    #[track_caller]
    pub fn push_as(&self, person: &str, branch: &str, message: &str, files: &[(&str, &str)]) -> String {
        let scratch = tempfile::tempdir_in(self.environment.dir.join("tmp")).expect("a scratch directory");
        let dir = Utf8Path::from_path(scratch.path()).expect("the world's paths are UTF-8").join("clone");
        self.git(&self.environment.dir, ["clone", "--quiet", &self.url(), dir.as_str()]);
        let start = if self.head(branch).is_some() { branch } else { &self.branch };
        self.git(&dir, ["checkout", "--quiet", "-B", branch, &format!("origin/{start}")]);
        self.git(&dir, ["config", "user.name", person]);
        let commit = self.commit_in(&dir, message, files);
        self.git(&dir, ["push", "--quiet", "origin", branch]);
        commit
    }

    fn commit_in(&self, dir: &Utf8Path, message: &str, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            let path = dir.join(path);
            let parent = path.parent().expect("a file lies in a directory");
            fs_err::create_dir_all(parent).expect("directories of a clone can be made");
            fs_err::write(&path, content).expect("files of a clone can be written");
            if content.starts_with("#!") {
                fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("own file");
            }
        }
        self.git(dir, ["add", "--all"]);
        self.git(dir, ["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(dir, ["rev-parse", "HEAD"])
    }

    /// Every ref of origin, by its full name.
    #[must_use]
    pub fn refs(&self) -> BTreeMap<String, String> {
        let listed = self.git(&self.origin, ["for-each-ref", "--format=%(refname) %(objectname)"]);
        let pairs = listed.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(name, commit)| (name.to_owned(), commit.to_owned())).collect()
    }

    /// The commit that a branch of origin is at.
    #[must_use]
    pub fn head(&self, branch: &str) -> Option<String> {
        self.refs().remove(&format!("refs/heads/{branch}"))
    }

    /// The subjects of a branch of origin, newest first.
    #[must_use]
    pub fn log(&self, branch: &str) -> Vec<String> {
        let log = self.git(&self.origin, ["log", "--format=%s", branch, "--"]);
        log.lines().map(String::from).collect()
    }

    /// A file as it is on a branch of origin.
    #[must_use]
    pub fn file(&self, branch: &str, path: &str) -> Option<String> {
        let mut command = self.environment.command("git");
        command.args(["cat-file", "blob", &format!("{branch}:{path}")]).current_dir(&self.origin);
        let shown = Running::start(command).wait();
        shown.status.success().then_some(shown.stdout)
    }

    /// Everything in the developer's clone, to compare with later.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut files = BTreeMap::new();
        collect(&self.clone, &self.clone, &mut files);
        Fingerprint { files }
    }
}

/// A hash of every file of a clone with its mode: the working tree, and all of `.git` (`HEAD`, the index, refs,
/// stashes, configuration, objects).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    files: BTreeMap<Utf8PathBuf, u64>,
}

impl Fingerprint {
    /// Nothing has changed since `before`.
    ///
    /// # Panics
    /// Otherwise, with the files that did.
    #[track_caller]
    pub fn assert_same_as(&self, before: &Self) {
        let paths = self.files.keys().chain(before.files.keys());
        let changed: Vec<_> = paths.filter(|path| self.files.get(*path) != before.files.get(*path)).collect();
        assert!(changed.is_empty(), "the developer's clone was touched: {changed:?}");
    }
}

fn collect(root: &Utf8Path, dir: &Utf8Path, files: &mut BTreeMap<Utf8PathBuf, u64>) {
    for entry in dir.read_dir_utf8().expect("a clone can be listed") {
        let path = entry.expect("a clone can be listed").into_path();
        let metadata = fs_err::symlink_metadata(&path).expect("what is listed is there");
        let mut hasher = DefaultHasher::new();
        metadata.permissions().mode().hash(&mut hasher);
        if metadata.is_dir() {
            collect(root, &path, files);
        } else if metadata.is_symlink() {
            fs_err::read_link(&path).expect("a link can be read").hash(&mut hasher);
        } else {
            fs_err::read(&path).expect("a file can be read").hash(&mut hasher);
        }
        let name = path.strip_prefix(root).expect("it lies below the root").to_owned();
        files.insert(name, hasher.finish());
    }
}
