//! When somebody last looked at rescued work: what nobody ever looked at is kept for much longer.
//!
//! It outlives the server in `agent/looked.json`. An entry for work that is gone is dropped with it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use camino::Utf8PathBuf;
use coord_core::id::RunId;
use fs_err as fs;
use jiff::Timestamp;

use crate::durable;

/// When somebody looked at whose work.
#[derive(Debug)]
pub(crate) struct Looked {
    path: Utf8PathBuf,
    at: Mutex<BTreeMap<RunId, Timestamp>>,
}

impl Looked {
    /// Reads what was noted before. A file that cannot be understood counts as empty: work that seems never to have
    /// been looked at is kept the longer for it.
    pub(crate) fn open(path: Utf8PathBuf) -> io::Result<Self> {
        let at = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, at: Mutex::new(at) })
    }

    /// When somebody last looked at the work of `run`.
    pub(crate) fn at(&self, run: RunId) -> Option<Timestamp> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).get(&run).copied()
    }

    /// Notes that somebody looks at it now.
    pub(crate) fn look(&self, run: RunId, now: Timestamp) -> io::Result<()> {
        self.write(|it| {
            it.insert(run, now);
        })
    }

    fn write(&self, change: impl FnOnce(&mut BTreeMap<RunId, Timestamp>)) -> io::Result<()> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut at);
        durable::write(&self.path, &serde_json::to_vec(&*at)?)
    }
}
