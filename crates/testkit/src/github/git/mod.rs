//! The bare repositories behind the stand-in, through the real git program.
//!
//! Everything blocks: it is called where blocking is allowed. Deliberately absent: any judgement about who may
//! do what.

mod history;
mod merging;
pub(crate) mod packet;
pub(crate) mod transport;

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

pub(crate) use history::{Commit, FileChange, Signature};
pub(crate) use merging::Author;

/// The bare repository at a path.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    dir: Utf8PathBuf,
}

/// What git is told in every repository, whatever its own configuration says: pushing over HTTP is on, any
/// commit can be fetched by its name, and the refs of pull requests are GitHub's own.
/// <https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/reviewing-changes-in-pull-requests/checking-out-pull-requests-locally>
const CONFIG: [(&str, &str); 6] = [
    ("safe.directory", "*"),
    ("http.receivepack", "true"),
    ("uploadpack.allowAnySHA1InWant", "true"),
    ("uploadpack.allowFilter", "true"),
    ("receive.hideRefs", "refs/pull"),
    ("gc.auto", "0"),
];

impl Git {
    pub(crate) fn new(dir: Utf8PathBuf) -> Self {
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// A git command in this repository, with an environment of its own.
    fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.dir).stdin(Stdio::null());
        set_environment(&mut command);
        command
    }

    /// Runs git; the error is what it said.
    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<String, String> {
        finish(self.command(arguments).output())
    }

    /// Runs git on something that is known to be there.
    ///
    /// # Panics
    /// When git fails all the same, which is a bug of the stand-in or a repository that was tampered with.
    #[track_caller]
    pub(crate) fn must<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        self.run(arguments).unwrap_or_else(|said| panic!("git in {}: {said}", self.dir))
    }

    /// Runs git with something to read.
    fn feed(&self, command: Command, input: &[u8]) -> Result<String, String> {
        finish(pipe(command, input))
    }

    pub(crate) fn default_branch(&self) -> String {
        self.run(["symbolic-ref", "--short", "HEAD"]).unwrap_or_else(|_| "main".into())
    }

    /// Every ref, by its full name.
    pub(crate) fn refs(&self) -> Vec<(String, String)> {
        let listed = self.must(["for-each-ref", "--format=%(refname) %(objectname)"]);
        let pairs = listed.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(name, object)| (name.to_owned(), object.to_owned())).collect()
    }

    /// The commit that a name stands for: a branch, a tag, a full ref or (part of) a commit's own name.
    pub(crate) fn resolve(&self, name: &str) -> Option<String> {
        if name.starts_with('-') || name.contains("..") || name.contains('@') {
            return None;
        }
        let candidates = [format!("refs/heads/{name}"), format!("refs/{name}"), name.to_owned()];
        candidates
            .iter()
            .find_map(|it| self.run(["rev-parse", "--verify", "--quiet", &format!("{it}^{{commit}}")]).ok())
    }

    pub(crate) fn has_object(&self, object: &str) -> bool {
        self.run(["cat-file", "-e", object]).is_ok()
    }

    /// The type of an object.
    pub(crate) fn kind_of(&self, object: &str) -> String {
        self.run(["cat-file", "-t", object]).unwrap_or_else(|_| "commit".into())
    }

    /// Moves a ref, or makes it, if it is still where it was; an empty `old` is "wherever it is".
    pub(crate) fn set_ref(&self, name: &str, new: &str, old: &str) -> Result<(), String> {
        let moved = if old.is_empty() {
            self.run(["update-ref", name, new])
        } else {
            self.run(["update-ref", name, new, old])
        };
        moved.map(drop)
    }

    pub(crate) fn delete_ref(&self, name: &str) -> Result<(), String> {
        self.run(["update-ref", "-d", name]).map(drop)
    }
}

/// Everything git needs to know and nothing of this machine but where programs are.
fn set_environment(command: &mut Command) {
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.envs([
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ]);
    command.envs(configuration());
}

/// [`CONFIG`], as variables.
fn configuration() -> Vec<(String, String)> {
    let mut variables = vec![("GIT_CONFIG_COUNT".to_owned(), CONFIG.len().to_string())];
    for (at, (key, value)) in CONFIG.iter().enumerate() {
        variables.push((format!("GIT_CONFIG_KEY_{at}"), (*key).to_owned()));
        variables.push((format!("GIT_CONFIG_VALUE_{at}"), (*value).to_owned()));
    }
    variables
}

/// Runs a program with something to read.
fn pipe(mut command: Command, input: &[u8]) -> std::io::Result<Output> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child?;
    let mut stdin = child.stdin.take().expect("the standard input is piped");
    std::thread::scope(|scope| {
        // Who has read enough closes its end, and says why if that was wrong.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output()
    })
}

fn finish(ran: std::io::Result<Output>) -> Result<String, String> {
    let output = ran.map_err(|error| format!("git cannot be run: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}{}", text(&output.stdout), text(&output.stderr)))
    }
}
