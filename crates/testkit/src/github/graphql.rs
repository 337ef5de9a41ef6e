//! As much of the GraphQL API as asks who one is.
//!
//! <https://docs.github.com/en/graphql/reference/queries#viewer>

use axum::body::Bytes;
use serde_json::{Value, json};

use super::access::Who;
use super::api::{Answer, Refusal};
use super::shared::Shared;

pub(super) fn answer(shared: &Shared, who: &Who, body: &Bytes) -> Answer {
    if matches!(who, Who::Nobody) {
        return Refusal::BadCredentials("This endpoint requires you to be authenticated.").answer();
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let query = asked["query"].as_str().unwrap_or_default();
    let squeezed: String = query.split_whitespace().collect::<Vec<_>>().join("");
    if squeezed.contains("viewer{login}") {
        let login = shared.look(|world| who.login(world));
        return Answer::ok(json!({ "data": { "viewer": { "login": login } } }));
    }
    shared.desk().violations.push(format!("this GraphQL query is not there, and was asked for: {query}"));
    Refusal::NotImplemented.answer()
}
