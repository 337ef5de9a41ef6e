//! What was spent, added up: by run, task, repo, model, machine, account or day.
//!
//! What must hold: a run of which nobody knows what it cost is counted as such and never as nothing; what a
//! subscription pays for is never added to what is billed.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::id::RunId;
use crate::money::Usd;
use crate::name::{AccountName, MachineName};
use crate::run::{Run, RunEnd};
use crate::task::TaskRef;
use crate::usage::{ModelUsage, Payer, Tokens, Usage};

/// What one run spent: one run is one process of its runtime, also when it goes on with the session of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The run.
    pub run: RunId,
    /// The task it attempts.
    pub task: TaskRef,
    /// Where it ran.
    pub machine: MachineName,
    /// Who paid, where that is known.
    pub account: Option<AccountName>,
    /// The model, where the runtime does not tell several apart.
    pub model: Option<String>,
    /// When it ended.
    pub at: Timestamp,
    /// What it cost, if anybody knows.
    pub cost: Option<Usd>,
    /// What that paid for.
    pub usage: Usage,
}

impl Entry {
    /// What a run of agent work spent that has ended; `None` for every other, and for one that no machine heard of.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        let end = run.state.end().filter(|_| run.kind.is_agent_work())?;
        let model = end.report.model.clone().or_else(|| run.model.clone());
        Some(Self {
            run: run.id,
            task: run.task.clone(),
            machine: run.machine()?.clone(),
            account: end.report.account.clone(),
            model,
            at: end.at,
            cost: end.cost(),
            usage: end.report.usage.clone(),
        })
    }
}

/// What some runs spent together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Total {
    /// How many runs.
    pub runs: u64,
    /// What is on a bill.
    pub billed: Usd,
    /// What would have been, without a subscription.
    pub not_billed: Usd,
    /// What nobody said who pays for.
    pub unclear: Usd,
    /// How many of the runs cost nobody knows what.
    pub unknown: u64,
    /// Whether some of the runs were ended before they had told the whole.
    pub at_least: bool,
    /// All tokens that were told; `None` where none were.
    pub tokens: Option<Tokens>,
}

impl Total {
    /// Everything that is known, whoever pays.
    #[must_use]
    pub fn known(&self) -> Usd {
        self.billed.plus(self.not_billed).plus(self.unclear)
    }

    /// What one run cost.
    #[must_use]
    pub fn of(end: &RunEnd) -> Self {
        let mut total = Self::default();
        total.add(end.cost(), &end.report.usage, end.report.usage.tokens);
        total
    }

    /// Takes in what one run, or one model's part of it, cost.
    fn add(&mut self, cost: Option<Usd>, usage: &Usage, tokens: Option<Tokens>) {
        self.runs += 1;
        match (cost, usage.payer) {
            (None, _) => self.unknown += 1,
            (Some(cost), Payer::Key) => self.billed = self.billed.plus(cost),
            (Some(cost), Payer::Subscription) => self.not_billed = self.not_billed.plus(cost),
            (Some(cost), Payer::Unknown) => self.unclear = self.unclear.plus(cost),
        }
        self.at_least |= usage.at_least && cost.is_some_and(|it| it > Usd::ZERO);
        if let Some(more) = tokens {
            *self.tokens.get_or_insert_default() += more;
        }
    }
}

/// `$1.20`, `≈ $0.45, not billed`, `unknown`, or what there is of each.
impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let billed = self.billed.plus(self.unclear);
        let known = self.runs > self.unknown;
        let least = if self.at_least { "at least " } else { "" };
        let mut said = Vec::new();
        if billed > Usd::ZERO || (known && self.not_billed == Usd::ZERO) || self.runs == 0 {
            said.push(format!("{least}{billed}"));
        }
        if self.not_billed > Usd::ZERO {
            said.push(format!("{least}≈ {}, not billed", self.not_billed));
        }
        match (self.unknown, known) {
            (0, _) => {}
            (_, false) => said.push("unknown".to_owned()),
            (1, true) => said.push("one run of unknown cost".to_owned()),
            (unknown, true) => said.push(format!("{unknown} runs of unknown cost")),
        }
        f.write_str(&said.join(", and "))
    }
}

/// By what the spending is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Each run by itself.
    Run,
    /// The runs of a task together.
    Task,
    /// Those of a repo.
    Repo,
    /// Each model's part.
    Model,
    /// Those on a machine.
    Machine,
    /// Those of an account.
    Account,
    /// Those that ended on a day.
    Day,
}

impl By {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::Run, Self::Task, Self::Repo, Self::Model, Self::Machine, Self::Account, Self::Day];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Task => "task",
            Self::Repo => "repo",
            Self::Model => "model",
            Self::Machine => "machine",
            Self::Account => "account",
            Self::Day => "day",
        }
    }
}

/// What nobody knows the name of.
const UNKNOWN: &str = "unknown";

/// Everything together.
#[must_use]
pub fn total(entries: &[Entry]) -> Total {
    let mut total = Total::default();
    entries.iter().for_each(|it| total.add(it.cost, &it.usage, it.usage.tokens));
    total
}

/// The spending, told apart: days in their order, everything else with the largest first. A day is one of `zone`.
#[must_use]
pub fn by(entries: &[Entry], by: By, zone: &TimeZone) -> Vec<(String, Total)> {
    let mut totals: BTreeMap<String, Total> = BTreeMap::new();
    for entry in entries {
        let mut add =
            |key: String, cost, tokens| totals.entry(key).or_default().add(cost, &entry.usage, tokens);
        let parts = &entry.usage.models;
        if by == By::Model && !parts.is_empty() {
            for (model, ModelUsage { tokens, cost_usd }) in parts {
                add(model.clone(), cost_usd.and_then(Usd::from_dollars), Some(*tokens));
            }
        } else {
            add(key(entry, by, zone), entry.cost, entry.usage.tokens);
        }
    }
    let mut totals: Vec<_> = totals.into_iter().collect();
    if by != By::Day {
        totals.sort_by_key(|(_, total)| std::cmp::Reverse(total.known()));
    }
    totals
}

fn key(entry: &Entry, by: By, zone: &TimeZone) -> String {
    let or_unknown = |it: Option<String>| it.unwrap_or_else(|| UNKNOWN.to_owned());
    match by {
        By::Run => entry.run.to_string(),
        By::Task => entry.task.to_string(),
        By::Repo => entry.task.repo.to_string(),
        By::Model => or_unknown(entry.model.clone()),
        By::Machine => entry.machine.to_string(),
        By::Account => or_unknown(entry.account.as_ref().map(ToString::to_string)),
        By::Day => entry.at.to_zoned(zone.clone()).date().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use crate::run::{GitFacts, Leaked, Reservation, RunKind, RunState, RuntimeReport};

    fn entry(run: u64, cost: Option<f64>, payer: Payer) -> Entry {
        Entry {
            run: RunId::from_random(run),
            task: "api#1".parse().unwrap(),
            machine: "here".parse().unwrap(),
            account: None,
            model: Some("big".to_owned()),
            at: Timestamp::UNIX_EPOCH,
            cost: cost.and_then(Usd::from_dollars),
            usage: Usage { payer, ..Usage::default() },
        }
    }

    #[test]
    fn what_is_not_billed_or_not_known_is_told_apart_and_never_zero() {
        let shown = |entries: &[Entry]| total(entries).to_string();
        let paid = entry(1, Some(1.2), Payer::Key);
        let free = entry(2, Some(0.45), Payer::Subscription);
        let dark = entry(3, None, Payer::Key);
        let cut = Entry { usage: Usage { at_least: true, ..paid.usage.clone() }, ..paid.clone() };
        assert_eq!(shown(&[]), "$0.00");
        assert_eq!(shown(std::slice::from_ref(&paid)), "$1.20");
        assert_eq!(shown(std::slice::from_ref(&free)), "≈ $0.45, not billed");
        assert_eq!(shown(std::slice::from_ref(&dark)), "unknown");
        assert_eq!(shown(&[cut]), "at least $1.20");
        assert_eq!(
            shown(&[paid, free, dark.clone(), dark]),
            "$1.20, and ≈ $0.45, not billed, and 2 runs of unknown cost"
        );
    }

    #[test]
    fn each_model_is_told_its_part_and_a_day_is_one_of_the_time_zone() {
        let part = |cost_usd| ModelUsage { tokens: Tokens { input: 5, ..Tokens::default() }, cost_usd };
        let models = [("big".to_owned(), part(Some(1.0))), ("small".to_owned(), part(Some(0.2)))];
        let mixed = entry(1, Some(1.2), Payer::Key);
        let mixed = Entry { usage: Usage { models: models.into(), ..mixed.usage.clone() }, ..mixed };
        let late = Entry { at: "2026-03-01T23:30:00Z".parse().unwrap(), ..entry(2, Some(0.5), Payer::Key) };
        let all = [mixed, late];
        let told = |way, zone: &str| {
            let zone = TimeZone::posix(zone).unwrap();
            by(&all, way, &zone).into_iter().map(|(key, it)| (key, it.known().dollars())).collect::<Vec<_>>()
        };
        assert_eq!(told(By::Model, "UTC0"), [("big".to_owned(), 1.5), ("small".to_owned(), 0.2)]);
        assert_eq!(told(By::Day, "UTC0")[1], ("2026-03-01".to_owned(), 0.5));
        assert_eq!(told(By::Day, "CET-1")[1], ("2026-03-02".to_owned(), 0.5));
    }

    #[test]
    fn an_amount_is_told_as_far_as_it_is_known() {
        let shown = |entries: &[Entry]| total(entries).to_string();
        let of = |cost, payer| entry(1, Some(cost), payer);
        let dark = || entry(3, None, Payer::Subscription);
        let cut = |it: Entry| Entry { usage: Usage { at_least: true, ..it.usage.clone() }, ..it };
        for (entries, told) in [
            (vec![of(0.0, Payer::Key)], "$0.00"),
            (vec![of(0.0, Payer::Subscription)], "$0.00"),
            (vec![of(0.5, Payer::Unknown), of(0.5, Payer::Key)], "$1.00"),
            (vec![of(0.0, Payer::Key), of(0.45, Payer::Subscription)], "≈ $0.45, not billed"),
            (vec![of(1.2, Payer::Key), dark()], "$1.20, and one run of unknown cost"),
            (vec![of(0.0, Payer::Key), dark()], "$0.00, and one run of unknown cost"),
            (vec![dark(), dark()], "unknown"),
            (vec![cut(of(0.45, Payer::Subscription))], "at least ≈ $0.45, not billed"),
            (vec![of(1.2, Payer::Key), cut(of(0.3, Payer::Key))], "at least $1.50"),
            // What was cut off before anything was told of it, or with nothing, is no lower bound of anything.
            (vec![of(1.2, Payer::Key), cut(dark())], "$1.20, and one run of unknown cost"),
            (vec![of(1.2, Payer::Key), cut(of(0.0, Payer::Key))], "$1.20"),
        ] {
            assert_eq!(shown(&entries), told);
        }
    }

    #[test]
    fn tokens_are_added_up_and_are_unknown_where_no_run_told_any() {
        let told = |input, output| {
            let tokens = Some(Tokens { input, output, ..Tokens::default() });
            Entry { usage: Usage { tokens, ..Usage::default() }, ..entry(1, None, Payer::Key) }
        };
        let silent = entry(2, Some(1.0), Payer::Key);
        assert_eq!(total(std::slice::from_ref(&silent)).tokens, None);
        let all = [told(1, 10), silent, told(2, 20)];
        assert_eq!(total(&all).tokens, Some(Tokens { input: 3, output: 30, ..Tokens::default() }));
    }

    #[test]
    fn the_spending_is_told_apart_by_what_was_asked_for_and_the_largest_comes_first() {
        let (api, web) = ("api#1".parse().unwrap(), "web#1".parse().unwrap());
        let of = |run, task: &TaskRef, machine: &str, account: Option<&str>, cost| Entry {
            task: task.clone(),
            machine: machine.parse().unwrap(),
            account: account.map(|it| it.parse().unwrap()),
            model: None,
            ..entry(run, Some(cost), Payer::Key)
        };
        let all = [
            of(1, &api, "here", Some("team"), 1.0),
            of(2, &api, "there", None, 2.0),
            of(3, &web, "here", Some("team"), 4.0),
        ];
        let id = |n| RunId::from_random(n).to_string();
        let told = |way| {
            let told = by(&all, way, &TimeZone::UTC).into_iter();
            told.map(|(key, it)| format!("{key} {} {}", it.runs, it.known().dollars())).collect::<Vec<_>>()
        };
        assert_eq!(
            told(By::Run),
            [format!("{} 1 4", id(3)), format!("{} 1 2", id(2)), format!("{} 1 1", id(1))]
        );
        assert_eq!(told(By::Task), ["web#1 1 4", "api#1 2 3"]);
        assert_eq!(told(By::Repo), ["web 1 4", "api 2 3"]);
        assert_eq!(told(By::Machine), ["here 2 5", "there 1 2"]);
        assert_eq!(told(By::Account), ["team 2 5", "unknown 1 2"]);
        assert_eq!(told(By::Model), ["unknown 3 7"]);
        assert_eq!(told(By::Day), ["1970-01-01 3 7"]);
        let words: std::collections::BTreeSet<_> = By::ALL.map(By::as_str).into();
        assert_eq!(words.len(), By::ALL.len(), "each has a word of its own: {words:?}");
    }

    #[test]
    fn what_is_entered_is_ended_agent_work_that_a_machine_heard_of() {
        let report = RuntimeReport {
            model: Some("exact".to_owned()),
            cost_usd: Some(1.2),
            account: Some("team".parse().unwrap()),
            usage: Usage { payer: Payer::Key, ..Usage::default() },
            ..RuntimeReport::default()
        };
        let end = RunEnd {
            outcome: Outcome::Done,
            at: Timestamp::UNIX_EPOCH,
            exit: None,
            git: GitFacts::default(),
            rescue: None,
            report,
            leaked: Leaked::default(),
        };
        let at = Timestamp::UNIX_EPOCH;
        let run = Run {
            id: RunId::from_random(1),
            kind: RunKind::Work,
            task: "api#1".parse().unwrap(),
            reservation: Some(Reservation { machine: "here".parse().unwrap(), at }),
            runtime: "claude".parse().unwrap(),
            model: Some("asked for".to_owned()),
            branch: "issue-1".parse().unwrap(),
            attempt: 1,
            fence: 1,
            state: RunState::Ended(Box::new(end.clone())),
            created_at: at,
        };
        let usage = end.report.usage.clone();
        let entered = Entry {
            model: Some("exact".to_owned()),
            account: Some("team".parse().unwrap()),
            usage,
            ..entry(1, Some(1.2), Payer::Key)
        };
        assert_eq!(Entry::of(&run), Some(entered.clone()));
        let report = RuntimeReport { model: None, ..end.report.clone() };
        let unnamed = RunState::Ended(Box::new(RunEnd { report, ..end.clone() }));
        let unnamed = Entry::of(&Run { state: unnamed, ..run.clone() });
        assert_eq!(unnamed.unwrap().model.as_deref(), Some("asked for"));
        assert_eq!(Entry::of(&Run { kind: RunKind::Test, ..run.clone() }), None);
        assert_eq!(Entry::of(&Run { state: RunState::Finishing, ..run.clone() }), None);
        assert_eq!(Entry::of(&Run { reservation: None, ..run }), None);
        assert_eq!(Total::of(&end), total(&[entered]));
    }
}
