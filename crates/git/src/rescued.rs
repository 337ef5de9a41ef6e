//! Rescued work, looked at: which there is, what is in it, and taking it elsewhere.
//!
//! Two kinds of reference hold it: `refs/coord/rescue/<run>`, what was uncommitted or stashed, and
//! `refs/coord/keep/<run>`, commits that nothing else had when their worktree went. Everything is read here and
//! nothing changed, but for the note that origin has a rescue ref as well.

use std::collections::{BTreeSet, HashSet};

use coord_core::id::RunId;
use coord_core::name::CommitSha;
use git2::{Commit, Oid, Repository};
use jiff::Timestamp;

use crate::history::{HistoryError, find, oid, sha};
use crate::program::{Git, ProgramError};
use crate::refs::{Moved, RefError, target};
use crate::remote::{Expect, Push, RemoteError};
use crate::store::Store;

/// How many files are named.
const NAMED: usize = 20;
/// The tree that holds nothing, which git knows without having it.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// Why rescued work could not be looked at or sent.
#[derive(Debug, thiserror::Error)]
pub enum RescuedError {
    /// History cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A reference cannot be read or written.
    #[error(transparent)]
    Reference(#[from] RefError),
    /// Its patch or its bundle cannot be made.
    #[error("cannot write out `{reference}`")]
    Program {
        /// Which.
        reference: String,
        /// What git said.
        #[source]
        source: ProgramError,
    },
    /// No room for its bundle.
    #[error("no room to write out `{reference}`")]
    Files {
        /// Which.
        reference: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Origin cannot be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// The work of one run that would otherwise have been lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescued {
    /// Whose.
    pub run: RunId,
    /// Where it is in the store.
    pub reference: String,
    /// The commit there. Its tree is the worktree as it was.
    pub commit: CommitSha,
    /// The commit that the worktree stood at; `None` where there was none.
    pub head: Option<CommitSha>,
    /// How many files differ from that head.
    pub files: usize,
    /// The first of them, twenty at most.
    pub names: Vec<String>,
    /// The stashes, newest first.
    pub stashes: Vec<CommitSha>,
    /// An earlier rescue of the same run, which lies beneath it.
    pub earlier: Option<CommitSha>,
    /// How many of the commits up to the head no branch of origin has, as of the last fetch.
    pub commits: usize,
    /// Whether a branch of origin has all of it, as of the last fetch.
    pub published: bool,
    /// Whether origin has it at a reference of the same name.
    pub pushed: bool,
    /// When it was rescued.
    pub at: Timestamp,
}

/// A reference that holds rescued work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RescueRef {
    /// Whose work.
    pub run: RunId,
    /// Its name.
    pub reference: String,
    /// When it was last written.
    pub at: Timestamp,
}

/// A patch, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The patch, as `git apply` takes it when it is whole.
    pub bytes: Vec<u8>,
    /// Whether more was left out.
    pub cut: bool,
}

/// Where it is noted that origin has the rescue ref of `run`.
fn pushed_ref(run: RunId) -> String {
    format!("refs/coord/pushed/{run}")
}

impl Store {
    /// The references that hold rescued work. Cheap: what is in it is not looked at.
    ///
    /// # Errors
    /// When the references cannot be read.
    pub fn rescue_refs(&self) -> Result<Vec<RescueRef>, RescuedError> {
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let mut found = Vec::new();
        for below in ["refs/coord/rescue", "refs/coord/keep"] {
            for reference in self.names_below(below)? {
                let name = reference.rsplit('/').next().unwrap_or_default();
                if let Ok(run) = name.split('-').next().unwrap_or_default().parse() {
                    let at = written_at(&repo, &reference);
                    found.push(RescueRef { run, reference, at });
                }
            }
        }
        Ok(found)
    }

    /// What `reference` of `run` holds; `None` when it is gone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn rescued(&self, run: RunId, reference: &str) -> Result<Option<Rescued>, RescuedError> {
        let read = |source| HistoryError::Read { subject: reference.to_owned(), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let Some(id) = target(&repo, reference).map_err(read)? else { return Ok(None) };
        let commit = find(&repo, &sha(id))?;
        let is_rescue = reference.starts_with("refs/coord/rescue/");
        let parts = if is_rescue { Parts::of(&commit).map_err(read)? } else { Parts::commits(id) };
        let names = changed(&repo, parts.head, &commit).map_err(read)?;
        let unpublished = unpublished(&repo, id).map_err(read)?;
        let mut stashes = parts.stashes;
        let mut beneath = parts.earlier;
        while let Some(earlier) = beneath {
            let more = Parts::of(&find(&repo, &sha(earlier))?).map_err(read)?;
            stashes.extend(more.stashes.into_iter().filter(|it| !stashes.contains(it)).collect::<Vec<_>>());
            beneath = more.earlier;
        }
        let commits = match parts.head {
            Some(head) => count_unpublished(&repo, head).map_err(read)?,
            None => 0,
        };
        Ok(Some(Rescued {
            run,
            reference: reference.to_owned(),
            commit: sha(id),
            head: parts.head.map(sha),
            files: names.len(),
            names: names.into_iter().take(NAMED).collect(),
            stashes: stashes.into_iter().map(sha).collect(),
            earlier: parts.earlier.map(sha),
            commits,
            published: unpublished.is_empty(),
            pushed: target(&repo, &pushed_ref(run)).map_err(read)? == Some(id),
            at: written_at(&repo, reference),
        }))
    }

    /// What the work changes, beginning with what origin does not have; at most about `limit` bytes of it, and then
    /// without the bytes of binary files. The stashes come after the files, each as a patch of its own.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn rescue_patch(&self, rescued: &Rescued, limit: Option<usize>) -> Result<Patch, RescuedError> {
        let read = |source| HistoryError::Read { subject: rescued.reference.clone(), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let base = match &rescued.head {
            Some(head) => fork_point(&repo, oid(head)).map_err(read)?,
            None => None,
        };
        let base = base.map_or(EMPTY_TREE.to_owned(), |it| it.to_string());
        let mut bytes = self.diff(rescued, &base, rescued.commit.as_str(), limit)?;
        for stash in &rescued.stashes {
            let commit = find(&repo, stash)?;
            let summary = String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned();
            bytes.extend_from_slice(format!("\nstash {stash}: {summary}\n\n").as_bytes());
            let before = commit.parent_id(0).map_err(read)?.to_string();
            bytes.extend(self.diff(rescued, &before, stash.as_str(), limit)?);
            if let Ok(untracked) = commit.parent_id(2) {
                bytes.extend(self.diff(rescued, EMPTY_TREE, &untracked.to_string(), limit)?);
            }
        }
        let cut = limit.is_some_and(|it| bytes.len() > it);
        if let Some(limit) = limit.filter(|_| cut) {
            let end = memchr::memrchr(b'\n', &bytes[..limit]).map_or(limit, |it| it + 1);
            bytes.truncate(end);
        }
        Ok(Patch { bytes, cut })
    }

    fn diff(
        &self,
        rescued: &Rescued,
        from: &str,
        to: &str,
        limit: Option<usize>,
    ) -> Result<Vec<u8>, RescuedError> {
        let call = self.git.at(&self.path).args(["diff", "--no-ext-diff", "--no-color", "--no-textconv"]);
        let call = if limit.is_none() { call.args(["--binary", "--full-index"]) } else { call };
        let program = |source| RescuedError::Program { reference: rescued.reference.clone(), source };
        call.args([from, to]).bytes().map_err(program)
    }

    /// The work as a bundle, to be taken to a clone that has what origin has.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn rescue_bundle(&self, rescued: &Rescued) -> Result<Vec<u8>, RescuedError> {
        let files = |source| RescuedError::Files { reference: rescued.reference.clone(), source };
        let program = |source| RescuedError::Program { reference: rescued.reference.clone(), source };
        let scratch = tempfile::tempdir().map_err(files)?;
        let bundle = scratch.path().join("bundle");
        let call = self.git.at(&self.path).args(["bundle", "create", "--quiet"]).arg(&bundle);
        let call = call.arg(&rescued.reference);
        // A bundle of nothing cannot be made, so of what is on origin there is at least the commit itself.
        let call = if rescued.published {
            call.arg(format!("^{}^@", rescued.commit)).arg("--ignore-missing")
        } else {
            call.args(["--not", "--remotes=origin"])
        };
        call.bytes().map_err(program)?;
        fs_err::read(&bundle).map_err(files)
    }

    /// Pushes the work to the reference of origin that has the same name, and notes that it is there. What may not
    /// leave the machine is for the caller to know: see [`crate::leak`].
    ///
    /// # Errors
    /// When origin cannot be asked, or the note not written.
    pub fn push_rescued(
        &self,
        run: RunId,
        reference: &str,
        commit: &CommitSha,
    ) -> Result<Push, RescuedError> {
        let pushed = self.push(commit, reference, Expect::Anything)?;
        if pushed == Push::Done {
            let noted = self.write_ref(
                &pushed_ref(run),
                self.read_ref(&pushed_ref(run))?.as_ref(),
                commit,
                "pushed",
            )?;
            match noted {
                Moved::Done => {}
                Moved::Lost { now } => tracing::debug!(%run, ?now, "somebody else noted it at the same time"),
            }
        }
        Ok(pushed)
    }

    /// Removes rescued work that was at `commit`, with the note that origin has it. Work that is there by now, and
    /// was not then, stays.
    ///
    /// # Errors
    /// When a reference cannot be removed.
    pub fn forget_rescued(
        &self,
        run: RunId,
        reference: &str,
        commit: &CommitSha,
    ) -> Result<Moved, RescuedError> {
        let forgotten = self.delete_ref(reference, commit)?;
        if forgotten == Moved::Done
            && let Some(noted) = self.read_ref(&pushed_ref(run))?.filter(|it| it == commit)
        {
            return Ok(self.delete_ref(&pushed_ref(run), &noted)?);
        }
        Ok(forgotten)
    }
}

/// The user's git, for a clone that is theirs.
pub(crate) fn quiet(git: &Git, dir: &camino::Utf8Path) -> crate::program::Call {
    git.at(dir).config("user.name=coord").config("user.email=coord@localhost")
}

/// What the parents of a rescue commit are, told by their messages.
#[derive(Default)]
struct Parts {
    head: Option<Oid>,
    stashes: Vec<Oid>,
    earlier: Option<Oid>,
}

impl Parts {
    fn commits(head: Oid) -> Self {
        Self { head: Some(head), ..Self::default() }
    }

    fn of(rescue: &Commit<'_>) -> Result<Self, git2::Error> {
        let mut parts = Self::default();
        for (place, parent) in rescue.parents().enumerate() {
            let message = parent.message_raw_bytes();
            if is_stash(&parent)? {
                parts.stashes.push(parent.id());
            } else if message.starts_with(b"rescued from run ") {
                parts.earlier = Some(parent.id());
            } else if place == 0 && !message.starts_with(b"staged by run ") {
                parts.head = Some(parent.id());
            }
        }
        Ok(parts)
    }
}

/// A stash has what was staged as its second parent, which says so.
fn is_stash(commit: &Commit<'_>) -> Result<bool, git2::Error> {
    Ok(commit.parent_count() >= 2 && commit.parent(1)?.message_raw_bytes().starts_with(b"index on "))
}

/// The files in which `commit` differs from `head`.
fn changed(repo: &Repository, head: Option<Oid>, commit: &Commit<'_>) -> Result<Vec<String>, git2::Error> {
    let before = head.map(|it| repo.find_commit(it)?.tree()).transpose()?;
    let diff = repo.diff_tree_to_tree(before.as_ref(), Some(&commit.tree()?), None)?;
    let name = |it: git2::DiffDelta<'_>| {
        it.new_file().path_bytes().or(it.old_file().path_bytes()).map(<[u8]>::to_vec)
    };
    let names = diff.deltas().filter_map(name);
    Ok(names.map(|it| String::from_utf8_lossy(&it).into_owned()).collect())
}

/// What is part of the history of `commit` and of no branch of origin.
pub(crate) fn unpublished(repo: &Repository, commit: Oid) -> Result<Vec<Oid>, git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.push(commit)?;
    walk.hide_glob("refs/remotes/*")?;
    walk.collect()
}

fn count_unpublished(repo: &Repository, commit: Oid) -> Result<usize, git2::Error> {
    Ok(unpublished(repo, commit)?.len())
}

/// Where the history of `head` leaves what origin has, along its first parents.
fn fork_point(repo: &Repository, head: Oid) -> Result<Option<Oid>, git2::Error> {
    let own: HashSet<_> = unpublished(repo, head)?.into_iter().collect();
    let mut at = Some(head);
    while let Some(id) = at.filter(|it| own.contains(it)) {
        at = repo.find_commit(id)?.parent_ids().next();
    }
    Ok(at)
}

/// When a reference was last written, or, where nobody noted that, its commit.
fn written_at(repo: &Repository, reference: &str) -> Timestamp {
    let noted = repo.reflog(reference).ok();
    let noted = noted.and_then(|log| log.get(0).map(|it| it.committer().when().seconds()));
    let made = || Some(repo.find_reference(reference).ok()?.peel_to_commit().ok()?.time().seconds());
    let seconds = noted.or_else(made).unwrap_or_default();
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The distinct paths of both lists, in order.
pub(crate) fn merged<'a>(paths: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let paths: BTreeSet<_> = paths.filter(|it| !it.is_empty()).collect();
    paths.into_iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect()
}
