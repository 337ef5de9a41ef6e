//! The lines of Claude Code's stream, as far as anything is made of them. Everything that is large is
//! borrowed, and looked at only when it is wanted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use coord_core::id::MessageId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::runtime::shorten;

/// A field that is absent, or not what it was when this was written, is no reason to drop its line.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) parent_tool_use_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) usage: Option<Used>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
}

/// Tokens of one answer of the model.
#[derive(Deserialize)]
pub(super) struct Used {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) cache_creation_input_tokens: Option<u64>,
}

/// What one model's part in the process so far is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsedByModel {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) cache_creation_input_tokens: Option<u64>,
    #[serde(rename = "costUSD", default, deserialize_with = "lenient")]
    pub(super) cost_usd: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) is_error: Option<bool>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct SystemLine {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) subtype: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(rename = "apiKeySource", default, deserialize_with = "lenient")]
    pub(super) api_key_source: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) attempt: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) retry_delay_ms: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error_status: Option<u16>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) mcp_servers: Option<Vec<McpServer>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) task_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) task_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tasks: Option<Vec<TaskLine>>,
}

/// A task of the worker's own that is under way: a sub-agent, or a command in the background.
#[derive(Deserialize)]
pub(super) struct TaskLine {
    pub(super) task_id: String,
}

/// What a user said, as it comes back.
#[derive(Deserialize)]
pub(super) struct Replay {
    #[serde(rename = "isReplay", default)]
    pub(super) is_replay: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) uuid: Option<MessageId>,
}

#[derive(Deserialize)]
pub(super) struct McpServer {
    pub(super) name: String,
    pub(super) status: String,
}

#[derive(Deserialize)]
pub(super) struct LimitLine<'a> {
    #[serde(borrow)]
    pub(super) rate_limit_info: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct Limit {
    pub(super) status: String,
    #[serde(rename = "resetsAt", default, deserialize_with = "lenient")]
    pub(super) resets_at: Option<i64>,
    #[serde(rename = "rateLimitType", default, deserialize_with = "lenient")]
    pub(super) window: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) utilization: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct ResultLine {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) is_error: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) api_error_status: Option<u16>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) subtype: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) terminal_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) stop_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) result: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) errors: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) num_turns: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) total_cost_usd: Option<f64>,
    #[serde(rename = "modelUsage", default, deserialize_with = "lenient")]
    pub(super) models: Option<BTreeMap<String, UsedByModel>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) permission_denials: Option<Vec<Denied>>,
}

#[derive(Deserialize)]
pub(super) struct Denied {
    pub(super) tool_name: String,
    pub(super) tool_use_id: String,
    pub(super) tool_input: Option<Box<RawValue>>,
}

/// The part of a tool's input that tells what it is applied to.
#[derive(Deserialize)]
pub(super) struct Input {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) file_path: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) command: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) pattern: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) path: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) query: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) description: Option<String>,
}

/// The text of a tool's answer, which is a string or a list of blocks.
pub(super) fn plain(content: &str) -> String {
    if let Ok(text) = serde_json::from_str::<String>(content) {
        return text;
    }
    let blocks: Vec<Block<'_>> = serde_json::from_str(content).unwrap_or_default();
    blocks.into_iter().filter_map(|it| it.text).collect::<Vec<_>>().join("\n")
}

/// What a tool is applied to, in a few words.
pub(super) fn subject(input: &str) -> String {
    let Ok(input) = serde_json::from_str::<Input>(input) else { return String::new() };
    let said = input
        .file_path
        .or(input.command)
        .or(input.pattern)
        .or(input.path)
        .or(input.url)
        .or(input.query)
        .or(input.description);
    shorten(&said.unwrap_or_default(), 200)
}
