//! Keys that say what may be spent, and what becomes of work that meets a limit of its account.

use coord_core::name::{AccountName, MachineName};
use coord_core::park::OnLimit;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Caps of a repo, instead of those that hold everywhere.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RepoCaps {
    /// The most that one run may cost. Default: `limits.usd_per_run`.
    pub usd_per_run: Option<f64>,
    /// The most that all runs of one task may cost. Default: `limits.usd_per_task`.
    pub usd_per_task: Option<f64>,
}

/// An account that workers have, by a name of yours. Runs of one account share its limits, wherever they are.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AccountEntry {
    /// What it is called.
    #[schemars(with = "String")]
    pub name: AccountName,
    /// The machines whose workers have it. Default: every machine.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub machines: Vec<MachineName>,
}

pub(super) fn on_limit_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": OnLimit::ALL.map(OnLimit::as_str) })
}
