//! Which variables of the server's environment a worker may see: an allow-list, so that a credential nobody
//! thought of stays outside. Tokens, agents' sockets and API keys pass only when the configuration names them.

use std::collections::BTreeMap;

/// What programs need to find themselves, their user, their language, their network and their toolchains.
const PASSED: [&str; 44] = [
    "CARGO_HOME",
    "CLAUDE_CONFIG_DIR",
    "COLORTERM",
    "CONDA_PREFIX",
    "DEVELOPER_DIR",
    "DOTNET_ROOT",
    "GOCACHE",
    "GOMODCACHE",
    "GOPATH",
    "GOROOT",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "JAVA_HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "NVM_DIR",
    "PATH",
    "PNPM_HOME",
    "PYENV_ROOT",
    "RBENV_ROOT",
    "RUSTUP_HOME",
    "SDKMAN_DIR",
    "SDKROOT",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "VOLTA_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// What is left of `environment` for a worker that is configured to see `more` as well.
#[must_use]
pub fn reduce(environment: &BTreeMap<String, String>, more: &[String]) -> BTreeMap<String, String> {
    let passes = |name: &str| {
        PASSED.binary_search(&name).is_ok() || name.starts_with("LC_") || more.iter().any(|it| it == name)
    };
    environment
        .iter()
        .filter(|(name, _)| passes(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_outside_unless_they_are_asked_for_by_name() {
        let names = [
            "ANTHROPIC_API_KEY",
            "CARGO_HOME",
            "GH_TOKEN",
            "GITHUB_TOKEN",
            "HOME",
            "LC_ALL",
            "MY_TOKEN",
            "PATH",
            "SSH_AUTH_SOCK",
            "XDG_RUNTIME_DIR",
            "https_proxy",
        ];
        let environment = names.iter().map(|it| ((*it).to_owned(), "x".to_owned())).collect();
        let left: Vec<_> = reduce(&environment, &["MY_TOKEN".to_owned()]).into_keys().collect();
        assert_eq!(left, ["CARGO_HOME", "HOME", "LC_ALL", "MY_TOKEN", "PATH", "https_proxy"]);
        assert!(PASSED.is_sorted(), "the list is searched by halves");
    }
}
