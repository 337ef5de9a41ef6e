//! Chat completions, as far as opencode asks for them:
//! <https://platform.openai.com/docs/api-reference/chat-streaming>.

use serde_json::{Value, json};

use super::{Refusal, shell};
use crate::model::server::fresh_id;
use crate::model::step::{Block, Message};

pub(super) fn reply(message: &Message, model: &Value) -> Vec<String> {
    let id = fresh_id("chatcmpl");
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({
            "id": id, "object": "chat.completion.chunk", "created": 1, "model": model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        })
    };
    let mut chunks = Vec::new();
    let mut calls = 0;
    for block in &message.blocks {
        chunks.push(match block {
            Block::Text(text) => chunk(json!({ "role": "assistant", "content": text }), None),
            Block::Tool { name, input } => {
                calls += 1;
                chunk(json!({ "role": "assistant", "tool_calls": [call(calls - 1, name, input)] }), None)
            }
        });
    }
    let finish = match message.stop.as_deref() {
        Some("max_tokens") => "length",
        Some(other) => other,
        None if calls > 0 => "tool_calls",
        None => "stop",
    };
    let mut last = chunk(json!({}), Some(finish));
    last["usage"] = json!({
        "prompt_tokens": message.input_tokens, "completion_tokens": message.output_tokens,
        "total_tokens": message.input_tokens + message.output_tokens,
    });
    chunks.push(last);
    let framed = chunks.into_iter().map(|it| format!("data: {it}\n\n"));
    framed.chain(["data: [DONE]\n\n".to_owned()]).collect()
}

fn call(index: usize, name: &str, input: &Value) -> Value {
    let (name, arguments) = match name {
        "Bash" => ("bash", shell(input)),
        other => (other, input.clone()),
    };
    let function = json!({ "name": name, "arguments": arguments.to_string() });
    json!({ "index": index, "id": fresh_id("call"), "type": "function", "function": function })
}

/// The codes are those of <https://platform.openai.com/docs/guides/error-codes>.
pub(super) fn refusal(Refusal { status, message, .. }: Refusal<'_>) -> (u16, Value) {
    let (status, code, message) = match status {
        413 => (400, "context_length_exceeded", "This model's maximum context length is 1 token."),
        529 => (503, "server_error", message),
        _ => (status, "error", message),
    };
    (status, json!({ "error": { "message": message, "type": "error", "code": code } }))
}
