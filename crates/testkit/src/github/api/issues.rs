//! Issues. <https://docs.github.com/en/rest/issues/issues>

use std::cmp::Reverse;

use super::{Answer, Refusal, Turn};
use crate::github::act::NewIssue;
use crate::github::world::{Issue, Permission, StateReason};

/// Pull requests are among them, as they are on GitHub.
pub(super) fn list(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    if !turn.repository().has_issues {
        return Err(Refusal::NotFound);
    }
    let since = turn.since();
    let labels: Vec<_> = turn.asked("labels").unwrap_or_default().split(',').collect();
    let wanted = |issue: &&Issue| {
        let state = match turn.asked("state").unwrap_or("open") {
            "all" => true,
            "closed" => !issue.is_open(),
            _ => issue.is_open(),
        };
        let labelled = labels
            .iter()
            .filter(|label| !label.is_empty())
            .all(|label| issue.labels.iter().any(|it| it.eq_ignore_ascii_case(label)));
        let assigned = match turn.asked("assignee") {
            None => true,
            Some("*") => !issue.assignees.is_empty(),
            Some("none") => issue.assignees.is_empty(),
            Some(login) => issue.assignees.iter().any(|it| it.eq_ignore_ascii_case(login)),
        };
        let created = turn.asked("creator").is_none_or(|it| it.eq_ignore_ascii_case(&issue.author));
        let filed = match turn.asked("milestone") {
            None => true,
            Some("*") => issue.milestone.is_some(),
            Some("none") => issue.milestone.is_none(),
            Some(number) => issue.milestone.is_some_and(|it| it.to_string() == number),
        };
        let touched = since.is_none_or(|since| issue.updated_at >= since);
        state && labelled && assigned && created && filed && touched
    };
    let mut issues: Vec<_> = turn.repository().issues.values().filter(wanted).collect();
    match turn.asked("sort").unwrap_or("created") {
        "updated" => issues.sort_by_key(|it| Reverse((it.updated_at, it.number))),
        "comments" => issues.sort_by_key(|it| Reverse((it.comments.len(), it.number))),
        _ => issues.sort_by_key(|it| Reverse((it.created_at, it.number))),
    }
    if turn.asked("direction") == Some("asc") {
        issues.reverse();
    }
    let page = turn.page(issues);
    Ok(page.answer(|issues| issues.into_iter().map(|it| turn.world.show_issue(turn.repo(), it)).collect()))
}

pub(super) fn create(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    if !turn.repository().has_issues {
        return Err(Refusal::Gone("Issues has been disabled in this repository."));
    }
    let title = turn.body["title"].as_str().map_or_else(|| turn.body["title"].to_string(), String::from);
    if title.trim().is_empty() {
        return Err(Refusal::field("Issue", "title", "missing_field"));
    }
    turn.check_lengths("Issue")?;
    let mut new = NewIssue {
        title,
        body: turn.text("body").map(String::from),
        app: turn.who.app(),
        ..Default::default()
    };
    // Who may not push has these dropped without a word.
    if turn.is_at_least(Permission::Triage) {
        new.labels = turn.names("labels").unwrap_or_default();
        new.assignees = turn.names("assignees").unwrap_or_default();
        new.milestone = turn.body["milestone"].as_u64();
    }
    let (repo, login) = (turn.repo(), turn.login.clone());
    let number = turn.world.open_issue(repo, &login, new);
    turn.parameters.insert("issue_number".into(), number.to_string());
    let shown = turn.world.show_issue(repo, turn.issue()?);
    let url = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Answer::created(shown).header("location", url))
}

pub(super) fn get(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::ok(turn.world.show_issue(turn.repo(), turn.issue()?)))
}

pub(super) fn update(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let issue = turn.issue()?;
    let number = issue.number;
    let triage = turn.is_at_least(Permission::Triage);
    if !triage && issue.author != turn.login {
        return Err(Refusal::Forbidden("Must have admin rights to Repository.".into()));
    }
    let (repo, login) = (turn.repo(), turn.login.clone());
    turn.check_lengths("Issue")?;
    let (title, body) = (turn.text("title").map(String::from), turn.text("body").map(String::from));
    if title.is_some() || body.is_some() {
        turn.world.edit_issue(repo, number, &login, title.as_deref(), body.as_deref());
    }
    if triage {
        relabel(turn, number);
    }
    match turn.text("state") {
        Some("closed") => {
            let reason = turn.text("state_reason").and_then(StateReason::parse);
            let reason = reason.unwrap_or(StateReason::Completed);
            turn.world.close_issue(repo, number, &login, reason, None);
        }
        Some("open") => turn.world.reopen_issue(repo, number, &login),
        Some(_) | None => {}
    }
    get(turn)
}

/// Sets labels, assignees and milestone to what is given, each where it is.
fn relabel(turn: &mut Turn<'_>, number: u64) {
    let (repo, login) = (turn.repo(), turn.login.clone());
    if let Some(wanted) = turn.names("labels") {
        let now = turn.world.issue(repo, number).map(|it| it.labels.clone()).unwrap_or_default();
        for label in now.iter().filter(|it| !wanted.contains(it)) {
            turn.world.unlabel(repo, number, &login, label);
        }
        for label in &wanted {
            turn.world.label(repo, number, &login, label);
        }
    }
    if let Some(wanted) = turn.names("assignees") {
        if let Some(issue) = turn.world.issue_mut(repo, number) {
            issue.assignees.retain(|it| wanted.contains(it));
        }
        for person in &wanted {
            turn.world.assign(repo, number, &login, person);
        }
    }
    if let Some(milestone) = turn.body.get("milestone") {
        let milestone = milestone.as_u64();
        if let Some(issue) = turn.world.issue_mut(repo, number) {
            issue.milestone = milestone;
        }
    }
}

pub(super) fn assign(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (repo, login, number) = (turn.repo(), turn.login.clone(), turn.issue()?.number);
    for person in turn.names("assignees").unwrap_or_default() {
        turn.world.assign(repo, number, &login, &person);
    }
    Ok(Answer::created(turn.world.show_issue(repo, turn.issue()?)))
}

pub(super) fn events(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let happenings = turn.issue()?.timeline.iter();
    let shown = happenings.map(|it| turn.world.show_happening(turn.repo(), it)).collect();
    Ok(turn.list(shown))
}
