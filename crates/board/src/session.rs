//! Sessions: when a person was at work, and what is asked about the time since.
//!
//! A session is nobody's task, so it has no events: its row holds both of its facts, and each is written once.

use coord_core::event::Event;
use coord_core::run::Run;
use coord_core::session::Session;
use jiff::Timestamp;

use crate::column::{self, signed};
use crate::{Board, Error, write};

/// What became of the wish to open a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Begun {
    /// It is open, and new.
    New(Session),
    /// One was open already, and goes on.
    Open(Session),
}

impl Board {
    /// Opens a session, unless one is open.
    pub async fn open_session(&self, now: Timestamp) -> Result<Begun, Error> {
        let doing = "open a session";
        let mut transaction = self.pool.begin().await.map_err(Error::sql(doing))?;
        // Whoever has the number is alone until the end: two that open at once see one another.
        let number = write::next(&mut transaction, "sessions", doing).await?;
        let open = sqlx::query(OPEN).fetch_optional(&mut *transaction).await.map_err(Error::sql(doing))?;
        if let Some(row) = open {
            return column::session(&row).map(Begun::Open);
        }
        let session = Session { number, opened_at: now, closed_at: None };
        sqlx::query("INSERT INTO sessions (number, opened_at) VALUES ($1, $2)")
            .bind(signed(number))
            .bind(column::time(now))
            .execute(&mut *transaction)
            .await
            .map_err(Error::sql(doing))?;
        transaction.commit().await.map_err(Error::sql(doing))?;
        Ok(Begun::New(session))
    }

    /// The session that is open, if one is.
    pub async fn session(&self) -> Result<Option<Session>, Error> {
        let row = sqlx::query(OPEN).fetch_optional(&self.pool).await;
        row.map_err(Error::sql("look for a session"))?.as_ref().map(column::session).transpose()
    }

    /// The session before the one with this number.
    pub async fn session_before(&self, number: u64) -> Result<Option<Session>, Error> {
        let query = sqlx::query("SELECT * FROM sessions WHERE number < $1 ORDER BY number DESC LIMIT 1");
        let row = query.bind(signed(number)).fetch_optional(&self.pool).await;
        row.map_err(Error::sql("look for a session"))?.as_ref().map(column::session).transpose()
    }

    /// Closes a session. `false` when it was closed before.
    pub async fn close_session(&self, number: u64, now: Timestamp) -> Result<bool, Error> {
        let update = "UPDATE sessions SET closed_at = $2 WHERE number = $1 AND closed_at IS NULL";
        let update = sqlx::query(update).bind(signed(number)).bind(column::time(now));
        let updated = update.execute(&self.pool).await.map_err(Error::sql("close a session"))?;
        Ok(updated.rows_affected() == 1)
    }

    /// What happened from a moment on, in order, after the event with this number.
    pub async fn events_since(&self, from: Timestamp, after: u64, limit: u32) -> Result<Vec<Event>, Error> {
        let query =
            sqlx::query("SELECT * FROM events WHERE at >= $1 AND number > $2 ORDER BY number LIMIT $3");
        let query = query.bind(column::time(from)).bind(signed(after)).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await.map_err(Error::sql("read the events of a time"))?;
        rows.iter().map(column::event).collect()
    }

    /// Every run that has ended of the tasks that are open, those of a task oldest first.
    pub async fn ended_runs_of_open_tasks(&self) -> Result<Vec<Run>, Error> {
        let rows = sqlx::query(
            "SELECT runs.*, changes.branch FROM tasks
             JOIN changes ON changes.repo = tasks.repo AND changes.number = tasks.number
             JOIN runs ON runs.repo = tasks.repo AND runs.number = tasks.number
             WHERE tasks.state = 'open' AND runs.state = 'ended'
             ORDER BY runs.repo, runs.number, runs.fence, runs.attempt",
        );
        let rows = rows.fetch_all(&self.pool).await.map_err(Error::sql("list the runs of open tasks"))?;
        rows.iter().map(column::run).collect()
    }
}

const OPEN: &str = "SELECT * FROM sessions WHERE closed_at IS NULL";
