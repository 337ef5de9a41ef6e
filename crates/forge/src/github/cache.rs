//! Answers that GitHub has given, on disk, so that "has it changed?" costs nothing and a young answer no
//! request at all.
//!
//! One file per address: a line of JSON about the answer, then the answer. The time of a file's last change is
//! when its answer was last known to be true. Nothing here is ever needed: whatever cannot be read, or is not
//! whole, is a miss. What must hold: at most [`Bound::files`] files with [`Bound::bytes`] in all, the ones that
//! were true longest ago go first; only their owner can read them.

use std::io::{self, Write as _};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::github::refusal::Refusal;
use crate::github::sha256;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Answers.
    pub(crate) files: usize,
    /// Bytes in all of them together.
    pub(crate) bytes: u64,
}

impl Bound {
    /// Enough for a few hundred issues in a handful of repositories.
    pub(crate) const USUAL: Self = Self { files: 2000, bytes: 64 << 20 };
}

/// The answers of one credential. Clones are the same cache.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    directory: Utf8PathBuf,
    bound: Bound,
    scratch: Arc<AtomicU64>,
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What GitHub calls this version of it.
    pub(crate) etag: Option<String>,
    /// The address of the next page.
    pub(crate) next: Option<String>,
    /// The answer itself, or that there is none.
    pub(crate) body: Result<Bytes, Refusal>,
    /// When it was last known to be true.
    pub(crate) known: Timestamp,
}

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    path: String,
    etag: Option<String>,
    next: Option<String>,
    digest: String,
    refusal: Option<Refusal>,
}

impl Cache {
    /// The cache in `directory`, which exists.
    pub(crate) fn new(directory: Utf8PathBuf, bound: Bound) -> Self {
        Self { directory, bound, scratch: Arc::default() }
    }

    /// The answer kept for `path`, if it is there and whole.
    pub(crate) fn load(&self, path: &str) -> Option<Entry> {
        let file = self.file(path);
        let known = Timestamp::try_from(fs::metadata(&file).ok()?.modified().ok()?).ok()?;
        let content = Bytes::from(fs::read(&file).ok()?);
        let end = content.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&content[..end]).ok()?;
        let body = content.slice(end + 1..);
        let whole = head.path == path && head.digest == sha256(&body);
        let body = head.refusal.map_or(Ok(body), Err);
        whole.then_some(Entry { etag: head.etag, next: head.next, body, known })
    }

    /// Keeps an answer, and lets go of the oldest ones if there are too many.
    ///
    /// # Errors
    /// When the directory cannot be written; the answer is good all the same.
    pub(crate) fn store(&self, path: &str, entry: &Entry) -> io::Result<()> {
        let body = entry.body.as_deref().unwrap_or_default();
        let head = Head {
            path: path.to_owned(),
            etag: entry.etag.clone(),
            next: entry.next.clone(),
            digest: sha256(body),
            refusal: entry.body.as_ref().err().cloned(),
        };
        let file = self.file(path);
        let number = self.scratch.fetch_add(1, Ordering::Relaxed);
        let scratch = file.with_extension(format!("{}-{number}", process::id()));
        let mut new =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&scratch)?;
        new.write_all(&serde_json::to_vec(&head)?)?;
        new.write_all(b"\n")?;
        new.write_all(body)?;
        new.set_modified(SystemTime::from(entry.known))?;
        fs::rename(&scratch, &file)?;
        self.sweep()
    }

    /// Notes that the answer kept for `path` is still true.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(crate) fn confirm(&self, path: &str, known: Timestamp) -> io::Result<()> {
        let opened = fs::OpenOptions::new().append(true).open(self.file(path));
        match opened.and_then(|file| file.set_modified(SystemTime::from(known))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn file(&self, path: &str) -> Utf8PathBuf {
        self.directory.join(sha256(path.as_bytes()))
    }

    /// Removes the oldest files when a bound is passed, an eighth at once so that it is not done each time.
    /// What a crash has left half written is a file like any other.
    fn sweep(&self) -> io::Result<()> {
        let mut files = Vec::new();
        let mut bytes = 0;
        for file in fs::read_dir(&self.directory)? {
            let file = file?;
            // Another process may be sweeping as well.
            let Ok(about) = file.metadata() else { continue };
            bytes += about.len();
            files.push((about.modified()?, about.len(), file.path()));
        }
        let mut count = files.len();
        if count <= self.bound.files && bytes <= self.bound.bytes {
            return Ok(());
        }
        files.sort();
        let (most_files, most_bytes) = (self.bound.files / 8 * 7, self.bound.bytes / 8 * 7);
        for (_, length, file) in files {
            if count <= most_files && bytes <= most_bytes {
                break;
            }
            remove(&file)?;
            count -= 1;
            bytes -= length;
        }
        Ok(())
    }
}

fn remove(file: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a directory that only its owner can enter.
pub(crate) fn private_directory(path: &Utf8Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn entry(body: &str, known: Timestamp) -> Entry {
        let body = Ok(Bytes::from(body.to_owned()));
        Entry { etag: Some("W/\"1\"".to_owned()), next: None, body, known }
    }

    fn cache(bound: Bound) -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        (directory, Cache::new(path, bound))
    }

    #[test]
    fn what_is_kept_comes_back_with_when_it_was_true() {
        let (_held, cache) = cache(Bound::USUAL);
        let first = entry("[1]\n[2]", at(0));
        cache.store("/a", &first).unwrap();
        assert_eq!(cache.load("/a"), Some(first.clone()));
        assert_eq!(cache.load("/b"), None);
        cache.confirm("/a", at(9)).unwrap();
        assert_eq!(cache.load("/a"), Some(Entry { known: at(9), ..first }));
        cache.confirm("/b", at(9)).unwrap();
        assert_eq!(cache.load("/b"), None);
    }

    #[test]
    fn a_refusal_comes_back_as_one_and_an_answer_takes_its_place() {
        let (_held, cache) = cache(Bound::USUAL);
        let refusal = Refusal::Forbidden { message: "no".to_owned(), needs: None };
        let refused = Entry { etag: None, next: None, body: Err(refusal), known: at(0) };
        cache.store("/a", &refused).unwrap();
        assert_eq!(cache.load("/a"), Some(refused));
        let answer = entry("[1]", at(1));
        cache.store("/a", &answer).unwrap();
        assert_eq!(cache.load("/a"), Some(answer));
    }

    #[test]
    fn an_answer_that_is_not_whole_is_none() {
        let (_held, cache) = cache(Bound::USUAL);
        cache.store("/a", &entry("[1,2,3]", at(0))).unwrap();
        let file = cache.file("/a");
        let whole = fs::read(&file).unwrap();
        for broken in [&whole[..whole.len() - 1], &whole[..20], b"", b"\0\0\0"] {
            fs::write(&file, broken).unwrap();
            assert_eq!(cache.load("/a"), None);
        }
    }

    #[test]
    fn the_bounds_hold_and_the_oldest_go_first() {
        for bound in [Bound { files: 16, bytes: 1 << 20 }, Bound { files: 1000, bytes: 16 * 1300 }] {
            let (_held, cache) = cache(bound);
            for n in 0..100 {
                cache.store(&format!("/{n}"), &entry(&"x".repeat(1000), at(n))).unwrap();
                cache.confirm("/0", at(n)).unwrap();
                let kept: Vec<_> = fs::read_dir(&cache.directory).unwrap().map(Result::unwrap).collect();
                let bytes: u64 = kept.iter().map(|it| it.metadata().unwrap().len()).sum();
                assert!(
                    kept.len() <= bound.files && bytes <= bound.bytes,
                    "{} files, {bytes} bytes",
                    kept.len()
                );
            }
            for there in [0, 99, 90] {
                assert!(cache.load(&format!("/{there}")).is_some(), "/{there}");
            }
            assert_eq!(cache.load("/1"), None);
        }
    }
}
