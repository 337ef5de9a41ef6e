//! Pull requests of the local forge.

use coord_core::change::{ChangeState, PullRequest, PullRequestState};
use coord_core::event::Fact;
use coord_core::name::RepoName;
use coord_core::task::{TaskRef, TaskState};
use jiff::Timestamp;

use crate::column::{self, signed};
use crate::write::Transition;
use crate::{Board, Error, change, task};

/// What became of the wish to open a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Opening {
    /// It is open: new, or open already and now saying what was asked for.
    Open(PullRequest),
    /// There is nothing to merge: no commit of the change has been published.
    NothingPublished,
    /// The task is merged or closed.
    NotOpen(TaskState),
}

macro_rules! select_pull_requests {
    ($rest:literal) => {
        concat!(
            "SELECT pull_requests.*, changes.branch, changes.base_branch FROM pull_requests
             JOIN changes ON changes.repo = pull_requests.repo AND changes.number = pull_requests.task ",
            $rest
        )
    };
}

const NEWEST: &str = select_pull_requests!(
    "WHERE pull_requests.repo = $1 AND pull_requests.task = $2 ORDER BY pull_requests.number DESC LIMIT 1"
);

/// The condition is that of the index `pull_requests_open`, so merged ones cost nothing.
pub(crate) const OPEN: &str = select_pull_requests!(
    "WHERE pull_requests.state = 'open' AND ($1 IS NULL OR pull_requests.repo = $1)
     ORDER BY pull_requests.number"
);

impl Board {
    /// Opens the pull request of a task. The one that is open already is kept and says the new words.
    pub async fn open_pull_request(
        &self,
        task: &TaskRef,
        title: &str,
        body: &str,
        now: Timestamp,
    ) -> Result<Opening, Error> {
        if let Some(open) = self.reword(task, title, body).await? {
            return Ok(Opening::Open(open));
        }
        let mut transition = self.transition("open a pull request").await?;
        let wanted = task::read(&mut transition, task).await?;
        if wanted.state != TaskState::Open {
            return Ok(Opening::NotOpen(wanted.state));
        }
        let change = match change::read(&mut transition, task).await? {
            Some(change) if change.state != ChangeState::Empty => change,
            Some(_) | None => return Ok(Opening::NothingPublished),
        };
        let newest = newest(&mut transition, task).await?;
        if let Some(open) = newest.filter(|it| it.state == PullRequestState::Open) {
            return Ok(Opening::Open(open));
        }
        let opened = PullRequest {
            number: transition.forge_number().await?,
            task: task.clone(),
            branch: change.branch,
            base_branch: change.base_branch,
            title: title.to_owned(),
            body: body.to_owned(),
            state: PullRequestState::Open,
            opened_at: now,
        };
        let insert = "INSERT INTO pull_requests (repo, number, task, title, body, state, opened_at)
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let insert = sqlx::query(insert)
            .bind(task.repo.as_str())
            .bind(signed(opened.number))
            .bind(signed(task.number))
            .bind(title)
            .bind(body)
            .bind(opened.state.as_str())
            .bind(column::time(now));
        transition.run(insert).await?;
        let fact = Fact::PullRequestOpened { number: opened.number };
        transition.commit(task, &fact, now).await?;
        Ok(Opening::Open(opened))
    }

    /// The newest pull request of a task, if it has one.
    pub async fn pull_request(&self, task: &TaskRef) -> Result<Option<PullRequest>, Error> {
        let query = sqlx::query(NEWEST).bind(task.repo.as_str()).bind(signed(task.number));
        let row = query.fetch_optional(&self.pool).await.map_err(Error::sql("read a pull request"))?;
        row.as_ref().map(column::pull_request).transpose()
    }

    /// The open pull requests, of one repo or of all, in the order of their numbers.
    pub async fn open_pull_requests(&self, repo: Option<&RepoName>) -> Result<Vec<PullRequest>, Error> {
        let rows = sqlx::query(OPEN).bind(repo.map(RepoName::as_str)).fetch_all(&self.pool).await;
        rows.map_err(Error::sql("list the pull requests"))?.iter().map(column::pull_request).collect()
    }

    /// Gives an open pull request new words. That is no transition, so it is no event.
    async fn reword(&self, task: &TaskRef, title: &str, body: &str) -> Result<Option<PullRequest>, Error> {
        let update = "UPDATE pull_requests SET title = $3, body = $4
                      WHERE repo = $1 AND task = $2 AND state = 'open'";
        let update = sqlx::query(update)
            .bind(task.repo.as_str())
            .bind(signed(task.number))
            .bind(title)
            .bind(body)
            .execute(&self.pool)
            .await
            .map_err(Error::sql("reword a pull request"))?;
        if update.rows_affected() == 0 { Ok(None) } else { self.pull_request(task).await }
    }
}

/// The newest pull request of a task, within a transition.
pub(crate) async fn newest(
    transition: &mut Transition,
    task: &TaskRef,
) -> Result<Option<PullRequest>, Error> {
    let failed = transition.failed();
    let query = sqlx::query(NEWEST).bind(task.repo.as_str()).bind(signed(task.number));
    let row = query.fetch_optional(transition.connection()).await.map_err(failed)?;
    row.as_ref().map(column::pull_request).transpose()
}
