//! The board: what should happen and what did, and the only crate that knows SQL.
//!
//! It stores and returns the types of `coord-core` and decides nothing but who was first. One SQL text runs on
//! SQLite and on PostgreSQL, a function per question; how a core type lies in columns is private to `column`.
//!
//! What must hold:
//!
//! - **One transition, one event, one transaction.** The only way to commit a transition is to say what became
//!   true (`write::Transition`). The transaction's first statement takes the number of that event, which is a
//!   write: so transitions follow one another, whatever was read since cannot have changed when it commits, and
//!   events become visible in the order of their numbers, without a hole.
//! - **A lost race is an outcome**, not an error: every transition returns an enum that says who was first.
//! - **Half a state is refused.** A row whose facts do not fit its state is an error that names the row.
//! - **A board is whole or absent.** A first start makes it beside its place and moves it there; a board that a
//!   newer version wrote is refused.
//!
//! Deliberately absent: a save of the whole board, a way to delete anything, a notification (whoever follows
//! asks for the events after the last number it saw), and any knowledge of git or of machines.

mod candidate;
mod change;
mod column;
mod comment;
mod ending;
mod error;
mod event;
mod gate;
mod import;
mod ledger;
mod merged;
mod open;
mod pause;
mod pull_request;
mod queue;
mod run;
mod session;
mod task;
mod waiting;
mod window;
mod write;

pub use change::Publishing;
pub use comment::Saying;
pub use ending::{Continuation, Ending};
pub use error::Error;
pub use import::Seen;
pub use merged::Merging;
pub use pause::Pause;
pub use pull_request::{Noted, Opening};
pub use queue::{Queueing, Starting};
pub use run::{Moved, NewRun, Placement, Reserved};
pub use session::Begun;
pub use task::{Added, Closing, Edited, NewTask, Reopening, TaskEdit, TaskFilter};

/// An open board. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Board {
    pool: sqlx::AnyPool,
}
