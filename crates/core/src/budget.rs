//! What may be spent, and how much of it a run may take.
//!
//! A run reserves what it may spend when it starts: the least that any cap leaves, and of what the whole fleet
//! shares no more than its part. A worker ends after the turn in which it has spent that.
//!
//! What must hold: what is spent and reserved never exceeds a cap by the reservations alone, so that however many
//! run at once, each oversteps by at most one turn; a run of which nobody knows what it cost is taken to have spent
//! all that it had reserved.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::money::Usd;
use crate::readiness::Blocker;
use crate::task::TaskRef;

/// The caps that hold for one run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Caps {
    /// For the run itself.
    pub per_run: Option<Usd>,
    /// For all runs of its task.
    pub per_task: Option<Usd>,
    /// For a day of the whole fleet.
    pub per_day: Option<Usd>,
    /// For a month of the whole fleet.
    pub per_month: Option<Usd>,
}

/// One of the caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cap {
    /// On one run.
    Run,
    /// On a task.
    Task,
    /// On a day.
    Day,
    /// On a month.
    Month,
    /// One of a newer version of coord.
    #[serde(other)]
    Unknown,
}

impl Cap {
    /// The word for what it is on.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Task => "task",
            Self::Day => "day",
            Self::Month => "month",
            Self::Unknown => "unknown",
        }
    }
}

/// Everything that decides what a run may spend, but for what has been spent.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// The caps.
    pub caps: Caps,
    /// When the day began.
    pub day_from: Timestamp,
    /// When the month began.
    pub month_from: Timestamp,
    /// How many workers the fleet has room for.
    pub slots: u32,
    /// From which share of a cap on it is said that it nears its end.
    pub warn_at: f64,
}

/// What one run spent, or may spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The task it attempts.
    pub task: TaskRef,
    /// When it ended; `None` while it is live.
    pub ended_at: Option<Timestamp>,
    /// What it reserved, while that counts.
    pub reserved: Usd,
    /// What is known that it spent.
    pub spent: Usd,
}

/// Where a cap stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which cap.
    pub cap: Cap,
    /// How much it is.
    pub limit: Usd,
    /// What is spent of it.
    pub spent: Usd,
    /// What live runs have reserved of the rest.
    pub reserved: Usd,
}

impl Standing {
    /// What a further run could have.
    #[must_use]
    pub fn left(&self) -> Usd {
        self.limit.minus(self.spent).minus(self.reserved)
    }

    /// Whether nothing is left that could be had.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.left() < Usd::CENT
    }

    /// Whether something will be left once every live run has ended.
    #[must_use]
    pub fn frees_itself(&self) -> bool {
        self.limit.minus(self.spent) >= Usd::CENT
    }

    /// Whether this share of it is spent.
    #[must_use]
    pub fn has_spent(&self, share: f64) -> bool {
        self.spent.dollars() >= self.limit.dollars() * share
    }
}

/// `$9.20 spent and $0.80 reserved of the $10.00 for a day`.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cap, limit, spent, reserved } = self;
        write!(f, "{spent} spent and {reserved} reserved of the {limit} for a {}", cap.as_str())
    }
}

impl Budget {
    /// Where the caps stand that more than one run shares, for a run of `task`.
    #[must_use]
    pub fn standings(&self, task: &TaskRef, charges: &[Charge]) -> Vec<Standing> {
        let Caps { per_run: _, per_task, per_day, per_month } = &self.caps;
        let of_task = |it: &&Charge| it.task == *task;
        let since = |from: Timestamp| move |it: &&Charge| it.ended_at.is_none_or(|at| at >= from);
        let all = [
            per_task.map(|limit| stand(Cap::Task, limit, charges.iter().filter(of_task))),
            per_day.map(|limit| stand(Cap::Day, limit, charges.iter().filter(since(self.day_from)))),
            per_month.map(|limit| stand(Cap::Month, limit, charges.iter().filter(since(self.month_from)))),
        ];
        all.into_iter().flatten().collect()
    }

    /// What a run of `task` may reserve beside `busy` others; `None` where no cap holds for it.
    ///
    /// # Errors
    /// The first cap of which nothing is left.
    pub fn reserve(&self, task: &TaskRef, charges: &[Charge], busy: u32) -> Result<Option<Usd>, Blocker> {
        let free = self.slots.saturating_sub(busy).max(1);
        let mut least = self.caps.per_run;
        for standing in self.standings(task, charges) {
            if standing.is_exhausted() {
                return Err(Blocker::Spent(standing));
            }
            let part = match standing.cap {
                Cap::Day | Cap::Month => standing.left().share(free).max(Usd::CENT),
                Cap::Run | Cap::Task | Cap::Unknown => standing.left(),
            };
            least = Some(least.map_or(part, |it| it.min(part)));
        }
        Ok(least)
    }

    /// The caps that came near their end between two moments.
    #[must_use]
    pub fn neared(&self, task: &TaskRef, before: &[Charge], after: &[Charge]) -> Vec<Standing> {
        let before = self.standings(task, before);
        let after = self.standings(task, after).into_iter().zip(before);
        let crossed =
            after.filter(|(now, then)| now.has_spent(self.warn_at) && !then.has_spent(self.warn_at));
        crossed.map(|(now, _)| now).collect()
    }
}

fn stand<'a>(cap: Cap, limit: Usd, charges: impl Iterator<Item = &'a Charge>) -> Standing {
    let mut standing = Standing { cap, limit, spent: Usd::ZERO, reserved: Usd::ZERO };
    for charge in charges {
        let most = charge.spent.max(charge.reserved);
        let into = if charge.ended_at.is_some() { &mut standing.spent } else { &mut standing.reserved };
        *into = into.plus(most);
    }
    standing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn usd(cents: u64) -> Usd {
        Usd::from_millionths(cents * 10_000)
    }

    fn budget(caps: Caps, slots: u32) -> Budget {
        Budget { caps, day_from: at(1000), month_from: at(0), slots, warn_at: 0.8 }
    }

    fn charge(task: u64, ended_at: Option<i64>, reserved: u64, spent: u64) -> Charge {
        Charge {
            task: format!("api#{task}").parse().unwrap(),
            ended_at: ended_at.map(at),
            reserved: usd(reserved),
            spent: usd(spent),
        }
    }

    proptest! {
        /// Runs start and end in any order; each spends up to one turn more than it reserved.
        #[test]
        fn however_many_run_at_once_a_cap_is_overstepped_by_at_most_one_turn_each(
            limit in 1u64..2000, slots in 1u32..12, turn in 0u64..50,
            acts in prop::collection::vec((any::<bool>(), 0usize..12, 0u64..300), 1..80),
        ) {
            let caps = Caps { per_day: Some(usd(limit)), ..Caps::default() };
            let budget = budget(caps, slots);
            let (mut charges, mut live): (Vec<Charge>, Vec<usize>) = (Vec::new(), Vec::new());
            let mut overstepped = 0;
            for (starts, which, spends) in acts {
                if starts && live.len() < slots as usize {
                    let busy = u32::try_from(live.len()).unwrap();
                    let task = "api#1".parse().unwrap();
                    if let Ok(Some(reserved)) = budget.reserve(&task, &charges, busy) {
                        prop_assert!(reserved >= Usd::CENT);
                        live.push(charges.len());
                        charges.push(Charge { reserved, ..charge(1, None, 0, 0) });
                    }
                } else if !live.is_empty() {
                    let run = live.remove(which % live.len());
                    let most = charges[run].reserved.plus(usd(turn));
                    let spent = usd(spends).min(most);
                    overstepped += u64::from(spent > charges[run].reserved);
                    charges[run] = Charge { spent, reserved: Usd::ZERO, ended_at: Some(at(2000)), ..charge(1, None, 0, 0) };
                }
                let all: Usd = charges.iter().map(|it| it.spent.max(it.reserved)).sum();
                prop_assert!(all <= usd(limit + overstepped * turn), "{all} of {limit}");
            }
        }

        #[test]
        fn who_starts_first_leaves_something_for_every_free_slot(limit in 100u64..5000, slots in 1u32..12) {
            let budget = budget(Caps { per_month: Some(usd(limit)), ..Caps::default() }, slots);
            let mut charges = Vec::new();
            for busy in 0..slots {
                let task = "api#1".parse().unwrap();
                let reserved = budget.reserve(&task, &charges, busy).unwrap().unwrap();
                charges.push(Charge { reserved, ..charge(1, None, 0, 0) });
            }
            let least = charges.iter().map(|it| it.reserved).min().unwrap();
            let most = charges.iter().map(|it| it.reserved).max().unwrap();
            prop_assert!(most.minus(least) < usd(1), "{least} and {most}");
        }
    }

    #[test]
    fn the_least_that_any_cap_leaves_is_reserved_and_each_cap_counts_what_is_its_own() {
        let task = "api#1".parse().unwrap();
        let caps = Caps {
            per_run: Some(usd(500)),
            per_task: Some(usd(300)),
            per_day: Some(usd(1000)),
            ..Caps::default()
        };
        let one = budget(caps, 1);
        assert_eq!(one.reserve(&task, &[], 0), Ok(Some(usd(300))));
        let yesterday = charge(1, Some(10), 0, 250);
        assert_eq!(one.reserve(&task, std::slice::from_ref(&yesterday), 0), Ok(Some(usd(50))));
        let others = [yesterday, charge(2, Some(1001), 0, 900), charge(2, None, 70, 0)];
        assert_eq!(one.reserve(&task, &others, 0), Ok(Some(usd(30))));
        let standing = Standing { cap: Cap::Day, limit: usd(1000), spent: usd(1100), reserved: usd(0) };
        let over = [charge(2, Some(1001), 0, 1100)];
        assert_eq!(one.reserve(&task, &over, 0), Err(Blocker::Spent(standing)));
        assert!(!standing.frees_itself());
        assert_eq!(budget(Caps::default(), 1).reserve(&task, &over, 0), Ok(None));
    }

    #[test]
    fn what_nobody_knows_counts_as_all_that_was_reserved() {
        let task = "api#1".parse().unwrap();
        let day = budget(Caps { per_day: Some(usd(100)), ..Caps::default() }, 1);
        let dark = [charge(1, Some(1001), 100, 0)];
        assert!(day.reserve(&task, &dark, 0).is_err());
        let at_least = [charge(1, Some(1001), 60, 20)];
        assert_eq!(day.reserve(&task, &at_least, 0), Ok(Some(usd(40))));
    }

    #[test]
    fn it_is_said_once_that_a_cap_nears_its_end() {
        let task = "api#1".parse().unwrap();
        let day = budget(Caps { per_day: Some(usd(100)), per_task: Some(usd(1000)), ..Caps::default() }, 1);
        let spent = |cents| [charge(1, Some(1001), 0, cents)];
        let neared = |before, after| day.neared(&task, &spent(before), &spent(after)).len();
        assert_eq!([neared(10, 79), neared(79, 80), neared(80, 99), neared(10, 200)], [0, 1, 0, 1]);
    }

    #[test]
    fn a_cap_of_which_less_than_a_cent_is_left_has_nothing_left() {
        let standing = |spent, reserved| {
            let of = Usd::from_millionths;
            Standing { cap: Cap::Day, limit: usd(100), spent: of(spent), reserved: of(reserved) }
        };
        for (spent, reserved, exhausted, frees_itself) in [
            (500_000, 490_000, false, true),
            (500_000, 490_001, true, true),
            (990_000, 10_000, true, true),
            (990_001, 0, true, false),
            (2_000_000, 0, true, false),
        ] {
            let it = standing(spent, reserved);
            assert_eq!((it.is_exhausted(), it.frees_itself()), (exhausted, frees_itself), "{it}");
        }
    }

    #[test]
    fn a_day_counts_what_ends_from_its_first_moment_on_and_whatever_is_live() {
        let task = "api#1".parse().unwrap();
        let day = budget(Caps { per_day: Some(usd(100)), ..Caps::default() }, 1);
        let left = |ended_at| day.reserve(&task, &[charge(2, ended_at, 0, 30)], 0).unwrap();
        assert_eq!(left(Some(999)), Some(usd(100)));
        assert_eq!(left(Some(1000)), Some(usd(70)));
        assert_eq!(left(None), Some(usd(70)));
    }

    #[test]
    fn a_person_is_told_where_a_cap_stands_in_the_word_that_is_written() {
        for cap in [Cap::Run, Cap::Task, Cap::Day, Cap::Month, Cap::Unknown] {
            assert_eq!(serde_json::to_value(cap).unwrap(), cap.as_str());
        }
        let standing = Standing { cap: Cap::Day, limit: usd(1000), spent: usd(920), reserved: usd(80) };
        assert_eq!(standing.to_string(), "$9.20 spent and $0.80 reserved of the $10.00 for a day");
    }
}
