//! Pull requests: those of the local forge live here, and of those of another the board keeps what was last seen.

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

/// What a forge says of a pull request.
#[derive(Debug, Clone)]
pub struct Noted {
    /// Its number there.
    pub number: u64,
    /// One line.
    pub title: String,
    /// What it says.
    pub body: String,
    /// Its page.
    pub url: String,
    /// Where it stands; a merge is recorded with [`Board::record_merged`].
    pub open: bool,
}

impl Noted {
    /// Whether it is what the board knows.
    fn agrees_with(&self, known: &PullRequest) -> bool {
        let state = if self.open { PullRequestState::Open } else { PullRequestState::Closed };
        let words = (&self.title, &self.body, Some(&self.url));
        self.number == known.number
            && state == known.state
            && words == (&known.title, &known.body, known.url.as_ref())
    }
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
            url: None,
            opened_at: now,
        };
        insert(&mut transition, &opened).await?;
        let fact = Fact::PullRequestOpened { number: opened.number };
        transition.commit(task, &fact, now).await?;
        Ok(Opening::Open(opened))
    }

    /// Takes in what a forge says of a task's pull request. A merged one stays merged.
    pub async fn note_pull_request(
        &self,
        task: &TaskRef,
        noted: Noted,
        now: Timestamp,
    ) -> Result<Option<PullRequest>, Error> {
        // Whoever looks at the queue notes all of it each time, and mostly nothing has changed.
        let known = self.pull_request(task).await?;
        if known.as_ref().is_some_and(|it| noted.agrees_with(it)) {
            return Ok(known);
        }
        let mut transition = self.transition("take in a pull request").await?;
        let newest = newest(&mut transition, task).await?;
        let same = newest.filter(|it| it.number == noted.number);
        let fact = match (&same, noted.open) {
            (Some(PullRequest { state: PullRequestState::Merged { .. }, .. }), _) | (None, false) => None,
            (Some(known), _) => {
                let state = if noted.open { PullRequestState::Open } else { PullRequestState::Closed };
                let fact = match (known.state == state, noted.open) {
                    (true, _) => None,
                    (false, true) => Some(Fact::PullRequestOpened { number: noted.number }),
                    (false, false) => Some(Fact::PullRequestClosed { number: noted.number }),
                };
                update(&mut transition, task, &noted, &state).await?;
                fact
            }
            (None, true) => {
                let change = change::existing(&mut transition, task).await?;
                let opened = PullRequest {
                    number: noted.number,
                    task: task.clone(),
                    branch: change.branch,
                    base_branch: change.base_branch,
                    title: noted.title,
                    body: noted.body,
                    state: PullRequestState::Open,
                    url: Some(noted.url),
                    opened_at: now,
                };
                // A person may have closed the one that is known and opened another.
                close(&mut transition, task).await?;
                insert(&mut transition, &opened).await?;
                Some(Fact::PullRequestOpened { number: opened.number })
            }
        };
        match fact {
            Some(fact) => transition.commit(task, &fact, now).await?,
            // Only words have changed, which is no event; or nothing has.
            None => transition.commit_quietly().await?,
        }
        self.pull_request(task).await
    }

    /// Closes an open pull request without merging it; `None` when it is not open.
    pub async fn close_pull_request(
        &self,
        task: &TaskRef,
        number: u64,
        now: Timestamp,
    ) -> Result<Option<PullRequest>, Error> {
        let mut transition = self.transition("close a pull request").await?;
        let newest = newest(&mut transition, task).await?;
        let open = newest.filter(|it| it.number == number && it.state == PullRequestState::Open);
        let Some(open) = open else { return Ok(None) };
        close(&mut transition, task).await?;
        transition.commit(task, &Fact::PullRequestClosed { number }, now).await?;
        Ok(Some(PullRequest { state: PullRequestState::Closed, ..open }))
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

async fn insert(transition: &mut Transition, opened: &PullRequest) -> Result<(), Error> {
    let insert = "INSERT INTO pull_requests (repo, number, task, title, body, state, url, opened_at)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let insert = sqlx::query(insert)
        .bind(opened.task.repo.as_str())
        .bind(signed(opened.number))
        .bind(signed(opened.task.number))
        .bind(&opened.title)
        .bind(&opened.body)
        .bind(opened.state.as_str())
        .bind(opened.url.as_deref())
        .bind(column::time(opened.opened_at));
    transition.run(insert).await
}

/// Closes the open pull request of a task, if it has one.
pub(crate) async fn close(transition: &mut Transition, task: &TaskRef) -> Result<(), Error> {
    let shut = "UPDATE pull_requests SET state = $3 WHERE repo = $1 AND task = $2 AND state = 'open'";
    let shut = sqlx::query(shut)
        .bind(task.repo.as_str())
        .bind(signed(task.number))
        .bind(PullRequestState::Closed.as_str());
    transition.run(shut).await
}

async fn update(
    transition: &mut Transition,
    task: &TaskRef,
    noted: &Noted,
    state: &PullRequestState,
) -> Result<(), Error> {
    let update = "UPDATE pull_requests SET title = $3, body = $4, url = $5, state = $6
                  WHERE repo = $1 AND number = $2 AND state <> 'merged'";
    let update = sqlx::query(update)
        .bind(task.repo.as_str())
        .bind(signed(noted.number))
        .bind(&noted.title)
        .bind(&noted.body)
        .bind(&noted.url)
        .bind(state.as_str());
    transition.run(update).await
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
