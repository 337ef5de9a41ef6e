//! What the accounts of runtimes are called: by names that tell nothing of a secret and are the same everywhere.

use std::collections::BTreeMap;

use coord_core::name::AccountName;
use sha2::{Digest as _, Sha256};

/// The name of the account that a runtime has by an identity of this kind.
pub(super) fn named(runtime: &str, kind: &str, identity: &str) -> Option<AccountName> {
    let hash = Sha256::digest(identity.as_bytes());
    let hash: String = hash.iter().take(4).map(|it| format!("{it:02x}")).collect();
    format!("{runtime}:{kind}-{hash}").parse().ok()
}

/// A variable that is there and not empty.
pub(super) fn set<'a>(environment: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    environment.get(name).map(String::as_str).filter(|it| !it.is_empty())
}
