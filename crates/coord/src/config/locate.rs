//! Where things stand in a YAML text.
//!
//! The parser tells the line of an error that is raised while it reads, and nothing else. So the text is read
//! once more by a visitor that walks to the place in question and raises an error there.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One step on the way from the top of a document to a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// Into the value of a key.
    Key(&'a str),
    /// Into an item of a list.
    Item(usize),
}

/// The line of the value at `path`, counted from 1; `None` when there is none.
pub(super) fn line_of(text: &str, path: &[Step<'_>]) -> Option<usize> {
    let error = Seek(path).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    let found = error.to_string().contains(HERE);
    error.location().filter(|_| found).map(|it| it.line())
}

/// The first key that stands twice in one mapping, and the line of its second appearance.
pub(super) fn duplicate_key(text: &str) -> Option<(String, usize)> {
    let error = Unique.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    let said = error.to_string();
    let (_, after) = said.split_once(TWICE)?;
    let (key, _) = after.split_once('`')?;
    Some((key.to_owned(), error.location()?.line()))
}

const HERE: &str = "this is the place";
const TWICE: &str = "this key stands twice: `";

struct Seek<'a>(&'a [Step<'a>]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.is_empty() {
            deserializer.deserialize_str(Here)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self([Step::Key(wanted), rest @ ..]) = self else { return drain(map) };
        while let Some(key) = map.next_key::<String>()? {
            if key == *wanted {
                map.next_value_seed(Seek(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let (wanted, rest) = match self.0 {
            [Step::Item(wanted), rest @ ..] => (Some(*wanted), rest),
            [Step::Key(_), ..] | [] => (None, [].as_slice()),
        };
        for index in 0.. {
            let more = if Some(index) == wanted {
                seq.next_element_seed(Seek(rest))?.is_some()
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

fn drain<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Raises its error whatever stands at the place: a scalar by being visited, anything else by not being one.
struct Here;

impl Visitor<'_> for Here {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HERE)
    }
}

struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while map.next_key_seed(Fresh(&mut seen))?.is_some() {
            map.next_value_seed(Self)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key that is not in the set yet, which it joins.
struct Fresh<'a>(&'a mut BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for Fresh<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Fresh<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        if self.0.insert(key.to_owned()) { Ok(()) } else { Err(E::custom(format_args!("{TWICE}{key}`"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
repos:
- name: api
  gates: [tests]
- {name: web, depends_on: [api,
    shop]}
";

    #[test]
    fn values_are_found_in_block_and_flow_style() {
        let line = |path: &[Step<'_>]| line_of(TEXT, path);
        assert_eq!(line(&[Step::Key("repos"), Step::Item(0), Step::Key("gates")]), Some(3));
        assert_eq!(line(&[Step::Key("repos"), Step::Item(1)]), Some(4));
        let shop = [Step::Key("repos"), Step::Item(1), Step::Key("depends_on"), Step::Item(1)];
        assert_eq!(line(&shop), Some(5));
        assert_eq!(line(&[Step::Key("machines")]), None);
    }

    #[test]
    fn a_key_that_stands_twice_is_found_where_it_stands_again() {
        assert_eq!(duplicate_key(TEXT), None);
        assert_eq!(duplicate_key("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n"), Some(("c".to_owned(), 5)));
        assert_eq!(duplicate_key("a: [{x: 1}, {x: 2}]\n"), None);
    }
}
