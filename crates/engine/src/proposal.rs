//! Pull requests, and looking at a change in a directory of one's own.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use coord_board::Opening;
use coord_core::change::PullRequest;
use coord_core::closing::defused;
use coord_core::gate::{GateKind, GateStanding, GateState};
use coord_core::ledger::Total;
use coord_core::merge::{Candidate, Hold, gates};
use coord_core::outcome::Outcome;
use coord_core::run::{Run, RunEnd};
use coord_core::task::{Task, TaskRef, TaskState};
use coord_forge::github::GitHub;
use coord_forge::github::propose::{Allowed, NewPull, Proposed};
use coord_git::checkout::CheckoutError;
use coord_git::history::{CommitLine, DiffStat};

use crate::error::Error;
use crate::{Engine, blocking, clock, counted, markdown};

/// How a pull request is to be opened.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    /// As one that is not ready. Only for a new one: a forge lets only people say that a draft is ready.
    pub draft: bool,
    /// Who is asked for a review.
    pub reviewers: Vec<String>,
}

impl Engine {
    /// Opens the pull request of a change; the one that is open is kept, with its text brought up to date, and one
    /// that was closed is opened again.
    ///
    /// # Errors
    /// When nothing is published, a worker is at it, the last attempt did not end well and nobody has said that
    /// what there is now is good all the same, or the forge refuses.
    pub async fn open_pull_request(&self, task: &TaskRef, proposal: &Proposal) -> Result<PullRequest, Error> {
        self.settle().await?;
        let github = self.github(&task.repo).await?;
        if github.is_none() && (proposal.draft || !proposal.reviewers.is_empty()) {
            return Err(Error::LocalForge { repo: task.repo.clone(), what: "drafts and no reviewers" });
        }
        let wanted = self.task(task).await?;
        let candidate = self.published(task).await?;
        let runs = self.runs_of(task).await?;
        let last = runs.iter().rfind(|it| it.kind.is_agent_work());
        if let Some(live) = last.filter(|it| it.state.end().is_none()) {
            return Err(Error::Held { task: task.clone(), holds: vec![Hold::Working(live.id)] });
        }
        if let Some(end) = unfinished(last, &gates(&candidate)) {
            return Err(Error::Unfinished { task: task.clone(), outcome: end.outcome.clone() });
        }
        let (commits, stat) = self.contents(&candidate).await?;
        let body = body(&wanted, &candidate, &commits, stat, last);
        if let Some(github) = github {
            return self.propose_on_github(&github, &wanted, &candidate, body, proposal).await;
        }
        let opened = self.board.open_pull_request(task, &wanted.title, &body, clock::now()).await;
        match opened.map_err(Error::board("opening a pull request"))? {
            Opening::Open(pull_request) => Ok(pull_request),
            Opening::NothingPublished => Err(Error::NothingPublished(task.clone())),
            Opening::NotOpen(state) => Err(Error::NotOpen { task: task.clone(), state: state.as_str() }),
        }
    }

    async fn propose_on_github(
        &self,
        github: &GitHub,
        task: &Task,
        candidate: &Candidate,
        body: String,
        proposal: &Proposal,
    ) -> Result<PullRequest, Error> {
        if task.state != TaskState::Open {
            return Err(Error::NotOpen { task: task.task.clone(), state: task.state.as_str() });
        }
        let failed = |source| Error::github(&task.task.repo, "opening a pull request")(source);
        // Who merges it by hand gets its title as the message, which closes what it says it does.
        let title = defused(&task.title);
        let new = NewPull {
            branch: &candidate.change.branch,
            base: &candidate.change.base_branch,
            title: &title,
            body: &body,
            draft: proposal.draft,
        };
        let pull = match github.propose(&new).await.map_err(failed)? {
            Proposed::Opened(pull) | Proposed::Reopened(pull) | Proposed::Found(pull) => pull,
            Proposed::NothingToMerge => return Err(Error::NothingPublished(task.task.clone())),
        };
        let noted = self.note_pull(&candidate.change, &pull).await?;
        if !proposal.reviewers.is_empty() {
            let asking = Error::github(&task.task.repo, "asking for a review");
            match github.request_review(pull.number, &proposal.reviewers).await.map_err(asking)? {
                Allowed::Done(()) => {}
                Allowed::Refused(reason) => {
                    return Err(Error::NoReview { task: task.task.clone(), number: pull.number, reason });
                }
            }
        }
        self.tell_statuses(github, candidate).await;
        noted.ok_or_else(|| Error::NothingPublished(task.task.clone()))
    }

    /// Closes the pull request of a change without merging it. The change stays.
    ///
    /// # Errors
    /// When none is open, or the forge refuses.
    pub async fn close_pull_request(&self, task: &TaskRef) -> Result<PullRequest, Error> {
        self.settle().await?;
        let candidate = self.published(task).await?;
        let Some(open) = candidate.pull_request else {
            return Err(Error::Held { task: task.clone(), holds: vec![Hold::NoPullRequest] });
        };
        if let Some(github) = self.github(&task.repo).await? {
            let failed = Error::github(&task.repo, "closing a pull request");
            github.close_pull(open.number).await.map_err(failed)?;
        }
        let closed = self.board.close_pull_request(task, open.number, clock::now()).await;
        let closed = closed.map_err(Error::board("closing a pull request"))?;
        closed.ok_or_else(|| Error::Held { task: task.clone(), holds: vec![Hold::NoPullRequest] })
    }

    /// Puts the change into `directory`, for looking and trying: a clone of its own, on the change's branch.
    ///
    /// # Errors
    /// When nothing is published, or something is in the way.
    pub async fn checkout(&self, task: &TaskRef, directory: &Utf8Path) -> Result<Utf8PathBuf, Error> {
        self.settle().await?;
        let candidate = self.published(task).await?;
        let store = self.store(&task.repo).await?;
        let (branch, target, task) = (candidate.change.branch, directory.to_owned(), task.clone());
        blocking(move || match store.checkout(&branch, &target) {
            Ok(()) => Ok(target),
            Err(CheckoutError::InTheWay(directory)) => Err(Error::InTheWay { task, directory }),
            Err(error) => Err(Error::git(&task.repo, "checking a change out")(error)),
        })
        .await
    }

    async fn contents(&self, candidate: &Candidate) -> Result<(Vec<CommitLine>, Option<DiffStat>), Error> {
        let Some(now) = candidate.now.clone() else { return Ok((Vec::new(), None)) };
        let repo = candidate.change.task.repo.clone();
        let store = self.store(&repo).await?;
        blocking(move || {
            let reading = "reading a change";
            let commits = store.commits(&now.base, &now.head).map_err(Error::git(&repo, reading))?;
            let stat = store.diff_stat(&now.base, &now.head).map_err(Error::git(&repo, reading))?;
            Ok((commits, Some(stat)))
        })
        .await
    }
}

/// How the last attempt ended, where that was too badly for what there is to be proposed. A person who has tried
/// it knows better than the worker that gave up.
pub(crate) fn unfinished<'a>(last: Option<&'a Run>, standing: &[GateStanding]) -> Option<&'a RunEnd> {
    let end = last.and_then(|it| it.state.end())?;
    let well = matches!(end.outcome, Outcome::Done | Outcome::Dirty | Outcome::NoChange);
    let vouched = standing.iter().any(|it| it.kind == GateKind::Person && it.state == GateState::Passed);
    (!well && !vouched).then_some(end)
}

/// What was done, how it was tested, how to try it, and what it closes.
fn body(
    task: &Task,
    candidate: &Candidate,
    commits: &[CommitLine],
    stat: Option<DiffStat>,
    last: Option<&Run>,
) -> String {
    let mut text = String::from("## What was done\n\n");
    let mut line = |args: std::fmt::Arguments<'_>| {
        text.write_fmt(args).expect("a string takes every text");
        text.push('\n');
    };
    for commit in commits {
        line(format_args!("- {} ({})", markdown::code(&commit.subject), commit.sha.short()));
    }
    if let Some(DiffStat { files, insertions, deletions }) = stat {
        let (files, insertions) = (counted(files, "file"), counted(insertions, "line"));
        line(format_args!("\n{files} changed, {insertions} added, {deletions} removed."));
    }
    line(format_args!("\n## Tests\n"));
    let standing = gates(candidate);
    match standing.iter().find(|it| it.kind == GateKind::Tests) {
        Some(gate) if gate.state == GateState::Passed => line(format_args!("Passed on the merge result.")),
        Some(gate) => line(format_args!("{}", markdown::code(&gate.to_string()))),
        None => line(format_args!("None are asked for.")),
    }
    if let Some((run, end)) = last.and_then(|run| Some((run, run.state.end()?))) {
        line(format_args!("\n## Work\n"));
        let cost = Total::of(end);
        let on = run.machine().map_or(String::new(), |it| format!(" on {it}"));
        line(format_args!("Run {}{on}, attempt {}, cost: {cost}.", run.id, run.attempt));
    }
    let branch = &candidate.change.branch;
    line(format_args!("\n## To try it\n\n    coord checkout {}\n", task.task));
    line(format_args!("or, with git alone,\n\n    git fetch origin {branch} && git checkout FETCH_HEAD\n"));
    match &task.origin {
        // What its commits say they close is theirs to say and not ours to repeat.
        Some(_) => format!("{}Closes #{}\n", defused(&text), task.task.number),
        None => format!("{text}Closes {}\n", task.task),
    }
}
