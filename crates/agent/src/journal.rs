//! Removing many things so that being killed between any two of them does no harm.
//!
//! What is to go is written down first; then each thing is removed, and struck off. Whoever comes next finds what is
//! left and goes on with it. Removing something twice is harmless, so the striking off need not be on the disk.

use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::retention::Item;
use fs_err as fs;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::durable;

/// What is to go, as it is written down: the first line. Each line after it is the number of one that is gone.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    at: Timestamp,
    items: Vec<Item>,
}

/// Things that are to go, written down.
#[derive(Debug)]
pub(crate) struct Journal {
    path: Utf8PathBuf,
    at: Timestamp,
    /// What is left, by its number.
    left: Vec<(usize, Item)>,
}

impl Journal {
    /// Writes down what is to go.
    pub(crate) fn begin(path: &Utf8Path, at: Timestamp, items: Vec<Item>) -> io::Result<Self> {
        let plan = Plan { at, items };
        let mut line = serde_json::to_vec(&plan)?;
        line.push(b'\n');
        durable::write(path, &line)?;
        Ok(Self { path: path.to_owned(), at, left: plan.items.into_iter().enumerate().collect() })
    }

    /// What somebody who was killed has left; `None` when nobody was.
    pub(crate) fn left(path: &Utf8Path) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut lines = text.lines();
        let plan: Plan = serde_json::from_str(lines.next().unwrap_or_default())?;
        // A number that was torn is one that is done again.
        let gone: Vec<usize> = lines.filter_map(|it| it.strip_suffix('.')?.parse().ok()).collect();
        let left = plan.items.into_iter().enumerate().filter(|(n, _)| !gone.contains(n)).collect();
        Ok(Some(Self { path: path.to_owned(), at: plan.at, left }))
    }

    /// When it was written down.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// Removes everything, one after the other; what became of each.
    pub(crate) fn carry_out<T>(self, mut remove: impl FnMut(&Item) -> T) -> io::Result<Vec<(Item, T)>> {
        let mut done = Vec::new();
        let mut file = fs::OpenOptions::new().append(true).open(&self.path)?;
        for (number, item) in self.left {
            let outcome = remove(&item);
            file.write_all(format!("{number}.\n").as_bytes())?;
            done.push((item, outcome));
        }
        fs::remove_file(&self.path)?;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use coord_core::id::RunId;

    use super::*;

    fn run(n: u64) -> RunId {
        RunId::from_random(n)
    }

    /// Where a process is killed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Crash {
        Before,
        After,
    }

    /// Four files, of which three are to go, and a process that is killed at the `at`-th of them.
    #[test]
    fn killed_anywhere_it_is_gone_on_with_and_nothing_else_is_touched() {
        for at in 0..3 {
            for crash in [Crash::Before, Crash::After] {
                let temp = tempfile::tempdir().unwrap();
                let dir = Utf8Path::from_path(temp.path()).unwrap();
                let file = |run: RunId| dir.join(run.to_string());
                for n in 1..=4 {
                    fs::write(file(run(n)), "").unwrap();
                }
                let items = (1..=3).map(|n| Item::Log { run: run(n) }).collect();
                let path = dir.join("gc.json");
                let journal = Journal::begin(&path, Timestamp::UNIX_EPOCH, items).unwrap();
                let mut removals = 0;
                let remove = |item: &Item, killed: Option<(usize, Crash)>, removals: &mut usize| {
                    let Item::Log { run } = item else { panic!("{item:?}") };
                    let here = killed.filter(|(at, _)| at == removals).map(|it| it.1);
                    assert_ne!(here, Some(Crash::Before), "killed");
                    match fs::remove_file(file(*run)) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
                        Ok(()) | Err(_) => *removals += 1,
                    }
                    assert_ne!(here, Some(Crash::After), "killed");
                };
                let killed = catch_unwind(AssertUnwindSafe(|| {
                    journal.carry_out(|it| remove(it, Some((at, crash)), &mut removals)).map(drop)
                }));
                assert!(killed.is_err());
                let left = Journal::left(&path).unwrap().expect("it is written down");
                let done = left.carry_out(|it| remove(it, None, &mut removals)).unwrap();
                assert_eq!(done.len(), 3 - at);
                let there: Vec<_> = (1..=4).filter(|n| file(run(*n)).exists()).collect();
                assert_eq!(there, [4], "{at} {crash:?}");
                assert!(Journal::left(&path).unwrap().is_none());
            }
        }
    }

    #[test]
    fn a_torn_number_is_done_again() {
        let temp = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temp.path()).unwrap().join("gc.json");
        let items = (0..20).map(|n| Item::Log { run: run(n) }).collect();
        drop(Journal::begin(&path, Timestamp::UNIX_EPOCH, items).unwrap());
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"0.\n1").unwrap();
        let left = Journal::left(&path).unwrap().unwrap().left;
        assert_eq!((left.len(), left[0].0), (19, 1));
    }
}
