//! What the routes of rescued work do.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use coord_proto::rescue::{CUT_HEADER, RescueList, RescuePushed, RescueView};
use serde::Deserialize;

use super::{Answer, BODY_LIMIT, Id, Server, bad, whole};

#[derive(Debug, Deserialize)]
pub(crate) struct Before {
    #[serde(default)]
    before: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Limit {
    #[serde(default)]
    limit: Option<usize>,
}

pub(crate) async fn list(
    State(server): Server,
    page: Result<Query<Before>, QueryRejection>,
) -> Answer<Json<RescueList>> {
    let Query(Before { before }) = page.map_err(|error| bad(StatusCode::BAD_REQUEST, error.body_text()))?;
    Ok(Json(server.rescues(before).await?))
}

pub(crate) async fn one(State(server): Server, Id(run): Id) -> Answer<Json<RescueView>> {
    Ok(Json(server.rescue(run).await?))
}

pub(crate) async fn patch(
    State(server): Server,
    Id(run): Id,
    limit: Result<Query<Limit>, QueryRejection>,
) -> Answer<Response> {
    let Query(Limit { limit }) = limit.map_err(|error| bad(StatusCode::BAD_REQUEST, error.body_text()))?;
    let patch = server.rescue_patch(run, limit).await?;
    let mut answer = ([(CONTENT_TYPE, "text/x-diff")], patch.bytes).into_response();
    if patch.cut {
        answer.headers_mut().insert(CUT_HEADER, HeaderValue::from_static("yes"));
    }
    Ok(answer)
}

pub(crate) async fn bundle(State(server): Server, Id(run): Id) -> Answer<Response> {
    let bundle = server.rescue_bundle(run).await?;
    Ok(([(CONTENT_TYPE, "application/x-git-bundle")], bundle).into_response())
}

pub(crate) async fn push(State(server): Server, Id(run): Id, body: Body) -> Answer<Json<RescuePushed>> {
    let body = whole(body, BODY_LIMIT, "shorten the reason").await?;
    let push =
        serde_json::from_slice(&body).map_err(|error| bad(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(Json(server.push_rescue(run, push).await?))
}
