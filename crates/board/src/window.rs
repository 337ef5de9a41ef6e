//! The usage windows of accounts, as runtimes told them last.
//!
//! A window is nobody's task, so what is told of it is no event; what it does to a run is.

use coord_core::event::Fact;
use coord_core::id::RunId;
use coord_core::name::AccountName;
use coord_core::run::{Run, RunState};
use coord_core::window::{Told, Window};
use jiff::Timestamp;

use crate::write::Transition;
use crate::{Board, Error, column, run};

impl Board {
    /// Everything that was told, of every account.
    pub async fn windows(&self) -> Result<Vec<Told>, Error> {
        let rows = sqlx::query(ALL).fetch_all(&self.pool).await;
        rows.map_err(Error::sql("list the usage windows"))?.iter().map(column::told).collect()
    }

    /// Takes in what a live run told of its account's windows, and whose account it has. What is known already is
    /// not written again.
    pub async fn note_windows(
        &self,
        id: RunId,
        account: &AccountName,
        windows: &[Window],
        now: Timestamp,
    ) -> Result<(), Error> {
        let known = self.windows().await?;
        let is_news = windows.iter().any(|it| is_news(it, account, &known));
        if !is_news && self.account_of(id).await?.as_ref() == Some(account) {
            return Ok(());
        }
        let mut transition = self.transition("take in usage windows").await?;
        let whose = sqlx::query("UPDATE ledger SET account = $2 WHERE run = $1 AND ended_at IS NULL");
        transition.run(whose.bind(id.to_string()).bind(account.as_str())).await?;
        take_in(&mut transition, account, windows, now).await?;
        transition.commit_quietly().await
    }

    async fn account_of(&self, id: RunId) -> Result<Option<AccountName>, Error> {
        let row = sqlx::query("SELECT * FROM ledger WHERE run = $1").bind(id.to_string());
        let row = row.fetch_optional(&self.pool).await.map_err(Error::sql("look whose account a run has"))?;
        row.as_ref().map_or(Ok(None), column::account)
    }

    /// A person says that work goes on for an account whatever its windows say, and that what is parked for it waits
    /// no longer; the runs of which that is true now.
    pub async fn lift(&self, account: &AccountName, now: Timestamp) -> Result<Vec<RunId>, Error> {
        let mut transition = self.transition("lift the limits of an account").await?;
        let lift = sqlx::query("UPDATE windows SET lifted_at = $2 WHERE account = $1");
        transition.run(lift.bind(account.as_str()).bind(column::time(now))).await?;
        let mut released = Vec::new();
        for run in run::live(&mut transition).await? {
            let Some(wish) = waits_for(&run, account) else { continue };
            let update = sqlx::query("UPDATE runs SET wish = $2 WHERE id = $1 AND state = 'queued'");
            transition.run(update.bind(run.id.to_string()).bind(wish)).await?;
            transition.and(&run.task, &Fact::RunReleased { run: run.id }, now).await?;
            released.push(run.id);
        }
        transition.commit_quietly().await?;
        Ok(released)
    }
}

/// What is left of the wish of a run that is parked for `account`, once it waits no longer.
fn waits_for(run: &Run, account: &AccountName) -> Option<String> {
    let RunState::Queued(wish) = &run.state else { return None };
    let mut wish = (**wish).clone();
    let parked = wish.parked.as_mut().filter(|it| it.account.as_ref() == Some(account))?;
    (parked.asks, parked.until) = (false, None);
    Some(column::json(&wish))
}

fn is_news(window: &Window, account: &AccountName, known: &[Told]) -> bool {
    let known = known.iter().find(|it| it.account == *account && it.window.window == window.window);
    known.is_none_or(|it| window.supersedes(&it.window))
}

/// Writes what is news of these windows, within a transition.
pub(crate) async fn take_in(
    transition: &mut Transition,
    account: &AccountName,
    windows: &[Window],
    now: Timestamp,
) -> Result<(), Error> {
    let failed = transition.failed();
    let rows = sqlx::query(ALL).fetch_all(transition.connection()).await.map_err(failed)?;
    let known: Vec<Told> = rows.iter().map(column::told).collect::<Result<_, _>>()?;
    for window in windows.iter().filter(|it| is_news(it, account, &known)) {
        write(transition, account, window, now).await?;
    }
    Ok(())
}

/// Writes what is true of a window, within a transition. What a person said of it before was another time.
pub(crate) async fn write(
    transition: &mut Transition,
    account: &AccountName,
    window: &Window,
    now: Timestamp,
) -> Result<(), Error> {
    let write = sqlx::query(
        "INSERT INTO windows (account, name, told, told_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account, name) DO UPDATE
         SET told = excluded.told, told_at = excluded.told_at, lifted_at = NULL",
    );
    let write = write
        .bind(account.as_str())
        .bind(window.window.as_str())
        .bind(column::json(window))
        .bind(column::time(now));
    transition.run(write).await
}

const ALL: &str = "SELECT * FROM windows ORDER BY account, name";
