//! Keys about what runs leave behind.

use coord_core::retention::Policy;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of work that a worker did not commit.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RescueEntry {
    /// Whether it is pushed to `refs/coord/rescue/RUN` on origin at the end of a run, unless it seems to hold
    /// secrets. Default: `false`, it stays on its machine.
    pub push: bool,
}

/// How long what runs leave is kept. Nothing goes of the newest run of a task that is neither merged nor closed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionEntry {
    /// Logs of ended runs, worktrees that they left and references that one run needed go after so many days.
    /// Default: 30.
    pub log_days: u32,
    /// Rescued work goes so many days after somebody looked at it, or it was published; work that nobody ever looked
    /// at is kept six times as long. Stores of repos that are not configured any more go as well. Default: 60.
    pub rescue_days: u32,
    /// How many megabytes the logs of ended runs may take on a machine; the oldest go first. Default: 10000.
    pub log_megabytes: u32,
}

impl Default for RetentionEntry {
    fn default() -> Self {
        Self { log_days: 30, rescue_days: 60, log_megabytes: 10_000 }
    }
}

impl RetentionEntry {
    /// As an agent server takes it.
    pub fn policy(&self) -> Policy {
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        Policy {
            logs: days(self.log_days),
            rescues: days(self.rescue_days),
            log_bytes: u64::from(self.log_megabytes) * 1_000_000,
        }
    }
}
