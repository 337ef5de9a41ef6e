//! Issues that are about to be opened.

use super::Repo;
use crate::github::act::NewIssue;
use crate::github::world::Association;

/// An issue that is about to be opened.
#[derive(Debug, Clone)]
#[must_use]
pub struct IssueDraft {
    repo: Repo,
    new: NewIssue,
    author: Option<String>,
}

impl IssueDraft {
    pub(super) fn new(repo: Repo, new: NewIssue) -> Self {
        Self { repo, new, author: None }
    }

    /// What it says.
    pub fn body(mut self, body: &str) -> Self {
        self.new.body = Some(body.into());
        self
    }

    /// Who opens it, and what they are to the repository; otherwise its owner does.
    pub fn by(mut self, login: &str, association: Association) -> Self {
        self.repo.associate(login, association);
        self.author = Some(login.into());
        self
    }

    /// A label that it has from the start.
    pub fn label(mut self, label: &str) -> Self {
        self.new.labels.push(label.into());
        self
    }

    /// The milestone that it is filed under.
    pub fn milestone(mut self, number: u64) -> Self {
        self.new.milestone = Some(number);
        self
    }

    /// Opens it and returns its number.
    pub fn open(self) -> u64 {
        let author = self.author.unwrap_or_else(|| self.repo.owner());
        self.repo.shared.change(|world| world.open_issue(self.repo.id, &author, self.new))
    }
}
