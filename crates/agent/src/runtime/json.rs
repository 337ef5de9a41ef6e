//! What the runtimes have in common that print one JSON object per line.

use std::collections::BTreeSet;

use coord_core::classify::{ErrorClass, ResultFacts, StreamFacts};
use coord_core::outcome::WorkerExit;
use coord_proto::event::{EventKind, OutputStream};
use serde_json::Value;

use super::{Phase, Shape, shorten};

/// Has a line understood that is an object, and says what kind of line it was. At least one event comes of it.
pub(super) fn line(
    line: &str,
    events: &mut Vec<EventKind>,
    understand: impl FnOnce(&Value, &mut Vec<EventKind>),
) -> Shape {
    let object = serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
    let Some(object) = object else {
        events.push(EventKind::Output { stream: OutputStream::Stdout, text: line.to_owned() });
        return Shape::Text;
    };
    let before = events.len();
    understand(&object, events);
    if events.len() == before {
        events.push(EventKind::Other);
    }
    // White space around the object would be lost inside of another one.
    if line.starts_with('{') && line.ends_with('}') { Shape::Json } else { Shape::Text }
}

/// What is under way, as far as events tell.
#[derive(Debug, Default)]
pub(super) struct Underway {
    calls: BTreeSet<String>,
    is_over: bool,
}

impl Underway {
    /// These events were read.
    pub(super) fn follow(&mut self, events: &[EventKind]) {
        for event in events {
            if let EventKind::Tool { id, .. } = event {
                self.calls.insert(id.clone());
                self.is_over = false;
            } else if let EventKind::ToolResult { id, .. } = event {
                self.calls.remove(id);
            } else if matches!(event, EventKind::Result { .. }) {
                // No call outlives its turn.
                self.calls.clear();
                self.is_over = true;
            } else if matches!(event, EventKind::Text { .. }) {
                self.is_over = false;
            }
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match (self.is_over, self.calls.is_empty()) {
            (true, _) => Phase::Over,
            (false, true) => Phase::Model,
            (false, false) => Phase::Tool,
        }
    }
}

/// A text below an object, or an empty one.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A text of any value, for people: at most 500 characters.
pub(super) fn brief(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => shorten(text, 500),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            shorten(&value.to_string(), 500)
        }
    }
}

/// What a tool is used on: the first of the things that tools are commonly told.
pub(super) fn subject(input: &Value) -> String {
    let keys = ["file_path", "filePath", "command", "pattern", "path", "url", "query", "description"];
    let said = keys.iter().find_map(|key| input[key].as_str());
    shorten(said.unwrap_or_default(), 200)
}

/// The result of a turn that went well.
pub(super) fn success(subtype: &str, text: &str) -> ResultFacts {
    ResultFacts { subtype: subtype.to_owned(), text: text.to_owned(), ..ResultFacts::default() }
}

/// The result of one that did not.
pub(super) fn failure(subtype: &str, message: &str) -> ResultFacts {
    ResultFacts { is_error: true, ..success(subtype, message) }
}

/// The same for a program that ended without a result and said why on its standard error.
pub(super) fn explain(facts: &mut StreamFacts, exit: WorkerExit, complaint: Option<String>) {
    if let (None, WorkerExit::Code(1..), Some(complaint)) = (&facts.result, exit, complaint) {
        facts.result = Some(failure("", &complaint));
    }
}

/// The class of an error that has an HTTP status and nothing else.
pub(super) fn class_of(status: u16) -> Option<ErrorClass> {
    match status {
        401 | 403 => Some(ErrorClass::AuthenticationFailed),
        402 => Some(ErrorClass::BillingError),
        404 => Some(ErrorClass::ModelNotFound),
        429 => Some(ErrorClass::Overloaded),
        500.. => Some(ErrorClass::ServerError),
        _ => None,
    }
}
