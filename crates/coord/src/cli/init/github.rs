//! Which repository on GitHub an origin is.

use coord_core::name::GitHubRepo;

use crate::config::api_url::ApiUrl;

/// The repository that a URL of git names, if it is on the GitHub whose API that is. `https`, `ssh` and the short form
/// of `ssh` are known, with and without `.git`, a user and a port.
pub(super) fn repository(origin: &str, api: &ApiUrl) -> Option<GitHubRepo> {
    let (authority, path, is_web) = match origin.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/')?;
            (authority, path, scheme.starts_with("http"))
        }
        None => {
            let (authority, path) = origin.split_once(':')?;
            (authority, path, false)
        }
    };
    let host = authority.rsplit('@').next().unwrap_or(authority).to_ascii_lowercase();
    // The port of ssh is another one than that of the pages.
    let same = if is_web { host == api.host() } else { without_port(&host) == without_port(api.host()) };
    // GitHub offers ssh under this name where only the port of https is open.
    let same = same || (api.host() == "github.com" && without_port(&host) == "ssh.github.com");
    let path = path.trim_matches('/');
    same.then(|| path.strip_suffix(".git").unwrap_or(path).parse().ok()).flatten()
}

fn without_port(host: &str) -> &str {
    host.split(':').next().unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_repository_on_github_is_known() {
        let api = ApiUrl::default();
        for origin in [
            "https://github.com/acme/api.git",
            "https://github.com/acme/api",
            "https://GitHub.com/acme/api/",
            "https://me:secret@github.com/acme/api.git",
            "git@github.com:acme/api.git",
            "github.com:acme/api",
            "ssh://git@github.com/acme/api",
            "ssh://git@github.com:22/acme/api.git",
            "ssh://git@ssh.github.com:443/acme/api.git",
            "git://github.com/acme/api.git",
        ] {
            let found = repository(origin, &api);
            assert_eq!(found.as_ref().map(GitHubRepo::as_str), Some("acme/api"), "{origin}");
        }
    }

    #[test]
    fn what_is_elsewhere_is_not_on_github() {
        let api = ApiUrl::default();
        for origin in [
            "https://gitlab.com/acme/api.git",
            "https://github.com.example.org/acme/api.git",
            "https://example.org/github.com/acme/api.git",
            "git@git.example.org:acme/api.git",
            "https://github.com/acme",
            "https://github.com/acme/api/tree/main",
            "file:///srv/acme/api.git",
            "/srv/acme/api.git",
            "../api.git",
        ] {
            assert_eq!(repository(origin, &api), None, "{origin}");
        }
    }

    #[test]
    fn the_host_of_an_enterprise_is_known_where_its_api_is() {
        let api = "https://ghe.example.org/api/v3".parse().unwrap();
        for origin in ["https://ghe.example.org/acme/api.git", "ssh://git@ghe.example.org:2222/acme/api"] {
            assert!(repository(origin, &api).is_some(), "{origin}");
        }
        assert_eq!(repository("https://github.com/acme/api.git", &api), None);
        let local = "http://127.0.0.1:8080".parse().unwrap();
        assert!(repository("http://127.0.0.1:8080/acme/api.git", &local).is_some());
        assert_eq!(repository("http://127.0.0.1:8081/acme/api.git", &local), None);
    }
}
