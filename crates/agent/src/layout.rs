//! Where everything of an agent server lies under `COORD_HOME`: the one place that joins these paths.
//!
//! ```text
//! COORD_HOME/
//!   agent/token            bearer token, mode 0600, made at the first start
//!   agent/server.json      who is listening: pid, address, version (for people and `doctor`); locked by it
//!   agent/fences.json      the highest fence seen for each task
//!   agent/feed.ndjson      the server's own feed
//!   agent/gc.json          what is to go and has not gone yet
//!   agent/looked.json      when somebody last looked at rescued work
//!   repos/<repo>.git       the repo store
//!   worktrees/<repo>/<branch>
//!   runs/<run>/            everything about one run:
//!     spec.json            what the coordinator asked for; written before the answer
//!     order.json           what the shim is to do, mode 0600; written once the worktree stands
//!     prompt               what its worker is told, mode 0600, where that takes it from a file
//!     shim.json            the shim's identity; locked by it for as long as it lives
//!     shim.sock            its control socket
//!     git/                 the git directory of a worker that may not write to the repo store, while it works
//!     log.ndjson           the event log
//!     exit.json            how it ended; its existence is the fact that it did
//!     unpushed.json        its commits are not on origin yet: why, and how often that was tried
//!     pushed.json          they were not at its end, and are since then
//!     gone.json            when everything else of it went but its spec and its exit record
//!     transcript.jsonl     the transcript of its session, mode 0600: sent for it before it started, or kept at its end
//!     collected            empty: its worktree is dealt with and its end is in the feed, nothing is left to do
//! ```

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::id::RunId;
use coord_core::name::{BranchName, RepoName};
use coord_core::run::RunKind;

/// The directory of an agent server's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(Utf8PathBuf);

impl Home {
    /// `root` is `COORD_HOME`, an absolute path.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self(root.into())
    }

    /// `COORD_HOME` itself.
    #[must_use]
    pub fn root(&self) -> &Utf8Path {
        &self.0
    }

    /// The server's own directory.
    #[must_use]
    pub fn agent(&self) -> Utf8PathBuf {
        self.0.join("agent")
    }

    /// The bearer token.
    #[must_use]
    pub fn token(&self) -> Utf8PathBuf {
        self.agent().join("token")
    }

    /// Who is listening, and the lock that one server holds.
    #[must_use]
    pub fn server_record(&self) -> Utf8PathBuf {
        self.agent().join("server.json")
    }

    /// The highest fence seen for each task.
    #[must_use]
    pub fn fences(&self) -> Utf8PathBuf {
        self.agent().join("fences.json")
    }

    /// The server's own feed.
    #[must_use]
    pub fn feed(&self) -> Utf8PathBuf {
        self.agent().join("feed.ndjson")
    }

    /// What is to go and has not gone yet.
    #[must_use]
    pub fn clearing(&self) -> Utf8PathBuf {
        self.agent().join("gc.json")
    }

    /// When somebody last looked at rescued work.
    #[must_use]
    pub fn looked(&self) -> Utf8PathBuf {
        self.agent().join("looked.json")
    }

    /// All runs.
    #[must_use]
    pub fn runs(&self) -> Utf8PathBuf {
        self.0.join("runs")
    }

    /// One run.
    #[must_use]
    pub fn run(&self, run: RunId) -> RunDir {
        RunDir(self.runs().join(run.to_string()))
    }

    /// All worktrees. Nothing outside of it is ever removed.
    #[must_use]
    pub fn worktrees(&self) -> Utf8PathBuf {
        self.0.join("worktrees")
    }

    /// Where a run works. The path of agent work belongs to the change, so that a retry finds its session
    /// where it was; a test gets a place of its own beside it.
    #[must_use]
    pub fn worktree(&self, repo: &RepoName, branch: &BranchName, kind: RunKind, run: RunId) -> Utf8PathBuf {
        let flat = branch.as_str().replace('/', "+");
        let name = if kind.is_agent_work() { flat } else { format!("{flat}@{run}") };
        self.worktrees().join(repo.as_str()).join(name)
    }
}

/// The directory of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir(Utf8PathBuf);

impl RunDir {
    /// A run's directory, from the shim's side.
    pub fn at(path: impl Into<Utf8PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.0
    }

    /// What the coordinator asked for.
    #[must_use]
    pub fn spec(&self) -> Utf8PathBuf {
        self.0.join("spec.json")
    }

    /// What the shim is to do.
    #[must_use]
    pub fn order(&self) -> Utf8PathBuf {
        self.0.join("order.json")
    }

    /// What the worker is told, for one that takes it from a file.
    #[must_use]
    pub fn prompt(&self) -> Utf8PathBuf {
        self.0.join("prompt")
    }

    /// The shim's identity, and its lock.
    #[must_use]
    pub fn shim(&self) -> Utf8PathBuf {
        self.0.join("shim.json")
    }

    /// The shim's control socket.
    #[must_use]
    pub fn socket(&self) -> Utf8PathBuf {
        self.0.join("shim.sock")
    }

    /// The socket that the worker reports through.
    #[must_use]
    pub fn report_socket(&self) -> Utf8PathBuf {
        self.0.join("report.sock")
    }

    /// The directory that comes first in the worker's `PATH`.
    #[must_use]
    pub fn tools(&self) -> Utf8PathBuf {
        self.0.join("bin")
    }

    /// Files that the worker handed over.
    #[must_use]
    pub fn artifacts(&self) -> Utf8PathBuf {
        self.0.join("artifacts")
    }

    /// What was to be told to the worker, one file for each message.
    #[must_use]
    pub fn messages(&self) -> Utf8PathBuf {
        self.0.join("messages")
    }

    /// The git directory of a worker that may not write to the repo store.
    #[must_use]
    pub fn git(&self) -> Utf8PathBuf {
        self.0.join("git")
    }

    /// The event log.
    #[must_use]
    pub fn log(&self) -> Utf8PathBuf {
        self.0.join("log.ndjson")
    }

    /// The exit record.
    #[must_use]
    pub fn exit(&self) -> Utf8PathBuf {
        self.0.join("exit.json")
    }

    /// The note that its commits are not on origin yet.
    #[must_use]
    pub fn unpushed(&self) -> Utf8PathBuf {
        self.0.join("unpushed.json")
    }

    /// The note that its commits came to origin after its end.
    #[must_use]
    pub fn pushed(&self) -> Utf8PathBuf {
        self.0.join("pushed.json")
    }

    /// The note of when its log went.
    #[must_use]
    pub fn gone(&self) -> Utf8PathBuf {
        self.0.join("gone.json")
    }

    /// What may go once the run is over: everything but what says that there was a run, what it was asked for and how
    /// it ended.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn may_go(&self) -> io::Result<Vec<Utf8PathBuf>> {
        let stay = [self.spec(), self.exit(), self.pushed(), self.gone(), self.collected()];
        let paths = self.0.read_dir_utf8()?.map(|it| it.map(camino::Utf8DirEntry::into_path));
        let paths = paths.collect::<io::Result<Vec<_>>>()?;
        Ok(paths.into_iter().filter(|it| !stay.contains(it)).collect())
    }

    /// How many bytes that takes.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn room(&self) -> io::Result<u64> {
        self.may_go()?.iter().map(|it| size(it)).sum()
    }

    /// The transcript of its session.
    #[must_use]
    pub fn transcript(&self) -> Utf8PathBuf {
        self.0.join("transcript.jsonl")
    }

    /// The mark that nothing is left to do for the run.
    #[must_use]
    pub fn collected(&self) -> Utf8PathBuf {
        self.0.join("collected")
    }
}

/// How many bytes a file takes, or a directory with everything in it.
fn size(path: &Utf8Path) -> io::Result<u64> {
    let metadata = fs_err::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    path.read_dir_utf8()?.map(|it| size(it?.path())).sum()
}
