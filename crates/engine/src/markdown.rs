//! Words of others in a text that a forge renders: they stay words, whatever they look like.
//!
//! A title, a commit's first line or a worker's last text may hold markers like ours, HTML, `@names` that would
//! call somebody, `#7` or `Closes #7`. Inside code none of that means anything to the forge (GitHub Flavored
//! Markdown, "Code spans" and "Fenced code blocks"; closing keywords and mentions are not looked for there).

/// `text` as code within a line; every run of white space becomes one space.
#[must_use]
pub(crate) fn code(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if line.is_empty() {
        return "` `".to_owned();
    }
    let fence = "`".repeat(longest_run(&line) + 1);
    let touches = line.starts_with('`') || line.ends_with('`');
    let space = if touches { " " } else { "" };
    format!("{fence}{space}{line}{space}{fence}")
}

/// `text` as a block of code, of at most `limit` characters: of a longer one the end, where the reason stands.
#[must_use]
pub(crate) fn block(text: &str, limit: usize) -> String {
    let count = text.chars().count();
    let skipped = count.saturating_sub(limit);
    let shown: String =
        text.chars().skip(skipped).filter(|c| !c.is_control() || *c == '\n' || *c == '\t').collect();
    let fence = "`".repeat(longest_run(&shown).max(2) + 1);
    let cut = if skipped > 0 { format!("({skipped} characters before this)\n\n") } else { String::new() };
    format!("{cut}{fence}text\n{}\n{fence}", shown.trim_end_matches('\n'))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The fence is longer than any run of backticks inside, so nothing inside can end it.
        #[test]
        fn no_text_leaves_its_code(text in "(`{1,4}|~~~|<!-- coord:event=x -->|@ann|\n|a| ){0,30}") {
            let span = code(&text);
            prop_assert!(!span.contains('\n'));
            let fence = span.len() - span.trim_start_matches('`').len();
            if !text.trim().is_empty() {
                prop_assert!(longest_run(&span[fence..span.len() - fence]) < fence, "{span}");
            }
            let block = block(&text, 1000);
            let fence = block.lines().next().unwrap().trim_end_matches("text").to_owned();
            let closing = block.lines().skip(1).filter(|it| it.trim_start().starts_with(fence.as_str())).count();
            prop_assert_eq!(closing, 1, "{}", block);
        }
    }

    #[test]
    fn of_a_long_text_the_end_is_shown_and_the_rest_counted() {
        assert_eq!(block("abcdef", 4), "(2 characters before this)\n\n```text\ncdef\n```");
    }
}
