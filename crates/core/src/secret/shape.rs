//! What secrets look like, one line at a time. The shapes are those that their issuers publish for scanners.

use super::{Rule, contains};

/// What a token may be made of after its prefix.
#[derive(Debug, Clone, Copy)]
enum Alphabet {
    /// Letters, digits and `_`.
    Word,
    /// Those and `-`.
    Dashed,
    /// Capital letters and digits.
    Capital,
    /// Anything up to a blank or a quote.
    Text,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Dashed => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Capital => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Text => byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>'),
        }
    }
}

/// A prefix that nothing else has, and how much must follow it.
struct Shape {
    rule: Rule,
    prefix: &'static str,
    alphabet: Alphabet,
    at_least: usize,
}

const fn shape(rule: Rule, prefix: &'static str, alphabet: Alphabet, at_least: usize) -> Shape {
    Shape { rule, prefix, alphabet, at_least }
}

const SHAPES: [Shape; 36] = [
    shape(Rule::GitHub, "ghp_", Alphabet::Word, 36),
    shape(Rule::GitHub, "gho_", Alphabet::Word, 36),
    shape(Rule::GitHub, "ghu_", Alphabet::Word, 36),
    shape(Rule::GitHub, "ghs_", Alphabet::Word, 36),
    shape(Rule::GitHub, "ghr_", Alphabet::Word, 36),
    shape(Rule::GitHub, "github_pat_", Alphabet::Word, 22),
    shape(Rule::GitLab, "glpat-", Alphabet::Dashed, 20),
    shape(Rule::GitLab, "gldt-", Alphabet::Dashed, 20),
    shape(Rule::GitLab, "glrt-", Alphabet::Dashed, 20),
    shape(Rule::GitLab, "glcbt-", Alphabet::Dashed, 20),
    shape(Rule::Anthropic, "sk-ant-", Alphabet::Dashed, 20),
    shape(Rule::OpenAi, "sk-proj-", Alphabet::Dashed, 20),
    shape(Rule::OpenAi, "sk-svcacct-", Alphabet::Dashed, 20),
    shape(Rule::OpenAi, "sk-admin-", Alphabet::Dashed, 20),
    shape(Rule::OpenAi, "sk-", Alphabet::Word, 32),
    shape(Rule::Aws, "AKIA", Alphabet::Capital, 16),
    shape(Rule::Aws, "ASIA", Alphabet::Capital, 16),
    shape(Rule::Google, "AIza", Alphabet::Dashed, 35),
    shape(Rule::Google, "GOCSPX-", Alphabet::Dashed, 20),
    shape(Rule::Google, "ya29.", Alphabet::Dashed, 20),
    shape(Rule::Slack, "xoxa-", Alphabet::Dashed, 10),
    shape(Rule::Slack, "xoxb-", Alphabet::Dashed, 10),
    shape(Rule::Slack, "xoxe-", Alphabet::Dashed, 10),
    shape(Rule::Slack, "xoxp-", Alphabet::Dashed, 10),
    shape(Rule::Slack, "xoxr-", Alphabet::Dashed, 10),
    shape(Rule::Slack, "xoxs-", Alphabet::Dashed, 10),
    shape(Rule::Slack, "xapp-", Alphabet::Dashed, 10),
    shape(Rule::Slack, "hooks.slack.com/services/", Alphabet::Text, 20),
    shape(Rule::Stripe, "sk_live_", Alphabet::Word, 16),
    shape(Rule::Stripe, "rk_live_", Alphabet::Word, 16),
    shape(Rule::Stripe, "sk_test_", Alphabet::Word, 16),
    shape(Rule::Stripe, "rk_test_", Alphabet::Word, 16),
    shape(Rule::Stripe, "whsec_", Alphabet::Word, 24),
    shape(Rule::Npm, "npm_", Alphabet::Word, 36),
    shape(Rule::PyPi, "pypi-AgEIcHlwaS5vcmc", Alphabet::Dashed, 20),
    shape(Rule::PyPi, "pypi-AgENdGVzdC5weXBpLm9yZ", Alphabet::Dashed, 20),
];

/// What names that secrets are given to contain, in lower case.
const NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "credential",
    "auth_key",
];

/// Shorter values are words, whatever they are given to.
const SHORTEST: usize = 12;
/// Bits of surprise for each byte. English has about four at most over a whole text, over one word far fewer.
const RANDOM: f64 = 3.0;

/// Every rule that `line` breaks, some of them perhaps twice.
pub(super) fn in_line(line: &[u8]) -> impl Iterator<Item = Rule> + '_ {
    let shaped = SHAPES.iter().filter(|it| has_shape(line, it)).map(|it| it.rule);
    let others = [
        (has_private_key(line), Rule::PrivateKey),
        (has_jwt(line), Rule::Jwt),
        (has_url_password(line), Rule::UrlPassword),
        (has_assignment(line), Rule::Assignment),
    ];
    shaped.chain(others.into_iter().filter_map(|(has, rule)| has.then_some(rule)))
}

/// Where `needle` stands in `line`, from every beginning.
fn places<'a>(line: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    line.windows(needle.len()).enumerate().filter(move |(_, it)| *it == needle).map(|(at, _)| at)
}

fn length(bytes: &[u8], alphabet: Alphabet) -> usize {
    bytes.iter().take_while(|it| alphabet.has(**it)).count()
}

fn has_shape(line: &[u8], shape: &Shape) -> bool {
    places(line, shape.prefix.as_bytes()).any(|at| {
        let begins = at.checked_sub(1).is_none_or(|before| !line[before].is_ascii_alphanumeric());
        begins && length(&line[at + shape.prefix.len()..], shape.alphabet) >= shape.at_least
    })
}

fn has_private_key(line: &[u8]) -> bool {
    places(line, b"-----BEGIN ").any(|at| {
        let rest = &line[at..];
        contains(rest, b"PRIVATE KEY-----") || contains(rest, b"PRIVATE KEY BLOCK-----")
    })
}

/// Three parts, of which the first two are JSON objects in base64.
fn has_jwt(line: &[u8]) -> bool {
    places(line, b"eyJ").any(|at| {
        let head = length(&line[at..], Alphabet::Dashed);
        let Some(rest) = line[at + head..].strip_prefix(b".") else { return false };
        let body = length(rest, Alphabet::Dashed);
        let signature = rest[body..].strip_prefix(b".").map_or(0, |it| length(it, Alphabet::Dashed));
        head >= 16 && rest.starts_with(b"eyJ") && signature >= 16
    })
}

/// `scheme://user:password@host`.
fn has_url_password(line: &[u8]) -> bool {
    places(line, b"://").any(|at| {
        let rest = &line[at + 3..];
        let text = &rest[..length(rest, Alphabet::Text)];
        let authority = text.split(|it| *it == b'/').next().unwrap_or_default();
        let Some(end) = authority.iter().rposition(|it| *it == b'@') else { return false };
        let Some(colon) = authority[..end].iter().position(|it| *it == b':') else { return false };
        let password = &authority[colon + 1..end];
        password.len() >= 6 && !is_placeholder(password)
    })
}

/// A name that is given a value which looks random: `db_password = "…"`, `"apiKey": "…"`, `TOKEN=…`.
fn has_assignment(line: &[u8]) -> bool {
    let lower = line.to_ascii_lowercase();
    NAMES.iter().any(|name| {
        places(&lower, name.as_bytes()).any(|at| assigned(&line[at + name.len()..]).is_some_and(looks_random))
    })
}

/// The value after what is left of a name.
fn assigned(rest: &[u8]) -> Option<&[u8]> {
    let rest = &rest[length(rest, Alphabet::Dashed)..];
    let blank = |it: &u8| matches!(it, b' ' | b'\t' | b'"' | b'\'' | b'`' | b']');
    let rest = &rest[rest.iter().take_while(|it| blank(it)).count()..];
    let sign = rest.iter().take_while(|it| matches!(it, b'=' | b':' | b'>')).count();
    if !(1..=2).contains(&sign) {
        return None;
    }
    let rest = rest[sign..].trim_ascii_start();
    let quote = rest.first().copied().filter(|it| matches!(it, b'"' | b'\'' | b'`'));
    Some(match quote {
        Some(quote) => rest[1..].split(|it| *it == quote).next().unwrap_or_default(),
        // Without quotes it may be code: what calls or looks up something is no value.
        None => {
            let end = rest.iter().position(|it| it.is_ascii_whitespace() || matches!(it, b',' | b';'));
            let word = &rest[..end.unwrap_or(rest.len())];
            if word.iter().all(|it| it.is_ascii_alphanumeric() || b"+/=_-".contains(it)) { word } else { b"" }
        }
    })
}

fn looks_random(value: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    value.len() >= SHORTEST
        && !value.iter().any(u8::is_ascii_whitespace)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !is_placeholder(value)
        && surprise(value) >= RANDOM
}

/// What stands where a secret is to be put later, or is fetched from.
fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let words: [&[u8]; 8] =
        [b"${", b"$(", b"{{", b"example", b"changeme", b"placeholder", b"xxxxxx", b"process.env"];
    value.starts_with(b"$") || words.iter().any(|it| contains(&lower, it))
}

/// Shannon's entropy of a value, in bits for each of its bytes.
fn surprise(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let all = f64::from(u32::try_from(value.len()).unwrap_or(u32::MAX));
    let shares = counts.iter().filter(|it| **it > 0).map(|it| f64::from(*it) / all);
    shares.map(|it| -it * it.log2()).sum()
}
