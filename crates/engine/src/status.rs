//! The whole board at a glance.

use std::collections::BTreeMap;

use coord_board::TaskFilter;
use coord_core::claim::{self, Claims, Said};
use coord_core::machine::Machine;
use coord_core::merge::{Candidate, gates, order, verdict};
use coord_core::name::MachineName;
use coord_core::readiness::blockers;
use coord_core::run::Run;
use coord_core::task::{Task, TaskRef};
use coord_forge::github::budget::Standing;
use coord_proto::client::ClientError;
use coord_proto::problem::ProblemKind;
use futures_util::future::join_all;

use crate::error::Error;
use crate::look::Freshness;
use crate::view::{
    ChangeView, GateView, GitHubView, MachineView, QueueView, RunView, StatusView, WaitingView,
};
use crate::{Engine, chain};

/// How many ended runs are shown.
const RECENT: u32 = 10;
/// How many open tasks are looked at: as many as are ever listed.
const TASKS: u32 = 1000;

impl Engine {
    /// Machines, runs, changes and the merge queue; of one machine or of all.
    ///
    /// # Errors
    /// When the board cannot be read. A machine that does not answer is shown as such.
    pub async fn status(&self, only: Option<&MachineName>) -> Result<StatusView, Error> {
        if let Some(name) = only {
            self.machine(name)?;
        }
        let settled = self.settle().await?;
        let synced = self.sync_issues(None).await;
        if let Err(error @ Error::Board { .. }) = synced {
            return Err(error);
        }
        let live = self.live_runs().await?;
        let recent = self.board.recent_runs(RECENT).await.map_err(Error::board("listing runs"))?;
        let shown = |name: &MachineName| only.is_none_or(|it| it == name);
        let machines = self.settings.machines.iter().filter(|it| shown(&it.name));
        let machines = join_all(machines.map(|it| self.machine_view(it, &live))).await;
        let ended = recent.iter().filter(|it| it.state.end().is_some());
        let runs = live.iter().chain(ended).filter(|it| it.bound_for().is_none_or(shown));
        let runs = runs.map(|run| RunView::of(run, &settled)).collect();
        let filter = TaskFilter { repo: None, only_open: true };
        let open = self.board.tasks(&filter, TASKS).await.map_err(Error::board("listing tasks"))?;
        let titles: BTreeMap<&TaskRef, &str> = open.iter().map(|it| (&it.task, it.title.as_str())).collect();
        let candidates = self.candidates(None, Freshness::Store).await?;
        let title = |task: &TaskRef| titles.get(task).copied().unwrap_or_default();
        let changes = candidates.iter().map(|it| {
            ChangeView::of(&it.change, title(&it.change.task), it.pull_request.as_ref().map(|it| it.number))
        });
        let changes = changes.collect();
        let with_change: Vec<_> = candidates.iter().map(|it| it.change.task.clone()).collect();
        let waiting = self.waiting(&open, &live, &with_change).await?;
        let queue = queue_of(candidates, title);
        let github = self.github_view(synced.err().map(|error| chain(&error))).await;
        let caps = self.fleet_caps().await?;
        let mut held_accounts = self.accounts().await?;
        held_accounts.retain(|it| it.held.is_some());
        Ok(StatusView { machines, runs, changes, queue, waiting, caps, held_accounts, github })
    }

    /// What GitHub allows; `failure` is what came of asking it just now.
    async fn github_view(&self, failure: Option<String>) -> Option<GitHubView> {
        let nothing = |reason| GitHubView {
            state: "unknown",
            reason: Some(reason),
            login: None,
            remaining: None,
            limit: None,
            resets_at: None,
            writes_in_minute: 0,
            writes_in_hour: 0,
        };
        let standing = match self.github_standing().await? {
            Ok(standing) => standing,
            Err(reason) => return Some(nothing(reason)),
        };
        let Standing { login, scopes: _, quota, writes_in_minute, writes_in_hour, pause, outage } = standing;
        let (state, reason) = match (&pause, &outage, failure) {
            (Some(pause), _, _) => (
                "paused",
                Some(format!("its {} limit is used up until {}", pause.kind.as_str(), pause.until)),
            ),
            (None, Some(outage), _) => {
                ("failing", Some(format!("left alone until {}: {}", outage.until, outage.cause)))
            }
            (None, None, Some(failure)) => ("failing", Some(failure)),
            (None, None, None) => ("ok", None),
        };
        Some(GitHubView {
            state,
            reason,
            login,
            remaining: quota.as_ref().map(|it| it.remaining),
            limit: quota.as_ref().map(|it| it.limit),
            resets_at: quota.map(|it| it.resets_at.to_string()),
            writes_in_minute,
            writes_in_hour,
        })
    }

    /// Open tasks without a change and without a run.
    async fn waiting(
        &self,
        open: &[Task],
        live: &[Run],
        with_change: &[TaskRef],
    ) -> Result<Vec<WaitingView>, Error> {
        let mut waiting = Vec::new();
        for task in open.iter().rev() {
            let at_it = live.iter().any(|it| it.task == task.task);
            if at_it || with_change.contains(&task.task) {
                continue;
            }
            let waited = self.waited(task).await?;
            let mut blockers = blockers(task, &waited, live, &self.settings.repos, None);
            // Who else is at it is not looked up for every task that is merely shown.
            let unclaimed = Claims::Known(Vec::new());
            blockers.extend(claim::blockers(task, &unclaimed, &self.settings.trusted, &Said::default()));
            waiting.push(WaitingView {
                task: task.task.to_string(),
                title: task.title.clone(),
                blockers: blockers.iter().map(ToString::to_string).collect(),
            });
        }
        Ok(waiting)
    }

    async fn machine_view(&self, machine: &Machine, live: &[Run]) -> MachineView {
        let busy = live.iter().filter(|it| it.takes_slot_of(&machine.name)).count();
        let health = match self.client(&machine.name) {
            Ok(client) => client.health().await.map_err(|error| (connection_state(&error), chain(&error))),
            Err(error) => Err(("unknown", chain(&error))),
        };
        let (state, reason, version) = match health {
            Ok(health) if health.machine == machine.name => ("online", None, Some(health.version)),
            Ok(health) => {
                let reason = format!("the agent server there calls itself `{}`", health.machine);
                ("unknown", Some(reason), Some(health.version))
            }
            Err(("offline", _)) if self.settings.here.as_ref() == Some(&machine.name) => {
                let reason = "its agent server does not run; a command that needs it starts it";
                ("offline", Some(reason.to_owned()), None)
            }
            Err((state, reason)) => (state, Some(reason), None),
        };
        MachineView {
            name: machine.name.to_string(),
            address: format!("{}:{}", machine.host, machine.port),
            state,
            reason,
            version,
            slots: machine.slots,
            busy: u32::try_from(busy).unwrap_or(u32::MAX),
            capabilities: machine.capabilities.clone(),
            repos: machine.repos.iter().map(ToString::to_string).collect(),
        }
    }
}

fn queue_of<'a>(candidates: Vec<Candidate>, title: impl Fn(&TaskRef) -> &'a str) -> Vec<QueueView> {
    let queue = order(candidates, &[]).into_iter();
    queue
        .filter_map(|it| {
            Some(QueueView {
                task: it.change.task.to_string(),
                pull_request: it.pull_request.as_ref()?.number,
                title: title(&it.change.task).to_owned(),
                gates: gates(&it).iter().map(GateView::from).collect(),
                holds: verdict(&it).iter().map(ToString::to_string).collect(),
            })
        })
        .collect()
}

fn connection_state(error: &ClientError) -> &'static str {
    match error {
        ClientError::Unreachable { .. } => "offline",
        ClientError::Refused(problem) if problem.kind == ProblemKind::Unauthorized => "unauthorised",
        ClientError::Refused(_) | ClientError::Foreign { .. } => "unknown",
    }
}
