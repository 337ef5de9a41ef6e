//! What a process prints becomes events of the log, and what coord has to say of it as well.

use std::time::Duration;

use coord_proto::event::{EventKind, LeftOut, OutputStream};
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::child::Child;
use super::supervise::Supervision;
use super::{ShimError, now};
use crate::log::RawLine;
use crate::runtime::{Reader, Shape};

/// How long the pipes of a dead process may stay open. Whoever could hold them has been killed by then.
const DRAIN: Duration = Duration::from_secs(2);

impl Supervision {
    /// Reads what a dead process has written and nobody has read yet.
    pub(super) async fn drain(
        &mut self,
        child: &mut Child,
        reader: &mut dyn Reader,
    ) -> Result<(), ShimError> {
        let give_up = Instant::now() + DRAIN;
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            while child.lines(stream).is_open() {
                tokio::select! {
                    _ = child.lines(stream).fill() => self.take(child, stream, reader)?,
                    () = sleep_until(give_up) => break,
                }
            }
        }
        Ok(())
    }

    /// Makes events of the lines that were read, and writes them at once.
    pub(super) fn take(
        &mut self,
        child: &mut Child,
        stream: OutputStream,
        reader: &mut dyn Reader,
    ) -> Result<(), ShimError> {
        let at = now();
        let lines = child.lines(stream);
        if let Some(bytes) = lines.left_out() {
            let rest = EventKind::LeftOut { why: LeftOut::LongLine, lines: 0, bytes };
            self.log.append(at, &[rest], RawLine::None);
        }
        let lines = child.lines(stream);
        if lines.whole().is_empty() {
            return self.commit();
        }
        let secrets = self.log.secrets().clone();
        let batch = secrets.strike(lines.whole());
        let mut rest = &*batch;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            self.line(at, stream, &rest[..end.unwrap_or(rest.len())], reader);
            rest = &rest[end.map_or(rest.len(), |it| it + 1)..];
        }
        drop(batch);
        child.lines(stream).clear();
        self.commit()
    }

    fn line(&mut self, at: Timestamp, stream: OutputStream, line: &[u8], reader: &mut dyn Reader) {
        self.events.clear();
        let raw = match std::str::from_utf8(line) {
            // What a runtime has to say it says on its standard output.
            Ok(text) if stream == OutputStream::Stderr => {
                reader.complaint(text);
                self.events.push(EventKind::Output { stream, text: text.to_owned() });
                RawLine::Bytes(line)
            }
            Ok(text) => match reader.line(text, &mut self.events) {
                Shape::Json => RawLine::Json(text),
                Shape::Text => RawLine::Bytes(line),
            },
            Err(_) => {
                let text = String::from_utf8_lossy(line).into_owned();
                self.events.push(EventKind::Output { stream, text });
                RawLine::Bytes(line)
            }
        };
        // What the worker was told first comes back as well, and so does what it was told before it was resumed.
        for event in &mut self.events {
            if let EventKind::Receipt { message, receipt } = *event
                && !self.mail.came(message, receipt)
            {
                *event = EventKind::Other;
            }
        }
        self.log.append(at, &self.events, raw);
        self.announce_progress();
    }

    /// Shows what the events at hand say of the run as it is now.
    pub(super) fn announce_progress(&self) {
        self.announce.send_if_modified(|announced| {
            let said = self.events.iter().map(|it| announced.note(it));
            said.fold(false, |any, it| any | it)
        });
    }

    pub(super) fn note(&mut self, text: &str) -> Result<(), ShimError> {
        self.log.note(now(), text)?;
        self.commit()
    }

    /// Says what of the worker's output is not in the log.
    pub(super) fn tell_left_out(&mut self) -> Result<(), ShimError> {
        self.log.tell_left_out(now())?;
        self.commit()
    }

    /// Writes what is in the batch, and only then says so.
    pub(super) fn commit(&mut self) -> Result<(), ShimError> {
        let last = self.log.commit()?;
        self.announce.send_if_modified(|it| std::mem::replace(&mut it.last_event, last) != last);
        Ok(())
    }
}
