//! How much may be asked, and how fast.
//!
//! The primary limit counts requests by the hour:
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-primary-rate-limits>.
//! Secondary ones look at how fast content is made:
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _};

/// Where an account stands with the primary limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) used: u64,
    pub(crate) reset: Timestamp,
}

/// What everyone has used.
#[derive(Debug)]
pub(super) struct Limits {
    rates: BTreeMap<String, Rate>,
    writes: BTreeMap<String, Writes>,
    per_minute: usize,
}

#[derive(Debug, Default)]
struct Writes {
    at: Vec<Timestamp>,
    /// Until when nothing more is taken, once there was too much.
    closed_until: Option<Timestamp>,
}

const PER_HOUR: usize = 500;

impl Default for Limits {
    fn default() -> Self {
        Self { rates: BTreeMap::new(), writes: BTreeMap::new(), per_minute: 80 }
    }
}

impl Limits {
    /// The rate of an account, in a new window when the last one is over.
    pub(super) fn rate(&mut self, account: &str, limit: u64, now: Timestamp) -> Rate {
        let reset = now + 1.hour();
        let fresh = Rate { limit, remaining: limit, used: 0, reset };
        let rate = self.rates.entry(account.into()).or_insert(fresh);
        if now >= rate.reset {
            *rate = fresh;
        }
        *rate
    }

    pub(super) fn set(&mut self, account: &str, rate: Rate) {
        self.rates.insert(account.into(), rate);
    }

    pub(super) fn count(&mut self, account: &str) {
        if let Some(rate) = self.rates.get_mut(account) {
            rate.remaining = rate.remaining.saturating_sub(1);
            rate.used += 1;
        }
    }

    pub(super) fn set_writes_per_minute(&mut self, most: usize) {
        self.per_minute = most;
    }

    /// Takes a write, or says how many seconds to wait.
    pub(super) fn write(&mut self, account: &str, now: Timestamp) -> Result<(), u64> {
        let writes = self.writes.entry(account.into()).or_default();
        if let Some(until) = writes.closed_until {
            if now < until {
                return Err(seconds_until(until, now));
            }
            writes.closed_until = None;
        }
        writes.at.retain(|at| *at > now - 1.hour());
        let last_minute = writes.at.iter().filter(|at| **at > now - 1.minute()).count();
        let until = if last_minute >= self.per_minute {
            now + 1.minute()
        } else if writes.at.len() >= PER_HOUR {
            writes.at.first().map_or(now, |oldest| *oldest + 1.hour())
        } else {
            writes.at.push(now);
            return Ok(());
        };
        writes.closed_until = Some(until);
        Err(seconds_until(until, now))
    }
}

fn seconds_until(until: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(until.as_second() - now.as_second()).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eighty_first_write_of_a_minute_waits_and_the_next_minute_is_free() {
        let (mut limits, start) = (Limits::default(), Timestamp::UNIX_EPOCH);
        assert!((0..80).all(|_| limits.write("octo", start).is_ok()));
        assert_eq!(limits.write("octo", start), Err(60));
        assert!(limits.write("bob", start).is_ok(), "others are not concerned");
        assert!(limits.write("octo", start + 59.seconds()).is_err());
        assert!(limits.write("octo", start + 61.seconds()).is_ok());
    }

    #[test]
    fn the_five_hundred_first_write_of_an_hour_waits() {
        let (mut limits, start) = (Limits::default(), Timestamp::UNIX_EPOCH);
        assert!((0..500).all(|at: i64| limits.write("octo", start + at.seconds()).is_ok()));
        assert_eq!(limits.write("octo", start + 500.seconds()), Err(3100));
    }

    #[test]
    fn a_window_that_is_over_begins_anew() {
        let (mut limits, start) = (Limits::default(), Timestamp::UNIX_EPOCH);
        limits.rate("octo", 5000, start);
        limits.count("octo");
        assert_eq!(limits.rate("octo", 5000, start + 59.minutes()).remaining, 4999);
        assert_eq!(limits.rate("octo", 5000, start + 1.hour()).remaining, 5000);
    }
}
