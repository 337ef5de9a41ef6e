//! Who speaks to GitHub: where a credential is looked for, in which order, and what is said when there is none.
//!
//! What must hold: the first place that is configured or set is the one; when it cannot be used, that is said, and
//! no other account speaks in its stead. Nothing is looked for before it is needed, since the last place is another
//! program.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_agent::token;
use coord_forge::github::credential::Credential;
use tokio::process::Command;

use super::api_url::ApiUrl;

/// The variable that holds a token.
const VARIABLE: &str = "GITHUB_TOKEN";
/// How long the GitHub CLI may take: it may have to ask a keyring.
const PATIENCE: Duration = Duration::from_secs(5);

/// How GitHub is reached, and what the configuration says of who speaks to it.
#[derive(Debug, Clone)]
pub struct GitHub {
    /// Its API.
    pub(crate) api_url: ApiUrl,
    /// A file that holds a token.
    pub(crate) token_file: Option<Utf8PathBuf>,
    /// An installed App.
    pub(crate) app: Option<App>,
}

/// An installed GitHub App.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) key_file: Utf8PathBuf,
    pub(crate) installation: u64,
}

impl GitHub {
    /// The credential, or a sentence that says why there is none. `config` is the file that is in force.
    pub(crate) async fn credential(
        &self,
        environment: &BTreeMap<String, String>,
        config: &Utf8Path,
    ) -> Result<Credential, String> {
        let read = |path| token::secret(path).map_err(|error| format!("{:#}", anyhow::Error::from(error)));
        if let Some(App { id, key_file, installation }) = &self.app {
            let key_pem = read(key_file).map_err(|why| format!("the GitHub App has no key: {why}"))?;
            return Ok(Credential::App { id: *id, key_pem, installation: *installation });
        }
        if let Some(token) = environment.get(VARIABLE).map(|it| it.trim()).filter(|it| !it.is_empty()) {
            return Ok(Credential::Token(token.into()));
        }
        if let Some(path) = &self.token_file {
            let token = token::load(path).map_err(|error| format!("{:#}", anyhow::Error::from(error)));
            return token
                .map(Credential::Token)
                .map_err(|why| format!("there is no token for GitHub: {why}"));
        }
        match held_by_gh(self.api_url.host(), environment).await {
            Ok(token) => Ok(Credential::Token(token.into())),
            Err(why) => Err(format!(
                "there is no credential for {}: {VARIABLE} is not set, {config} has neither `github.token_file` nor \
                 `github.app`, and {why}",
                self.api_url.host()
            )),
        }
    }
}

/// The token that the GitHub CLI holds for a host.
async fn held_by_gh(host: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    let mut command = Command::new("gh");
    command.args(["auth", "token", "--hostname", host]).env_clear().envs(environment);
    command.env("GH_PROMPT_DISABLED", "1").env("GH_NO_UPDATE_NOTIFIER", "1");
    let ended = command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).output();
    let output = match tokio::time::timeout(PATIENCE, ended).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("there is no `gh` on the PATH".to_owned());
        }
        Ok(Err(error)) => return Err(format!("`gh` cannot be started: {error}")),
        Err(_) => return Err(format!("`gh auth token` did not answer within {} s", PATIENCE.as_secs())),
    };
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !token.is_empty() {
        Ok(token)
    } else {
        Err(format!("`gh` holds none; `gh auth login --hostname {host}` gives it one"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    /// A directory with a file of a mode for each name.
    fn place(files: &[(&str, &str, u32)]) -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        for (name, text, mode) in files {
            fs_err::write(path.join(name), text).unwrap();
            fs_err::set_permissions(path.join(name), std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        (dir, path)
    }

    fn said(github: &GitHub, environment: &[(&str, &str)]) -> Result<String, String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let environment = environment.collect();
        match runtime.block_on(github.credential(&environment, Utf8Path::new("/w/coordinator.yml")))? {
            Credential::Token(token) => Ok(token.expose_secret().to_owned()),
            Credential::App { id, key_pem, installation } => {
                Ok(format!("{id} {} {installation}", key_pem.expose_secret()))
            }
        }
    }

    const FILE: &str = "ghp_0123456789012345678901234567890123456789";

    #[test]
    fn the_first_place_that_has_something_to_say_is_the_credential() {
        let gh = "#!/bin/sh\n[ \"$*\" = 'auth token --hostname github.com' ] && echo of-gh\n";
        let (_dir, dir) = place(&[("token", FILE, 0o600), ("key", "PEM", 0o600), ("gh", gh, 0o755)]);
        let app = App { id: 1, key_file: dir.join("key"), installation: 2 };
        let mut github =
            GitHub { api_url: ApiUrl::default(), token_file: Some(dir.join("token")), app: Some(app) };
        let path = format!("{dir}:/usr/bin:/bin");
        let environment = [("PATH", path.as_str()), ("GITHUB_TOKEN", " of-variable\n")];
        assert_eq!(said(&github, &environment).unwrap(), "1 PEM 2");
        github.app = None;
        assert_eq!(said(&github, &environment).unwrap(), "of-variable");
        let environment = [("PATH", path.as_str()), ("GITHUB_TOKEN", "")];
        assert_eq!(said(&github, &environment).unwrap(), FILE);
        github.token_file = None;
        assert_eq!(said(&github, &environment).unwrap(), "of-gh");
        github.api_url = "https://ghe.example.org/api/v3".parse().unwrap();
        let none = said(&github, &environment).unwrap_err();
        assert!(none.contains("`gh auth login --hostname ghe.example.org`"), "{none}");
    }

    #[test]
    fn what_is_configured_and_cannot_be_used_is_said_and_nobody_else_speaks() {
        let (_dir, dir) = place(&[("token", FILE, 0o644), ("key", "PEM", 0o640)]);
        let mut github =
            GitHub { api_url: ApiUrl::default(), token_file: Some(dir.join("token")), app: None };
        let open = said(&github, &[("PATH", "")]).unwrap_err();
        assert!(open.contains(&format!("chmod 600 {dir}/token")) && !open.contains("ghp_"), "{open}");
        github.app = Some(App { id: 1, key_file: dir.join("key"), installation: 2 });
        let open = said(&github, &[("GITHUB_TOKEN", "of-variable")]).unwrap_err();
        assert!(open.contains(&format!("chmod 600 {dir}/key")), "{open}");
    }

    #[test]
    fn that_there_is_none_names_every_place() {
        let github = GitHub { api_url: ApiUrl::default(), token_file: None, app: None };
        let none = said(&github, &[("PATH", "/nowhere")]).unwrap_err();
        for place in [
            "github.com",
            "GITHUB_TOKEN",
            "/w/coordinator.yml",
            "`github.token_file`",
            "`github.app`",
            "`gh`",
        ] {
            assert!(none.contains(place), "no {place}: {none}");
        }
    }
}
