//! Issues of a forge as tasks of the board: taking in what is there, and writing what people decide here.

use std::collections::BTreeMap;
use std::time::Duration;

use coord_board::{NewTask, Reopening, Seen, TaskEdit, TaskFilter};
use coord_core::forge::{Comment, Issue, Related, Relation};
use coord_core::name::RepoName;
use coord_core::task::{Task, TaskRef, TaskState};
use coord_forge::github::GitHub;
use coord_forge::github::broker::Age;
use coord_forge::github::error::GitHubError;
use coord_forge::github::write::{CloseReason, NewIssue};

use crate::error::Error;
use crate::{Engine, chain, clock};

/// How old what is merely shown may be. It is less than a minute, so that nobody who looks sees the world as it
/// was more than a minute ago.
pub(crate) const SHOWN: Age = Age::Within(Duration::from_secs(45));

/// How the first line of an issue begins that was opened here.
const MARKER: &str = "<!-- coord:issue=";
/// Of how many issues at most a list has looked up what they have to do with others; the rest is for the next look.
const RELATED: usize = 20;

impl Engine {
    /// Takes in one issue, as it is on the forge now, and returns its task. A task of the local forge is as the
    /// board has it.
    ///
    /// # Errors
    /// When it is unknown, or its forge cannot be asked.
    pub async fn fresh_task(&self, task: &TaskRef) -> Result<Task, Error> {
        if let Some(github) = self.github(&task.repo).await? {
            self.take_in(&github, task, Age::Now).await?;
        }
        self.task(task).await
    }

    async fn take_in(&self, github: &GitHub, task: &TaskRef, age: Age) -> Result<(), Error> {
        let failed = |source| Error::github(&task.repo, "reading an issue")(source);
        let issue = github.issue(task.number, age).await.map_err(failed)?;
        let waits = |open: Option<u32>| open.is_none_or(|it| it > 0);
        let related = if waits(issue.open_sub_issues) || waits(issue.open_blockers) {
            github.related(task.number, age).await.map_err(failed)?
        } else {
            Vec::new()
        };
        let seen = Seen { related: Some(related), ..seen(&task.repo, issue) };
        self.board.import(vec![seen], clock::now()).await.map_err(Error::board("taking in an issue"))
    }

    /// Takes in one issue as it was a moment ago, to be shown. `Some` says why that could not be done; then the
    /// board is as it was.
    pub(crate) async fn take_in_for_show(&self, task: &TaskRef) -> Result<Option<String>, Error> {
        let taken_in = match self.github(&task.repo).await {
            Ok(Some(github)) => self.take_in(&github, task, SHOWN).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match taken_in {
            Ok(()) => Ok(None),
            Err(error @ Error::Board { .. }) => Err(error),
            Err(error) => Ok(Some(chain(&error))),
        }
    }

    /// What was said under an issue by those whose words may become work; not by coord itself.
    pub(crate) async fn trusted_comments(&self, task: &Task) -> Result<Vec<Comment>, Error> {
        let (Some(github), Some(_)) = (self.github(&task.task.repo).await?, &task.origin) else {
            return Ok(Vec::new());
        };
        let failed = Error::github(&task.task.repo, "reading comments");
        let mut comments = github.comments(task.task.number, Age::Now).await.map_err(failed)?;
        let trusted = &self.settings.trusted;
        comments.retain(|it| trusted.contains(&it.association) && !it.body.starts_with("<!-- coord:"));
        Ok(comments)
    }

    /// Brings the board's tasks up to date with the forge of one repo or of all: every open issue, and what became
    /// of those that are no longer among them.
    ///
    /// # Errors
    /// When the board cannot be read or written, or a forge cannot be asked.
    pub async fn sync_issues(&self, repo: Option<&RepoName>) -> Result<(), Error> {
        let names = self.settings.repos.iter().map(|it| &it.name);
        for name in names.filter(|it| repo.is_none_or(|repo| repo == *it)) {
            if let Some(github) = self.github(name).await? {
                self.sync_issues_of(&github, name).await?;
            }
        }
        Ok(())
    }

    async fn sync_issues_of(&self, github: &GitHub, repo: &RepoName) -> Result<(), Error> {
        let failed = Error::github(repo, "listing issues");
        let open = github.open_issues(SHOWN).await.map_err(&failed)?;
        let numbers: Vec<_> = open.iter().map(|it| it.number).collect();
        let filter = TaskFilter { repo: Some(repo.clone()), only_open: true };
        let known = self.board.tasks(&filter, u32::MAX).await.map_err(Error::board("listing tasks"))?;
        let open = self.with_related(github, open, &known).await.map_err(failed)?;
        let open = open.into_iter().map(|(it, related)| Seen { related, ..seen(repo, it) }).collect();
        self.board.import(open, clock::now()).await.map_err(Error::board("taking in issues"))?;
        for task in known.iter().filter(|it| !numbers.contains(&it.task.number)) {
            self.closed_elsewhere(github, task).await?;
        }
        self.close_out_the_rest(repo).await
    }

    /// Listed issues with what they consist of or are blocked by, where the list shows that it has changed: it
    /// has only numbers.
    async fn with_related(
        &self,
        github: &GitHub,
        open: Vec<Issue>,
        known: &[Task],
    ) -> Result<Vec<(Issue, Option<Vec<Related>>)>, GitHubError> {
        let known: BTreeMap<_, _> = known.iter().map(|it| (it.task.number, &it.related)).collect();
        let (mut looked, mut all) = (0, Vec::with_capacity(open.len()));
        for issue in open {
            let known = known.get(&issue.number).map_or(&[] as &[Related], |it| it.as_slice());
            let related = match numbers(&issue) {
                Some([0, 0]) => Some(Vec::new()),
                Some(numbers) if numbers != open_of(known) && looked < RELATED => {
                    looked += 1;
                    Some(github.related(issue.number, SHOWN).await?)
                }
                Some(_) | None => None,
            };
            all.push((issue, related));
        }
        Ok(all)
    }

    /// The tasks that one waits for, as far as they are on the board; what was open is looked at again. Where that
    /// cannot be done, it is open.
    pub(crate) async fn waited_now(&self, task: &Task) -> Result<Vec<Task>, Error> {
        for waited in self.waited(task).await?.iter().filter(|it| it.state == TaskState::Open) {
            let looked = match self.github(&waited.task.repo).await {
                Ok(Some(github)) => self.closed_elsewhere(&github, waited).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            match looked {
                Ok(()) => {}
                Err(error @ Error::Board { .. }) => return Err(error),
                Err(error) => {
                    let task = &waited.task;
                    tracing::warn!(%task, error = chain(&error), "taken for open, since nobody could look");
                }
            }
        }
        self.waited(task).await
    }

    /// An issue that is open here and may not be there. Its change may have closed it by being merged, so that is
    /// looked at first: what is merged is not merely closed.
    async fn closed_elsewhere(&self, github: &GitHub, task: &Task) -> Result<(), Error> {
        self.candidate(&task.task).await?;
        match self.task(&task.task).await?.state {
            TaskState::Merged { .. } | TaskState::Closed { .. } => return Ok(()),
            TaskState::Open => {}
        }
        match self.take_in(github, &task.task, Age::Now).await {
            Err(Error::GitHub { source, .. }) if is_gone(&source) => {
                let reason = source.to_string();
                let closing = self.board.close_task(&task.task, &reason, clock::now()).await;
                // A worker that is still at it is not stopped for that; the next look closes it.
                match closing.map_err(Error::board("closing a task"))? {
                    coord_board::Closing::Closed
                    | coord_board::Closing::NotOpen(_)
                    | coord_board::Closing::Busy(_) => Ok(()),
                }
            }
            taken_in => taken_in,
        }
    }

    /// Opens an issue. The marker in its text is how it is found again when GitHub does not say whether it did.
    pub(crate) async fn open_issue(&self, github: &GitHub, new: NewTask) -> Result<Task, Error> {
        let failed = Error::github(&new.repo, "opening an issue");
        let marker = format!("{MARKER}{} -->", clock::new_run_id());
        let wanted = NewIssue { title: &new.title, body: &new.body, marker: &marker, labels: &new.labels };
        let issue = github.create_issue(&wanted, clock::now()).await.map_err(failed)?;
        let task = TaskRef { repo: new.repo.clone(), number: issue.number };
        let seen = seen(&new.repo, issue);
        self.board.import(vec![seen], clock::now()).await.map_err(Error::board("taking in an issue"))?;
        if new.files.is_empty() && new.after.is_empty() {
            return self.task(&task).await;
        }
        let ours = TaskEdit { files: Some(new.files), after: Some(new.after), ..TaskEdit::default() };
        self.edit_on_board(&task, ours).await
    }

    /// Carries an edit of what the forge keeps to the forge; what only the board keeps is left in it.
    pub(crate) async fn edit_issue(
        &self,
        github: &GitHub,
        task: &Task,
        edit: &mut TaskEdit,
    ) -> Result<(), Error> {
        let failed = |source| Error::github(&task.task.repo, "editing an issue")(source);
        let number = task.task.number;
        let (title, body) = (edit.title.take(), edit.body.take());
        if title.is_some() || body.is_some() {
            github.edit_issue(number, title.as_deref(), body.as_deref()).await.map_err(failed)?;
        }
        if let Some(labels) = edit.labels.take() {
            let new: Vec<_> = labels.iter().filter(|it| !task.labels.contains(it)).cloned().collect();
            if !new.is_empty() {
                github.add_labels(number, &new).await.map_err(failed)?;
            }
            for gone in task.labels.iter().filter(|it| !labels.contains(it)) {
                github.remove_label(number, gone).await.map_err(failed)?;
            }
        }
        self.take_in(github, &task.task, Age::Now).await
    }

    /// Closes an issue as one that is no longer wanted.
    pub(crate) async fn close_issue(&self, github: &GitHub, task: &TaskRef) -> Result<(), Error> {
        let failed = Error::github(&task.repo, "closing an issue");
        github.close_issue(task.number, CloseReason::NotPlanned).await.map(drop).map_err(failed)
    }

    /// Opens a task that was closed, on its forge as well.
    ///
    /// # Errors
    /// When it is merged, or the forge refuses.
    pub async fn reopen_task(&self, task: &TaskRef) -> Result<Task, Error> {
        if let TaskState::Merged { .. } = self.fresh_task(task).await?.state {
            return Err(Error::NotOpen { task: task.clone(), state: "merged" });
        }
        if let Some(github) = self.github(&task.repo).await? {
            let failed = Error::github(&task.repo, "opening an issue again");
            github.reopen_issue(task.number).await.map_err(failed)?;
            self.take_in(&github, task, Age::Now).await?;
        }
        match self
            .board
            .reopen_task(task, clock::now())
            .await
            .map_err(Error::board("opening a task again"))?
        {
            Reopening::Open => self.task(task).await,
            Reopening::Merged(_) => Err(Error::NotOpen { task: task.clone(), state: "merged" }),
        }
    }
}

/// How many sub-issues and blockers of an issue are open, where the forge says so.
fn numbers(issue: &Issue) -> Option<[usize; 2]> {
    let number = |it: Option<u32>| usize::try_from(it?).ok();
    Some([number(issue.open_sub_issues)?, number(issue.open_blockers)?])
}

/// The same of what is known.
fn open_of(related: &[Related]) -> [usize; 2] {
    let open = |relation| related.iter().filter(|it| it.open && it.relation == relation).count();
    [open(Relation::SubIssue), open(Relation::BlockedBy)]
}

/// Whether an issue is not where it was, as opposed to GitHub not being asked.
fn is_gone(error: &GitHubError) -> bool {
    matches!(error, GitHubError::Gone { .. } | GitHubError::NotFound { .. } | GitHubError::Transferred { .. })
}

fn seen(repo: &RepoName, issue: Issue) -> Seen {
    Seen {
        task: TaskRef { repo: repo.clone(), number: issue.number },
        title: issue.title.split_whitespace().collect::<Vec<_>>().join(" "),
        body: unmarked(&issue.body).to_owned(),
        labels: issue.labels,
        closed: (!issue.open).then(|| "its issue was closed on GitHub".to_owned()),
        origin: issue.origin,
        related: None,
        created_at: issue.created_at,
    }
}

/// An issue's text without the line by which one of ours is found again.
fn unmarked(body: &str) -> &str {
    match body.split_once('\n') {
        Some((first, rest)) if first.starts_with(MARKER) => rest.trim_start(),
        Some(_) | None => body,
    }
}
