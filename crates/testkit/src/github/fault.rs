//! What can go wrong between a client and GitHub, as switches.

use std::time::Duration;

use jiff::Timestamp;

use crate::hold::Hold;

/// Which requests a fault is for: a method (or `*`) and a path in which `*` stands for one part of it and a
/// last `**` for all that follows. It is for one request, unless told otherwise.
#[must_use]
pub fn on(method: &str, path: &str) -> On {
    On { method: method.into(), path: path.into(), times: Some(1) }
}

/// See [`on`].
#[derive(Debug, Clone)]
pub struct On {
    method: String,
    path: String,
    times: Option<u32>,
}

/// A fault that waits for its requests.
#[derive(Debug, Clone)]
pub struct Fault {
    on: On,
    effect: Effect,
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    DropBefore,
    DropAfter,
    Delay(Duration),
    Hold(Hold),
    Status(u16),
    Truncated,
    Malformed,
    StaleRead,
    BadCredentials,
    PrimaryLimit { reset: Timestamp },
    SecondaryLimit { seconds: u64, status: u16 },
}

impl On {
    /// For so many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// For all of them; a fault like that may also meet none.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// The connection is cut before anything was done.
    #[must_use]
    pub fn drop_before(self) -> Fault {
        self.fault(Effect::DropBefore)
    }

    /// It is done, and the connection is cut before the answer.
    #[must_use]
    pub fn drop_after(self) -> Fault {
        self.fault(Effect::DropAfter)
    }

    /// It is done, and answered only after a while.
    #[must_use]
    pub fn delay(self, by: Duration) -> Fault {
        self.fault(Effect::Delay(by))
    }

    /// It is done, and answered when the hold is released.
    #[must_use]
    pub fn hold(self, hold: &Hold) -> Fault {
        self.fault(Effect::Hold(hold.clone()))
    }

    /// Nothing is done, and the answer is a page of HTML with this status, as a proxy in front gives it.
    #[must_use]
    pub fn status(self, status: u16) -> Fault {
        self.fault(Effect::Status(status))
    }

    /// It is done, and the answer ends in the middle.
    #[must_use]
    pub fn truncated(self) -> Fault {
        self.fault(Effect::Truncated)
    }

    /// It is done, and the answer is whole but no JSON.
    #[must_use]
    pub fn malformed(self) -> Fault {
        self.fault(Effect::Malformed)
    }

    /// It is answered with what was there before the last write, as by a replica that lags.
    #[must_use]
    pub fn stale_read(self) -> Fault {
        self.fault(Effect::StaleRead)
    }

    /// The token is refused.
    #[must_use]
    pub fn bad_credentials(self) -> Fault {
        self.fault(Effect::BadCredentials)
    }

    /// The primary limit is used up until then.
    #[must_use]
    pub fn primary_limit(self, reset: Timestamp) -> Fault {
        self.fault(Effect::PrimaryLimit { reset })
    }

    /// It was too fast, and waits for so many seconds.
    #[must_use]
    pub fn secondary_limit(self, seconds: u64) -> Fault {
        self.fault(Effect::SecondaryLimit { seconds, status: 403 })
    }

    /// The same in its other form, 429.
    #[must_use]
    pub fn too_many_requests(self, seconds: u64) -> Fault {
        self.fault(Effect::SecondaryLimit { seconds, status: 429 })
    }

    fn fault(self, effect: Effect) -> Fault {
        Fault { on: self, effect }
    }

    fn is_for(&self, method: &str, path: &str) -> bool {
        let pattern: Vec<_> = self.path.split('/').collect();
        let parts: Vec<_> = path.split('/').collect();
        let rest = pattern.last() == Some(&"**");
        let wanted = if rest { &pattern[..pattern.len() - 1] } else { &pattern[..] };
        let long_enough = if rest { parts.len() >= wanted.len() } else { parts.len() == wanted.len() };
        let fits = wanted.iter().zip(&parts).all(|(wanted, part)| *wanted == "*" || wanted == part);
        (self.method == "*" || self.method == method) && long_enough && fits
    }
}

/// The faults that still wait, in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// The first fault that is for this request; it has happened then.
    pub(super) fn take(&mut self, method: &str, path: &str) -> Option<Effect> {
        let at = self.0.iter().position(|it| it.on.is_for(method, path) && it.on.times != Some(0))?;
        if let Some(times) = &mut self.0[at].on.times {
            *times -= 1;
        }
        Some(self.0[at].effect.clone())
    }

    /// Ends those that are for all requests.
    pub(super) fn end(&mut self) {
        self.0.retain(|it| it.on.times.is_some());
    }

    /// Those that did not meet all the requests they were for.
    pub(super) fn left(&self) -> Vec<String> {
        let left = self.0.iter().filter(|it| it.on.times.is_some_and(|times| times > 0));
        left.map(|it| format!("a fault never happened: {it:?}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_part_and_two_are_the_rest() {
        let comments = on("POST", "/repos/*/*/issues/*/comments");
        assert!(comments.is_for("POST", "/repos/acme/api/issues/1/comments"));
        assert!(!comments.is_for("GET", "/repos/acme/api/issues/1/comments"));
        assert!(!comments.is_for("POST", "/repos/acme/api/issues/1"));
        let all = on("*", "/repos/acme/**");
        assert!(all.is_for("GET", "/repos/acme/api/issues") && !all.is_for("GET", "/user"));
    }

    #[test]
    fn a_fault_happens_as_often_as_it_was_told() {
        let mut faults = Faults::default();
        faults.add(on("GET", "/user").times(2).status(502));
        assert!(faults.take("GET", "/user").is_some());
        assert_eq!(faults.left().len(), 1);
        assert!(faults.take("GET", "/user").is_some());
        assert!(faults.take("GET", "/user").is_none());
        assert!(faults.left().is_empty());
    }
}
