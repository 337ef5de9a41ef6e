use std::io::Write as _;

use super::*;

fn place() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(dir.path().join("log.ndjson")).unwrap();
    (dir, path)
}

fn read_all(reader: &mut Reader) -> (Vec<u8>, Option<u64>) {
    let (mut all, mut first) = (Vec::new(), None);
    while let Some((lines, number)) = reader.next_cached().unwrap_or_else(|| reader.next().unwrap()) {
        first.get_or_insert(number);
        all.extend_from_slice(&lines);
    }
    (all, first)
}

#[test]
fn a_reader_is_served_from_behind_the_line_it_saw_whatever_the_sizes() {
    let (_dir, path) = place();
    let lines: Vec<String> =
        (1..=3000_usize).map(|n| format!("{{\"n\":{n},\"x\":\"{}\"}}\n", "y".repeat(n % 700))).collect();
    fs::write(&path, lines.concat()).unwrap();
    for after in [0, 1, 2, 500, 1234, 2999, 3000, 4000] {
        let (all, first) = read_all(&mut Reader::new(path.clone(), after as u64));
        let wanted = lines.get(after..).unwrap_or_default().concat();
        assert!(all == wanted.as_bytes(), "after {after}: {} bytes of {}", all.len(), wanted.len());
        assert_eq!(first, (after < 3000).then_some(after as u64));
    }
}

#[test]
fn a_torn_line_is_kept_back_even_if_it_is_cut_off_and_another_written() {
    let (_dir, path) = place();
    let mut reader = Reader::new(path.clone(), 0);
    assert_eq!(reader.next().unwrap(), None, "a log that is not there yet is empty");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
    file.write_all(b"one\ntw").unwrap();
    assert_eq!(reader.next().unwrap().unwrap(), (Bytes::from_static(b"one\n"), 0));
    assert_eq!(reader.next().unwrap(), None);
    file.set_len(4).unwrap();
    file.write_all(b"2\n").unwrap();
    assert_eq!(reader.next().unwrap().unwrap(), (Bytes::from_static(b"2\n"), 1));
}

#[test]
fn a_line_longer_than_a_piece_is_served_whole() {
    let (_dir, path) = place();
    let long = "x".repeat(5 * PIECE);
    fs::write(&path, format!("a\n{long}\nb\n")).unwrap();
    let (all, _) = read_all(&mut Reader::new(path, 1));
    assert_eq!(all.len(), long.len() + 3);
}

#[test]
fn events_carry_their_numbers_and_no_carriage_return_ends_one_early() {
    let framed = Framing::Sse.wrap(Bytes::from_static(b"{\"a\":1}\n{\r\"b\":2}\n"), 7);
    assert_eq!(framed, "id: 8\ndata: {\"a\":1}\n\nid: 9\ndata: {\ndata: \"b\":2}\n\n");
}

#[test]
fn the_tail_of_a_log_is_found_behind_long_and_before_torn_lines() {
    let (_dir, path) = place();
    assert_eq!(tail(&path).unwrap().number, 0);
    fs::write(&path, "{\"n\":1").unwrap();
    assert_eq!(tail(&path).unwrap(), Tail { number: 0, line: Vec::new(), whole: 0 });
    let long = format!("{{\"n\":2,\"x\":\"{}\"}}", "y".repeat(100_000));
    fs::write(&path, format!("{{\"n\":1}}\n{long}\n{{\"n\":3")).unwrap();
    let found = tail(&path).unwrap();
    assert_eq!((found.number, found.whole), (2, 8 + long.len() as u64 + 1));
    assert_eq!(found.line, long.as_bytes());
}
