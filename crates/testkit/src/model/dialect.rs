//! The APIs that agents ask their models through. A script is the same in all of them: a shell command is called
//! by what the agent at hand calls its shell, and failures are those of the API at hand.

mod chat;
mod gemini;
mod responses;

use serde_json::{Value, json};

use super::ToolResult;
use super::request::text_of;
use super::step::Message;

/// An API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The Messages API: claude.
    Messages,
    /// The Responses API: codex.
    Responses,
    /// `generateContent`: gemini.
    Gemini,
    /// Chat completions: opencode, with a provider of that kind.
    Chat,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) message: &'a str,
    /// When a spent usage window is over, in seconds since 1970.
    pub(super) resets_at: Option<u64>,
}

impl Dialect {
    /// The one that a path belongs to.
    pub(super) fn of(path: &str) -> Option<Self> {
        if path.ends_with("/v1/messages") {
            Some(Self::Messages)
        } else if path.ends_with("/responses") {
            Some(Self::Responses)
        } else if path.ends_with(":streamGenerateContent") || path.ends_with(":generateContent") {
            Some(Self::Gemini)
        } else if path.ends_with("/chat/completions") {
            Some(Self::Chat)
        } else {
            None
        }
    }

    /// Every text that the user's part of the conversation brings, in order; tool results are not among them.
    pub(super) fn texts(self, body: &Value) -> Vec<&str> {
        let (turns, content) = match self {
            Self::Messages | Self::Chat => ("messages", "content"),
            Self::Responses => ("input", "content"),
            Self::Gemini => ("contents", "parts"),
        };
        let user = body[turns].as_array().into_iter().flatten().filter(|turn| turn["role"] == "user");
        user.flat_map(|turn| match &turn[content] {
            Value::String(text) => vec![text.as_str()],
            Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        })
        .collect()
    }

    /// Every tool result of the conversation, in order.
    pub(super) fn tool_results(self, body: &Value) -> Vec<ToolResult> {
        let plain = |text: String| ToolResult { text, is_error: false };
        let items = |key: &str| body[key].as_array().into_iter().flatten();
        match self {
            Self::Messages => items("messages")
                .filter_map(|message| message["content"].as_array())
                .flatten()
                .filter(|block| block["type"] == "tool_result")
                .map(|block| ToolResult {
                    text: text_of(&block["content"]),
                    is_error: block["is_error"].as_bool().unwrap_or(false),
                })
                .collect(),
            Self::Responses => items("input")
                .filter(|item| item["type"].as_str().is_some_and(|it| it.ends_with("_call_output")))
                .map(|item| plain(text_of(&item["output"])))
                .collect(),
            Self::Gemini => items("contents")
                .filter_map(|turn| turn["parts"].as_array())
                .flatten()
                .filter(|part| part["functionResponse"].is_object())
                .map(|part| &part["functionResponse"]["response"])
                .map(|response| ToolResult {
                    text: text_of(if response["error"].is_null() {
                        &response["output"]
                    } else {
                        &response["error"]
                    }),
                    is_error: !response["error"].is_null(),
                })
                .collect(),
            Self::Chat => items("messages")
                .filter(|message| message["role"] == "tool")
                .map(|message| plain(text_of(&message["content"])))
                .collect(),
        }
    }

    /// A whole reply as the frames of a stream; the Messages API has its own.
    pub(super) fn reply(self, message: &Message, model: &Value) -> Vec<String> {
        match self {
            Self::Messages => unreachable!("the Messages API is spoken by the server itself"),
            Self::Responses => responses::reply(message, model),
            Self::Gemini => gemini::reply(message, model),
            Self::Chat => chat::reply(message, model),
        }
    }

    /// The status and the body of a refusal.
    pub(super) fn refusal(self, refusal: Refusal<'_>) -> (u16, Value) {
        match self {
            Self::Messages => (refusal.status, super::server::error_body(refusal.status, refusal.message)),
            Self::Responses => responses::refusal(refusal),
            Self::Gemini => gemini::refusal(refusal),
            Self::Chat => chat::refusal(refusal),
        }
    }
}

/// A shell command and a description, as two of the agents take it.
fn shell(input: &Value) -> Value {
    json!({ "command": input["command"], "description": input["description"] })
}
