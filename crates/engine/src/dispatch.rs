//! The one place that mints a run and hands it to a machine.
//!
//! The run is on the board before any machine hears of it. A start that is not answered is repeated, which is
//! harmless; and a machine refuses a start that reaches it after `start_before`, so that from that moment on
//! the board knows: a machine that has not heard of the run never will.

use std::time::Duration;

use coord_board::{Moved, NewRun, Placement, Reserved};
use coord_core::money::Usd;
use coord_core::name::BranchName;
use coord_core::outcome::Outcome;
use coord_core::readiness::Blocker;
use coord_core::repo::Permissions;
use coord_core::run::{GitFacts, Leaked, Run, RunEnd, RunState, RuntimeReport};
use coord_proto::client::{ClientError, Started};
use coord_proto::run::{Checkout, RunSpec};
use jiff::{SignedDuration, Timestamp};

use crate::again::Inherited;
use crate::error::Error;
use crate::{Engine, chain, clock};

/// How long after it was reserved a run may still start.
pub(crate) const START_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// How often an unanswered start is repeated within that time.
const REPEATS: u32 = 5;

/// What a run is to do, beyond what the board knows of it.
#[derive(Debug)]
pub struct Job {
    /// What its worktree is made at.
    pub checkout: Checkout,
    /// What the worker is told.
    pub prompt: String,
    /// The command of `runtime: command`.
    pub command: Option<String>,
    /// Run in the worktree before the worker starts.
    pub setup: Option<String>,
    /// What the worker may and may not do.
    pub permissions: Permissions,
    /// What it has of runs before it.
    pub inherited: Inherited,
}

impl Engine {
    /// Mints a run and starts it.
    ///
    /// # Errors
    /// When the board refuses the run, or the machine does, or cannot be reached. A run whose machine may or
    /// may not have heard of it stays on the board, and settling finds out.
    pub async fn dispatch(&self, new: NewRun, placement: Placement, job: Job) -> Result<Run, Error> {
        let (task, base_branch) = (new.task.clone(), new.base_branch.clone());
        // What cannot be spoken to is not given a run.
        self.client(&placement.machine)?;
        let not_ready = |blocker| Error::NotReady { task: task.clone(), blockers: vec![blocker] };
        let reserved = self.board.reserve_run(new, placement, clock::now()).await;
        let run = match reserved.map_err(Error::board("reserving a run"))? {
            Reserved::Run(run) => run,
            Reserved::Busy(run) => return Err(not_ready(Blocker::Running(run))),
            Reserved::NotOpen(state) => return Err(not_ready(Blocker::NotOpen(state.as_str()))),
            Reserved::NoRoom(blocker) => return Err(not_ready(blocker)),
            Reserved::NothingPublished => return Err(Error::NothingPublished(task)),
        };
        self.hand_over(&run, base_branch, job).await
    }

    /// Has the machine that a run was just reserved on start it.
    ///
    /// # Errors
    /// As [`Engine::dispatch`].
    pub(crate) async fn hand_over(&self, run: &Run, base_branch: BranchName, job: Job) -> Result<Run, Error> {
        let reservation = run.reservation.clone().ok_or(Error::NotStarted(run.id))?;
        let client = self.client(&reservation.machine)?;
        self.carry_session(run.id, &job.inherited, &client).await;
        let reserved =
            self.board.reserved(run.id).await.map_err(Error::board("reading what a run may spend"))?;
        let mut spec = self.spec(run, base_branch, job, reservation.at + START_WINDOW);
        spec.budget_usd = reserved.map(Usd::dollars);
        let mut heard = false;
        for repeat in 0..=REPEATS {
            match client.start(&spec).await {
                Ok(Started::Created | Started::Already) => {
                    // Settling moves it on; that it was accepted need not wait for a second look.
                    if let Moved::Stays(_) = self.moved(run, RunState::Preparing).await? {
                        tracing::debug!(run = %run.id, "somebody else has moved it already");
                    }
                    return self.run(run.id).await;
                }
                Err(error @ ClientError::Refused(_)) => {
                    let reason = chain(&error);
                    self.give_up(run, Outcome::SetupFailed { step: "dispatch".to_owned(), reason }).await?;
                    return Err(Error::Agent { machine: reservation.machine, source: error });
                }
                // What a proxy answers in the machine's place says no more than silence does.
                Err(error @ (ClientError::Unreachable { .. } | ClientError::Foreign { .. })) => {
                    heard |= !error.never_arrived();
                    if repeat == REPEATS || !heard {
                        if !heard {
                            let reason = "its machine could not be reached".to_owned();
                            self.give_up(run, Outcome::Lost { reason }).await?;
                        }
                        return Err(Error::Agent { machine: reservation.machine, source: error });
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
        unreachable!("the last repeat returns")
    }

    fn spec(&self, run: &Run, base_branch: BranchName, job: Job, start_before: Timestamp) -> RunSpec {
        let Job { checkout, prompt, command, setup, permissions, inherited } = job;
        let (deadline, limits) = self.settings.limits.of(&run.task.repo, run.kind, &run.runtime);
        RunSpec {
            run: run.id,
            kind: run.kind,
            task: run.task.clone(),
            attempt: run.attempt,
            fence: run.fence,
            start_before,
            runtime: run.runtime.clone(),
            model: run.model.clone(),
            base_branch,
            branch: run.branch.clone(),
            checkout,
            prompt,
            command,
            setup,
            permissions,
            sandbox: self.settings.sandbox(&run.task.repo, run.kind),
            deadline_seconds: deadline.as_secs(),
            resume: inherited.resume,
            restore: inherited.restore,
            budget_usd: None,
            limits,
        }
    }

    pub(crate) async fn moved(&self, run: &Run, to: RunState) -> Result<Moved, Error> {
        self.board.move_run(run.id, to, clock::now()).await.map_err(Error::board("moving a run"))
    }

    /// Ends a run that never had a worker.
    pub(crate) async fn give_up(&self, run: &Run, outcome: Outcome) -> Result<(), Error> {
        match self.moved(run, RunState::Ended(Box::new(without_a_worker(outcome)))).await? {
            Moved::Moved | Moved::Stays(_) => Ok(()),
        }
    }
}

/// The end, now, of a run that never had a worker.
pub(crate) fn without_a_worker(outcome: Outcome) -> RunEnd {
    RunEnd {
        outcome,
        at: clock::now(),
        exit: None,
        git: GitFacts::default(),
        rescue: None,
        report: RuntimeReport::default(),
        leaked: Leaked::default(),
    }
}
