//! What is logged: to standard error, from a level on, and notices for people at any level.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::ui;

/// Starts logging. `level` is that of `COORD_LOG`: error, warn, info, debug or trace; without it a server logs what
/// it does, and a command nothing but errors. Notices are a command's talk, unless it prints a document.
pub fn start(level: Option<&str>, serves: bool, json: bool) {
    let otherwise = if serves { Level::INFO } else { Level::ERROR };
    let level = level.and_then(|it| it.parse().ok()).unwrap_or(otherwise);
    let is_notice = |it: &tracing::Metadata<'_>| it.target() == coord_forge::NOTICE;
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let logged = filter_fn(move |it| serves || !is_notice(it)).and(LevelFilter::from_level(level));
    let told = filter_fn(move |it| !serves && !json && is_notice(it));
    let subscriber = tracing_subscriber::registry();
    subscriber.with(lines.with_filter(logged)).with(Notices.with_filter(told)).init();
}

/// Says notices to whoever gave the command.
struct Notices;

impl<S: Subscriber> Layer<S> for Notices {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        ui::notice(&message.0);
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
