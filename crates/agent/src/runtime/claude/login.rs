//! What `claude auth status --json` says.

use serde::Deserialize;

use crate::runtime::Login;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    logged_in: bool,
    auth_method: String,
    api_key_source: Option<String>,
    email: Option<String>,
    subscription_type: Option<String>,
}

pub(super) fn read(said: &str) -> Option<Login> {
    let login: Status = serde_json::from_str(said).ok()?;
    if !login.logged_in {
        return Some(Login::Nobody);
    }
    Some(Login::Somebody(match &login.api_key_source {
        Some(source) => format!("an API key ({source}), billed per token"),
        None => format!("a login ({}){}", login.auth_method, whose(&login)),
    }))
}

fn whose(login: &Status) -> String {
    let plan = login.subscription_type.as_ref().map(|it| format!("subscription {it}"));
    let parts: Vec<_> = plan.into_iter().chain(login.email.clone()).collect();
    if parts.is_empty() { String::new() } else { format!(", {}", parts.join(" of ")) }
}
