//! A log that is as large as it may be.
//!
//! What a worker prints is left out then, and counted; what decides how the run ended, and what coord itself has to
//! say, is kept. The run goes on: how much a worker prints says nothing about its work.

use coord_proto::event::{EventKind, LeftOut};

use super::RawLine;

/// How far a log may grow beyond its limit by what decides.
const RESERVE: u64 = 1024 * 1024;

/// The limit of one log, and what is missing because of it.
#[derive(Debug, Default)]
pub(super) struct Limit {
    bytes: Option<u64>,
    is_full: bool,
    left_out_lines: u64,
    left_out_bytes: u64,
}

/// What there is room for.
pub(super) enum Room {
    /// All of it.
    Enough,
    /// That this is the end, and then whatever there is room for still.
    Last,
    /// These.
    Some(Vec<EventKind>),
}

impl Limit {
    pub(super) fn of(bytes: Option<u64>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// What there is room for in a log of this length.
    pub(super) fn room(&mut self, length: u64, events: &[EventKind], line: RawLine<'_>) -> Room {
        let Some(limit) = self.bytes.filter(|it| length >= *it) else { return Room::Enough };
        if events.iter().all(|it| weight(it) == Weight::Ours) {
            return Room::Enough;
        }
        if !std::mem::replace(&mut self.is_full, true) {
            return Room::Last;
        }
        self.left_out_lines += 1;
        self.left_out_bytes += match line {
            RawLine::None => 0,
            RawLine::Json(text) => text.len() as u64,
            RawLine::Bytes(bytes) => bytes.len() as u64,
        };
        let decide = |it: &&EventKind| length < limit + RESERVE && weight(it) == Weight::Decides;
        Room::Some(events.iter().filter(decide).cloned().collect())
    }

    /// The event that says what is missing.
    pub(super) fn missing(&self) -> Option<EventKind> {
        let (lines, bytes) = (self.left_out_lines, self.left_out_bytes);
        (lines > 0).then_some(EventKind::LeftOut { why: LeftOut::FullLog, lines, bytes })
    }
}

/// How much an event matters to a log that is full.
#[derive(PartialEq, Eq)]
enum Weight {
    /// It is coord's own word.
    Ours,
    /// The worker printed it, and it decides how the run ended, or where it stands.
    Decides,
    /// The worker printed it.
    Printed,
}

fn weight(event: &EventKind) -> Weight {
    match event {
        EventKind::Started { .. }
        | EventKind::Note { .. }
        | EventKind::Leak { .. }
        | EventKind::LeftOut { .. }
        | EventKind::Answer { .. }
        | EventKind::Message { .. }
        | EventKind::Held { .. }
        | EventKind::HandedBack { .. }
        | EventKind::Ended { .. } => Weight::Ours,
        EventKind::Limit { .. }
        | EventKind::Result { .. }
        | EventKind::Status { .. }
        | EventKind::Stuck { .. }
        | EventKind::Question { .. }
        | EventKind::Artifact { .. }
        | EventKind::Verdict(_)
        | EventKind::Receipt { .. } => Weight::Decides,
        EventKind::Init { .. }
        | EventKind::Text { .. }
        | EventKind::Tool { .. }
        | EventKind::ToolResult { .. }
        | EventKind::Retry { .. }
        | EventKind::Denial { .. }
        | EventKind::Output { .. }
        | EventKind::Other => Weight::Printed,
    }
}
