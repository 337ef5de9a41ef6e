//! The HTTP side: requests in, server-sent events or errors out.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::dialect::Refusal;
use super::step::{Act, Block, Message};
use super::{Dialect, Request, Shared, Step};

/// Serves until `shutdown`; connections that are still open then are cut.
pub(super) async fn run(listener: TcpListener, state: Shared, shutdown: impl Future<Output = ()>) {
    let router = Router::new().fallback(handle).layer(DefaultBodyLimit::disable()).with_state(state);
    let served = async { axum::serve(listener, router).await };
    tokio::select! {
        ended = served => match ended { Ok(()) | Err(_) => {} },
        () = shutdown => {}
    }
}

async fn handle(State(state): State<Shared>, parts: Parts, body: Bytes) -> Result<Response, Infallible> {
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().into(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let dialect = request.dialect().unwrap_or(Dialect::Messages);
    let stream = request.body["stream"] == true || request.path.ends_with(":streamGenerateContent");
    let asked = Asked { dialect, stream, model: request.body["model"].clone() };
    if request.is_agent() {
        return Ok(perform(state.answer(&request), &asked).await);
    }
    if request.path.ends_with("/v1/messages/count_tokens") {
        state.record(request);
        return Ok(axum::Json(json!({ "input_tokens": 10 })).into_response());
    }
    if request.dialect().is_some() {
        return Ok(perform(state.chat(request), &asked).await);
    }
    state.record(request);
    Ok(failure(404, "there is nothing here"))
}

/// When the usage window of a scripted refusal is over.
const RESET: &str = "anthropic-ratelimit-unified-reset";

/// What a request wants of the form of its answer.
struct Asked {
    dialect: Dialect,
    stream: bool,
    model: Value,
}

async fn perform(step: Step, asked: &Asked) -> Response {
    if let Some(hold) = &step.hold {
        hold.pass().await;
    }
    if !step.delay.is_zero() {
        tokio::time::sleep(step.delay).await;
    }
    let resets_at = step.headers.iter().find(|(name, _)| name == RESET).and_then(|(_, it)| it.parse().ok());
    let rejected = step.headers.iter().any(|(_, value)| value == "rejected");
    let mut response = match step.act {
        Act::Message(message) if asked.stream => stream(frames(&message, asked), Ending::Whole),
        Act::Message(message) => axum::Json(document(&message, asked)).into_response(),
        Act::Truncated(message) => {
            let mut frames = frames(&message, asked);
            // What is left ends inside the text: a block has begun and some of it has come.
            frames.truncate(3);
            stream(frames, Ending::Cut)
        }
        Act::StreamError { status, message } => {
            let start = events(&Message::default(), asked).swap_remove(0);
            stream([start, error_body(status, &message)].iter().map(framed).collect(), Ending::Whole)
        }
        Act::Error { status, message } => {
            let resets_at = resets_at.filter(|_| rejected);
            let (status, body) = asked.dialect.refusal(Refusal { status, message: &message, resets_at });
            refused(status, body)
        }
        Act::Stall => std::future::pending().await,
        // Unwinding ends the task that owns the connection, which closes it without a byte of an answer; the
        // panic hook is not called, so nothing is printed.
        Act::Drop => std::panic::resume_unwind(Box::new("the script cuts this connection")),
        Act::Compute(_) => unreachable!("a step is resolved before it is performed"),
    };
    for (name, value) in step.headers {
        let name: HeaderName = name.parse().expect("a scripted header name is one");
        let value: HeaderValue = value.parse().expect("a scripted header value is one");
        response.headers_mut().insert(name, value);
    }
    response
}

fn failure(status: u16, message: &str) -> Response {
    refused(status, error_body(status, message))
}

fn refused(status: u16, body: Value) -> Response {
    let code = StatusCode::from_u16(status).expect("a scripted status is one");
    (code, axum::Json(body)).into_response()
}

/// The types are those of <https://docs.anthropic.com/en/api/errors>.
pub(super) fn error_body(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_test" })
}

/// How a stream ends.
#[derive(Clone, Copy)]
enum Ending {
    Whole,
    Cut,
}

fn stream(frames: Vec<String>, ending: Ending) -> Response {
    let frames = frames.into_iter().map(|frame| Ok(Bytes::from(frame)));
    let cut = match ending {
        Ending::Whole => None,
        Ending::Cut => Some(Err(io::Error::other("the script cuts this stream"))),
    };
    let body = Body::from_stream(tokio_stream::iter(frames.chain(cut)));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// A reply as the frames of a stream.
fn frames(message: &Message, asked: &Asked) -> Vec<String> {
    match asked.dialect {
        Dialect::Messages => events(message, asked).iter().map(framed).collect(),
        other @ (Dialect::Responses | Dialect::Gemini | Dialect::Chat) => other.reply(message, &asked.model),
    }
}

fn framed(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
}

pub(super) fn fresh_id(prefix: &str) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}_{:06}", LAST.fetch_add(1, Ordering::Relaxed))
}

fn stop_reason(message: &Message) -> &str {
    let calls = message.blocks.iter().any(|block| matches!(block, Block::Tool { .. }));
    message.stop.as_deref().unwrap_or(if calls { "tool_use" } else { "end_turn" })
}

/// The answer to a request that did not ask for a stream.
fn document(message: &Message, asked: &Asked) -> Value {
    let content: Vec<_> = message
        .blocks
        .iter()
        .map(|block| match block {
            Block::Text(text) => json!({ "type": "text", "text": text }),
            Block::Tool { name, input } => {
                json!({ "type": "tool_use", "id": fresh_id("toolu"), "name": name, "input": input })
            }
        })
        .collect();
    json!({
        "id": fresh_id("msg"), "type": "message", "role": "assistant", "content": content,
        "model": asked.model, "stop_reason": stop_reason(message), "stop_sequence": null,
        "usage": { "input_tokens": message.input_tokens, "output_tokens": message.output_tokens },
    })
}

/// The same as a stream, in the order of <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.
fn events(message: &Message, asked: &Asked) -> Vec<Value> {
    let usage = json!({
        "input_tokens": message.input_tokens, "output_tokens": 1,
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
    });
    let mut events = vec![json!({ "type": "message_start", "message": {
        "id": fresh_id("msg"), "type": "message", "role": "assistant", "content": [],
        "model": asked.model, "stop_reason": null, "stop_sequence": null, "usage": usage,
    } })];
    for (index, block) in message.blocks.iter().enumerate() {
        let (start, delta) = match block {
            Block::Text(text) => {
                (json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": text }))
            }
            Block::Tool { name, input } => (
                json!({ "type": "tool_use", "id": fresh_id("toolu"), "name": name, "input": {} }),
                json!({ "type": "input_json_delta", "partial_json": input.to_string() }),
            ),
        };
        events.push(json!({ "type": "content_block_start", "index": index, "content_block": start }));
        events.push(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    events.push(json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason(message), "stop_sequence": null },
        "usage": { "output_tokens": message.output_tokens },
    }));
    events.push(json!({ "type": "message_stop" }));
    events
}
