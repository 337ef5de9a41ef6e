//! Guarding what a run uses of its machine: noticing that the kernel had to keep a limit, and looking at what
//! nobody keeps.
//!
//! A limit that is reached ends the run, whoever notices. What is looked at can be exceeded by what is used
//! between two looks, which is why it is called advisory.

use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::limits::{Limit, Resource};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::contain::{Caps, Census};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Measuring a worktree may take one part in this many of all time.
const SHARE: u32 = 20;

/// What guards one run.
#[derive(Debug)]
pub(super) struct Guard {
    caps: Caps,
    census: Census,
    next: Instant,
    worktree: Option<Measured>,
}

/// A worktree whose size is measured again and again, apart from everything else.
#[derive(Debug)]
struct Measured {
    grown: watch::Receiver<u64>,
    measuring: JoinHandle<()>,
}

impl Guard {
    /// Begins now. The worktree is what it is before anything has run.
    pub(super) fn begin(caps: Caps, worktree: &Utf8Path) -> Self {
        let measured = caps.watched().any(|it| it.of == Resource::Disk);
        let worktree = measured.then(|| Measured::begin(worktree.to_owned()));
        Self { caps, census: Census::default(), next: Instant::now() + EVERY, worktree }
    }

    /// When to look, if there is anything to look at.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.caps.is_empty()).then_some(self.next)
    }

    /// The limit that has been reached, if one has.
    ///
    /// # Errors
    /// When the machine's processes cannot be listed.
    pub(super) fn look(&mut self) -> io::Result<Option<Limit>> {
        self.next = Instant::now() + EVERY;
        if let Some(hit) = self.caps.hit() {
            return Ok(Some(hit));
        }
        if self.caps.watched().next().is_none() {
            return Ok(None);
        }
        let count = self.census.count()?;
        let grown = self.worktree.as_ref().map_or(0, |it| *it.grown.borrow());
        Ok(self.caps.watched().find(|limit| {
            let used = match limit.of {
                Resource::Memory => count.memory,
                Resource::Processes => count.processes,
                Resource::Disk => count.written.max(grown),
            };
            used > limit.at
        }))
    }

    /// The limit that the kernel has had to keep by the time that everything has ended.
    pub(super) fn hit(&self) -> Option<Limit> {
        self.caps.hit()
    }
}

impl Measured {
    fn begin(worktree: Utf8PathBuf) -> Self {
        let (tell, grown) = watch::channel(0);
        let measuring = tokio::spawn(async move {
            let mut at_first = None;
            loop {
                let (before, place) = (Instant::now(), worktree.clone());
                let measured = tokio::task::spawn_blocking(move || size(&place)).await;
                let size = measured.expect("measuring does not panic and is not aborted");
                tell.send_replace(size.saturating_sub(*at_first.get_or_insert(size)));
                tokio::time::sleep(EVERY.max(before.elapsed() * SHARE)).await;
            }
        });
        Self { grown, measuring }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.measuring.abort();
    }
}

/// What the files below a directory take of its disk. What goes away meanwhile takes nothing.
fn size(place: &Utf8Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let (mut sum, mut places) = (0, vec![place.to_owned()]);
    while let Some(place) = places.pop() {
        for entry in place.read_dir_utf8().into_iter().flatten().flatten() {
            let Ok(about) = entry.path().symlink_metadata() else { continue };
            sum += about.blocks() * 512;
            if about.is_dir() {
                places.push(entry.into_path());
            }
        }
    }
    sum
}
