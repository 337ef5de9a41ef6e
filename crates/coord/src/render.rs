//! The events of a run as lines for people.

use coord_core::limits::Bytes;
use coord_core::outcome::Outcome;
use coord_core::report::Verdict;
use coord_core::run::Leaked;
use coord_proto::event::{Event, EventKind, Leak, LeakedProcess, LeftOut};
use coord_proto::run::Receipt;
use jiff::Timestamp;

use crate::ui::{Tone, Ui};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What a person who looks up now and then wants to know.
    Important,
    /// One line for every event.
    All,
}

/// The line for an event; `None` when it is not shown at this detail.
#[must_use]
pub fn line(event: &Event, detail: Detail, ui: &Ui) -> Option<String> {
    let all = detail == Detail::All;
    let tag = |tone, tag: &str, text: &str| Some(format!("{} {text}", ui.paint(tone, format!("[{tag}]"))));
    match &event.event {
        EventKind::Started { pid, argv } => tag(
            Tone::Faint,
            "started",
            &format!("{} as process {pid}", argv.first().map_or("", String::as_str)),
        ),
        EventKind::Note { text } => tag(Tone::Attention, "coord", text),
        EventKind::Init { session, model } if all => {
            tag(Tone::Faint, "init", &format!("model={model} session={session}"))
        }
        EventKind::Init { model, .. } => tag(Tone::Faint, "init", &format!("model={model}")),
        EventKind::Text { text } if all => tag(Tone::Strong, "text", &shorten(text, 400)),
        EventKind::Tool { name, subject, .. } => {
            tag(Tone::Faint, "tool", &format!("{name}: {}", shorten(subject, 160)))
        }
        EventKind::ToolResult { is_error, text, .. } if all || *is_error => {
            let word = if *is_error { "tool error" } else { "tool result" };
            tag(if *is_error { Tone::Bad } else { Tone::Faint }, word, &shorten(text, 160))
        }
        EventKind::Retry { attempt, delay_ms, error } => {
            tag(Tone::Attention, "retry", &format!("{error}; try {attempt}, again in {delay_ms} ms"))
        }
        EventKind::Limit { rejected, window, until, utilization } => {
            tag(Tone::Attention, "limit", &limit(window, *rejected, *until, *utilization))
        }
        EventKind::Denial { tool, reason } => {
            tag(Tone::Attention, "denied", &format!("{tool}: {}", shorten(reason, 200)))
        }
        EventKind::Result { is_error, turns, cost_usd, text, .. } => {
            let tone = if *is_error { Tone::Bad } else { Tone::Good };
            tag(tone, "result", &format!("{}: {}", spent(*turns, *cost_usd), shorten(text, 200)))
        }
        EventKind::Status { text, confidence } => tag(Tone::Good, "status", &status(text, *confidence)),
        EventKind::Stuck { why } => tag(Tone::Bad, "stuck", &shorten(why, 400)),
        EventKind::Question { question, text, options } => tag(
            Tone::Attention,
            "question",
            &format!("{question}: {}{}", shorten(text, 400), listed(options)),
        ),
        EventKind::Answer { question, text } => {
            tag(Tone::Good, "answer", &format!("{question}: {}", shorten(text, 400)))
        }
        EventKind::Artifact { name, bytes } => tag(Tone::Good, "artifact", &format!("{name}, {bytes} bytes")),
        EventKind::Held { who } => {
            tag(Tone::Attention, "held", &format!("{} has taken the session over", printable(who)))
        }
        EventKind::HandedBack { who } => {
            tag(Tone::Good, "handed back", &format!("{} has handed the session back", printable(who)))
        }
        EventKind::Message { text, .. } => tag(Tone::Attention, "told", &shorten(text, 400)),
        EventKind::Receipt { receipt, .. } => {
            let (tone, word, text) = taken_in(*receipt, all)?;
            tag(tone, word, text)
        }
        EventKind::Verdict(said) => tag(Tone::Strong, "verdict", &verdict(said)),
        EventKind::Leak { what, count, processes } => tag(Tone::Bad, "leak", &leak(*what, *count, processes)),
        EventKind::LeftOut { why, lines, bytes } => {
            tag(Tone::Attention, "left out", &left_out(*why, *lines, *bytes))
        }
        EventKind::Output { text, .. } => Some(printable(text)),
        EventKind::Other if all => tag(Tone::Faint, "other", "an event that this version does not know"),
        EventKind::Ended { end } => {
            let tone = if end.outcome == Outcome::Done { Tone::Good } else { Tone::Bad };
            tag(tone, "ended", &end.outcome.to_string())
        }
        EventKind::Text { .. } | EventKind::ToolResult { .. } | EventKind::Other => None,
    }
}

fn limit(window: &str, rejected: bool, until: Option<Timestamp>, utilization: Option<f64>) -> String {
    let used = utilization.map_or(String::new(), |it| format!(" ({:.0} % used)", it * 100.0));
    let state = if rejected { "exhausted".to_owned() } else { format!("nearly exhausted{used}") };
    let until = until.map_or(String::new(), |it| format!(", opens again {it}"));
    format!("{window} is {state}{until}")
}

fn spent(turns: Option<u64>, cost_usd: Option<f64>) -> String {
    let turns = turns.map_or(String::new(), |it| format!("{it} turns, "));
    let cost = cost_usd.map_or("cost unknown".to_owned(), |it| format!("${it:.2}"));
    format!("{turns}{cost}")
}

fn status(text: &str, confidence: Option<f64>) -> String {
    let sure = confidence.map_or(String::new(), |it| format!(" ({:.0} % sure)", it * 100.0));
    format!("{}{sure}", printable(text))
}

fn listed(options: &[String]) -> String {
    if options.is_empty() { String::new() } else { format!(" [{}]", options.join(" | ")) }
}

/// What became of a message; `None` when it is on its way, which is for those who want `all`.
fn taken_in(receipt: Receipt, all: bool) -> Option<(Tone, &'static str, &'static str)> {
    match receipt {
        Receipt::Read => Some((Tone::Good, "read", "the worker has taken that in")),
        Receipt::Unread => Some((Tone::Bad, "unread", "the worker ended without having taken that in")),
        Receipt::Queued | Receipt::Delivered | Receipt::Unknown => {
            all.then_some((Tone::Faint, "delivered", "it is at the worker's input"))
        }
    }
}

fn verdict(said: &Verdict) -> String {
    let found = said.findings.iter().map(|it| format!("\n  {it}")).collect::<String>();
    format!("{}: {}{found}", said.decision.as_str(), shorten(&said.summary, 400))
}

fn left_out(why: LeftOut, lines: u64, bytes: u64) -> String {
    let bytes = Bytes(bytes);
    match (why, lines) {
        (LeftOut::LongLine, _) => format!("the rest of that line, which is too long: {bytes}"),
        (LeftOut::FullLog, 0) => {
            "the log is as large as it may be; what the worker prints from here on is left out, but for results"
                .to_owned()
        }
        (LeftOut::FullLog, lines) => format!("{lines} lines, {bytes} in all, because the log was full"),
        (LeftOut::Unknown, _) => format!("{bytes} of what the worker printed"),
    }
}

fn leak(what: Leak, count: u64, processes: &[LeakedProcess]) -> String {
    let mut leaked = Leaked::default();
    match what {
        Leak::Outlived => leaked.outlived = count,
        Leak::Stay | Leak::Unknown => leaked.stay = count,
    }
    let named = processes.iter().map(|it| format!("{} ({})", it.pid, shorten(&it.command, 60)));
    format!("{leaked}: {}", named.collect::<Vec<_>>().join(", "))
}

/// One line of at most `limit` characters, without anything that could move the cursor.
fn shorten(text: &str, limit: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = flat.chars().take(limit).collect();
    if short.len() < flat.len() {
        short.push('…');
    }
    printable(&short)
}

/// A worker's text must not be able to paint over ours: control characters other than tabs are shown as such.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}
