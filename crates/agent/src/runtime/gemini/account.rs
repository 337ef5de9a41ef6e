//! Whose account a gemini has.
//!
//! What it goes by is what its settings name, or else what its environment holds, as it is with the Gemini CLI itself.
//! What belongs to a project in the cloud or lies behind a gateway is for nobody to tell.

use std::collections::BTreeMap;

use coord_core::name::AccountName;
use serde::Deserialize;
use serde_json::Value;

use crate::runtime::account::{named, set};

/// What is read of the file in which the Gemini CLI keeps who is logged in.
#[derive(Deserialize)]
struct Known {
    active: Option<String>,
}

/// The account of a gemini that sees this environment; `None` where nobody can tell.
pub(super) fn account(environment: &BTreeMap<String, String>) -> Option<AccountName> {
    let place = super::place(environment)?;
    let read = |file: &str| fs_err::read_to_string(place.join(file)).ok();
    let settings = read("settings.json").and_then(|it| serde_json::from_str::<Value>(&it).ok());
    let selected = settings.as_ref().and_then(|it| it["security"]["auth"]["selectedType"].as_str());
    let is_true = |name: &str| set(environment, name) == Some("true");
    let by_login = match selected {
        Some("oauth-personal") => true,
        Some("gemini-api-key") => false,
        Some(_) => return None,
        None if is_true("GOOGLE_GENAI_USE_GCA") => true,
        None if is_true("GOOGLE_GENAI_USE_VERTEXAI") => return None,
        None if set(environment, "GOOGLE_GEMINI_BASE_URL").is_some() => return None,
        None => false,
    };
    if by_login {
        let known: Known = serde_json::from_str(&read("google_accounts.json")?).ok()?;
        named("gemini", "login", &known.active?)
    } else {
        named("gemini", "key", set(environment, "GEMINI_API_KEY")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(selected: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join(".gemini");
        fs_err::create_dir(&place).unwrap();
        if let Some(selected) = selected {
            let settings = serde_json::json!({ "security": { "auth": { "selectedType": selected } } });
            fs_err::write(place.join("settings.json"), settings.to_string()).unwrap();
        }
        fs_err::write(place.join("google_accounts.json"), r#"{"active":"ann@x.example","old":[]}"#).unwrap();
        let at = [("HOME", home.path().to_str().unwrap())];
        let variables = at.iter().chain(variables).map(|(name, it)| ((*name).to_owned(), (*it).to_owned()));
        account(&variables.collect()).map(|it| it.to_string())
    }

    #[test]
    fn what_the_settings_name_goes_before_what_the_environment_holds() {
        let key = ("GEMINI_API_KEY", "secret");
        let login = of(Some("oauth-personal"), &[key]).unwrap();
        assert!(login.starts_with("gemini:login-") && !login.contains("ann"), "{login}");
        let of_key = of(Some("gemini-api-key"), &[key]).unwrap();
        assert!(of_key.starts_with("gemini:key-") && !of_key.contains("secret"), "{of_key}");
        assert_eq!(of(None, &[key]), Some(of_key));
        assert_eq!(of(None, &[key, ("GOOGLE_GENAI_USE_GCA", "true")]), Some(login));
    }

    #[test]
    fn nobody_can_tell_whose_a_project_in_the_cloud_is() {
        let key = ("GEMINI_API_KEY", "secret");
        assert_eq!(of(Some("vertex-ai"), &[key]), None);
        assert_eq!(of(None, &[key, ("GOOGLE_GENAI_USE_VERTEXAI", "true")]), None);
        assert_eq!(of(None, &[key, ("GOOGLE_GEMINI_BASE_URL", "http://x")]), None);
        assert_eq!(of(Some("gemini-api-key"), &[]), None);
        assert_eq!(of(None, &[]), None);
    }
}
