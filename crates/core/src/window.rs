//! The usage windows of an account: how much of one is used, whether it is exhausted, and when it opens again.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::AccountName;

/// What a runtime said last of one usage window of its account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Which one, in the runtime's own word: `five_hour`, `seven_day`.
    pub window: String,
    /// Whether there is anything left.
    pub standing: Standing,
    /// When it opens again.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The share that is used, where the runtime says so.
    #[serde(default)]
    pub utilization: Option<f64>,
}

/// Whether there is anything left in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// There is.
    Open,
    /// Not much, says the runtime.
    Warned,
    /// Nothing: requests are refused.
    Rejected,
    /// Said by a newer version of coord.
    #[serde(other)]
    Unknown,
}

impl Window {
    /// Whether it says something newer than `known` does of the same window. Of a period, which ends at one moment,
    /// ever more is used; so who tells it, and when, does not matter.
    #[must_use]
    pub fn supersedes(&self, known: &Self) -> bool {
        let used = |it: &Self| (it.standing == Standing::Rejected, it.utilization.unwrap_or(0.0));
        match (self.until, known.until) {
            (Some(ours), Some(theirs)) if ours != theirs => ours > theirs,
            (None, Some(_)) => false,
            (Some(_), None) => true,
            (_, _) => used(self) > used(known),
        }
    }

    /// Whether it lasts for days, so that nobody should go on by itself when it opens again.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.window.starts_with("seven_day")
    }
}

/// The window that an account without credit is said to have exhausted.
pub const CREDIT: &str = "credit";
/// The window that an account is said to have exhausted whose runtime does not say which one it was.
pub const UNNAMED: &str = "usage";

/// What was said last of a window, of whose account, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Whose window it is.
    pub account: AccountName,
    /// What was said.
    pub window: Window,
    /// When.
    pub at: Timestamp,
    /// Whether a person has said since that work may go on all the same.
    pub lifted: bool,
}

/// What keeps work from being started for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Which account.
    pub account: AccountName,
    /// Which of its windows.
    pub window: String,
    /// When it opens again, where that is known.
    pub until: Option<Timestamp>,
    /// How much of it is used, in hundredths, where the rest is kept for the person; `None` where there is none.
    pub used: Option<u8>,
    /// Whether a person has to say that work goes on: nobody waits for days in the hope that it may.
    pub asks: bool,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, window, until, used, asks: _ } = self;
        let until = until.map_or(String::new(), |it| format!(" until {it:.0}"));
        match used {
            _ if window == CREDIT => write!(f, "account `{account}` has no credit left"),
            None => write!(f, "account `{account}` has used up its window `{window}`{until}"),
            Some(used) => write!(
                f,
                "account `{account}` has used {used} % of its window `{window}`, and the rest is kept for you{until}"
            ),
        }
    }
}

/// What keeps work from being started for an account, of which `told` is everything that was said; `keep` is the
/// share of each window that is left to the person.
#[must_use]
pub fn hold<'a>(told: impl IntoIterator<Item = &'a Told>, keep: f64, now: Timestamp) -> Option<Hold> {
    let holds = told.into_iter().filter_map(|it| one(it, keep, now));
    // The one that lasts longest says when it goes on.
    holds.max_by_key(|it| (it.asks, it.until.unwrap_or(Timestamp::MAX)))
}

fn one(told: &Told, keep: f64, now: Timestamp) -> Option<Hold> {
    let Told { account, window, at: _, lifted } = told;
    let Window { window: name, standing, until, utilization } = window;
    // Of what lasts for days nobody should find out by trying that it is over.
    let lasts = *standing == Standing::Rejected && (window.is_long() || name == CREDIT);
    let is_over = until.map_or(!lasts, |it| it <= now);
    if *lifted || is_over {
        return None;
    }
    let used = match standing {
        Standing::Rejected => None,
        Standing::Open | Standing::Warned | Standing::Unknown => {
            let used = utilization.filter(|it| keep > 0.0 && *it >= 1.0 - keep)?;
            // A share of more than the whole is the whole.
            Some((used.clamp(0.0, 1.0) * 100.0).round() as u8)
        }
    };
    Some(Hold { account: account.clone(), window: name.clone(), until: *until, used, asks: lasts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn told(window: &str, standing: Standing, until: Option<i64>, utilization: Option<f64>) -> Told {
        let window = Window { window: window.to_owned(), standing, until: until.map(at), utilization };
        Told { account: "team".parse().unwrap(), window, at: at(0), lifted: false }
    }

    #[test]
    fn an_exhausted_window_holds_work_until_it_opens_and_a_long_one_asks() {
        let short = told("five_hour", Standing::Rejected, Some(100), None);
        let long = told("seven_day", Standing::Rejected, Some(900), None);
        let held = |told: &[Told], now| hold(told, 0.0, at(now)).map(|it| (it.window, it.asks));
        let both = [short.clone(), long];
        assert_eq!(held(&both[..1], 99), Some(("five_hour".to_owned(), false)));
        assert_eq!(held(&both[..1], 100), None);
        assert_eq!(held(&both, 99), Some(("seven_day".to_owned(), true)));
        assert_eq!(held(&[Told { lifted: true, ..short }], 99), None);
        let without_end = |standing| told("seven_day", standing, None, Some(1.0));
        assert_eq!(held(&[without_end(Standing::Rejected)], 99), Some(("seven_day".to_owned(), true)));
        assert_eq!(hold(&[without_end(Standing::Warned)], 0.5, at(99)), None, "nobody knows of when that is");
        let open = told("five_hour", Standing::Open, Some(100), None);
        assert_eq!(held(&[open, told("other", Standing::Rejected, None, None)], 99), None);
        assert_eq!(
            held(&[told(CREDIT, Standing::Rejected, None, None)], 99),
            Some((CREDIT.to_owned(), true))
        );
    }

    #[test]
    fn of_what_several_runs_tell_the_most_of_the_newest_period_counts() {
        let window = |standing, until, utilization| told("five_hour", standing, until, utilization).window;
        let used = window(Standing::Warned, Some(100), Some(0.8));
        let more = window(Standing::Warned, Some(100), Some(0.9));
        let none = window(Standing::Rejected, Some(100), None);
        let anew = window(Standing::Open, Some(200), Some(0.0));
        let in_order = [used, more, none, anew];
        for (i, older) in in_order.iter().enumerate() {
            for (k, newer) in in_order.iter().enumerate() {
                assert_eq!(newer.supersedes(older), k > i, "{newer:?} {older:?}");
            }
        }
    }

    #[test]
    fn what_is_kept_for_the_person_is_not_touched() {
        let warned = [told("five_hour", Standing::Warned, Some(100), Some(0.92))];
        let used = |keep| hold(&warned, keep, at(0)).map(|it| it.used);
        assert_eq!([used(0.0), used(0.05), used(0.2)], [None, None, Some(Some(92))]);
        assert_eq!(hold(&warned, 0.2, at(100)), None);
    }

    #[test]
    fn without_a_share_to_keep_an_account_is_used_until_its_requests_are_refused() {
        let full = |window, utilization| [told(window, Standing::Warned, Some(100), Some(utilization))];
        let held = |told: &[Told], keep| hold(told, keep, at(0)).map(|it| (it.used, it.asks));
        assert_eq!(held(&full("five_hour", 1.0), 0.0), None);
        assert_eq!(held(&full("five_hour", 0.5), 0.5), Some((Some(50), false)));
        assert_eq!(held(&full("five_hour", 0.49), 0.5), None);
        // What is told as more than the whole is the whole, and a kept share of a long window asks nobody.
        assert_eq!(held(&full("seven_day", 1.2), 0.5), Some((Some(100), false)));
    }

    #[test]
    fn what_says_when_a_window_opens_is_newer_than_what_does_not() {
        let dated = told("five_hour", Standing::Open, Some(100), Some(0.1)).window;
        let undated = told("five_hour", Standing::Rejected, None, Some(0.9)).window;
        assert!(dated.supersedes(&undated) && !undated.supersedes(&dated));
        let less = Window { utilization: Some(0.8), ..undated.clone() };
        assert!(undated.supersedes(&less) && !less.supersedes(&undated));
        assert!(!undated.supersedes(&undated), "it would be written again and again");
    }

    #[test]
    fn a_window_is_long_whichever_models_it_is_for() {
        let long = |window| told(window, Standing::Rejected, None, None).window.is_long();
        assert_eq!(["seven_day", "seven_day_opus", "five_hour"].map(long), [true, true, false]);
    }

    #[test]
    fn a_person_is_told_which_window_keeps_work_from_starting() {
        let until = Some(at(1_767_612_000));
        let of = |window: &str, until, used| Hold {
            account: "team".parse().unwrap(),
            window: window.to_owned(),
            until,
            used,
            asks: false,
        };
        for (hold, told) in [
            (of(CREDIT, until, None), "account `team` has no credit left"),
            (of("five_hour", None, None), "account `team` has used up its window `five_hour`"),
            (
                of("five_hour", until, None),
                "account `team` has used up its window `five_hour` until 2026-01-05T11:20:00Z",
            ),
            (
                of("seven_day", until, Some(92)),
                "account `team` has used 92 % of its window `seven_day`, and the rest is kept for you \
                 until 2026-01-05T11:20:00Z",
            ),
        ] {
            assert_eq!(hold.to_string(), told);
        }
    }
}
