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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::change::PullRequestState;
    use crate::forge::Origin;
    use crate::task::TaskState;

    fn issue(association: Association) -> Task {
        let origin = Origin {
            author: "eve".to_owned(),
            association,
            assignees: Vec::new(),
            milestone: None,
            completed: false,
            url: String::new(),
            updated_at: Timestamp::UNIX_EPOCH,
        };
        Task {
            task: "api#1".parse().unwrap(),
            title: String::new(),
            body: String::new(),
            labels: Vec::new(),
            files: Vec::new(),
            after: Vec::new(),
            origin: Some(origin),
            related: Vec::new(),
            state: TaskState::Open,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn claimed() -> Claims {
        Claims::Known(vec![Claim::Assignee { login: "bob".to_owned() }])
    }

    #[test]
    fn a_pull_request_is_for_an_issue_by_its_branch_or_by_a_word_that_closes_it() {
        let repo = "acme/api".parse().unwrap();
        let is_for = |branch: &str, body: &str| {
            let pull = Pull {
                number: 5,
                state: PullRequestState::Open,
                draft: false,
                title: String::new(),
                body: body.to_owned(),
                author: "bob".to_owned(),
                branch: branch.parse().unwrap(),
                same_repo: true,
                head: "a".repeat(40).parse().unwrap(),
                base_branch: "main".parse().unwrap(),
                mergeable: None,
                url: String::new(),
            };
            is_for(&pull, &repo, 42)
        };
        for (branch, body, is) in [
            ("issue-42-fix-the-login", "", true),
            ("issue-42", "", true),
            ("issue-421", "", false),
            ("issue-4-2", "", false),
            ("my-issue-42", "", false),
            ("login", "Fixes #42", true),
            ("login", "Fixes acme/api#42", true),
            ("login", "Fixes acme/web#42", false),
            ("login", "See #42, fixes #41", false),
        ] {
            assert_eq!(is_for(branch, body), is, "{branch} {body}");
        }
    }

    #[test]
    fn a_claim_and_an_author_whom_nobody_knows_hold_an_issue_back_unless_a_person_says_otherwise() {
        let trusted: BTreeSet<_> = Association::TRUSTED.into();
        let (stranger, member) = (issue(Association::None), issue(Association::Member));
        let unknown = Claims::Unknown { reason: "it is away".to_owned() };
        let none = Claims::Known(Vec::new());
        let take = || Said { take: Some("they are on holiday".to_owned()), trust: false };
        let trust = || Said { take: None, trust: true };
        let (no_word, both) = (Said::default(), Said { trust: true, ..take() });
        for (task, claims, said, held) in [
            (&member, &none, &no_word, 0),
            (&stranger, &none, &no_word, 1),
            (&stranger, &none, &trust(), 0),
            (&stranger, &none, &take(), 1),
            (&member, &claimed(), &no_word, 1),
            (&member, &claimed(), &take(), 0),
            (&member, &claimed(), &trust(), 1),
            (&member, &unknown, &no_word, 1),
            (&member, &unknown, &take(), 0),
            (&stranger, &claimed(), &no_word, 2),
            (&stranger, &claimed(), &both, 0),
        ] {
            let found = blockers(task, claims, &trusted, said);
            assert_eq!(found.len(), held, "{claims:?} {said:?}: {found:?}");
            // What a person lifts is written down, and only that.
            let lifted = overridden(task, claims, &trusted, said).len();
            assert_eq!(
                lifted,
                blockers(task, claims, &trusted, &no_word).len() - held,
                "{claims:?} {said:?}"
            );
        }
        let of_the_board = Task { origin: None, ..stranger };
        assert_eq!(blockers(&of_the_board, &claimed(), &trusted, &no_word), []);
    }

    #[test]
    fn what_a_person_lifts_is_told_with_their_word_for_it() {
        let (task, trusted) = (issue(Association::None), Association::TRUSTED.into());
        let said = Said { take: Some("they are on holiday".to_owned()), trust: true };
        let lifted = overridden(&task, &claimed(), &trusted, &said);
        let told: Vec<_> = lifted.iter().map(|(what, why)| (what.as_str(), why.as_str())).collect();
        assert_eq!(
            told,
            [
                ("its author eve is not among those trusted (NONE)", "trusted this time"),
                ("bob is assigned to it", "they are on holiday"),
            ]
        );
    }

    #[test]
    fn a_person_is_told_who_else_is_at_it() {
        let branch = |ahead| Claim::Branch { name: "issue-1".parse().unwrap(), ahead };
        for (claim, told) in [
            (branch(1), "branch `issue-1` on origin has 1 commit for it already"),
            (branch(2), "branch `issue-1` on origin has 2 commits for it already"),
            (Claim::Pull { number: 5, author: "bob".to_owned() }, "pull request #5 by bob is open for it"),
            (Claim::Assignee { login: "bob".to_owned() }, "bob is assigned to it"),
        ] {
            assert_eq!(claim.to_string(), told);
        }
    }
}
