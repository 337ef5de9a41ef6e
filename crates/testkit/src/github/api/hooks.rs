//! Webhooks. <https://docs.github.com/en/rest/repos/webhooks>

use serde_json::json;

use super::{Answer, Refusal, Turn};

pub(super) fn list(turn: &mut Turn<'_>) -> Answer {
    let hooks = turn.repository().hooks.iter();
    let shown = hooks.map(|it| turn.world.show_hook(turn.repo(), it)).collect();
    turn.list(shown)
}

pub(super) fn create(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let Some(url) = turn.body["config"]["url"].as_str().map(String::from) else {
        return Err(Refusal::field("Hook", "url", "missing_field"));
    };
    if turn.repository().hooks.iter().any(|it| it.url == url) {
        return Err(Refusal::custom("Hook", "Hook already exists on this repository"));
    }
    let secret = turn.body["config"]["secret"].as_str().map(String::from);
    let events = turn.names("events").unwrap_or_else(|| vec!["push".into()]);
    let active = turn.body["active"] != json!(false);
    let (repo, login) = (turn.repo(), turn.login.clone());
    let id = turn.world.add_hook(repo, &login, &url, secret, events, active);
    let hook = turn.repository().hooks.iter().find(|it| it.id == id).ok_or(Refusal::NotFound)?;
    Ok(Answer::created(turn.world.show_hook(repo, hook)))
}

/// Newest first.
pub(super) fn deliveries(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let id = turn.number("hook_id")?;
    let hook = turn.repository().hooks.iter().find(|it| it.id == id).ok_or(Refusal::NotFound)?;
    let attempted = hook.deliveries.iter().rev().filter(|it| it.status.is_some());
    let shown = attempted.map(|it| turn.world.show_delivery(turn.repo(), it)).collect();
    Ok(turn.list(shown))
}
