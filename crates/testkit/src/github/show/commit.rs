//! Commits, files, refs and comparisons.

use serde_json::{Value, json};

use super::node_id;
use crate::github::git::{Commit, FileChange, Signature};
use crate::github::world::World;

impl World {
    /// `commit`, without its files.
    pub(crate) fn show_commit(&self, repo: u64, commit: &Commit) -> Value {
        let (api, page) = (self.api_of(repo), self.page_of(repo));
        let (sha, tree) = (&commit.sha, &commit.tree);
        let person = |who: &Signature| json!({ "name": who.name, "email": who.email, "date": who.date });
        let parent = |sha: &String| {
            json!({
                "sha": sha, "url": format!("{api}/commits/{sha}"), "html_url": format!("{page}/commit/{sha}"),
            })
        };
        json!({
            "sha": sha, "node_id": format!("C_{sha}"), "url": format!("{api}/commits/{sha}"),
            "html_url": format!("{page}/commit/{sha}"), "comments_url": format!("{api}/commits/{sha}/comments"),
            "commit": {
                "url": format!("{api}/git/commits/{sha}"), "message": commit.message, "comment_count": 0,
                "author": person(&commit.author), "committer": person(&commit.committer),
                "tree": { "sha": tree, "url": format!("{api}/git/trees/{tree}") },
                "verification": {
                    "verified": false, "reason": "unsigned", "signature": null, "payload": null,
                    "verified_at": null,
                },
            },
            "author": null, "committer": null,
            "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
        })
    }

    /// `diff-entry`. The patch, which the schema leaves optional and GitHub leaves out of what is large, is
    /// absent.
    pub(crate) fn show_file(&self, repo: u64, at: &str, change: &FileChange) -> Value {
        let path = &change.path;
        let mut shown = json!({
            "sha": change.blob, "filename": path, "status": change.status,
            "additions": change.additions, "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "blob_url": format!("{}/blob/{at}/{path}", self.page_of(repo)),
            "raw_url": format!("{}/raw/{at}/{path}", self.page_of(repo)),
            "contents_url": format!("{}/contents/{path}?ref={at}", self.api_of(repo)),
        });
        if let Some(before) = &change.before {
            shown["previous_filename"] = before.as_str().into();
        }
        shown
    }

    /// `git-ref`.
    pub(crate) fn show_ref(&self, repo: u64, name: &str, object: &str) -> Value {
        let api = self.api_of(repo);
        let kind = self.repo(repo).git.kind_of(object);
        json!({
            "ref": name, "node_id": node_id("REF", repo), "url": format!("{api}/git/{name}"),
            "object": { "sha": object, "type": kind, "url": format!("{api}/git/{kind}s/{object}") },
        })
    }

    /// `commit-comparison` of two commits that have something in common.
    pub(crate) fn show_comparison(&self, repo: u64, base: &Commit, head: &Commit, common: &Commit) -> Value {
        let git = &self.repo(repo).git;
        let (ahead, behind) = (git.between(&base.sha, &head.sha), git.count(&head.sha, &base.sha));
        let status = match (ahead.len(), behind) {
            (0, 0) => "identical",
            (0, _) => "behind",
            (_, 0) => "ahead",
            (_, _) => "diverged",
        };
        let files = git.changes(&common.sha, &head.sha);
        let (from, to) = (&base.sha, &head.sha);
        let (url, page) = (self.api_of(repo), self.page_of(repo));
        let page = format!("{page}/compare/{from}...{to}");
        json!({
            "url": format!("{url}/compare/{from}...{to}"), "html_url": page, "permalink_url": page,
            "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"),
            "base_commit": self.show_commit(repo, base), "merge_base_commit": self.show_commit(repo, common),
            "status": status, "ahead_by": ahead.len(), "behind_by": behind, "total_commits": ahead.len(),
            "commits": ahead.iter().map(|it| self.show_commit(repo, it)).collect::<Vec<_>>(),
            "files": files.iter().map(|it| self.show_file(repo, to, it)).collect::<Vec<_>>(),
        })
    }
}
