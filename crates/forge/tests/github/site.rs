//! GitHub with a repository on it, and clients that have it to themselves.

use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_core::name::{BranchName, CommitSha};
use coord_forge::github::GitHub;
use coord_forge::github::broker::{Age, Broker, Settings};
use coord_forge::github::credential::Credential;
use coord_forge::github::propose::{NewPull, Proposed};
use coord_testkit::github::{GitHub as StandIn, Permission, Repo, User};
use coord_testkit::world::{Repo as Origin, World};

/// The stand-in, `acme/api` on it, and `octo`, who may write there.
pub(crate) struct Site {
    pub(crate) github: Arc<StandIn>,
    pub(crate) api: Repo,
    pub(crate) octo: User,
    /// What `acme/api` is on the disk, for people who push.
    pub(crate) origin: Origin,
    world: World,
}

impl Site {
    pub(crate) fn new() -> Self {
        let world = World::new("coord");
        let origin = world.repo("api");
        let github = Arc::new(StandIn::start());
        let octo = github.user("octo");
        let api = github.repo("acme/api", &origin.origin);
        api.collaborator("octo", Permission::Write);
        Self { github, api, octo, origin, world }
    }

    /// Another repository on the same GitHub.
    pub(crate) fn repo(&self, name: &str) -> Repo {
        self.github.repo(&format!("acme/{name}"), &self.world.repo(name).origin)
    }

    /// Where the state of credentials is kept.
    pub(crate) fn directory(&self) -> Utf8PathBuf {
        self.world.coord_home().join("github")
    }

    /// A broker with a state of its own for each credential, that lives by GitHub's clock.
    pub(crate) fn broker(&self, credential: &Credential, patience: Duration) -> Arc<Broker> {
        let github = Arc::clone(&self.github);
        let settings = Settings {
            api_url: self.github.url().to_owned(),
            directory: self.directory(),
            clock: Arc::new(move || github.now()),
            patience,
        };
        Arc::new(Broker::open(credential, settings).unwrap())
    }

    /// A client for `acme/api` as it is called now.
    pub(crate) fn client(&self, credential: &Credential) -> GitHub {
        self.client_of("acme/api", credential)
    }

    pub(crate) fn client_of(&self, repo: &str, credential: &Credential) -> GitHub {
        GitHub::new(self.broker(credential, Duration::ZERO), repo.parse().unwrap())
    }

    /// A client of `octo`'s.
    pub(crate) fn octo(&self) -> GitHub {
        self.client(&token(&self.octo.token()))
    }

    /// A branch with a commit of somebody's, on top of main; the commit is returned.
    pub(crate) fn push(&self, branch: &str, file: &str) -> CommitSha {
        self.origin.push_as("Ann", branch, &format!("add {file}"), &[(file, "new\n")]).parse().unwrap()
    }

    /// A pull request for a branch with one commit: its number and its head.
    pub(crate) async fn pull(&self, client: &GitHub, branch: &str) -> (u64, CommitSha) {
        let head = self.push(branch, &format!("{branch}.txt"));
        let branch = name(branch);
        let base = name("main");
        let new =
            NewPull { branch: &branch, base: &base, title: "A change", body: "It changes.", draft: false };
        let proposed = client.propose(&new).await.unwrap();
        let Proposed::Opened(pull) = proposed else { panic!("{proposed:?}") };
        (pull.number, head)
    }
}

/// A personal access token.
pub(crate) fn token(token: &str) -> Credential {
    Credential::Token(token.to_owned().into())
}

pub(crate) fn name(branch: &str) -> BranchName {
    branch.parse().unwrap()
}

pub(crate) const NOW: Age = Age::Now;

/// An age that everything of this test is younger than.
pub(crate) const LATELY: Age = Age::Within(Duration::from_secs(600));
