//! Pull requests. <https://docs.github.com/en/rest/pulls/pulls>

use std::cmp::Reverse;

use super::{Answer, Refusal, Turn};
use crate::github::act::{NewPull, PullRefused};
use crate::github::world::{Permission, StateReason};

pub(super) fn list(turn: &mut Turn<'_>) -> Answer {
    let all = turn.repository().issues.values();
    let all = all.filter_map(|issue| Some((issue, issue.pull.as_ref()?)));
    let owner = &turn.repository().owner;
    let mut found: Vec<_> = all
        .filter(|(issue, pull)| {
            let state = match turn.asked("state").unwrap_or("open") {
                "all" => true,
                "closed" => !issue.is_open(),
                _ => issue.is_open(),
            };
            // A head without its owner is no filter at all: GitHub ignores it.
            let head = turn.asked("head").and_then(|it| it.split_once(':'));
            let head =
                head.is_none_or(|(user, branch)| user.eq_ignore_ascii_case(owner) && branch == pull.head);
            state && head && turn.asked("base").is_none_or(|it| it == pull.base)
        })
        .collect();
    match turn.asked("sort").unwrap_or("created") {
        "updated" => found.sort_by_key(|(it, _)| Reverse((it.updated_at, it.number))),
        _ => found.sort_by_key(|(it, _)| Reverse((it.created_at, it.number))),
    }
    if turn.asked("direction") == Some("asc") {
        found.reverse();
    }
    let page = turn.page(found);
    let show = |(issue, pull)| turn.world.show_pull_simple(turn.repo(), issue, pull);
    page.answer(|page| page.into_iter().map(show).collect())
}

pub(super) fn create(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let Some(title) = turn.text("title").filter(|it| !it.trim().is_empty()) else {
        return Err(Refusal::field("PullRequest", "title", "missing_field"));
    };
    turn.check_lengths("PullRequest")?;
    let owner = &turn.repository().owner;
    let head = turn.text("head").unwrap_or_default();
    let head = match head.split_once(':') {
        Some((user, branch)) if user.eq_ignore_ascii_case(owner) => branch,
        Some(_) => return Err(Refusal::field("PullRequest", "head", "invalid")),
        None => head,
    };
    let new = NewPull {
        title: title.into(),
        body: turn.text("body").map(String::from),
        head: head.into(),
        base: turn.text("base").unwrap_or_default().into(),
        draft: turn.body["draft"] == true,
        app: turn.who.app(),
    };
    let (repo, login) = (turn.repo(), turn.login.clone());
    let number = turn.world.open_pull(repo, &login, new).map_err(|refused| match refused {
        PullRefused::NoSuchHead => Refusal::field("PullRequest", "head", "invalid"),
        PullRefused::NoSuchBase => Refusal::field("PullRequest", "base", "invalid"),
        PullRefused::NoCommits { .. } | PullRefused::Exists { .. } => {
            Refusal::custom("PullRequest", &refused.words())
        }
    })?;
    turn.parameters.insert("pull_number".into(), number.to_string());
    let (issue, pull) = turn.pull()?;
    let shown = turn.world.show_pull(repo, issue, pull);
    let url = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Answer::created(shown).header("location", url))
}

pub(super) fn get(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (repo, number) = (turn.repo(), turn.number("pull_number")?);
    turn.world.look_at_pull(repo, number);
    show(turn)
}

fn show(turn: &Turn<'_>) -> Result<Answer, Refusal> {
    let (issue, pull) = turn.pull()?;
    Ok(Answer::ok(turn.world.show_pull(turn.repo(), issue, pull)))
}

pub(super) fn update(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (issue, pull) = turn.pull()?;
    if issue.author != turn.login && !turn.is_at_least(Permission::Write) {
        return Err(Refusal::Forbidden("Must have admin rights to Repository.".into()));
    }
    turn.check_lengths("PullRequest")?;
    let (repo, login, number, open) = (turn.repo(), turn.login.clone(), issue.number, issue.is_open());
    let (merged, head) = (pull.merged.is_some(), pull.head.clone());
    if let Some(base) = turn.text("base").map(String::from) {
        let at = turn.repository().branch(&base).ok_or(Refusal::field("PullRequest", "base", "invalid"))?;
        let at = at.to_owned();
        if let Some(pull) = turn.world.pull_mut(repo, number) {
            pull.base = base;
            pull.base_sha = at;
            pull.mergeability = crate::github::world::Mergeability::Unasked;
        }
    }
    let (title, body) = (turn.text("title").map(String::from), turn.text("body").map(String::from));
    if title.is_some() || body.is_some() {
        turn.world.edit_issue(repo, number, &login, title.as_deref(), body.as_deref());
    }
    match turn.text("state") {
        Some("closed") => turn.world.close_issue(repo, number, &login, StateReason::Completed, None),
        Some("open") if !open => reopen(turn, number, merged, &head)?,
        Some(_) | None => {}
    }
    show(turn)
}

/// What is merged stays so, and a branch that is gone has nothing to merge.
fn reopen(turn: &mut Turn<'_>, number: u64, merged: bool, head: &str) -> Result<(), Refusal> {
    let (repo, login) = (turn.repo(), turn.login.clone());
    if merged {
        return Err(Refusal::custom("PullRequest", "state cannot be changed. The pull request is merged."));
    }
    let Some(sha) = turn.repository().branch(head).map(String::from) else {
        let message = format!("state cannot be changed. The {head} branch has been deleted.");
        return Err(Refusal::custom("PullRequest", &message));
    };
    let others = turn.repository().issues.values().filter(|it| it.is_open());
    if others.filter_map(|it| it.pull.as_ref()).any(|it| it.head == head) {
        let message = format!("state cannot be changed. There is already an open pull request from {head}.");
        return Err(Refusal::custom("PullRequest", &message));
    }
    if let Some(pull) = turn.world.pull_mut(repo, number) {
        pull.head_sha = sha;
        pull.mergeability = crate::github::world::Mergeability::Unasked;
    }
    turn.world.reopen_issue(repo, number, &login);
    Ok(())
}

pub(super) fn files(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (_, pull) = turn.pull()?;
    let (head, base) = (pull.head_sha.clone(), pull.base_sha.clone());
    let git = &turn.repository().git;
    let from = git.merge_base(&base, &head).unwrap_or(base);
    let files = git.changes(&from, &head);
    let shown = files.iter().map(|it| turn.world.show_file(turn.repo(), &head, it)).collect();
    Ok(turn.list(shown))
}

pub(super) fn commits(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (_, pull) = turn.pull()?;
    let commits = turn.repository().git.between(&pull.base_sha, &pull.head_sha);
    let shown = commits.iter().map(|it| turn.world.show_commit(turn.repo(), it)).collect();
    Ok(turn.list(shown))
}
