//! Serving a numbered log to those who follow it: the bytes of the file, in whole lines, and nothing parsed.
//!
//! Event *n* is line *n*, so a reader that has seen *n* events is served from behind the *n*th line end. A
//! channel only tells that the log grew; a slow reader therefore holds up nobody and misses nothing, and what
//! a stream keeps in memory is one piece of the file.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How much of a log is read at a time.
const PIECE: usize = 128 * 1024;
/// How long a stream stays silent: a reader that hears nothing for three times as long takes it for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// How lines travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As they are: `application/x-ndjson`.
    Lines,
    /// As `text/event-stream`, with their numbers.
    Sse,
}

impl Framing {
    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Sse => "text/event-stream",
        }
    }

    /// What says that somebody is there and nothing happened.
    fn sign_of_life(self) -> Bytes {
        match self {
            Self::Lines => Bytes::from_static(b"\n"),
            Self::Sse => Bytes::from_static(b":\n\n"),
        }
    }

    fn wrap(self, lines: Bytes, mut number: u64) -> Bytes {
        if self == Self::Lines {
            return lines;
        }
        let mut framed = BytesMut::with_capacity(lines.len() + lines.len() / 4 + 64);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            number += 1;
            framed.extend_from_slice(b"id: ");
            framed.extend_from_slice(number.to_string().as_bytes());
            // A carriage return would end the field; between the tokens of JSON it means as much as a line end.
            for part in line[..line.len() - 1].split(|byte| *byte == b'\r') {
                framed.extend_from_slice(b"\ndata: ");
                framed.extend_from_slice(part);
            }
            framed.extend_from_slice(b"\n\n");
        }
        framed.freeze()
    }
}

/// Reads a log in whole lines while somebody else appends to it.
#[derive(Debug)]
struct Reader {
    path: Utf8PathBuf,
    file: Option<fs::File>,
    /// Where the first line begins that was not returned.
    offset: u64,
    /// The number of the last line before that.
    number: u64,
    /// The last line that the reader does not want.
    after: u64,
    /// Kept from piece to piece, so that a long log is read through one allocation.
    buffer: BytesMut,
}

impl Reader {
    fn new(path: Utf8PathBuf, after: u64) -> Self {
        Self { path, file: None, offset: 0, number: 0, after, buffer: BytesMut::new() }
    }

    /// The next lines and the number before the first of them; `None` at the end of what there is now.
    /// A torn line is left for the next call, which reads it again from its beginning.
    fn next(&mut self) -> io::Result<Option<(Bytes, u64)>> {
        loop {
            let Some(lines) = self.piece()? else { return Ok(None) };
            if let Some(wanted) = self.wanted(&lines) {
                return Ok(Some(wanted));
            }
        }
    }

    /// The same without ever waiting for a disk; `None` where only [`Self::next`] can tell, which is also where
    /// lines are skipped that nobody wants: there may be many.
    fn next_cached(&mut self) -> Option<Option<(Bytes, u64)>> {
        self.buffer.resize(PIECE, 0);
        let read = read_cached(self.file.as_ref()?, &mut self.buffer, self.offset)?;
        if read == 0 {
            return Some(None);
        }
        let lines = self.whole(read)?;
        self.wanted(&lines).map(Some)
    }

    /// What of a piece the reader wants, and the number before it.
    fn wanted(&mut self, lines: &Bytes) -> Option<(Bytes, u64)> {
        let count = memchr::memchr_iter(b'\n', lines).count() as u64;
        let first = self.number;
        self.number += count;
        if self.number <= self.after {
            return None;
        }
        let unwanted = usize::try_from(self.after.saturating_sub(first)).unwrap_or(usize::MAX);
        let from = match unwanted.checked_sub(1) {
            None => 0,
            Some(last) => memchr::memchr_iter(b'\n', lines).nth(last).map_or(0, |at| at + 1),
        };
        Some((lines.slice(from..), first + unwanted as u64))
    }

    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        if self.file.is_none() {
            match fs::File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let mut size = PIECE;
        loop {
            let Some(file) = &self.file else { return Ok(None) };
            self.buffer.resize(size, 0);
            let read = read_at(file, &mut self.buffer, self.offset)?;
            let whole = self.whole(read);
            if whole.is_some() || read < size {
                return Ok(whole);
            }
            size *= 4;
        }
    }

    /// Takes the whole lines out of what was `read` into the buffer, if there are any.
    fn whole(&mut self, read: usize) -> Option<Bytes> {
        let end = memchr::memrchr(b'\n', &self.buffer[..read])?;
        self.offset += end as u64 + 1;
        let lines = self.buffer.split_to(end + 1).freeze();
        self.buffer.clear();
        Some(lines)
    }
}

/// Reads what of a file lies in memory already; `None` when that cannot be told without waiting. At the end of
/// the file that is nothing.
#[cfg(target_os = "linux")]
fn read_cached(file: &fs::File, buffer: &mut [u8], offset: u64) -> Option<usize> {
    let mut buffers = [io::IoSliceMut::new(buffer)];
    rustix::io::preadv2(file.file(), &mut buffers, offset, rustix::io::ReadWriteFlags::NOWAIT).ok()
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &fs::File, _: &mut [u8], _: u64) -> Option<usize> {
    None
}

/// Fills `buffer` from `offset` on, as far as the file goes.
fn read_at(file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.file().read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What is known about the end of a log without reading all of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The number of the last whole line.
    pub(crate) number: u64,
    /// Its bytes, without the line end.
    pub(crate) line: Vec<u8>,
    /// How long the file is without a torn line.
    pub(crate) whole: u64,
}

/// Looks at the end of a log whose lines begin with their number. A log that does not exist is empty.
pub(crate) fn tail(path: &Utf8Path) -> io::Result<Tail> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        n: u64,
    }
    let empty = Tail { number: 0, line: Vec::new(), whole: 0 };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(empty),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let mut size = 16 * 1024;
    loop {
        let from = length.saturating_sub(size);
        let mut buffer = vec![0; usize::try_from(length - from).map_err(io::Error::other)?];
        let read = read_at(&file, &mut buffer, from)?;
        buffer.truncate(read);
        let end = memchr::memrchr(b'\n', &buffer);
        let begin = end.map(|end| memchr::memrchr(b'\n', &buffer[..end]).map_or(0, |at| at + 1));
        match (begin, end) {
            // The line may begin before what was read.
            (None | Some(0), _) if from > 0 => size *= 4,
            (Some(begin), Some(end)) => {
                let line = buffer[begin..end].to_vec();
                let numbered: Numbered = serde_json::from_slice(&line).map_err(|error| {
                    io::Error::new(io::ErrorKind::InvalidData, format!("the last line of `{path}`: {error}"))
                })?;
                return Ok(Tail { number: numbered.n, line, whole: from + end as u64 + 1 });
            }
            (_, None) | (None, _) => return Ok(empty),
        }
    }
}

/// A log that is being followed.
struct Following<T> {
    reader: Reader,
    framing: Framing,
    /// Closed once the log is complete.
    grows: Option<watch::Receiver<T>>,
    shutdown: CancellationToken,
}

/// The body of an answer that carries every line after `after`, as it comes, and ends when the log is complete
/// (`grows` is closed or absent) or the server stops.
pub(crate) fn follow<T: Send + Sync + 'static>(
    path: Utf8PathBuf,
    after: u64,
    framing: Framing,
    grows: Option<watch::Receiver<T>>,
    shutdown: CancellationToken,
) -> Body {
    let state = Following { reader: Reader::new(path, after), framing, grows, shutdown };
    Body::from_stream(futures_util::stream::try_unfold(state, |mut state| async {
        Ok::<_, io::Error>(state.next().await?.map(|bytes| (bytes, state)))
    }))
}

impl<T: Send + Sync + 'static> Following<T> {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(grows) = &mut self.grows {
                grows.mark_unchanged();
            }
            if let Some(bytes) = self.read().await? {
                return Ok(Some(bytes));
            }
            let Some(grows) = &mut self.grows else { return Ok(None) };
            tokio::select! {
                changed = grows.changed() => if changed.is_err() {
                    // The log is complete: whatever it still holds is read, and then it is over.
                    self.grows = None;
                },
                () = self.shutdown.cancelled() => return Ok(None),
                () = tokio::time::sleep(SILENCE) => return Ok(Some(self.framing.sign_of_life())),
            }
        }
    }

    /// Reads what lies in memory at once, which is what a watcher of a live run waits for; and what the disk
    /// has to be asked for on a thread that may block.
    async fn read(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(found) = self.reader.next_cached() {
            return Ok(found.map(|(lines, number)| self.framing.wrap(lines, number)));
        }
        let mut reader = std::mem::replace(&mut self.reader, Reader::new(Utf8PathBuf::new(), 0));
        let framing = self.framing;
        let (reader, read) = tokio::task::spawn_blocking(move || {
            let read = reader.next().map(|found| found.map(|(lines, number)| framing.wrap(lines, number)));
            (reader, read)
        })
        .await?;
        self.reader = reader;
        read
    }
}

/// Opens a log that is to be served as bytes, with the length it has now; one that does not exist is empty.
pub(crate) fn open(path: &Utf8Path) -> io::Result<(Option<fs::File>, u64)> {
    match fs::File::open(path) {
        Ok(file) => {
            let length = file.metadata()?.len();
            Ok((Some(file), length))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((None, 0)),
        Err(error) => Err(error),
    }
}

/// The body of an answer that carries `length` bytes of a file from `from` on.
pub(crate) fn bytes(file: fs::File, from: u64, length: u64) -> Body {
    Body::from_stream(futures_util::stream::try_unfold(
        (file, from, length),
        |(file, from, left)| async move {
            if left == 0 {
                return Ok::<_, io::Error>(None);
            }
            let (file, piece) = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
                let read = read_at(&file, &mut piece, from).map(|read| {
                    piece.truncate(read);
                    Bytes::from(piece)
                });
                (file, read)
            })
            .await?;
            let piece = piece?;
            let read = piece.len() as u64;
            Ok(if read == 0 { None } else { Some((piece, (file, from + read, left - read))) })
        },
    ))
}

#[cfg(test)]
mod tests;
