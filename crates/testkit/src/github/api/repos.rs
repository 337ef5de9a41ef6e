//! Repositories. <https://docs.github.com/en/rest/repos/repos>

use serde_json::json;

use super::{Answer, Refusal, Turn};
use crate::github::world::Permission;

pub(super) fn get(turn: &mut Turn<'_>) -> Answer {
    let role = turn.who.role(turn.world, turn.repo());
    Answer::ok(turn.world.show_full_repository(turn.repo(), role))
}

/// <https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user>
pub(super) fn permission(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let login = turn.parameter("username");
    if turn.world.find_account(login).is_none() {
        return Err(Refusal::NotFound);
    }
    let role = turn.repository().permission(login);
    let mut user = turn.world.show_user(login);
    let role_name = role.map_or("none", Permission::role);
    user["role_name"] = role_name.into();
    user["permissions"] = json!({
        "pull": role >= Some(Permission::Read), "triage": role >= Some(Permission::Triage),
        "push": role >= Some(Permission::Write), "maintain": role >= Some(Permission::Maintain),
        "admin": role >= Some(Permission::Admin),
    });
    Ok(Answer::ok(json!({
        "permission": role.map_or("none", Permission::legacy), "role_name": role_name, "user": user,
    })))
}

/// <https://docs.github.com/en/rest/activity/events#list-repository-events>
pub(super) fn events(turn: &mut Turn<'_>) -> Answer {
    let events = turn.repository().events.iter().rev();
    let shown = events.map(|it| turn.world.show_event(turn.repo(), it)).collect();
    turn.list(shown).header("x-poll-interval", "60".into())
}
