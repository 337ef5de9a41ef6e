//! The usage windows of an account: how much of one is used, whether it is exhausted, and when it opens again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
