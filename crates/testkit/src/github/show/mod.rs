//! What is there, as the API shows it: one function for each document, named after its schema.
//!
//! Every field that a schema requires is there; of the optional ones, those that a client may want.

mod account;
mod check;
mod commit;
mod issue;
mod pull;
mod repository;
mod rules;

use jiff::Timestamp;
use serde_json::Value;

use super::world::World;

pub(super) use check::Shown;

/// Times have whole seconds.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The opaque id that every node of the GraphQL API has.
pub(super) fn node_id(kind: &str, id: u64) -> String {
    format!("{kind}_{id:012}")
}

/// A name as one segment of a URL.
fn segment(name: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(encode).collect()
}

/// Adds the fields of one document to another.
fn extend(document: &mut Value, more: Value) {
    if let (Value::Object(document), Value::Object(more)) = (document, more) {
        document.extend(more);
    }
}

impl World {
    /// The URL of a repository in the API.
    pub(super) fn api_of(&self, repo: u64) -> String {
        format!("{}/repos/{}", self.base, self.repo(repo).full_name())
    }

    /// The URL of its page.
    pub(super) fn page_of(&self, repo: u64) -> String {
        format!("{}/{}", self.base, self.repo(repo).full_name())
    }
}
