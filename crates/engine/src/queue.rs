//! The queue of runs: each is started as soon as it can be, by whoever settles.
//!
//! Like all of settling, this takes no input: it reads the whole queue, lets core say whose turn it is, starts
//! one run, and reads everything again. Two coordinators that do it at once start each run once, since the board
//! compares. A start that comes to nothing leaves its run queued with the reason, and the next time is the retry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use coord_board::{Moved, NewRun, Queueing, Starting};
use coord_core::id::RunId;
use coord_core::name::{AccountName, MachineName};
use coord_core::outcome::Outcome;
use coord_core::queue::{self, Entry, Turn, Wish, turns};
use coord_core::readiness::{Blocker, Lift};
use coord_core::run::{Run, RunState};
use coord_proto::client::Client;
use futures_util::future::{BoxFuture, pending, select_all};
use jiff::Timestamp;

use crate::dispatch::without_a_worker;
use crate::error::Error;
use crate::settle::Settled;
use crate::{Engine, chain, clock};

/// How often the queue is looked at while nothing is heard of the runs that are in its way: tasks are closed and
/// runs are stopped without a machine's knowing.
const LOOK: Duration = Duration::from_secs(2);

/// How often, while somebody does not answer who was asked: an origin, a forge, a machine.
const LOOK_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How often, while everything waits for a moment that is known, or for a person.
const LOOK_FAR: Duration = Duration::from_secs(30);

/// What only the process around an engine can do about queued runs. An engine without one starts none.
pub trait Caretaker: Send + Sync {
    /// Makes sure that the agent server of `machine` answers `client`, starting it where that can be done from
    /// here. Otherwise says why it does not.
    fn wake<'a>(&'a self, machine: &'a MachineName, client: &'a Client) -> BoxFuture<'a, Result<(), String>>;

    /// Told whenever runs are left in the queue: somebody has to look after them once this process has ended.
    fn take_over(&self);
}

/// A run that is queued, and why it still is.
#[derive(Debug)]
pub struct Queued {
    /// Which run.
    pub run: RunId,
    /// Every reason.
    pub reasons: Vec<Reason>,
    /// When it leaves the queue, if it has not started by then.
    pub leaves_at: Timestamp,
}

/// Why a run is still queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Something is in the way.
    Blocker(Blocker),
    /// Its start was tried and came to nothing; it will be tried again.
    Failed(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocker(blocker) => write!(f, "{blocker}"),
            Self::Failed(reason) => write!(f, "its start came to nothing: {reason}"),
        }
    }
}

impl Reason {
    /// The account of which a person has to say that work goes on, if it waits for that.
    #[must_use]
    pub fn lifted_for(&self) -> Option<&AccountName> {
        match self {
            Self::Blocker(blocker) => blocker.lifted_for(),
            Self::Failed(_) => None,
        }
    }

    /// The reason, and when it goes on.
    #[must_use]
    pub fn with_exit(&self) -> String {
        let when = match self {
            Self::Blocker(blocker) => match blocker.lift() {
                Lift::ByItself { when } | Lift::BySomebody { when } => when,
                Lift::Never => return self.to_string(),
            },
            Self::Failed(_) => "when it is tried again in a moment",
        };
        format!("{self}; it goes on {when}")
    }
}

/// What is done about a queued run.
enum Step<'a> {
    /// It starts there.
    Start(&'a MachineName),
    /// It leaves the queue, because of these.
    Leave(&'a [Blocker]),
}

/// What became of a step.
enum Attempt {
    /// It is not queued any more.
    Gone,
    /// The machine does not answer.
    Away(MachineName),
    /// At a closer look, something is in the way.
    Blocked(Vec<Blocker>),
}

impl Engine {
    /// Puts a run into the queue, from where it is started; the run and its place, counting from 1.
    pub(crate) async fn enqueue(&self, new: NewRun, wish: Wish) -> Result<(Run, usize), Error> {
        let task = new.task.clone();
        let not_ready = |blocker| Error::NotReady { task, blockers: vec![blocker] };
        let queueing = self.board.queue_run(new, wish, clock::now()).await;
        let run = match queueing.map_err(Error::board("queueing a run"))? {
            Queueing::Run(run) => run,
            Queueing::Busy(run) => return Err(not_ready(Blocker::Running(run))),
            Queueing::NotOpen(state) => return Err(not_ready(Blocker::NotOpen(state.as_str()))),
        };
        self.leave_to_the_caretaker();
        let live = self.live_runs().await?;
        let queue = live.iter().filter(|it| matches!(it.state, RunState::Queued(_)));
        let before = queue.take_while(|it| it.id != run.id).count();
        Ok((run, before + 1))
    }

    /// What has the slots that the queue waits for is only seen to end by an agent server that runs, which this
    /// machine's may not since it was restarted.
    pub(crate) async fn wake_for_queue(&self, running: &[Run]) {
        let (Some(caretaker), Some(here)) = (&self.caretaker, &self.settings.here) else { return };
        if !running.iter().any(|it| it.machine() == Some(here)) {
            return;
        }
        let woken = match self.client(here) {
            Ok(client) => caretaker.wake(here, &client).await,
            Err(error) => Err(chain(&error)),
        };
        if let Err(reason) = woken {
            tracing::debug!(machine = %here, reason, "the queue may wait for longer than it has to");
        }
    }

    /// Starts what can be started, takes out of the queue what never will be, and says what is left in it.
    pub(crate) async fn advance_queue(&self) -> Result<Vec<Queued>, Error> {
        let mut away = BTreeSet::new();
        let mut failed: BTreeMap<RunId, Vec<Reason>> = BTreeMap::new();
        loop {
            let active = self.live_runs().await?;
            let entries = self.entries(&active).await?;
            let untried: Vec<_> =
                entries.iter().filter(|it| !failed.contains_key(&it.run.id)).cloned().collect();
            let turns = self.turns(&untried, &active, &away).await?;
            let Some((entry, step)) = self.next_step(&untried, &turns) else {
                let left: Vec<_> = entries.iter().map(|it| left(&it.run, &turns, &failed)).collect();
                if !left.is_empty() {
                    self.leave_to_the_caretaker();
                }
                return Ok(left);
            };
            let done = match step {
                Step::Start(machine) => self.start_queued(entry, machine).await,
                Step::Leave(reasons) => self.leave_queue(&entry.run, reasons).await,
            };
            match done {
                Ok(Attempt::Gone) => {}
                Ok(Attempt::Away(machine)) => {
                    away.insert(machine);
                }
                Ok(Attempt::Blocked(blockers)) => {
                    failed.insert(entry.run.id, blockers.into_iter().map(Reason::Blocker).collect());
                }
                Err(error @ Error::Board { .. }) => return Err(error),
                Err(error) => {
                    tracing::debug!(run = %entry.run.id, error = chain(&error), "stays queued");
                    failed.insert(entry.run.id, vec![Reason::Failed(chain(&error))]);
                }
            }
        }
    }

    /// The queued runs, oldest first, with what decides about each.
    async fn entries(&self, active: &[Run]) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        for run in active {
            let RunState::Queued(wish) = &run.state else { continue };
            let task = self.task(&run.task).await?;
            let waited = self.waited(&task).await?;
            entries.push(Entry { run: run.clone(), wish: (**wish).clone(), task, waited });
        }
        Ok(entries)
    }

    async fn turns(
        &self,
        entries: &[Entry],
        active: &[Run],
        away: &BTreeSet<MachineName>,
    ) -> Result<Vec<(RunId, Turn)>, Error> {
        let runtimes = entries.iter().map(|it| it.run.runtime.clone()).collect();
        Ok(turns(&queue::Queue {
            entries,
            active,
            repos: &self.settings.repos,
            machines: &self.settings.machines,
            here: self.settings.here.as_ref(),
            away,
            held: &self.holds(&runtimes).await?,
            hours: &self.settings.on_limits.hours,
            zone: &self.settings.zone,
            last_start: self.last_start().await?,
            stagger: self.settings.stagger,
            now: clock::now(),
        }))
    }

    /// What is to be done first. Who cannot wake a machine starts nothing.
    fn next_step<'a>(
        &self,
        entries: &'a [Entry],
        turns: &'a [(RunId, Turn)],
    ) -> Option<(&'a Entry, Step<'a>)> {
        entries.iter().zip(turns).find_map(|(entry, (_, turn))| match turn {
            Turn::Start(machine) => self.caretaker.is_some().then_some((entry, Step::Start(machine))),
            Turn::Leave(reasons) => Some((entry, Step::Leave(reasons))),
            Turn::Wait(_) => None,
        })
    }

    pub(crate) fn leave_to_the_caretaker(&self) {
        if let Some(caretaker) = &self.caretaker {
            caretaker.take_over();
        }
    }

    /// Starts a queued run as if it were assigned now.
    async fn start_queued(&self, entry: &Entry, on: &MachineName) -> Result<Attempt, Error> {
        let (run, machine) = (&entry.run, self.machine(on)?);
        let client = self.client(on)?;
        if let Some(caretaker) = &self.caretaker
            && let Err(reason) = caretaker.wake(on, &client).await
        {
            tracing::debug!(run = %run.id, machine = %on, reason, "stays queued");
            return Ok(Attempt::Away(on.clone()));
        }
        let wish = Wish { machine: Some(on.clone()), ..entry.wish.clone() };
        let plan = self.plan(&run.task, wish, Some(run.id)).await?;
        if !plan.blockers.is_empty() {
            let never = |it: &&Blocker| it.lift() == Lift::Never;
            let hopeless: Vec<_> = plan.blockers.iter().filter(never).cloned().collect();
            return match hopeless.is_empty() {
                true => Ok(Attempt::Blocked(plan.blockers)),
                false => self.leave_queue(run, &hopeless).await,
            };
        }
        let budget = self.budget_for(&run.task.repo, &plan.runtime);
        let (placement, how) = (self.placement(machine, budget), (plan.runtime.clone(), plan.model.clone()));
        let started = self.board.start_queued(run.id, placement, how, clock::now()).await;
        match started.map_err(Error::board("starting a queued run"))? {
            Starting::Run(reserved) => {
                let (base_branch, job) = plan.into_job();
                // It is as any other run now, and told of as such.
                match self.hand_over(&reserved, base_branch, job).await {
                    Ok(started) => {
                        tracing::info!(run = %run.id, task = %run.task, machine = %on, "started");
                        self.tell(started.id).await;
                    }
                    Err(error) => {
                        tracing::warn!(run = %run.id, error = chain(&error), "could not be started");
                    }
                }
                Ok(Attempt::Gone)
            }
            Starting::NotQueued(_) => Ok(Attempt::Gone),
            Starting::NotOpen(state) => self.leave_queue(run, &[Blocker::NotOpen(state.as_str())]).await,
            Starting::NoRoom(blocker) => Ok(Attempt::Blocked(vec![blocker])),
        }
    }

    async fn leave_queue(&self, run: &Run, reasons: &[Blocker]) -> Result<Attempt, Error> {
        let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        let outcome = Outcome::Cancelled { reason: Some(reasons.join("; ")) };
        match self.take_out_of_queue(run, outcome).await? {
            Moved::Moved | Moved::Stays(_) => Ok(Attempt::Gone),
        }
    }

    /// Ends a run that no machine has heard of; one that has been started meanwhile goes on.
    pub(crate) async fn take_out_of_queue(&self, run: &Run, outcome: Outcome) -> Result<Moved, Error> {
        let left = self.board.leave_queue(run.id, without_a_worker(outcome), clock::now()).await;
        left.map_err(Error::board("taking a run out of the queue"))
    }

    /// When agent work was last started, where that matters.
    pub(crate) async fn last_start(&self) -> Result<Option<Timestamp>, Error> {
        if self.settings.stagger.is_zero() {
            return Ok(None);
        }
        self.board.last_start().await.map_err(Error::board("reading when a run was last started"))
    }

    /// Waits until it may be worth settling again for the sake of the queue: a worker has ended, a distance has
    /// been kept, or some time has passed in which something else may have happened.
    ///
    /// # Errors
    /// When the board cannot be read.
    pub async fn until_queue_may_move(&self, settled: &Settled) -> Result<(), Error> {
        let reasons = || settled.queued.iter().flat_map(|it| &it.reasons);
        let unanswered = |it: &Reason| match it {
            Reason::Failed(_) => true,
            Reason::Blocker(blocker) => {
                matches!(blocker, Blocker::Away(_) | Blocker::ClaimsUnknown { .. })
            }
        };
        let failed = !settled.waiting.is_empty() || reasons().any(unanswered);
        let far = |it: &Queued| it.reasons.iter().any(|it| waits_for_a_moment(it).is_some());
        let all_far = settled.live.is_empty() && settled.queued.iter().all(far);
        let now = clock::now();
        let moments = reasons().filter_map(|it| {
            let until = waits_for_a_moment(it)?;
            Some(until.duration_since(now).try_into().unwrap_or_default())
        });
        let look = match (failed, all_far) {
            (true, _) => LOOK_AFTER_FAILURE,
            (false, true) => LOOK_FAR,
            (false, false) => LOOK,
        };
        let pause = moments.chain([look]).min().unwrap_or(look);
        let mut ends: Vec<BoxFuture<'_, ()>> = vec![Box::pin(pending())];
        for run in self.live_runs().await?.into_iter().filter(|it| it.kind.is_agent_work()) {
            // What its machine does not know yet has no events that could be waited for.
            let Some(view) = settled.live.get(&run.id) else { continue };
            ends.push(Box::pin(async move {
                if !matches!(self.until_its_stream_ends(&run, view.last_event).await, Ok(true)) {
                    pending::<()>().await;
                }
            }));
        }
        match tokio::time::timeout(pause, select_all(ends)).await {
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Why a run is still queued after everything was tried.
fn left(run: &Run, turns: &[(RunId, Turn)], failed: &BTreeMap<RunId, Vec<Reason>>) -> Queued {
    let waits = turns.iter().find(|(id, _)| *id == run.id).and_then(|(_, turn)| match turn {
        Turn::Wait(blockers) => Some(blockers.iter().cloned().map(Reason::Blocker).collect()),
        Turn::Start(_) | Turn::Leave(_) => None,
    });
    let reasons = waits.or_else(|| failed.get(&run.id).cloned()).unwrap_or_default();
    Queued { run: run.id, reasons, leaves_at: queue::leaves_at(run) }
}

/// When something that is in the way goes away by itself, where that is known. One that is for a person to say has
/// no such moment, and need not be looked at often.
fn waits_for_a_moment(reason: &Reason) -> Option<Timestamp> {
    let Reason::Blocker(blocker) = reason else { return None };
    match blocker {
        Blocker::TooSoon { until } | Blocker::Parked { until, .. } => Some(*until),
        Blocker::Held(hold) => Some(hold.until.unwrap_or(Timestamp::MAX)),
        Blocker::Asks { .. } => Some(Timestamp::MAX),
        Blocker::NotOpen(_)
        | Blocker::WaitsFor(_)
        | Blocker::WaitsForClosed(_)
        | Blocker::WaitsForMissing(_)
        | Blocker::Running(_)
        | Blocker::DependencyBusy { .. }
        | Blocker::Related(_)
        | Blocker::Claimed(_)
        | Blocker::ClaimsUnknown { .. }
        | Blocker::Untrusted { .. }
        | Blocker::Lacks { .. }
        | Blocker::NotServed { .. }
        | Blocker::NoSlot { .. }
        | Blocker::Spent(_)
        | Blocker::Away(_)
        | Blocker::UnknownMachine(_) => None,
    }
}
