//! The coordinator's side of the contract.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use coord_core::id::RunId;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

use crate::event::{Event, EventKind};
use crate::health::{Health, RepoView};
use crate::problem::{Problem, ProblemKind};
use crate::run::{Accepted, Answer, Message, RunList, RunSpec, RunView};

mod kept;
pub mod rescue;

/// How long a connection may take; longer than that, and the machine counts as unreachable.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer that is not a stream may take.
const ANSWER: Duration = Duration::from_secs(30);
/// A stream that is silent for this long is dead: the server says something every fifteen seconds.
const SILENCE: Duration = Duration::from_secs(45);

/// Speaks to one agent server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: SecretString,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer: nothing is known about what happened on the other side.
    #[error("no answer from the agent server at {url}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What the transport said.
        #[source]
        source: Transport,
    },
    /// The agent server said no.
    #[error("{0}")]
    Refused(Problem),
    /// Something answered that does not speak this protocol.
    #[error("what answers at {url} is not a coord agent server: {what}")]
    Foreign {
        /// Where.
        url: String,
        /// What it said instead.
        what: String,
    },
}

/// What the transport said, without the layers between it and the system.
#[derive(Debug)]
pub struct Transport(reqwest::Error);

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut cause: &dyn std::error::Error = &self.0;
        while let Some(below) = cause.source() {
            cause = below;
        }
        write!(f, "{cause}")
    }
}

impl std::error::Error for Transport {}

impl ClientError {
    /// Whether it is certain that the other side never saw the request.
    #[must_use]
    pub fn never_arrived(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => source.0.is_connect(),
            Self::Refused(_) | Self::Foreign { .. } => false,
        }
    }
}

/// What became of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Started {
    /// The run is new.
    Created,
    /// The agent server knew it already.
    Already,
}

impl Client {
    /// A client for the agent server at `host:port`.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up on this machine.
    pub fn new(host: &str, port: u16, token: SecretString) -> Result<Self, ClientError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let base = format!("http://{host}:{port}");
        let http =
            reqwest::Client::builder().no_proxy().connect_timeout(CONNECT).build().map_err(|source| {
                ClientError::Unreachable { url: base.clone(), source: Transport(source) }
            })?;
        Ok(Self { http, base, token })
    }

    /// Where it speaks to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// How the agent server is.
    ///
    /// # Errors
    /// See [`ClientError`]; the same holds for every call below.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.json(self.request(Method::GET, "/health").timeout(CONNECT)).await
    }

    /// What its repos look like.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn repos(&self) -> Result<Vec<RepoView>, ClientError> {
        self.json(self.request(Method::GET, "/v1/repos").timeout(ANSWER)).await
    }

    /// Starts a run; the same call again is harmless.
    ///
    /// # Errors
    /// See [`ClientError`]. After [`ClientError::Unreachable`] the run may or may not exist: ask again.
    pub async fn start(&self, spec: &RunSpec) -> Result<Started, ClientError> {
        let path = format!("/v1/runs/{}", spec.run);
        let answer = self.send(self.request(Method::PUT, &path).timeout(ANSWER).json(spec)).await?;
        Ok(if answer.status() == StatusCode::CREATED { Started::Created } else { Started::Already })
    }

    /// One run; `None` when the agent server has never heard of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn run(&self, run: RunId) -> Result<Option<RunView>, ClientError> {
        match self.json(self.request(Method::GET, &format!("/v1/runs/{run}")).timeout(ANSWER)).await {
            Ok(view) => Ok(Some(view)),
            Err(ClientError::Refused(Problem { kind: ProblemKind::NotFound, .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest runs, a page of them.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn runs(&self, before: Option<RunId>) -> Result<RunList, ClientError> {
        let query = before.map_or(String::new(), |it| format!("?before={it}"));
        self.json(self.request(Method::GET, &format!("/v1/runs{query}")).timeout(ANSWER)).await
    }

    /// Stops a run, and returns once no process of it is left. Harmless when it has ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stop(&self, run: RunId) -> Result<RunView, ClientError> {
        let path = format!("/v1/runs/{run}/stop");
        self.json(self.request(Method::POST, &path).timeout(Duration::from_secs(120))).await
    }

    /// Has a worker told something while it works. The same message again is harmless.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn message(&self, run: RunId, message: &Message) -> Result<Accepted, ClientError> {
        let path = format!("/v1/runs/{run}/message");
        self.json(self.request(Method::POST, &path).timeout(ANSWER).json(message)).await
    }

    /// Answers a question of a run's worker. A question has one answer: a second one is declined.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn answer(&self, run: RunId, answer: &Answer) -> Result<RunView, ClientError> {
        let path = format!("/v1/runs/{run}/answer");
        self.json(self.request(Method::POST, &path).timeout(ANSWER).json(answer)).await
    }

    /// Every event of a run after number `after`, as it comes. The stream ends after `ended`; a connection
    /// that is cut is made again from where it stood, for as long as the agent server answers within
    /// `patience` of the last sign of life.
    #[must_use]
    pub fn follow(&self, run: RunId, after: u64, patience: Duration) -> EventStream {
        EventStream {
            client: self.clone(),
            run,
            last: after,
            patience,
            ended: false,
            connection: None,
            buffer: BytesMut::new(),
        }
    }

    /// The log of a run as it is now, byte for byte, from byte `from` on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn log(&self, run: RunId, from: u64) -> Result<Bytes, ClientError> {
        let request = self
            .request(Method::GET, &format!("/v1/runs/{run}/log"))
            .header(reqwest::header::RANGE, format!("bytes={from}-"));
        let answer = match self.send(request).await {
            Ok(answer) => answer,
            Err(ClientError::Refused(problem)) if problem.status == 416 => return Ok(Bytes::new()),
            Err(error) => return Err(error),
        };
        answer.bytes().await.map_err(|source| self.unreachable(source))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(self.token.expose_secret())
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { url: self.base.clone(), source: Transport(source.without_url()) }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let answer = request.send().await.map_err(|source| self.unreachable(source))?;
        if answer.headers().get(crate::PROTOCOL_HEADER).is_none() {
            let what = format!("HTTP {} without the header `{}`", answer.status(), crate::PROTOCOL_HEADER);
            return Err(ClientError::Foreign { url: self.base.clone(), what });
        }
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        match answer.json::<Problem>().await {
            Ok(problem) => Err(ClientError::Refused(problem)),
            Err(_) => Err(ClientError::Foreign { url: self.base.clone(), what: format!("HTTP {status}") }),
        }
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let answer = self.send(request).await?;
        answer.json().await.map_err(|source| {
            if source.is_decode() {
                ClientError::Foreign { url: self.base.clone(), what: source.without_url().to_string() }
            } else {
                self.unreachable(source)
            }
        })
    }
}

/// The events of one run, each once and in order. See [`Client::follow`].
pub struct EventStream {
    client: Client,
    run: RunId,
    last: u64,
    patience: Duration,
    ended: bool,
    connection: Option<BoxStream<'static, reqwest::Result<Bytes>>>,
    buffer: BytesMut,
}

impl EventStream {
    /// The next event; `None` after `ended`. May be dropped and called again without loss.
    ///
    /// # Errors
    /// When the agent server refuses, or has not answered for as long as there was patience.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        let Some(line) = self.next_line().await? else { return Ok(None) };
        let event: Event = serde_json::from_slice(&line).map_err(|error| ClientError::Foreign {
            url: self.client.base.clone(),
            what: format!("event {} of run {}: {error}", self.last + 1, self.run),
        })?;
        self.last = event.n;
        self.ended = matches!(event.event, EventKind::Ended { .. });
        Ok(Some(event))
    }

    /// The next line, cutting and mending connections as needed.
    async fn next_line(&mut self) -> Result<Option<Bytes>, ClientError> {
        let mut give_up: Option<tokio::time::Instant> = None;
        loop {
            if self.ended {
                return Ok(None);
            }
            if let Some(line) = take_line(&mut self.buffer) {
                return Ok(Some(line));
            }
            let error = match self.read().await {
                Ok(()) => {
                    give_up = None;
                    continue;
                }
                Err(error @ (ClientError::Refused(_) | ClientError::Foreign { .. })) => return Err(error),
                Err(error @ ClientError::Unreachable { .. }) => error,
            };
            // A torn line is asked for again as a whole.
            self.connection = None;
            self.buffer.clear();
            let now = tokio::time::Instant::now();
            if now >= *give_up.get_or_insert(now + self.patience) {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Reads some more bytes into the buffer, connecting first where needed.
    async fn read(&mut self) -> Result<(), ClientError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let path = format!("/v1/runs/{}/events?after={}", self.run, self.last);
                let request = self.client.request(Method::GET, &path).header(ACCEPT, "application/x-ndjson");
                let answer = self.client.send(request).await?;
                none.insert(answer.bytes_stream().boxed())
            }
        };
        match tokio::time::timeout(SILENCE, connection.next()).await {
            Ok(Some(Ok(bytes))) => self.buffer.extend_from_slice(&bytes),
            Ok(Some(Err(source))) => return Err(self.client.unreachable(source)),
            // Silence, or an end before `ended`: connect again, which tells whether anybody is there.
            Ok(None) | Err(_) => {
                self.connection = None;
                self.buffer.clear();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }
}

/// The first whole line of the buffer, without its line end. Empty lines only say that somebody is there.
fn take_line(buffer: &mut BytesMut) -> Option<Bytes> {
    loop {
        let end = memchr::memchr(b'\n', buffer)?;
        let line = buffer.split_to(end);
        buffer.advance(1);
        if !line.is_empty() {
            return Some(line.freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_taken_and_signs_of_life_are_skipped() {
        let mut buffer = BytesMut::from(&b"\n\none\ntw"[..]);
        assert_eq!(take_line(&mut buffer).unwrap(), "one");
        assert_eq!(take_line(&mut buffer), None);
        buffer.extend_from_slice(b"o\n");
        assert_eq!(take_line(&mut buffer).unwrap(), "two");
    }
}
