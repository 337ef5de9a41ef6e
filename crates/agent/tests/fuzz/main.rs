//! What a worker prints and what a client sends is anybody's: none of it stops the shim or the server, whatever it is.
//!
//! Inputs are the recordings of the corpus with pieces exchanged, cut, repeated and damaged, so that they get past the
//! first brace. `PROPTEST_CASES` says how many; a failure is written down beside this file and tried again first.

#![expect(clippy::unwrap_used, reason = "a world that cannot be set up is a failed test")]

use coord_agent::order::Command;
use coord_agent::runtime::{self, Shape};
use coord_core::classify::classify;
use coord_core::outcome::WorkerExit;
use coord_core::run::{GitFacts, RunKind};
use coord_proto::event::EventKind;
use coord_proto::run::RunSpec;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Lines that the real programs printed, and lines that nobody would.
fn seeds() -> Vec<String> {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut lines: Vec<String> = ["2.1.197", "2.1.329"]
        .iter()
        .flat_map(|version| fs_err::read_dir(format!("{corpus}/{version}")).unwrap())
        .flat_map(|file| {
            let text = fs_err::read_to_string(file.unwrap().path()).unwrap();
            text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    lines.extend(
        [
            r#"{"type":"turn.failed","error":{"message":"You've hit your usage limit."}}"#,
            r#"{"type":"item.completed","item":{"id":"i","type":"command_execution","command":"ls","exit_code":0}}"#,
            r#"{"type":"result","status":"error","error":{"type":"x","message":"y"},"stats":{"total_tokens":1}}"#,
            r#"{"type":"step_finish","part":{"reason":"stop","tokens":{"input":1,"output":2},"cost":0.5}}"#,
            r#"{"type":"error","error":{"name":"APIError","data":{"statusCode":401,"isRetryable":false}}}"#,
            "STATUS: half way",
            "STUCK: \u{0} \u{202e}",
            "",
            "{",
            "null",
        ]
        .map(str::to_owned),
    );
    lines
}

/// What is done to a line.
#[derive(Debug, Clone)]
enum Harm {
    Cut(Index),
    Insert(Index, String),
    Repeat(Index, Index),
    Number(Index, i64),
}

fn harms() -> impl Strategy<Value = Vec<Harm>> {
    let harm = prop_oneof![
        any::<Index>().prop_map(Harm::Cut),
        (any::<Index>(), ".{0,8}").prop_map(|(at, text)| Harm::Insert(at, text)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Harm::Repeat(from, to)),
        (any::<Index>(), any::<i64>()).prop_map(|(at, number)| Harm::Number(at, number)),
    ];
    vec(harm, 0..6)
}

fn harmed(line: &str, harms: &[Harm]) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    for harm in harms {
        if chars.is_empty() {
            break;
        }
        match harm {
            Harm::Cut(at) => chars.truncate(at.index(chars.len())),
            Harm::Insert(at, text) => {
                let at = at.index(chars.len());
                chars.splice(at..at, text.chars());
            }
            Harm::Repeat(from, to) => {
                let (from, to) = (from.index(chars.len()), to.index(chars.len()));
                let piece = chars[from.min(to)..from.max(to)].to_vec();
                chars.splice(from..from, piece);
            }
            Harm::Number(at, number) => {
                let digits: Vec<usize> = (0..chars.len()).filter(|it| chars[*it].is_ascii_digit()).collect();
                if let Some(place) = digits.get(at.index(digits.len().max(1))) {
                    chars.splice(*place..=*place, number.to_string().chars());
                }
            }
        }
    }
    chars.into_iter().filter(|it| *it != '\n').collect()
}

/// A stream: some lines, each with its harms.
fn streams() -> impl Strategy<Value = Vec<String>> {
    let seeds = seeds();
    vec((any::<Index>(), harms()), 0..12).prop_map(move |picked| {
        picked.iter().map(|(seed, harms)| harmed(&seeds[seed.index(seeds.len())], harms)).collect()
    })
}

proptest! {
    /// Every line is an event, what is called JSON is JSON, every event comes back from the log as it went in, and there
    /// is an outcome.
    #[test]
    fn whatever_a_worker_prints_is_read(lines in streams(), code in -1_i32..3) {
        for runtime in runtime::ALL {
            for kind in RunKind::ALL {
                let mut reader = runtime.reader(kind);
                let mut events: Vec<EventKind> = Vec::new();
                for line in &lines {
                    let before = events.len();
                    let shape = reader.line(line, &mut events);
                    prop_assert!(events.len() > before, "{} made nothing of {line:?}", runtime.name());
                    if shape == Shape::Json {
                        prop_assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line:?}");
                    }
                }
                for event in &events {
                    let written = serde_json::to_string(event).unwrap();
                    let read: EventKind = serde_json::from_str(&written).unwrap();
                    prop_assert_eq!(serde_json::to_string(&read).unwrap(), written);
                }
                let exit = if code < 0 { WorkerExit::Signal(9) } else { WorkerExit::Code(code) };
                let (stream, _) = reader.finish(exit);
                let outcome = classify(kind, exit, None, &stream, &GitFacts::default(), false);
                prop_assert!(!outcome.as_str().is_empty());
            }
        }
    }

    /// Only a line that begins with the marker is one, and each of them is.
    #[test]
    fn markers_are_found_at_the_start_of_a_line_and_nowhere_else(text in "(STATUS:|STUCK:| |x|:|\t|\u{e4}){0,12}") {
        let script = runtime::named(&"script".parse().unwrap()).unwrap();
        let mut events = Vec::new();
        script.reader(RunKind::Work).line(&text, &mut events);
        let statuses = events.iter().filter(|it| matches!(it, EventKind::Status { .. })).count();
        let stuck = events.iter().filter(|it| matches!(it, EventKind::Stuck { .. })).count();
        prop_assert_eq!(statuses, usize::from(text.starts_with("STATUS:")));
        prop_assert_eq!(stuck, usize::from(text.starts_with("STUCK:")));
    }

    /// A body or a line of the control socket is understood or refused; what is understood is the same when it is written
    /// and read again.
    #[test]
    fn whatever_a_client_sends_is_read_or_refused(harms in harms(), bytes in vec(any::<u8>(), 0..64)) {
        let body = harmed(BODY, &harms);
        if let Ok(spec) = serde_json::from_str::<RunSpec>(&body) {
            let again: RunSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
            prop_assert_eq!(again, spec);
        }
        drop(serde_json::from_slice::<RunSpec>(&bytes));
        let command = harmed(r#"{"command":"stop","at":"2026-01-01T00:00:00Z"}"#, &harms);
        drop(serde_json::from_str::<Command>(&command));
        drop(serde_json::from_slice::<Command>(&bytes));
    }
}

const BODY: &str = r#"{"run":"a000000000000001","kind":"work","task":"api#1","attempt":1,"fence":1,
"start_before":"2030-01-01T00:00:00Z","runtime":"claude","model":"opus","base_branch":"main","branch":"issue-1",
"checkout":{"at":"base"},"prompt":"Do it.","permissions":{"allow":["Bash(make)"],"deny":[]},"deadline_seconds":60}"#;
