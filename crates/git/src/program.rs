//! The `git` program, run so that it can neither ask a question nor outstay its welcome.
//!
//! What holds for every call: standard input is empty or a file, never a terminal; no prompt of git, of a
//! credential helper or of ssh can appear; variables that would point git at another repository are gone;
//! no hook and no file watcher of a
//! worker's choosing runs; a call that outlives its deadline is ended with everything it started; credentials in
//! URLs are struck out of what it says before anyone reads it.
//!
//! Output goes to unnamed temporary files and not through pipes: a process that git leaves behind (a shared
//! ssh connection does that) may keep its end open for hours, and nobody here waits for it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// The oldest git that has everything used here.
pub const MINIMUM_VERSION: (u32, u32) = (2, 41);

/// How long a call that stays on this machine may take. Generous: checking out a large tree is one.
const LOCAL: Duration = Duration::from_secs(600);
/// How long a call that talks to a remote may take, unless told otherwise.
const NETWORK: Duration = Duration::from_secs(300);
/// How long an overdue git gets to remove its lock files before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// How much of what git wrote to standard error is kept: its end, where the reason stands.
const STDERR_TAIL: u64 = 4096;

/// Variables that choose a repository, an identity or an output that is not ours.
const REMOVED: [&str; 26] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INDEX_VERSION",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_CONFIG",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_LITERAL_PATHSPECS",
    "GIT_EXTERNAL_DIFF",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_DATE",
    "GIT_REFLOG_ACTION",
];

/// Variables that keep git, its helpers and ssh from asking anyone anything. An empty `GIT_ASKPASS`
/// switches off every other way of naming such a program; ssh needs one that fails.
const QUIET: [(&str, &str); 8] = [
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", ""),
    ("SSH_ASKPASS", "false"),
    ("SSH_ASKPASS_REQUIRE", "force"),
    ("GCM_INTERACTIVE", "never"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_EDITOR", "false"),
    ("LC_ALL", "C"),
];

/// Why a call of git gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot run `git {what}` in `{}`", at.display())]
    Start {
        /// The subcommand.
        what: String,
        /// The directory it was to run in.
        at: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It was ended after its deadline.
    #[error("`git {what}` was ended after {} seconds without an answer", after.as_secs_f32())]
    Deadline {
        /// The subcommand.
        what: String,
        /// How long it had.
        after: Duration,
    },
    /// It ended with a failure.
    #[error("`git {what}` failed ({status}): {stderr}")]
    Failed {
        /// The subcommand.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error, without credentials.
        stderr: String,
    },
    /// The installed git is too old.
    #[error("git {found} is too old: {}.{} or newer is needed", MINIMUM_VERSION.0, MINIMUM_VERSION.1)]
    TooOld {
        /// What `git --version` said.
        found: String,
    },
}

/// How to run git: with which environment, and how patiently.
#[derive(Debug, Clone)]
pub struct Git {
    env: Arc<Vec<(OsString, OsString)>>,
    network: Duration,
}

impl Git {
    /// Runs git with `env`, which the caller read at the edge, made quiet.
    #[must_use]
    pub fn new(env: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut env: Vec<_> = env
            .into_iter()
            .filter(|(name, _)| {
                !REMOVED.iter().any(|it| name == it) && !QUIET.iter().any(|(it, _)| name == it)
            })
            .collect();
        env.extend(QUIET.map(|(name, value)| (name.into(), value.into())));
        if !chooses_ssh(&env) {
            env.push(("GIT_SSH_COMMAND".into(), "ssh -oBatchMode=yes".into()));
        }
        Self { env: Arc::new(env), network: NETWORK }
    }

    /// The same, but a call that talks to a remote is ended after `deadline`.
    #[must_use]
    pub fn with_network_deadline(mut self, deadline: Duration) -> Self {
        self.network = deadline;
        self
    }

    /// The version of the installed git, if it is new enough.
    pub fn version(&self) -> Result<String, ProgramError> {
        let said = self.at(Path::new("/")).arg("--version").text()?;
        let found = said.trim().trim_start_matches("git version ").to_owned();
        let mut numbers = found.split('.').map(|it| it.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version < MINIMUM_VERSION {
            return Err(ProgramError::TooOld { found });
        }
        Ok(found)
    }

    /// A call that stays on this machine, run in `dir`.
    pub(crate) fn at(&self, dir: impl AsRef<Path>) -> Call {
        self.call(dir.as_ref(), LOCAL)
    }

    /// A call that talks to a remote, run in `dir`.
    pub(crate) fn remote_at(&self, dir: impl AsRef<Path>) -> Call {
        self.call(dir.as_ref(), self.network)
    }

    fn call(&self, dir: &Path, deadline: Duration) -> Call {
        let mut command = Command::new("git");
        command
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("PWD", dir)
            .current_dir(dir)
            .stdin(Stdio::null())
            .process_group(0)
            .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]);
        Call { command, at: dir.to_owned(), what: String::new(), deadline }
    }
}

/// Whether the user said how ssh is to be run; what they said is then left alone.
fn chooses_ssh(env: &[(OsString, OsString)]) -> bool {
    let in_env = env.iter().any(|(name, _)| name == "GIT_SSH_COMMAND" || name == "GIT_SSH");
    in_env || git2::Config::open_default().is_ok_and(|it| it.get_string("core.sshCommand").is_ok())
}

/// One call of git, being put together.
pub(crate) struct Call {
    command: Command,
    at: PathBuf,
    what: String,
    deadline: Duration,
}

/// What a call that ran to its end left.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// The end of standard error, without credentials.
    pub(crate) stderr: String,
}

impl Call {
    /// Adds an argument; the first that is no option names the call in errors.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        let arg = arg.as_ref();
        if self.what.is_empty() {
            self.what = arg.to_string_lossy().into_owned();
        }
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Sets a configuration value for this call only.
    pub(crate) fn config(mut self, assignment: &str) -> Self {
        self.command.args(["-c", assignment]);
        self
    }

    /// Sets a variable for this call only.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with `input` to read, to its end, however that is.
    pub(crate) fn output_with(mut self, input: &[u8]) -> Result<Output, ProgramError> {
        let file = tempfile::tempfile().and_then(|mut file| {
            file.write_all(input)?;
            file.seek(SeekFrom::Start(0))?;
            Ok(file)
        });
        match file {
            Ok(file) => self.command.stdin(file),
            Err(source) => return Err(ProgramError::Start { what: self.what, at: self.at, source }),
        };
        self.output()
    }

    /// Runs it to its end, however that is.
    pub(crate) fn output(mut self) -> Result<Output, ProgramError> {
        let finished = self.run_to_end();
        match finished {
            Ok(Some(output)) => {
                tracing::trace!(git = self.what, at = %self.at.display(), status = %output.status, "ran");
                Ok(output)
            }
            Ok(None) => Err(ProgramError::Deadline { what: self.what, after: self.deadline }),
            Err(source) => Err(ProgramError::Start { what: self.what, at: self.at, source }),
        }
    }

    /// Runs it and returns what it wrote; a failing exit status is an error.
    pub(crate) fn bytes(self) -> Result<Vec<u8>, ProgramError> {
        let what = self.what.clone();
        let Output { status, stdout, stderr } = self.output()?;
        if !status.success() {
            return Err(ProgramError::Failed { what, status, stderr });
        }
        Ok(stdout)
    }

    /// Like [`Self::bytes`], as text.
    pub(crate) fn text(self) -> Result<String, ProgramError> {
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }

    /// `None` when the deadline passed first.
    fn run_to_end(&mut self) -> io::Result<Option<Output>> {
        let mut stdout = tempfile::tempfile()?;
        let mut stderr = tempfile::tempfile()?;
        let mut child = self.command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).spawn()?;
        let in_time = wait_until(&child, self.deadline);
        let status = child.wait()?;
        if !in_time {
            return Ok(None);
        }
        let mut written = Vec::new();
        stdout.seek(SeekFrom::Start(0))?;
        stdout.read_to_end(&mut written)?;
        Ok(Some(Output { status, stdout: written, stderr: tail(&mut stderr)? }))
    }
}

/// Waits until `child` has ended, and ends it with its whole group when `deadline` passes first.
///
/// The thread that waits does not reap, so the process id stays the child's until the caller reaps it and no
/// signal can hit a stranger.
fn wait_until(child: &Child, deadline: Duration) -> bool {
    let pid = Pid::from_child(child);
    let (ended, has_ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        // Letting go of it is the signal.
        let _ended = ended;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
    });
    let overdue = |wait: Duration| has_ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout);
    if !overdue(deadline) {
        return true;
    }
    // The group outlives its leader when git dies at once and ssh does not, so it is killed in any case.
    for signal in [Signal::TERM, Signal::KILL] {
        if let Err(error) = kill_process_group(pid, signal) {
            tracing::debug!(%error, "an overdue git is gone already");
        }
        overdue(GRACE);
    }
    false
}

fn tail(stderr: &mut File) -> io::Result<String> {
    let length = stderr.seek(SeekFrom::End(0))?;
    stderr.seek(SeekFrom::Start(length.saturating_sub(STDERR_TAIL)))?;
    let mut text = Vec::new();
    stderr.read_to_end(&mut text)?;
    Ok(redact(String::from_utf8_lossy(&text).trim()))
}

/// Strikes user names and passwords out of every URL in `text`.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        clean.push_str(before);
        let authority = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        rest = match after[..authority].rfind('@') {
            Some(at) => {
                clean.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_urls_are_struck_out() {
        let cases = [
            ("fatal: 'https://bob:s3cr3t@host/x.git' gone", "fatal: 'https://***@host/x.git' gone"),
            ("https://tok@a https://b/@c", "https://***@a https://b/@c"),
            ("https://u:p@ss@host/x", "https://***@host/x"),
            ("git@host:x.git", "git@host:x.git"),
        ];
        for (said, shown) in cases {
            assert_eq!(redact(said), shown);
        }
    }

    #[test]
    fn what_would_point_git_elsewhere_is_gone_and_an_own_ssh_stays() {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let git = Git::new([pair("GIT_DIR", "/x"), pair("GIT_SSH_COMMAND", "mine"), pair("LC_ALL", "de_DE")]);
        let get = |name: &str| git.env.iter().filter(|it| it.0 == name).map(|it| &it.1).collect::<Vec<_>>();
        assert!(get("GIT_DIR").is_empty());
        assert_eq!(get("GIT_SSH_COMMAND"), ["mine"]);
        assert_eq!(get("LC_ALL"), ["C"]);
    }
}
