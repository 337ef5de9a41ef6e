//! Words that close issues.
//!
//! A forge closes the issues that a commit message or a pull request names after such a word, as soon as it
//! reaches the default branch. Some of these texts are others' words, so what they would close is found out
//! before, and liberally: it is better to see a reference that the forge does not than to miss one that it does.
//! <https://docs.github.com/issues/tracking-your-work-with-issues/using-issues/linking-a-pull-request-to-an-issue>

use std::fmt;

use crate::name::{CommitSha, GitHubRepo};

const KEYWORDS: [&str; 9] =
    ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"];

/// An issue that a text closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Where it is; `None` is the repository that the text is in.
    pub repo: Option<GitHubRepo>,
    /// Its number there.
    pub number: u64,
}

impl Closing {
    /// Whether it is issue `number` of `repo`, in a text of that repository.
    #[must_use]
    pub fn is(&self, repo: &GitHubRepo, number: u64) -> bool {
        self.number == number && self.repo.as_ref().is_none_or(|it| it.is(repo))
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(repo) = &self.repo {
            write!(f, "{repo}")?;
        }
        write!(f, "#{}", self.number)
    }
}

/// A commit whose message closes an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosingCommit {
    /// The commit.
    pub commit: CommitSha,
    /// What it closes.
    pub closes: Closing,
}

/// The issues that a text closes.
#[must_use]
pub fn closed_by(text: &str) -> Vec<Closing> {
    references(text).into_iter().map(|(_, closing)| closing).collect()
}

/// The same text, in which nothing is a reference that would close something: a space stands before its number.
#[must_use]
pub fn defused(text: &str) -> String {
    let mut text = text.to_owned();
    for (at, _) in references(&text).into_iter().rev() {
        text.insert(at, ' ');
    }
    text
}

/// What a text closes, each with where its number stands.
fn references(text: &str) -> Vec<(usize, Closing)> {
    let mut found = Vec::new();
    let (mut at, mut after_keyword) = (0, false);
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        if !word.is_empty() {
            if after_keyword && let Some((digits, closing)) = reference(word) {
                found.push((at + digits, closing));
            }
            let bare = word.trim_start_matches(|c: char| !c.is_alphanumeric()).trim_end_matches(':');
            after_keyword = KEYWORDS.iter().any(|it| it.eq_ignore_ascii_case(bare));
        }
        at += piece.len();
    }
    found
}

/// `#7`, `GH-7`, `acme/api#7` or an issue's address; where its number stands comes first.
fn reference(word: &str) -> Option<(usize, Closing)> {
    let opening = |c: char| c.is_ascii_punctuation() && c != '#';
    let start = word.len() - word.trim_start_matches(opening).len();
    let bare = &word[start..];
    let page = ["/issues/", "/pull/"].iter().find_map(|it| Some((bare.find(it)?, it.len())));
    let (before, at) = if let Some((end, length)) = page {
        (&bare[..end], end + length)
    } else if let Some((before, _)) = bare.split_once('#') {
        (before, before.len() + 1)
    } else if bare.get(..3).is_some_and(|it| it.eq_ignore_ascii_case("gh-")) {
        ("", 3)
    } else {
        return None;
    };
    let rest = &bare[at..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    if rest[digits.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let repo = match before {
        "" => None,
        named => {
            let mut parts = named.rsplit('/');
            let (name, owner) = (parts.next()?, parts.next()?);
            Some(format!("{owner}/{name}").parse().ok()?)
        }
    };
    Some((start + at, Closing { repo, number: digits.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        closed_by(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_keyword_before_a_reference_closes_it() {
        for (text, closed) in [
            ("Closes #7", "#7"),
            ("It\n\nRESOLVED:\t#7, and more", "#7"),
            ("(fixes #7.)", "#7"),
            ("fix (#7)", "#7"),
            ("Fix gh-7", "#7"),
            ("closed acme/web#7!", "acme/web#7"),
            ("fixes https://github.com/acme/web/issues/7#issuecomment-1", "acme/web#7"),
        ] {
            assert_eq!(named(text), [closed], "{text}");
        }
        for text in ["see #7", "closes 7", "Closes #7x", "fix it #7", "closes #", "prefixes#7", "fixes é#7"]
        {
            assert_eq!(named(text), [""; 0], "{text}");
        }
        assert_eq!(named("Fixes #1, fixes #2; closes #3"), ["#1", "#2", "#3"]);
    }

    #[test]
    fn a_reference_without_a_repository_is_to_the_one_that_its_text_is_in() {
        let (here, other): (GitHubRepo, GitHubRepo) =
            ("acme/web".parse().unwrap(), "acme/api".parse().unwrap());
        let closes = |text: &str, repo| closed_by(text).remove(0).is(repo, 7);
        for (text, in_here, in_other) in [
            ("fixes #7", true, true),
            ("fixes #8", false, false),
            ("fixes acme/web#7", true, false),
            ("fixes acme/web#8", false, false),
        ] {
            assert_eq!((closes(text, &here), closes(text, &other)), (in_here, in_other), "{text}");
        }
    }

    #[test]
    fn a_number_that_goes_on_as_a_word_is_none() {
        for text in ["fixes #7_a", "fixes #7é", "fixes gh-7x", "fixes acme/api#7a", "fixes ##7"] {
            assert_eq!(named(text), [""; 0], "{text}");
        }
        for text in ["fixes #7-a", "fixes [#7](there)", "fixes #7's cause"] {
            assert_eq!(named(text), ["#7"], "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_defused_text_closes_nothing_and_loses_nothing(
            text in "(fixes|Closes:|#[0-9]{1,2}|gh-1|a/b#3|http://x/a/b/issues/4|é|\\(| |\n){0,12}"
        ) {
            let defused = defused(&text);
            proptest::prop_assert_eq!(closed_by(&defused), vec![]);
            let bare = |text: &str| text.replace(' ', "");
            proptest::prop_assert_eq!(bare(&defused), bare(&text));
        }
    }
}
