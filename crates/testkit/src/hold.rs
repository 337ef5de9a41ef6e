//! A gate in front of an answer: the test knows when somebody has arrived at it, and decides when they go on.

use tokio::sync::watch;

use crate::poll;

/// A gate in front of an answer.
#[derive(Debug, Clone)]
pub struct Hold {
    gate: watch::Sender<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    arrived: usize,
    released: bool,
}

impl Default for Hold {
    fn default() -> Self {
        Self::new()
    }
}

impl Hold {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self { gate: watch::Sender::new(Gate::default()) }
    }

    /// Waits until a request stands before the gate.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn wait_reached(&self) {
        self.wait_reached_by(1);
    }

    /// Waits until this many requests have come to the gate.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn wait_reached_by(&self, count: usize) {
        poll::wait_for("requests at the hold", poll::PATIENCE, || {
            let arrived = self.gate.borrow().arrived;
            if arrived >= count { Ok(()) } else { Err(format!("{arrived} of {count} have come")) }
        });
    }

    /// Opens the gate for good.
    pub fn release(&self) {
        self.gate.send_modify(|gate| gate.released = true);
    }

    pub(crate) async fn pass(&self) {
        self.gate.send_modify(|gate| gate.arrived += 1);
        let mut gate = self.gate.subscribe();
        gate.wait_for(|gate| gate.released).await.expect("the hold that is waited at keeps its own sender");
    }
}
