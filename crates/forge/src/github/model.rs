//! GitHub's JSON, as little of it as is used, and what it means in the vocabulary.
//!
//! A field that is not named here is not read, so GitHub may add any. A word that is not known becomes an
//! `Unknown` where the vocabulary has one, and an error where it has none: it is never taken for another.

use coord_core::change::PullRequestState;
use coord_core::forge as core;
use coord_core::name::{BranchName, CommitSha, GitHubRepo};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::github::text::Words;

/// What GitHub calls the author of what a deleted account has left.
const GHOST: &str = "ghost";

#[derive(Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) login: String,
}

/// Who wrote something; an account that was deleted is [`GHOST`].
pub(crate) fn login(user: Option<User>) -> String {
    user.map_or_else(|| GHOST.to_owned(), |it| it.login)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Open,
    Closed,
}

fn unknown() -> core::Association {
    core::Association::Unknown
}

#[derive(Debug, Deserialize)]
pub(crate) struct Issue {
    pub(crate) number: u64,
    title: Words,
    pub(crate) body: Option<Words>,
    #[serde(default)]
    labels: Vec<Label>,
    milestone: Option<Milestone>,
    state: State,
    state_reason: Option<String>,
    user: Option<User>,
    #[serde(default = "unknown")]
    author_association: core::Association,
    #[serde(default)]
    assignees: Vec<User>,
    #[serde(default)]
    comments: u32,
    html_url: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// There when it is a pull request.
    pub(crate) pull_request: Option<IgnoredAny>,
    repository_url: String,
    sub_issues_summary: Option<SubIssues>,
    issue_dependencies_summary: Option<Dependencies>,
    performed_via_github_app: Option<App>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Label {
    Name(Words),
    Object { name: Option<Words> },
}

#[derive(Debug, Deserialize)]
struct Milestone {
    title: Words,
}

#[derive(Debug, Deserialize)]
struct SubIssues {
    total: u32,
    completed: u32,
}

#[derive(Debug, Deserialize)]
struct Dependencies {
    /// Those that are open; `total_blocked_by` has the closed ones as well.
    blocked_by: u32,
}

#[derive(Debug, Deserialize)]
struct App {
    id: u64,
}

impl Issue {
    /// The repository that it lives in now.
    pub(crate) fn repo(&self) -> Option<GitHubRepo> {
        let mut parts = self.repository_url.rsplit('/');
        let (name, owner) = (parts.next()?, parts.next()?);
        format!("{owner}/{name}").parse().ok()
    }

    /// What the vocabulary calls it among related ones.
    pub(crate) fn related(self, relation: core::Relation) -> Option<core::Related> {
        let (repo, open) = (self.repo()?, self.state == State::Open);
        Some(core::Related { relation, repo, number: self.number, title: self.title.0, open })
    }

    /// Who wrote it.
    pub(crate) fn byline(&self) -> Byline<'_> {
        byline(self.user.as_ref(), self.author_association, self.performed_via_github_app.as_ref())
    }
}

impl From<Issue> for core::Issue {
    fn from(issue: Issue) -> Self {
        let labels = issue.labels.into_iter().filter_map(|it| match it {
            Label::Name(name) => Some(name.0),
            Label::Object { name } => name.map(|it| it.0),
        });
        Self {
            number: issue.number,
            title: issue.title.0,
            body: issue.body.map(|it| it.0).unwrap_or_default(),
            labels: labels.collect(),
            open: issue.state == State::Open,
            origin: core::Origin {
                author: login(issue.user),
                association: issue.author_association,
                assignees: issue.assignees.into_iter().map(|it| it.login).collect(),
                milestone: issue.milestone.map(|it| it.title.0),
                completed: issue.state == State::Closed && issue.state_reason.as_deref() == Some("completed"),
                url: issue.html_url,
                updated_at: issue.updated_at,
            },
            comments: issue.comments,
            open_sub_issues: issue.sub_issues_summary.map(|it| it.total.saturating_sub(it.completed)),
            open_blockers: issue.issue_dependencies_summary.map(|it| it.blocked_by),
            created_at: issue.created_at,
        }
    }
}

/// Who wrote something, as far as it tells whether it was us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Byline<'a> {
    pub(crate) login: Option<&'a str>,
    pub(crate) association: core::Association,
    /// The GitHub App that wrote it for them.
    pub(crate) app: Option<u64>,
}

fn byline<'a>(user: Option<&'a User>, association: core::Association, app: Option<&App>) -> Byline<'a> {
    Byline { login: user.map(|it| it.login.as_str()), association, app: app.map(|it| it.id) }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    user: Option<User>,
    #[serde(default = "unknown")]
    author_association: core::Association,
    pub(crate) body: Option<Words>,
    created_at: Timestamp,
    performed_via_github_app: Option<App>,
}

impl Comment {
    /// Who wrote it.
    pub(crate) fn byline(&self) -> Byline<'_> {
        byline(self.user.as_ref(), self.author_association, self.performed_via_github_app.as_ref())
    }
}

impl From<Comment> for core::Comment {
    fn from(comment: Comment) -> Self {
        Self {
            id: comment.id,
            author: login(comment.user),
            association: comment.author_association,
            body: comment.body.map(|it| it.0).unwrap_or_default(),
            created_at: comment.created_at,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pull {
    number: u64,
    state: State,
    #[serde(default)]
    draft: bool,
    title: Words,
    body: Option<Words>,
    user: Option<User>,
    head: Tip,
    base: Tip,
    mergeable: Option<bool>,
    merged_at: Option<Timestamp>,
    merge_commit_sha: Option<CommitSha>,
    html_url: String,
}

#[derive(Debug, Deserialize)]
struct Tip {
    #[serde(rename = "ref")]
    name: String,
    sha: CommitSha,
    /// `None` when the fork was deleted.
    repo: Option<Repo>,
}

#[derive(Debug, Deserialize)]
struct Repo {
    id: u64,
}

impl Pull {
    /// Whether its branch is in somebody's fork.
    pub(crate) fn is_from_a_fork(&self) -> bool {
        let id = |tip: &Tip| tip.repo.as_ref().map(|it| it.id);
        id(&self.head).is_none() || id(&self.head) != id(&self.base)
    }
}

impl TryFrom<Pull> for core::Pull {
    type Error = String;

    fn try_from(pull: Pull) -> Result<Self, String> {
        let same_repo = !pull.is_from_a_fork();
        let branch = |name: &str| name.parse::<BranchName>().map_err(|error| error.to_string());
        let state = match (pull.state, pull.merged_at) {
            (State::Open, _) => PullRequestState::Open,
            (State::Closed, None) => PullRequestState::Closed,
            (State::Closed, Some(_)) => PullRequestState::Merged {
                commit: pull.merge_commit_sha.ok_or("a merged pull request has no merge commit")?,
            },
        };
        Ok(Self {
            number: pull.number,
            state,
            draft: pull.draft,
            title: pull.title.0,
            body: pull.body.map(|it| it.0).unwrap_or_default(),
            author: login(pull.user),
            branch: branch(&pull.head.name)?,
            same_repo,
            head: pull.head.sha,
            base_branch: branch(&pull.base.name)?,
            mergeable: pull.mergeable,
            url: pull.html_url,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Review {
    user: Option<User>,
    #[serde(default = "unknown")]
    author_association: core::Association,
    state: String,
    commit_id: Option<CommitSha>,
    submitted_at: Option<Timestamp>,
}

impl From<Review> for core::Review {
    fn from(review: Review) -> Self {
        let verdict = match review.state.as_str() {
            "APPROVED" => core::ReviewVerdict::Approved,
            "CHANGES_REQUESTED" => core::ReviewVerdict::ChangesRequested,
            "COMMENTED" => core::ReviewVerdict::Commented,
            "DISMISSED" => core::ReviewVerdict::Dismissed,
            "PENDING" => core::ReviewVerdict::Pending,
            _ => core::ReviewVerdict::Unknown,
        };
        Self {
            author: login(review.user),
            association: review.author_association,
            verdict,
            commit: review.commit_id,
            at: review.submitted_at,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Repository {
    pub(crate) full_name: GitHubRepo,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    has_issues: bool,
    default_branch: BranchName,
    permissions: Option<Permissions>,
}

#[derive(Debug, Deserialize)]
struct Permissions {
    push: Option<bool>,
}

impl From<Repository> for core::Access {
    fn from(repo: Repository) -> Self {
        Self {
            repo: repo.full_name,
            push: repo.permissions.and_then(|it| it.push),
            archived: repo.archived,
            issues: repo.has_issues,
            default_branch: repo.default_branch,
        }
    }
}
