//! Whether something that is about to be pushed holds secrets.
//!
//! Everything is looked at that a push would bring to origin: each file of each commit that no branch of origin has,
//! the names of the files, and the messages. What must hold: nothing here says what a secret is; a file whose name is
//! one is not named.

use std::collections::HashSet;

use coord_core::name::CommitSha;
use coord_core::secret::{Finding, scan};
use git2::{Commit, Delta, Oid, Repository};

use crate::history::{HistoryError, find, oid, sha};
use crate::rescued::unpublished;
use crate::store::Store;

/// Where something was found that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// The file, or what else was looked at.
    pub place: String,
    /// The line, and what it looks like.
    pub finding: Finding,
}

/// As it is told to people: `.env:3: an AWS access key`.
impl std::fmt::Display for Leak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.place, self.finding.line, self.finding.rule)
    }
}

impl Store {
    /// Everything that looks like a secret in what a push of `commit` would bring to origin. `known` are values that
    /// are secret whatever they look like.
    ///
    /// # Errors
    /// When any of it cannot be read: what was not looked at is not known to be clean.
    pub fn leaks(&self, commit: &CommitSha, known: &[&[u8]]) -> Result<Vec<Leak>, HistoryError> {
        let read = |source| HistoryError::Read { subject: commit.to_string(), source };
        let repo = self.libgit2().map_err(HistoryError::Open)?;
        let mut look = Look { repo: &repo, seen: HashSet::new(), leaks: Vec::new() };
        for id in unpublished(&repo, oid(commit)).map_err(read)? {
            look.at(&find(&repo, &sha(id))?, known).map_err(read)?;
        }
        let mut leaks = look.leaks;
        leaks.sort();
        leaks.dedup();
        Ok(leaks)
    }
}

struct Look<'a> {
    repo: &'a Repository,
    /// A file that several commits have in several places is named once for each place.
    seen: HashSet<(Vec<u8>, Oid)>,
    leaks: Vec<Leak>,
}

impl Look<'_> {
    fn at(&mut self, commit: &Commit<'_>, known: &[&[u8]]) -> Result<(), git2::Error> {
        let message = format!("the message of {}", sha(commit.id()).short());
        self.scan(&message, commit.message_raw_bytes(), known);
        // What the other parents have is looked at when their turn comes.
        let before = commit.parents().next().map(|it| it.tree()).transpose()?;
        let diff = self.repo.diff_tree_to_tree(before.as_ref(), Some(&commit.tree()?), None)?;
        for delta in diff.deltas() {
            let (file, gone) = (delta.new_file(), delta.status() == Delta::Deleted);
            let path = file.path_bytes().unwrap_or_default();
            // A commit of another repository is no file of this one.
            let is_file = file.mode() != git2::FileMode::Commit;
            if gone || !is_file || !self.seen.insert((path.to_vec(), file.id())) {
                continue;
            }
            let named = scan(path, known);
            let name = if named.is_empty() { String::from_utf8_lossy(path) } else { "a file's name".into() };
            self.leaks.extend(named.into_iter().map(|finding| Leak { place: name.to_string(), finding }));
            let blob = self.repo.find_blob(file.id())?;
            self.scan(&name, blob.content(), known);
        }
        Ok(())
    }

    fn scan(&mut self, place: &str, bytes: &[u8], known: &[&[u8]]) {
        let found = scan(bytes, known);
        self.leaks.extend(found.into_iter().map(|finding| Leak { place: place.to_owned(), finding }));
    }
}

/// What was found, for one line of a log: the first few places, and how many more there are.
#[must_use]
pub fn summary(leaks: &[Leak]) -> String {
    const SHOWN: usize = 5;
    let mut places: Vec<_> = leaks.iter().take(SHOWN).map(ToString::to_string).collect();
    if leaks.len() > SHOWN {
        places.push(format!("and {} more", leaks.len() - SHOWN));
    }
    places.join(", ")
}
