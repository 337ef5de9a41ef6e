//! GitHub: the one place that speaks to it.

pub mod broker;
pub mod budget;
pub mod credential;
pub mod error;
pub mod merge;
pub mod propose;
pub mod write;

mod access;
mod address;
mod answer;
mod cache;
mod check;
mod claim;
mod connection;
mod exchange;
mod issue;
mod ledger;
mod meaning;
mod model;
mod protection;
mod pull;
mod refusal;
mod shelf;
mod text;

use std::sync::Arc;

use coord_core::name::GitHubRepo;
use sha2::{Digest as _, Sha256};

use crate::github::broker::Broker;

/// The operations of GitHub's API that are used, by their names in its published description. A test drives each
/// of them.
pub const OPERATIONS: &[&str] = &[
    "apps/create-installation-access-token",
    "checks/list-for-ref",
    "git/list-matching-refs",
    "issues/add-labels",
    "issues/create",
    "issues/create-comment",
    "issues/get",
    "issues/list-comments",
    "issues/list-dependencies-blocked-by",
    "issues/list-for-repo",
    "issues/list-sub-issues",
    "issues/remove-label",
    "issues/update",
    "pulls/create",
    "pulls/create-review",
    "pulls/get",
    "pulls/list",
    "pulls/list-files",
    "pulls/list-reviews",
    "pulls/merge",
    "pulls/request-reviewers",
    "pulls/update",
    "repos/compare-commits-with-basehead",
    "repos/create-commit-status",
    "repos/get",
    "repos/get-branch",
    "repos/get-branch-protection",
    "repos/get-branch-rules",
    "repos/get-combined-status-for-ref",
    "users/get-authenticated",
];

/// One repository on GitHub, as one credential sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GitHub {
    broker: Arc<Broker>,
    repo: GitHubRepo,
}

impl GitHub {
    /// The repository `repo`, spoken to through `broker`.
    #[must_use]
    pub fn new(broker: Arc<Broker>, repo: GitHubRepo) -> Self {
        Self { broker, repo }
    }

    /// Which repository it is, as it was asked for.
    #[must_use]
    pub fn repo(&self) -> &GitHubRepo {
        &self.repo
    }

    /// The path of something in the repository.
    fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.repo)
    }
}

/// The hash of `bytes` as hex digits.
fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(hex, "{byte:02x}").expect("a String takes everything");
    }
    hex
}
