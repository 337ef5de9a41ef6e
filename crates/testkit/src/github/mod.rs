//! GitHub on loopback: what `coord` needs of it, with real repositories behind it.
//!
//! The real octocrab, git and gh talk to it. Repositories are bare repositories on the disk, served for clone,
//! fetch and push; pull requests are merged in them with real git. A test gives it people, repositories and
//! issues, lets programs loose on it, and looks at what became of the world:
//!
//! ```no_run
//! use coord_testkit::github::{Association, GitHub, Permission};
//!
//! # let origin = camino::Utf8PathBuf::new();
//! let github = GitHub::start();
//! let octo = github.user("octo");
//! let api = github.repo("acme/api", &origin);
//! api.collaborator("octo", Permission::Write);
//! let number = api.issue("It is slow").by("ann", Association::Member).label("bug").open();
//! // … something runs with `github.url()` and `octo.token()` …
//! assert!(!api.issue_state(number).open);
//! github.assert_clean();
//! ```
//!
//! By hand: `cargo run -p coord-testkit -- github --port 8080` prints a token and commands to try.
//!
//! What must hold: a rule that is imitated names the page of GitHub's documentation that it comes from; which
//! operations there are, and what they take and give, is decided by GitHub's published description; what the
//! stand-in cannot do it answers with 501 and tells [`GitHub::assert_clean`].
//!
//! Deliberately absent: forks, teams, Actions, review comments on lines, projects, and all of GraphQL that
//! `gh` does not ask for. Whoever writes past the stand-in, straight into a bare repository, is taken for a push by nobody in
//! particular, which no protection stops.

mod access;
mod act;
mod api;
mod clock;
mod contract;
mod door;
mod dress;
mod fault;
mod git;
mod gitdoor;
mod graphql;
mod identify;
mod limit;
mod mail;
mod record;
mod repo;
mod server;
mod shared;
mod show;
mod tls;
mod user;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use tempfile::TempDir;

pub use access::Access;
pub use fault::{Fault, On, on};
pub use record::{Comment, DeliveryView, IssueView, PullView, Recorded, StatusView};
pub use repo::{IssueDraft, Repo};
use server::Server;
use shared::Shared;
pub use user::{App, User};
pub use world::{
    Association, Conclusion, MergeMethod, Permission, Protection, Review, StateReason, Status, StatusState,
};
use world::{Kind, Repository};

/// A running stand-in. Dropping it ends it, and fails the test for what [`GitHub::assert_clean`] would.
#[derive(Debug)]
pub struct GitHub {
    shared: Shared,
    url: String,
    ca_file: Option<Utf8PathBuf>,
    server: Option<Server>,
    _scratch: TempDir,
}

impl GitHub {
    /// Starts one that speaks plain HTTP, on a free port of the loopback interface.
    ///
    /// # Panics
    /// When the machine has no free port or thread.
    #[must_use]
    pub fn start() -> Self {
        Self::start_on(0, Scheme::Http)
    }

    /// Starts one that speaks HTTPS, with a certificate that [`GitHub::ca_file`] vouches for.
    ///
    /// # Panics
    /// When the machine has no free port or thread.
    #[must_use]
    pub fn tls() -> Self {
        Self::start_on(0, Scheme::Https)
    }

    /// Starts one on a port.
    ///
    /// # Panics
    /// When the port is taken.
    #[must_use]
    pub fn start_on(port: u16, scheme: Scheme) -> Self {
        let temp = tempfile::Builder::new().prefix("github-").tempdir().expect("a temporary directory");
        let scratch = Utf8PathBuf::from_path_buf(temp.path().into());
        let scratch = scratch.expect("temporary directories have UTF-8 names");
        let (listener, address) = server::listen(port);
        let (url, ca_file, identity) = match scheme {
            Scheme::Http => (format!("http://{address}"), None, None),
            Scheme::Https => {
                let (ca, identity) = tls::make();
                let file = scratch.join("ca.pem");
                fs_err::write(&file, ca).expect("a new directory can be filled");
                (format!("https://localhost:{}", address.port()), Some(file), Some(identity))
            }
        };
        let shared = Shared::new(url.clone(), scratch);
        let server = Server::start(listener, shared.clone(), identity);
        Self { shared, url, ca_file, server: Some(server), _scratch: temp }
    }

    /// The root of the API, and of everything else: no slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate, in PEM, of the authority that signed the stand-in's own.
    ///
    /// # Panics
    /// When it speaks plain HTTP.
    #[must_use]
    pub fn ca_file(&self) -> &Utf8Path {
        self.ca_file.as_deref().expect("plain HTTP has no certificate")
    }

    /// Somebody with an account.
    #[must_use]
    pub fn user(&self, login: &str) -> User {
        User::new(self.shared.clone(), login)
    }

    /// A GitHub App with a key of its own.
    #[must_use]
    pub fn app(&self, slug: &str) -> App {
        App::new(self.shared.clone(), slug)
    }

    /// A public repository, `owner/name`, whose objects are in the bare repository at `dir`. The owner is an
    /// organization unless there is a person of that name.
    ///
    /// # Panics
    /// When there is no bare repository, or one of that name already.
    #[must_use]
    pub fn repo(&self, full_name: &str, dir: &Utf8Path) -> Repo {
        let id = self.shared.change(|world| {
            assert!(world.find(full_name).is_none(), "there is a {full_name} already");
            let (owner, _) = full_name.split_once('/').expect("a repository is called `owner/name`");
            world.account(owner, Kind::Organization);
            let id = world.fresh_id();
            let mut repo = Repository::new(id, full_name, dir.into(), world.now);
            // What is there already is not pushed.
            repo.refs = repo.git.refs().into_iter().collect();
            world.repositories.insert(id, repo);
            world.name(full_name, id);
            id
        });
        Repo::new(self.shared.clone(), id)
    }

    /// Has something go wrong: `github.fault(on("POST", "/repos/*/*/pulls").drop_after())`.
    pub fn fault(&self, fault: Fault) {
        self.shared.desk().faults.add(fault);
    }

    /// Nothing goes wrong any more: faults that were for all requests are over.
    pub fn mend(&self) {
        self.shared.desk().faults.end();
    }

    /// Sends the next so many webhook deliveries twice.
    /// <https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries>
    pub fn duplicate_deliveries(&self, count: u32) {
        self.shared.desk().duplicates = count;
    }

    /// How many looks at a pull request find its mergeability unknown; one, unless it is told otherwise.
    pub fn mergeable_after(&self, looks: u32) {
        self.shared.change(|world| world.looks_before_mergeable = looks);
    }

    /// Nobody finds out any more whether a pull request is mergeable.
    pub fn never_mergeable(&self) {
        self.mergeable_after(u32::MAX);
    }

    /// Allows so many writes a minute; eighty, unless it is told otherwise.
    pub fn limit_writes(&self, per_minute: usize) {
        self.shared.desk().limits.set_writes_per_minute(per_minute);
    }

    /// Moves the stand-in's clock on.
    pub fn advance(&self, by: Duration) {
        self.shared.desk().clock.advance(by);
    }

    /// The time on its clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.desk().clock.now()
    }

    /// Every request so far, in the order of arrival, git's own among them.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.desk().requests.clone()
    }

    /// How often each operation was asked for, by its id in GitHub's description.
    #[must_use]
    pub fn operations(&self) -> BTreeMap<String, usize> {
        self.shared.desk().operations.clone()
    }

    /// The ids of all operations that GitHub's description has here.
    #[must_use]
    pub fn described_operations(&self) -> Vec<String> {
        self.shared.contract().operations().map(String::from).collect()
    }

    /// Everything that was asked and answered is in GitHub's description, and every fault has happened.
    ///
    /// # Panics
    /// Otherwise, with all that is not so.
    #[track_caller]
    pub fn assert_clean(&self) {
        let problems = self.problems();
        assert!(problems.is_empty(), "on the stand-in for GitHub:\n{}", problems.join("\n"));
    }

    /// What [`GitHub::assert_clean`] would fail for; it is forgotten then.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut desk = self.shared.desk();
        let mut problems = std::mem::take(&mut desk.violations);
        problems.extend(std::mem::take(&mut desk.faults).left());
        problems
    }
}

/// How a stand-in is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Drop for GitHub {
    fn drop(&mut self) {
        drop(self.server.take());
        if !std::thread::panicking() {
            self.assert_clean();
        }
    }
}
