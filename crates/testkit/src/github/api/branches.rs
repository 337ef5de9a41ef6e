//! Branches and what they demand. <https://docs.github.com/en/rest/branches>

use serde_json::Value;

use super::{Answer, Refusal, Turn};

pub(super) fn list(turn: &mut Turn<'_>) -> Answer {
    let wanted = turn.asked("protected").map(|it| it == "true");
    let branches = turn.repository().refs.iter();
    let branches = branches.filter_map(|(name, sha)| Some((name.strip_prefix("refs/heads/")?, sha)));
    let branches =
        branches.filter(|(name, _)| wanted.is_none_or(|it| it == turn.repository().is_protected(name)));
    let shown: Vec<Value> =
        branches.map(|(name, sha)| turn.world.show_short_branch(turn.repo(), name, sha)).collect();
    turn.list(shown)
}

pub(super) fn get(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let name = turn.parameter("branch");
    let sha = turn.repository().branch(name).ok_or(Refusal::Missing("Branch not found"))?;
    Ok(Answer::ok(turn.world.show_branch(turn.repo(), name, sha)))
}

/// <https://docs.github.com/en/rest/branches/branch-protection#get-branch-protection>
pub(super) fn protection(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let name = turn.parameter("branch");
    turn.repository().branch(name).ok_or(Refusal::Missing("Branch not found"))?;
    let protection =
        turn.repository().protections.get(name).ok_or(Refusal::Missing("Branch not protected"))?;
    Ok(Answer::ok(turn.world.show_protection(turn.repo(), name, protection)))
}

/// <https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch>: also of a branch that is not there.
pub(super) fn rules(turn: &mut Turn<'_>) -> Answer {
    let shown = turn.world.show_rules(turn.repo(), turn.parameter("branch"));
    turn.list(shown)
}
