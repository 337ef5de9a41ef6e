//! Merging in a bare repository: no working tree, no index, only objects.

use super::{Git, Signature};

/// Who makes a commit on GitHub. It commits as itself, and the person is the author.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Author<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    /// When, as seconds and a zone.
    pub(crate) date: &'a str,
}

const GITHUB: (&str, &str) = ("GitHub", "noreply@github.com");

impl Git {
    /// The tree that `theirs` makes of `ours`; `None` when they conflict.
    pub(crate) fn merge_trees(&self, ours: &str, theirs: &str) -> Option<String> {
        self.merged_tree(&["merge-tree", "--write-tree", "--no-messages", ours, theirs])
    }

    fn merged_tree(&self, arguments: &[&str]) -> Option<String> {
        let merged = self.run(arguments.iter().copied()).ok()?;
        merged.lines().next().map(String::from)
    }

    /// Writes a commit, and returns its name.
    pub(crate) fn write_commit(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
        author: Author<'_>,
    ) -> Result<String, String> {
        let mut arguments = vec!["commit-tree", tree];
        for parent in parents {
            arguments.extend(["-p", parent]);
        }
        let mut command = self.command(arguments);
        command.envs([
            ("GIT_AUTHOR_NAME", author.name),
            ("GIT_AUTHOR_EMAIL", author.email),
            ("GIT_AUTHOR_DATE", author.date),
            ("GIT_COMMITTER_NAME", GITHUB.0),
            ("GIT_COMMITTER_EMAIL", GITHUB.1),
            ("GIT_COMMITTER_DATE", author.date),
        ]);
        self.feed(command, message.as_bytes())
    }

    /// Makes each commit of `head` that `base` lacks anew on top of `base`, with its author and a new
    /// committer; `None` when one of them conflicts. Merges are left out, as a rebase leaves them out.
    pub(crate) fn replay(&self, base: &str, head: &str, now: &str) -> Option<String> {
        let mut tip = base.to_owned();
        for commit in self.between(base, head) {
            let [parent] = &commit.parents[..] else { continue };
            let option = format!("--merge-base={parent}");
            let arguments =
                ["merge-tree", "--write-tree", "--no-messages", &option, tip.as_str(), &commit.sha];
            let tree = self.merged_tree(&arguments)?;
            let Signature { name, email, date } = &commit.author;
            let mut command = self.command(["commit-tree", &tree, "-p", &tip]);
            command.envs([
                ("GIT_AUTHOR_NAME", name.as_str()),
                ("GIT_AUTHOR_EMAIL", email),
                ("GIT_AUTHOR_DATE", date),
                ("GIT_COMMITTER_NAME", GITHUB.0),
                ("GIT_COMMITTER_EMAIL", GITHUB.1),
                ("GIT_COMMITTER_DATE", now),
            ]);
            tip = self.feed(command, commit.message.as_bytes()).ok()?;
        }
        Some(tip)
    }
}
