//! What a credential keeps on disk: its ledger and its cache, side by side in a directory of its own.

use std::io;
use std::sync::Arc;

use camino::Utf8PathBuf;
use jiff::{SignedDuration, Timestamp};

use crate::github::broker::Age;
use crate::github::cache::{Bound, Cache, Entry, private_directory};
use crate::github::error::GitHubError;
use crate::github::ledger::Ledger;

/// Ledger and cache of one credential.
#[derive(Debug, Clone)]
pub(crate) struct Shelf(Arc<Kept>);

#[derive(Debug)]
pub(crate) struct Kept {
    directory: Utf8PathBuf,
    pub(crate) ledger: Ledger,
    pub(crate) cache: Cache,
}

impl Shelf {
    /// Opens the shelf in `directory`, which is made if it is not there.
    pub(crate) fn open(directory: Utf8PathBuf) -> Result<Self, GitHubError> {
        let answers = directory.join("answers");
        if let Err(source) = private_directory(&answers) {
            return Err(GitHubError::Local { path: directory, source });
        }
        let ledger = Ledger::new(&directory);
        Ok(Self(Arc::new(Kept { ledger, cache: Cache::new(answers, Bound::USUAL), directory })))
    }

    /// Does something with it where blocking holds nobody up.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Kept) -> Result<T, GitHubError> + Send + 'static,
    ) -> Result<T, GitHubError> {
        let kept = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || work(&kept)).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(GitHubError::Local {
                    path: self.0.directory.clone(),
                    source: io::Error::from(cancelled),
                }),
            },
        }
    }

    /// What is known without waiting.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }
}

impl Kept {
    /// Whether `entry` is young enough, and was true after the last write of this credential.
    pub(crate) fn is_fresh(&self, entry: &Entry, age: Age, now: Timestamp) -> Result<bool, GitHubError> {
        let most = match (age, &entry.body) {
            (Age::Now, _) | (Age::Within(_), Err(_)) => return Ok(false),
            (Age::Within(most) | Age::WithinOrRefused { answer: most, .. }, Ok(_)) => most,
            (Age::WithinOrRefused { refusal: most, .. }, Err(_)) => most,
        };
        let Ok(most) = SignedDuration::try_from(most) else { return Ok(false) };
        let old = now.duration_since(entry.known);
        if old.is_negative() || old > most {
            return Ok(false);
        }
        Ok(self.ledger.read()?.wrote().is_none_or(|wrote| wrote < entry.known))
    }
}
