//! Everything a front end may ask for: gather, decide, perform.
//!
//! The command line, and whatever doors come beside it, are thin: they turn words into a call of [`Engine`]
//! and its answer into words. The engine reads the world (board, agent servers, origin), lets `coord-core`
//! decide, and performs the answer. Each side effect has one place:
//!
//! | what | where |
//! |---|---|
//! | a run is minted and handed to a machine | [`dispatch`] |
//! | a queued run is started | [`queue`] |
//! | a run that met a limit is queued again | `park` |
//! | a session is carried to another machine | [`again`] |
//! | an ended run is recorded, its work published, its evidence written | [`settle`] |
//! | issues are taken in, and what people decide of them is written back | [`issue`] |
//! | something is said of a run on the forge | [`comment`] |
//! | a change is landed on its base branch | [`merge`], through `coord-forge` |
//! | the time is asked, an id drawn | [`clock`] |
//!
//! **Settling** is level-triggered: it takes every run that the board believes alive, asks its machine, and
//! does what is still missing. Every step of it may be cut short by a crash and is simply done again by
//! whoever comes next, since what it writes is compared-and-set: a run is recorded as ended only after its
//! work is published and its evidence written.
//!
//! Deliberately absent: printing, argument parsing, reading files of configuration.

pub mod account;
pub mod again;
pub mod assign;
pub mod briefing;
mod claim;
pub mod clock;
pub mod comment;
mod converse;
pub mod cost;
pub mod dispatch;
pub mod error;
mod failure;
pub mod follow;
pub mod gc;
pub mod issue;
mod land;
mod late;
pub mod look;
mod markdown;
pub mod merge;
mod observe;
mod park;
mod pause;
pub mod proposal;
pub mod queue;
pub mod rescue;
pub mod session;
pub mod settings;
pub mod settle;
pub mod status;
pub mod task;
pub mod test;
mod verdict;
pub mod view;
pub mod why;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::Utf8Path;
use coord_board::Board;
use coord_core::machine::Machine;
use coord_core::name::{MachineName, RepoName};
use coord_core::repo::Repo;
use coord_core::run::Run;
use coord_forge::github::GitHub;
use coord_forge::github::broker::{self, Broker};
use coord_forge::github::budget::Standing;
use coord_git::program::Git;
use coord_git::store::Store;
use coord_proto::client::Client;
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::queue::Caretaker;
use crate::settings::Settings;

/// One coordinator: a board, the fleet it describes, and the way to reach both.
pub struct Engine {
    board: Board,
    settings: Settings,
    git: Git,
    stores: Mutex<HashMap<RepoName, Store>>,
    broker: OnceCell<Arc<Broker>>,
    caretaker: Option<Arc<dyn Caretaker>>,
}

impl Engine {
    /// Opens the board under `settings.home`, making it at the first start. `environment` is what `git` sees.
    ///
    /// # Errors
    /// When the board cannot be opened.
    pub async fn open(settings: Settings, environment: &BTreeMap<String, String>) -> Result<Self, Error> {
        let path = settings.home.join("board.db");
        let board = Board::open(path.as_std_path()).await.map_err(Error::board("opening it"))?;
        let git = Git::new(environment.iter().map(|(name, value)| (name.into(), value.into())));
        let stores = Mutex::default();
        Ok(Self { board, settings, git, stores, broker: OnceCell::new(), caretaker: None })
    }

    /// The same engine, which now starts queued runs whenever it settles.
    #[must_use]
    pub fn with_caretaker(self, caretaker: Arc<dyn Caretaker>) -> Self {
        Self { caretaker: Some(caretaker), ..self }
    }

    /// What is known of the fleet.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn repo(&self, name: &RepoName) -> Result<&Repo, Error> {
        self.settings.repo(name).ok_or_else(|| Error::UnknownRepo {
            name: name.to_string(),
            known: list(self.settings.repos.iter().map(|it| it.name.as_str())),
        })
    }

    fn machine(&self, name: &MachineName) -> Result<&Machine, Error> {
        self.settings.machine(name).ok_or_else(|| Error::UnknownMachine {
            name: name.to_string(),
            known: list(self.settings.machines.iter().map(|it| it.name.as_str())),
        })
    }

    /// A client for the agent server of `machine`.
    ///
    /// # Errors
    /// When the machine is not in the configuration, or there is no token for it.
    pub fn client(&self, machine: &MachineName) -> Result<Client, Error> {
        let known = self.machine(machine)?;
        let token = match self.settings.tokens.get(machine) {
            Some(Ok(token)) => token.clone(),
            Some(Err(reason)) => {
                return Err(Error::Token { machine: machine.clone(), reason: reason.clone() });
            }
            None => {
                let reason = "the configuration names none".to_owned();
                return Err(Error::Token { machine: machine.clone(), reason });
            }
        };
        Client::new(&known.host, known.port, token).map_err(Error::agent(machine))
    }

    /// GitHub as this repo sees it; `None` for a repo of the local forge.
    async fn github(&self, name: &RepoName) -> Result<Option<GitHub>, Error> {
        let Some(there) = self.repo(name)?.forge.github() else { return Ok(None) };
        let broker = self.broker.get_or_try_init(|| self.open_broker(name)).await?;
        Ok(Some(GitHub::new(Arc::clone(broker), there.repo.clone())))
    }

    async fn open_broker(&self, name: &RepoName) -> Result<Arc<Broker>, Error> {
        let no_credential = |reason: String| Error::Credential { repo: name.clone(), reason };
        let known = self.settings.github.as_ref();
        let known = known.ok_or_else(|| no_credential("the configuration does not say how".to_owned()))?;
        let credential = known.credential.find().await.map_err(no_credential)?;
        let settings = broker::Settings {
            api_url: known.api_url.clone(),
            directory: self.settings.home.join("github"),
            clock: Arc::new(clock::now),
            patience: PATIENCE,
        };
        let broker = Broker::open(&credential, settings).map_err(Error::github(name, "reaching it"))?;
        Ok(Arc::new(broker))
    }

    /// What GitHub was last heard to allow, and what is paused; `None` when no repo is there, or nobody can speak to
    /// it. Nothing is sent for it.
    pub(crate) async fn github_standing(&self) -> Option<Result<Standing, String>> {
        let there = self.settings.repos.iter().find(|it| it.forge.github().is_some())?;
        let broker = self.broker.get_or_try_init(|| self.open_broker(&there.name)).await;
        Some(match broker {
            Ok(broker) => broker.standing().map_err(|error| chain(&error)),
            Err(error) => Err(chain(&error)),
        })
    }

    /// Where the commits of a repo come from and go to, as this machine knows it.
    async fn origin(&self, name: &RepoName) -> Result<String, Error> {
        let (repo, clone) = (self.repo(name)?.clone(), self.settings.clones.get(name).cloned());
        let found = blocking(move || origin(&repo, clone.as_deref())).await;
        found.map_err(|reason| Error::RepoUnusable { repo: name.clone(), reason })
    }

    /// The repo store, made at the first use.
    async fn store(&self, name: &RepoName) -> Result<Store, Error> {
        if let Some(store) = self.stores.lock().expect(UNPOISONED).get(name) {
            return Ok(store.clone());
        }
        let origin = self.origin(name).await?;
        let clone = self.settings.clones.get(name).cloned();
        let (git, home, repo) = (self.git.clone(), self.settings.home.clone(), name.clone());
        let store = blocking(move || {
            Store::open(&git, &home, &repo, &origin, clone.as_deref())
                .map_err(Error::git(&repo, "opening its store"))
        })
        .await?;
        Ok(self.stores.lock().expect(UNPOISONED).entry(name.clone()).or_insert(store).clone())
    }
}

/// The machine that has heard of a run.
fn machine_of(run: &Run) -> Result<&MachineName, Error> {
    run.machine().ok_or(Error::NotStarted(run.id))
}

/// How long a command waits for its turn to write to GitHub before it says when that will be.
const PATIENCE: Duration = Duration::from_secs(30);

const UNPOISONED: &str = "nothing panics while it holds the stores";

/// Where the commits of a repo come from and go to: what is configured, else the origin of the user's clone.
///
/// # Errors
/// Why it is not known.
pub fn origin(repo: &Repo, clone: Option<&Utf8Path>) -> Result<String, String> {
    match (&repo.origin, clone) {
        (Some(origin), _) => Ok(origin.clone()),
        (None, Some(clone)) => coord_git::clone::origin_of(clone)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("its clone at {clone} has no remote called `origin`")),
        (None, None) => Err("neither an `origin` nor a clone on this machine is configured".to_owned()),
    }
}

/// Runs what blocks (git, files) beside the event loop.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(broken) => std::panic::resume_unwind(broken.into_panic()),
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// An error with everything beneath it, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text.push_str(": ");
        text.push_str(&error.to_string());
        below = error.source();
    }
    text
}

/// A number of things in words: `1 stash`, `2 stashes`.
fn counted(number: usize, noun: &str) -> String {
    let end = match (number, noun.ends_with("sh")) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {noun}{end}")
}
