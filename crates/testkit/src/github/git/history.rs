//! Reading commits and what is between them.

use super::Git;

/// A commit as git has it.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Signature,
    pub(crate) committer: Signature,
    pub(crate) message: String,
}

/// Who and when, in ISO 8601.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) date: String,
}

/// A file that differs between two trees.
#[derive(Debug, Clone)]
pub(crate) struct FileChange {
    pub(crate) path: String,
    pub(crate) before: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) blob: String,
    pub(crate) additions: u64,
    pub(crate) deletions: u64,
}

const FORMAT: &str = "--format=%H%x1f%T%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cn%x1f%ce%x1f%cI%x1f%B";

impl Git {
    pub(crate) fn commit(&self, name: &str) -> Option<Commit> {
        let shown = self.run(["log", "-1", "-z", FORMAT, name, "--"]).ok()?;
        parse(shown.trim_end_matches('\0'))
    }

    /// The commits that `to` has and `from` has not, oldest first.
    pub(crate) fn between(&self, from: &str, to: &str) -> Vec<Commit> {
        let range = format!("{from}..{to}");
        let shown =
            self.run(["log", "--reverse", "--topo-order", "-z", FORMAT, &range, "--"]).unwrap_or_default();
        shown.split('\0').filter(|record| !record.is_empty()).filter_map(parse).collect()
    }

    /// How many commits `to` has that `from` has not.
    pub(crate) fn count(&self, from: &str, to: &str) -> u64 {
        let counted = self.run(["rev-list", "--count", &format!("{from}..{to}")]);
        counted.ok().and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.run(["merge-base", "--is-ancestor", old, new]).is_ok()
    }

    pub(crate) fn merge_base(&self, one: &str, other: &str) -> Option<String> {
        self.run(["merge-base", one, other]).ok()
    }

    /// The commit on a branch that brought `commit` there between two of its tips: the merge of it, or itself.
    pub(crate) fn brought_by(&self, commit: &str, from: &str, to: &str) -> String {
        let path = self.run(["rev-list", "--first-parent", "--reverse", &format!("{from}..{to}")]);
        let path = path.unwrap_or_default();
        let first = path.lines().find(|it| self.is_ancestor(commit, it));
        first.unwrap_or(commit).to_owned()
    }

    /// What differs between two commits.
    pub(crate) fn changes(&self, from: &str, to: &str) -> Vec<FileChange> {
        let arguments = ["diff", "--raw", "--numstat", "-z", "--no-abbrev", "--find-renames", from, to, "--"];
        parse_changes(&self.run(arguments).unwrap_or_default())
    }

    /// What a commit changes over its first parent, or over nothing.
    pub(crate) fn changes_of(&self, commit: &Commit) -> Vec<FileChange> {
        match commit.parents.first() {
            Some(parent) => self.changes(parent, &commit.sha),
            None => {
                const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
                self.changes(EMPTY_TREE, &commit.sha)
            }
        }
    }
}

fn parse(record: &str) -> Option<Commit> {
    let mut fields = record.splitn(10, '\u{1f}').map(str::to_owned);
    let mut next = || fields.next();
    let (sha, tree) = (next()?, next()?);
    let parents = next()?.split_whitespace().map(String::from).collect();
    let author = Signature { name: next()?, email: next()?, date: next()? };
    let committer = Signature { name: next()?, email: next()?, date: next()? };
    Some(Commit { sha, tree, parents, author, committer, message: next()?.trim_end().to_owned() })
}

/// `--raw` comes first and says how each file changed, `--numstat` follows and counts its lines.
fn parse_changes(text: &str) -> Vec<FileChange> {
    let mut fields = text.split('\0').peekable();
    let mut changes: Vec<FileChange> = Vec::new();
    while let Some(field) = fields.next() {
        if let Some(raw) = field.strip_prefix(':') {
            let words: Vec<_> = raw.split(' ').collect();
            let [_, _, _, blob, letter] = words[..] else { continue };
            let renamed = letter.starts_with(['R', 'C']);
            let before = if renamed { fields.next().map(String::from) } else { None };
            let Some(path) = fields.next() else { break };
            let status = match letter.as_bytes().first() {
                Some(b'A') => "added",
                Some(b'D') => "removed",
                Some(b'R') => "renamed",
                Some(b'C') => "copied",
                Some(b'T') => "changed",
                _ => "modified",
            };
            changes.push(FileChange {
                path: path.into(),
                before,
                status,
                blob: blob.into(),
                additions: 0,
                deletions: 0,
            });
        } else if let Some((additions, rest)) = field.split_once('\t') {
            let Some((deletions, path)) = rest.split_once('\t') else { continue };
            // A rename's paths are two fields of their own.
            let path = if path.is_empty() {
                fields.next();
                fields.next().unwrap_or_default()
            } else {
                path
            };
            if let Some(change) = changes.iter_mut().find(|it| it.path == path) {
                // Of a binary file there are no lines to count.
                change.additions = additions.parse().unwrap_or(0);
                change.deletions = deletions.parse().unwrap_or(0);
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_has_each_files_kind_and_lines() {
        let text = ":100644 100644 aaa bbb M\0src/a\0:100644 100644 ccc ddd R090\0old\0new\0\
                    :000000 100644 000 eee A\0logo.png\0\
                    3\t1\tsrc/a\0\
                    2\t0\t\0old\0new\0-\t-\tlogo.png\0";
        let seen: Vec<_> = parse_changes(text)
            .into_iter()
            .map(|it| (it.path, it.before, it.status, it.additions, it.deletions))
            .collect();
        let wanted = [
            ("src/a".to_owned(), None, "modified", 3, 1),
            ("new".to_owned(), Some("old".to_owned()), "renamed", 2, 0),
            ("logo.png".to_owned(), None, "added", 0, 0),
        ];
        assert_eq!(seen, wanted);
    }
}
