//! Who speaks to GitHub.
//!
//! A credential is handed in by the front end, which knows where to look for one. Nothing here prints it.

use octocrab::models::{AppId, InstallationId};
use octocrab::{DefaultOctocrabBuilderConfig, NoAuth, NoSvc, NotLayerReady, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;

use crate::github::error::GitHubError;
use crate::github::sha256;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// What octocrab makes clients with.
type Builder = OctocrabBuilder<NoSvc, DefaultOctocrabBuilderConfig, NoAuth, NotLayerReady>;

/// What GitHub knows us by.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A personal access token, classic or fine-grained, or a token that `gh` holds.
    Token(SecretString),
    /// An installation of a GitHub App. Its tokens last an hour and are renewed as needed.
    App {
        /// The App's id.
        id: u64,
        /// Its private key, PEM.
        key_pem: SecretString,
        /// Which installation of it.
        installation: u64,
    },
}

impl Credential {
    /// A name for it that tells nothing about it: the limits of one credential belong to it, whoever uses it.
    #[must_use]
    pub(crate) fn id(&self, api_url: &str) -> String {
        let text = match self {
            Self::Token(token) => format!("{api_url}\0{}", token.expose_secret()),
            Self::App { id, installation, .. } => format!("{api_url}\0app {id} {installation}"),
        };
        let mut id = sha256(text.as_bytes());
        id.truncate(16);
        id
    }

    /// The App's id, when it is one.
    pub(crate) fn app(&self) -> Option<u64> {
        match self {
            Self::Token(_) => None,
            Self::App { id, .. } => Some(*id),
        }
    }

    /// What a client for this credential is made with.
    ///
    /// # Errors
    /// [`GitHubError::Configuration`].
    pub(crate) fn builder(&self, api_url: &str) -> Result<Builder, GitHubError> {
        let unusable = |reason: &str| GitHubError::Configuration { reason: reason.to_owned() };
        let builder = OctocrabBuilder::default()
            .base_uri(api_url)
            .map_err(|_| unusable("the API address is not a URL"))?
            .set_connect_timeout(Some(CONNECT));
        match self {
            Self::Token(token) => {
                let text = token.expose_secret();
                // octocrab panics at a token that fits into no header.
                if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
                    return Err(unusable("the token is empty or holds characters that no token has"));
                }
                Ok(builder.personal_token(token.clone()))
            }
            Self::App { id, key_pem, .. } => builder
                .app_from_rsa_pem(AppId(*id), key_pem.expose_secret())
                .map_err(|_| unusable("the private key of the GitHub App is not an RSA key in PEM")),
        }
    }

    /// A client that adds this credential to every request. Needs a tokio runtime, and ends with it.
    ///
    /// # Errors
    /// [`GitHubError::Configuration`].
    pub(crate) fn client(&self, api_url: &str) -> Result<Octocrab, GitHubError> {
        let client = self.builder(api_url)?.build();
        let client = match self {
            Self::Token(_) => client,
            Self::App { installation, .. } => {
                client.and_then(|app| app.installation(InstallationId(*installation)))
            }
        };
        let reason = "the certificates of this system cannot be read".to_owned();
        client.map_err(|_| GitHubError::Configuration { reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_one_name_at_each_address_and_another_one_elsewhere() {
        let token = |text: &str| Credential::Token(SecretString::from(text.to_owned()));
        let id = token("ghp_1").id("https://api.github.com");
        assert_eq!(id.len(), 16);
        assert_eq!(id, token("ghp_1").id("https://api.github.com"));
        assert_ne!(id, token("ghp_2").id("https://api.github.com"));
        assert_ne!(id, token("ghp_1").id("https://ghe.example/api/v3"));
    }

    #[test]
    fn a_credential_is_not_shown() {
        let key = || SecretString::from("hush".to_owned());
        for credential in
            [Credential::Token(key()), Credential::App { id: 1, key_pem: key(), installation: 2 }]
        {
            assert!(!format!("{credential:?}").contains("hush"));
        }
    }
}
