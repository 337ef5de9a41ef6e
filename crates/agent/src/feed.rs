//! The server's own feed: one numbered line for each run that started or ended here, for one connection per
//! coordinator instead of polling. It only says where to look: the runs' own records are the truth.
//!
//! What must hold: entry *n* is line *n* of the file, across restarts.

use std::io::{self, Write as _};
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
    file: Mutex<fs::File>,
    last: watch::Sender<u64>,
}

impl Feed {
    /// Opens the feed where it was left; a line that was torn by a crash is cut off.
    pub(crate) fn open(path: Utf8PathBuf) -> io::Result<Self> {
        let file = fs::OpenOptions::new().read(true).create(true).append(true).open(&path)?;
        let tail = stream::tail(&path)?;
        file.set_len(tail.whole)?;
        Ok(Self { path, file: Mutex::new(file), last: watch::Sender::new(tail.number) })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// How far it goes.
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Says that `run` is now in `state`.
    pub(crate) fn say(&self, at: Timestamp, run: RunId, state: &RunState) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let n = *self.last.borrow() + 1;
        let outcome = state.end().map(|end| end.outcome.as_str().to_owned());
        let entry = FeedEntry { n, at, run, state: state.as_str().to_owned(), outcome };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        file.write_all(&line)?;
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
    }
}
