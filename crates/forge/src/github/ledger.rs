//! The budget of a credential on disk, where every process that uses the credential finds it.
//!
//! A change is read, decided and written under a file lock that excludes other processes and other threads
//! alike, and is on disk before it has an effect: what was counted stays counted after a crash. All of it
//! blocks, for no longer than a small file takes.

use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use crate::github::budget::Budget;
use crate::github::error::GitHubError;

/// Where the budget is kept.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    lock: Utf8PathBuf,
    state: Utf8PathBuf,
}

impl Ledger {
    /// The ledger in `directory`, which exists.
    pub(crate) fn new(directory: &Utf8Path) -> Self {
        Self { lock: directory.join("state.lock"), state: directory.join("state.json") }
    }

    /// What is known, without waiting for anybody.
    pub(crate) fn read(&self) -> Result<Budget, GitHubError> {
        self.load().map_err(|source| self.unusable(source))
    }

    /// Changes it. `change` runs alone.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Budget) -> T) -> Result<T, GitHubError> {
        self.change(change).map_err(|source| self.unusable(source))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Budget) -> T) -> io::Result<T> {
        let lock = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&self.lock)?;
        lock.lock()?;
        let before = self.load()?;
        let mut budget = before.clone();
        let answer = change(&mut budget);
        if budget != before {
            self.write(&budget)?;
        }
        drop(lock);
        Ok(answer)
    }

    fn load(&self) -> io::Result<Budget> {
        match fs::read(&self.state) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Budget::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file: a crash leaves the old state or the new one.
    fn write(&self, budget: &Budget) -> io::Result<()> {
        let scratch = self.state.with_extension("new");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&scratch)?;
        file.write_all(&serde_json::to_vec(budget)?)?;
        file.sync_data()?;
        fs::rename(&scratch, &self.state)
    }

    fn unusable(&self, source: io::Error) -> GitHubError {
        GitHubError::Local { path: self.state.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::thread;

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::github::budget::{Claim, Heard, Sign, WRITES_PER_HOUR, WRITES_PER_MINUTE};
    use crate::github::error::LimitKind;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
    }

    fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        (directory, path)
    }

    #[test]
    fn two_that_share_a_directory_share_the_minute_and_the_hour() {
        let (_held, directory) = directory();
        let clock = AtomicI64::new(0);
        let write = || {
            let ledger = Ledger::new(&directory);
            let mut writes = Vec::new();
            for _ in 0..400 {
                let claimed = ledger.update(|budget| {
                    let now = at(clock.fetch_add(40, Ordering::SeqCst));
                    match budget.claim(now, 0.0) {
                        Claim::Granted => writes.push(now),
                        Claim::Later(until) => {
                            let ahead = until.duration_since(at(0)).as_millis();
                            clock.fetch_max(i64::try_from(ahead).unwrap(), Ordering::SeqCst);
                        }
                        Claim::Refused(error) => panic!("{error}"),
                    }
                });
                claimed.unwrap();
            }
            writes
        };
        let mut writes = thread::scope(|scope| {
            let other = scope.spawn(write);
            let mut writes = write();
            writes.extend(other.join().unwrap());
            writes
        });
        writes.sort();
        assert!(writes.len() > WRITES_PER_MINUTE, "{} writes", writes.len());
        for (most, span) in [(WRITES_PER_MINUTE, 60), (WRITES_PER_HOUR, 3600)] {
            for window in writes.windows(most + 1) {
                assert!(window[most].duration_since(window[0]) > SignedDuration::from_secs(span));
            }
        }
    }

    #[test]
    fn a_pause_is_there_for_who_comes_later() {
        let (_held, directory) = directory();
        let sign = Sign::Limited(LimitKind::Primary, Some(SignedDuration::from_secs(90)));
        let heard = Heard { write: false, quota: None, scopes: None, sign };
        Ledger::new(&directory).update(|budget| budget.hear(at(0), heard)).unwrap().unwrap_err();
        let later = Ledger::new(&directory);
        later.update(|budget| budget.admit(at(89_000))).unwrap().expect_err("a second is left");
        later.update(|budget| budget.admit(at(90_000))).unwrap().expect("it is over");
    }

    #[test]
    fn a_state_that_cannot_be_read_is_said_and_not_taken_for_a_fresh_one() {
        let (_held, directory) = directory();
        fs::write(directory.join("state.json"), "{\"writes\":[\"20").unwrap();
        let error = Ledger::new(&directory).update(|budget| budget.admit(at(0))).unwrap_err();
        assert!(error.to_string().contains("state.json"), "{error}");
    }
}
