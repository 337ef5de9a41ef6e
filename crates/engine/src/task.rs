//! Tasks on the board, and what people write when they mean one.

use coord_board::{Added, Closing, Edited, NewTask, TaskEdit, TaskFilter};
use coord_core::id::RunId;
use coord_core::name::RepoName;
use coord_core::run::{Run, RunKind};
use coord_core::task::{Task, TaskRef};

use crate::error::Error;
use crate::{Engine, clock};

/// How many candidates an ambiguous id is answered with.
const CANDIDATES: usize = 8;

/// What an id stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    /// A task.
    Task(TaskRef),
    /// A run.
    Run(Box<Run>),
}

impl Named {
    /// The run, if that is what was meant.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Task(_) => None,
            Self::Run(run) => Some(run),
        }
    }

    /// The task meant, or the one that the run meant is for.
    #[must_use]
    pub fn task(&self) -> &TaskRef {
        match self {
            Self::Task(task) => task,
            Self::Run(run) => &run.task,
        }
    }
}

impl Engine {
    /// What `text` stands for: `42`, `#42` and `api#42` are tasks, anything else is the beginning of a run id.
    ///
    /// # Errors
    /// [`Error::UnknownId`] and [`Error::AmbiguousId`].
    pub async fn resolve(&self, text: &str) -> Result<Named, Error> {
        let unknown = || Error::UnknownId(text.chars().take(80).collect());
        if let Ok(task) = text.parse::<TaskRef>() {
            let known = self.board.task(&task).await.map_err(Error::board("looking a task up"))?;
            if let Some(known) = known {
                return Ok(Named::Task(known.task));
            }
            // It may be an issue that nobody here has looked at yet.
            return match self.settings.repo(&task.repo).and_then(|it| it.forge.github()) {
                Some(_) => Ok(Named::Task(self.fresh_task(&task).await?.task)),
                None => Err(unknown()),
            };
        }
        let bare = text.strip_prefix('#').unwrap_or(text);
        if let Ok(number) = bare.parse::<u64>() {
            let mut tasks =
                self.board.tasks_numbered(number).await.map_err(Error::board("looking a task up"))?;
            return match tasks.len() {
                0 => Err(unknown()),
                1 => Ok(Named::Task(tasks.remove(0))),
                _ => Err(ambiguous(text, tasks.iter().map(ToString::to_string))),
            };
        }
        let prefix = text.to_ascii_lowercase();
        if prefix.is_empty() || prefix.len() > 16 || !prefix.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        let mut runs =
            self.board.runs_with_prefix(&prefix).await.map_err(Error::board("looking a run up"))?;
        match runs.len() {
            0 => Err(unknown()),
            1 => Ok(Named::Run(Box::new(runs.remove(0)))),
            _ => Err(ambiguous(text, runs.iter().map(|it| it.id.to_string()))),
        }
    }

    /// The run that `text` stands for; for a task, its newest of that kind.
    ///
    /// # Errors
    /// As [`Engine::resolve`], and [`Error::NoRun`] for a task without one.
    pub async fn resolve_run(&self, text: &str, kind: Option<RunKind>) -> Result<Run, Error> {
        match self.resolve(text).await? {
            Named::Run(run) => Ok(*run),
            Named::Task(task) => {
                let runs = self.board.runs_of(&task).await.map_err(Error::board("listing runs"))?;
                let newest = runs.into_iter().rfind(|it| kind.is_none_or(|kind| it.kind == kind));
                newest.ok_or(Error::NoRun(task))
            }
        }
    }

    /// One run, as the board has it now.
    ///
    /// # Errors
    /// [`Error::UnknownId`].
    pub async fn run(&self, id: RunId) -> Result<Run, Error> {
        let run = self.board.run(id).await.map_err(Error::board("reading a run"))?;
        run.ok_or_else(|| Error::UnknownId(id.to_string()))
    }

    /// Every run that has not ended, oldest first.
    ///
    /// # Errors
    /// When the board cannot be read.
    pub async fn live_runs(&self) -> Result<Vec<Run>, Error> {
        self.board.live_runs().await.map_err(Error::board("listing runs"))
    }

    /// The tasks that a task waits for, where the board has them.
    pub(crate) async fn waited(&self, task: &Task) -> Result<Vec<Task>, Error> {
        let mut waited = Vec::new();
        for after in &task.after {
            waited.extend(self.board.task(after).await.map_err(Error::board("reading a task"))?);
        }
        Ok(waited)
    }

    /// One task, as the board has it.
    ///
    /// # Errors
    /// [`Error::UnknownId`].
    pub async fn task(&self, task: &TaskRef) -> Result<Task, Error> {
        let known = self.board.task(task).await.map_err(Error::board("reading a task"))?;
        known.ok_or_else(|| Error::UnknownId(task.to_string()))
    }

    /// Every run of a task, oldest first.
    ///
    /// # Errors
    /// When the board cannot be read.
    pub async fn runs_of(&self, task: &TaskRef) -> Result<Vec<Run>, Error> {
        self.board.runs_of(task).await.map_err(Error::board("listing runs"))
    }

    /// Adds a task to the forge of its repo.
    ///
    /// # Errors
    /// When its repo is not configured, its title is empty, what it waits for does not exist or waits for it, or
    /// its forge refuses.
    pub async fn add_task(&self, mut new: NewTask) -> Result<Task, Error> {
        self.repo(&new.repo)?;
        new.title = one_line(&new.title)?;
        self.known_tasks(&new.after).await?;
        if let Some(github) = self.github(&new.repo).await? {
            return self.open_issue(&github, new).await;
        }
        match self.board.add_task(new, clock::now()).await.map_err(Error::board("adding a task"))? {
            Added::Task(task) => Ok(*task),
            Added::Circle(circle) => Err(Error::Circle(circle)),
        }
    }

    /// The tasks of a repo or of all, newest first.
    ///
    /// # Errors
    /// When the repo is not configured.
    pub async fn tasks(&self, repo: Option<RepoName>, only_open: bool) -> Result<Vec<Task>, Error> {
        if let Some(repo) = &repo {
            self.repo(repo)?;
        }
        let filter = TaskFilter { repo, only_open };
        self.board.tasks(&filter, 1000).await.map_err(Error::board("listing tasks"))
    }

    /// Edits a task that is still open.
    ///
    /// # Errors
    /// When it is not open, or what it is to wait for does not exist or waits for it.
    pub async fn edit_task(&self, task: &TaskRef, mut edit: TaskEdit) -> Result<Task, Error> {
        edit.title = edit.title.as_deref().map(one_line).transpose()?;
        if let Some(after) = &edit.after {
            self.known_tasks(after).await?;
        }
        if let Some(github) = self.github(&task.repo).await? {
            let old = self.fresh_task(task).await?;
            self.edit_issue(&github, &old, &mut edit).await?;
        }
        self.edit_on_board(task, edit).await
    }

    pub(crate) async fn edit_on_board(&self, task: &TaskRef, edit: TaskEdit) -> Result<Task, Error> {
        match self.board.edit_task(task, edit, clock::now()).await.map_err(Error::board("editing a task"))? {
            Edited::Task(task) => Ok(*task),
            Edited::NotOpen(state) => Err(Error::NotOpen { task: task.clone(), state: state.as_str() }),
            Edited::Circle(circle) => Err(Error::Circle(circle)),
        }
    }

    /// Closes a task that is no longer wanted.
    ///
    /// # Errors
    /// When it is not open, a run is at it, or its forge refuses.
    pub async fn close_task(&self, task: &TaskRef, reason: &str) -> Result<Task, Error> {
        self.settle().await?;
        let mut at_it = self.live_runs().await?;
        at_it.retain(|it| it.task == *task);
        if let Some(run) = at_it.iter().find(|it| it.reservation.is_some()) {
            return Err(Error::Busy { task: task.clone(), run: run.id });
        }
        if let Some(github) = self.github(&task.repo).await? {
            self.close_issue(&github, task).await?;
        }
        let closing = self.board.close_task(task, reason, clock::now()).await;
        match closing.map_err(Error::board("closing a task"))? {
            Closing::Closed => {
                if !at_it.is_empty() {
                    // What was queued for it is queued for nothing now.
                    self.advance_queue().await?;
                }
                self.task(task).await
            }
            Closing::NotOpen(state) => Err(Error::NotOpen { task: task.clone(), state: state.as_str() }),
            Closing::Busy(run) => Err(Error::Busy { task: task.clone(), run }),
        }
    }

    async fn known_tasks(&self, tasks: &[TaskRef]) -> Result<(), Error> {
        for task in tasks {
            self.task(task).await?;
        }
        Ok(())
    }
}

fn ambiguous(text: &str, candidates: impl Iterator<Item = String>) -> Error {
    Error::AmbiguousId { text: text.to_owned(), candidates: candidates.take(CANDIDATES).collect() }
}

/// A title is one line: a line break in it becomes a space.
fn one_line(title: &str) -> Result<String, Error> {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() {
        return Err(Error::BadTitle("a task needs a title"));
    }
    if title.chars().count() > 500 {
        return Err(Error::BadTitle("a title has at most 500 characters; put the rest in the body"));
    }
    Ok(title)
}
