//! Where GitHub's API is, and what follows from it: the host that the GitHub CLI knows, and where git goes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use coord_core::name::GitHubRepo;

/// The variable that says where it is, unless the configuration does.
pub(super) const API_URL: &str = "GITHUB_API_URL";

/// The API of github.com.
const PUBLIC: &str = "https://api.github.com";

/// The address of GitHub's API, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiUrl(String);

impl ApiUrl {
    /// What the environment says, or else the API of github.com.
    pub(crate) fn around(environment: &BTreeMap<String, String>) -> Result<Self, String> {
        let Some(url) = environment.get(API_URL).filter(|it| !it.is_empty()) else {
            return Ok(Self::default());
        };
        url.parse().map_err(|why| format!("the address of GitHub's API that {API_URL} has {why}"))
    }

    /// Where commits of a repository are fetched from and pushed to.
    pub(crate) fn repository(&self, repo: &GitHubRepo) -> String {
        let (scheme, _) = self.parts();
        format!("{scheme}://{}/{repo}.git", self.host())
    }

    /// The host that people see, with its port if it has one: `github.com` for `https://api.github.com`, and that
    /// of GitHub Enterprise for `https://github.example.org/api/v3`.
    pub(crate) fn host(&self) -> &str {
        let (_, rest) = self.parts();
        let authority = rest.split('/').next().unwrap_or(rest);
        authority.strip_prefix("api.").unwrap_or(authority)
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once("://").unwrap_or(("https", &self.0))
    }
}

impl Default for ApiUrl {
    fn default() -> Self {
        Self(PUBLIC.to_owned())
    }
}

impl FromStr for ApiUrl {
    type Err = &'static str;

    /// A token is sent there: in the open only where nobody can listen.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let text = text.trim_end_matches('/');
        let (scheme, rest) = text.split_once("://").ok_or("is not a URL")?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
        if authority.is_empty() || text.contains(odd) {
            return Err("is not a URL");
        }
        if authority.contains('@') {
            return Err("has a user in it, and credentials have places of their own");
        }
        match scheme {
            "https" => Ok(Self(text.to_owned())),
            "http" if super::is_loopback(without_port(authority)) => Ok(Self(text.to_owned())),
            "http" => Err("begins with http://, where a token could be read on its way"),
            _ => Err("does not begin with https://"),
        }
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn without_port(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|it| it.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or(authority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_and_the_repositories_follow_from_the_address_of_the_api() {
        let repo = "acme/api".parse().unwrap();
        for (url, host, repository) in [
            ("https://api.github.com/", "github.com", "https://github.com/acme/api.git"),
            ("https://ghe.example.org/api/v3", "ghe.example.org", "https://ghe.example.org/acme/api.git"),
            ("https://api.acme.ghe.com", "acme.ghe.com", "https://acme.ghe.com/acme/api.git"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "http://127.0.0.1:8080/acme/api.git"),
            ("http://[::1]:8080/api/v3", "[::1]:8080", "http://[::1]:8080/acme/api.git"),
        ] {
            let api: ApiUrl = url.parse().unwrap();
            assert_eq!((api.host(), api.repository(&repo).as_str()), (host, repository));
        }
    }

    #[test]
    fn an_address_to_which_no_token_may_go_is_refused() {
        for bad in [
            "api.github.com",
            "ftp://api.github.com",
            "http://ghe.example.org/api/v3",
            "https://me:secret@ghe.example.org",
            "https://",
            "https://ghe example",
            "https://ghe.example.org/?x",
        ] {
            assert!(bad.parse::<ApiUrl>().is_err(), "{bad}");
        }
    }
}
