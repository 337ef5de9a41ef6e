//! Asking an agent server for what is kept of a run beside its log.

use std::time::Duration;

use bytes::Bytes;
use coord_core::id::RunId;
use reqwest::{Method, Url};
use secrecy::ExposeSecret as _;

use super::{Client, ClientError};
use crate::problem::{Problem, ProblemKind};

/// How long a file may take. A transcript can be as large as [`TRANSCRIPT_LIMIT`](crate::run::TRANSCRIPT_LIMIT).
const FILE: Duration = Duration::from_secs(120);

impl Client {
    /// The transcript of an ended run's session; `None` when nothing is left of it there.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn transcript(&self, run: RunId) -> Result<Option<Bytes>, ClientError> {
        let request = self.request(Method::GET, &format!("/v1/runs/{run}/transcript")).timeout(FILE);
        match self.send(request).await {
            Ok(answer) => answer.bytes().await.map(Some).map_err(|source| self.unreachable(source)),
            Err(ClientError::Refused(Problem { kind: ProblemKind::NotFound, .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Leaves the transcript of a session for a run that is to go on with it, which must not have been started.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn leave_transcript(&self, run: RunId, transcript: Bytes) -> Result<(), ClientError> {
        let path = format!("/v1/runs/{run}/transcript");
        let request = self.request(Method::PUT, &path).timeout(FILE).body(transcript);
        self.send(request).await.map(drop)
    }

    /// What the worker of a run has handed over under this name.
    ///
    /// # Errors
    /// See [`ClientError`]; a refusal says which names there are.
    ///
    /// # Panics
    /// When the address of the machine is no URL.
    pub async fn artifact(&self, run: RunId, name: &str) -> Result<Bytes, ClientError> {
        let url = format!("{}/v1/runs/{run}/artifacts", self.base);
        let mut url = Url::parse(&url).expect("the address of a machine is a URL");
        url.path_segments_mut().expect("an address with a host has a path").push(name);
        let request = self.http.get(url).bearer_auth(self.token.expose_secret()).timeout(FILE);
        self.send(request).await?.bytes().await.map_err(|source| self.unreachable(source))
    }
}
