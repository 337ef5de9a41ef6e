//! What a test reads afterwards.

use jiff::Timestamp;
use serde_json::Value;

/// A request that reached the stand-in.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `GET` and the like.
    pub method: String,
    /// The path, without the `/api/v3` that clients of an enterprise server put in front.
    pub path: String,
    /// What stood behind the question mark.
    pub query: String,
    /// The JSON body; `Null` when there was none.
    pub body: Value,
    /// When it came.
    pub at: Timestamp,
    /// What it was answered with; `None` while it is not, and when the connection was cut instead.
    pub status: Option<u16>,
    /// Whether it counted against the primary limit.
    pub counted: bool,
    /// Who asked: an account's name, or `ghost`.
    pub by: String,
}

/// A comment, as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Whose it is.
    pub author: String,
    /// What it says.
    pub body: String,
}

/// An issue, as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueView {
    /// Its title.
    pub title: String,
    /// Its body; empty when there is none.
    pub body: String,
    /// Who opened it.
    pub author: String,
    /// Whether it is open.
    pub open: bool,
    /// Its labels, in the order in which they were put on.
    pub labels: Vec<String>,
    /// Who is assigned.
    pub assignees: Vec<String>,
}

/// A pull request, as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullView {
    /// Its title.
    pub title: String,
    /// Its body; empty when there is none.
    pub body: String,
    /// Who opened it.
    pub author: String,
    /// Whether it is open.
    pub open: bool,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is merged.
    pub merged: bool,
    /// The commit that merged it.
    pub merge_commit: Option<String>,
    /// Who merged it.
    pub merged_by: Option<String>,
    /// The branch that is to be merged, and where it is.
    pub head: String,
    /// The commit at its head.
    pub head_sha: String,
    /// The branch that it is to be merged into.
    pub base: String,
    /// Who was asked for a review.
    pub requested: Vec<String>,
    /// The reviews that were given: who, and what GitHub calls it (`APPROVED`, `DISMISSED`, …).
    pub reviews: Vec<(String, String)>,
}

/// A commit status, as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusView {
    /// What it is about.
    pub context: String,
    /// `success` and the like.
    pub state: String,
    /// What it says.
    pub description: String,
}

/// A delivery to a webhook, as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryView {
    /// `X-GitHub-Delivery`.
    pub guid: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The action that the payload names.
    pub action: Option<String>,
    /// What the receiver answered; `None` when that is not known yet, 0 when it could not be reached.
    pub status: Option<u16>,
}
