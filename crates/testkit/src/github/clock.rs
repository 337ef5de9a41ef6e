//! The one place that asks for the time.

use std::time::Duration;

use jiff::Timestamp;

/// The stand-in's clock, which a test can move.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    ahead: Duration,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "GitHub has a clock of its own; this is its edge")]
    pub(super) fn now(self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.ahead += by;
    }
}
