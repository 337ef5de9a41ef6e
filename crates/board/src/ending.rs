//! The end of agent work: what it spent, what it says of its account, and what goes on in its place.

use coord_core::budget::Budget;
use coord_core::event::Fact;
use coord_core::id::RunId;
use coord_core::queue::Wish;
use coord_core::run::{Run, RunEnd, RunState};
use coord_core::task::TaskState;
use coord_core::window::Window;
use jiff::Timestamp;

use crate::run::{Minting, mint, read, shift};
use crate::write::Transition;
use crate::{Board, Error, Moved, NewRun, change, ledger, task, window};

/// How agent work ends.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The end.
    pub end: RunEnd,
    /// The caps that may come near their end by it.
    pub budget: Budget,
    /// The windows of its account by which it was cut short.
    pub exhausted: Vec<Window>,
    /// What is queued in its place, if its session goes on.
    pub then: Option<Continuation>,
}

/// A run that goes on where another one was cut short.
#[derive(Debug, Clone)]
pub struct Continuation {
    /// The run, of which everything is as it was but its id.
    pub new: NewRun,
    /// When and where it goes on.
    pub wish: Wish,
}

impl Board {
    /// Ends agent work, so that nobody ever sees its end without what it spent, or without what goes on in its place.
    pub async fn end_work(&self, id: RunId, ending: Ending, now: Timestamp) -> Result<Moved, Error> {
        let Ending { end, budget, exhausted, then } = ending;
        let mut transition = self.transition("end a run").await?;
        let run = read(&mut transition, id).await?.ok_or(Error::NoRun(id))?;
        let before = ledger::charges(&mut transition, &run.task, &budget).await?;
        let (account, told) = (end.report.account.clone(), end.report.windows.clone());
        let to = RunState::Ended(Box::new(end));
        let Some(ended) = shift(&mut transition, &run, &to).await? else {
            return Ok(Moved::Stays(run.state));
        };
        if let Some(account) = &account {
            window::take_in(&mut transition, account, &told, now).await?;
            for window in &exhausted {
                window::write(&mut transition, account, window, now).await?;
            }
        }
        let after = ledger::charges(&mut transition, &run.task, &budget).await?;
        let mut facts = vec![ended];
        facts.extend(budget.neared(&run.task, &before, &after).into_iter().map(|it| Fact::CapNeared {
            cap: it.cap,
            spent: it.spent,
            limit: it.limit,
        }));
        if let Some(then) = then {
            facts.extend(go_on(&mut transition, &run, then, now).await?);
        }
        let last = facts.pop().expect("that it ended is one");
        for fact in &facts {
            transition.and(&run.task, fact, now).await?;
        }
        transition.commit(&run.task, &last, now).await?;
        Ok(Moved::Moved)
    }
}

/// Queues what goes on in place of `run`, which had the task to itself until now, unless the task is over.
async fn go_on(
    transition: &mut Transition,
    run: &Run,
    then: Continuation,
    now: Timestamp,
) -> Result<Option<Fact>, Error> {
    let Continuation { new, wish } = then;
    let Some(parked) = wish.parked.clone() else { return Ok(None) };
    let wanted = task::read(transition, &run.task).await?;
    if wanted.state != TaskState::Open {
        return Ok(None);
    }
    let change = change::lease(transition, &wanted, &new.base_branch).await?;
    let fact = Fact::RunParked { run: new.id, of: run.id, until: parked.until.filter(|_| !parked.asks) };
    let minting = Minting { change, reservation: None, state: RunState::Queued(Box::new(wish)) };
    mint(transition, new, minting, now).await?;
    Ok(Some(fact))
}
