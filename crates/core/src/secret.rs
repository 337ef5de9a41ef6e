//! Finding what looks like a secret in bytes that are about to leave the machine.
//!
//! What must hold: a finding says where and by which rule, and never what. It has no room for the value, so nothing
//! that is printed of it can give the value away. A false alarm costs a person one look; a miss costs a
//! credential, so where a shape is in doubt it counts.
//!
//! Deliberately absent: asking an issuer whether a token is alive, and any list of exceptions.

use std::fmt;

use serde::{Deserialize, Serialize};

mod shape;
#[cfg(test)]
mod tests;

/// A place where something stands that looks like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The line, counted from 1.
    pub line: u64,
    /// What it looks like.
    pub rule: Rule,
}

/// What something looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A value of the environment that never gets into a log either.
    Environment,
    /// A token of GitHub.
    GitHub,
    /// A token of GitLab.
    GitLab,
    /// An API key of Anthropic.
    Anthropic,
    /// An API key of OpenAI.
    OpenAi,
    /// An access key of AWS.
    Aws,
    /// An API key, a client secret or an access token of Google.
    Google,
    /// A token or a webhook of Slack.
    Slack,
    /// A key of Stripe.
    Stripe,
    /// A token of npm.
    Npm,
    /// A token of PyPI.
    PyPi,
    /// A block that holds a private key.
    PrivateKey,
    /// A signed JSON web token.
    Jwt,
    /// A password within a URL.
    UrlPassword,
    /// A value that looks random, given to something that is called a password, a token, a key.
    Assignment,
    /// Too large to be looked through.
    TooLarge,
    /// Found by a newer version.
    #[serde(other)]
    Unknown,
}

impl Rule {
    /// What it looks like, in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "a secret of the environment",
            Self::GitHub => "a GitHub token",
            Self::GitLab => "a GitLab token",
            Self::Anthropic => "an Anthropic API key",
            Self::OpenAi => "an OpenAI API key",
            Self::Aws => "an AWS access key",
            Self::Google => "a Google credential",
            Self::Slack => "a Slack token or webhook",
            Self::Stripe => "a Stripe key",
            Self::Npm => "an npm token",
            Self::PyPi => "a PyPI token",
            Self::PrivateKey => "a private key",
            Self::Jwt => "a JSON web token",
            Self::UrlPassword => "a password in a URL",
            Self::Assignment => "a password, token or key that is assigned",
            Self::TooLarge => "too large to be looked through",
            Self::Unknown => "something that a newer version of coord knows",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// More than this is not looked through, and counts as found.
pub const LARGEST: usize = 32 * 1024 * 1024;

/// Every line of `bytes` with something that looks like a secret, each rule once a line. `known` are values that are
/// secret whatever they look like.
#[must_use]
pub fn scan(bytes: &[u8], known: &[&[u8]]) -> Vec<Finding> {
    if bytes.len() > LARGEST {
        return vec![Finding { line: 1, rule: Rule::TooLarge }];
    }
    let mut found = Vec::new();
    for (line, number) in bytes.split(|it| *it == b'\n').zip(1..) {
        let mut rules: Vec<Rule> = shape::in_line(line).collect();
        if known.iter().any(|it| contains(line, it)) {
            rules.push(Rule::Environment);
        }
        rules.sort_unstable();
        rules.dedup();
        found.extend(rules.into_iter().map(|rule| Finding { line: number, rule }));
    }
    found
}

/// Whether `needle`, which is not empty, stands in `line`.
fn contains(line: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && line.windows(needle.len()).any(|it| it == needle)
}
