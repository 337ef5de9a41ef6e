//! What was spent, what may be, and where each cap stands.

use coord_core::budget::{Budget, Caps, Charge, Standing};
use coord_core::ledger::{self, By, Entry, Total};
use coord_core::machine::Machine;
use coord_core::name::{RepoName, RuntimeName};
use coord_core::readiness::Blocker;
use coord_core::run::Run;
use coord_core::task::TaskRef;
use coord_core::usage::Tokens;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::Serialize;

use crate::error::Error;
use crate::{Engine, clock};

/// What was spent, told apart in one way.
#[derive(Debug, Clone, Serialize)]
pub struct CostReport {
    /// From when on runs are counted by their end, RFC 3339.
    pub since: String,
    /// What the spending is told apart by: `run`, `task`, `repo`, `model`, `machine`, `account` or `day`.
    pub by: &'static str,
    /// The parts, days in their order and everything else with the largest first.
    pub lines: Vec<CostLine>,
    /// Everything together.
    pub total: CostView,
    /// Where the caps stand that the whole fleet shares.
    pub caps: Vec<CapView>,
    /// How many runs have not ended, and so have told nothing yet.
    pub live_runs: usize,
}

/// One part of the spending.
#[derive(Debug, Clone, Serialize)]
pub struct CostLine {
    /// What it is of.
    pub key: String,
    /// The spending.
    pub cost: CostView,
}

/// What some runs cost.
#[derive(Debug, Clone, Serialize)]
pub struct CostView {
    /// How many runs.
    pub runs: u64,
    /// The sum of what is known, in US dollars, whoever pays.
    pub usd: f64,
    /// The part of it that is on a bill.
    pub billed_usd: f64,
    /// The part of it that a subscription covers.
    pub not_billed_usd: f64,
    /// How many of the runs cost nobody knows what.
    pub unknown_runs: u64,
    /// Whether some were ended before they had told the whole.
    pub at_least: bool,
    /// The tokens that were told; absent where none were.
    pub tokens: Option<Tokens>,
    /// The cost in words.
    pub words: String,
}

impl From<&Total> for CostView {
    fn from(total: &Total) -> Self {
        Self {
            runs: total.runs,
            usd: total.known().dollars(),
            billed_usd: total.billed.dollars(),
            not_billed_usd: total.not_billed.dollars(),
            unknown_runs: total.unknown,
            at_least: total.at_least,
            tokens: total.tokens,
            words: total.to_string(),
        }
    }
}

/// Where a cap stands.
#[derive(Debug, Clone, Serialize)]
pub struct CapView {
    /// What it is on: `task`, `day` or `month`.
    pub cap: &'static str,
    /// How much it is, in US dollars.
    pub limit_usd: f64,
    /// What is spent of it.
    pub spent_usd: f64,
    /// What live runs have reserved of the rest.
    pub reserved_usd: f64,
    /// Whether it nears its end.
    pub near: bool,
    /// Where it stands, in words.
    pub words: String,
}

impl CapView {
    fn of(standing: &Standing, warn_at: f64) -> Self {
        Self {
            cap: standing.cap.as_str(),
            limit_usd: standing.limit.dollars(),
            spent_usd: standing.spent.dollars(),
            reserved_usd: standing.reserved.dollars(),
            near: standing.has_spent(warn_at),
            words: standing.to_string(),
        }
    }
}

impl Engine {
    /// What runs of agent work cost that have ended since `since`.
    ///
    /// # Errors
    /// When the board cannot be read.
    pub async fn cost(&self, by: By, since: Timestamp) -> Result<CostReport, Error> {
        self.settle().await?;
        let runs = self.board.spenders(since).await.map_err(Error::board("reading what was spent"))?;
        let entries: Vec<_> = runs.iter().filter_map(Entry::of).collect();
        let lines = ledger::by(&entries, by, &self.settings.zone);
        let lines = lines.into_iter().map(|(key, total)| CostLine { key, cost: CostView::from(&total) });
        let live = runs.iter().filter(|it| it.state.end().is_none() && it.reservation.is_some());
        Ok(CostReport {
            since: since.to_string(),
            by: by.as_str(),
            lines: lines.collect(),
            total: CostView::from(&ledger::total(&entries)),
            caps: self.fleet_caps().await?,
            live_runs: live.count(),
        })
    }

    /// Where the caps stand that the whole fleet shares.
    pub(crate) async fn fleet_caps(&self) -> Result<Vec<CapView>, Error> {
        let Caps { per_day, per_month, .. } = self.settings.money.caps;
        let budget = self.budget(Caps { per_day, per_month, ..Caps::default() });
        if budget.caps == Caps::default() {
            return Ok(Vec::new());
        }
        // Of these caps, it does not matter whose task it is.
        let Some(repo) = self.settings.repos.first() else { return Ok(Vec::new()) };
        let task = TaskRef { repo: repo.name.clone(), number: 0 };
        let standings = budget.standings(&task, &self.charges(&task, &budget).await?);
        Ok(standings.iter().map(|it| CapView::of(it, budget.warn_at)).collect())
    }

    async fn charges(&self, task: &TaskRef, budget: &Budget) -> Result<Vec<Charge>, Error> {
        self.board.charges(task, budget).await.map_err(Error::board("reading what was spent"))
    }

    /// What holds for a run of `runtime` in `repo`; `None` where it would not tell what it costs.
    pub(crate) fn budget_for(&self, repo: &RepoName, runtime: &RuntimeName) -> Option<Budget> {
        self.settings.money.counted.contains(runtime).then(|| self.budget_of(repo))
    }

    /// What holds for runs in `repo`.
    pub(crate) fn budget_of(&self, repo: &RepoName) -> Budget {
        let money = &self.settings.money;
        self.budget(money.repos.get(repo).unwrap_or(&money.caps).clone())
    }

    fn budget(&self, caps: Caps) -> Budget {
        let now = clock::now().to_zoned(self.settings.zone.clone());
        // A day without a midnight begins later, and one that cannot be told begins now.
        let beginning = |at: Result<Zoned, jiff::Error>| at.map_or(now.timestamp(), |it| it.timestamp());
        Budget {
            caps,
            day_from: beginning(now.start_of_day()),
            month_from: beginning(now.first_of_month().and_then(|it| it.start_of_day())),
            slots: self.settings.machines.iter().map(|Machine { slots, .. }| *slots).sum(),
            warn_at: self.settings.money.warn_at,
        }
    }

    /// Why a run of `task` could spend nothing now.
    pub(crate) async fn nothing_to_spend(
        &self,
        task: &TaskRef,
        runtime: &RuntimeName,
        active: &[Run],
    ) -> Result<Option<Blocker>, Error> {
        let Some(budget) = self.budget_for(&task.repo, runtime) else { return Ok(None) };
        if budget.caps == Caps::default() {
            return Ok(None);
        }
        let busy = active.iter().filter(|it| it.kind.is_agent_work() && it.reservation.is_some());
        let busy = u32::try_from(busy.count()).unwrap_or(u32::MAX);
        Ok(budget.reserve(task, &self.charges(task, &budget).await?, busy).err())
    }
}

/// From when on spending is told unless somebody says otherwise.
#[must_use]
pub fn a_month_ago(now: Timestamp) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(30 * 24)).unwrap_or(Timestamp::MIN)
}
