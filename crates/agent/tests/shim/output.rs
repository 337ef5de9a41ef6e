//! What a worker prints, and what becomes of it.

use std::io::{BufRead as _, BufReader};

use coord_agent::log::secrets::Secrets;
use coord_agent::log::{LogWriter, RawLine};
use coord_core::outcome::WorkerExit;
use coord_proto::event::{EventKind, OutputStream};
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
    let from = |wanted| {
        let is = |it: &EventKind| matches!(it, EventKind::Output { stream, text } if *stream == wanted && text.len() == 300_000);
        events.iter().filter(|it| is(&it.event)).count()
    };
    assert_eq!((from(OutputStream::Stdout), from(OutputStream::Stderr)), (1, 1));
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
