//! Reviews and who is asked for them. <https://docs.github.com/en/rest/pulls/reviews>

use super::{Answer, Refusal, Turn};
use crate::github::act::ReviewRefused;
use crate::github::world::{Review, ReviewState};

pub(super) fn list(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (issue, pull) = turn.pull()?;
    // A review that is not submitted is its author's own.
    let seen = pull.reviews.iter().filter(|it| it.state != ReviewState::Pending || it.author == turn.login);
    let shown = seen.map(|it| turn.world.show_review(turn.repo(), issue, it)).collect();
    Ok(turn.list(shown))
}

pub(super) fn create(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    if turn.body["comments"].as_array().is_some_and(|it| !it.is_empty()) {
        return Err(Refusal::NotImplemented);
    }
    let number = turn.pull()?.0.number;
    let state = match turn.text("event") {
        None => ReviewState::Pending,
        Some(event) => ReviewState::Submitted(
            Review::parse(event).ok_or_else(|| Refusal::Unprocessable("invalid event".into()))?,
        ),
    };
    let (body, commit) = (turn.text("body").unwrap_or_default().to_owned(), turn.text("commit_id"));
    let commit = commit.map(String::from);
    if commit.as_ref().is_some_and(|it| turn.repository().git.commit(it).is_none()) {
        return Err(Refusal::Unprocessable("commit_id is not part of the pull request".into()));
    }
    let (repo, login) = (turn.repo(), turn.login.clone());
    let reviewed = turn.world.review(repo, number, &login, state, &body, commit.as_deref());
    let id = reviewed.map_err(|refused| {
        let words = match refused {
            ReviewRefused::OwnApproval => "Review Can not approve your own pull request",
            ReviewRefused::OwnChanges => "Review Can not request changes on your own pull request",
            ReviewRefused::NoBody => "Review Body can't be blank",
        };
        Refusal::Unprocessable(words.into())
    })?;
    let (issue, pull) = turn.pull()?;
    let review = pull.reviews.iter().find(|it| it.id == id).ok_or(Refusal::NotFound)?;
    Ok(Answer::ok(turn.world.show_review(repo, issue, review)))
}

/// Comments on lines are not kept, so there are none.
pub(super) fn comments(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    turn.pull()?;
    Ok(turn.list(Vec::new()))
}

/// <https://docs.github.com/en/rest/pulls/review-requests#request-reviewers-for-a-pull-request>
pub(super) fn request(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let (issue, _) = turn.pull()?;
    let (repo, login, number, author) = (turn.repo(), turn.login.clone(), issue.number, issue.author.clone());
    for person in turn.names("reviewers").unwrap_or_default() {
        if !turn.world.request_review(repo, number, &login, &person) {
            return Err(Refusal::Unprocessable(if person.eq_ignore_ascii_case(&author) {
                "Review cannot be requested from pull request author.".into()
            } else {
                format!(
                    "Reviews may only be requested from collaborators. One or more of the users or teams you \
                     specified is not a collaborator of the {} repository.",
                    turn.repository().full_name()
                )
            }));
        }
    }
    let (issue, pull) = turn.pull()?;
    Ok(Answer::created(turn.world.show_pull_simple(repo, issue, pull)))
}
