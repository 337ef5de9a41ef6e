//! What every answer carries besides its document.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::access::{Credential, Who};
use super::api::Answer;
use super::door::{Incoming, accepted_permissions};
use super::limit::Rate;

/// The headers of an answer, as far as they are known.
#[derive(Debug)]
pub(super) struct Dress {
    request: usize,
    asked_for: Conditions,
    operation: Option<String>,
    scopes: Vec<(&'static str, String)>,
    pub(super) rate: Option<Rate>,
}

/// What a client has already.
#[derive(Debug, Default)]
struct Conditions {
    etag: Option<String>,
    since: Option<String>,
    is_get: bool,
}

impl Dress {
    pub(super) fn new(incoming: &Incoming, operation: Option<&str>) -> Self {
        let text = |name: HeaderName| incoming.headers.get(name)?.to_str().ok().map(String::from);
        let asked_for = Conditions {
            etag: text(header::IF_NONE_MATCH),
            since: text(header::IF_MODIFIED_SINCE),
            is_get: incoming.method == axum::http::Method::GET,
        };
        let operation = operation.map(String::from);
        Self { request: incoming.number, asked_for, operation, scopes: Vec::new(), rate: None }
    }

    /// What the token can, and what would be needed.
    /// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#insufficient-permissions-errors>
    pub(super) fn scopes(&mut self, who: &Who) {
        match who {
            Who::Holder(Credential::Classic { scopes, .. }) => {
                self.scopes.push(("x-oauth-scopes", scopes.join(", ")));
                let accepted = match self.operation.as_deref() {
                    Some(it) if it.starts_with("users/") || it.starts_with("rate-limit/") => "",
                    Some(_) => "repo",
                    None => "",
                };
                self.scopes.push(("x-accepted-oauth-scopes", accepted.into()));
            }
            Who::Holder(Credential::FineGrained { .. } | Credential::Installation { .. }) => {
                if let Some(operation) = &self.operation {
                    self.scopes.push(("x-accepted-github-permissions", accepted_permissions(operation)));
                }
            }
            Who::Nobody | Who::App(_) => {}
        }
    }

    /// Whether the client has this answer already.
    pub(super) fn is_unchanged(&self, answer: &Answer) -> bool {
        if answer.status != 200 || !self.asked_for.is_get {
            return false;
        }
        match (&self.asked_for.etag, &self.asked_for.since) {
            (Some(known), _) => {
                let tag = etag(&answer.body.to_string());
                let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
                known.split(',').any(|known| plain(known) == plain(&tag))
            }
            (None, Some(since)) => last_modified(&answer.body).as_ref() == Some(since),
            (None, None) => false,
        }
    }

    /// The answer as it goes out.
    pub(super) fn finish(&self, answer: &Answer) -> Response {
        let body = if answer.body.is_null() { String::new() } else { answer.body.to_string() };
        let unchanged = self.is_unchanged(answer);
        let status = if unchanged { 304 } else { answer.status };
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| {
            let name: HeaderName = name.parse().expect("header names are written here");
            // What a test put into a scope or a name may not be allowed in a header.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set("server", "github.com");
        set("x-github-request-id", &format!("C0DE:{:04X}:0000:0000", self.request));
        set("x-github-media-type", "github.v3; format=json");
        set("x-github-api-version-selected", "2022-11-28");
        set(
            "access-control-expose-headers",
            "ETag, Link, Location, Retry-After, X-GitHub-OTP, X-RateLimit-Limit",
        );
        for (name, value) in self.scopes.iter().chain(&answer.headers) {
            set(name, value);
        }
        if let Some(rate) = self.rate {
            set("x-ratelimit-limit", &rate.limit.to_string());
            set("x-ratelimit-remaining", &rate.remaining.to_string());
            set("x-ratelimit-used", &rate.used.to_string());
            set("x-ratelimit-reset", &rate.reset.as_second().to_string());
            set("x-ratelimit-resource", "core");
        }
        if self.asked_for.is_get && answer.status == 200 {
            set("etag", &etag(&body));
            set("cache-control", "private, max-age=60, s-maxage=60");
            if let Some(at) = last_modified(&answer.body) {
                set("last-modified", &at);
            }
        }
        if !body.is_empty() && !unchanged {
            set("content-type", "application/json; charset=utf-8");
        }
        let mut response = Response::new(Body::from(if unchanged { String::new() } else { body }));
        *response.status_mut() = StatusCode::from_u16(status).expect("answers have statuses");
        *response.headers_mut() = headers;
        response
    }
}

fn etag(body: &str) -> String {
    let hash = Sha256::digest(body.as_bytes());
    let hex = hash.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("W/\"{hex}\"")
}

/// Single things say when they changed.
fn last_modified(body: &Value) -> Option<String> {
    let at: Timestamp = body["updated_at"].as_str()?.parse().ok()?;
    Some(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// What a proxy in front of GitHub says when it is alone.
pub(super) fn html(status: u16) -> Response {
    let page = "<html><head><title>Unicorn! &middot; GitHub</title></head><body>No server is currently available to service your request.</body></html>";
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// The same answer, whose connection is cut in the middle.
pub(super) async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let half = bytes.slice(..bytes.len() / 2);
    // The length of the whole is promised, as a server does that breaks down while it sends.
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let cut: [io::Result<Bytes>; 2] = [Ok(half), Err(io::Error::other("a fault cuts this answer"))];
    Response::from_parts(parts, Body::from_stream(tokio_stream::iter(cut)))
}

/// The same answer, with something else where its document was.
pub(super) fn malformed(response: Response) -> Response {
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, Body::from("{\"message\": \"this is not"))
}
