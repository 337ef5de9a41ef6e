//! How a run of claude is understood: a corpus of what the program really prints, from its pinned versions, and
//! what the classifier makes of it.
//!
//! The corpus lies beside this file, `<version>/<case>.jsonl`: a first line with how the process ended, then what
//! it printed, with ids, times and long lists taken out. It is read without any program. Where claude can be had,
//! every case is run again against the scripted model, and must give the classifier the very facts that the
//! corpus gives; a version that behaves otherwise shows here first. `COORD_CORPUS=write` writes it anew.

#![expect(clippy::unwrap_used, reason = "a world that cannot be set up is a failed test")]

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use coord_agent::runtime;
use coord_core::classify::{StreamFacts, classify};
use coord_core::outcome::{Outcome, WorkerExit};
use coord_core::run::{GitFacts, RunKind, RuntimeReport};
use coord_proto::event::EventKind;
use coord_testkit::claude::Version;
use serde::{Deserialize, Serialize};

use self::cases::CASES;

mod cases;
mod regenerate;

/// A case as it lies in the corpus.
#[derive(Debug, Clone)]
struct Recording {
    exit: WorkerExit,
    lines: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    exit: WorkerExit,
}

/// Everything that may decide an outcome, and which types of line there were.
#[derive(Debug, PartialEq)]
struct Facts {
    exit: WorkerExit,
    stream: StreamFacts,
    denials: Vec<String>,
    types: BTreeSet<String>,
}

impl Recording {
    fn path(version: Version, case: &str) -> Utf8PathBuf {
        let version = match version {
            Version::Current => "2.1.329",
            Version::Previous => "2.1.197",
        };
        Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/corpus/{version}/{case}.jsonl"))
    }

    fn read(version: Version, case: &str) -> Self {
        let text = fs_err::read_to_string(Self::path(version, case)).unwrap();
        let mut lines = text.lines().map(str::to_owned);
        let head: Head = serde_json::from_str(&lines.next().unwrap()).unwrap();
        Self { exit: head.exit, lines: lines.collect() }
    }

    fn write(&self, version: Version, case: &str) {
        let head = serde_json::to_string(&Head { exit: self.exit }).unwrap();
        let lines: Vec<_> = [head].into_iter().chain(self.lines.iter().cloned()).collect();
        let path = Self::path(version, case);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, lines.join("\n") + "\n").unwrap();
    }

    /// What the reader makes of it.
    fn understood(&self) -> (StreamFacts, RuntimeReport, Vec<EventKind>) {
        let claude = runtime::named(&"claude".parse().unwrap()).unwrap();
        let mut reader = claude.reader(RunKind::Work);
        let mut events = Vec::new();
        for line in &self.lines {
            let before = events.len();
            reader.line(line, &mut events);
            assert!(events.len() > before, "every line is an event: {line}");
        }
        let (stream, report) = reader.finish(self.exit);
        (stream, report, events)
    }

    fn facts(&self) -> Facts {
        let (stream, report, _) = self.understood();
        let types = self.lines.iter().filter_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            Some(format!("{}/{}", word("type"), word("subtype")))
        });
        // A command that takes long on a busy machine becomes a task of claude's own.
        let types =
            types.filter(|it| !it.starts_with("system/task_") && it != "system/background_tasks_changed");
        Facts { exit: self.exit, stream, denials: report.denials, types: types.collect() }
    }

    /// The outcome of a run that left one commit, which is on origin.
    fn outcome(&self) -> Outcome {
        let (stream, ..) = self.understood();
        let git = GitFacts {
            ahead: Some(1),
            added: Some(1),
            pushed: Some(true),
            dirty: Some(Vec::new()),
            ..GitFacts::default()
        };
        classify(RunKind::Work, self.exit, None, &stream, &git, false)
    }
}

const VERSIONS: [Version; 2] = [Version::Previous, Version::Current];

#[test]
fn every_recording_of_the_corpus_has_its_outcome() {
    for version in VERSIONS {
        let wrong: BTreeMap<_, _> = CASES
            .iter()
            .map(|case| (case.name, (Recording::read(version, case.name).outcome(), case.outcome)))
            .filter(|(_, (seen, wanted))| seen.as_str() != *wanted)
            .collect();
        assert!(wrong.is_empty(), "{version:?}: {wrong:#?}");
    }
}

/// What people read is taken from the same lines, so it is told as well.
#[test]
fn what_a_person_is_told_of_each_recording() {
    for version in VERSIONS {
        for case in CASES {
            let (stream, report, events) = Recording::read(version, case.name).understood();
            let told = |wanted: fn(&EventKind) -> bool| events.iter().filter(|it| wanted(it)).count();
            let results = told(|it| matches!(it, EventKind::Result { .. }));
            let name = format!("{version:?} {}", case.name);
            assert_eq!(results == 0, stream.result.is_none(), "{name}: every result is an event");
            assert_eq!(
                told(|it| matches!(it, EventKind::Retry { .. })) > 0,
                case.tells.contains(&"retry"),
                "{name}"
            );
            assert_eq!(
                told(|it| matches!(it, EventKind::Limit { .. })) > 0,
                case.tells.contains(&"limit"),
                "{name}"
            );
            assert_eq!(!report.denials.is_empty(), case.tells.contains(&"denial"), "{name}");
            let wanted = version == Version::Current && case.tells.contains(&"two results");
            assert_eq!(results > 1, wanted, "{name}");
        }
    }
}

/// Later versions print more. What is not known must neither hide what is nor change what it means.
#[test]
fn lines_of_a_later_version_change_no_outcome() {
    let unknown = [
        r#"{"type":"hologram","is_error":true,"subtype":"error","session_id":"x"}"#,
        r#"{"type":"system","subtype":"weather","error":"authentication_failed","session_id":"x"}"#,
        r#"{"type":"assistant","brand_new":{"error":"rate_limit"},"parent_tool_use_id":"t","message":{"content":[]}}"#,
        "a warning that is no JSON at all: STUCK: no",
        "",
    ];
    for version in VERSIONS {
        for case in CASES {
            let recorded = Recording::read(version, case.name);
            let between =
                |line: &String| unknown.iter().map(|it| (*it).to_owned()).chain([line.clone()]).collect();
            let lines = recorded.lines.iter().flat_map(|line| -> Vec<_> { between(line) }).collect();
            let later = Recording { lines, ..recorded.clone() };
            assert_eq!(later.outcome(), recorded.outcome(), "{version:?} {}", case.name);
        }
    }
}

#[test]
fn of_several_results_the_last_decides_and_none_is_a_crash() {
    let failed = r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":529,"num_turns":1,"result":"x"}"#;
    let good = r#"{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"x"}"#;
    for version in VERSIONS {
        let recorded = Recording::read(version, "done");
        let with = |exit, lines: Vec<String>| Recording { exit, lines }.outcome();
        let behind = |line: &str| [recorded.lines.clone(), vec![line.to_owned()]].concat();
        assert_eq!(with(WorkerExit::Code(1), behind(failed)).as_str(), "transient");
        let before = [vec![failed.to_owned()], recorded.lines.clone()].concat();
        assert_eq!(with(WorkerExit::Code(0), before), Outcome::Done);
        assert_eq!(with(WorkerExit::Code(0), behind(good)), Outcome::Done);

        let is_result = |line: &String| line.contains(r#""type":"result""#);
        let lines: Vec<_> = recorded.lines.iter().filter(|it| !is_result(it)).cloned().collect();
        assert_eq!(with(WorkerExit::Code(0), lines.clone()).as_str(), "crashed");
        assert_eq!(with(WorkerExit::Signal(9), lines).as_str(), "crashed");
        let mut cut = recorded.lines.clone();
        let last = cut.pop().unwrap();
        cut.push(last[..last.len() / 2].to_owned());
        assert_eq!(with(WorkerExit::Code(0), cut).as_str(), "crashed", "half a result is none");
    }
}

#[test]
fn no_recording_lies_there_that_nobody_asks_about() {
    for version in VERSIONS {
        let dir = Recording::path(version, "x").parent().unwrap().to_owned();
        let there = dir.read_dir_utf8().unwrap().map(|it| it.unwrap().path().file_stem().unwrap().to_owned());
        let asked = CASES.iter().map(|it| it.name.to_owned());
        assert_eq!(there.collect::<BTreeSet<_>>(), asked.collect::<BTreeSet<_>>());
    }
}
