//! What a run used up, as its runtime tells it: tokens, dollars, and who pays them.
//!
//! What must hold: what nobody told is unknown, and never nothing.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Tokens, by what happened to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Read by the model, and not found in its cache.
    #[serde(default)]
    pub input: u64,
    /// Written by the model.
    #[serde(default)]
    pub output: u64,
    /// Read from the model's cache.
    #[serde(default)]
    pub cache_read: u64,
    /// Written to the model's cache.
    #[serde(default)]
    pub cache_write: u64,
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, more: Self) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.cache_read = self.cache_read.saturating_add(more.cache_read);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
    }
}

/// What one model's part in a run was.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelUsage {
    /// Its tokens.
    pub tokens: Tokens,
    /// What they cost in US dollars, as the runtime counts it.
    #[serde(default)]
    pub cost_usd: Option<f64>,
}

/// Who pays for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payer {
    /// A subscription: what it would have cost is on no bill.
    Subscription,
    /// The owner of an API key, token by token.
    Key,
    /// Nobody said, or a newer version of coord did.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What a run used up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// All tokens; `None` where the runtime does not tell them.
    #[serde(default)]
    pub tokens: Option<Tokens>,
    /// The part of each model, where the runtime tells them apart.
    #[serde(default)]
    pub models: BTreeMap<String, ModelUsage>,
    /// Whether the worker was gone before it had told the whole: what is told is the least it can have been.
    #[serde(default)]
    pub at_least: bool,
    /// Who pays.
    #[serde(default)]
    pub payer: Payer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payer_of_a_newer_version_is_unknown_and_what_was_written_before_there_were_any_can_be_read() {
        assert_eq!(serde_json::from_str::<Payer>(r#""sponsor""#).unwrap(), Payer::Unknown);
        assert_eq!(serde_json::from_str::<Usage>("{}").unwrap(), Usage::default());
    }
}
