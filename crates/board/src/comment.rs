//! Comments that are to stand on a forge, each exactly once, whoever crashes between the writing and the record.
//!
//! Who sets out to write one says so first, holding a lock of their own. Whoever finds that somebody has, and does
//! not know how it ended, looks for the comment on the forge before writing it again.

use std::collections::BTreeSet;

use coord_core::comment::CommentEvent;
use coord_core::event::Fact;
use coord_core::id::RunId;
use coord_core::task::TaskRef;
use jiff::{SignedDuration, Timestamp};

use crate::column::{self, signed};
use crate::{Board, Error};

/// How long whoever set out to write a comment is left alone with it: longer than a request may take.
const ATTEMPT: SignedDuration = SignedDuration::from_secs(90);

/// What somebody who wants to write a comment may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Saying {
    /// Write it: nobody has tried.
    New,
    /// Look for it, and write it if it is not there: somebody tried, and it is not known how that ended.
    Unsure,
    /// Nothing: it is there, or somebody is writing it at this moment.
    Said,
}

impl Board {
    /// Sets out to write a comment, as whoever holds the lock called `holder`: an attempt under the same lock is
    /// over, and one under another is left alone for a while.
    pub async fn begin_comment(
        &self,
        run: RunId,
        event: CommentEvent,
        holder: &str,
        now: Timestamp,
    ) -> Result<Saying, Error> {
        let failed = || Error::sql("set out to write a comment");
        let insert = "INSERT INTO comments (run, event, holder, begun_at) VALUES ($1, $2, $3, $4)
                      ON CONFLICT DO NOTHING";
        let insert = sqlx::query(insert)
            .bind(run.to_string())
            .bind(event.as_str())
            .bind(holder)
            .bind(column::time(now));
        if insert.execute(&self.pool).await.map_err(failed())?.rows_affected() == 1 {
            return Ok(Saying::New);
        }
        let retake = "UPDATE comments SET begun_at = $3, holder = $4
                      WHERE run = $1 AND event = $2 AND comment IS NULL AND (holder = $4 OR begun_at < $5)";
        let retake = sqlx::query(retake)
            .bind(run.to_string())
            .bind(event.as_str())
            .bind(column::time(now))
            .bind(holder)
            .bind(column::time(now - ATTEMPT));
        let retaken = retake.execute(&self.pool).await.map_err(failed())?.rows_affected();
        Ok(if retaken == 1 { Saying::Unsure } else { Saying::Said })
    }

    /// Gives up on a comment that certainly was not written, so that whoever comes next may write it.
    pub async fn drop_comment(&self, run: RunId, event: CommentEvent) -> Result<(), Error> {
        let delete = "DELETE FROM comments WHERE run = $1 AND event = $2 AND comment IS NULL";
        let delete = sqlx::query(delete).bind(run.to_string()).bind(event.as_str());
        delete.execute(&self.pool).await.map_err(Error::sql("give up on a comment"))?;
        Ok(())
    }

    /// Records that a comment stands on the forge.
    pub async fn record_comment(
        &self,
        task: &TaskRef,
        run: RunId,
        event: CommentEvent,
        comment: u64,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut transition = self.transition("record a comment").await?;
        let failed = transition.failed();
        let update = "UPDATE comments SET comment = $3 WHERE run = $1 AND event = $2 AND comment IS NULL";
        let update = sqlx::query(update).bind(run.to_string()).bind(event.as_str()).bind(signed(comment));
        let recorded = update.execute(transition.connection()).await.map_err(failed)?;
        if recorded.rows_affected() == 0 {
            return Ok(());
        }
        transition.commit(task, &Fact::Commented { run, event, comment }, now).await
    }

    /// What has been said of a run, as far as it is known to stand.
    pub async fn comments_of(&self, run: RunId) -> Result<BTreeSet<CommentEvent>, Error> {
        let query = sqlx::query_scalar::<_, String>(
            "SELECT event FROM comments WHERE run = $1 AND comment IS NOT NULL",
        );
        let words = query.bind(run.to_string()).fetch_all(&self.pool).await;
        let words = words.map_err(Error::sql("read what was said of a run"))?;
        Ok(CommentEvent::ALL.into_iter().filter(|it| words.iter().any(|word| word == it.as_str())).collect())
    }
}
