//! Every route on one screen.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post};
use secrecy::SecretString;

use crate::handler::rescues;
use crate::supervisor::Supervisor;
use crate::{auth, handler};

pub(crate) fn routes(supervisor: Arc<Supervisor>, token: SecretString) -> Router {
    let guarded = Router::new()
        .route("/v1/repos", get(handler::repos))
        .route("/v1/runs", get(handler::runs))
        .route("/v1/runs/{id}", get(handler::run).put(handler::start))
        .route("/v1/runs/{id}/stop", post(handler::stop))
        .route("/v1/runs/{id}/message", post(handler::message))
        .route("/v1/runs/{id}/answer", post(handler::answer))
        .route("/v1/runs/{id}/events", get(handler::events))
        .route("/v1/runs/{id}/log", get(handler::log))
        .route("/v1/runs/{id}/artifacts/{name}", get(handler::artifact))
        .route("/v1/runs/{id}/transcript", get(handler::transcript).put(handler::leave_transcript))
        .route("/v1/events", get(handler::feed))
        .route("/v1/gc", post(handler::clear_up))
        .route("/v1/rescues", get(rescues::list))
        .route("/v1/rescues/{id}", get(rescues::one))
        .route("/v1/rescues/{id}/patch", get(rescues::patch))
        .route("/v1/rescues/{id}/bundle", get(rescues::bundle))
        .route("/v1/rescues/{id}/push", post(rescues::push))
        .fallback(handler::no_such_path)
        .layer(from_fn_with_state(Arc::new(token), auth::require_token));
    Router::new()
        .route("/health", get(handler::health))
        .merge(guarded)
        .method_not_allowed_fallback(handler::no_such_method)
        .layer(from_fn(auth::refuse_browsers))
        .layer(map_response(auth::say_protocol))
        .with_state(supervisor)
}
