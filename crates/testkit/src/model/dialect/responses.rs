//! The Responses API, as far as codex asks for it:
//! <https://platform.openai.com/docs/api-reference/responses-streaming>.

use serde_json::{Value, json};

use super::Refusal;
use crate::model::server::fresh_id;
use crate::model::step::{Block, Message};

pub(super) fn reply(message: &Message, model: &Value) -> Vec<String> {
    let id = fresh_id("resp");
    let response = |status: &str, output: &[Value]| json!({ "id": id, "object": "response", "model": model, "status": status, "output": output });
    let mut events = vec![json!({ "type": "response.created", "response": response("in_progress", &[]) })];
    let items: Vec<_> = message.blocks.iter().map(item).collect();
    for (index, item) in items.iter().enumerate() {
        events.push(json!({ "type": "response.output_item.added", "output_index": index, "item": item }));
        if let Some(text) = item["content"][0]["text"].as_str() {
            events.push(json!({
                "type": "response.output_text.delta", "item_id": item["id"], "output_index": index,
                "content_index": 0, "delta": text,
            }));
        }
        events.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
    }
    let mut whole = response("completed", &items);
    whole["usage"] = json!({
        "input_tokens": message.input_tokens, "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": message.output_tokens, "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": message.input_tokens + message.output_tokens,
    });
    events.push(json!({ "type": "response.completed", "response": whole }));
    let framed = events.into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = number.into();
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
    });
    framed.collect()
}

fn item(block: &Block) -> Value {
    match block {
        Block::Text(text) => json!({
            "type": "message", "id": fresh_id("msg"), "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }],
        }),
        Block::Tool { name, input } => {
            let (name, arguments) = match name.as_str() {
                "Bash" => ("exec_command", json!({ "cmd": input["command"] })),
                other => (other, input.clone()),
            };
            let mut call = json!({
                "type": "function_call", "id": fresh_id("fc"), "call_id": fresh_id("call"), "name": name,
                "arguments": arguments.to_string(), "status": "completed",
            });
            // The tools of an MCP server are in a namespace of its own; a name with both in it is that of no tool.
            if let Some((namespace, tool)) = name.rsplit_once("__") {
                call["namespace"] = namespace.into();
                call["name"] = tool.into();
            }
            call
        }
    }
}

/// The codes are those that codex tells apart: <https://platform.openai.com/docs/guides/error-codes>.
pub(super) fn refusal(Refusal { status, message, resets_at }: Refusal<'_>) -> (u16, Value) {
    if let Some(resets_at) = resets_at {
        let kind = "usage_limit_reached";
        let error = json!({ "type": kind, "message": message, "plan_type": "plus", "resets_at": resets_at });
        return (429, json!({ "error": error }));
    }
    let (status, kind, code) = match status {
        401 => (401, "invalid_request_error", "invalid_api_key"),
        402 => (429, "insufficient_quota", "insufficient_quota"),
        413 => (400, "invalid_request_error", "context_length_exceeded"),
        429 => (429, "rate_limit_exceeded", "rate_limit_exceeded"),
        529 => (503, "server_error", "server_is_overloaded"),
        500.. => (status, "server_error", "server_error"),
        _ => (status, "invalid_request_error", "invalid_request"),
    };
    (status, json!({ "error": { "type": kind, "message": message, "code": code } }))
}
