//! Merging pull requests. <https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request>

use serde_json::{Value, json};

use super::{Answer, Refusal, Turn};
use crate::github::act::{MergeAsked, MergeRefused};
use crate::github::world::MergeMethod;

pub(super) fn is_merged(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (_, pull) = turn.pull()?;
    if pull.merged.is_some() { Ok(Answer::with(204, Value::Null)) } else { Err(Refusal::NotFound) }
}

pub(super) fn merge(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let number = turn.pull()?.0.number;
    let text = |key: &str| turn.text(key).map(String::from);
    let asked = MergeAsked {
        method: turn.text("merge_method").and_then(MergeMethod::parse),
        title: text("commit_title"),
        message: text("commit_message"),
        sha: text("sha"),
    };
    let (repo, login) = (turn.repo(), turn.login.clone());
    match turn.world.merge(repo, number, &login, &asked) {
        Ok(sha) => {
            let message = "Pull Request successfully merged";
            Ok(Answer::ok(json!({ "sha": sha, "merged": true, "message": message })))
        }
        Err(refused) => {
            let status = if refused == MergeRefused::HeadModified { 409 } else { 405 };
            Err(Refusal::Status(status, refused.words()))
        }
    }
}

pub(super) fn update_branch(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (issue, pull) = turn.pull()?;
    let number = issue.number;
    if turn.text("expected_head_sha").is_some_and(|sha| sha != pull.head_sha) {
        let message = format!("expected head sha didn't match current head ref {}", pull.head_sha);
        return Err(Refusal::Unprocessable(message));
    }
    let (repo, login) = (turn.repo(), turn.login.clone());
    turn.world.update_branch(repo, number, &login).map_err(|why| Refusal::Unprocessable(why.into()))?;
    let url = format!("{}/pulls/{number}", turn.world.api_of(repo));
    Ok(Answer::with(202, json!({ "message": "Updating pull request branch.", "url": url })))
}
