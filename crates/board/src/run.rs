//! Runs: minted here before any machine hears of them, and moved along their arrows.

use std::time::Duration;

use coord_core::budget::Budget;
use coord_core::change::{Change, ChangeState};
use coord_core::event::Fact;
use coord_core::gate::{Evidence, GateKind, Source};
use coord_core::id::RunId;
use coord_core::name::{BranchName, MachineName, RuntimeName};
use coord_core::outcome::Outcome;
use coord_core::queue::too_soon;
use coord_core::readiness::{Blocker, no_slot};
use coord_core::run::{Reservation, Run, RunEnd, RunKind, RunState, next_attempt};
use coord_core::task::{TaskRef, TaskState};
use jiff::Timestamp;

use crate::column::{self, signed};
use crate::write::Transition;
use crate::{Board, Error, change, gate, ledger, task};

/// A run that is not on the board yet.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Sixty-four random bits of the caller's.
    pub id: RunId,
    /// What it is for.
    pub kind: RunKind,
    /// The task it attempts.
    pub task: TaskRef,
    /// What kind of program does it.
    pub runtime: RuntimeName,
    /// The model asked for, where the runtime has any.
    pub model: Option<String>,
    /// The branch the task's change is to be merged into. Only its first run decides that.
    pub base_branch: BranchName,
}

/// Where a run is to run, and what must hold for that. A test takes no slot and keeps no distance.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Which machine.
    pub machine: MachineName,
    /// How many workers may run there at once.
    pub slots: u32,
    /// How long after the last worker was started, wherever it was, the next may be.
    pub stagger: Duration,
    /// What it may spend; `None` where nobody could keep to it.
    pub budget: Option<Budget>,
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Reserved {
    /// It is on the board, and holds the task's lease if it does agent work.
    Run(Run),
    /// Another run of that sort is at the task.
    Busy(RunId),
    /// The task is merged or closed.
    NotOpen(TaskState),
    /// Every worker slot of the machine is taken, a worker was started a moment ago, or nothing is left to spend.
    NoRoom(Blocker),
    /// There is nothing to test: no commit of the change has been published.
    NothingPublished,
}

/// What became of a move.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Moved {
    /// It is in the new state.
    Moved,
    /// There is no arrow to the new state from this one, in which it stays.
    Stays(RunState),
}

macro_rules! select_runs {
    ($rest:literal) => {
        concat!(
            "SELECT runs.*, changes.branch FROM runs
             JOIN changes ON changes.repo = runs.repo AND changes.number = runs.number ",
            $rest
        )
    };
}

/// Every run that has not ended. The condition is that of the index `runs_live`, so ended runs cost nothing.
pub(crate) const LIVE: &str = select_runs!("WHERE runs.state <> 'ended' ORDER BY runs.created_at, runs.id");

const READ: &str = select_runs!("WHERE runs.id = $1");

/// The condition is that of the index `runs_by_start`, so it is one look.
pub(crate) const LAST_START: &str = "SELECT id, reserved_at FROM runs
    WHERE kind <> 'test' AND reserved_at IS NOT NULL ORDER BY reserved_at DESC LIMIT 1";

impl Board {
    /// Reserves a run: at most one that does agent work per task, one test per task, and no more agent work on
    /// a machine than it has slots. The first one makes the task's change and mints its branch; one that does
    /// agent work takes the task's lease away from every run before it.
    pub async fn reserve_run(
        &self,
        new: NewRun,
        placement: Placement,
        now: Timestamp,
    ) -> Result<Reserved, Error> {
        let mut transition = self.transition("reserve a run").await?;
        let wanted = task::read(&mut transition, &new.task).await?;
        let agent_work = new.kind.is_agent_work();
        // After a merge, what it left the base branch at may still be tested.
        let over = match wanted.state {
            TaskState::Open => false,
            TaskState::Merged { .. } => agent_work,
            TaskState::Closed { .. } => true,
        };
        if over {
            return Ok(Reserved::NotOpen(wanted.state));
        }
        let live = live(&mut transition).await?;
        if let Some(rival) = rival(&live, &new) {
            return Ok(Reserved::Busy(rival));
        }
        if agent_work && let Some(reason) = no_room(&mut transition, &placement, &live, now).await? {
            return Ok(Reserved::NoRoom(reason));
        }
        let change = if agent_work {
            change::lease(&mut transition, &wanted, &new.base_branch).await?
        } else {
            match change::read(&mut transition, &new.task).await? {
                Some(change) if change.state != ChangeState::Empty => change,
                Some(_) | None => return Ok(Reserved::NothingPublished),
            }
        };
        let reservation = Reservation { machine: placement.machine.clone(), at: now };
        let fact = Fact::RunReserved { run: new.id, kind: new.kind, machine: reservation.machine.clone() };
        let (machine, reservation) = (placement.machine, Some(reservation));
        let minting = Minting { change, reservation, state: RunState::Reserved };
        let run = mint(&mut transition, new, minting, now).await?;
        if agent_work {
            let reserved = ledger::reserve(&mut transition, &run, &machine, placement.budget.as_ref(), now);
            if let Err(blocker) = reserved.await? {
                return Ok(Reserved::NoRoom(blocker));
            }
        }
        transition.commit(&run.task, &fact, now).await?;
        Ok(Reserved::Run(run))
    }

    /// Moves a run along an arrow of its state machine.
    pub async fn move_run(&self, id: RunId, to: RunState, now: Timestamp) -> Result<Moved, Error> {
        let mut transition = self.transition("move a run").await?;
        let run = read(&mut transition, id).await?.ok_or(Error::NoRun(id))?;
        let Some(fact) = shift(&mut transition, &run, &to).await? else { return Ok(Moved::Stays(run.state)) };
        transition.commit(&run.task, &fact, now).await?;
        Ok(Moved::Moved)
    }

    /// Ends a test together with what it found, so that nobody ever sees the one without the other.
    pub async fn end_test(
        &self,
        id: RunId,
        end: RunEnd,
        evidence: Option<Evidence>,
        now: Timestamp,
    ) -> Result<Moved, Error> {
        let mut transition = self.transition("end a test").await?;
        let run = read(&mut transition, id).await?.ok_or(Error::NoRun(id))?;
        let to = RunState::Ended(Box::new(end));
        let Some(ended) = shift(&mut transition, &run, &to).await? else {
            return Ok(Moved::Stays(run.state));
        };
        let Some(evidence) = evidence else {
            transition.commit(&run.task, &ended, now).await?;
            return Ok(Moved::Moved);
        };
        if evidence.source != Source::Run(id) {
            return Err(Error::NoEvidence { task: run.task, run: id });
        }
        transition.and(&run.task, &ended, now).await?;
        let recorded = gate::write(&mut transition, &run.task, GateKind::Tests, evidence).await?;
        transition.commit(&run.task, &recorded, now).await?;
        Ok(Moved::Moved)
    }

    /// The run with this id, if there is one.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, Error> {
        let row = sqlx::query(READ).bind(id.to_string()).fetch_optional(&self.pool).await;
        row.map_err(Error::sql("read a run"))?.as_ref().map(column::run).transpose()
    }

    /// The runs whose id starts with `prefix`, at most ten of them: enough to say which one is not unique.
    pub async fn runs_with_prefix(&self, prefix: &str) -> Result<Vec<Run>, Error> {
        if !prefix.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Vec::new());
        }
        // `g` follows the last hex digit in every collation.
        let sql = select_runs!("WHERE runs.id >= $1 AND runs.id < $2 ORDER BY runs.id LIMIT 10");
        let query = sqlx::query(sql).bind(prefix).bind(format!("{prefix}g"));
        let rows = query.fetch_all(&self.pool).await.map_err(Error::sql("look a run up"))?;
        rows.iter().map(column::run).collect()
    }

    /// Every run that has not ended, oldest first.
    pub async fn live_runs(&self) -> Result<Vec<Run>, Error> {
        let rows = sqlx::query(LIVE).fetch_all(&self.pool).await;
        rows.map_err(Error::sql("list the live runs"))?.iter().map(column::run).collect()
    }

    /// Runs of open tasks that nobody has run since, which ended with commits that were not on origin.
    pub async fn unpushed_runs(&self) -> Result<Vec<Run>, Error> {
        let sql = select_runs!(
            "JOIN tasks ON tasks.repo = runs.repo AND tasks.number = runs.number
             WHERE runs.state = 'ended' AND runs.kind <> 'test' AND runs.fence = changes.fence
             AND tasks.state = 'open' AND runs.ended NOT LIKE '%\"pushed\":true%'"
        );
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        let runs = rows.map_err(Error::sql("list the runs that are not pushed"))?;
        let runs = runs.iter().map(column::run).collect::<Result<Vec<_>, _>>()?;
        let has_commits = |it: &Run| {
            let end = it.state.end();
            end.is_some_and(|it| {
                let stopped = matches!(it.outcome, Outcome::Cancelled { .. });
                it.git.added.is_some_and(|it| it > 0) && it.git.pushed != Some(true) && !stopped
            })
        };
        Ok(runs.into_iter().filter(has_commits).collect())
    }

    /// Every run of a task, oldest first. Fences and attempts only grow, which a clock does not promise; the
    /// tests under a fence follow the work that took it.
    pub async fn runs_of(&self, task: &TaskRef) -> Result<Vec<Run>, Error> {
        let sql = select_runs!(
            "WHERE runs.repo = $1 AND runs.number = $2
             ORDER BY runs.fence, CASE runs.kind WHEN 'test' THEN 1 ELSE 0 END, runs.attempt"
        );
        let query = sqlx::query(sql).bind(task.repo.as_str()).bind(signed(task.number));
        let rows = query.fetch_all(&self.pool).await.map_err(Error::sql("list a task's runs"))?;
        rows.iter().map(column::run).collect()
    }

    /// The newest runs, newest first.
    pub async fn recent_runs(&self, limit: u32) -> Result<Vec<Run>, Error> {
        let sql = select_runs!("ORDER BY runs.created_at DESC, runs.id DESC LIMIT $1");
        let rows = sqlx::query(sql).bind(i64::from(limit)).fetch_all(&self.pool).await;
        rows.map_err(Error::sql("list the newest runs"))?.iter().map(column::run).collect()
    }
}

/// Every run that has not ended, within a transition.
pub(crate) async fn live(transition: &mut Transition) -> Result<Vec<Run>, Error> {
    let failed = transition.failed();
    let rows = sqlx::query(LIVE).fetch_all(transition.connection()).await.map_err(failed)?;
    rows.iter().map(column::run).collect()
}

/// The run with this id, within a transition.
pub(crate) async fn read(transition: &mut Transition, id: RunId) -> Result<Option<Run>, Error> {
    let failed = transition.failed();
    let row = sqlx::query(READ).bind(id.to_string()).fetch_optional(transition.connection()).await;
    row.map_err(failed)?.as_ref().map(column::run).transpose()
}

/// Moves `run` to `to` within a transition, and gives the fact that this is; `None` where there is no arrow.
pub(crate) async fn shift(
    transition: &mut Transition,
    run: &Run,
    to: &RunState,
) -> Result<Option<Fact>, Error> {
    // A run becomes reserved only together with its machine.
    if !run.state.may_become(to) || *to == RunState::Reserved {
        return Ok(None);
    }
    let (since, ended) = column::run_facts(to);
    let update = "UPDATE runs SET state = $3, since = $4, ended = $5 WHERE id = $1 AND state = $2";
    let update = sqlx::query(update)
        .bind(run.id.to_string())
        .bind(run.state.as_str())
        .bind(to.as_str())
        .bind(since)
        .bind(ended);
    transition.run(update).await?;
    if let Some(end) = to.end() {
        transition.run(ledger::close(run.id, end)).await?;
    }
    Ok(Some(match to.end() {
        Some(end) => Fact::RunEnded { run: run.id, outcome: end.outcome.clone() },
        None => Fact::RunMoved { run: run.id, state: to.as_str().to_owned() },
    }))
}

/// How a new run stands.
pub(crate) struct Minting {
    pub(crate) change: Change,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) state: RunState,
}

/// Puts a run on the board that stands as it is told.
pub(crate) async fn mint(
    transition: &mut Transition,
    new: NewRun,
    minting: Minting,
    now: Timestamp,
) -> Result<Run, Error> {
    let Minting { change, reservation, state } = minting;
    let NewRun { id, kind, task, runtime, model, base_branch: _ } = new;
    let run = Run {
        id,
        kind,
        attempt: next_attempt(newest(transition, &task, kind).await?.as_ref()),
        task,
        reservation,
        runtime,
        model,
        branch: change.branch,
        fence: change.fence,
        state,
        created_at: now,
    };
    insert(transition, &run).await?;
    Ok(run)
}

/// A live run of the same sort that is at the same task.
pub(crate) fn rival(live: &[Run], new: &NewRun) -> Option<RunId> {
    let agent_work = new.kind.is_agent_work();
    let rival = live.iter().find(|it| it.task == new.task && it.kind.is_agent_work() == agent_work);
    rival.map(|it| it.id)
}

/// What keeps agent work from starting there now. Nothing that it looks at can change before the transition is
/// over.
pub(crate) async fn no_room(
    transition: &mut Transition,
    placement: &Placement,
    live: &[Run],
    now: Timestamp,
) -> Result<Option<Blocker>, Error> {
    if let Some(reason) = no_slot(&placement.machine, placement.slots, live) {
        return Ok(Some(reason));
    }
    let failed = transition.failed();
    let last = sqlx::query(LAST_START).fetch_optional(transition.connection()).await.map_err(failed)?;
    let last = last.as_ref().map(column::reserved_at).transpose()?;
    Ok(too_soon(last, placement.stagger, now))
}

/// The newest run of this sort that the task has had: of agent work, or a test.
async fn newest(transition: &mut Transition, task: &TaskRef, kind: RunKind) -> Result<Option<Run>, Error> {
    let failed = transition.failed();
    let sql = if kind.is_agent_work() {
        select_runs!(
            "WHERE runs.repo = $1 AND runs.number = $2 AND runs.kind <> 'test'
             ORDER BY runs.fence DESC, runs.attempt DESC LIMIT 1"
        )
    } else {
        select_runs!(
            "WHERE runs.repo = $1 AND runs.number = $2 AND runs.kind = 'test'
             ORDER BY runs.fence DESC, runs.attempt DESC LIMIT 1"
        )
    };
    let row = sqlx::query(sql).bind(task.repo.as_str()).bind(signed(task.number));
    let row = row.fetch_optional(transition.connection()).await.map_err(failed)?;
    row.as_ref().map(column::run).transpose()
}

async fn insert(transition: &mut Transition, run: &Run) -> Result<(), Error> {
    let insert = "INSERT INTO runs (id, kind, repo, number, machine, runtime, model, attempt, fence, state,
                  created_at, reserved_at, wish)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let wish = match &run.state {
        RunState::Queued(wish) => Some(column::json(wish)),
        RunState::Reserved
        | RunState::Preparing
        | RunState::Running { .. }
        | RunState::Finishing
        | RunState::Ended(_) => None,
    };
    let insert = sqlx::query(insert)
        .bind(run.id.to_string())
        .bind(run.kind.as_str())
        .bind(run.task.repo.as_str())
        .bind(signed(run.task.number))
        .bind(column::machine(run.reservation.as_ref()))
        .bind(run.runtime.as_str())
        .bind(run.model.as_deref())
        .bind(i64::from(run.attempt))
        .bind(signed(run.fence))
        .bind(run.state.as_str())
        .bind(column::time(run.created_at))
        .bind(run.reservation.as_ref().map(|it| column::time(it.at)))
        .bind(wish);
    transition.run(insert).await
}
