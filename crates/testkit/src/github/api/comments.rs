//! Comments below issues and pull requests. <https://docs.github.com/en/rest/issues/comments>

use serde_json::Value;

use super::{Answer, Refusal, Turn};
use crate::github::world::{Comment, Issue, Permission};

pub(super) fn list(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let issue = turn.issue()?;
    let since = turn.since();
    let comments = issue.comments.iter().filter(|it| since.is_none_or(|since| it.updated_at >= since));
    let page = turn.page(comments.collect());
    Ok(page
        .answer(|page| page.into_iter().map(|it| turn.world.show_comment(turn.repo(), issue, it)).collect()))
}

pub(super) fn list_all(turn: &mut Turn<'_>) -> Answer {
    let since = turn.since();
    let all = turn.repository().issues.values();
    let all = all.flat_map(|issue| issue.comments.iter().map(move |comment| (issue, comment)));
    let mut all: Vec<_> = all.filter(|(_, it)| since.is_none_or(|since| it.updated_at >= since)).collect();
    if turn.asked("sort") == Some("updated") {
        all.sort_by_key(|(_, it)| (it.updated_at, it.id));
    } else {
        all.sort_by_key(|(_, it)| it.id);
    }
    if turn.asked("direction") == Some("desc") {
        all.reverse();
    }
    let page = turn.page(all);
    let show = |(issue, comment)| turn.world.show_comment(turn.repo(), issue, comment);
    page.answer(|page| page.into_iter().map(show).collect())
}

pub(super) fn create(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let number = turn.issue()?.number;
    let body = body_of(turn)?;
    let (repo, login, app) = (turn.repo(), turn.login.clone(), turn.who.app());
    let id = turn.world.comment(repo, number, &login, &body, app);
    let shown = show(turn, id).ok_or(Refusal::NotFound)?;
    let url = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Answer::created(shown).header("location", url))
}

pub(super) fn update(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let id = turn.number("comment_id")?;
    let (_, comment) = find(turn, id).ok_or(Refusal::NotFound)?;
    if comment.author != turn.login && !turn.is_at_least(Permission::Write) {
        return Err(Refusal::Forbidden("Must have admin rights to Repository.".into()));
    }
    let body = body_of(turn)?;
    let (repo, login) = (turn.repo(), turn.login.clone());
    turn.world.edit_comment(repo, id, &login, &body);
    show(turn, id).map(Answer::ok).ok_or(Refusal::NotFound)
}

fn body_of(turn: &Turn<'_>) -> Result<String, Refusal> {
    let body = turn.text("body").unwrap_or_default();
    if body.trim().is_empty() {
        return Err(Refusal::custom("IssueComment", "Body cannot be blank"));
    }
    turn.check_lengths("IssueComment")?;
    Ok(body.to_owned())
}

fn find<'a>(turn: &'a Turn<'_>, id: u64) -> Option<(&'a Issue, &'a Comment)> {
    let mut issues = turn.repository().issues.values();
    issues.find_map(|issue| Some((issue, issue.comments.iter().find(|it| it.id == id)?)))
}

fn show(turn: &Turn<'_>, id: u64) -> Option<Value> {
    let (issue, comment) = find(turn, id)?;
    Some(turn.world.show_comment(turn.repo(), issue, comment))
}
