//! The way to GitHub with one credential.
//!
//! It is made at the first request: reading the certificates of a system takes longer than most commands do, and
//! whoever finds on disk all that it wants to know needs none of them.

use octocrab::Octocrab;
use tokio::sync::OnceCell;

use crate::github::credential::Credential;
use crate::github::error::GitHubError;

/// A client that may not be there yet.
#[derive(Debug)]
pub(crate) struct Connection {
    credential: Credential,
    api_url: String,
    client: OnceCell<Octocrab>,
}

impl Connection {
    /// A way for `credential` to GitHub at `api_url`.
    ///
    /// # Errors
    /// [`GitHubError::Configuration`] for what cannot work.
    pub(crate) fn new(credential: &Credential, api_url: String) -> Result<Self, GitHubError> {
        drop(credential.builder(&api_url)?);
        Ok(Self { credential: credential.clone(), api_url, client: OnceCell::new() })
    }

    /// The client. Needs a tokio runtime, and ends with it.
    ///
    /// # Errors
    /// [`GitHubError::Configuration`].
    pub(crate) async fn client(&self) -> Result<&Octocrab, GitHubError> {
        self.client.get_or_try_init(async || self.credential.client(&self.api_url)).await
    }
}
