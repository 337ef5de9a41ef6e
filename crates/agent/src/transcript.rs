//! The transcript of a worker's session: where it is, a copy that is kept with the run, and putting one where a
//! session is gone on with.
//!
//! It is the runtime's own file and is only ever copied as a whole. It holds everything that the worker saw, so a
//! copy is without the secrets that the worker was given, for its owner alone, and goes when its run's directory goes.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::again::Transcript;
use coord_proto::run::TRANSCRIPT_LIMIT;
use fs_err as fs;

use crate::durable;
use crate::layout::RunDir;
use crate::log::secrets::Secrets;
use crate::order::Order;
use crate::runtime;

/// Where the runtime looks for the transcript of one session; `None` where coord does not know.
#[derive(Debug)]
pub(crate) struct Seat {
    place: Option<Utf8PathBuf>,
    /// What is left out of a copy.
    secrets: Secrets,
}

/// What became of a transcript that was to be copied.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Copied {
    Whole,
    /// There is none.
    Nothing,
    /// It has more bytes than are kept.
    TooLong(u64),
}

impl Seat {
    /// `None` for a runtime that is not known, and for a session that is none: it becomes part of a path.
    pub(crate) fn of(order: &Order, session: &str) -> Option<Self> {
        let plain = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
        if session.is_empty() || session.len() > 100 || !session.chars().all(plain) {
            return None;
        }
        let runtime = runtime::named(&order.spec.runtime)?;
        let place = runtime.transcript(&order.environment, &order.worktree, session);
        Some(Self { place, secrets: Secrets::of(&order.environment) })
    }

    /// What is left of the session here.
    pub(crate) fn look(&self, dir: &RunDir) -> Transcript {
        let Some(place) = &self.place else { return Transcript::Unseen };
        if place.is_file() {
            Transcript::InPlace
        } else if dir.transcript().is_file() {
            Transcript::Kept
        } else {
            Transcript::Gone
        }
    }

    /// Keeps a copy with the run, in place of one that is there.
    pub(crate) fn keep(&self, dir: &RunDir) -> io::Result<Copied> {
        let keep = |place| copy(place, &dir.transcript(), &self.secrets);
        self.place.as_deref().map_or(Ok(Copied::Nothing), keep)
    }

    /// Puts the transcript that lies at `from` where the runtime looks for it, unless one is there already.
    pub(crate) fn fill(&self, from: &Utf8Path) -> io::Result<Copied> {
        // The runtime will say whether it has it.
        let Some(place) = &self.place else { return Ok(Copied::Whole) };
        if place.is_file() {
            return Ok(Copied::Whole);
        }
        if let (true, Some(parent)) = (from.is_file(), place.parent()) {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        copy(from, place, &self.secrets)
    }
}

fn copy(from: &Utf8Path, to: &Utf8Path, secrets: &Secrets) -> io::Result<Copied> {
    let length = match fs::metadata(from) {
        Ok(it) => it.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Copied::Nothing),
        Err(error) => return Err(error),
    };
    if length > TRANSCRIPT_LIMIT {
        return Ok(Copied::TooLong(length));
    }
    durable::write(to, &secrets.strike(&fs::read(from)?))?;
    Ok(Copied::Whole)
}
