//! The only place that asks the time and draws random numbers; everything else is told.

use coord_core::id::{MessageId, RunId};
use jiff::Timestamp;

/// The time of this moment.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock at the edge that everything else is told by"
)]
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A run id that nobody has used.
#[must_use]
pub fn new_run_id() -> RunId {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    RunId::from_random(high ^ low.rotate_left(17))
}

/// A number that nobody could have foretold.
#[must_use]
pub fn chance() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1.rotate_left(17)
}

/// A message id that nobody has used.
#[must_use]
pub fn new_message_id() -> MessageId {
    MessageId::from_uuid(uuid::Uuid::new_v4().as_u128())
}
