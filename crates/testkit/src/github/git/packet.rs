//! The packets of a push: which refs it wants to move, and how to say no.
//!
//! The format is that of <https://git-scm.com/docs/protocol-common> and <https://git-scm.com/docs/pack-protocol>.

/// One ref that a push wants to move. A name of zeros stands for "none".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefCommand {
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) name: String,
}

impl RefCommand {
    pub(crate) fn deletes(&self) -> bool {
        self.new.bytes().all(|it| it == b'0')
    }

    pub(crate) fn creates(&self) -> bool {
        self.old.bytes().all(|it| it == b'0')
    }
}

/// A push as it arrived.
#[derive(Debug)]
pub(crate) struct Push<'a> {
    pub(crate) commands: Vec<RefCommand>,
    /// What the client understands.
    pub(crate) side_band: bool,
    /// The objects; empty when everything it wants is there or it only deletes.
    pub(crate) pack: &'a [u8],
}

/// Reads the body of a `git-receive-pack` request; `None` when it is none.
pub(crate) fn parse_push(body: &[u8]) -> Option<Push<'_>> {
    let mut push = Push { commands: Vec::new(), side_band: false, pack: &[] };
    let mut rest = body;
    loop {
        let (packet, after) = next_packet(rest)?;
        rest = after;
        let Some(packet) = packet else { break };
        let line = String::from_utf8_lossy(packet);
        let (line, capabilities) = line.split_once('\0').unwrap_or((line.as_ref(), ""));
        push.side_band |= capabilities.split(' ').any(|it| it == "side-band-64k");
        let words: Vec<_> = line.trim_end().splitn(3, ' ').collect();
        let [old, new, name] = words[..] else { continue };
        push.commands.push(RefCommand { old: old.into(), new: new.into(), name: name.into() });
    }
    // What is between the commands and the pack are push options, which end like the commands do.
    let start = rest.windows(4).position(|window| window == b"PACK");
    push.pack = start.map_or(&[], |start| &rest[start..]);
    Some(push)
}

/// The next packet and what follows it; a flush is `None`.
fn next_packet(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let length = std::str::from_utf8(bytes.get(..4)?).ok()?;
    let length = usize::from_str_radix(length, 16).ok()?;
    if length < 4 {
        return Some((None, &bytes[4..]));
    }
    Some((Some(bytes.get(4..length)?), &bytes[length..]))
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:04x}", payload.len() + 4).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// The answer that refuses a push as a whole: `remote` is printed line by line behind `remote:`, and each ref
/// is refused for its reason.
pub(crate) fn refusal(push: &Push<'_>, remote: &str, reason: impl Fn(&RefCommand) -> String) -> Vec<u8> {
    let mut report = packet(b"unpack ok\n");
    for command in &push.commands {
        report.extend(packet(format!("ng {} {}\n", command.name, reason(command)).as_bytes()));
    }
    report.extend_from_slice(b"0000");
    if !push.side_band {
        return report;
    }
    let band = |number: u8, bytes: &[u8]| packet(&[&[number], bytes].concat());
    let mut answer = band(2, remote.as_bytes());
    answer.extend(band(1, &report));
    answer.extend_from_slice(b"0000");
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_names_its_refs_and_carries_its_pack() {
        let (old, new) = ("0".repeat(40), "a".repeat(40));
        let first = format!("{old} {new} refs/heads/main\0report-status side-band-64k agent=git/2");
        let second = format!("{new} {old} refs/heads/gone");
        let mut body = packet(first.as_bytes());
        body.extend(packet(second.as_bytes()));
        body.extend_from_slice(b"0000PACKrest");
        let push = parse_push(&body).unwrap();
        assert!(push.side_band);
        assert_eq!(push.pack, b"PACKrest");
        assert_eq!(push.commands[0].name, "refs/heads/main");
        assert!(push.commands[0].creates() && push.commands[1].deletes());
    }

    #[test]
    fn what_is_no_push_is_none() {
        assert!(parse_push(b"hello").is_none());
    }
}
