//! Changes: a task's branch, its lease and what is published of it.

use coord_core::change::{Change, ChangeState};
use coord_core::event::Fact;
use coord_core::id::RunId;
use coord_core::name::{BranchName, CommitSha, branch_for};
use coord_core::run::Run;
use coord_core::task::{Task, TaskRef};
use jiff::Timestamp;

use crate::column::{self, signed};
use crate::write::Transition;
use crate::{Board, Error, run};

/// What became of the record of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Publishing {
    /// The board has the new head.
    Published,
    /// The lease has passed on or is held, or the head had moved, and the change stays as it is here.
    LostRace(Change),
}

const READ: &str = "SELECT * FROM changes WHERE repo = $1 AND number = $2";

/// The conditions are those of the indexes `tasks_open` and `changes_unmerged`, so merged changes cost nothing.
pub(crate) const OPEN: &str = "SELECT changes.* FROM changes
    JOIN tasks ON tasks.repo = changes.repo AND tasks.number = changes.number
    WHERE changes.state <> 'merged' AND tasks.state = 'open' ORDER BY changes.repo, changes.number";

impl Board {
    /// The change of a task, if it has one.
    pub async fn change(&self, task: &TaskRef) -> Result<Option<Change>, Error> {
        let query = sqlx::query(READ).bind(task.repo.as_str()).bind(signed(task.number));
        let row = query.fetch_optional(&self.pool).await.map_err(Error::sql("read a change"))?;
        row.as_ref().map(column::change).transpose()
    }

    /// Every change that is not merged, of a task that is still wanted.
    pub async fn open_changes(&self) -> Result<Vec<Change>, Error> {
        let rows =
            sqlx::query(OPEN).fetch_all(&self.pool).await.map_err(Error::sql("list the open changes"))?;
        rows.iter().map(column::change).collect()
    }

    /// Records that `run` moved the change's branch on origin from `old_head` to `new_head`. Only the holder of
    /// the lease may: `fence` must be the highest that was handed out. Saying it twice is saying it once.
    pub async fn publish(
        &self,
        task: &TaskRef,
        run: RunId,
        fence: u64,
        old_head: Option<&CommitSha>,
        new_head: &CommitSha,
        now: Timestamp,
    ) -> Result<Publishing, Error> {
        let mut transition = self.transition("publish a change").await?;
        let change = existing(&mut transition, task).await?;
        let merged = matches!(change.state, ChangeState::Merged { .. });
        if merged || change.fence != fence {
            return Ok(Publishing::LostRace(change));
        }
        if change.head() == Some(new_head) {
            return Ok(Publishing::Published);
        }
        if change.head() != old_head {
            return Ok(Publishing::LostRace(change));
        }
        write_state(&mut transition, task, &ChangeState::Published { head: new_head.clone() }).await?;
        let fact = Fact::Published { branch: change.branch, head: new_head.clone(), run };
        transition.commit(task, &fact, now).await?;
        Ok(Publishing::Published)
    }

    /// Records that somebody else moved the change's branch on origin. Only while no worker is at it: its own
    /// publishing compares with where the branch was when it started.
    pub async fn adopt_head(
        &self,
        task: &TaskRef,
        old_head: Option<&CommitSha>,
        new_head: &CommitSha,
        now: Timestamp,
    ) -> Result<Publishing, Error> {
        let mut transition = self.transition("note a moved head").await?;
        let change = existing(&mut transition, task).await?;
        let held = run::live(&mut transition).await?;
        let at_it = |it: &Run| it.kind.is_agent_work() && it.reservation.is_some() && it.task == *task;
        let held = held.iter().any(at_it);
        if held || matches!(change.state, ChangeState::Merged { .. }) || change.head() != old_head {
            return Ok(Publishing::LostRace(change));
        }
        write_state(&mut transition, task, &ChangeState::Published { head: new_head.clone() }).await?;
        transition.commit(task, &Fact::HeadMoved { head: new_head.clone() }, now).await?;
        Ok(Publishing::Published)
    }
}

/// The change of a task, within a transition.
pub(crate) async fn read(transition: &mut Transition, task: &TaskRef) -> Result<Option<Change>, Error> {
    let failed = transition.failed();
    let query = sqlx::query(READ).bind(task.repo.as_str()).bind(signed(task.number));
    let row = query.fetch_optional(transition.connection()).await.map_err(failed)?;
    row.as_ref().map(column::change).transpose()
}

/// The change of a task, which must have one.
pub(crate) async fn existing(transition: &mut Transition, task: &TaskRef) -> Result<Change, Error> {
    read(transition, task).await?.ok_or_else(|| Error::NoChange(task.clone()))
}

/// Hands out the next fence of a task, whose change is made if this is its first.
pub(crate) async fn lease(
    transition: &mut Transition,
    task: &Task,
    base_branch: &BranchName,
) -> Result<Change, Error> {
    let failed = transition.failed();
    let (state, _, _) = column::change_facts(&ChangeState::Empty);
    let row = sqlx::query(
        "INSERT INTO changes (repo, number, branch, base_branch, state, fence) VALUES ($1, $2, $3, $4, $5, 1)
         ON CONFLICT (repo, number) DO UPDATE SET fence = changes.fence + 1 RETURNING *",
    )
    .bind(task.task.repo.as_str())
    .bind(signed(task.task.number))
    .bind(branch_for(task.task.number, &task.title).as_str())
    .bind(base_branch.as_str())
    .bind(state)
    .fetch_one(transition.connection())
    .await
    .map_err(failed)?;
    column::change(&row)
}

/// Moves a change that is known not to be merged.
pub(crate) async fn write_state(
    transition: &mut Transition,
    task: &TaskRef,
    state: &ChangeState,
) -> Result<(), Error> {
    let (word, head, commit) = column::change_facts(state);
    let update = "UPDATE changes SET state = $3, head = $4, merge_commit = $5
                  WHERE repo = $1 AND number = $2 AND state <> 'merged'";
    let update = sqlx::query(update)
        .bind(task.repo.as_str())
        .bind(signed(task.number))
        .bind(word)
        .bind(head)
        .bind(commit);
    transition.run(update).await
}
