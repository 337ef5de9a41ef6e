//! Asking an agent server for rescued work, and to clear up.

use std::time::Duration;

use bytes::Bytes;
use coord_core::id::RunId;
use reqwest::Method;

use super::{ANSWER, Client, ClientError};
use crate::gc::{ClearUp, Cleared};
use crate::rescue::{CUT_HEADER, PushRescue, RescueList, RescuePushed, RescueView};

/// How long work may take to be written out, or to travel to origin: what git has for a push, and some more.
const SENT: Duration = Duration::from_secs(330);

/// A patch, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The patch.
    pub bytes: Bytes,
    /// Whether more was left out.
    pub cut: bool,
}

impl Client {
    /// Rescued work on the machine, newest first, a page of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rescues(&self, before: Option<&str>) -> Result<RescueList, ClientError> {
        // A reference has nothing in it that a query could not hold.
        let query = before.map_or(String::new(), |it| format!("?before={it}"));
        self.json(self.request(Method::GET, &format!("/v1/rescues{query}")).timeout(ANSWER)).await
    }

    /// The rescued work of one run.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rescue(&self, run: RunId) -> Result<RescueView, ClientError> {
        self.json(self.request(Method::GET, &format!("/v1/rescues/{run}")).timeout(ANSWER)).await
    }

    /// What the rescued work of a run changes; at most about `limit` bytes of it, and then without the bytes of
    /// binary files.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rescue_patch(&self, run: RunId, limit: Option<usize>) -> Result<Patch, ClientError> {
        let query = limit.map_or(String::new(), |it| format!("?limit={it}"));
        let path = format!("/v1/rescues/{run}/patch{query}");
        let answer = self.send(self.request(Method::GET, &path).timeout(SENT)).await?;
        let cut = answer.headers().contains_key(CUT_HEADER);
        let bytes = answer.bytes().await.map_err(|source| self.unreachable(source))?;
        Ok(Patch { bytes, cut })
    }

    /// The rescued work of a run as a git bundle, which holds what no branch of origin has.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rescue_bundle(&self, run: RunId) -> Result<Bytes, ClientError> {
        let request = self.request(Method::GET, &format!("/v1/rescues/{run}/bundle")).timeout(SENT);
        self.send(request).await?.bytes().await.map_err(|source| self.unreachable(source))
    }

    /// Collects what runs left on the machine, or says what would go.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn clear_up(&self, asked: &ClearUp) -> Result<Cleared, ClientError> {
        self.json(self.request(Method::POST, "/v1/gc").timeout(SENT).json(asked)).await
    }

    /// Sends the rescued work of a run to origin, unless it seems to hold secrets.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn push_rescue(&self, run: RunId, push: &PushRescue) -> Result<RescuePushed, ClientError> {
        let request = self.request(Method::POST, &format!("/v1/rescues/{run}/push")).timeout(SENT);
        self.json(request.json(push)).await
    }
}
