//! Runs that wait for their start: they hold the lease of their task, and no slot.

use coord_core::event::Fact;
use coord_core::id::RunId;
use coord_core::name::RuntimeName;
use coord_core::queue::Wish;
use coord_core::readiness::Blocker;
use coord_core::run::{Reservation, Run, RunEnd, RunState};
use coord_core::task::TaskState;
use jiff::Timestamp;

use crate::run::{LAST_START, Minting, live, mint, no_room, read, rival, shift};
use crate::{Board, Error, Moved, NewRun, Placement, change, column, ledger, task};

/// What became of a run that was to be queued.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Queueing {
    /// It is on the board, and holds the task's lease.
    Run(Run),
    /// Another run is at the task.
    Busy(RunId),
    /// The task is merged or closed.
    NotOpen(TaskState),
}

/// What became of the start of a queued run.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Starting {
    /// It is reserved, and its machine may hear of it.
    Run(Run),
    /// Somebody else has started it or taken it out of the queue; it stays as it is here.
    NotQueued(RunState),
    /// Its task is merged or closed.
    NotOpen(TaskState),
    /// Every worker slot of the machine is taken, a worker was started a moment ago, or nothing is left to spend.
    NoRoom(Blocker),
}

impl Board {
    /// Mints a run of agent work that has to wait: it takes the task's lease away from every run before it, as
    /// if it were reserved, but no slot of any machine.
    pub async fn queue_run(&self, new: NewRun, wish: Wish, now: Timestamp) -> Result<Queueing, Error> {
        let mut transition = self.transition("queue a run").await?;
        let wanted = task::read(&mut transition, &new.task).await?;
        if wanted.state != TaskState::Open {
            return Ok(Queueing::NotOpen(wanted.state));
        }
        if let Some(rival) = rival(&live(&mut transition).await?, &new) {
            return Ok(Queueing::Busy(rival));
        }
        let change = change::lease(&mut transition, &wanted, &new.base_branch).await?;
        let fact = Fact::RunQueued { run: new.id, machine: wish.machine.clone() };
        let minting = Minting { change, reservation: None, state: RunState::Queued(Box::new(wish)) };
        let run = mint(&mut transition, new, minting, now).await?;
        transition.commit(&run.task, &fact, now).await?;
        Ok(Queueing::Run(run))
    }

    /// Reserves a queued run there, to be done by this runtime and model. Of several who try, one does.
    pub async fn start_queued(
        &self,
        id: RunId,
        placement: Placement,
        (runtime, model): (RuntimeName, Option<String>),
        now: Timestamp,
    ) -> Result<Starting, Error> {
        let mut transition = self.transition("start a queued run").await?;
        let run = read(&mut transition, id).await?.ok_or(Error::NoRun(id))?;
        if !matches!(run.state, RunState::Queued(_)) {
            return Ok(Starting::NotQueued(run.state));
        }
        let wanted = task::read(&mut transition, &run.task).await?;
        if wanted.state != TaskState::Open {
            return Ok(Starting::NotOpen(wanted.state));
        }
        let live = live(&mut transition).await?;
        if let Some(reason) = no_room(&mut transition, &placement, &live, now).await? {
            return Ok(Starting::NoRoom(reason));
        }
        let reservation = Some(Reservation { machine: placement.machine.clone(), at: now });
        let run = Run { reservation, runtime, model, state: RunState::Reserved, ..run };
        let update = "UPDATE runs SET state = $2, machine = $3, reserved_at = $4, runtime = $5, model = $6
                      WHERE id = $1 AND state = 'queued'";
        let update = sqlx::query(update)
            .bind(run.id.to_string())
            .bind(run.state.as_str())
            .bind(column::machine(run.reservation.as_ref()))
            .bind(column::time(now))
            .bind(run.runtime.as_str())
            .bind(run.model.as_deref());
        transition.run(update).await?;
        let budget = placement.budget.as_ref();
        let reserved = ledger::reserve(&mut transition, &run, &placement.machine, budget, now);
        if let Err(blocker) = reserved.await? {
            return Ok(Starting::NoRoom(blocker));
        }
        let fact = Fact::RunReserved { run: id, kind: run.kind, machine: placement.machine };
        transition.commit(&run.task, &fact, now).await?;
        Ok(Starting::Run(run))
    }

    /// Ends a run that is still queued. One that is not any more stays as it is.
    pub async fn leave_queue(&self, id: RunId, end: RunEnd, now: Timestamp) -> Result<Moved, Error> {
        let mut transition = self.transition("take a run out of the queue").await?;
        let run = read(&mut transition, id).await?.ok_or(Error::NoRun(id))?;
        if !matches!(run.state, RunState::Queued(_)) {
            return Ok(Moved::Stays(run.state));
        }
        let to = RunState::Ended(Box::new(end));
        let Some(fact) = shift(&mut transition, &run, &to).await? else { return Ok(Moved::Stays(run.state)) };
        transition.commit(&run.task, &fact, now).await?;
        Ok(Moved::Moved)
    }

    /// When agent work was last reserved on a machine, whichever it was.
    pub async fn last_start(&self) -> Result<Option<Timestamp>, Error> {
        let last = sqlx::query(LAST_START).fetch_optional(&self.pool).await;
        let last = last.map_err(Error::sql("read when a run was last started"))?;
        last.as_ref().map(column::reserved_at).transpose()
    }
}
