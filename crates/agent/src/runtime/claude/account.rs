//! Whose account a claude has: a name for it that tells nothing of the secret.
//!
//! What it goes by is asked for in the order in which Claude Code itself does. A login is called by the account and
//! not by its tokens, which change by the hour; so it is the same account on every machine where the person logged in.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use coord_core::name::AccountName;
use serde::Deserialize;

use crate::runtime::account::{named, set};

/// The variables that hold a credential, and what kind it is.
const CREDENTIALS: [(&str, &str); 3] =
    [("ANTHROPIC_AUTH_TOKEN", "token"), ("ANTHROPIC_API_KEY", "key"), ("CLAUDE_CODE_OAUTH_TOKEN", "token")];

/// What is read of the file in which Claude Code keeps who is logged in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    oauth_account: Option<Login>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    account_uuid: String,
}

/// The account of a claude that sees this environment; `None` where nobody can tell.
pub(super) fn account(environment: &BTreeMap<String, String>) -> Option<AccountName> {
    let set = |name: &str| set(environment, name);
    let credential = CREDENTIALS.iter().find_map(|(name, kind)| Some((*kind, set(name)?.to_owned())));
    let (kind, identity) = match credential {
        Some(found) => found,
        None => {
            let directory = set("CLAUDE_CONFIG_DIR").or_else(|| set("HOME"))?;
            let text = fs_err::read_to_string(Utf8PathBuf::from(directory).join(".claude.json")).ok()?;
            let known: Known = serde_json::from_str(&text).ok()?;
            ("login", known.oauth_account?.account_uuid)
        }
    };
    named("claude", kind, &identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<String> {
        let environment = variables.iter().map(|(name, it)| ((*name).to_owned(), (*it).to_owned()));
        account(&environment.collect()).map(|it| it.to_string())
    }

    #[test]
    fn the_same_credential_is_the_same_account_and_is_not_told() {
        let key = ("ANTHROPIC_API_KEY", "sk-ant-secret");
        let of_key = of(&[key, ("HOME", "/nowhere")]).unwrap();
        assert_eq!(of(&[key, ("CLAUDE_CODE_OAUTH_TOKEN", "t")]).as_ref(), Some(&of_key));
        assert!(of_key.starts_with("claude:key-") && !of_key.contains("secret"), "{of_key}");
        assert_ne!(of(&[("ANTHROPIC_API_KEY", "sk-ant-other")]), Some(of_key));
        assert_eq!(of(&[("ANTHROPIC_API_KEY", ""), ("HOME", "/nowhere")]), None);
    }

    #[test]
    fn a_login_is_called_by_its_account_wherever_it_is_kept() {
        let place = |account: &str| {
            let place = tempfile::tempdir().unwrap();
            let text = format!(r#"{{"numStartups":3,"oauthAccount":{{"accountUuid":"{account}"}}}}"#);
            fs_err::write(place.path().join(".claude.json"), text).unwrap();
            place
        };
        let (one, again, other) = (place("a-1"), place("a-1"), place("a-2"));
        let at = |name, place: &tempfile::TempDir| of(&[(name, place.path().to_str().unwrap())]);
        assert_eq!(at("HOME", &one), at("CLAUDE_CONFIG_DIR", &again));
        assert_ne!(at("HOME", &one), at("HOME", &other));
    }
}
