//! Labels. <https://docs.github.com/en/rest/issues/labels>

use serde_json::Value;

use super::{Answer, Refusal, Turn};
use crate::github::world::Label;

pub(super) fn of_repo(turn: &mut Turn<'_>) -> Answer {
    let labels = turn.repository().labels.iter();
    let shown = labels.map(|it| turn.world.show_label(turn.repo(), it)).collect();
    turn.list(shown)
}

pub(super) fn of_issue(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let shown = show(turn)?;
    Ok(turn.list(shown))
}

pub(super) fn create(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let name = turn.text("name").unwrap_or_default().to_owned();
    if turn.repository().labels.iter().any(|it| it.name.eq_ignore_ascii_case(&name)) {
        return Err(Refusal::field("Label", "name", "already_exists"));
    }
    let id = turn.world.fresh_id();
    let label = Label {
        id,
        name,
        color: turn.text("color").unwrap_or("ededed").into(),
        description: turn.text("description").map(String::from),
    };
    let repo = turn.repo();
    let shown = turn.world.show_label(repo, &label);
    turn.world.repo_mut(repo).labels.push(label);
    Ok(Answer::created(shown))
}

/// The body is a list of names, or a document with one; a label that does not exist is made.
pub(super) fn add(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let number = turn.issue()?.number;
    if turn.body.is_array() {
        turn.body = serde_json::json!({ "labels": turn.body.take() });
    }
    let (repo, login) = (turn.repo(), turn.login.clone());
    for name in turn.names("labels").unwrap_or_default() {
        turn.world.label(repo, number, &login, &name);
    }
    Ok(Answer::ok(show(turn)?.into()))
}

pub(super) fn remove(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let number = turn.issue()?.number;
    let (repo, login, name) = (turn.repo(), turn.login.clone(), turn.parameter("name").to_owned());
    if !turn.world.unlabel(repo, number, &login, &name) {
        return Err(Refusal::Missing("Label does not exist"));
    }
    Ok(Answer::ok(show(turn)?.into()))
}

fn show(turn: &Turn<'_>) -> Result<Vec<Value>, Refusal> {
    let names = &turn.issue()?.labels;
    let labels = turn.repository().labels.iter().filter(|it| names.contains(&it.name));
    Ok(labels.map(|it| turn.world.show_label(turn.repo(), it)).collect())
}
