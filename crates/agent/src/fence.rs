//! The highest fence seen for each task, which outlives the server: a start under an older one is refused.
//!
//! What must hold: nobody is told that a fence was accepted before it is on disk. Starts that arrive together
//! share one write.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use camino::Utf8PathBuf;
use coord_core::task::TaskRef;
use fs_err as fs;

use crate::durable;

/// The highest fence of every task this server has heard of.
#[derive(Debug)]
pub(crate) struct Fences {
    path: Utf8PathBuf,
    known: Mutex<Known>,
    /// The version of `known` that is on disk; held while writing.
    written: tokio::sync::Mutex<u64>,
}

#[derive(Debug)]
struct Known {
    highest: BTreeMap<TaskRef, u64>,
    version: u64,
}

/// Whether a fence was accepted.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Raised {
    /// None higher was seen, and this one is on disk.
    Accepted,
    /// A higher one was seen.
    Older {
        /// The highest so far.
        highest: u64,
    },
}

impl Fences {
    /// Reads what was seen before. A file that cannot be understood is an error: without it, a superseded
    /// start could not be told from a new one.
    pub(crate) fn open(path: Utf8PathBuf) -> io::Result<Self> {
        let highest = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("`{path}`: {error}")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let known = Mutex::new(Known { highest, version: 0 });
        Ok(Self { path, known, written: tokio::sync::Mutex::new(0) })
    }

    /// Accepts `fence` for `task` unless a higher one was seen. Must not be cancelled half way.
    pub(crate) async fn raise(&self, task: &TaskRef, fence: u64) -> io::Result<Raised> {
        let wanted = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let highest = known.highest.get(task).copied();
            if let Some(highest) = highest.filter(|highest| *highest > fence) {
                return Ok(Raised::Older { highest });
            }
            if highest != Some(fence) {
                known.highest.insert(task.clone(), fence);
                known.version += 1;
            }
            known.version
        };
        let mut written = self.written.lock().await;
        if *written < wanted {
            let (version, text) = {
                let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                (known.version, serde_json::to_vec(&known.highest).map_err(io::Error::other)?)
            };
            let path = self.path.clone();
            tokio::task::spawn_blocking(move || durable::write(&path, &text)).await??;
            *written = version;
        }
        Ok(Raised::Accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fence_only_grows_per_task_and_survives_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("fences.json")).unwrap();
        let (one, two): (TaskRef, TaskRef) = ("api#1".parse().unwrap(), "api#2".parse().unwrap());
        let fences = Fences::open(path.clone()).unwrap();
        assert_eq!(fences.raise(&one, 7).await.unwrap(), Raised::Accepted);
        assert_eq!(fences.raise(&one, 7).await.unwrap(), Raised::Accepted);
        assert_eq!(fences.raise(&one, 6).await.unwrap(), Raised::Older { highest: 7 });
        let again = Fences::open(path).unwrap();
        assert_eq!(again.raise(&one, 6).await.unwrap(), Raised::Older { highest: 7 });
        assert_eq!(again.raise(&two, 1).await.unwrap(), Raised::Accepted);
    }

    #[test]
    fn a_damaged_file_is_not_taken_for_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("fences.json")).unwrap();
        fs::write(&path, "{\"api#1\":").unwrap();
        assert!(Fences::open(path).unwrap_err().to_string().contains("fences.json"));
    }
}
