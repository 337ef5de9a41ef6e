//! Names that cross a boundary: parsed once, in their constructor, and valid ever after.
//!
//! None of them dereferences to `str`, so a repo name cannot be passed where a branch is wanted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that does not have the shape its type demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}: {rule}")]
pub struct InvalidName {
    what: &'static str,
    text: String,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(InvalidName { what: $what, text: text.chars().take(80).collect(), rule: $rule })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// A repo under coordination, as the configuration calls it. Safe as a file name.
    RepoName,
    "repo name",
    "1 to 64 of `A-Z a-z 0-9 . _ -`, starting with a letter or digit",
    is_label
);
name!(
    /// A machine, as the configuration calls it.
    MachineName,
    "machine name",
    "1 to 64 of `A-Z a-z 0-9 . _ -`, starting with a letter or digit",
    is_label
);
name!(
    /// A runtime: what kind of program does the work (`claude`, `script`, `command`, …).
    RuntimeName,
    "runtime name",
    "1 to 64 of `A-Z a-z 0-9 . _ -`, starting with a letter or digit",
    is_label
);
name!(
    /// An account: what authenticates workers to their model. Runs of one account share its limits.
    AccountName,
    "account name",
    "1 to 64 of `A-Z a-z 0-9 . _ - : @`, starting with a letter or digit",
    is_account
);
name!(
    /// A branch, without `refs/heads/`. Follows the rules of `git check-ref-format --branch`.
    BranchName,
    "branch name",
    "see `git check-ref-format`",
    is_branch
);
name!(
    /// A repository on GitHub: `owner/name`. Case does not matter to GitHub; see [`GitHubRepo::is`].
    GitHubRepo,
    "GitHub repository",
    "write `owner/name`",
    is_github_repo
);
name!(
    /// The full hash of a commit.
    CommitSha,
    "commit hash",
    "40 lowercase hex digits",
    is_sha
);
name!(
    /// The full hash of a tree: what a merge results in, whoever committed it and when.
    TreeSha,
    "tree hash",
    "40 lowercase hex digits",
    is_sha
);

impl GitHubRepo {
    /// The account or organisation.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The repository's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }

    /// Whether both name the same repository.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl CommitSha {
    /// The first ten digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        && !text.ends_with(".git")
        && !text.ends_with(".lock")
        && !text.contains("..")
}

fn is_account(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '@'))
}

fn is_github_repo(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && part != "."
            && part != ".."
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name) && !name.ends_with(".git"))
}

fn is_sha(text: &str) -> bool {
    text.len() == 40 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

fn is_branch(text: &str) -> bool {
    let component = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    !text.is_empty()
        && text.len() <= 200
        && text != "HEAD"
        && text != "@"
        && !text.starts_with('-')
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && !text
            .chars()
            .any(|c| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\'))
        && text.split('/').all(component)
}

/// The branch for a task: `issue-42-fix-the-auth-timeout`. Made once and stored with the change; a title
/// without a single ASCII letter or digit gives `issue-42`.
#[must_use]
pub fn branch_for(number: u64, title: &str) -> BranchName {
    let mut slug = String::new();
    for c in title.chars() {
        if slug.len() >= 40 {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_matches('-');
    let text = if slug.is_empty() { format!("issue-{number}") } else { format!("issue-{number}-{slug}") };
    BranchName(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_names_come_from_titles_of_any_kind() {
        let cases = [
            ("Fix the auth timeout", "issue-7-fix-the-auth-timeout"),
            ("  --flag=\"x\" && rm -rf / ", "issue-7-flag-x-rm-rf"),
            ("修复登录超时", "issue-7"),
            ("line\nbreak", "issue-7-line-break"),
            ("a".repeat(90).as_str(), &format!("issue-7-{}", "a".repeat(40))),
        ]
        .map(|(title, branch)| (branch_for(7, title).to_string(), branch.to_owned()));
        for (got, wanted) in cases {
            assert_eq!(got, wanted);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_title_gives_a_branch_that_git_accepts(number in 1u64.., title: String) {
            let branch = branch_for(number, &title);
            assert!(is_branch(branch.as_str()), "{branch}");
        }
    }

    #[test]
    fn a_github_repo_is_an_owner_and_a_name() {
        let repo: GitHubRepo = "Acme/api.js".parse().unwrap();
        assert_eq!((repo.owner(), repo.name()), ("Acme", "api.js"));
        assert!(repo.is(&"acme/API.js".parse().unwrap()));
        for bad in ["acme", "acme/", "/api", "a/b/c", "acme/..", "acme/api.git", "acme/a b", "acme/api#1"] {
            assert!(bad.parse::<GitHubRepo>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for bad in ["", "..", "a..b", "../x", "-flag", "a/b", "x.git", "a b", "x\n"] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad:?}");
        }
        for bad in ["-x", "a..b", "a b", "x.lock", "HEAD", "a//b", "/a", "a/", "a\u{7f}"] {
            assert!(bad.parse::<BranchName>().is_err(), "{bad:?}");
        }
    }
}
