//! Questions about commits that are in the store. All answered by libgit2, none by a process.

use coord_core::name::{CommitSha, TreeSha};
use git2::{Commit, DiffFormat, DiffStatsFormat, ErrorCode, Oid, Repository, Sort};

use crate::program::ProgramError;
use crate::store::Store;

/// Why a question about history has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store cannot be opened.
    #[error("cannot open the repo store")]
    Open(#[source] git2::Error),
    /// An object or the way to it cannot be read.
    #[error("cannot read `{subject}`")]
    Read {
        /// The commit or range.
        subject: String,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
    /// What a change consists of could not be summed up.
    #[error("cannot sum up `{subject}`")]
    Patch {
        /// The range.
        subject: String,
        /// What git said.
        #[source]
        source: Box<ProgramError>,
    },
}

/// One commit, as it is listed for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitLine {
    /// Which one.
    pub sha: CommitSha,
    /// The first line of its message.
    pub subject: String,
}

/// How large a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffStat {
    /// Files that differ.
    pub files: usize,
    /// Lines added.
    pub insertions: usize,
    /// Lines removed.
    pub deletions: usize,
}

impl Store {
    /// Whether the store has `commit`.
    pub fn contains(&self, commit: &CommitSha) -> Result<bool, HistoryError> {
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        match repo.find_commit(oid(commit)) {
            Ok(_) => Ok(true),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
            Err(source) => Err(HistoryError::Read { subject: commit.to_string(), source }),
        }
    }

    /// The tree of `commit`.
    pub fn tree_of(&self, commit: &CommitSha) -> Result<TreeSha, HistoryError> {
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        Ok(tree_sha(find(&repo, commit)?.tree_id()))
    }

    /// The parents of `commit`, first parent first.
    pub fn parents(&self, commit: &CommitSha) -> Result<Vec<CommitSha>, HistoryError> {
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        Ok(find(&repo, commit)?.parent_ids().map(sha).collect())
    }

    /// How many commits `head` has that `base` does not.
    pub fn ahead(&self, base: &CommitSha, head: &CommitSha) -> Result<u64, HistoryError> {
        let read = |source| HistoryError::Read { subject: format!("{base}..{head}"), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let (ahead, _) = repo.graph_ahead_behind(oid(head), oid(base)).map_err(read)?;
        Ok(ahead as u64)
    }

    /// Whether `ancestor` is part of the history of `head`; a commit is part of its own.
    pub fn is_ancestor(&self, ancestor: &CommitSha, head: &CommitSha) -> Result<bool, HistoryError> {
        let read = |source| HistoryError::Read { subject: format!("{ancestor}..{head}"), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        Ok(ancestor == head || repo.graph_descendant_of(oid(head), oid(ancestor)).map_err(read)?)
    }

    /// The commits that `head` has and `base` does not, oldest first.
    pub fn commits(&self, base: &CommitSha, head: &CommitSha) -> Result<Vec<CommitLine>, HistoryError> {
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        between(&repo, oid(base), oid(head))?
            .into_iter()
            .map(|id| {
                let commit = find(&repo, &sha(id))?;
                let subject = commit.summary_bytes().map(String::from_utf8_lossy).unwrap_or_default();
                Ok(CommitLine { sha: sha(id), subject: subject.into_owned() })
            })
            .collect()
    }

    /// The whole messages of the commits that `head` has and `base` does not, oldest first.
    pub fn messages(
        &self,
        base: &CommitSha,
        head: &CommitSha,
    ) -> Result<Vec<(CommitSha, String)>, HistoryError> {
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let message = |id| {
            let commit = find(&repo, &sha(id))?;
            Ok((sha(id), String::from_utf8_lossy(commit.message_raw_bytes()).into_owned()))
        };
        between(&repo, oid(base), oid(head))?.into_iter().map(message).collect()
    }

    /// How much `head` changed since it left `base`: what others merged since is not counted.
    pub fn diff_stat(&self, base: &CommitSha, head: &CommitSha) -> Result<DiffStat, HistoryError> {
        let read = |source| HistoryError::Read { subject: format!("{base}...{head}"), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let fork = repo.merge_base(oid(base), oid(head)).map_err(read)?;
        let before = find(&repo, &sha(fork))?.tree().map_err(read)?;
        let after = find(&repo, head)?.tree().map_err(read)?;
        let diff = repo.diff_tree_to_tree(Some(&before), Some(&after), None).map_err(read)?;
        let stats = diff.stats().map_err(read)?;
        Ok(DiffStat {
            files: stats.files_changed(),
            insertions: stats.insertions(),
            deletions: stats.deletions(),
        })
    }
}

impl Store {
    /// What `head` changed since it left `base`, as people read it: how much in each file, then the patch, of which no
    /// more than about `limit` bytes are made. What is missing is said.
    pub fn diff_text(
        &self,
        base: &CommitSha,
        head: &CommitSha,
        limit: usize,
    ) -> Result<String, HistoryError> {
        let read = |source| HistoryError::Read { subject: format!("{base}...{head}"), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let fork = repo.merge_base(oid(base), oid(head)).map_err(read)?;
        let before = find(&repo, &sha(fork))?.tree().map_err(read)?;
        let after = find(&repo, head)?.tree().map_err(read)?;
        let diff = repo.diff_tree_to_tree(Some(&before), Some(&after), None).map_err(read)?;
        let stats = diff.stats().and_then(|it| it.to_buf(DiffStatsFormat::FULL, 80)).map_err(read)?;
        let mut text = String::from_utf8_lossy(&stats).into_owned();
        let mut whole = true;
        let printed = diff.print(DiffFormat::Patch, |_, _, line| {
            if let sign @ ('+' | '-' | ' ') = line.origin() {
                text.push(sign);
            }
            let content = &line.content()[..line.content().len().min(limit)];
            text.push_str(&String::from_utf8_lossy(content));
            whole = text.len() < limit;
            whole
        });
        match printed {
            Err(source) if whole => return Err(read(source)),
            Err(_) => text.push_str("(the rest of the diff is left out)\n"),
            Ok(()) => {}
        }
        Ok(text)
    }

    /// What `head` changes since it left `base`, as a number that a pure rebase does not alter; `None` when it
    /// changes nothing. It is that of `git diff --full-index --binary | git patch-id --verbatim`, so white space
    /// counts and binary files do as well.
    pub fn patch_id(&self, base: &CommitSha, head: &CommitSha) -> Result<Option<String>, HistoryError> {
        let read = |source| HistoryError::Read { subject: format!("{base}...{head}"), source };
        let failed =
            |source| HistoryError::Patch { subject: format!("{base}...{head}"), source: Box::new(source) };
        let fork = {
            let repo = self.libgit2().map_err(HistoryError::Open)?;
            sha(repo.merge_base(oid(base), oid(head)).map_err(read)?)
        };
        let range = format!("{fork}..{head}");
        let diff =
            self.git.at(&self.path).args(["diff", "--full-index", "--binary", "--no-ext-diff", &range]);
        let diff = diff.bytes().map_err(failed)?;
        let output = self.git.at(&self.path).args(["patch-id", "--verbatim"]).output_with(&diff);
        let said = String::from_utf8_lossy(&output.map_err(failed)?.stdout).into_owned();
        Ok(said.split_whitespace().next().map(str::to_owned))
    }
}

/// The commits of `head` that `base` lacks, parents before children.
pub(crate) fn between(repo: &Repository, base: Oid, head: Oid) -> Result<Vec<Oid>, HistoryError> {
    let read = |source| HistoryError::Read { subject: format!("{base}..{head}"), source };
    let mut walk = repo.revwalk().map_err(read)?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE).map_err(read)?;
    walk.push(head).map_err(read)?;
    walk.hide(base).map_err(read)?;
    walk.collect::<Result<_, _>>().map_err(read)
}

pub(crate) fn find<'repo>(
    repo: &'repo Repository,
    commit: &CommitSha,
) -> Result<Commit<'repo>, HistoryError> {
    repo.find_commit(oid(commit)).map_err(|source| HistoryError::Read { subject: commit.to_string(), source })
}

pub(crate) fn oid(commit: &CommitSha) -> Oid {
    Oid::from_str(commit.as_str()).expect("a commit hash is 40 hex digits")
}

pub(crate) fn sha(id: Oid) -> CommitSha {
    id.to_string().parse().expect("an object id is 40 hex digits")
}

pub(crate) fn tree_sha(id: Oid) -> TreeSha {
    id.to_string().parse().expect("an object id is 40 hex digits")
}
