//! A command line of the configuration with places in it for what differs from run to run.
//!
//! A place is a word in braces. What is no place is left as it is, so that a program can be given JSON; a word in
//! braces that is none of ours is refused, since it is one of ours misspelt.

/// What can stand in a command line of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The model that the run asks for.
    Model,
    /// A file with the prompt, which is not written to the standard input then.
    PromptFile,
}

impl Placeholder {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Model, Self::PromptFile];

    /// As it is written, with its braces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "{model}",
            Self::PromptFile => "{prompt_file}",
        }
    }
}

/// The first word in braces that is no placeholder.
#[must_use]
pub fn unknown(argument: &str) -> Option<&str> {
    places(argument).find(|word| Placeholder::ALL.iter().all(|it| it.as_str() != *word))
}

/// Whether `placeholder` stands in an argument.
pub(super) fn names(argument: &str, placeholder: Placeholder) -> bool {
    places(argument).any(|it| it == placeholder.as_str())
}

/// The argument with every placeholder replaced. What is put in is not looked through again.
pub(super) fn fill<'a>(argument: &str, value: impl Fn(Placeholder) -> &'a str) -> String {
    let mut filled = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some((at, placeholder)) = first(rest) {
        filled.push_str(&rest[..at]);
        filled.push_str(value(placeholder));
        rest = &rest[at + placeholder.as_str().len()..];
    }
    filled.push_str(rest);
    filled
}

/// The placeholder that stands first, and where.
fn first(text: &str) -> Option<(usize, Placeholder)> {
    Placeholder::ALL.iter().filter_map(|it| Some((text.find(it.as_str())?, *it))).min_by_key(|(at, _)| *at)
}

/// Every word in braces, with them.
fn places(argument: &str) -> impl Iterator<Item = &str> {
    argument.match_indices('{').filter_map(|(at, _)| {
        let inside = &argument[at + 1..];
        let end = inside.find(|c: char| !c.is_ascii_lowercase() && c != '_').filter(|it| *it > 0)?;
        inside[end..].starts_with('}').then(|| &argument[at..at + end + 2])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_braces_is_a_placeholder_or_refused_and_other_braces_are_left() {
        assert_eq!(unknown("--model={model}"), None);
        assert_eq!(unknown("{\"a\":{\"b\":1}} {} {A} {a b}"), None);
        assert_eq!(unknown("{model} {modle}"), Some("{modle}"));
    }

    #[test]
    fn what_is_put_in_is_not_looked_through_again() {
        let value = |it| match it {
            Placeholder::Model => "{prompt_file}",
            Placeholder::PromptFile => "/run/prompt",
        };
        assert_eq!(fill("a {model} b {prompt_file} {", value), "a {prompt_file} b /run/prompt {");
    }
}
