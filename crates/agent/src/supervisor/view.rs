//! What is said of a run, from what its directory holds. Nothing of an ended run is kept in memory.

use std::io;
use std::time::SystemTime;

use coord_core::id::RunId;
use coord_core::name::RuntimeName;
use coord_core::run::{RunEnd, RunKind, RunState};
use coord_core::task::TaskRef;
use coord_proto::run::{RunSpec, RunView};
use fs_err as fs;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::layout::{Home, RunDir};
use crate::order::LogGone;
use crate::stream;

/// What is read of a spec for a list: everything but the texts.
#[derive(Debug, Deserialize)]
struct Head {
    kind: RunKind,
    task: TaskRef,
    runtime: RuntimeName,
}

/// Reads a JSON file; `None` when it does not exist.
pub(super) fn read<T: DeserializeOwned>(path: &camino::Utf8Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("`{path}`: {error}"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The spec of a run; `None` when the run is not known here.
pub(super) fn spec(dir: &RunDir) -> io::Result<Option<RunSpec>> {
    read(&dir.spec())
}

/// A run that nothing is done for any more; `None` when it is not known here.
pub(super) fn of_ended(home: &Home, run: RunId) -> io::Result<Option<RunView>> {
    let dir = home.run(run);
    let Some(Head { kind, task, runtime }) = read(&dir.spec())? else { return Ok(None) };
    let state = match read::<RunEnd>(&dir.exit())? {
        Some(end) => RunState::Ended(Box::new(end)),
        None => RunState::Preparing,
    };
    let last_event = match read::<LogGone>(&dir.gone())? {
        Some(gone) => gone.events,
        None => stream::tail(&dir.log())?.number,
    };
    let view = RunView {
        run,
        kind,
        task,
        runtime,
        state,
        last_event,
        pid: None,
        status: None,
        confidence: None,
        stuck: None,
        account: None,
        windows: Vec::new(),
        questions: Vec::new(),
        held: None,
        worktree: None,
        unpushed: read(&dir.unpushed())?,
        pushed_at: read(&dir.pushed())?,
        session: None,
    };
    Ok(Some(view))
}

/// The ids of all runs, newest first.
pub(super) fn ids(home: &Home) -> io::Result<Vec<RunId>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(home.runs())? {
        let Some(run) = entry?.file_name().to_str().and_then(|it| it.parse::<RunId>().ok()) else { continue };
        if let Ok(metadata) = fs::metadata(home.run(run).spec()) {
            found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), run));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found.into_iter().map(|(_, run)| run).collect())
}
