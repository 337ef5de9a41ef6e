//! Commits, and comparing them. <https://docs.github.com/en/rest/commits/commits>

use serde_json::Value;

use super::{Answer, Refusal, Turn};
use crate::github::git::Commit;

pub(super) fn get(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let name = turn.parameter("ref");
    let git = &turn.repository().git;
    let found = git.resolve(name).and_then(|sha| git.commit(&sha));
    let commit = found.ok_or_else(|| no_commit(name))?;
    let files = git.changes_of(&commit);
    let (additions, deletions) =
        files.iter().fold((0, 0), |(more, less), it| (more + it.additions, less + it.deletions));
    let mut shown = turn.world.show_commit(turn.repo(), &commit);
    let files: Vec<_> = files.iter().map(|it| turn.world.show_file(turn.repo(), &commit.sha, it)).collect();
    shown["files"] = files.into();
    shown["stats"] = serde_json::json!({
        "additions": additions, "deletions": deletions, "total": additions + deletions,
    });
    Ok(Answer::ok(shown))
}

pub(super) fn no_commit(name: &str) -> Refusal {
    Refusal::Unprocessable(format!("No commit found for SHA: {name}"))
}

pub(super) fn compare(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (base, head) = turn.parameter("basehead").split_once("...").ok_or(Refusal::NotFound)?;
    let (base, head) = (find(turn, base)?, find(turn, head)?);
    let git = &turn.repository().git;
    let common = git.merge_base(&base.sha, &head.sha).and_then(|it| git.commit(&it));
    let common = common.ok_or(Refusal::Missing("No common ancestor"))?;
    Ok(Answer::ok(turn.world.show_comparison(turn.repo(), &base, &head, &common)))
}

/// A branch can be named with its owner.
fn find(turn: &Turn<'_>, name: &str) -> Result<Commit, Refusal> {
    let (owner, git) = (&turn.repository().owner, &turn.repository().git);
    let name = match name.split_once(':') {
        Some((user, branch)) if user.eq_ignore_ascii_case(owner) => branch,
        Some(_) => return Err(Refusal::NotFound),
        None => name,
    };
    git.resolve(name).and_then(|sha| git.commit(&sha)).ok_or(Refusal::NotFound)
}

/// The merged pull request that brought a commit to the default branch, or the open ones that have it.
/// <https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit>
pub(super) fn pulls(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let name = turn.parameter("commit_sha");
    let git = &turn.repository().git;
    let sha = git.resolve(name).ok_or_else(|| Refusal::Status(409, format!("No commit found for {name}")))?;
    let all = turn.repository().issues.values();
    let all = all.filter_map(|issue| Some((issue, issue.pull.as_ref()?)));
    let found = all.filter(|(issue, pull)| {
        let merged = pull.merged.as_ref();
        let is_merge = merged.is_some_and(|it| it.commit == sha);
        let counts = merged.is_some() || issue.is_open();
        let has = git.is_ancestor(&sha, &pull.head_sha) && !git.is_ancestor(&sha, &pull.base_sha);
        is_merge || (counts && has)
    });
    let shown: Vec<Value> =
        found.map(|(issue, pull)| turn.world.show_pull_simple(turn.repo(), issue, pull)).collect();
    Ok(turn.list(shown))
}
