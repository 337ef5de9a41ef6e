//! Talking to origin: fetching, reading its references, pushing by compare-and-swap.
//!
//! A push is done when origin has the commit, not when git says so: an answer that got lost is found out by
//! reading the remote. Nothing here ever forces a reference that others write.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

use coord_core::name::CommitSha;

use crate::history::HistoryError;
use crate::program::{Output, ProgramError};
use crate::store::{REFSPEC, Store};

/// Why origin could not be used. The text is git's own, without credentials. Cheap to clone, since everyone who
/// waits for one fetch gets the same answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RemoteError {
    /// It cannot be reached, or did not answer in time. Worth another try later.
    #[error("origin of `{repo}` cannot be reached: {reason}")]
    Unreachable {
        /// Whose origin.
        repo: String,
        /// What git said.
        reason: String,
    },
    /// It wants other credentials, or none are configured.
    #[error("origin of `{repo}` does not let us in: {reason}")]
    Auth {
        /// Whose origin.
        repo: String,
        /// What git said.
        reason: String,
    },
    /// There is no such repository, or no such reference in it.
    #[error("origin of `{repo}` does not have it: {reason}")]
    NotFound {
        /// Whose origin.
        repo: String,
        /// What git said.
        reason: String,
    },
    /// It answered and refused, or git failed in a way that has no better name.
    #[error("origin of `{repo}` refused: {reason}")]
    Refused {
        /// Whose origin.
        repo: String,
        /// What git said.
        reason: String,
    },
    /// Something on this machine failed before origin was asked.
    #[error("cannot ask origin of `{repo}`: {reason}")]
    Local {
        /// Whose origin.
        repo: String,
        /// What failed.
        reason: String,
    },
}

/// What a reference on origin must be at for a push to move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect<'a> {
    /// It must not exist.
    Absent,
    /// It must be exactly there.
    At(&'a CommitSha),
    /// Anywhere: for `refs/coord/runs/<run>`, which nobody but the run's own machine writes.
    Anything,
}

/// How a push went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Push {
    /// Origin has the commit at that reference.
    Done,
    /// Someone else moved the reference first; nothing was changed.
    Moved {
        /// Where it is now.
        now: Option<CommitSha>,
    },
    /// Origin said no: a hook, a protected branch, no right to write.
    Refused {
        /// What it said.
        reason: String,
    },
}

/// Fetches that are asked for at the same time, done as few times as is honest.
///
/// A fetch serves everyone who asked before it *began*; who asks while one is under way waits for the next,
/// since origin may have moved after the current one looked.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    state: Mutex<FlightState>,
    landed: Condvar,
}

#[derive(Debug)]
struct FlightState {
    begun: u64,
    under_way: bool,
    /// The number of the last fetch that ended, and how it went.
    last: (u64, Result<(), RemoteError>),
}

impl Default for FlightState {
    fn default() -> Self {
        Self { begun: 0, under_way: false, last: (0, Ok(())) }
    }
}

impl Flight {
    fn fetch(&self, fetch: impl FnOnce() -> Result<(), RemoteError>) -> Result<(), RemoteError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = state.begun + 1;
        while state.under_way && state.last.0 < fresh {
            state = self.landed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.last.0 >= fresh {
            return state.last.1.clone();
        }
        state.begun += 1;
        state.under_way = true;
        let number = state.begun;
        drop(state);
        let result = fetch();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.under_way = false;
        state.last = (number, result.clone());
        self.landed.notify_all();
        result
    }
}

impl Store {
    /// Brings `refs/remotes/origin` up to date with origin as it is now or later, removing what is gone
    /// there. Calls at the same time share a fetch that began after all of them asked.
    pub fn fetch(&self) -> Result<(), RemoteError> {
        self.flight.fetch(|| self.fetch_refspec(REFSPEC, &["--prune"]))
    }

    /// Fetches one reference of origin into one of the store, wherever that was before.
    pub fn fetch_ref(&self, remote_ref: &str, local_ref: &str) -> Result<(), RemoteError> {
        self.fetch_refspec(&format!("+{remote_ref}:{local_ref}"), &["--no-prune"])
    }

    fn fetch_refspec(&self, refspec: &str, options: &[&str]) -> Result<(), RemoteError> {
        let _held = self.lock().map_err(|error| self.local(&error))?;
        self.git
            .remote_at(&self.path)
            .args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"])
            .arg("--no-recurse-submodules")
            .args(options)
            .args(["--", "origin", refspec])
            .bytes()
            .map_err(|error| self.classify(error))?;
        Ok(())
    }

    /// Where `remote_ref` is on origin at this moment. Asks origin; the store's copy is not consulted.
    pub fn remote_ref(&self, remote_ref: &str) -> Result<Option<CommitSha>, RemoteError> {
        let call = self.git.remote_at(&self.path).args(["ls-remote", "--quiet", "--refs"]);
        let answer = call.args(["--", "origin", remote_ref]).text().map_err(|error| self.classify(error))?;
        let line = answer.lines().find_map(|line| {
            let (id, name) = line.split_once('\t')?;
            (name == remote_ref).then(|| id.parse().ok())
        });
        Ok(line.flatten())
    }

    /// The references of origin that match `pattern`, and where they are at this moment.
    pub fn remote_refs(&self, pattern: &str) -> Result<Vec<(String, CommitSha)>, RemoteError> {
        let call = self.git.remote_at(&self.path).args(["ls-remote", "--quiet", "--refs"]);
        let answer = call.args(["--", "origin", pattern]).text().map_err(|error| self.classify(error))?;
        let line =
            |it: &str| it.split_once('\t').and_then(|(id, name)| Some((name.to_owned(), id.parse().ok()?)));
        Ok(answer.lines().filter_map(line).collect())
    }

    /// Moves `remote_ref` on origin to `commit`, provided that it is where `expect` says.
    pub fn push(
        &self,
        commit: &CommitSha,
        remote_ref: &str,
        expect: Expect<'_>,
    ) -> Result<Push, RemoteError> {
        self.push_refspec(Some(commit), remote_ref, expect)
    }

    /// Moves `remote_ref` on origin from `from` forward to `commit`. Whatever would drop a commit of it is
    /// refused here, before origin is asked: with the start compared by origin itself, no race is left.
    pub fn push_forward(
        &self,
        commit: &CommitSha,
        remote_ref: &str,
        from: &CommitSha,
    ) -> Result<Push, RemoteError> {
        let forward = self.is_ancestor(from, commit).map_err(|error| self.unreadable(&error))?;
        if !forward {
            return Ok(Push::Refused { reason: format!("{commit} does not contain {from}") });
        }
        self.push_refspec(Some(commit), remote_ref, Expect::At(from))
    }

    /// As [`Store::push_forward`], and in the same breath moves the branch `branch` from its head `head` to
    /// `commit` as well: both or neither. A forge that looks for the head of a pull request in the base branch
    /// finds it there, although what landed are other commits than the change's own.
    pub fn push_forward_with(
        &self,
        commit: &CommitSha,
        remote_ref: &str,
        from: &CommitSha,
        (branch, head): (&str, &CommitSha),
    ) -> Result<Push, RemoteError> {
        let forward = self.is_ancestor(from, commit).map_err(|error| self.unreadable(&error))?;
        if !forward {
            return Ok(Push::Refused { reason: format!("{commit} does not contain {from}") });
        }
        let refspecs = [format!("{commit}:{remote_ref}"), format!("{commit}:{branch}")];
        let leases = [
            format!("--force-with-lease={remote_ref}:{from}"),
            format!("--force-with-lease={branch}:{head}"),
        ];
        let output = self.push_call(&leases, &refspecs, &["--atomic"]);
        if output.as_ref().is_ok_and(|it| it.status.success()) {
            return Ok(Push::Done);
        }
        let now = self.remote_ref(remote_ref)?;
        if now.as_ref() == Some(commit) {
            return Ok(Push::Done);
        }
        let head_now = self.remote_ref(branch)?;
        self.judge(output, now.as_ref() == Some(from) && head_now.as_ref() == Some(head), now)
    }

    /// Removes `remote_ref` from origin, provided that it is at `expected`. One that is gone counts as done.
    pub fn delete_remote(&self, remote_ref: &str, expected: &CommitSha) -> Result<Push, RemoteError> {
        self.push_refspec(None, remote_ref, Expect::At(expected))
    }

    fn push_refspec(
        &self,
        commit: Option<&CommitSha>,
        remote_ref: &str,
        expect: Expect<'_>,
    ) -> Result<Push, RemoteError> {
        let source = commit.map_or("", CommitSha::as_str);
        let lease = match expect {
            Expect::Absent => format!("--force-with-lease={remote_ref}:"),
            Expect::At(old) => format!("--force-with-lease={remote_ref}:{old}"),
            Expect::Anything => "--force".to_owned(),
        };
        let output = self.push_call(&[lease], &[format!("{source}:{remote_ref}")], &[]);
        if output.as_ref().is_ok_and(|it| it.status.success()) {
            return Ok(Push::Done);
        }
        // Whatever was said, origin knows best: the push may have landed and its answer been lost.
        match self.remote_ref(remote_ref) {
            Ok(now) if now.as_ref() == commit => Ok(Push::Done),
            Ok(now) => self.judge(output, as_expected(expect, now.as_ref()), now),
            Err(_) => Err(output.map_or_else(|error| self.classify(error), |it| self.explain(&it.stderr))),
        }
    }

    fn push_call(
        &self,
        leases: &[String],
        refspecs: &[String],
        options: &[&str],
    ) -> Result<Output, ProgramError> {
        self.git
            .remote_at(&self.path)
            .args(["push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"])
            .args(options)
            .args(leases)
            .args(["--", "origin"])
            .args(refspecs)
            .output()
    }

    /// What a push that origin does not have came to, `in_place` being whether everything is where it was
    /// expected.
    fn judge(
        &self,
        output: Result<Output, ProgramError>,
        in_place: bool,
        now: Option<CommitSha>,
    ) -> Result<Push, RemoteError> {
        let output = output.map_err(|error| self.classify(error))?;
        match rejection(&output) {
            Some(_) if !in_place => Ok(Push::Moved { now }),
            Some(reason) => Ok(Push::Refused { reason }),
            None => Err(self.explain(&output.stderr)),
        }
    }

    fn classify(&self, error: ProgramError) -> RemoteError {
        match error {
            ProgramError::Failed { stderr, .. } => self.explain(&stderr),
            ProgramError::Deadline { .. } => {
                RemoteError::Unreachable { repo: self.repo.to_string(), reason: error.to_string() }
            }
            ProgramError::Start { ref source, .. } => self.local(source),
            ProgramError::TooOld { .. } => {
                RemoteError::Local { repo: self.repo.to_string(), reason: error.to_string() }
            }
        }
    }

    fn local(&self, error: &io::Error) -> RemoteError {
        RemoteError::Local { repo: self.repo.to_string(), reason: error.to_string() }
    }

    fn unreadable(&self, error: &HistoryError) -> RemoteError {
        RemoteError::Local { repo: self.repo.to_string(), reason: error.to_string() }
    }

    /// Names the kind of failure that `stderr` tells of.
    fn explain(&self, stderr: &str) -> RemoteError {
        let says = |needles: &[&str]| needles.iter().any(|it| stderr.contains(it));
        let (repo, reason) = (self.repo.to_string(), stderr.to_owned());
        if says(&AUTH) {
            RemoteError::Auth { repo, reason }
        } else if says(&UNREACHABLE) {
            RemoteError::Unreachable { repo, reason }
        } else if says(&NOT_FOUND) {
            RemoteError::NotFound { repo, reason }
        } else {
            RemoteError::Refused { repo, reason }
        }
    }
}

const AUTH: [&str; 9] = [
    "terminal prompts disabled",
    "could not read Username",
    "could not read Password",
    "Authentication failed",
    "Permission denied (",
    "Host key verification failed",
    "Invalid username or password",
    "returned error: 401",
    "returned error: 403",
];

const UNREACHABLE: [&str; 13] = [
    "Could not resolve host",
    "Couldn't connect to server",
    "Failed to connect",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Operation timed out",
    "Network is unreachable",
    "No route to host",
    "the remote end hung up",
    "early EOF",
    "returned error: 5",
    "SSL",
];

const NOT_FOUND: [&str; 6] = [
    "not found",
    "Repository not found",
    "does not exist",
    "does not appear to be a git repository",
    "couldn't find remote ref",
    "No such file or directory",
];

fn as_expected(expect: Expect<'_>, now: Option<&CommitSha>) -> bool {
    match expect {
        Expect::Absent => now.is_none(),
        Expect::At(old) => now == Some(old),
        Expect::Anything => true,
    }
}

/// What a `git push --porcelain` line says that begins with `!`; `None` when origin never judged the push.
fn rejection(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix("!\t"))?;
    let summary = line.split_once('\t').map_or(line, |(_, summary)| summary);
    let remote: Vec<_> = output.stderr.lines().filter_map(|it| it.strip_prefix("remote: ")).collect();
    let reason = [summary.trim()].into_iter().chain(remote.iter().map(|it| it.trim()));
    Some(reason.filter(|it| !it.is_empty()).collect::<Vec<_>>().join("; "))
}
