//! What a worker is told that goes on with a change: in the session that it began in, or in a new one, which has to be
//! told everything that the old one knew.
//!
//! What a worker said is a claim and what a test printed is somebody's output: both are carried between marker lines.

use std::fmt::Write as _;

use coord_core::again::{Aim, Rung};
use coord_core::outcome::Outcome;
use coord_core::run::{Run, RunEnd};

use super::{Briefing, cut, fenced, head, push};

/// How much of the last words of an earlier worker is told, in characters.
const WORDS: usize = 2_000;
/// How many of the tools that it was denied.
const DENIALS: usize = 10;
/// How many earlier attempts are told of: the newest.
const ATTEMPTS: usize = 5;

/// What was before.
#[derive(Debug)]
pub struct Before<'a> {
    /// Why the change is gone on with.
    pub aim: Aim,
    /// The run that it is gone on from.
    pub last: &'a Run,
    /// In which session; `None` while that is not decided.
    pub rung: Option<&'a Rung>,
    /// What the change consists of so far.
    pub diff: Option<&'a str>,
    /// Work that is kept where it cannot be given to this run.
    pub elsewhere: Option<&'a str>,
}

/// The prompt for a session that is gone on with.
#[must_use]
pub fn resumed(briefing: &Briefing<'_>, before: &Before<'_>) -> String {
    let mut text = head(briefing);
    push(&mut text, &what_happened(before));
    push(
        &mut text,
        "Look at `git status` and `git log` first. A tool call that was cut off may or may not have taken effect, \
         somebody may have pushed to the change since, and the worktree was made anew for this run.",
    );
    if let Some(Rung::Moved(_)) = before.rung {
        push(&mut text, "It may lie at another path than the one that you remember: `pwd` says where.");
    }
    if let Some(elsewhere) = before.elsewhere {
        push(&mut text, elsewhere);
    }
    if let Some(failure) = briefing.test_failure {
        push(&mut text, &format!("What was found wrong with the change:\n{}", fenced("failure", failure)));
    }
    if let Some(guidance) = briefing.extra {
        push(
            &mut text,
            &format!("The person who has it gone on with says:\n{}", fenced("guidance", guidance)),
        );
    }
    push(
        &mut text,
        "What you were told at the beginning still holds: go on with the task until it is done, commit everything \
         that belongs to it, do not push, leave nothing uncommitted, and say how it stands with `STATUS:` and \
         `STUCK:` lines. Nobody answers questions.",
    );
    text
}

fn what_happened(before: &Before<'_>) -> String {
    let Before { aim, last, .. } = before;
    let outcome = last.state.end().map(|it| &it.outcome);
    match (aim, outcome) {
        (Aim::Unstick, Some(Outcome::Stuck { why })) => {
            format!("This session goes on. You said that you are stuck: {}", cut(why, WORDS))
        }
        (Aim::Unstick, _) => "This session goes on: you were stopped, and are told how to go on.".to_owned(),
        (Aim::Fix, _) => {
            "This session goes on: something was found wrong with the change since. Mend it.".to_owned()
        }
        (Aim::Retry, Some(outcome)) => {
            format!("This session goes on: your last run ended before the task was done, as {outcome}.")
        }
        (Aim::Retry, None) => "This session goes on.".to_owned(),
    }
}

/// What a new session is told of those before it.
pub(super) fn history(briefing: &Briefing<'_>, before: &Before<'_>) -> String {
    let mut text = String::new();
    push(
        &mut text,
        "Others were at this task before you, and you go on where they left off. What they committed is on this \
         branch. Look at `git status` and `git log` first: what was cut off may or may not have taken effect.",
    );
    let ended = briefing.earlier.iter().filter_map(|run| Some((run, run.state.end()?)));
    let ended: Vec<_> = ended.collect();
    for (run, end) in ended.iter().skip(ended.len().saturating_sub(ATTEMPTS)) {
        push(&mut text, &attempt(run, end));
    }
    if let Some(elsewhere) = before.elsewhere {
        push(&mut text, elsewhere);
    }
    if let Some(diff) = before.diff {
        push(&mut text, &format!("What the change consists of so far:\n{}", fenced("diff", diff)));
    }
    text
}

fn attempt(run: &Run, end: &RunEnd) -> String {
    let mut text = format!("Attempt {} (run {}) ended as {}.", run.attempt, run.id, end.outcome);
    if let Some(words) = end.report.text.as_ref().filter(|it| !it.trim().is_empty()) {
        let words = fenced("words", &cut(words, WORDS));
        write!(text, " The last that it wrote:\n{words}").expect("a string takes every text");
    }
    for denied in end.report.denials.iter().take(DENIALS) {
        write!(text, "\n- it was denied {denied}").expect("a string takes every text");
    }
    text
}
