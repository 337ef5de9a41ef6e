//! Parents, children, and what waits for what.
//! <https://docs.github.com/en/rest/issues/sub-issues>, <https://docs.github.com/en/rest/issues/issue-dependencies>

use serde_json::Value;

use super::{Answer, Refusal, Turn};
use crate::github::world::Issue;

/// How many children an issue may have.
const MOST: usize = 100;

pub(super) fn children(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let shown = show_all(turn, &turn.issue()?.children);
    Ok(turn.list(shown))
}

pub(super) fn parent(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let child = turn.issue()?.id;
    let (repo, parent) = parent_of(turn, child).ok_or(Refusal::NotFound)?;
    Ok(Answer::ok(turn.world.show_issue(repo, parent)))
}

pub(super) fn add_child(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let parent = turn.issue()?;
    let child = turn.body["sub_issue_id"].as_u64().unwrap_or(0);
    if turn.world.place_of(child).is_none() {
        return Err(Refusal::NotFound);
    }
    if child == parent.id || parent.children.len() >= MOST {
        return Err(Refusal::custom("SubIssue", "Issue cannot be added as a sub-issue"));
    }
    if parent.children.contains(&child) {
        return Err(Refusal::custom("SubIssue", "Issue may not contain duplicate sub-issues"));
    }
    let number = parent.number;
    if let Some((repo, before)) = parent_of(turn, child).map(|(repo, it)| (repo, it.number)) {
        if turn.body["replace_parent"] != true {
            return Err(Refusal::custom("SubIssue", "Sub issue may only have one parent"));
        }
        if let Some(before) = turn.world.issue_mut(repo, before) {
            before.children.retain(|it| *it != child);
        }
    }
    let repo = turn.repo();
    if let Some(parent) = turn.world.issue_mut(repo, number) {
        parent.children.push(child);
    }
    Ok(Answer::created(turn.world.show_issue(repo, turn.issue()?)))
}

pub(super) fn remove_child(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (repo, number) = (turn.repo(), turn.issue()?.number);
    let child = turn.body["sub_issue_id"].as_u64().unwrap_or(0);
    let parent = turn.world.issue_mut(repo, number).ok_or(Refusal::NotFound)?;
    if !parent.children.contains(&child) {
        return Err(Refusal::NotFound);
    }
    parent.children.retain(|it| *it != child);
    Ok(Answer::ok(turn.world.show_issue(repo, turn.issue()?)))
}

pub(super) fn move_child(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (repo, number) = (turn.repo(), turn.issue()?.number);
    let id = |key: &str| turn.body[key].as_u64();
    let (child, after, before) = (id("sub_issue_id").unwrap_or(0), id("after_id"), id("before_id"));
    let parent = turn.world.issue_mut(repo, number).ok_or(Refusal::NotFound)?;
    if !parent.children.contains(&child) {
        return Err(Refusal::NotFound);
    }
    parent.children.retain(|it| *it != child);
    let place = |id: Option<u64>| parent.children.iter().position(|it| Some(*it) == id);
    let at = place(after).map(|at| at + 1).or(place(before)).unwrap_or(0);
    parent.children.insert(at, child);
    Ok(Answer::ok(turn.world.show_issue(repo, turn.issue()?)))
}

pub(super) fn blocked_by(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let shown = show_all(turn, &turn.issue()?.blocked_by);
    Ok(turn.list(shown))
}

pub(super) fn blocking(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let id = turn.issue()?.id;
    let all = turn.world.repositories.values().flat_map(|repo| repo.issues.values());
    let waiting: Vec<_> = all.filter(|it| it.blocked_by.contains(&id)).map(|it| it.id).collect();
    let shown = show_all(turn, &waiting);
    Ok(turn.list(shown))
}

pub(super) fn add_blocker(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let issue = turn.issue()?;
    let blocker = turn.body["issue_id"].as_u64().unwrap_or(0);
    if turn.world.place_of(blocker).is_none() {
        return Err(Refusal::NotFound);
    }
    if blocker == issue.id || issue.blocked_by.contains(&blocker) {
        return Err(Refusal::custom("IssueDependency", "Issue cannot be added as a dependency"));
    }
    let (repo, number) = (turn.repo(), issue.number);
    if let Some(issue) = turn.world.issue_mut(repo, number) {
        issue.blocked_by.push(blocker);
    }
    Ok(Answer::created(turn.world.show_issue(repo, turn.issue()?)))
}

pub(super) fn remove_blocker(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (repo, number, blocker) = (turn.repo(), turn.issue()?.number, turn.number("issue_id")?);
    let issue = turn.world.issue_mut(repo, number).ok_or(Refusal::NotFound)?;
    if !issue.blocked_by.contains(&blocker) {
        return Err(Refusal::NotFound);
    }
    issue.blocked_by.retain(|it| *it != blocker);
    Ok(Answer::ok(turn.world.show_issue(repo, turn.issue()?)))
}

/// Those that whoever asks may see; they can be in other repositories.
fn show_all(turn: &Turn<'_>, ids: &[u64]) -> Vec<Value> {
    let found = ids.iter().filter_map(|id| turn.world.place_of(*id));
    let seen = found.filter(|(repo, _)| turn.who.role(turn.world, *repo).is_some());
    seen.filter_map(|(repo, number)| Some(turn.world.show_issue(repo, turn.world.issue(repo, number)?)))
        .collect()
}

fn parent_of<'a>(turn: &'a Turn<'_>, child: u64) -> Option<(u64, &'a Issue)> {
    let all = turn.world.repositories.values();
    let mut all = all.flat_map(|repo| repo.issues.values().map(move |issue| (repo.id, issue)));
    all.find(|(_, issue)| issue.children.contains(&child))
}
