//! Whose account a codex has.
//!
//! A login is a person in a workspace; its identity token names the person, and is trusted for no more than that. Whom
//! a provider of the user's own bills is for nobody to tell.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coord_core::name::AccountName;
use serde::Deserialize;

use crate::runtime::account::{named, set};
use crate::runtime::places;

/// What is read of the file in which codex keeps who is logged in.
#[derive(Deserialize)]
struct Known {
    #[serde(rename = "OPENAI_API_KEY")]
    key: Option<String>,
    tokens: Option<Tokens>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    account_id: String,
}

/// What an identity token says, as far as it is read.
#[derive(Deserialize)]
struct Claims {
    sub: String,
}

/// The account of a codex that sees this environment; `None` where nobody can tell.
pub(super) fn account(environment: &BTreeMap<String, String>) -> Option<AccountName> {
    let place = places(environment, Some("CODEX_HOME"), &[".codex"]).pop()?;
    let read = |file: &str| fs_err::read_to_string(place.join(file));
    if has_own_provider(&read("config.toml").unwrap_or_default()) {
        return None;
    }
    if let Some(key) = set(environment, "CODEX_API_KEY") {
        return named("codex", "key", key);
    }
    let known: Known = serde_json::from_str(&read("auth.json").ok()?).ok()?;
    match known.tokens {
        Some(tokens) => {
            let person = person(&tokens.id_token)?;
            named("codex", "login", &format!("{} {person}", tokens.account_id))
        }
        None => named("codex", "key", &known.key?),
    }
}

/// Whether the configuration names a provider other than that of codex itself, before its first table.
fn has_own_provider(config: &str) -> bool {
    let top = config.lines().map(str::trim).take_while(|it| !it.starts_with('['));
    let mut pairs = top.filter_map(|it| it.split_once('='));
    pairs.any(|(key, value)| key.trim() == "model_provider" && value.trim() != "\"openai\"")
}

/// Whom a token is about: what lies between its first two dots.
fn person(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    Some(serde_json::from_slice::<Claims>(&claims).ok()?.sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A home of codex with these files.
    fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs_err::write(home.path().join(name), text).unwrap();
        }
        home
    }

    fn of(home: &tempfile::TempDir, variables: &[(&str, &str)]) -> Option<String> {
        let place = [("CODEX_HOME", home.path().to_str().unwrap())];
        let variables =
            place.iter().chain(variables).map(|(name, it)| ((*name).to_owned(), (*it).to_owned()));
        account(&variables.collect()).map(|it| it.to_string())
    }

    fn login(workspace: &str, person: &str, secret: &str) -> String {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{person}","exp":1}}"#));
        format!(
            r#"{{"OPENAI_API_KEY":null,"tokens":{{"id_token":"e.{claims}.{secret}","account_id":"{workspace}","access_token":"{secret}"}}}}"#
        )
    }

    #[test]
    fn a_login_is_a_person_in_a_workspace_whatever_tokens_it_has_at_the_moment() {
        let named = |workspace, person, secret| {
            of(&home(&[("auth.json", &login(workspace, person, secret))]), &[]).unwrap()
        };
        let ann = named("w-1", "ann", "s1");
        assert!(ann.starts_with("codex:login-"), "{ann}");
        assert_eq!(named("w-1", "ann", "s2"), ann);
        assert_ne!(named("w-1", "bob", "s1"), ann);
        assert_ne!(named("w-2", "ann", "s1"), ann);
    }

    #[test]
    fn a_key_of_the_environment_goes_before_what_is_kept() {
        let kept = home(&[("auth.json", r#"{"OPENAI_API_KEY":"sk-kept"}"#)]);
        let of_kept = of(&kept, &[]).unwrap();
        assert!(of_kept.starts_with("codex:key-") && !of_kept.contains("kept"), "{of_kept}");
        assert_eq!(of(&home(&[]), &[("CODEX_API_KEY", "sk-kept")]), Some(of_kept.clone()));
        assert_ne!(of(&kept, &[("CODEX_API_KEY", "sk-other")]), Some(of_kept.clone()));
        assert_eq!(of(&kept, &[("CODEX_API_KEY", "")]), Some(of_kept));
    }

    #[test]
    fn nobody_can_tell_whom_a_provider_of_the_users_own_bills() {
        let with = |config: &str| {
            let files = [("auth.json", r#"{"OPENAI_API_KEY":"sk"}"#), ("config.toml", config)];
            of(&home(&files), &[("CODEX_API_KEY", "sk")]).is_some()
        };
        assert!(!with("model = \"m\"\nmodel_provider = \"loop\"\n"));
        assert!(with("model_provider = \"openai\"\n[profiles.x]\nmodel_provider = \"loop\"\n"));
        assert_eq!(of(&home(&[]), &[]), None);
        assert_eq!(of(&home(&[("auth.json", "{}")]), &[]), None);
    }
}
