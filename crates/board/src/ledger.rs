//! The ledger: what each run of agent work may spend, and what it did.
//!
//! A run's entry is made in the transaction that reserves the run and closed in the one that ends it, so what is
//! left of a cap is decided by entries that nobody is changing.

use coord_core::budget::{Budget, Charge};
use coord_core::id::RunId;
use coord_core::money::Usd;
use coord_core::name::{AccountName, MachineName, RuntimeName};
use coord_core::readiness::Blocker;
use coord_core::run::{Run, RunEnd};
use coord_core::task::TaskRef;
use jiff::Timestamp;
use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::column::{self, signed};
use crate::write::Transition;
use crate::{Board, Error, run};

/// What decides about a cap: the entries of the task, those of the time since, and those of live runs.
const CHARGES: &str = "SELECT * FROM ledger
    WHERE (repo = $1 AND number = $2) OR ended_at >= $3 OR ended_at IS NULL";

impl Board {
    /// What was charged to the task, or to anybody since `budget` began to count, or is reserved.
    pub async fn charges(&self, task: &TaskRef, budget: &Budget) -> Result<Vec<Charge>, Error> {
        let (repo, from) = (task.repo.as_str(), column::time(budget.month_from.min(budget.day_from)));
        let rows = sqlx::query(CHARGES).bind(repo).bind(signed(task.number)).bind(from);
        let rows = rows.fetch_all(&self.pool).await.map_err(Error::sql("read the ledger"))?;
        rows.iter().map(column::charge).collect()
    }

    /// What a run may spend; `None` where no cap holds for it.
    pub async fn reserved(&self, run: RunId) -> Result<Option<Usd>, Error> {
        let row = sqlx::query("SELECT * FROM ledger WHERE run = $1").bind(run.to_string());
        let row = row.fetch_optional(&self.pool).await.map_err(Error::sql("read what a run may spend"))?;
        row.as_ref().map_or(Ok(None), column::reserved)
    }

    /// Every run of agent work that has ended since `from`, and every one that is live, oldest first.
    pub async fn spenders(&self, from: Timestamp) -> Result<Vec<Run>, Error> {
        // Runs that are older than the ledger have no entry; when they ended is told by themselves.
        let rows = sqlx::query(
            "SELECT runs.*, changes.branch FROM runs
             JOIN changes ON changes.repo = runs.repo AND changes.number = runs.number
             LEFT JOIN ledger ON ledger.run = runs.id
             WHERE runs.kind <> 'test' AND (ledger.ended_at IS NULL OR ledger.ended_at >= $1)
             ORDER BY runs.created_at, runs.id",
        );
        let rows = rows.bind(column::time(from)).fetch_all(&self.pool).await;
        let runs: Result<Vec<Run>, Error> =
            rows.map_err(Error::sql("list what was spent"))?.iter().map(column::run).collect();
        Ok(runs?.into_iter().filter(|it| it.state.end().is_none_or(|it| it.at >= from)).collect())
    }

    /// The account that the newest run of a runtime on a machine turned out to have.
    pub async fn account_on(
        &self,
        machine: &MachineName,
        runtime: &RuntimeName,
    ) -> Result<Option<AccountName>, Error> {
        let row = sqlx::query(
            "SELECT * FROM ledger WHERE machine = $1 AND runtime = $2 AND account IS NOT NULL
             ORDER BY begun_at DESC LIMIT 1",
        );
        let row = row.bind(machine.as_str()).bind(runtime.as_str()).fetch_optional(&self.pool).await;
        let row = row.map_err(Error::sql("look whose account a machine has"))?;
        row.as_ref().map_or(Ok(None), column::account)
    }
}

/// Reserves what a run may spend, or says why it may not spend anything.
pub(crate) async fn reserve(
    transition: &mut Transition,
    run: &Run,
    machine: &MachineName,
    budget: Option<&Budget>,
    now: Timestamp,
) -> Result<Result<(), Blocker>, Error> {
    let reserved = match budget {
        None => None,
        Some(budget) => {
            let busy = run::live(transition).await?;
            let at_work = |it: &&Run| it.kind.is_agent_work() && it.reservation.is_some() && it.id != run.id;
            let busy = u32::try_from(busy.iter().filter(at_work).count()).unwrap_or(u32::MAX);
            match budget.reserve(&run.task, &charges(transition, &run.task, budget).await?, busy) {
                Ok(reserved) => reserved,
                Err(blocker) => return Ok(Err(blocker)),
            }
        }
    };
    let insert = sqlx::query(
        "INSERT INTO ledger (run, repo, number, machine, runtime, reserved, begun_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    let insert = insert
        .bind(run.id.to_string())
        .bind(run.task.repo.as_str())
        .bind(signed(run.task.number))
        .bind(machine.as_str())
        .bind(run.runtime.as_str())
        .bind(reserved.map(|it| signed(it.millionths())))
        .bind(column::time(now));
    transition.run(insert).await?;
    Ok(Ok(()))
}

/// What was charged, within a transition.
pub(crate) async fn charges(
    transition: &mut Transition,
    task: &TaskRef,
    budget: &Budget,
) -> Result<Vec<Charge>, Error> {
    let failed = transition.failed();
    let from = column::time(budget.month_from.min(budget.day_from));
    let rows = sqlx::query(CHARGES).bind(task.repo.as_str()).bind(signed(task.number)).bind(from);
    rows.fetch_all(transition.connection()).await.map_err(failed)?.iter().map(column::charge).collect()
}

/// Closes the entry of a run that ends. What it had reserved goes on counting where nobody knows all that it spent.
pub(crate) fn close<'q>(run: RunId, end: &RunEnd) -> Query<'q, Any, AnyArguments> {
    let cost = end.cost();
    let told = cost.is_some() && !end.report.usage.at_least;
    let close = "UPDATE ledger SET spent = $2, ended_at = $3, account = $4,
                 reserved = CASE WHEN $5 = 1 THEN NULL ELSE reserved END WHERE run = $1";
    sqlx::query(close)
        .bind(run.to_string())
        .bind(cost.map(|it| signed(it.millionths())))
        .bind(column::time(end.at))
        .bind(end.report.account.as_ref().map(ToString::to_string))
        .bind(i64::from(told))
}
