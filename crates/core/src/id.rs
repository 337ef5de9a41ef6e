//! Identifiers that `coord` mints itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One run, minted on the board before any machine hears of it.
///
/// In text it is sixteen lowercase hex digits of which the first is a letter, so that no run id, however
/// much it is shortened, can be mistaken for a task number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u64);

impl RunId {
    /// Makes an id out of 64 random bits; the caller brings the randomness.
    #[must_use]
    pub fn from_random(bits: u64) -> Self {
        let lead = 10 + (bits >> 60) % 6;
        Self((bits & (u64::MAX >> 4)) | (lead << 60))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

/// A text that is no run id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a run id (sixteen hex digits, the first a letter)")]
pub struct InvalidRunId(String);

impl FromStr for RunId {
    type Err = InvalidRunId;

    fn from_str(text: &str) -> Result<Self, InvalidRunId> {
        let shaped = text.len() == 16
            && text.starts_with(|c: char| ('a'..='f').contains(&c))
            && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        if !shaped {
            return Err(InvalidRunId(text.chars().take(40).collect()));
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| InvalidRunId(text.to_owned()))
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One message to a worker, minted by whoever sends it, so that it can be sent again and arrives once.
///
/// In text it is a UUID, which is what runtimes know messages by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u128);

impl MessageId {
    /// Makes an id out of the bits of a random UUID.
    #[must_use]
    pub fn from_uuid(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let (a, b, c) = (&digits[..8], &digits[8..12], &digits[12..16]);
        write!(f, "{a}-{b}-{c}-{}-{}", &digits[16..20], &digits[20..])
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

/// A text that is no message id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a message id (a UUID in lowercase)")]
pub struct InvalidMessageId(String);

impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, InvalidMessageId> {
        let invalid = || InvalidMessageId(text.chars().take(40).collect());
        let digits: String = text.chars().filter(|it| *it != '-').collect();
        let id = u128::from_str_radix(&digits, 16).map(Self).map_err(|_| invalid())?;
        // One way to write it, and no other.
        if id.to_string() == text { Ok(id) } else { Err(invalid()) }
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_a_uuid_written_in_one_way() {
        let text = "0d284080-ef58-4d05-b4c3-99514a7d7ffc";
        assert_eq!(text.parse::<MessageId>().unwrap().to_string(), text);
        for bad in
            ["", "../x", "0d284080ef584d05b4c399514a7d7ffc", "0D284080-ef58-4d05-b4c3-99514a7d7ffc", "-1"]
        {
            assert!(bad.parse::<MessageId>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_id_survives_its_text_and_never_starts_with_a_digit(bits: u64) {
            let id = RunId::from_random(bits);
            let text = id.to_string();
            assert_eq!(text.parse::<RunId>().unwrap(), id);
            assert!(text.starts_with(|c: char| c.is_ascii_lowercase()));
        }
    }

    #[test]
    fn a_path_or_a_number_is_no_run_id() {
        for bad in
            ["", "42", "../../etc/passwd", "a", "A000000000000000", "1000000000000000", "a00000000000000g"]
        {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }
}
