//! Commit statuses, check runs and suites.
//! <https://docs.github.com/en/rest/commits/statuses>, <https://docs.github.com/en/rest/checks>

use serde_json::{Value, json};

use super::commits::no_commit;
use super::{Answer, Refusal, Turn};
use crate::github::show::Shown;
use crate::github::world::{CheckRun, Conclusion, Status, StatusState};

fn sha_of(turn: &Turn<'_>) -> Result<String, Refusal> {
    let name = turn.parameter("ref");
    turn.repository().git.resolve(name).ok_or_else(|| no_commit(name))
}

/// Failed when one failed, pending when one is or there is none.
/// <https://docs.github.com/en/rest/commits/statuses#get-the-combined-status-for-a-specific-reference>
pub(super) fn combined(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let sha = sha_of(turn).map_err(|_| Refusal::NotFound)?;
    let statuses = turn.repository().latest_statuses(&sha);
    let any = |states: &[StatusState]| statuses.iter().any(|it| states.contains(&it.state));
    let state = if any(&[StatusState::Error, StatusState::Failure]) {
        "failure"
    } else if statuses.is_empty() || any(&[StatusState::Pending]) {
        "pending"
    } else {
        "success"
    };
    let repo = turn.repo();
    let page = turn.page(statuses);
    let (total, url) = (page.total, turn.world.api_of(repo));
    Ok(page.answer(|page| {
        let shown: Vec<_> =
            page.into_iter().map(|it| turn.world.show_status(repo, it, Shown::Combined)).collect();
        json!({
            "state": state, "statuses": shown, "sha": sha, "total_count": total,
            "repository": turn.world.show_minimal_repository(repo),
            "commit_url": format!("{url}/commits/{sha}"), "url": format!("{url}/commits/{sha}/status"),
        })
    }))
}

pub(super) fn statuses(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let sha = sha_of(turn)?;
    let all = turn.repository().statuses.iter().rev().filter(|it| it.sha == sha);
    let shown = all.map(|it| turn.world.show_status(turn.repo(), it, Shown::Alone)).collect();
    Ok(turn.list(shown))
}

pub(super) fn create_status(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let sha = turn.parameter("sha").to_owned();
    if turn.repository().git.commit(&sha).is_none() {
        return Err(no_commit(&sha));
    }
    let state = turn.text("state").and_then(StatusState::parse);
    let state = state.ok_or_else(|| Refusal::field("Status", "state", "invalid"))?;
    let text = |key: &str| turn.text(key).map(String::from);
    let context = text("context").unwrap_or_else(|| "default".into());
    let (description, target_url) = (text("description"), text("target_url"));
    if description.as_ref().is_some_and(|it| it.chars().count() > 140) {
        return Err(Refusal::custom("Status", "description is too long (maximum is 140 characters)"));
    }
    let (repo, login) = (turn.repo(), turn.login.clone());
    let status = turn.world.add_status(repo, &sha, &context, state, &login, description, target_url);
    Ok(Answer::created(turn.world.show_status(repo, &status, Shown::Alone)))
}

pub(super) fn list(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let sha = sha_of(turn)?;
    let found = turn.repository();
    let runs: Vec<&CheckRun> = if turn.asked("filter") == Some("all") {
        found.checks.iter().rev().filter(|it| it.sha == sha).collect()
    } else {
        found.latest_checks(&sha)
    };
    let wanted = |run: &&CheckRun| {
        let is = |key, value: &str| turn.asked(key).is_none_or(|it| it == value);
        is("check_name", &run.name) && is("status", run.status.name()) && is("app_id", &run.app.to_string())
    };
    let page = turn.page(runs.into_iter().filter(wanted).collect());
    let total = page.total;
    Ok(page.answer(|page| {
        let shown: Vec<_> = page.into_iter().map(|it| turn.world.show_check(turn.repo(), it)).collect();
        json!({ "total_count": total, "check_runs": shown })
    }))
}

/// Only Apps make check runs. <https://docs.github.com/en/rest/checks/runs#create-a-check-run>
pub(super) fn create(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let app = turn.who.app().ok_or_else(must_be_app)?;
    let sha = turn.text("head_sha").unwrap_or_default().to_owned();
    if turn.repository().git.commit(&sha).is_none() {
        return Err(no_commit(&sha));
    }
    let (repo, name) = (turn.repo(), turn.text("name").unwrap_or_default().to_owned());
    let id = turn.world.add_check(repo, app, &sha, &name, Status::Queued);
    apply(turn, id)?;
    show(turn, id).map(Answer::created)
}

pub(super) fn update(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let app = turn.who.app().ok_or_else(must_be_app)?;
    let id = turn.number("check_run_id")?;
    let mine = |run: &&CheckRun| run.id == id && run.app == app;
    turn.repository().checks.iter().find(mine).ok_or(Refusal::NotFound)?;
    apply(turn, id)?;
    show(turn, id).map(Answer::ok)
}

fn must_be_app() -> Refusal {
    Refusal::Forbidden("You must authenticate via a GitHub App.".into())
}

/// Takes over what the body says of a run; a conclusion completes it.
fn apply(turn: &mut Turn<'_>, id: u64) -> Result<(), Refusal> {
    let conclusion = turn.text("conclusion").map(Conclusion::parse);
    let status = match (turn.text("status"), conclusion) {
        (_, Some(Some(conclusion))) => Some(Status::Completed(conclusion)),
        (_, Some(None)) => return Err(Refusal::field("CheckRun", "conclusion", "invalid")),
        (Some("completed"), None) => return Err(Refusal::field("CheckRun", "conclusion", "missing_field")),
        (Some("in_progress"), None) => Some(Status::InProgress),
        (Some(_), None) => Some(Status::Queued),
        (None, None) => None,
    };
    let text = |value: &Value| value.as_str().map(String::from);
    let body = turn.body.clone();
    let repo = turn.repo();
    let run = turn.world.repo_mut(repo).checks.iter_mut().find(|it| it.id == id);
    let run = run.ok_or(Refusal::NotFound)?;
    run.name = text(&body["name"]).unwrap_or_else(|| run.name.clone());
    run.details_url = text(&body["details_url"]).or(run.details_url.take());
    run.external_id = text(&body["external_id"]).or(run.external_id.take());
    run.title = text(&body["output"]["title"]).or(run.title.take());
    run.summary = text(&body["output"]["summary"]).or(run.summary.take());
    if let Some(status) = status {
        turn.world.set_check(repo, id, status);
    }
    Ok(())
}

fn show(turn: &Turn<'_>, id: u64) -> Result<Value, Refusal> {
    let run = turn.repository().checks.iter().find(|it| it.id == id).ok_or(Refusal::NotFound)?;
    Ok(turn.world.show_check(turn.repo(), run))
}

pub(super) fn suites(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let sha = sha_of(turn)?;
    let runs = turn.repository().latest_checks(&sha);
    let mut ids: Vec<_> = runs.iter().map(|it| it.suite).collect();
    ids.sort_unstable();
    ids.dedup();
    let page = turn.page(ids);
    let total = page.total;
    Ok(page.answer(|page| {
        let of = |suite: u64| runs.iter().copied().filter(move |it| it.suite == suite).collect::<Vec<_>>();
        let shown: Vec<_> =
            page.into_iter().map(|suite| turn.world.show_suite(turn.repo(), &of(suite))).collect();
        json!({ "total_count": total, "check_suites": shown })
    }))
}

/// There are no Actions here, so nothing ever ran.
pub(super) fn workflow_runs() -> Answer {
    Answer::ok(json!({ "total_count": 0, "workflow_runs": [] }))
}
