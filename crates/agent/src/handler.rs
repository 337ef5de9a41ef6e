//! What each route does: parse, ask the supervisor, convert.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use camino::Utf8PathBuf;
use coord_core::id::{InvalidRunId, RunId};
use coord_proto::client::Started;
use coord_proto::gc::Cleared;
use coord_proto::health::{Health, RepoView};
use coord_proto::problem::{Problem, ProblemKind};
use coord_proto::run::{Accepted, RunList, RunView, TRANSCRIPT_LIMIT};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::stream::{self, Framing};
use crate::supervisor::Supervisor;

pub(crate) mod rescues;

type Server = State<Arc<Supervisor>>;
type Answer<T> = Result<T, Refusal>;

/// A problem document as an answer.
pub(crate) struct Refusal(pub(crate) Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if self.0.kind == ProblemKind::Internal {
            tracing::error!("{}", self.0.detail);
        }
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(CONTENT_TYPE, "application/problem+json")], Json(self.0).into_response().into_body())
            .into_response()
    }
}

fn bad(status: StatusCode, detail: impl Into<String>) -> Refusal {
    let mut problem = Problem::new(ProblemKind::BadRequest, detail);
    problem.status = status.as_u16();
    Refusal(problem)
}

/// How long a body may be. A task's text may be a megabyte, and JSON may double it.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// All of a body. One that is too long is read and dropped for a while longer: a client that is still writing
/// would find its connection gone instead of the answer.
async fn whole(body: Body, limit: usize, hint: &str) -> Answer<Vec<u8>> {
    let mut chunks = body.into_data_stream();
    let (mut kept, mut length) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| bad(StatusCode::BAD_REQUEST, error.to_string()))?;
        length += chunk.len();
        if length > 4 * limit {
            break;
        }
        if length <= limit {
            kept.extend_from_slice(&chunk);
        }
    }
    if length > limit {
        let detail = format!("the body is longer than {limit} bytes");
        let Refusal(problem) = bad(StatusCode::PAYLOAD_TOO_LARGE, detail);
        return Err(Refusal(problem.hinted(hint)));
    }
    Ok(kept)
}

/// What to do about a message or an answer that is too long.
const SAY_LESS: &str = "say it in fewer words";

/// A body that is one JSON document; `hint` is what to do about one that is too long.
async fn parsed<T: DeserializeOwned>(body: Body, hint: &str) -> Answer<T> {
    let body = whole(body, BODY_LIMIT, hint).await?;
    serde_json::from_slice(&body).map_err(|error| bad(StatusCode::BAD_REQUEST, error.to_string()))
}

pub(crate) async fn health(State(server): Server) -> Json<Health> {
    Json(server.health())
}

pub(crate) async fn repos(State(server): Server) -> Answer<Json<Vec<RepoView>>> {
    Ok(Json(server.repos().await?))
}

pub(crate) async fn runs(
    State(server): Server,
    page: Result<Query<Page>, QueryRejection>,
) -> Answer<Json<RunList>> {
    let Query(Page { before }) = page.map_err(|error| bad(StatusCode::BAD_REQUEST, error.body_text()))?;
    Ok(Json(server.list(before).await?))
}

pub(crate) async fn run(State(server): Server, Id(run): Id) -> Answer<Json<RunView>> {
    Ok(Json(server.view(run).await?))
}

pub(crate) async fn start(
    State(server): Server,
    Id(run): Id,
    body: Body,
) -> Answer<(StatusCode, Json<RunView>)> {
    let hint = "shorten the task, or put what is long into a file of the repo";
    let (started, view) = server.start(run, parsed(body, hint).await?).await?;
    let status = match started {
        Started::Created => StatusCode::CREATED,
        Started::Already => StatusCode::OK,
    };
    Ok((status, Json(view)))
}

pub(crate) async fn stop(State(server): Server, Id(run): Id) -> Answer<Json<RunView>> {
    Ok(Json(server.stop(run).await?))
}

pub(crate) async fn clear_up(State(server): Server, body: Body) -> Answer<Json<Cleared>> {
    let asked = parsed(body, "name fewer tasks, or none for all of them").await?;
    Ok(Json(server.clear_up(asked).await?))
}

pub(crate) async fn message(
    State(server): Server,
    Id(run): Id,
    body: Body,
) -> Answer<(StatusCode, Json<Accepted>)> {
    Ok((StatusCode::ACCEPTED, Json(server.message(run, parsed(body, SAY_LESS).await?).await?)))
}

pub(crate) async fn answer(State(server): Server, Id(run): Id, body: Body) -> Answer<Json<RunView>> {
    Ok(Json(server.answer(run, parsed(body, SAY_LESS).await?).await?))
}

pub(crate) async fn events(
    State(server): Server,
    Id(run): Id,
    Followed { after, framing }: Followed,
) -> Answer<Response> {
    let (path, grows) = server.log(run).await?;
    Ok(streamed(framing, stream::follow(path, after, framing, grows, server.shutdown())))
}

pub(crate) async fn feed(State(server): Server, Followed { after, framing }: Followed) -> Response {
    let (path, grows) = server.feed();
    streamed(framing, stream::follow(path, after, framing, Some(grows), server.shutdown()))
}

pub(crate) async fn log(State(server): Server, Id(run): Id, headers: HeaderMap) -> Answer<Response> {
    let (path, _) = server.log(run).await?;
    let opened = tokio::task::spawn_blocking(move || stream::open(&path)).await;
    let (file, length) = opened.map_err(std::io::Error::from).flatten().map_err(|error| {
        Problem::new(ProblemKind::Internal, format!("cannot read the log of run {run}: {error}"))
    })?;
    let range = headers.get(RANGE).and_then(|it| it.to_str().ok()).and_then(|it| Range::parse(it, length));
    let plain = [(CONTENT_TYPE, "application/x-ndjson"), (ACCEPT_RANGES, "bytes")];
    match (range, file) {
        (Some(Range::Beyond), _) => {
            let refusal = bad(StatusCode::RANGE_NOT_SATISFIABLE, format!("the log has {length} bytes"));
            Ok(([(CONTENT_RANGE, format!("bytes */{length}"))], refusal).into_response())
        }
        (_, None) => Ok((plain, Body::empty()).into_response()),
        (None, Some(file)) => {
            let sized = [(CONTENT_LENGTH, length.to_string())];
            Ok((plain, sized, stream::bytes(file, 0, length)).into_response())
        }
        (Some(Range::Bytes { from, to }), Some(file)) => {
            let sized = [
                (CONTENT_LENGTH, (to - from).to_string()),
                (CONTENT_RANGE, format!("bytes {from}-{}/{length}", to - 1)),
            ];
            let body = stream::bytes(file, from, to - from);
            Ok((StatusCode::PARTIAL_CONTENT, plain, sized, body).into_response())
        }
    }
}

pub(crate) async fn transcript(State(server): Server, Id(run): Id) -> Answer<Response> {
    let path = server.transcript(run).await?;
    file(path, "application/x-ndjson").await
}

pub(crate) async fn artifact(
    State(server): Server,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Answer<Response> {
    let Path((run, name)) = path.map_err(|error| bad(StatusCode::BAD_REQUEST, error.body_text()))?;
    let path = server.artifact(run_id(&run)?, &name).await?;
    // Whatever a worker made is bytes, and nothing that anybody should interpret.
    file(path, "application/octet-stream").await
}

/// A file as it is now.
async fn file(path: Utf8PathBuf, content_type: &'static str) -> Answer<Response> {
    let name = path.clone();
    let opened = tokio::task::spawn_blocking(move || stream::open(&path)).await;
    let (file, length) = opened
        .map_err(std::io::Error::from)
        .flatten()
        .map_err(|error| Problem::new(ProblemKind::Internal, format!("cannot read {name}: {error}")))?;
    let body = file.map_or_else(Body::empty, |file| stream::bytes(file, 0, length));
    Ok(([(CONTENT_TYPE, content_type)], body).into_response())
}

pub(crate) async fn leave_transcript(State(server): Server, Id(run): Id, body: Body) -> Answer<StatusCode> {
    let limit = usize::try_from(TRANSCRIPT_LIMIT).unwrap_or(usize::MAX);
    let body = whole(body, limit, "begin a new session instead: `--fresh`").await?;
    server.leave_transcript(run, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn no_such_path() -> Refusal {
    Refusal(Problem::new(ProblemKind::NotFound, "there is nothing at this path"))
}

pub(crate) async fn no_such_method() -> Refusal {
    bad(StatusCode::METHOD_NOT_ALLOWED, "this path does not know this method")
}

fn streamed(framing: Framing, body: Body) -> Response {
    ([(CONTENT_TYPE, framing.content_type()), (CACHE_CONTROL, "no-store")], body).into_response()
}

/// The run that the path names. What is no run id never touches a file name.
pub(crate) struct Id(RunId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| bad(StatusCode::BAD_REQUEST, error.body_text()))?;
        run_id(&text).map(Self)
    }
}

fn run_id(text: &str) -> Answer<RunId> {
    text.parse().map_err(|error: InvalidRunId| bad(StatusCode::BAD_REQUEST, error.to_string()))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    before: Option<RunId>,
}

/// From where a stream goes on, and in which form.
pub(crate) struct Followed {
    after: u64,
    framing: Framing,
}

#[derive(Debug, Deserialize)]
struct After {
    #[serde(default)]
    after: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for Followed {
    type Rejection = Refusal;

    /// A browser that reconnects repeats its first address and adds `Last-Event-ID`, which is the later word.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let Query(After { after }) = Query::<After>::from_request_parts(parts, state)
            .await
            .map_err(|error| bad(StatusCode::BAD_REQUEST, error.body_text()))?;
        let last = match parts.headers.get("last-event-id") {
            None => None,
            Some(id) => Some(id.to_str().ok().and_then(|it| it.trim().parse().ok()).ok_or_else(|| {
                bad(StatusCode::BAD_REQUEST, "`Last-Event-ID` is not the number of an event")
            })?),
        };
        let lines = parts
            .headers
            .get_all(ACCEPT)
            .iter()
            .any(|it| it.to_str().is_ok_and(|it| it.contains(Framing::Lines.content_type())));
        let framing = if lines { Framing::Lines } else { Framing::Sse };
        Ok(Self { after: last.or(after).unwrap_or(0), framing })
    }
}

/// Which bytes of a log are asked for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// From the first up to the second, which is not among them.
    Bytes { from: u64, to: u64 },
    /// None that there are.
    Beyond,
}

impl Range {
    /// `None` for what asks for the whole log: several ranges, or no range at all (RFC 9110, 14.2).
    fn parse(text: &str, length: u64) -> Option<Self> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let (from, to) = match (first.trim(), last.trim()) {
            ("", suffix) => (length.saturating_sub(suffix.parse().ok()?), length),
            (first, "") => (first.parse().ok()?, length),
            (first, last) => {
                let (from, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
                if last < from {
                    return None;
                }
                (from, last.saturating_add(1).min(length))
            }
        };
        Some(if from < to { Self::Bytes { from, to } } else { Self::Beyond })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_http() {
        let bytes = |from, to| Some(Range::Bytes { from, to });
        for (text, wanted) in [
            ("bytes=0-", bytes(0, 10)),
            ("bytes=3-5", bytes(3, 6)),
            ("bytes=3-500", bytes(3, 10)),
            ("bytes=-4", bytes(6, 10)),
            ("bytes=-40", bytes(0, 10)),
            ("bytes=10-", Some(Range::Beyond)),
            ("bytes=-0", Some(Range::Beyond)),
            ("bytes=5-3", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(Range::parse(text, 10), wanted, "{text}");
        }
        assert_eq!(Range::parse("bytes=0-", 0), Some(Range::Beyond));
    }
}
