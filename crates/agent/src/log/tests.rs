use std::collections::BTreeMap;

use coord_proto::event::OutputStream;

use super::*;

fn open(path: &Utf8Path) -> LogWriter {
    LogWriter::open(path, Secrets::of(&BTreeMap::new())).unwrap()
}

fn output(text: &str) -> EventKind {
    EventKind::Output { stream: OutputStream::Stdout, text: text.to_owned() }
}

fn events(path: &Utf8Path) -> Vec<Event> {
    let text = fs_err::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn place() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().join("log.ndjson");
    (dir, path)
}

#[test]
fn a_torn_tail_is_cut_off_and_the_numbers_go_on() {
    let (_dir, path) = place();
    let mut log = open(&path);
    log.append(Timestamp::UNIX_EPOCH, &[output("one"), output("two")], RawLine::None);
    assert_eq!(log.last(), 0, "nothing is announced before it is written");
    assert_eq!(log.commit().unwrap(), 2);
    drop(log);
    let mut torn = fs_err::read(&path).unwrap();
    torn.extend_from_slice(br#"{"n":3,"at":"19"#);
    fs_err::write(&path, torn).unwrap();

    let mut log = open(&path);
    assert_eq!(log.last(), 2);
    log.append(Timestamp::UNIX_EPOCH, &[output("three")], RawLine::None);
    assert_eq!(log.commit().unwrap(), 3);
    assert_eq!(events(&path).iter().map(|it| it.n).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_line_comes_back_to_the_byte_whatever_it_is_made_of() {
    let (_dir, path) = place();
    let mut log = open(&path);
    let json = r#"{"b" : 1.0e2, "a":"é\u00e9"}"#;
    let plain = "with a return\r";
    let broken = b"\xff\x00 not text";
    log.append(Timestamp::UNIX_EPOCH, &[EventKind::Other, EventKind::Other], RawLine::Json(json));
    log.append(Timestamp::UNIX_EPOCH, &[output(plain)], RawLine::Bytes(plain.as_bytes()));
    log.append(Timestamp::UNIX_EPOCH, &[output("\u{fffd}\0 not text")], RawLine::Bytes(broken));
    log.append(
        Timestamp::UNIX_EPOCH,
        &[EventKind::Text { text: "said".to_owned() }],
        RawLine::Bytes(b"said"),
    );
    log.commit().unwrap();
    let lines: Vec<_> = events(&path).iter().filter_map(Event::raw_line).collect();
    assert_eq!(lines, [json.as_bytes(), plain.as_bytes(), broken, b"said"]);
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(!text.lines().nth(2).unwrap().contains("raw"), "a plain line is kept once");
}

#[test]
fn a_note_holds_no_secret() {
    let (_dir, path) = place();
    let environment = BTreeMap::from([("A_TOKEN".to_owned(), "hunter2hunter2".to_owned())]);
    let mut log = LogWriter::open(&path, Secrets::of(&environment)).unwrap();
    log.note(Timestamp::UNIX_EPOCH, "the remote said hunter2hunter2").unwrap();
    assert_eq!(events(&path)[0].event, EventKind::Note { text: "the remote said [redacted]".to_owned() });
}

#[test]
fn only_a_log_that_ends_with_the_end_has_ended_however_long_that_line_is() {
    let (_dir, path) = place();
    let mut log = open(&path);
    assert!(log.ended().unwrap().is_none());
    log.append(Timestamp::UNIX_EPOCH, &[output("x")], RawLine::None);
    log.commit().unwrap();
    assert!(log.ended().unwrap().is_none());
    let end = RunEnd {
        outcome: coord_core::outcome::Outcome::Lost { reason: "long ".repeat(40_000) },
        at: Timestamp::UNIX_EPOCH,
        exit: None,
        git: coord_core::run::GitFacts::default(),
        rescue: None,
        report: coord_core::run::RuntimeReport::default(),
        leaked: Leaked::default(),
    };
    log.append(Timestamp::UNIX_EPOCH, &[EventKind::Ended { end: Box::new(end.clone()) }], RawLine::None);
    log.commit().unwrap();
    assert_eq!(log.ended().unwrap(), Some(end));
}
