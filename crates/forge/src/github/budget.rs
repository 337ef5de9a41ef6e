//! What one credential may still do: its budget of writes, the pauses that GitHub asked for, and the circuit
//! that leaves GitHub alone while it fails.
//!
//! Pure decisions over a state that is kept on disk. Time and chance are arguments. What must hold: no minute
//! has more than [`Standing::MINUTE`] writes and no hour more than [`Standing::HOUR`], whoever shares the
//! state; a pause is never shortened by anything but time; a clock that is set back holds nobody up for longer
//! than the pause or the window would have lasted.

use std::collections::{BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::github::error::{GitHubError, LimitKind};

/// GitHub's own bound for what creates content:
/// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>.
pub(crate) const WRITES_PER_MINUTE: usize = 80;
/// Its bound for an hour, from the same page.
pub(crate) const WRITES_PER_HOUR: usize = 500;

/// From so many writes in a minute on, the next ones keep a distance. A story of ten is never slowed down.
const PACED_FROM: usize = WRITES_PER_MINUTE / 2;
/// The distance that GitHub recommends between writes.
const GAP: SignedDuration = SignedDuration::from_secs(1);
/// At most this is added to it by chance, so that processes that share the budget fall out of step.
const JITTER: SignedDuration = SignedDuration::from_millis(500);

const MINUTE: SignedDuration = SignedDuration::from_secs(60);
const HOUR: SignedDuration = SignedDuration::from_secs(60 * 60);
/// Writes at both ends of a window are in it.
const TICK: SignedDuration = SignedDuration::from_millis(1);

/// So many failures in a row, and GitHub is left alone.
const FAILURES: u32 = 5;
/// For so long; and so long may the one request take that tries it again.
const LEFT_ALONE: SignedDuration = SignedDuration::from_secs(30);

/// The state of one credential, shared by every process that uses it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Budget {
    /// When the writes of the last hour were let through, oldest first.
    writes: VecDeque<Timestamp>,
    /// When the last write was answered, or given up: what was read before may be outdated by it.
    wrote: Option<Timestamp>,
    pause: Option<Pause>,
    circuit: Circuit,
    quota: Option<Quota>,
    scopes: Option<BTreeSet<String>>,
    login: Option<String>,
}

/// A while in which nothing is sent, because GitHub said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Which limit was used up.
    pub kind: LimitKind,
    /// When GitHub said so.
    pub since: Timestamp,
    /// When asking is allowed again.
    pub until: Timestamp,
    /// How many secondary limits there have been without a good while in between.
    #[serde(default)]
    pub(crate) in_a_row: u32,
}

/// What GitHub last said of the requests that are left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Requests an hour.
    pub limit: u64,
    /// How many of them are left.
    pub remaining: u64,
    /// When it begins anew.
    pub resets_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Circuit {
    Closed { failures: u32 },
    Open { since: Timestamp, until: Timestamp, cause: String },
    Probing { since: Timestamp, until: Timestamp, cause: String },
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// What is known of a credential without asking, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whose it is, once that has been asked.
    pub login: Option<String>,
    /// Its scopes, when it is of the kind that has some.
    pub scopes: Option<BTreeSet<String>>,
    /// The requests that are left, as GitHub last said.
    pub quota: Option<Quota>,
    /// Writes within the last minute, of [`Standing::MINUTE`].
    pub writes_in_minute: usize,
    /// Writes within the last hour, of [`Standing::HOUR`].
    pub writes_in_hour: usize,
    /// The pause that is kept now.
    pub pause: Option<Pause>,
    /// GitHub fails and is left alone.
    pub outage: Option<Outage>,
}

impl Standing {
    /// The most writes in a minute.
    pub const MINUTE: usize = WRITES_PER_MINUTE;
    /// The most writes in an hour.
    pub const HOUR: usize = WRITES_PER_HOUR;
}

/// GitHub failed several times in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When it is tried again.
    pub until: Timestamp,
    /// How it failed last.
    pub cause: String,
}

/// Whether a write may be sent.
#[derive(Debug)]
#[must_use]
pub(crate) enum Claim {
    /// Now; it is counted.
    Granted,
    /// Not before this moment; nothing is counted.
    Later(Timestamp),
    /// Nothing is sent at all.
    Refused(GitHubError),
}

/// What a request taught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Whether it was a write.
    pub(crate) write: bool,
    /// What its headers said of the limit.
    pub(crate) quota: Option<Quota>,
    /// What its headers said of the credential.
    pub(crate) scopes: Option<BTreeSet<String>>,
    /// How GitHub is.
    pub(crate) sign: Sign,
}

/// How GitHub is, going by one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It answers, whatever it says.
    Well,
    /// It fails, or cannot be reached.
    Failing(String),
    /// It wants to be left alone, for so long if it says how long.
    Limited(LimitKind, Option<SignedDuration>),
}

impl Budget {
    /// Lets a read through, or says why not. The first one after an outage's time is its probe.
    pub(crate) fn admit(&mut self, now: Timestamp) -> Result<(), GitHubError> {
        self.settle(now);
        if let Some(refusal) = self.refusal(now) {
            return Err(refusal);
        }
        self.probe(now);
        Ok(())
    }

    /// Lets a write through and counts it. `draw` is between 0 and 1.
    pub(crate) fn claim(&mut self, now: Timestamp, draw: f64) -> Claim {
        self.settle(now);
        if let Some(refusal) = self.refusal(now) {
            return Claim::Refused(refusal);
        }
        let free = self.free(now, draw);
        if free > now {
            return Claim::Later(free);
        }
        self.probe(now);
        self.writes.push_back(now);
        Claim::Granted
    }

    /// Notes what a request taught.
    ///
    /// # Errors
    /// The pause that it asks for.
    pub(crate) fn hear(&mut self, now: Timestamp, heard: Heard) -> Result<(), GitHubError> {
        self.settle(now);
        let Heard { write, quota, scopes, sign } = heard;
        if write {
            self.wrote = Some(now);
        }
        if quota.is_some() {
            self.quota = quota;
        }
        if scopes.is_some() {
            self.scopes = scopes;
        }
        match sign {
            Sign::Well => self.circuit = Circuit::default(),
            Sign::Failing(cause) => self.fail(now, cause),
            Sign::Limited(kind, wait) => {
                self.circuit = Circuit::default();
                self.limit(now, kind, wait);
                return self.refusal(now).map_or(Ok(()), Err);
            }
        }
        Ok(())
    }

    /// Notes whose credential it is.
    pub(crate) fn belongs_to(&mut self, login: &str) {
        self.login = Some(login.to_owned());
    }

    /// When the last write ended: what was true before may have been changed by it.
    pub(crate) fn wrote(&self) -> Option<Timestamp> {
        self.wrote
    }

    /// What people are shown.
    pub(crate) fn standing(mut self, now: Timestamp) -> Standing {
        self.settle(now);
        let outage = match &self.circuit {
            Circuit::Closed { .. } => None,
            Circuit::Open { until, cause, .. } | Circuit::Probing { until, cause, .. } => {
                Some(Outage { until: *until, cause: cause.clone() })
            }
        };
        Standing {
            writes_in_minute: self.recent(now),
            writes_in_hour: self.writes.len(),
            pause: self.pause.filter(|it| it.until > now),
            outage,
            quota: self.quota,
            login: self.login,
            scopes: self.scopes,
        }
    }

    /// Forgets what is over, and pulls back what a clock that was set back has left in the future.
    fn settle(&mut self, now: Timestamp) {
        for write in &mut self.writes {
            *write = (*write).min(now);
        }
        self.writes.retain(|it| *it >= now - HOUR);
        self.wrote = self.wrote.map(|it| it.min(now));
        if let Some(pause) = &mut self.pause {
            pull_back(now, &mut pause.since, &mut pause.until);
        }
        match &mut self.circuit {
            Circuit::Closed { .. } => {}
            Circuit::Open { since, until, .. } | Circuit::Probing { since, until, .. } => {
                pull_back(now, since, until);
            }
        }
    }

    fn refusal(&self, now: Timestamp) -> Option<GitHubError> {
        if let Some(pause) = self.pause.as_ref().filter(|it| it.until > now) {
            return Some(GitHubError::Limited { kind: pause.kind, until: pause.until });
        }
        match &self.circuit {
            Circuit::Open { until, cause, .. } | Circuit::Probing { until, cause, .. } if *until > now => {
                Some(GitHubError::CircuitOpen { until: *until, cause: cause.clone() })
            }
            Circuit::Open { .. } | Circuit::Probing { .. } | Circuit::Closed { .. } => None,
        }
    }

    /// While one request tries whether GitHub is back, the others wait.
    fn probe(&mut self, now: Timestamp) {
        match &self.circuit {
            Circuit::Closed { .. } => {}
            Circuit::Open { cause, .. } | Circuit::Probing { cause, .. } => {
                self.circuit = Circuit::Probing { since: now, until: now + LEFT_ALONE, cause: cause.clone() };
            }
        }
    }

    fn fail(&mut self, now: Timestamp, cause: String) {
        match &mut self.circuit {
            Circuit::Closed { failures } if *failures + 1 < FAILURES => *failures += 1,
            Circuit::Closed { .. } | Circuit::Probing { .. } | Circuit::Open { .. } => {
                self.circuit = Circuit::Open { since: now, until: now + LEFT_ALONE, cause };
            }
        }
    }

    /// GitHub's page asks for a minute where it does not say how long, and for longer each time it happens again.
    fn limit(&mut self, now: Timestamp, kind: LimitKind, wait: Option<SignedDuration>) {
        let before = self.pause.as_ref().filter(|it| it.lingers(now));
        let in_a_row = match kind {
            LimitKind::Primary => 0,
            LimitKind::Secondary => before.map_or(0, |it| it.in_a_row) + 1,
        };
        let doubled = MINUTE * (1 << in_a_row.saturating_sub(1).min(6));
        let wait = wait.unwrap_or(doubled).clamp(SignedDuration::from_secs(1), HOUR);
        let until = before.map_or(now + wait, |it| it.until.max(now + wait));
        self.pause = Some(Pause { kind, since: now, until, in_a_row });
    }

    /// The first moment at which the windows have room for another write.
    fn free(&self, now: Timestamp, draw: f64) -> Timestamp {
        let mut free = now;
        let nth_last = |n: usize| self.writes.len().checked_sub(n).and_then(|at| self.writes.get(at));
        if let Some(write) = nth_last(WRITES_PER_HOUR) {
            free = free.max(*write + HOUR + TICK);
        }
        if let Some(write) = nth_last(WRITES_PER_MINUTE) {
            free = free.max(*write + MINUTE + TICK);
        }
        if let Some(last) = self.writes.back().filter(|_| self.recent(now) >= PACED_FROM) {
            free = free.max(*last + GAP + JITTER.mul_f64(draw.clamp(0.0, 1.0)));
        }
        free
    }

    fn recent(&self, now: Timestamp) -> usize {
        self.writes.iter().filter(|it| **it >= now - MINUTE).count()
    }
}

impl Pause {
    /// Whether it is kept, or has been over for less time than it lasted.
    fn lingers(&self, now: Timestamp) -> bool {
        now <= self.until + self.until.duration_since(self.since)
    }
}

fn pull_back(now: Timestamp, since: &mut Timestamp, until: &mut Timestamp) {
    if *since > now {
        *until -= since.duration_since(now);
        *since = now;
    }
}

#[cfg(test)]
mod tests;
