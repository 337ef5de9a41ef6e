//! Texts as GitHub takes them: bounded, and with markers by which they are found again. And others' texts as they
//! are let in.
//!
//! A marker is an HTML comment, which GitHub does not show. It stands first, so that no bound ever cuts it off.

use serde::Deserialize;

/// Somebody's words as they are let in: without what could move a reader's cursor, or show one thing as another.
/// Control characters go, but for line ends and tabs; so does what turns the direction of writing around.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Words(pub(crate) String);

impl From<String> for Words {
    fn from(text: String) -> Self {
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let harmless = |c: &char| matches!(c, '\n' | '\t') || !c.is_control() && !turns(*c);
        Self(text.chars().filter(harmless).collect())
    }
}

/// The longest body of a comment, an issue or a pull request, in characters.
const BODY: usize = 65_536;
/// The longest title, in characters.
const TITLE: usize = 256;
/// The longest description of a commit status, in characters.
pub(crate) const DESCRIPTION: usize = 140;

/// `text` as a body; what is cut off is said.
pub(crate) fn body(text: &str) -> String {
    let length = text.chars().count();
    if length <= BODY {
        return text.to_owned();
    }
    let kept = BODY - 100;
    let note = format!("\n\n… cut here: {} more characters", length - kept);
    let end = text.char_indices().nth(kept).map_or(text.len(), |(at, _)| at);
    format!("{}{note}", &text[..end])
}

/// `text` as a body that can be found again by `marker`.
pub(crate) fn marked(marker: &str, text: &str) -> String {
    body(&format!("{marker}\n{text}"))
}

/// Whether `text` begins with `marker`. Somebody may quote one further down.
pub(crate) fn is_marked(text: &str, marker: &str) -> bool {
    text.lines().next().is_some_and(|line| line.trim_end() == marker)
}

/// `text` as a title: one line.
pub(crate) fn title(text: &str) -> String {
    line(text, TITLE)
}

/// `text` as one line of at most `most` characters.
pub(crate) fn line(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

/// Whether both say the same to GitHub, which keeps line ends as a browser sends them.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    a.trim_end().lines().eq(b.trim_end().lines())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_lines_and_lose_what_a_terminal_obeys() {
        let words = |text: &str| Words::from(text.to_owned()).0;
        assert_eq!(words("a\x1b[31m\r\n\tb\u{7}\u{9b}2J\u{202e}c"), "a[31m\n\tb2Jc");
        assert_eq!(words("Größe – שלום 🐛"), "Größe – שלום 🐛");
    }

    #[test]
    fn a_long_text_is_cut_visibly_and_keeps_its_marker() {
        let long = marked("<!-- coord:x -->", &"ä".repeat(70_000));
        assert!(long.chars().count() <= BODY, "{}", long.chars().count());
        assert!(is_marked(&long, "<!-- coord:x -->"));
        assert!(long.ends_with("more characters"));
        let whole = "ä".repeat(BODY);
        assert_eq!(body(&whole), whole);
    }

    #[test]
    fn a_marker_counts_in_the_first_line_only() {
        assert!(is_marked("<!-- coord:x -->\r\nDone.", "<!-- coord:x -->"));
        for other in ["> <!-- coord:x -->", "Look:\n<!-- coord:x -->", "<!-- coord:xy -->", ""] {
            assert!(!is_marked(other, "<!-- coord:x -->"), "{other}");
        }
    }

    #[test]
    fn a_title_is_one_bounded_line() {
        assert_eq!(title(" a\n b\t"), "a b");
        assert_eq!(title(&"x".repeat(300)).chars().count(), TITLE);
    }
}
