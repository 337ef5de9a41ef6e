//! The record that a change became part of its base branch: change, pull request and task at once.

use coord_core::change::{Change, ChangeState, PullRequestState};
use coord_core::event::Fact;
use coord_core::name::CommitSha;
use coord_core::task::{TaskRef, TaskState};
use jiff::Timestamp;

use crate::column::signed;
use crate::{Board, Error, change, pull_request, task};

/// What became of the record of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Merging {
    /// Change, pull request and task are merged by that commit.
    Merged,
    /// The head had moved, another commit had merged it, or its task or pull request was closed; the change
    /// stays as it is here.
    LostRace(Change),
}

impl Board {
    /// Records that `commit` brought `head` into the base branch. Saying it twice is saying it once.
    pub async fn record_merged(
        &self,
        task: &TaskRef,
        head: &CommitSha,
        commit: &CommitSha,
        now: Timestamp,
    ) -> Result<Merging, Error> {
        let mut transition = self.transition("record a merge").await?;
        let wanted = task::read(&mut transition, task).await?;
        let change = change::existing(&mut transition, task).await?;
        let merged = ChangeState::Merged { head: head.clone(), commit: commit.clone() };
        if change.state == merged {
            return Ok(Merging::Merged);
        }
        let newest = pull_request::newest(&mut transition, task).await?;
        let open = newest.filter(|it| it.state == PullRequestState::Open);
        let (Some(open), TaskState::Open) = (open, &wanted.state) else {
            return Ok(Merging::LostRace(change));
        };
        if change.state != (ChangeState::Published { head: head.clone() }) {
            return Ok(Merging::LostRace(change));
        }
        change::write_state(&mut transition, task, &merged).await?;
        task::write_state(&mut transition, task, &TaskState::Merged { commit: commit.clone() }).await?;
        let state = PullRequestState::Merged { commit: commit.clone() };
        let update = "UPDATE pull_requests SET state = $3, merge_commit = $4 WHERE repo = $1 AND number = $2";
        let update = sqlx::query(update)
            .bind(task.repo.as_str())
            .bind(signed(open.number))
            .bind(state.as_str())
            .bind(commit.as_str());
        transition.run(update).await?;
        let fact = Fact::Merged { commit: commit.clone(), pull_request: open.number };
        transition.commit(task, &fact, now).await?;
        Ok(Merging::Merged)
    }
}
