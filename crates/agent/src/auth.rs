//! Who may speak to an agent server: whoever knows its token, and no web page.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use coord_proto::problem::{Problem, ProblemKind};
use coord_proto::{PROTOCOL, PROTOCOL_HEADER};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::handler::Refusal;

/// Lets a request pass that carries the token.
pub(crate) async fn require_token(
    State(token): State<Arc<SecretString>>,
    request: Request,
    next: Next,
) -> Response {
    let given = request.headers().get(AUTHORIZATION).and_then(|it| it.as_bytes().strip_prefix(b"Bearer "));
    match given {
        Some(given) if bool::from(given.ct_eq(token.expose_secret().as_bytes())) => next.run(request).await,
        Some(_) => refuse("the bearer token is not this agent server's"),
        None => refuse("there is no bearer token in the request"),
    }
}

fn refuse(detail: &str) -> Response {
    let problem = Problem::new(ProblemKind::Unauthorized, detail)
        .hinted("the token is in COORD_HOME/agent/token on the agent server's machine");
    Refusal(problem).into_response()
}

/// Refuses what a browser sends on behalf of a page: no part of coord sends an `Origin`, and a page that was
/// let in could read answers by rebinding its name to the loopback address.
pub(crate) async fn refuse_browsers(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(ORIGIN) {
        return next.run(request).await;
    }
    let mut problem = Problem::new(ProblemKind::BadRequest, "an agent server does not speak to web pages");
    problem.status = StatusCode::FORBIDDEN.as_u16();
    Refusal(problem).into_response()
}

/// Says in every answer, errors included, which contract is spoken here.
pub(crate) async fn say_protocol(mut answer: Response) -> Response {
    answer.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from(PROTOCOL));
    answer
}
