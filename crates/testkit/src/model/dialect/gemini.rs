//! `generateContent`, as far as gemini asks for it: <https://ai.google.dev/api/generate-content>.

use serde_json::{Value, json};

use super::{Refusal, shell};
use crate::model::server::fresh_id;
use crate::model::step::{Block, Message};

/// The model is not in the body, and what answered may be called otherwise.
pub(super) fn reply(message: &Message, _: &Value) -> Vec<String> {
    let parts: Vec<_> = message.blocks.iter().map(part).collect();
    let chunk = json!({
        "candidates": [{ "content": { "role": "model", "parts": parts }, "finishReason": "STOP", "index": 0 }],
        "usageMetadata": {
            "promptTokenCount": message.input_tokens, "candidatesTokenCount": message.output_tokens,
            "totalTokenCount": message.input_tokens + message.output_tokens,
        },
        "modelVersion": "gemini-scripted", "responseId": fresh_id("resp"),
    });
    vec![format!("data: {chunk}\n\n")]
}

fn part(block: &Block) -> Value {
    let (name, input) = match block {
        Block::Text(text) => return json!({ "text": text }),
        Block::Tool { name, input } => (name, input),
    };
    let (name, arguments) = match name.as_str() {
        "Bash" => ("run_shell_command", shell(input)),
        other => (other, input.clone()),
    };
    json!({
        "functionCall": { "name": name, "args": arguments, "id": fresh_id("call") }, "thoughtSignature": "c2ln",
    })
}

/// The statuses are those of <https://cloud.google.com/apis/design/errors>.
pub(super) fn refusal(Refusal { status, message, resets_at }: Refusal<'_>) -> (u16, Value) {
    let (status, name, message) = match status {
        401 => (401, "UNAUTHENTICATED", message),
        403 => (403, "PERMISSION_DENIED", message),
        413 => (
            400,
            "INVALID_ARGUMENT",
            "The input token count (2) exceeds the maximum number of tokens allowed (1).",
        ),
        429 => (429, "RESOURCE_EXHAUSTED", message),
        529 => (503, "UNAVAILABLE", message),
        500.. => (status, "INTERNAL", message),
        _ => (status, "INVALID_ARGUMENT", message),
    };
    let mut error = json!({ "code": status, "message": message, "status": name });
    if resets_at.is_some() {
        // A quota for the day is not tried again: nobody waits that long.
        error["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{ "quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaMetric": "requests" }],
        }]);
    }
    (status, json!({ "error": error }))
}
