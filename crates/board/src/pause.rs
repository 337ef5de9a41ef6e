//! Repos into whose default branch nothing is merged, because their forge has merged something untested.

use coord_core::event::Fact;
use coord_core::name::{CommitSha, RepoName};
use coord_core::task::TaskRef;
use jiff::Timestamp;

use crate::column::{self, signed};
use crate::{Board, Error};

/// Why a repo's default branch is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The task whose merge went otherwise than tested.
    pub task: TaskRef,
    /// What is wrong.
    pub reason: String,
    /// Where the default branch was left, which has not been tested.
    pub tip: CommitSha,
    /// Since when.
    pub begun_at: Timestamp,
}

impl Board {
    /// Records an incident, and that nothing is merged into the default branch of its repo any more. Saying the
    /// same twice is saying it once.
    pub async fn pause(
        &self,
        task: &TaskRef,
        reason: &str,
        tip: &CommitSha,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut transition = self.transition("pause merging").await?;
        let failed = transition.failed();
        let known = sqlx::query_scalar::<_, String>("SELECT tip FROM pauses WHERE repo = $1")
            .bind(task.repo.as_str())
            .fetch_optional(transition.connection())
            .await
            .map_err(failed)?;
        if known.as_deref() == Some(tip.as_str()) {
            return Ok(());
        }
        let upsert = "INSERT INTO pauses (repo, number, reason, tip, begun_at) VALUES ($1, $2, $3, $4, $5)
                      ON CONFLICT (repo) DO UPDATE SET number = excluded.number, reason = excluded.reason,
                      tip = excluded.tip, begun_at = excluded.begun_at";
        let upsert = sqlx::query(upsert)
            .bind(task.repo.as_str())
            .bind(signed(task.number))
            .bind(reason)
            .bind(tip.as_str())
            .bind(column::time(now));
        transition.run(upsert).await?;
        let fact = Fact::Incident { reason: reason.to_owned(), commit: tip.clone() };
        transition.commit(task, &fact, now).await
    }

    /// Lets merging go on. `false` when it was not paused.
    pub async fn resume(&self, repo: &RepoName, reason: &str, now: Timestamp) -> Result<bool, Error> {
        let Some(pause) = self.pause_of(repo).await? else { return Ok(false) };
        let mut transition = self.transition("resume merging").await?;
        let failed = transition.failed();
        let delete = sqlx::query("DELETE FROM pauses WHERE repo = $1 AND tip = $2");
        let delete = delete.bind(repo.as_str()).bind(pause.tip.as_str());
        let deleted = delete.execute(transition.connection()).await.map_err(failed)?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        let fact = Fact::MergingResumed { reason: reason.to_owned() };
        transition.commit(&pause.task, &fact, now).await?;
        Ok(true)
    }

    /// Why nothing is merged into the default branch of a repo, if that is so.
    pub async fn pause_of(&self, repo: &RepoName) -> Result<Option<Pause>, Error> {
        let query = sqlx::query("SELECT * FROM pauses WHERE repo = $1").bind(repo.as_str());
        let row =
            query.fetch_optional(&self.pool).await.map_err(Error::sql("read whether merging is paused"))?;
        row.as_ref().map(column::pause).transpose()
    }
}
