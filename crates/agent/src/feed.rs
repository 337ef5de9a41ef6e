//! The server's own feed: one numbered line for each run that started or ended here, for one connection per
//! coordinator instead of polling. It only says where to look: the runs' own records are the truth.
//!
//! What must hold: entry *n* is line *n* of the file, across restarts; of a run, each thing is told once, whichever
//! server hears of it again.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::sync::{Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::id::RunId;
use coord_core::run::RunState;
use coord_proto::event::FeedEntry;
use fs_err as fs;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::stream;

/// The feed, open for appending.
#[derive(Debug)]
pub(crate) struct Feed {
    path: Utf8PathBuf,
    file: Mutex<Appending>,
    last: watch::Sender<u64>,
}

/// The file, and what has been told of runs that are not over.
#[derive(Debug)]
struct Appending {
    file: fs::File,
    told: BTreeSet<(RunId, String)>,
}

/// What is told of a run whose commits came to origin after its end.
const PUSHED: &str = "pushed";

impl Feed {
    /// Opens the feed where it was left; a line that was torn by a crash is cut off.
    pub(crate) fn open(path: Utf8PathBuf) -> io::Result<Self> {
        let file = fs::OpenOptions::new().read(true).create(true).append(true).open(&path)?;
        let tail = stream::tail(&path)?;
        file.set_len(tail.whole)?;
        let file = Mutex::new(Appending { file, told: BTreeSet::new() });
        Ok(Self { path, file, last: watch::Sender::new(tail.number) })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// How far it goes.
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Recalls what servers before this one have told of these runs.
    pub(crate) fn recall(&self, runs: &BTreeSet<RunId>) -> io::Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        let mut appending = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        for line in BufReader::new(fs::File::open(&self.path)?).split(b'\n') {
            // A line of a newer version that is not understood is told again, which is the lesser evil.
            if let Ok(entry) = serde_json::from_slice::<FeedEntry>(&line?)
                && runs.contains(&entry.run)
            {
                appending.told.insert((entry.run, entry.state));
            }
        }
        Ok(())
    }

    /// Says that `run` is now in `state`, unless that has been said.
    pub(crate) fn say(&self, at: Timestamp, run: RunId, state: &RunState) -> io::Result<()> {
        let outcome = state.end().map(|end| end.outcome.as_str().to_owned());
        self.write(at, run, state.as_str(), outcome)
    }

    /// Says that the commits of `run`, which has ended, are on origin now.
    pub(crate) fn say_pushed(&self, at: Timestamp, run: RunId) -> io::Result<()> {
        self.write(at, run, PUSHED, None)
    }

    fn write(&self, at: Timestamp, run: RunId, state: &str, outcome: Option<String>) -> io::Result<()> {
        let mut appending = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if appending.told.contains(&(run, state.to_owned())) {
            return Ok(());
        }
        let n = *self.last.borrow() + 1;
        let ended = outcome.is_some();
        let entry = FeedEntry { n, at, run, state: state.to_owned(), outcome };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        appending.file.write_all(&line)?;
        appending.told.insert((run, entry.state));
        if ended {
            // Nothing more comes that could be told twice.
            appending.told.retain(|(of, _)| *of != run);
        }
        self.last.send_replace(n);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_a_restart_and_a_torn_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("feed.ndjson")).unwrap();
        let run = RunId::from_random(7);
        let feed = Feed::open(path.clone()).unwrap();
        feed.say(Timestamp::UNIX_EPOCH, run, &RunState::Preparing).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"n\":2,\"at").unwrap();
        let feed = Feed::open(path.clone()).unwrap();
        feed.say(Timestamp::UNIX_EPOCH, run, &RunState::Finishing).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let entries: Vec<FeedEntry> = text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(entries.iter().map(|it| it.n).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(entries[1].state, "finishing");
        feed.recall(&[run].into()).unwrap();
        for state in [RunState::Preparing, RunState::Finishing] {
            feed.say(Timestamp::UNIX_EPOCH, run, &state).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing is told twice");
    }
}
