//! Searching issues and pull requests.
//! <https://docs.github.com/en/search-github/searching-on-github/searching-issues-and-pull-requests>
//!
//! The qualifiers `repo`, `is`, `type`, `state`, `label`, `author`, `assignee` and `in` are understood; another
//! one is answered with 501.

use std::cmp::Reverse;

use serde_json::json;

use super::{Answer, Refusal, Turn};
use crate::github::world::{Issue, Repository};

pub(super) fn issues(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let asked = turn.asked("q").unwrap_or_default();
    let terms = split(asked).iter().map(|term| Term::parse(term)).collect::<Result<Vec<_>, _>>()?;
    let visible = turn.world.repositories.values().filter(|it| turn.who.role(turn.world, it.id).is_some());
    let all = visible.flat_map(|repo| repo.issues.values().map(move |issue| (repo, issue)));
    let mut found: Vec<_> =
        all.filter(|(repo, issue)| terms.iter().all(|term| term.fits(repo, issue))).collect();
    found.sort_by_key(|(_, issue)| Reverse((issue.created_at, issue.id)));
    let page = turn.page(found);
    let total = page.total;
    Ok(page.answer(|page| {
        let shown: Vec<_> = page
            .into_iter()
            .map(|(repo, issue)| {
                let mut shown = turn.world.show_issue(repo.id, issue);
                shown["score"] = 1.0.into();
                // What is null elsewhere is left out here.
                if issue.body.is_none() {
                    shown["body"] = "".into();
                }
                shown
            })
            .collect();
        json!({
            "total_count": total, "incomplete_results": false, "items": shown, "search_type": "lexical",
        })
    }))
}

/// Splits at spaces outside quotation marks, which go.
fn split(query: &str) -> Vec<String> {
    let (mut terms, mut quoted) = (vec![String::new()], false);
    for character in query.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => terms.push(String::new()),
            _ => terms.last_mut().expect("there is a first term").push(character),
        }
    }
    terms.retain(|term| !term.is_empty());
    terms
}

/// A condition of a search.
enum Term {
    Word(String),
    Repo(String),
    Is(String),
    Label(String),
    Author(String),
    Assignee(String),
    /// Where words are looked for; they always are in title, body and comments.
    Anywhere,
}

impl Term {
    fn parse(term: &str) -> Result<Self, Refusal> {
        let Some((qualifier, value)) = term.split_once(':') else {
            return Ok(Self::Word(term.to_lowercase()));
        };
        let value = value.to_lowercase();
        match qualifier {
            "repo" => Ok(Self::Repo(value)),
            "is" | "type" | "state" => Ok(Self::Is(value)),
            "label" => Ok(Self::Label(value)),
            "author" => Ok(Self::Author(value)),
            "assignee" => Ok(Self::Assignee(value)),
            "in" => Ok(Self::Anywhere),
            _ => Err(Refusal::NotImplemented),
        }
    }

    fn fits(&self, repo: &Repository, issue: &Issue) -> bool {
        let same = |one: &String, other: &String| one.eq_ignore_ascii_case(other);
        match self {
            Self::Word(word) => {
                let comments = issue.comments.iter().map(|it| &it.body);
                let mut texts = [&issue.title].into_iter().chain(&issue.body).chain(comments);
                texts.any(|text| text.to_lowercase().contains(word))
            }
            Self::Repo(name) => repo.full_name().eq_ignore_ascii_case(name),
            Self::Is(what) => match what.as_str() {
                "issue" => issue.pull.is_none(),
                "pr" | "pull-request" => issue.pull.is_some(),
                "open" => issue.is_open(),
                "closed" => !issue.is_open(),
                "merged" => issue.pull.as_ref().is_some_and(|it| it.merged.is_some()),
                "draft" => issue.pull.as_ref().is_some_and(|it| it.draft),
                _ => false,
            },
            Self::Label(name) => issue.labels.iter().any(|it| same(it, name)),
            Self::Author(login) => same(&issue.author, login),
            Self::Assignee(login) => issue.assignees.iter().any(|it| same(it, login)),
            Self::Anywhere => true,
        }
    }
}
