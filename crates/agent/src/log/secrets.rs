//! Values that a worker knows and that must not get into what is written about it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use memchr::memmem::Finder;

/// Variables whose names end like this hold secrets.
const SUFFIXES: [&str; 4] = ["KEY", "TOKEN", "SECRET", "PASSWORD"];
/// Shorter values are words that occur for other reasons.
const SHORTEST: usize = 8;
/// What stands where a secret stood.
const STRUCK: &[u8] = b"[redacted]";

/// The secrets of one worker. Cheap to clone.
#[derive(Clone)]
pub struct Secrets(Arc<[Finder<'static>]>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// The secrets in an environment: plain, and as they look inside of JSON.
    #[must_use]
    pub fn of(environment: &BTreeMap<String, String>) -> Self {
        let mut found: Vec<String> = Vec::new();
        for (name, value) in environment {
            let name = name.to_ascii_uppercase();
            if !SUFFIXES.iter().any(|it| name.ends_with(it)) {
                continue;
            }
            for line in value.lines().map(str::trim).filter(|it| it.len() >= SHORTEST) {
                let quoted = serde_json::Value::from(line).to_string();
                found.push(quoted[1..quoted.len() - 1].to_owned());
                found.push(line.to_owned());
            }
        }
        // A secret that is a part of another one is struck after it.
        found.sort_by_key(|it| std::cmp::Reverse(it.len()));
        found.dedup();
        Self(found.iter().map(|it| Finder::new(it).into_owned()).collect())
    }

    /// The values themselves, for whoever has to find them elsewhere.
    #[must_use]
    pub fn values(&self) -> Vec<&[u8]> {
        self.0.iter().map(Finder::needle).collect()
    }

    /// The same bytes without the secrets.
    #[must_use]
    pub fn strike<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut bytes = Cow::Borrowed(bytes);
        for secret in self.0.iter() {
            let Some(first) = secret.find(&bytes) else { continue };
            let mut kept = Vec::with_capacity(bytes.len());
            let (mut from, mut at) = (0, Some(first));
            while let Some(offset) = at {
                kept.extend_from_slice(&bytes[from..from + offset]);
                kept.extend_from_slice(STRUCK);
                from += offset + secret.needle().len();
                at = secret.find(&bytes[from..]);
            }
            kept.extend_from_slice(&bytes[from..]);
            bytes = Cow::Owned(kept);
        }
        bytes
    }

    /// The same text without the secrets.
    #[must_use]
    pub fn strike_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.strike(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_struck_wherever_they_stand_and_short_or_harmless_values_stay() {
        let environment = [
            ("ANTHROPIC_API_KEY", "sk-ant-12345678"),
            ("npm_token", "quo\"ted\\secret"),
            ("DB_PASSWORD", "short"),
            ("PATH", "/usr/local/bin:/usr/bin"),
            ("LONGER_SECRET", "sk-ant-12345678-and-more"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secrets = Secrets::of(&BTreeMap::from(environment));
        let text = r#"sk-ant-12345678 {"a":"quo\"ted\\secret"} quo"ted\secret short /usr/bin sk-ant-12345678-and-more sk-ant-12345678"#;
        assert_eq!(
            secrets.strike_text(text),
            r#"[redacted] {"a":"[redacted]"} [redacted] short /usr/bin [redacted] [redacted]"#
        );
        assert!(matches!(secrets.strike(b"nothing here"), Cow::Borrowed(_)));
    }
}
