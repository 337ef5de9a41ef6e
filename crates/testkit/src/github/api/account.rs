//! Whoever asks. <https://docs.github.com/en/rest/users/users#get-the-authenticated-user>

use serde_json::json;

use super::{Answer, Refusal, Turn};
use crate::github::access::{Credential, Who};

pub(super) fn get(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    match turn.who {
        Who::Holder(Credential::Classic { login, .. } | Credential::FineGrained { login, .. }) => {
            let account = turn.world.find_account(login).ok_or(Refusal::NotFound)?;
            Ok(Answer::ok(turn.world.show_self(account)))
        }
        // A bot has no profile of its own.
        Who::Holder(Credential::Installation { .. }) | Who::App(_) => {
            Err(Refusal::Forbidden("Resource not accessible by integration".into()))
        }
        Who::Nobody => Err(Refusal::BadCredentials("Requires authentication")),
    }
}

/// <https://docs.github.com/en/rest/rate-limit/rate-limit>
pub(super) fn rate_limit(turn: &Turn<'_>) -> Answer {
    let rate = turn.rate;
    let core = json!({
        "limit": rate.limit, "remaining": rate.remaining, "used": rate.used, "reset": rate.reset.as_second(),
        "resource": "core",
    });
    let full = |resource: &str, limit: u64| {
        json!({
            "limit": limit, "remaining": limit, "used": 0, "reset": rate.reset.as_second(),
            "resource": resource,
        })
    };
    Answer::ok(json!({
        "resources": { "core": core, "search": full("search", 30), "graphql": full("graphql", 5000) },
        "rate": core,
    }))
}
