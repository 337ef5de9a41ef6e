//! Whole lines out of one pipe, of any length, in a buffer that grows only for the line that needs it.

use std::io;
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe::Receiver;

/// Room for one read; a pipe holds no more than this.
const CHUNK: usize = 64 * 1024;

/// The output of a process.
#[derive(Debug)]
pub(super) struct Lines {
    /// `None` once it has ended.
    pipe: Option<Receiver>,
    buffer: Vec<u8>,
    /// How much of the buffer is whole lines.
    whole: usize,
}

impl Lines {
    pub(super) fn of(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self { pipe: Some(Receiver::from_owned_fd(pipe)?), buffer: Vec::new(), whole: 0 })
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
                }
                Ok(_) => {
                    if let Some(end) = memchr::memrchr(b'\n', &self.buffer[before..]) {
                        self.whole = before + end + 1;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => {
                    self.pipe = None;
                    return Err(error);
                }
            }
            return Ok(());
        }
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
