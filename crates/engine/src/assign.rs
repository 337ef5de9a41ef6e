//! From a task to a run: who does it, where, and what they are told.

use std::collections::BTreeSet;

use coord_board::{NewRun, Placement};
use coord_core::again::{Rung, kind_of};
use coord_core::budget::Budget;
use coord_core::change::Change;
use coord_core::claim;
use coord_core::id::RunId;
use coord_core::machine::Machine;
use coord_core::name::{BranchName, MachineName, RuntimeName, branch_for};
use coord_core::queue::{Wish, too_soon};
use coord_core::readiness::{Blocker, blockers as readiness};
use coord_core::repo::Repo;
use coord_core::routing::{Route, route};
use coord_core::run::{Run, RunKind, next_attempt};
use coord_core::task::{Task, TaskRef};
use coord_proto::run::Checkout;

use crate::again::{Inherited, tell};
use crate::briefing::Briefing;
use crate::dispatch::Job;
use crate::error::Error;
use crate::settings::Settings;
use crate::{Engine, clock};

/// What assigning would do. Making one changes nothing.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The task.
    pub task: Task,
    /// Where it would run; `None` where the routing leaves it to whichever machine is free first.
    pub machine: Option<Machine>,
    /// What would do it.
    pub runtime: RuntimeName,
    /// The model; `None` where the runtime has none.
    pub model: Option<String>,
    /// The branch its commits are for.
    pub branch: BranchName,
    /// Which attempt it would be.
    pub attempt: u32,
    /// What the worker would be told in a new session.
    pub prompt: String,
    /// In which session it would go on; `None` where the task is given out anew, or that is decided when it starts.
    pub rung: Option<Rung>,
    /// Every reason why it cannot be done now; empty means that it can.
    pub blockers: Vec<Blocker>,
    wish: Wish,
    run: RunId,
    kind: RunKind,
    repo: Repo,
    checkout: Checkout,
    inherited: Inherited,
    /// What the person decided against, and why.
    overridden: Vec<(String, String)>,
}

impl Assignment {
    /// Whether it would start later and by itself: everything in its way goes away without anybody's doing.
    #[must_use]
    pub fn can_wait(&self) -> bool {
        !self.blockers.is_empty() && self.blockers.iter().all(Blocker::lifts_by_itself)
    }

    /// What its worker is to do, and in what.
    pub(crate) fn into_job(self) -> (BranchName, Job) {
        let Self { repo, checkout, prompt, inherited, .. } = self;
        let Repo { default_branch, setup, permissions, .. } = repo;
        (default_branch, Job { checkout, prompt, command: None, setup, permissions, inherited })
    }

    /// Whether it goes on from another run.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.wish.again.is_some()
    }

    /// What it would be for.
    #[must_use]
    pub fn kind(&self) -> RunKind {
        self.kind
    }

    /// What the worker would be told in the session that it would go on with, if it goes on with one.
    #[must_use]
    pub fn resumed_prompt(&self) -> Option<&str> {
        self.inherited.resume.as_ref()?.prompt.as_deref()
    }
}

/// What is done about a task that cannot start now but will be able to by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// It is queued, and starts as soon as it can.
    Queue,
    /// It is refused.
    Refuse,
}

/// What became of an assignment.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Assigned {
    /// A machine has it.
    Started(Run),
    /// It is queued.
    Queued {
        /// The run.
        run: Run,
        /// Which one it is in the queue, counting from 1.
        place: usize,
        /// Everything that it waits for.
        blockers: Vec<Blocker>,
    },
}

impl Engine {
    /// What assigning would do.
    ///
    /// # Errors
    /// When task, repo or machine are unknown, no machine can take the task, or its repo has no origin.
    pub async fn plan_assignment(&self, task: &TaskRef, wish: Wish) -> Result<Assignment, Error> {
        self.settle().await?;
        self.plan(task, wish, None).await
    }

    /// The same, of the world as it was last settled, and for the run that is queued for the task, if one is.
    pub(crate) async fn plan(
        &self,
        task: &TaskRef,
        wish: Wish,
        queued: Option<RunId>,
    ) -> Result<Assignment, Error> {
        let repo = self.repo(&task.repo)?.clone();
        // A person may have pushed to the change's branch since: that is where the next attempt goes on.
        let candidate = self.candidate(task).await?;
        let task = self.fresh_task(task).await?;
        let mut active = self.live_runs().await?;
        active.retain(|it| Some(it.id) != queued);
        let waited = self.waited_now(&task).await?;
        let runtime = wish.runtime.clone().unwrap_or_else(|| self.settings.runtime.clone());
        let (machine, mut blockers) = self.place(&task, (&wish, &runtime), &active).await?;
        if let Some(name) = machine.as_ref().map(|it| &it.name)
            && self.settings.here.as_ref() == Some(name)
        {
            // Another machine has an origin of its own to name, or none; it says so when it is asked.
            self.origin(&repo.name).await?;
        }
        let model = self.model(&task, &runtime, wish.model.clone());
        let change = self.board.change(&task.task).await.map_err(Error::board("reading a change"))?;
        let branch =
            change.as_ref().map_or_else(|| branch_for(task.task.number, &task.title), |it| it.branch.clone());
        let mut earlier = self.runs_of(&task.task).await?;
        earlier.retain(|it| it.kind.is_agent_work() && Some(it.id) != queued);
        let attempt = next_attempt(earlier.last());
        let to = (&runtime, machine.as_ref().map(|it| &it.name));
        let going_on = self.find_what_goes_on(&wish, &earlier, change.as_ref(), to).await?;
        let kind = kind(&wish, &earlier);
        let failures = self.failures(&task.task, candidate.as_ref()).await?;
        let run = queued.unwrap_or_else(clock::new_run_id);
        let claims = self.claims(&task, change.as_ref()).await?;
        let comments = self.trusted_comments(&task).await?;
        let briefing = Briefing {
            run,
            kind,
            attempt,
            task: &task,
            repo: &repo,
            branch: &branch,
            extra: wish.briefing.as_deref(),
            earlier: &earlier,
            test_failure: (!failures.is_empty()).then_some(failures.as_str()),
            before: None,
            comments: &comments,
        };
        let (prompt, inherited) = tell(going_on.as_ref(), &wish, &briefing);
        let rung = going_on.and_then(|it| it.rung);
        blockers.extend(readiness(&task, &waited, &active, &self.settings.repos, machine.as_ref()));
        blockers.extend(too_soon(self.last_start().await?, self.settings.stagger, clock::now()));
        blockers.extend(self.nothing_to_spend(&task.task, &runtime, &active).await?);
        let trusted = &self.settings.trusted;
        blockers.extend(claim::blockers(&task, &claims, trusted, &wish.said));
        let overridden = claim::overridden(&task, &claims, trusted, &wish.said);
        Ok(Assignment {
            task,
            machine,
            runtime,
            model,
            branch,
            attempt,
            prompt,
            rung,
            blockers,
            wish,
            run,
            kind,
            repo,
            checkout: checkout(change.as_ref()),
            inherited,
            overridden,
        })
    }

    /// The machine that would take it, or why none can now; and why one that was named does not.
    async fn place(
        &self,
        task: &Task,
        (wish, runtime): (&Wish, &RuntimeName),
        active: &[Run],
    ) -> Result<(Option<Machine>, Vec<Blocker>), Error> {
        let holds = self.holds(&BTreeSet::from([runtime.clone()])).await?;
        let held =
            |name: &MachineName| holds.get(&(name.clone(), runtime.clone())).cloned().map(Blocker::Held);
        if let Some(name) = &wish.machine {
            return Ok((Some(self.machine(name)?.clone()), held(name).into_iter().collect()));
        }
        let Settings { machines, here, .. } = &self.settings;
        match route(task, machines, active, here.as_ref(), held) {
            Route::To(machine) => Ok((Some(machine.clone()), Vec::new())),
            Route::Nowhere(reasons) if reasons.iter().any(Blocker::lifts_by_itself) => Ok((None, reasons)),
            Route::Nowhere(reasons) if reasons.iter().any(|it| matches!(it, Blocker::Held(_))) => {
                Ok((None, reasons))
            }
            Route::Nowhere(reasons) => {
                let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
                Err(Error::NoMachine { task: task.task.clone(), reasons: reasons.join("; ") })
            }
        }
    }

    /// Dispatches what was planned, or queues it where that is wanted and will be of use.
    ///
    /// # Errors
    /// [`Error::NotReady`] with every reason; otherwise as [`Engine::dispatch`].
    pub async fn assign(&self, plan: Assignment, otherwise: Otherwise) -> Result<Assigned, Error> {
        let may_wait = |blockers: &[Blocker]| {
            otherwise == Otherwise::Queue && blockers.iter().all(Blocker::lifts_by_itself)
        };
        let (task, wish) = (plan.task.task.clone(), plan.wish.clone());
        if !plan.blockers.is_empty() && !may_wait(&plan.blockers) {
            return Err(Error::NotReady { task, blockers: plan.blockers });
        }
        for (what, reason) in &plan.overridden {
            let noted = self.board.override_by_person(&task, what, reason, clock::now()).await;
            noted.map_err(Error::board("noting a person's decision"))?;
        }
        let new = NewRun {
            id: plan.run,
            kind: plan.kind,
            task: task.clone(),
            runtime: plan.runtime.clone(),
            model: plan.model.clone(),
            base_branch: plan.repo.default_branch.clone(),
        };
        let blockers = match &plan.machine {
            Some(machine) if plan.blockers.is_empty() => {
                let placement = self.placement(machine, self.budget_for(&task.repo, &plan.runtime));
                let (_, job) = plan.into_job();
                match self.dispatch(new.clone(), placement, job).await {
                    Ok(run) => return Ok(Assigned::Started(run)),
                    // Somebody else was given the slot since it was planned.
                    Err(Error::NotReady { blockers, .. }) if may_wait(&blockers) => blockers,
                    Err(error) => return Err(error),
                }
            }
            Some(_) | None => plan.blockers,
        };
        let (run, place) = self.enqueue(new, wish).await?;
        Ok(Assigned::Queued { run, place, blockers })
    }

    /// What a run on `machine` has to keep to.
    pub(crate) fn placement(&self, machine: &Machine, budget: Option<Budget>) -> Placement {
        let Machine { name, slots, .. } = machine.clone();
        Placement { machine: name, slots, stagger: self.settings.stagger, budget }
    }

    /// The command line says which model; else a label of the task does; else the configuration, for the runtimes
    /// that know those models.
    fn model(&self, task: &Task, runtime: &RuntimeName, asked: Option<String>) -> Option<String> {
        let models = &self.settings.models;
        if !models.runtimes.contains(runtime) {
            return asked;
        }
        let by_label = || task.labels.iter().find_map(|it| models.labels.get(it)).cloned();
        asked.or_else(by_label).or_else(|| Some(models.default.clone()))
    }
}

/// Where a run on a change starts.
fn checkout(change: Option<&Change>) -> Checkout {
    match change.and_then(Change::head) {
        Some(head) => Checkout::Head { head: head.clone() },
        None => Checkout::Base,
    }
}

/// What a run is for that is wished for after these.
fn kind(wish: &Wish, earlier: &[Run]) -> RunKind {
    let find = |id| earlier.iter().find(|it| it.id == id);
    match (&wish.again, &wish.parked) {
        (Some(again), _) => find(again.from).map(|from| kind_of(again.aim, from)),
        (None, Some(parked)) => find(parked.of).map(|it| it.kind),
        (None, None) => None,
    }
    .unwrap_or(RunKind::Work)
}
