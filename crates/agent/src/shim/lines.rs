//! Whole lines out of one pipe, in a buffer that grows only for the line that needs it, and not for ever: of a line
//! that is too long the beginning is kept, and the rest is counted.

use std::io;
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe::Receiver;

/// Room for one read; a pipe holds no more than this.
const CHUNK: usize = 64 * 1024;

/// How long a line may be.
const LONGEST: usize = 10 * 1024 * 1024;

/// The output of a process.
#[derive(Debug)]
pub(super) struct Lines {
    /// `None` once it has ended.
    pipe: Option<Receiver>,
    buffer: Vec<u8>,
    /// How much of the buffer is whole lines, or the beginning of one that is too long.
    whole: usize,
    /// While the rest of a line is not kept: how much of it there has been.
    skipped: Option<u64>,
    /// How much of a line was not kept that has ended.
    left_out: Option<u64>,
}

impl Lines {
    pub(super) fn of(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: Some(Receiver::from_owned_fd(pipe)?),
            buffer: Vec::new(),
            whole: 0,
            skipped: None,
            left_out: None,
        })
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Reads what is there, once there is anything. May be dropped and called again without loss.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        loop {
            pipe.readable().await?;
            if self.buffer.capacity() - self.buffer.len() < CHUNK / 4 {
                self.buffer.reserve(CHUNK);
            }
            let before = self.buffer.len();
            match pipe.try_read_buf(&mut self.buffer) {
                Ok(0) => {
                    self.pipe = None;
                    self.whole = self.buffer.len();
                    self.left_out = self.skipped.take();
                }
                Ok(_) => self.sort_out(before),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => {
                    self.pipe = None;
                    return Err(error);
                }
            }
            return Ok(());
        }
    }

    /// Finds out what became whole by what was read behind `before`.
    fn sort_out(&mut self, mut before: usize) {
        if let Some(skipped) = &mut self.skipped {
            // Nothing is in the buffer but what was just read.
            let end = memchr::memchr(b'\n', &self.buffer);
            *skipped += end.unwrap_or(self.buffer.len()) as u64;
            self.buffer.drain(..end.map_or(self.buffer.len(), |it| it + 1));
            if end.is_none() {
                return;
            }
            self.left_out = self.skipped.take();
            before = 0;
        }
        if let Some(end) = memchr::memrchr(b'\n', &self.buffer[before..]) {
            self.whole = before + end + 1;
        } else if self.buffer.len() > LONGEST {
            self.whole = self.buffer.len();
            self.skipped = Some(0);
        }
    }

    /// How many bytes of a line are missing that was read in part before; asked before what is whole is looked at.
    pub(super) fn left_out(&mut self) -> Option<u64> {
        self.left_out.take().filter(|it| *it > 0)
    }

    /// The whole lines that were read, the last of them perhaps without its line end once the pipe has ended.
    pub(super) fn whole(&self) -> &[u8] {
        &self.buffer[..self.whole]
    }

    /// Forgets the whole lines, and gives back the room that a long one took.
    pub(super) fn clear(&mut self) {
        self.buffer.drain(..self.whole);
        self.whole = 0;
        if self.buffer.capacity() > 4 * CHUNK && self.buffer.len() < CHUNK {
            self.buffer.shrink_to(CHUNK);
        }
    }
}
