//! What stands between a pull request and its base.

use crate::github::world::{
    Issue, Mergeability, Permission, Protection, Pull, Repository, Review, ReviewState, Standing, World,
};

/// Something that a branch demands and a pull request lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Checks {
        expected: Vec<String>,
        pending: Vec<String>,
        failed: Vec<String>,
    },
    Approvals {
        needed: u32,
    },
    ChangesRequested,
    /// The base has moved on, so what has passed on the head does not count.
    Behind {
        checks: Vec<String>,
    },
    NotAllowed,
}

impl Obstacle {
    /// What GitHub says about it. Of a head that is behind it says that its checks are expected, however green
    /// they are: <https://github.com/bitrix24/b24ui/issues/353>.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Checks { expected, pending, failed } => checks_words(expected, pending, failed),
            Self::Approvals { needed: 1 } => {
                "At least 1 approving review is required by reviewers with write access.".into()
            }
            Self::Approvals { needed } => {
                format!("At least {needed} approving reviews are required by reviewers with write access.")
            }
            Self::ChangesRequested => "Changes have been requested.".into(),
            Self::Behind { checks } => checks_words(checks, &[], &[]),
            Self::NotAllowed => NOT_ALLOWED.into(),
        }
    }
}

/// What whoever is not on the list of a branch is told.
pub(super) const NOT_ALLOWED: &str = "You're not authorized to push to this branch. Visit https://docs.github.com/articles/about-protected-branches/ for more information.";

fn checks_words(expected: &[String], pending: &[String], failed: &[String]) -> String {
    match (expected, pending, failed) {
        ([name], [], []) => format!("Required status check \"{name}\" is expected."),
        ([], [name], []) => format!("Required status check \"{name}\" is pending."),
        ([], [], [name]) => format!("Required status check \"{name}\" is failing."),
        (several, [], []) => {
            let all = several.len();
            format!("{all} of {all} required status checks are expected.")
        }
        _ => {
            let all = expected.len() + pending.len() + failed.len();
            let parts = [(expected.len(), "expected"), (pending.len(), "pending"), (failed.len(), "failing")];
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            let parts: Vec<_> = parts.map(|(count, word)| format!("{count} {word}")).collect();
            format!("{all} of {all} required status checks have not succeeded: {}.", parts.join(", "))
        }
    }
}

/// Which of the required checks a commit lacks. Shared by merges and pushes.
pub(super) fn missing_checks(repo: &Repository, rules: &Protection, sha: &str) -> Option<Obstacle> {
    let (mut expected, mut pending, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for name in &rules.required_checks {
        match repo.standing(sha, name) {
            Standing::Passed => {}
            Standing::Expected => expected.push(name.clone()),
            Standing::Pending => pending.push(name.clone()),
            Standing::Failed => failed.push(name.clone()),
        }
    }
    let none = expected.is_empty() && pending.is_empty() && failed.is_empty();
    (!none).then_some(Obstacle::Checks { expected, pending, failed })
}

/// Whether the list of who may push, where there is one, has this person.
pub(super) fn is_on_list(rules: &Protection, login: &str) -> bool {
    let list = rules.restrict_pushes.as_ref();
    list.is_none_or(|people| people.iter().any(|it| it.eq_ignore_ascii_case(login)))
}

impl World {
    /// All that the base demands and the pull request lacks, for a merge by this person.
    /// <https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-protected-branches/about-protected-branches>
    fn obstacles(&self, repo: u64, issue: &Issue, pull: &Pull, actor: Option<&str>) -> Vec<Obstacle> {
        let found = self.repo(repo);
        let admin = actor.is_some_and(|login| found.permission(login) == Some(Permission::Admin));
        let demands = found.demands(&pull.base, admin);
        demands.iter().flat_map(|(rules, _)| self.lacks(repo, rules, issue, pull, actor)).collect()
    }

    /// The words with which a merge is refused, if it is: for protection the first reason, for rulesets all.
    pub(super) fn forbids_merge(&self, repo: u64, issue: &Issue, pull: &Pull, actor: &str) -> Option<String> {
        let found = self.repo(repo);
        let admin = found.permission(actor) == Some(Permission::Admin);
        found.demands(&pull.base, admin).into_iter().find_map(|(rules, is_ruleset)| {
            let lacks = self.lacks(repo, rules, issue, pull, Some(actor));
            let words: Vec<_> = lacks.iter().map(Obstacle::words).collect();
            if is_ruleset && !words.is_empty() {
                // <https://github.com/akuity/kargo/issues/6397>
                return Some(format!("Repository rule violations found\n\n{}", words.join("\n\n")));
            }
            words.into_iter().next()
        })
    }

    fn lacks(
        &self,
        repo: u64,
        rules: &Protection,
        issue: &Issue,
        pull: &Pull,
        actor: Option<&str>,
    ) -> Vec<Obstacle> {
        let found = self.repo(repo);
        let mut lacks = Vec::new();
        if actor.is_some_and(|login| !is_on_list(rules, login)) {
            lacks.push(Obstacle::NotAllowed);
        }
        let contains = |base: &str| found.git.is_ancestor(base, &pull.head_sha);
        // Without a check that is required, being up to date is not either.
        if rules.strict
            && !rules.required_checks.is_empty()
            && !found.branch(&pull.base).is_some_and(contains)
        {
            lacks.push(Obstacle::Behind { checks: rules.required_checks.clone() });
        }
        lacks.extend(missing_checks(found, rules, &pull.head_sha));
        if rules.approvals > 0 {
            lacks.extend(missing_approval(found, rules, issue, pull));
        }
        lacks
    }

    /// <https://docs.github.com/en/graphql/reference/enums#mergestatestatus>, in lower case as REST has it.
    pub(crate) fn mergeable_state(&self, repo: u64, issue: &Issue, pull: &Pull) -> &'static str {
        match pull.mergeability {
            _ if !issue.is_open() => return "unknown",
            Mergeability::Unasked | Mergeability::Computing { .. } => return "unknown",
            Mergeability::Conflict => return "dirty",
            Mergeability::Clean { .. } if pull.draft => return "draft",
            Mergeability::Clean { .. } => {}
        }
        let obstacles = self.obstacles(repo, issue, pull, None);
        if obstacles.iter().any(|it| !matches!(it, Obstacle::Behind { .. })) {
            "blocked"
        } else if !obstacles.is_empty() {
            "behind"
        } else if self.repo(repo).is_unstable(&pull.head_sha) {
            "unstable"
        } else {
            "clean"
        }
    }
}

/// Approvals count when those who gave them may write.
fn missing_approval(repo: &Repository, rules: &Protection, issue: &Issue, pull: &Pull) -> Option<Obstacle> {
    let may_write = |login: &str| repo.permission(login) >= Some(Permission::Write);
    let said = |wanted: Review| {
        let opinions = pull.opinions().filter(|it| may_write(&it.author) && it.author != issue.author);
        opinions.filter(|it| it.state == ReviewState::Submitted(wanted)).count()
    };
    if said(Review::RequestChanges) > 0 {
        return Some(Obstacle::ChangesRequested);
    }
    let approvals = u32::try_from(said(Review::Approve)).unwrap_or(u32::MAX);
    (approvals < rules.approvals).then_some(Obstacle::Approvals { needed: rules.approvals })
}
