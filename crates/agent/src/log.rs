//! The event log of one run, and the only place that writes to one.
//!
//! Line *n* of the file is event *n*, so a reader needs nothing but the file to know where it stands, and a
//! writer that opens it again knows where to go on. What one read of the worker's output gave becomes one
//! `write(2)`: nothing waits for more to come, and a fast worker costs few calls.
//!
//! What must hold: every line is whole, or is cut off when the log is next opened; what a worker printed can
//! be had back to the byte; no secret of the worker's environment gets into the file.
//!
//! Deliberately absent: reading for others, and any account of who has read how far.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use base64::Engine as _;
use camino::{Utf8Path, Utf8PathBuf};
use coord_core::run::{Leaked, RunEnd};
use coord_proto::event::{Event, EventKind, Leak, LeakedProcess, LeftOut};
use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use jiff::Timestamp;

mod limit;
pub mod secrets;

use limit::{Limit, Room};
use secrets::Secrets;

/// How the last line of a log begins that could not be written any more.
const UNWRITTEN: &str = "the log could not be written any more: ";

/// Why a log was not written to its end, if its last line says so.
pub(crate) fn unwritten(line: &[u8]) -> Option<String> {
    let event = serde_json::from_slice::<Event>(line).ok()?.event;
    let EventKind::Note { text } = event else { return None };
    text.starts_with(UNWRITTEN).then_some(text)
}

/// The buffer of a batch is given back once a batch was larger than this.
const KEPT: usize = 256 * 1024;

/// Why an event log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be opened, read to its end or cut to its last whole line.
    #[error("cannot open the event log {path}")]
    Open {
        /// Where it is.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write the event log {path}")]
    Write {
        /// Where it is.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What a worker printed, for the first of the events that were made of it.
#[derive(Debug, Clone, Copy)]
pub enum RawLine<'a> {
    /// The events are not made of a line of the worker.
    None,
    /// A line that is one JSON value from its first byte to its last.
    Json(&'a str),
    /// Any other line.
    Bytes(&'a [u8]),
}

/// Writes the event log of one run.
#[derive(Debug)]
pub struct LogWriter {
    path: Utf8PathBuf,
    file: File,
    /// How many bytes of the file are whole lines.
    length: u64,
    /// The newest event in the file.
    last: u64,
    /// The newest event in the batch, or in the file when the batch is empty.
    next: u64,
    batch: Vec<u8>,
    /// When something was last added.
    at: Timestamp,
    secrets: Secrets,
    leaked: Leaked,
    limit: Limit,
}

impl LogWriter {
    /// Opens or makes the log, cuts off a torn last line and goes on where it ends.
    ///
    /// # Errors
    /// When the file cannot be opened, read or cut.
    pub fn open(path: &Utf8Path, secrets: Secrets) -> Result<Self, LogError> {
        let failed = |source| LogError::Open { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(failed)?;
        let (length, last) = measure(&mut file).map_err(failed)?;
        file.set_len(length).map_err(failed)?;
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            last,
            next: last,
            batch: Vec::new(),
            at: Timestamp::UNIX_EPOCH,
            secrets,
            leaked: Leaked::default(),
            limit: Limit::default(),
        })
    }

    /// Lets what a worker prints make it no larger than this many bytes. Who reads it later is told what is missing.
    #[must_use]
    pub fn limited(mut self, bytes: Option<u64>) -> Self {
        self.limit = Limit::of(bytes);
        self
    }

    /// The number of the newest event in the file.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// What must not be written.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Adds events to the batch, all of them made of one `line`. There must be at least one, and secrets
    /// must have been struck out of them.
    pub fn append(&mut self, at: Timestamp, events: &[EventKind], line: RawLine<'_>) {
        match self.limit.room(self.length + self.batch.len() as u64, events, line) {
            Room::Enough => self.write(at, events, line),
            Room::Last => {
                let full = EventKind::LeftOut { why: LeftOut::FullLog, lines: 0, bytes: 0 };
                self.write(at, &[full], RawLine::None);
                self.append(at, events, line);
            }
            Room::Some(events) => self.write(at, &events, RawLine::None),
        }
    }

    /// Says what is missing, if anything is, once the worker has printed all that it will.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn tell_left_out(&mut self, at: Timestamp) -> Result<u64, LogError> {
        if let Some(missing) = self.limit.missing() {
            self.write(at, &[missing], RawLine::None);
        }
        self.commit()
    }

    fn write(&mut self, at: Timestamp, events: &[EventKind], line: RawLine<'_>) {
        self.at = at;
        let at = Stamp::new(at);
        for (i, event) in events.iter().enumerate() {
            self.next += 1;
            self.batch.extend_from_slice(b"{\"n\":");
            write!(self.batch, "{}", self.next).expect("a vector takes every write");
            self.batch.extend_from_slice(b",\"at\":\"");
            self.batch.extend_from_slice(at.0.as_bytes());
            self.batch.extend_from_slice(b"\",\"event\":");
            serde_json::to_writer(&mut self.batch, event).expect("an event is made of strings and numbers");
            if i == 0 {
                self.append_raw(event, line);
            }
            self.batch.extend_from_slice(b"}\n");
        }
    }

    fn append_raw(&mut self, event: &EventKind, line: RawLine<'_>) {
        match line {
            RawLine::None => {}
            RawLine::Json(json) => {
                self.batch.extend_from_slice(b",\"raw\":");
                self.batch.extend_from_slice(json.as_bytes());
            }
            RawLine::Bytes(bytes) => {
                let is_the_line = matches!(event, EventKind::Output { text, .. } if text.as_bytes() == bytes);
                if !is_the_line {
                    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
                    self.batch.extend_from_slice(b",\"raw_base64\":\"");
                    self.batch.extend_from_slice(encoded.as_bytes());
                    self.batch.push(b'"');
                }
            }
        }
    }

    /// Writes the batch with one call; returns the number of the newest event.
    ///
    /// # Errors
    /// When the system refuses. The file then ends with the line it ended with before.
    pub fn commit(&mut self) -> Result<u64, LogError> {
        if self.batch.is_empty() {
            return Ok(self.last);
        }
        if let Err(source) = self.file.write_all(&self.batch) {
            let mended =
                self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            self.batch.clear();
            self.next = self.last;
            if mended.is_ok() {
                self.confess(&source);
            }
            let source = mended.err().unwrap_or(source);
            return Err(LogError::Write { path: self.path.clone(), source });
        }
        self.length += self.batch.len() as u64;
        self.last = self.next;
        self.batch.clear();
        if self.batch.capacity() > KEPT {
            self.batch = Vec::new();
        }
        Ok(self.last)
    }

    /// Says at the end of the log why there is no more of it, where the room that the cut gave back is enough for
    /// that: whoever sees to the end of the run reads it there.
    fn confess(&mut self, why: &io::Error) {
        let text = format!("{UNWRITTEN}{}", why.to_string().trim());
        let event = Event {
            n: self.last + 1,
            at: self.at,
            event: EventKind::Note { text },
            raw: None,
            raw_base64: None,
        };
        let Ok(mut line) = serde_json::to_vec(&event) else { return };
        line.push(b'\n');
        if self.file.write_all(&line).is_ok() {
            self.length += line.len() as u64;
            self.last += 1;
            self.next = self.last;
        } else if let Err(error) = self.file.set_len(self.length) {
            tracing::error!("the log of a run ends in a torn line: {error}");
        }
    }

    /// Says something on behalf of coord itself, at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn note(&mut self, at: Timestamp, text: &str) -> Result<u64, LogError> {
        let text = self.secrets.strike_text(text).into_owned();
        self.append(at, &[EventKind::Note { text }], RawLine::None);
        self.commit()
    }

    /// Says which processes were found where none should be, at once, and counts them.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn leak(
        &mut self,
        at: Timestamp,
        what: Leak,
        count: usize,
        mut processes: Vec<LeakedProcess>,
    ) -> Result<u64, LogError> {
        for process in &mut processes {
            process.command = self.secrets.strike_text(&process.command).into_owned();
        }
        let count = count as u64;
        match what {
            Leak::Outlived => self.leaked.outlived += count,
            Leak::Stay | Leak::Unknown => self.leaked.stay += count,
        }
        self.append(at, &[EventKind::Leak { what, count, processes }], RawLine::None);
        self.commit()
    }

    /// What leaked since the log was opened.
    #[must_use]
    pub fn leaked(&self) -> Leaked {
        self.leaked
    }

    /// Returns once the file is on the disk.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync_data().map_err(|source| LogError::Write { path: self.path.clone(), source })
    }

    /// The last event, if it says that the run has ended.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn ended(&mut self) -> Result<Option<RunEnd>, LogError> {
        let failed = |source| LogError::Open { path: self.path.clone(), source };
        let line = last_line(&mut self.file, self.length).map_err(failed)?;
        let Ok(Event { event: EventKind::Ended { end }, .. }) = serde_json::from_slice(&line) else {
            return Ok(None);
        };
        Ok(Some(*end))
    }
}

/// A time in the words of the log, made once per batch of one line's events.
struct Stamp(String);

impl Stamp {
    fn new(at: Timestamp) -> Self {
        Self(format!("{at:.6}"))
    }
}

/// The length of all whole lines, and how many there are.
fn measure(file: &mut File) -> io::Result<(u64, u64)> {
    let (mut read, mut whole, mut lines) = (0, 0, 0);
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let got = file.read(&mut chunk)?;
        if got == 0 {
            return Ok((whole, lines));
        }
        lines += memchr::memchr_iter(b'\n', &chunk[..got]).count() as u64;
        if let Some(end) = memchr::memrchr(b'\n', &chunk[..got]) {
            whole = read + end as u64 + 1;
        }
        read += got as u64;
    }
}

/// The last of the lines that make up the first `length` bytes. Leaves the file at `length`.
fn last_line(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut start = length;
    while start > 0 {
        let from = start.saturating_sub(64 * 1024);
        let mut chunk = vec![0; usize::try_from(start - from).expect("a chunk is small")];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut chunk)?;
        let inner = if start == length { chunk.len() - 1 } else { chunk.len() };
        let begin = memchr::memrchr(b'\n', &chunk[..inner]);
        chunk.drain(..begin.map_or(0, |it| it + 1));
        chunk.append(&mut line);
        line = chunk;
        if begin.is_some() {
            break;
        }
        start = from;
    }
    file.seek(SeekFrom::Start(length))?;
    Ok(line)
}

#[cfg(test)]
mod tests;
