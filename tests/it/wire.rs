//! The streams of an agent server as bytes on a connection, without a client that mends anything.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use crate::fleet::Fleet;

/// How events are asked for, and so how a reader says where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// NDJSON and `?after=`.
    Lines,
    /// Server-sent events and `Last-Event-ID`.
    Sse,
}

/// Follows a run's events to their end over connections of which the first is cut after `cut` bytes of its
/// stream, and each other a little further: the lines that came whole, and how many connections it took.
pub(crate) fn follow(fleet: &Fleet, run: &str, framing: Framing, cut: usize) -> (Vec<u8>, usize) {
    let (mut lines, mut last) = (Vec::new(), 0);
    for connections in 1_usize.. {
        let (body, is_whole) = stream(fleet, run, framing, last, cut + 487 * (connections - 1));
        let events = match framing {
            Framing::Lines => whole_lines(&body),
            Framing::Sse => whole_frames(&body, last),
        };
        last += events.len();
        lines.extend(events.into_iter().flatten());
        if is_whole {
            return (lines, connections);
        }
    }
    unreachable!("there is always one more connection")
}

/// Posts a JSON document to the agent server; its whole answer.
pub(crate) fn post(fleet: &Fleet, path: &str, body: &str) -> String {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, fleet.port)).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        fleet.token(),
        body.len()
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// The body of one answer, up to `limit` bytes, and whether that was all of it.
fn stream(fleet: &Fleet, run: &str, framing: Framing, last: usize, limit: usize) -> (Vec<u8>, bool) {
    let (query, header) = match framing {
        Framing::Lines => (format!("?after={last}"), "Accept: application/x-ndjson".to_owned()),
        Framing::Sse => (String::new(), format!("Accept: text/event-stream\r\nLast-Event-ID: {last}")),
    };
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, fleet.port)).unwrap();
    // An answer to HTTP/1.0 has no chunks: what follows its head is the stream.
    let request = format!(
        "GET /v1/runs/{run}/events{query} HTTP/1.0\r\nAuthorization: Bearer {}\r\n{header}\r\n\r\n",
        fleet.token()
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    assert!(head.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&head));
    let mut body = Vec::new();
    connection.take(limit as u64).read_to_end(&mut body).unwrap();
    let is_whole = body.len() < limit;
    (body, is_whole)
}

fn whole_lines(body: &[u8]) -> Vec<Vec<u8>> {
    let lines = body.split_inclusive(|it| *it == b'\n');
    lines.filter(|it| it.ends_with(b"\n") && it.len() > 1).map(<[u8]>::to_vec).collect()
}

/// The data of every frame that has come to its empty line, each with the line end of the log again.
fn whole_frames(body: &[u8], last: usize) -> Vec<Vec<u8>> {
    let whole = body.windows(2).rposition(|it| it == b"\n\n").map_or(0, |at| at + 2);
    let text = std::str::from_utf8(&body[..whole]).unwrap();
    let frames = text.split_terminator("\n\n").filter(|it| *it != ":");
    let mut events = Vec::new();
    for frame in frames {
        let (id, data) = frame.split_once('\n').unwrap();
        assert_eq!(id, format!("id: {}", last + events.len() + 1));
        let data = data.strip_prefix("data: ").unwrap();
        events.push(format!("{data}\n").into_bytes());
    }
    events
}
