//! Who else is at an issue, and whether its author's words may become work.
//!
//! A claim is a sign on the forge that somebody does the work already: a branch with commits that the base lacks,
//! an open pull request, an assignee. A branch that is wholly merged is none. What could not be looked up counts
//! as a claim; a person's word lifts either.

use std::collections::BTreeSet;
use std::fmt;

use crate::closing::closed_by;
use crate::forge::{Association, Pull};
use crate::name::{BranchName, GitHubRepo};
use crate::readiness::Blocker;
use crate::task::Task;

/// A sign that somebody else does the work already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A branch named after the issue.
    Branch {
        /// Its name.
        name: BranchName,
        /// How many commits it has that the base lacks.
        ahead: u64,
    },
    /// An open pull request.
    Pull {
        /// Its number.
        number: u64,
        /// Who opened it.
        author: String,
    },
    /// Somebody who has been assigned.
    Assignee {
        /// Their login.
        login: String,
    },
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch { name, ahead } => {
                let commits = if *ahead == 1 { "commit" } else { "commits" };
                write!(f, "branch `{name}` on origin has {ahead} {commits} for it already")
            }
            Self::Pull { number, author } => write!(f, "pull request #{number} by {author} is open for it"),
            Self::Assignee { login } => write!(f, "{login} is assigned to it"),
        }
    }
}

/// What was found when the forge was asked for claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claims {
    /// All there are.
    Known(Vec<Claim>),
    /// Nobody could look.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// What a person has said about a task when they gave it out: with it, what would hold it back does not.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Said {
    /// Why it is done although somebody else has a claim.
    pub take: Option<String>,
    /// Whether an author who is nobody in particular is trusted this time.
    pub trust: bool,
}

/// Whether a pull request in `repo` is for the issue there: by the name of its branch or by a closing keyword in
/// its text.
#[must_use]
pub fn is_for(pull: &Pull, repo: &GitHubRepo, issue: u64) -> bool {
    let named = pull.branch.as_str().strip_prefix("issue-").is_some_and(|rest| {
        let digits = rest.split('-').next().unwrap_or_default();
        digits.parse() == Ok(issue)
    });
    named || closed_by(&pull.body).iter().any(|it| it.is(repo, issue))
}

/// What stands against giving out an issue, beyond what the board itself knows. Nothing does for a task that is
/// no issue.
#[must_use]
pub fn blockers(task: &Task, claims: &Claims, trusted: &BTreeSet<Association>, said: &Said) -> Vec<Blocker> {
    let Some(origin) = &task.origin else { return Vec::new() };
    let mut blockers = Vec::new();
    if !said.trust && !trusted.contains(&origin.association) {
        let author = origin.author.clone();
        blockers.push(Blocker::Untrusted { author, association: origin.association });
    }
    if said.take.is_some() {
        return blockers;
    }
    match claims {
        Claims::Known(claims) => blockers.extend(claims.iter().cloned().map(Blocker::Claimed)),
        Claims::Unknown { reason } => blockers.push(Blocker::ClaimsUnknown { reason: reason.clone() }),
    }
    blockers
}

/// What would have stood against it but for the person's word, each with that word.
#[must_use]
pub fn overridden(
    task: &Task,
    claims: &Claims,
    trusted: &BTreeSet<Association>,
    said: &Said,
) -> Vec<(String, String)> {
    let silent = blockers(task, claims, trusted, &Said::default());
    let spoken = blockers(task, claims, trusted, said);
    let lifted = silent.into_iter().filter(|it| !spoken.contains(it));
    let reason = |blocker: &Blocker| match (blocker, &said.take) {
        (Blocker::Untrusted { .. }, _) | (_, None) => "trusted this time".to_owned(),
        (_, Some(reason)) => reason.clone(),
    };
    lifted.map(|it| (it.to_string(), reason(&it))).collect()
}
