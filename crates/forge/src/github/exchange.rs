//! One request to GitHub and what came back.
//!
//! Nothing is repeated here, nothing is remembered and nothing is judged: see [broker](super::broker) and
//! [meaning](super::meaning).

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use octocrab::Octocrab;

use crate::github::error::quoted;

/// GitHub ends every request after ten seconds itself; connecting takes its own time.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest answer that is read. A page of a hundred issues of the longest kind, every character of them
/// escaped, fits: no stranger's issue keeps the others from being read.
const BODY: usize = 48 << 20;

/// What is asked. The path is the whole one, as it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// The version that is already here.
    pub(crate) etag: Option<&'a str>,
    pub(crate) body: Option<&'a Bytes>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// Whether it is the answer to what was asked. An App's installation has to get a token first; when that is
    /// refused, this is the refusal, and the request was not sent.
    pub(crate) sent: bool,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What came instead of an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection came about, so nothing was sent.
    #[error("{0}")]
    NeverLeft(String),
    /// It was sent, at least in part, and nothing came back.
    #[error("{0}")]
    Lost(String),
    /// The answer broke off.
    #[error("the answer broke off")]
    CutShort,
    /// The answer is longer than any that is read.
    #[error("the answer is longer than {} MiB", BODY >> 20)]
    TooLong,
    /// The answer is not JSON.
    #[error("{0}")]
    Nonsense(String),
}

/// Sends a request with the client's credential and reads the whole answer.
pub(crate) async fn exchange(client: &Octocrab, request: Request<'_>) -> Result<Reply, Failure> {
    match tokio::time::timeout(ANSWER, send(client, request)).await {
        Ok(reply) => reply,
        Err(_) => Err(Failure::Lost(format!("no answer within {} seconds", ANSWER.as_secs()))),
    }
}

async fn send(client: &Octocrab, request: Request<'_>) -> Result<Reply, Failure> {
    let mut builder = http::Request::builder()
        .method(request.method.clone())
        .uri(request.path)
        .header(header::ACCEPT, "application/vnd.github+json")
        .header("X-GitHub-Api-Version", "2022-11-28");
    if let Some(etag) = request.etag {
        builder = builder.header(header::IF_NONE_MATCH, etag);
    }
    if request.body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    let request = builder
        .body(request.body.cloned().unwrap_or_default())
        .map_err(|error| Failure::NeverLeft(quoted(&error.to_string())))?;
    let (head, body) = match client.execute(request).await {
        Ok(response) => response.into_parts(),
        Err(error) => return without_response(error),
    };
    let body = match Limited::new(body, BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Failure::TooLong),
        Err(_) => return Err(Failure::CutShort),
    };
    Ok(Reply { sent: true, status: head.status, headers: head.headers, body })
}

/// What kept the client from handing over a response.
fn without_response(error: octocrab::Error) -> Result<Reply, Failure> {
    if let octocrab::Error::GitHub { source, .. } = error {
        let body = serde_json::json!({ "message": source.message }).to_string();
        let headers = source.headers.clone().unwrap_or_default();
        return Ok(Reply { sent: false, status: source.status_code, headers, body: body.into() });
    }
    let mut reasons = Vec::new();
    let mut cause = error.source();
    while let Some(it) = cause {
        reasons.push(it.to_string());
        cause = it.source();
    }
    // The client's own error types are not ours to name, and this is how its connector's failures are called.
    let never_left = reasons.iter().any(|it| it == "client error (Connect)");
    let reason = quoted(&reasons.join(": "));
    Err(if never_left { Failure::NeverLeft(reason) } else { Failure::Lost(reason) })
}
