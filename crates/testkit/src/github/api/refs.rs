//! Git references. <https://docs.github.com/en/rest/git/refs>

use serde_json::Value;

use super::{Answer, Refusal, Turn};
use crate::github::git::packet::RefCommand;

const NONE: &str = "0000000000000000000000000000000000000000";

pub(super) fn matching(turn: &mut Turn<'_>) -> Answer {
    let prefix = format!("refs/{}", turn.parameter("ref"));
    let found = turn.repository().refs.iter().filter(|(name, _)| name.starts_with(&prefix));
    let shown = found.map(|(name, object)| turn.world.show_ref(turn.repo(), name, object)).collect();
    turn.list(shown)
}

pub(super) fn get(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let name = full_name(turn);
    let object = turn.repository().refs.get(&name).ok_or(Refusal::NotFound)?;
    Ok(Answer::ok(turn.world.show_ref(turn.repo(), &name, object)))
}

fn full_name(turn: &Turn<'_>) -> String {
    format!("refs/{}", turn.parameter("ref"))
}

pub(super) fn create(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (name, sha) = (turn.text("ref").unwrap_or_default(), turn.text("sha").unwrap_or_default());
    let (name, sha) = (name.to_owned(), sha.to_owned());
    if !name.starts_with("refs/") || name.matches('/').count() < 2 {
        return Err(Refusal::Unprocessable("Reference name is not valid".into()));
    }
    if turn.repository().refs.contains_key(&name) {
        return Err(Refusal::Unprocessable("Reference already exists".into()));
    }
    let git = turn.repository().git.clone();
    if !is_sha(&sha) || !git.has_object(&sha) {
        return Err(Refusal::Unprocessable("Object does not exist".into()));
    }
    refuse_what_a_push_may_not(turn, &name, NONE, &sha)?;
    git.set_ref(&name, &sha, NONE).map_err(|_| Refusal::Unprocessable("Reference update failed".into()))?;
    let (repo, login) = (turn.repo(), turn.login.clone());
    turn.world.look_at_refs(repo, &login);
    let shown = turn.world.show_ref(repo, &name, &sha);
    let url = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Answer::created(shown).header("location", url))
}

pub(super) fn update(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (name, sha) = (full_name(turn), turn.text("sha").unwrap_or_default().to_owned());
    let old = turn.repository().refs.get(&name).cloned();
    let old = old.ok_or_else(|| Refusal::Unprocessable("Reference does not exist".into()))?;
    let git = turn.repository().git.clone();
    if !is_sha(&sha) || !git.has_object(&sha) {
        return Err(Refusal::Unprocessable("Object does not exist".into()));
    }
    if turn.body["force"] != true && !git.is_ancestor(&old, &sha) {
        return Err(Refusal::Unprocessable("Update is not a fast forward".into()));
    }
    refuse_what_a_push_may_not(turn, &name, &old, &sha)?;
    git.set_ref(&name, &sha, &old).map_err(|_| Refusal::Unprocessable("Reference update failed".into()))?;
    let (repo, login) = (turn.repo(), turn.login.clone());
    turn.world.look_at_refs(repo, &login);
    Ok(Answer::ok(turn.world.show_ref(repo, &name, &sha)))
}

pub(super) fn delete(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let name = full_name(turn);
    let old = turn.repository().refs.get(&name).cloned();
    let old = old.ok_or_else(|| Refusal::Unprocessable("Reference does not exist".into()))?;
    if name == format!("refs/heads/{}", turn.repository().default_branch) {
        return Err(Refusal::Unprocessable("Cannot delete the default branch".into()));
    }
    refuse_what_a_push_may_not(turn, &name, &old, NONE)?;
    let git = turn.repository().git.clone();
    git.delete_ref(&name).map_err(|_| Refusal::Unprocessable("Reference update failed".into()))?;
    let (repo, login) = (turn.repo(), turn.login.clone());
    turn.world.look_at_refs(repo, &login);
    Ok(Answer::with(204, Value::Null))
}

/// Protection holds however a ref is moved.
fn refuse_what_a_push_may_not(turn: &Turn<'_>, name: &str, old: &str, new: &str) -> Result<(), Refusal> {
    let command = RefCommand { old: old.into(), new: new.into(), name: name.into() };
    let keeps = command.creates() || turn.repository().git.is_ancestor(old, new);
    match turn.world.refuses_push(turn.repo(), &command, keeps, &turn.login) {
        None => Ok(()),
        Some(refused) => {
            Err(Refusal::Unprocessable(refused.remote.replace("error: ", "").replace('\n', " ")))
        }
    }
}

fn is_sha(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|it| it.is_ascii_hexdigit())
}
