//! Who there is: people, organizations, and the bots of Apps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Organization,
    Bot,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Organization => "Organization",
            Self::Bot => "Bot",
        }
    }
}

/// A person, an organization or a bot.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) kind: Kind,
    pub(crate) created_at: Timestamp,
}

/// A GitHub App: who signs with its key may ask for tokens of its installations.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) slug: String,
    pub(crate) owner: String,
    pub(crate) created_at: Timestamp,
    /// The public key, as PKCS #1 in DER.
    pub(crate) public_key: Vec<u8>,
    pub(crate) installations: Vec<Installation>,
}

/// An App in an account, with what it may do there.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) account: String,
    pub(crate) permissions: BTreeMap<String, String>,
    /// `None` is all repositories of the account.
    pub(crate) repositories: Option<BTreeSet<u64>>,
    pub(crate) created_at: Timestamp,
}
