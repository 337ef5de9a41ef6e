//! A transition: one transaction that makes a fact true, or two that belong together, and says so.

use coord_core::event::Fact;
use coord_core::task::TaskRef;
use jiff::Timestamp;
use sqlx::{Any, AnyConnection, Transaction};

use crate::column::{self, signed};
use crate::{Board, Error};

/// An open transaction that holds the number of the event it is going to write.
///
/// Taking that number is its first statement. The number's row stays locked until the end, so there is one
/// transition at a time on the whole board: what it reads is what it will change. SQLite would have it no other
/// way, and a log without holes asks PostgreSQL for the same. Dropped, it leaves no trace, number included.
pub(crate) struct Transition {
    transaction: Transaction<'static, Any>,
    number: u64,
    doing: &'static str,
}

impl Board {
    /// Begins a transition; `doing` is what an error will say.
    pub(crate) async fn transition(&self, doing: &'static str) -> Result<Transition, Error> {
        let mut transaction = self.pool.begin().await.map_err(Error::sql(doing))?;
        let number = next(&mut transaction, "events", doing).await?;
        Ok(Transition { transaction, number, doing })
    }
}

impl Transition {
    /// The connection to read and write through.
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }

    /// Names this transition in an error of the database.
    pub(crate) fn failed(&self) -> impl FnOnce(sqlx::Error) -> Error + use<> {
        Error::sql(self.doing)
    }

    /// Runs one statement.
    pub(crate) async fn run(
        &mut self,
        query: sqlx::query::Query<'_, Any, sqlx::any::AnyArguments>,
    ) -> Result<(), Error> {
        let failed = self.failed();
        query.execute(self.connection()).await.map_err(failed)?;
        Ok(())
    }

    /// The next number for a task or a pull request.
    pub(crate) async fn forge_number(&mut self) -> Result<u64, Error> {
        next(&mut self.transaction, "forge", self.doing).await
    }

    /// Writes what became true, and commits.
    pub(crate) async fn commit(mut self, task: &TaskRef, fact: &Fact, at: Timestamp) -> Result<(), Error> {
        self.say(task, fact, at).await?;
        let failed = self.failed();
        self.transaction.commit().await.map_err(failed)
    }

    /// Commits what nobody needs to be told of, and gives the event's number back: its row is locked, so nobody
    /// has taken a later one.
    pub(crate) async fn commit_quietly(mut self) -> Result<(), Error> {
        self.run(sqlx::query("UPDATE counters SET value = value - 1 WHERE name = 'events'")).await?;
        let failed = self.failed();
        self.transaction.commit().await.map_err(failed)
    }

    /// Writes what became true together with something else that is still to be said.
    pub(crate) async fn and(&mut self, task: &TaskRef, fact: &Fact, at: Timestamp) -> Result<(), Error> {
        self.say(task, fact, at).await?;
        self.number = next(&mut self.transaction, "events", self.doing).await?;
        Ok(())
    }

    async fn say(&mut self, task: &TaskRef, fact: &Fact, at: Timestamp) -> Result<(), Error> {
        let number = signed(self.number);
        let event =
            sqlx::query("INSERT INTO events (number, at, repo, task, fact) VALUES ($1, $2, $3, $4, $5)")
                .bind(number)
                .bind(column::time(at))
                .bind(task.repo.as_str())
                .bind(signed(task.number))
                .bind(column::json(fact));
        self.run(event).await
    }
}

/// The next number of a counter, whose row stays locked until the transaction ends.
pub(crate) async fn next(
    connection: &mut AnyConnection,
    name: &str,
    doing: &'static str,
) -> Result<u64, Error> {
    let value: i64 = sqlx::query_scalar(
        "INSERT INTO counters (name, value) VALUES ($1, 1)
         ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value",
    )
    .bind(name)
    .fetch_one(connection)
    .await
    .map_err(Error::sql(doing))?;
    Ok(value.unsigned_abs())
}
