//! Events, for whoever follows the board or asks what happened.

use coord_core::event::Event;
use coord_core::task::TaskRef;

use crate::column::{self, signed};
use crate::{Board, Error};

impl Board {
    /// Everything that happened to a task, in order.
    pub async fn events_of(&self, task: &TaskRef) -> Result<Vec<Event>, Error> {
        let query = sqlx::query("SELECT * FROM events WHERE repo = $1 AND task = $2 ORDER BY number");
        let query = query.bind(task.repo.as_str()).bind(signed(task.number));
        let rows = query.fetch_all(&self.pool).await.map_err(Error::sql("read a task's events"))?;
        rows.iter().map(column::event).collect()
    }

    /// What happened after the event with this number, in order. Whoever asks again with the last number of the
    /// answer misses nothing and sees nothing twice.
    pub async fn events_after(&self, number: u64, limit: u32) -> Result<Vec<Event>, Error> {
        let query = sqlx::query("SELECT * FROM events WHERE number > $1 ORDER BY number LIMIT $2");
        let query = query.bind(signed(number)).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await.map_err(Error::sql("read the events"))?;
        rows.iter().map(column::event).collect()
    }
}
