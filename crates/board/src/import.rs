//! Tasks that are issues of a forge: the board keeps a copy of what was last seen of them, so that they wait for
//! one another, are readied and shown like any other task.

use coord_core::event::Fact;
use coord_core::forge::{Origin, Related};
use coord_core::task::{Task, TaskRef, TaskState};
use jiff::Timestamp;

use crate::column::{json, signed};
use crate::write::Transition;
use crate::{Board, Error, task};

/// An issue as it was just seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The repo and the number.
    pub task: TaskRef,
    /// One line.
    pub title: String,
    /// What its author wrote.
    pub body: String,
    /// The forge's labels.
    pub labels: Vec<String>,
    /// Why it is no longer wanted, if it is not.
    pub closed: Option<String>,
    /// What only the forge knows of it.
    pub origin: Origin,
    /// What it consists of or is blocked by; `None` where that was not looked at.
    pub related: Option<Vec<Related>>,
    /// When it was written.
    pub created_at: Timestamp,
}

impl Board {
    /// Takes in what was seen of issues. A merged task stays merged, whatever becomes of its issue. What people
    /// are told of is taken in whole or not at all; who was assigned, and when, is no event.
    pub async fn import(&self, seen: Vec<Seen>, now: Timestamp) -> Result<(), Error> {
        let mut news = Vec::new();
        for seen in seen {
            match self.task(&seen.task).await? {
                Some(old) if !is_news(&old, &seen) => self.refresh(&old, &seen).await?,
                Some(_) | None => news.push(seen),
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        let mut transition = self.transition("take in issues").await?;
        let mut facts = Vec::new();
        for seen in news {
            let task = seen.task.clone();
            facts.extend(take_in(&mut transition, seen).await?.into_iter().map(|fact| (task.clone(), fact)));
        }
        // Somebody else may have taken in the same meanwhile.
        let Some((last_task, last)) = facts.pop() else { return Ok(()) };
        for (task, fact) in &facts {
            transition.and(task, fact, now).await?;
        }
        transition.commit(&last_task, &last, now).await
    }

    async fn refresh(&self, old: &Task, seen: &Seen) -> Result<(), Error> {
        let related = seen.related.as_ref().unwrap_or(&old.related);
        if old.origin.as_ref() == Some(&seen.origin) && *related == old.related {
            return Ok(());
        }
        let update = sqlx::query(COPY)
            .bind(seen.task.repo.as_str())
            .bind(signed(seen.task.number))
            .bind(&old.title)
            .bind(&old.body)
            .bind(json(&old.labels))
            .bind(json(&seen.origin))
            .bind(json(related));
        update.execute(&self.pool).await.map_err(Error::sql("take in an issue"))?;
        Ok(())
    }
}

const COPY: &str = "UPDATE tasks SET title = $3, body = $4, labels = $5, origin = $6, related = $7
    WHERE repo = $1 AND number = $2";

/// Whether taking it in changes what people are told.
fn is_news(old: &Task, seen: &Seen) -> bool {
    let moved = match old.state {
        TaskState::Open => seen.closed.is_some(),
        TaskState::Closed { .. } => seen.closed.is_none(),
        TaskState::Merged { .. } => false,
    };
    moved || text_differs(old, seen)
}

fn text_differs(old: &Task, seen: &Seen) -> bool {
    (&old.title, &old.body, &old.labels) != (&seen.title, &seen.body, &seen.labels)
}

async fn take_in(transition: &mut Transition, seen: Seen) -> Result<Vec<Fact>, Error> {
    let Some(old) = task::find(transition, &seen.task).await? else {
        let title = seen.title.clone();
        let closed = seen.closed.clone();
        task::insert(transition, &fresh(seen)).await?;
        let added = Fact::TaskAdded { title };
        return Ok(std::iter::once(added).chain(closed.map(|reason| Fact::TaskClosed { reason })).collect());
    };
    let mut facts = Vec::new();
    if text_differs(&old, &seen) {
        facts.push(Fact::TaskEdited);
    }
    match (&old.state, &seen.closed) {
        (TaskState::Open, Some(reason)) => {
            let closed = TaskState::Closed { reason: reason.clone() };
            task::write_state(transition, &seen.task, &closed).await?;
            facts.push(Fact::TaskClosed { reason: reason.clone() });
        }
        (TaskState::Closed { .. }, None) => {
            task::reopen(transition, &seen.task).await?;
            facts.push(Fact::TaskReopened);
        }
        (TaskState::Open, None) | (TaskState::Closed { .. }, Some(_)) | (TaskState::Merged { .. }, _) => {}
    }
    let related = seen.related.unwrap_or(old.related);
    let update = sqlx::query(COPY)
        .bind(seen.task.repo.as_str())
        .bind(signed(seen.task.number))
        .bind(&seen.title)
        .bind(&seen.body)
        .bind(json(&seen.labels))
        .bind(json(&seen.origin))
        .bind(json(&related));
    transition.run(update).await?;
    Ok(facts)
}

fn fresh(seen: Seen) -> Task {
    let Seen { task, title, body, labels, closed, origin, related, created_at } = seen;
    Task {
        task,
        title,
        body,
        labels,
        files: Vec::new(),
        after: Vec::new(),
        origin: Some(origin),
        related: related.unwrap_or_default(),
        state: closed.map_or(TaskState::Open, |reason| TaskState::Closed { reason }),
        created_at,
    }
}
