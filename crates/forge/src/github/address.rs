//! Where GitHub's API is, and the paths below it.
//!
//! Whatever GitHub points to is followed only when it lies at the same host: the credential never leaves it.

use std::fmt::Write as _;

use http::Uri;

use crate::github::error::GitHubError;

/// The API's own address. Paths of requests are relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    origin: Origin,
    /// `/api/v3` on an Enterprise server, empty on github.com.
    prefix: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let host = uri.host()?.to_ascii_lowercase();
        Some(Self { scheme, host, port: uri.port_u16().unwrap_or(usual) })
    }
}

impl Address {
    /// Reads `https://api.github.com`, `https://ghe.example/api/v3` and the like.
    pub(crate) fn parse(api_url: &str) -> Result<Self, GitHubError> {
        let bad = |why: &str| GitHubError::Configuration { reason: format!("the API address {why}") };
        let uri: Uri = api_url.parse().map_err(|_| bad("is not a URL"))?;
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            return Err(bad("holds a user or a password"));
        }
        if uri.query().is_some() {
            return Err(bad("has a query"));
        }
        let origin = Origin::of(&uri).ok_or_else(|| bad("does not begin with http:// or https://"))?;
        Ok(Self { origin, prefix: uri.path().trim_end_matches('/').to_owned() })
    }

    /// The path as it is sent.
    pub(crate) fn absolute(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The path below the API's address that `url` means, when it is there.
    pub(crate) fn relative(&self, url: &str) -> Option<String> {
        let uri: Uri = url.parse().ok()?;
        if uri.authority().is_some() && Origin::of(&uri)? != self.origin {
            return None;
        }
        let path = uri.path_and_query()?.as_str().strip_prefix(&self.prefix)?;
        path.starts_with('/').then(|| path.to_owned())
    }
}

/// The part of a path that is below a repository, whether that is named by its name or by its id.
pub(crate) fn within_repo(path: &str) -> &str {
    let below = |prefix: &str, parts: usize| path.strip_prefix(prefix)?.splitn(parts + 1, '/').nth(parts);
    below("/repos/", 2).or_else(|| below("/repositories/", 1)).unwrap_or(path)
}

/// `text` as one segment of a path, or as a value in a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes everything");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_followed_below_the_same_host_only() {
        let github = Address::parse("https://api.github.com/").unwrap();
        let relative = |url: &str| github.relative(url);
        assert_eq!(relative("https://API.github.com:443/user?a=b").as_deref(), Some("/user?a=b"));
        assert_eq!(relative("/repositories/1").as_deref(), Some("/repositories/1"));
        for elsewhere in
            ["http://api.github.com/user", "https://evil.example/user", "https://api.github.com:8443/user"]
        {
            assert_eq!(relative(elsewhere), None, "{elsewhere}");
        }

        let server = Address::parse("https://ghe.example/api/v3").unwrap();
        assert_eq!(server.absolute("/user"), "/api/v3/user");
        assert_eq!(server.relative("https://ghe.example/api/v3/user").as_deref(), Some("/user"));
        for elsewhere in ["https://ghe.example/login", "https://ghe.example/api/v33/user"] {
            assert_eq!(server.relative(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_said() {
        for bad in ["", "api.github.com", "ftp://x/", "https://me:pw@github.com", "https://x/?a=b", "/x"] {
            let error = Address::parse(bad).unwrap_err().to_string();
            assert!(error.contains("API address") && !error.contains("pw"), "{bad}: {error}");
        }
    }

    #[test]
    fn what_is_below_a_repository_does_not_depend_on_what_that_is_called() {
        assert_eq!(within_repo("/repos/acme/api/issues/1"), "issues/1");
        assert_eq!(within_repo("/repositories/7/issues/1"), "issues/1");
        assert_eq!(within_repo("/user"), "/user");
        assert_eq!(within_repo("/repos/acme/api"), "/repos/acme/api");
    }

    #[test]
    fn any_text_is_one_segment() {
        assert_eq!(encoded("feature/a#1 100%"), "feature%2Fa%231%20100%25");
        assert_eq!(encoded("good first issue 🐛?&=+"), "good%20first%20issue%20%F0%9F%90%9B%3F%26%3D%2B");
    }
}
