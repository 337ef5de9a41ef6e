//! From a task to a run: who does it, where, and what they are told.

use coord_board::NewRun;
use coord_core::claim::{self, Said};
use coord_core::id::RunId;
use coord_core::machine::Machine;
use coord_core::name::{BranchName, MachineName, RuntimeName, branch_for};
use coord_core::readiness::{Blocker, blockers};
use coord_core::repo::Repo;
use coord_core::routing::{Route, route};
use coord_core::run::{Run, RunKind};
use coord_core::task::{Task, TaskRef};
use coord_proto::run::Checkout;

use crate::briefing::{self, Briefing};
use crate::dispatch::Job;
use crate::error::Error;
use crate::{Engine, clock};

/// What somebody wants assigned.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The task.
    pub task: TaskRef,
    /// Where to; `None` leaves it to the routing.
    pub machine: Option<MachineName>,
    /// Instead of the model that labels and configuration give.
    pub model: Option<String>,
    /// Instead of the configured runtime.
    pub runtime: Option<RuntimeName>,
    /// What to tell the worker on top.
    pub briefing: Option<String>,
    /// What the person says about claims of others and about the author.
    pub said: Said,
}

/// What assigning would do. Making one changes nothing.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The task.
    pub task: Task,
    /// Where it would run.
    pub machine: Machine,
    /// What would do it.
    pub runtime: RuntimeName,
    /// The model; `None` where the runtime has none.
    pub model: Option<String>,
    /// The branch its commits are for.
    pub branch: BranchName,
    /// Which attempt it would be.
    pub attempt: u32,
    /// What the worker would be told.
    pub prompt: String,
    /// Every reason why it cannot be done now; empty means that it can.
    pub blockers: Vec<Blocker>,
    run: RunId,
    repo: Repo,
    checkout: Checkout,
    /// What the person decided against, and why.
    overridden: Vec<(String, String)>,
}

impl Engine {
    /// What assigning would do.
    ///
    /// # Errors
    /// When task, repo or machine are unknown, no machine can take the task, or its repo has no origin.
    pub async fn plan_assignment(&self, wish: Wish) -> Result<Assignment, Error> {
        self.settle().await?;
        let repo = self.repo(&wish.task.repo)?.clone();
        // A person may have pushed to the change's branch since: that is where the next attempt goes on.
        self.candidate(&wish.task).await?;
        let task = self.fresh_task(&wish.task).await?;
        let active = self.board.live_runs().await.map_err(Error::board("listing runs"))?;
        let mut waited = Vec::new();
        for after in &task.after {
            waited.extend(self.board.task(after).await.map_err(Error::board("reading a task"))?);
        }
        let machine = match &wish.machine {
            Some(name) => self.machine(name)?.clone(),
            None => match route(&task, &self.settings.machines, &active, self.settings.here.as_ref()) {
                Route::To(machine) => machine.clone(),
                Route::Nowhere(refusals) => {
                    let reasons = refusals.iter().flat_map(|(_, reasons)| reasons).map(ToString::to_string);
                    let reasons = reasons.collect::<Vec<_>>().join("; ");
                    return Err(Error::NoMachine { task: task.task, reasons });
                }
            },
        };
        if self.settings.here.as_ref() == Some(&machine.name) {
            // Another machine has an origin of its own to name, or none; it says so when it is asked.
            self.origin(&repo.name).await?;
        }
        let runtime = wish.runtime.unwrap_or_else(|| self.settings.runtime.clone());
        let model = self.model(&task, &runtime, wish.model);
        let change = self.board.change(&task.task).await.map_err(Error::board("reading a change"))?;
        let branch =
            change.as_ref().map_or_else(|| branch_for(task.task.number, &task.title), |it| it.branch.clone());
        let checkout = match change.as_ref().and_then(|it| it.head()) {
            Some(head) => Checkout::Head { head: head.clone() },
            None => Checkout::Base,
        };
        let mut earlier = self.runs_of(&task.task).await?;
        earlier.retain(|it| it.kind.is_agent_work());
        let attempt = u32::try_from(earlier.len()).unwrap_or(u32::MAX).saturating_add(1);
        let failures = self.failures(&task.task).await?;
        let run = clock::new_run_id();
        let claims = self.claims(&task, change.as_ref()).await?;
        let comments = self.trusted_comments(&task).await?;
        let prompt = briefing::work(&Briefing {
            run,
            attempt,
            task: &task,
            repo: &repo,
            branch: &branch,
            extra: wish.briefing.as_deref(),
            earlier: &earlier,
            test_failure: (!failures.is_empty()).then_some(failures.as_str()),
            comments: &comments,
        });
        let mut blockers = blockers(&task, &waited, &active, &self.settings.repos, Some(&machine));
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
            blockers,
            run,
            repo,
            checkout,
            overridden,
        })
    }

    /// Dispatches what was planned.
    ///
    /// # Errors
    /// [`Error::NotReady`] with every reason; otherwise as [`Engine::dispatch`].
    pub async fn assign(&self, plan: Assignment) -> Result<Run, Error> {
        if !plan.blockers.is_empty() {
            return Err(Error::NotReady { task: plan.task.task, blockers: plan.blockers });
        }
        for (what, reason) in &plan.overridden {
            let noted = self.board.override_by_person(&plan.task.task, what, reason, clock::now()).await;
            noted.map_err(Error::board("noting a person's decision"))?;
        }
        let new = NewRun {
            id: plan.run,
            kind: RunKind::Work,
            task: plan.task.task,
            machine: plan.machine.name,
            slots: plan.machine.slots,
            runtime: plan.runtime,
            model: plan.model,
            base_branch: plan.repo.default_branch,
        };
        let job = Job {
            checkout: plan.checkout,
            prompt: plan.prompt,
            command: None,
            setup: plan.repo.setup,
            permissions: plan.repo.permissions,
        };
        self.dispatch(new, job).await
    }

    /// The command line says which model; else a label of the task does; else the configuration. Only claude
    /// has models.
    fn model(&self, task: &Task, runtime: &RuntimeName, asked: Option<String>) -> Option<String> {
        if runtime.as_str() != "claude" {
            return asked;
        }
        let models = &self.settings.models;
        let by_label = || task.labels.iter().find_map(|it| models.labels.get(it)).cloned();
        asked.or_else(by_label).or_else(|| Some(models.default.clone()))
    }
}
