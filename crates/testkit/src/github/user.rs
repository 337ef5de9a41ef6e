//! People and Apps, and the tokens they have.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};

use super::access::{Access, Credential};
use super::limit::Rate;
use super::shared::Shared;
use super::world::{App as AppFacts, Installation, Kind};

/// Somebody with an account.
#[derive(Debug, Clone)]
pub struct User {
    shared: Shared,
    login: String,
}

impl User {
    pub(super) fn new(shared: Shared, login: &str) -> Self {
        let login = shared.change(|world| world.person(login));
        Self { shared, login }
    }

    /// The account's name.
    #[must_use]
    pub fn login(&self) -> &str {
        &self.login
    }

    /// A new classic token with all that daily work needs.
    #[must_use]
    pub fn token(&self) -> String {
        self.token_with(&["repo", "read:org", "workflow"])
    }

    /// A new classic token with these scopes.
    #[must_use]
    pub fn token_with(&self, scopes: &[&str]) -> String {
        let scopes = scopes.iter().map(|it| (*it).to_owned()).collect();
        let credential = Credential::Classic { login: self.login.clone(), scopes };
        self.shared.change(|world| world.give_token("ghp_", credential))
    }

    /// A new fine-grained token with these permissions: `("issues", Access::Write)`.
    #[must_use]
    pub fn fine_grained(&self, permissions: &[(&str, Access)]) -> String {
        let grants = permissions.iter().map(|(name, access)| ((*name).to_owned(), *access)).collect();
        let credential = Credential::FineGrained { login: self.login.clone(), grants };
        self.shared.change(|world| world.give_token("github_pat_", credential))
    }

    /// Takes a token back.
    pub fn revoke(&self, token: &str) {
        self.shared.change(|world| world.credentials.remove(token));
    }

    /// Leaves so many requests of the primary limit, until it is reset.
    pub fn rate_limit(&self, remaining: u64, resets_in: Duration) {
        let mut desk = self.shared.desk();
        let reset = desk.clock.now() + resets_in;
        let rate = Rate { limit: 5000, remaining, used: 5000 - remaining.min(5000), reset };
        desk.limits.set(&self.login, rate);
    }
}

/// A GitHub App.
#[derive(Debug, Clone)]
pub struct App {
    shared: Shared,
    id: u64,
    private_key: String,
}

impl App {
    pub(super) fn new(shared: Shared, slug: &str) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key can be made");
        let public_key = key.der_bytes().to_vec();
        let id = shared.change(|world| {
            world.account(&format!("{slug}[bot]"), Kind::Bot);
            let id = world.fresh_id();
            let owner = world.account("app-owner", Kind::Organization).login.clone();
            let app = AppFacts {
                id,
                slug: slug.into(),
                owner,
                created_at: world.now,
                public_key,
                installations: Vec::new(),
            };
            world.apps.insert(id, app);
            id
        });
        Self { shared, id, private_key: pem(&key.serialize_der()) }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The key that it signs with, as PKCS #1 in PEM.
    #[must_use]
    pub fn private_key(&self) -> &str {
        &self.private_key
    }

    /// Installs it in an account, on these repositories (`acme/api`) or on all, and returns the installation's id.
    ///
    /// # Panics
    /// When there is no such repository.
    #[must_use]
    pub fn install(&self, account: &str, repos: Option<&[&str]>, permissions: &[(&str, Access)]) -> u64 {
        self.shared.change(|world| {
            let find =
                |name: &&str| world.find(name).expect("an App is installed on repositories that are there");
            let repositories = repos.map(|names| names.iter().map(find).collect::<BTreeSet<_>>());
            let permissions = permissions.iter().map(|(name, it)| ((*name).to_owned(), it.name().to_owned()));
            let permissions = permissions.chain([("metadata".to_owned(), "read".to_owned())]).collect();
            let (id, created_at) = (world.fresh_id(), world.now);
            let installation =
                Installation { id, account: account.into(), permissions, repositories, created_at };
            if let Some(app) = world.apps.get_mut(&self.id) {
                app.installations.push(installation);
            }
            id
        })
    }
}

/// Keys of Apps are handed out as PKCS #1 in PEM, which in PKCS #8 lies behind a version and an algorithm whose
/// lengths are fixed for RSA.
/// <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/managing-private-keys-for-github-apps>
fn pem(pkcs8: &[u8]) -> String {
    const WRAPPING: usize = 26;
    let text = STANDARD.encode(&pkcs8[WRAPPING..]);
    let lines = text.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
    let body: String = lines.collect();
    format!("-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\n")
}
