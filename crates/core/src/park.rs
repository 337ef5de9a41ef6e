//! What becomes of a run that was cut short through no fault of its work: it is parked, which is to say that the
//! same session is queued again, to go on once it may.
//!
//! What goes on is a new run. A machine starts a run once, whoever asks and how often, and its log and its exit
//! record are written once: that is what nothing's running twice rests on. The new run has the number of the attempt
//! that it goes on with, so no attempt is spent; it is queued in the transaction in which the other one ends, so no
//! crash comes between them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hours::Hours;
use crate::id::RunId;
use crate::name::{AccountName, CommitSha};
use crate::outcome::Outcome;
use crate::readiness::Blocker;
use crate::run::{Run, RunEnd};
use crate::window::{CREDIT, Standing, UNNAMED, Window};

/// What is done about a run that met a limit of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLimit {
    /// It goes on by itself once the window is open again.
    #[default]
    Auto,
    /// It goes on once a person says so.
    Ask,
    /// It does not go on.
    Never,
}

impl OnLimit {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Ask, Self::Never];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ask => "ask",
            Self::Never => "never",
        }
    }
}

/// That a run goes on where another one was cut short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The run that was cut short.
    pub of: RunId,
    /// How it ended, in words.
    pub why: String,
    /// Its session; `None` where it had none yet, and the work begins anew.
    #[serde(default)]
    pub session: Option<String>,
    /// What it had not committed, as it lies in the repo store of its machine.
    #[serde(default)]
    pub rescue: Option<CommitSha>,
    /// The account whose limit it met.
    #[serde(default)]
    pub account: Option<AccountName>,
    /// Not before this.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Whether a person has to say so first.
    #[serde(default)]
    pub asks: bool,
}

/// How often in a row a session goes on after an overload: by then it has lasted for half an hour.
const OVERLOADS: u32 = 10;
/// How long is waited after the first overload, and at most.
const OVERLOAD: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(5), SignedDuration::from_mins(5));
/// The same after a limit of which nobody said when it ends.
const UNSAID: (SignedDuration, SignedDuration) =
    (SignedDuration::from_mins(5), SignedDuration::from_hours(1));
/// How far apart those go on at most who wait for the same moment.
const SPREAD: SignedDuration = SignedDuration::from_secs(60);

/// Whether `run` goes on although it ended, and when. `before` are the runs of its task before it, oldest first;
/// `random` keeps those apart that wait for the same.
#[must_use]
pub fn after(run: &Run, end: &RunEnd, before: &[Run], on_limit: OnLimit, random: u64) -> Option<Parked> {
    let same = |it: &&Run| it.state.end().is_some_and(|it| it.outcome.as_str() == end.outcome.as_str());
    let earlier = before.iter().rev().filter(|it| it.kind == run.kind && it.id != run.id);
    let streak = u32::try_from(earlier.take_while(same).count()).unwrap_or(u32::MAX);
    let long = || end.report.windows.iter().any(|it| it.standing == Standing::Rejected && it.is_long());
    let (until, asks) = match cut(&end.outcome)? {
        Cut::Window(_) | Cut::Credit if on_limit == OnLimit::Never => return None,
        Cut::Window(Some(until)) => {
            let spread = (until.duration_since(end.at) / 10).clamp(SignedDuration::from_secs(1), SPREAD);
            (Some(later(until, part(spread, random))), long() || on_limit == OnLimit::Ask)
        }
        Cut::Window(None) => {
            (Some(later(end.at, backoff(UNSAID, streak, random))), long() || on_limit == OnLimit::Ask)
        }
        Cut::Credit => (None, true),
        Cut::Overload if streak >= OVERLOADS => return None,
        Cut::Overload => (Some(later(end.at, backoff(OVERLOAD, streak, random))), false),
    };
    Some(Parked {
        of: run.id,
        why: end.outcome.to_string(),
        session: end.report.session.clone(),
        rescue: end.rescue.as_ref().map(|it| it.commit.clone()),
        account: end.report.account.clone(),
        until,
        asks,
    })
}

/// What cuts a run short that is no fault of its work.
enum Cut {
    /// A usage window of its account, which may have said when it opens again.
    Window(Option<Timestamp>),
    /// Its account has no credit.
    Credit,
    /// The model, or the way to it, for a while.
    Overload,
}

/// What cut a run short that ended like this, if it was anything of the kind.
fn cut(outcome: &Outcome) -> Option<Cut> {
    match outcome {
        Outcome::Limited { until } => Some(Cut::Window(*until)),
        Outcome::Credit { .. } => Some(Cut::Credit),
        Outcome::Transient { .. } => Some(Cut::Overload),
        Outcome::Done
        | Outcome::NoChange
        | Outcome::Dirty
        | Outcome::Stuck { .. }
        | Outcome::Refused { .. }
        | Outcome::Auth { .. }
        | Outcome::Context
        | Outcome::Budget { .. }
        | Outcome::Truncated
        | Outcome::Timeout { .. }
        | Outcome::Failed { .. }
        | Outcome::Crashed { .. }
        | Outcome::Interrupted
        | Outcome::Cancelled { .. }
        | Outcome::Lost { .. }
        | Outcome::PushFailed { .. }
        | Outcome::SetupFailed { .. }
        | Outcome::Unknown => None,
    }
}

/// The windows of its account by which a run was cut short. Where its runtime names none, whatever else is of its
/// account waits as long as what goes on with it, which is `parked`.
#[must_use]
pub fn exhausted(end: &RunEnd, parked: Option<&Parked>) -> Vec<Window> {
    let one = |window: &str, until| {
        let (window, standing) = (window.to_owned(), Standing::Rejected);
        vec![Window { window, standing, until, utilization: None }]
    };
    match cut(&end.outcome) {
        Some(Cut::Window(_)) => {
            let told = end.report.windows.iter().filter(|it| it.standing == Standing::Rejected);
            let told: Vec<_> = told.cloned().collect();
            match parked.and_then(|it| it.until) {
                Some(until) if told.is_empty() => one(UNNAMED, Some(until)),
                Some(_) | None => told,
            }
        }
        Some(Cut::Credit) => one(CREDIT, None),
        Some(Cut::Overload) | None => Vec::new(),
    }
}

/// Twice as long each time, and between half of that and the whole.
fn backoff((first, most): (SignedDuration, SignedDuration), streak: u32, random: u64) -> SignedDuration {
    let whole = first.saturating_mul(2_i32.saturating_pow(streak)).min(most);
    whole / 2 + part(whole / 2, random)
}

/// Some part of a duration, by chance.
fn part(of: SignedDuration, random: u64) -> SignedDuration {
    // Durations of a few minutes, in milliseconds.
    let most = u64::try_from(of.as_millis()).unwrap_or_default();
    SignedDuration::from_millis(i64::try_from(random % (most + 1)).unwrap_or_default())
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl Parked {
    /// What it waits for before it may go on; `None` when that is nothing.
    #[must_use]
    pub fn waits_for(&self, hours: &Hours, zone: &TimeZone, now: Timestamp) -> Option<Blocker> {
        if self.asks {
            return Some(Blocker::Asks {
                why: self.why.clone(),
                account: self.account.clone(),
                until: self.until,
            });
        }
        let until = hours.next(self.until.map_or(now, |it| it.max(now)), zone);
        (until > now).then(|| Blocker::Parked { why: self.why.clone(), until })
    }
}

#[cfg(test)]
mod tests;
