//! Everything that is sent to GitHub with one credential goes through its broker.
//!
//! What must hold: nothing is sent while a pause or an open circuit says so, in any process that shares the
//! credential; every write is counted before it is sent and is sent once, unless it surely never left; the
//! credential never goes to another host. Reads are tried again a few times here and nowhere else.
//!
//! Deliberately absent: what is asked and why. This file knows paths, ages and bodies.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use camino::Utf8PathBuf;
use http::{Method, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::NOTICE;
use crate::github::address::{Address, within_repo};
use crate::github::answer::Answer;
use crate::github::budget::{Claim, Heard, Standing};
use crate::github::cache::Entry;
use crate::github::connection::Connection;
use crate::github::credential::Credential;
use crate::github::error::{GitHubError, quoted};
use crate::github::exchange::{Request, exchange};
use crate::github::meaning::{Meaning, understand};
use crate::github::refusal::Refusal;
use crate::github::shelf::{Kept, Shelf};

/// How often a read is tried again, and a write that never left.
const RETRIES: u32 = 2;
/// About how long the first of these waits; the next one waits three times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How often one request is sent on to where GitHub points.
const REDIRECTS: usize = 3;
/// How many items a page has: the most that GitHub gives.
const PAGE: usize = 100;
/// How many pages are read of one list.
const PAGES: usize = 100;

/// Tells the time. Everything of a broker that asks for it asks here.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How old an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// GitHub is asked, if only whether what is known is still true.
    Now,
    /// What was true this long ago will do, and costs no request. Nothing that a write of this credential may
    /// have changed is ever taken.
    Within(Duration),
    /// The same, but that GitHub refused may be longer ago than an answer. A refusal counts at every look, since
    /// GitHub cannot be asked whether it has changed.
    WithinOrRefused {
        /// How old an answer may be.
        answer: Duration,
        /// How old a refusal may be.
        refusal: Duration,
    },
}

impl Age {
    /// The same, for what GitHub may well refuse, and then for good: a refusal may be as old as `refusal` unless
    /// it is to be asked now.
    pub(crate) fn or_refused(self, refusal: Duration) -> Self {
        match self {
            Self::Now => Self::Now,
            Self::Within(answer) | Self::WithinOrRefused { answer, .. } => {
                Self::WithinOrRefused { answer, refusal }
            }
        }
    }
}

/// Where a broker finds GitHub and keeps its state.
pub struct Settings {
    /// `https://api.github.com`, or the address of an Enterprise server's API.
    pub api_url: String,
    /// The directory that has one directory for each credential.
    pub directory: Utf8PathBuf,
    /// Tells the time.
    pub clock: Clock,
    /// How long a write may wait for its turn within the budget.
    pub patience: Duration,
}

/// The one place through which a credential speaks to GitHub.
pub struct Broker {
    connection: Connection,
    address: Address,
    shelf: Shelf,
    clock: Clock,
    patience: Duration,
    app: Option<u64>,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What is known of an address before GitHub is asked.
enum Found {
    Fresh(Entry),
    Ask(Option<Entry>),
}

impl Broker {
    /// The broker of `credential`. Must be called within a tokio runtime, and ends with it.
    ///
    /// # Errors
    /// [`GitHubError::Configuration`], [`GitHubError::Local`].
    pub fn open(credential: &Credential, settings: Settings) -> Result<Self, GitHubError> {
        let Settings { api_url, directory, clock, patience } = settings;
        let address = Address::parse(&api_url)?;
        let shelf = Shelf::open(directory.join(credential.id(&api_url)))?;
        let connection = Connection::new(credential, api_url)?;
        Ok(Self { connection, address, shelf, clock, patience, app: credential.app() })
    }

    /// What is left to this credential, and what holds it up, without asking.
    ///
    /// # Errors
    /// [`GitHubError::Local`].
    pub fn standing(&self) -> Result<Standing, GitHubError> {
        Ok(self.shelf.ledger().read()?.standing((self.clock)()))
    }

    /// The App's id, when the credential is an installation of one.
    pub(crate) fn app(&self) -> Option<u64> {
        self.app
    }

    /// Notes whose credential it is.
    pub(crate) async fn belongs_to(&self, login: String) -> Result<(), GitHubError> {
        self.shelf.run(move |kept| kept.ledger.update(|budget| budget.belongs_to(&login))).await
    }

    /// Reads `path`, following GitHub to where it has moved.
    pub(crate) async fn get(&self, path: &str, age: Age) -> Result<Answer, GitHubError> {
        let at = format!("GET {path}");
        let mut path = path.to_owned();
        for hop in 0..=REDIRECTS {
            match self.read(&at, &path, age).await? {
                Ok(answer) => return Ok(answer.found_at(hop)),
                Err(to) => path = self.follow(&at, &to)?,
            }
        }
        Err(endless(at, &path))
    }

    /// Reads a list with all its pages. `items` finds the items of a page.
    ///
    /// A list that changes while it is read may show an item twice or, when one before it went away, not at
    /// all: the next look has it.
    pub(crate) async fn get_all<T>(
        &self,
        path: &str,
        age: Age,
        items: impl Fn(&Answer) -> Result<Vec<T>, GitHubError>,
    ) -> Result<Vec<T>, GitHubError> {
        let at = format!("GET {path}");
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}per_page={PAGE}");
        // With the newest first, whatever is added changes the first page, and so the way to the next ones.
        let grows_at_its_end = !path.contains("direction=desc");
        let mut all = Vec::new();
        let mut path = first.clone();
        for number in 1..=PAGES {
            let answer = self.get(&path, age).await?;
            let page = items(&answer)?;
            // A full page that has not changed does not know of one that was begun after it.
            let may_have_more = grows_at_its_end && answer.known && page.len() == PAGE;
            all.extend(page);
            path = match &answer.next {
                Some(next) => self.follow(&at, next)?,
                None if may_have_more => format!("{first}&page={}", number + 1),
                None => return Ok(all),
            };
        }
        Err(GitHubError::TooMany { at, pages: PAGES })
    }

    /// Sends a write, once. It is sent on to a repository that was renamed, and to nothing else: what has
    /// another number there is not what was meant.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, GitHubError> {
        let at = format!("{method} {path}");
        let body = body.map(|it| Bytes::from(it.to_string()));
        self.claim().await?;
        let mut path = path.to_owned();
        for _ in 0..=REDIRECTS {
            let absolute = self.address.absolute(&path);
            let request = Request { method: &method, path: &absolute, etag: None, body: body.as_ref() };
            match self.ask(&at, request).await? {
                Meaning::Done(reply) => {
                    return Ok(Answer::written(at, reply.body));
                }
                Meaning::Elsewhere(to) => {
                    let there = self.follow(&at, &to)?;
                    if within_repo(&there) != within_repo(&path) {
                        return Err(GitHubError::Moved { at, to: quoted(&to) });
                    }
                    path = there;
                }
                Meaning::Unchanged(_) => return Err(unasked(at)),
            }
        }
        Err(endless(at, &path))
    }

    /// One read. What it gives instead of an answer is where that lies.
    async fn read(&self, at: &str, path: &str, age: Age) -> Result<Result<Answer, String>, GitHubError> {
        let known = match self.find(path, age).await? {
            Found::Fresh(entry) => return Answer::kept(at, entry).map(Ok),
            Found::Ask(known) => known,
        };
        let asked = (self.clock)();
        let absolute = self.address.absolute(path);
        let etag = known.as_ref().and_then(|it| it.etag.as_deref());
        let request = Request { method: &Method::GET, path: &absolute, etag, body: None };
        let meaning = self.ask(at, request).await;
        if let (Err(error), Age::WithinOrRefused { .. }) = (&meaning, age)
            && let Some(refusal) = Refusal::of(error)
        {
            self.keep(path, Entry { etag: None, next: None, body: Err(refusal), known: asked }).await?;
        }
        match meaning? {
            Meaning::Done(reply) => {
                let next = reply.next().map(str::to_owned);
                let etag = reply.header(header::ETAG.as_str()).map(str::to_owned);
                let body = reply.body;
                let entry = Entry { etag, next: next.clone(), body: Ok(body.clone()), known: asked };
                self.keep(path, entry).await?;
                Ok(Ok(Answer::fresh(at, body, next)))
            }
            Meaning::Unchanged(reply) => {
                let entry = known.ok_or_else(|| unasked(at.to_owned()))?;
                self.confirm(path, asked).await?;
                let next = reply.next().map(str::to_owned).or(entry.next);
                Answer::kept(at, Entry { next, ..entry }).map(Ok)
            }
            Meaning::Elsewhere(to) => Ok(Err(to)),
        }
    }

    /// Sends a request until it is answered or further tries are of no use. Only what changes nothing is sent
    /// again: a read, or a write that never left.
    async fn ask(&self, at: &str, request: Request<'_>) -> Result<Meaning, GitHubError> {
        let client = self.connection.client().await?;
        let mut tries = 0;
        loop {
            let outcome = exchange(client, request).await;
            let now = (self.clock)();
            let (meaning, heard) = understand(at, *request.method != Method::GET, outcome, now);
            self.hear(at, heard, now).await?;
            match meaning {
                Err(error) if tries < RETRIES && is_worth_another_try(&error) => {
                    tries += 1;
                    let pause = FIRST_PAUSE * 3u32.pow(tries - 1);
                    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                    if self.admit().await.is_err() {
                        return Err(error);
                    }
                }
                meaning => return meaning,
            }
        }
    }

    /// Takes a young enough answer, or the permission to ask.
    async fn find(&self, path: &str, age: Age) -> Result<Found, GitHubError> {
        let (path, now) = (path.to_owned(), (self.clock)());
        self.shelf
            .run(move |kept| {
                let known = kept.cache.load(&path);
                match known {
                    Some(entry) if kept.is_fresh(&entry, age, now)? => Ok(Found::Fresh(entry)),
                    known => {
                        kept.ledger.update(|budget| budget.admit(now))??;
                        Ok(Found::Ask(known))
                    }
                }
            })
            .await
    }

    async fn admit(&self) -> Result<(), GitHubError> {
        let now = (self.clock)();
        self.shelf.run(move |kept| kept.ledger.update(|budget| budget.admit(now))?).await
    }

    /// Waits for a write's turn, for as long as there is patience.
    async fn claim(&self) -> Result<(), GitHubError> {
        let draw = fastrand::f64();
        let begun = (self.clock)();
        let mut waits = false;
        loop {
            let clock = Arc::clone(&self.clock);
            let claim = move |kept: &Kept| {
                kept.ledger.update(|budget| {
                    let now = clock();
                    (now, budget.claim(now, draw))
                })
            };
            let (now, until) = match self.shelf.run(claim).await? {
                (_, Claim::Granted) => return Ok(()),
                (_, Claim::Refused(error)) => return Err(error),
                (now, Claim::Later(until)) => (now, until),
            };
            let patient = SignedDuration::try_from(self.patience).is_ok_and(|it| until <= begun + it);
            if !patient {
                return Err(GitHubError::WriteBudget { until });
            }
            if !waits {
                tracing::warn!(
                    target: NOTICE,
                    "the budget of writes to GitHub is nearly used up: waiting for a turn until {until:.0}"
                );
            }
            waits = true;
            tokio::time::sleep(until.duration_since(now).unsigned_abs()).await;
        }
    }

    /// Notes what a request taught. An error is the pause that GitHub asks for: what was done is done, even
    /// when that could not be noted.
    async fn hear(&self, at: &str, heard: Heard, now: Timestamp) -> Result<(), GitHubError> {
        let noted = self.shelf.run(move |kept| kept.ledger.update(|budget| budget.hear(now, heard))).await;
        match noted {
            Ok(Ok(())) => Ok(()),
            Ok(Err(pause)) => {
                tracing::warn!(at, "{pause}");
                Err(pause)
            }
            Err(error) => {
                tracing::warn!(at, error = &error as &dyn std::error::Error, "an answer is not counted");
                Ok(())
            }
        }
    }

    /// Keeps an answer for later. One that cannot be kept is as good.
    async fn keep(&self, path: &str, entry: Entry) -> Result<(), GitHubError> {
        let path = path.to_owned();
        self.shelf
            .run(move |kept| {
                if let Err(error) = kept.cache.store(&path, &entry) {
                    tracing::warn!(path, %error, "an answer of GitHub's cannot be kept");
                }
                Ok(())
            })
            .await
    }

    async fn confirm(&self, path: &str, known: Timestamp) -> Result<(), GitHubError> {
        let path = path.to_owned();
        self.shelf
            .run(move |kept| {
                if let Err(error) = kept.cache.confirm(&path, known) {
                    tracing::warn!(path, %error, "an answer of GitHub's cannot be kept");
                }
                Ok(())
            })
            .await
    }

    /// The path that `to` means, if it is below the API's address.
    fn follow(&self, at: &str, to: &str) -> Result<String, GitHubError> {
        let moved = || GitHubError::Moved { at: at.to_owned(), to: quoted(to) };
        self.address.relative(to).ok_or_else(moved)
    }
}

/// Whether it may go better in a moment. Of a write's outcomes only the one that never left is among these.
fn is_worth_another_try(error: &GitHubError) -> bool {
    matches!(
        error,
        GitHubError::Unreachable { .. }
            | GitHubError::Truncated { .. }
            | GitHubError::Malformed { .. }
            | GitHubError::Server { status: 502..=504, .. }
    )
}

fn unasked(at: String) -> GitHubError {
    GitHubError::Refused { at, status: 304, message: "nothing was known before".to_owned() }
}

fn endless(at: String, path: &str) -> GitHubError {
    GitHubError::Moved { at, to: format!("`{path}`, and from there on and on") }
}
