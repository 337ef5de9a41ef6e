//! Words that close issues.

/// The issues of the same repository that a text closes.
/// <https://docs.github.com/en/issues/tracking-your-work-with-issues/using-issues/linking-a-pull-request-to-an-issue#linking-a-pull-request-to-an-issue-using-a-keyword>
pub(super) fn closed_by(text: &str) -> Vec<u64> {
    const WORDS: [&str; 9] =
        ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"];
    let words: Vec<_> = text.split_whitespace().collect();
    let mut issues = Vec::new();
    for pair in words.windows(2) {
        let word = pair[0].trim_start_matches(|it: char| !it.is_alphanumeric()).trim_end_matches(':');
        if !WORDS.iter().any(|it| it.eq_ignore_ascii_case(word)) {
            continue;
        }
        let Some(rest) = pair[1].strip_prefix('#') else { continue };
        let digits = rest.find(|it: char| !it.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
        if let Ok(number) = digits.parse()
            && !issues.contains(&number)
        {
            issues.push(number);
        }
    }
    issues
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_before_a_number_closes_it() {
        assert_eq!(closed_by("Closes #10"), [10]);
        assert_eq!(closed_by("CLOSES: #10, and (fixes #7)."), [10, 7]);
        assert_eq!(closed_by("resolved\n#3"), [3]);
    }

    #[test]
    fn a_number_alone_a_word_alone_and_another_repository_close_nothing() {
        assert!(closed_by("see #10; closes other/repo#1; closing #2; fixes it").is_empty());
    }
}
