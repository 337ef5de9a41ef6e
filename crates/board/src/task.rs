//! Tasks.

use std::collections::HashMap;

use coord_core::event::Fact;
use coord_core::id::RunId;
use coord_core::name::{CommitSha, RepoName};
use coord_core::task::{Task, TaskRef, TaskState};
use jiff::Timestamp;

use crate::column::{self, json, signed};
use crate::waiting::circle;
use crate::write::Transition;
use crate::{Board, Error, pull_request, run};

/// A task that is not on the board yet. It gets its number there.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// The repo it wants changed.
    pub repo: RepoName,
    /// One line.
    pub title: String,
    /// The whole request.
    pub body: String,
    /// Words of the user's own.
    pub labels: Vec<String>,
    /// Paths that are expected to change.
    pub files: Vec<String>,
    /// Tasks that must be merged first.
    pub after: Vec<TaskRef>,
}

/// What to change about a task; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct TaskEdit {
    /// One line.
    pub title: Option<String>,
    /// The whole request.
    pub body: Option<String>,
    /// Words of the user's own.
    pub labels: Option<Vec<String>>,
    /// Paths that are expected to change.
    pub files: Option<Vec<String>>,
    /// Tasks that must be merged first.
    pub after: Option<Vec<TaskRef>>,
}

/// What became of the wish to open a task again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Reopening {
    /// It is open.
    Open,
    /// It is merged, and stays so.
    Merged(CommitSha),
}

/// Which tasks are asked for; the default is all of them.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Only tasks of this repo.
    pub repo: Option<RepoName>,
    /// Only tasks that are still wanted.
    pub only_open: bool,
}

/// What became of a new task.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Added {
    /// It is on the board.
    Task(Box<Task>),
    /// It would wait for itself, along these tasks; it was not added.
    Circle(Vec<TaskRef>),
}

/// What became of an edit.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Edited {
    /// The task as it is now.
    Task(Box<Task>),
    /// It is merged or closed, and stays as it is.
    NotOpen(TaskState),
    /// It would wait for itself, along these tasks; it stays as it is.
    Circle(Vec<TaskRef>),
}

/// What became of the wish to close a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Closing {
    /// It is closed, and so is its pull request.
    Closed,
    /// It was merged or closed before.
    NotOpen(TaskState),
    /// A run is at it and must be stopped first.
    Busy(RunId),
}

/// The condition is that of the index `tasks_open`, so merged and closed tasks cost nothing.
pub(crate) const OPEN: &str = "SELECT * FROM tasks WHERE state = 'open' AND ($1 IS NULL OR repo = $1)
    ORDER BY number DESC LIMIT $2";

const ANY: &str = "SELECT * FROM tasks WHERE $1 IS NULL OR repo = $1 ORDER BY number DESC LIMIT $2";

const READ: &str = "SELECT * FROM tasks WHERE repo = $1 AND number = $2";

impl Board {
    /// Adds a task.
    pub async fn add_task(&self, new: NewTask, now: Timestamp) -> Result<Added, Error> {
        let mut transition = self.transition("add a task").await?;
        let number = transition.forge_number().await?;
        let NewTask { repo, title, body, labels, files, after } = new;
        let task = TaskRef { repo, number };
        if let Some(circle) = circle_with(&mut transition, &task, &after).await? {
            return Ok(Added::Circle(circle));
        }
        let state = TaskState::Open;
        let added = Task {
            task,
            title,
            body,
            labels,
            files,
            after,
            origin: None,
            related: Vec::new(),
            state,
            created_at: now,
        };
        insert(&mut transition, &added).await?;
        let fact = Fact::TaskAdded { title: added.title.clone() };
        transition.commit(&added.task, &fact, now).await?;
        Ok(Added::Task(Box::new(added)))
    }

    /// The task of that name, if there is one.
    pub async fn task(&self, task: &TaskRef) -> Result<Option<Task>, Error> {
        let query = sqlx::query(READ).bind(task.repo.as_str()).bind(signed(task.number));
        let row = query.fetch_optional(&self.pool).await.map_err(Error::sql("read a task"))?;
        row.as_ref().map(column::task).transpose()
    }

    /// The newest tasks, newest first.
    pub async fn tasks(&self, filter: &TaskFilter, limit: u32) -> Result<Vec<Task>, Error> {
        let rows = sqlx::query(if filter.only_open { OPEN } else { ANY })
            .bind(filter.repo.as_ref().map(RepoName::as_str))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(Error::sql("list the tasks"))?;
        rows.iter().map(column::task).collect()
    }

    /// Every task with this number, of whatever repo.
    pub async fn tasks_numbered(&self, number: u64) -> Result<Vec<TaskRef>, Error> {
        let query = sqlx::query("SELECT repo, number FROM tasks WHERE number = $1 ORDER BY repo");
        let rows = query.bind(signed(number)).fetch_all(&self.pool).await;
        rows.map_err(Error::sql("look a number up"))?.iter().map(column::task_ref).collect()
    }

    /// Changes what an open task says.
    pub async fn edit_task(&self, task: &TaskRef, edit: TaskEdit, now: Timestamp) -> Result<Edited, Error> {
        let mut transition = self.transition("edit a task").await?;
        let old = read(&mut transition, task).await?;
        if old.state != TaskState::Open {
            return Ok(Edited::NotOpen(old.state));
        }
        let TaskEdit { title, body, labels, files, after } = edit;
        let edited = Task {
            title: title.unwrap_or(old.title),
            body: body.unwrap_or(old.body),
            labels: labels.unwrap_or(old.labels),
            files: files.unwrap_or(old.files),
            after: after.unwrap_or(old.after),
            ..old
        };
        if let Some(circle) = circle_with(&mut transition, task, &edited.after).await? {
            return Ok(Edited::Circle(circle));
        }
        let update = "UPDATE tasks SET title = $3, body = $4, labels = $5, files = $6, waits_for = $7
                      WHERE repo = $1 AND number = $2";
        let update = sqlx::query(update)
            .bind(task.repo.as_str())
            .bind(signed(task.number))
            .bind(&edited.title)
            .bind(&edited.body)
            .bind(json(&edited.labels))
            .bind(json(&edited.files))
            .bind(json(&edited.after));
        transition.run(update).await?;
        transition.commit(task, &Fact::TaskEdited, now).await?;
        Ok(Edited::Task(Box::new(edited)))
    }

    /// Opens a task that was closed. One that is open stays so.
    pub async fn reopen_task(&self, task: &TaskRef, now: Timestamp) -> Result<Reopening, Error> {
        let mut transition = self.transition("open a task again").await?;
        match read(&mut transition, task).await?.state {
            TaskState::Open => return Ok(Reopening::Open),
            TaskState::Merged { commit } => return Ok(Reopening::Merged(commit)),
            TaskState::Closed { .. } => reopen(&mut transition, task).await?,
        }
        transition.commit(task, &Fact::TaskReopened, now).await?;
        Ok(Reopening::Open)
    }

    /// Writes down that a person decided against something that the board said.
    pub async fn override_by_person(
        &self,
        task: &TaskRef,
        what: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let transition = self.transition("note a person's decision").await?;
        let fact = Fact::Overridden { what: what.to_owned(), reason: reason.to_owned() };
        transition.commit(task, &fact, now).await
    }

    /// Writes down that a person had rescued work of the task pushed to origin, and why although it seems to hold
    /// secrets.
    pub async fn note_rescue_pushed(
        &self,
        task: &TaskRef,
        run: RunId,
        anyway: Option<String>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let transition = self.transition("note that rescued work was pushed").await?;
        transition.commit(task, &Fact::RescuePushed { run, anyway }, now).await
    }

    /// Closes a task that is no longer wanted, and its pull request with it.
    pub async fn close_task(&self, task: &TaskRef, reason: &str, now: Timestamp) -> Result<Closing, Error> {
        let mut transition = self.transition("close a task").await?;
        let old = read(&mut transition, task).await?;
        if old.state != TaskState::Open {
            return Ok(Closing::NotOpen(old.state));
        }
        let live = run::live(&mut transition).await?;
        // One that is queued finds the task closed when its turn comes.
        if let Some(busy) = live.iter().find(|it| it.task == *task && it.reservation.is_some()) {
            return Ok(Closing::Busy(busy.id));
        }
        write_state(&mut transition, task, &TaskState::Closed { reason: reason.to_owned() }).await?;
        pull_request::close(&mut transition, task).await?;
        let fact = Fact::TaskClosed { reason: reason.to_owned() };
        transition.commit(task, &fact, now).await?;
        Ok(Closing::Closed)
    }
}

/// Writes a task that is not on the board.
pub(crate) async fn insert(transition: &mut Transition, task: &Task) -> Result<(), Error> {
    let (commit, reason) = column::task_facts(&task.state);
    let insert =
        "INSERT INTO tasks (repo, number, title, body, labels, files, waits_for, origin, related, state,
                  merge_commit, close_reason, created_at)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let insert = sqlx::query(insert)
        .bind(task.task.repo.as_str())
        .bind(signed(task.task.number))
        .bind(&task.title)
        .bind(&task.body)
        .bind(json(&task.labels))
        .bind(json(&task.files))
        .bind(json(&task.after))
        .bind(task.origin.as_ref().map(json))
        .bind(json(&task.related))
        .bind(task.state.as_str())
        .bind(commit)
        .bind(reason)
        .bind(column::time(task.created_at));
    transition.run(insert).await
}

/// The task as it is within a transition, if it is on the board.
pub(crate) async fn find(transition: &mut Transition, task: &TaskRef) -> Result<Option<Task>, Error> {
    let failed = transition.failed();
    let query = sqlx::query(READ).bind(task.repo.as_str()).bind(signed(task.number));
    let row = query.fetch_optional(transition.connection()).await.map_err(failed)?;
    row.as_ref().map(column::task).transpose()
}

/// The task as it is within a transition; it must exist.
pub(crate) async fn read(transition: &mut Transition, task: &TaskRef) -> Result<Task, Error> {
    find(transition, task).await?.ok_or_else(|| Error::NoTask(task.clone()))
}

/// Opens a task that is known to be closed.
pub(crate) async fn reopen(transition: &mut Transition, task: &TaskRef) -> Result<(), Error> {
    let update = "UPDATE tasks SET state = 'open', close_reason = NULL
                  WHERE repo = $1 AND number = $2 AND state = 'closed'";
    let update = sqlx::query(update).bind(task.repo.as_str()).bind(signed(task.number));
    transition.run(update).await
}

/// Moves a task that is known to be open.
pub(crate) async fn write_state(
    transition: &mut Transition,
    task: &TaskRef,
    state: &TaskState,
) -> Result<(), Error> {
    let (commit, reason) = column::task_facts(state);
    let update = "UPDATE tasks SET state = $3, merge_commit = $4, close_reason = $5
                  WHERE repo = $1 AND number = $2 AND state = 'open'";
    let update = sqlx::query(update)
        .bind(task.repo.as_str())
        .bind(signed(task.number))
        .bind(state.as_str())
        .bind(commit)
        .bind(reason);
    transition.run(update).await
}

async fn circle_with(
    transition: &mut Transition,
    task: &TaskRef,
    after: &[TaskRef],
) -> Result<Option<Vec<TaskRef>>, Error> {
    if after.is_empty() {
        return Ok(None);
    }
    let failed = transition.failed();
    let query = sqlx::query("SELECT repo, number, waits_for FROM tasks WHERE waits_for <> '[]'");
    let rows = query.fetch_all(transition.connection()).await.map_err(failed)?;
    let mut waits: HashMap<_, _> = rows.iter().map(column::waits).collect::<Result<_, _>>()?;
    waits.insert(task.clone(), after.to_vec());
    Ok(circle(task, &waits))
}
