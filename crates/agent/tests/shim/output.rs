//! What a worker prints, and what becomes of it.

use std::io::{BufRead as _, BufReader};

use coord_agent::log::secrets::Secrets;
use coord_agent::log::{LogWriter, RawLine};
use coord_core::outcome::{Outcome, WorkerExit};
use coord_proto::event::{Event, EventKind, LeftOut, OutputStream};
use coord_testkit::poll::{PATIENCE, wait_for};
use jiff::Timestamp;

use crate::fixture::{Place, announcement, raw_lines};

#[test]
fn a_hundred_thousand_lines_arrive_each_once_and_in_order() {
    let place = Place::new();
    let run = place.command(1, r#"awk 'BEGIN { for (i = 0; i < 100000; i++) printf "{\"i\":%d}\n", i }'"#);
    let (_, events) = run.end();
    let lines = raw_lines(&events);
    assert_eq!(lines.len(), 100_000);
    let right = |(line, i): (&Vec<u8>, usize)| *line == format!("{{\"i\":{i}}}").into_bytes();
    assert!(lines.iter().zip(0..).all(right));
}

#[test]
fn a_line_of_ten_megabytes_is_one_event() {
    let place = Place::new();
    let run = place.command(1, "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo after");
    let lines = raw_lines(&run.end().1);
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [10_000_000, 5]);
}

#[test]
fn of_a_line_of_a_hundred_megabytes_the_beginning_is_kept_and_the_rest_counted() {
    let place = Place::new();
    let long = "head -c 100000000 /dev/zero | tr '\\0' x";
    let run = place.command(1, &format!("{long}; echo; echo after; {long} >&2"));
    let shim = run.start();
    wait_for("the first line", PATIENCE, || {
        let there = run.events().iter().any(|it| matches!(it.event, EventKind::LeftOut { .. }));
        there.then_some(()).ok_or_else(|| "it is not there yet".to_owned())
    });
    let status = fs_err::read_to_string(format!("/proc/{}/status", shim.pid())).unwrap_or_default();
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).map(str::trim);
    if let Some(peak) = peak.and_then(|it| it.split(' ').next()?.parse::<u64>().ok()) {
        assert!(peak < 200_000, "{peak} KiB");
    }
    let (_, events) = run.ended(shim);
    let (mut kept, mut told) = (0, Vec::new());
    for event in events {
        if let EventKind::Output { text, .. } | EventKind::Text { text } = event.event {
            if text.starts_with('x') {
                kept = text.len() as u64;
            } else {
                told.push(text);
            }
        } else if let EventKind::LeftOut { why: LeftOut::LongLine, lines: 0, bytes } = event.event {
            told.push((kept + bytes).to_string());
        }
    }
    assert_eq!(told, ["100000000", "after", "100000000"]);
}

#[test]
fn a_log_that_is_full_says_so_keeps_what_decides_and_holds_nobody_up() {
    let place = Place::new();
    let chatter = "i=0; while [ $i -lt 3000 ]; do echo \"line $i\"; i=$((i+1)); done";
    let mut run = place.run(1, "script", |spec| {
        spec.prompt = format!("```sh\n{chatter}\necho STATUS: nearly there\n{chatter}\n```\n");
    });
    run.order.spec.limits.log = Some(20_000);
    let (end, events) = run.end();
    assert_eq!((end.outcome, end.exit), (Outcome::NoChange, Some(WorkerExit::Code(0))));
    assert_eq!(end.report.text.as_deref(), Some("line 2999"), "the reader has read all of it");
    assert!(fs_err::metadata(run.dir.log()).unwrap().len() < 25_000);
    let text = |it: &&Event| matches!(it.event, EventKind::Text { .. });
    let kept = events.iter().filter(text).count() as u64;
    let left_out: Vec<_> = events
        .iter()
        .filter_map(|it| {
            let EventKind::LeftOut { why: LeftOut::FullLog, lines, bytes } = it.event else { return None };
            Some((lines, bytes))
        })
        .collect();
    let [(0, 0), (lines, bytes)] = left_out[..] else { panic!("{left_out:?}") };
    assert_eq!(kept + lines, 6001);
    assert!(bytes >= lines * 6);
    assert!(
        events.iter().any(|it| matches!(&it.event, EventKind::Status { text, .. } if text == "nearly there"))
    );
}

#[test]
fn a_flood_on_standard_error_and_an_input_that_nobody_reads_hold_nobody_up() {
    let place = Place::new();
    let flood = "yes 'e e e e e e e e e e e e e e e' | head -c 3000000 >&2; echo done";
    let program = place.world.write("bin/fake", &format!("#!/bin/sh\n{flood}\n"));
    crate::runtimes::executable(&program);
    let mut run = place.run(1, "claude", |spec| spec.prompt = "never read ".repeat(1_000_000));
    run.order.runtime.program = Some(program.to_string());
    let (_, events) = run.end();
    let from = |wanted| {
        let is = |it: &&Event| matches!(it.event, EventKind::Output { stream, .. } if stream == wanted);
        events.iter().filter(is).count()
    };
    assert_eq!((from(OutputStream::Stdout), from(OutputStream::Stderr)), (1, 100_000));
}

#[test]
fn bytes_that_are_no_text_and_a_last_line_without_an_end_are_kept() {
    let place = Place::new();
    let run = place.command(1, r"printf 'a\r\n\377\376\000z\n\nno end'");
    let (end, events) = run.end();
    assert_eq!(raw_lines(&events), [&b"a\r"[..], b"\xff\xfe\0z", b"", b"no end"]);
    assert_eq!(end.exit, Some(WorkerExit::Code(0)));
}

#[test]
fn both_streams_are_read_at_once() {
    let place = Place::new();
    let both =
        "head -c 300000 /dev/zero | tr '\\0' e >&2; echo >&2; head -c 300000 /dev/zero | tr '\\0' o; echo";
    let (_, events) = place.command(1, both).end();
    let long = |text: &str| text.len() == 300_000;
    let said = |it: &&Event| matches!(&it.event, EventKind::Text { text } if long(text));
    let complained = |it: &&Event| matches!(&it.event, EventKind::Output { stream: OutputStream::Stderr, text } if long(text));
    let count = (events.iter().filter(said).count(), events.iter().filter(complained).count());
    assert_eq!(count, (1, 1));
}

#[test]
fn secrets_of_the_environment_do_not_get_into_the_log() {
    let place = Place::new();
    let mut run = place.command(1, "echo \"key is $SOME_API_KEY.\"; printf 'x\\377%s' $SOME_API_KEY");
    run.order.environment.insert("SOME_API_KEY".to_owned(), "sk-0123456789".to_owned());
    let lines = raw_lines(&run.end().1);
    assert_eq!(lines, [&b"key is [redacted]."[..], b"x\xff[redacted]"]);
    let log = fs_err::read_to_string(run.dir.log()).unwrap();
    assert!(!log.contains("sk-0123456789"));
}

#[test]
fn a_shim_goes_on_behind_a_torn_line() {
    let place = Place::new();
    let run = place.command(1, "echo on");
    let mut log = LogWriter::open(&run.dir.log(), Secrets::of(&run.order.environment)).unwrap();
    let note = EventKind::Note { text: "prepared".to_owned() };
    log.append(Timestamp::UNIX_EPOCH, &[note], RawLine::None);
    log.commit().unwrap();
    let mut torn = fs_err::read(run.dir.log()).unwrap();
    torn.extend_from_slice(b"{\"n\":2,\"at");
    fs_err::write(run.dir.log(), torn).unwrap();
    let (_, events) = run.end();
    assert!(matches!(events[0].event, EventKind::Note { .. }));
    assert!(matches!(events[1].event, EventKind::Started { .. }));
}

#[test]
fn a_client_is_told_at_once_and_one_that_does_not_read_holds_nobody_up() {
    let place = Place::new();
    let chatter = "echo ready; i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; read -r _ < fifo";
    let run = place.command(1, &format!("mkfifo fifo; {chatter}"));
    let shim = run.start();
    run.wait_for_output("ready");
    let deaf = run.connect();
    let mut hearing = BufReader::new(run.connect()).lines();
    let first = announcement(&hearing.next().unwrap().unwrap());
    assert!(first.pid.is_some() && first.last_event > 0);
    assert_eq!(first.state.as_str(), "running");
    run.wait_for_output("19999");
    let wanted = run.events().last().unwrap().n;
    let mut heard = first.last_event;
    while heard < wanted {
        heard = announcement(&hearing.next().unwrap().unwrap()).last_event;
    }
    run.stop();
    run.ended(shim);
    drop(deaf);
}
