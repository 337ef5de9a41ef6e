//! What a branch demands: classic protection, and rulesets.

use super::Repository;

/// What is demanded of a branch. The default demands nothing but that it is not deleted or rewritten.
/// <https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-protected-branches/about-protected-branches>
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on GitHub")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protection {
    /// Names of statuses and check runs that must have passed on the head.
    pub required_checks: Vec<String>,
    /// Whether the head must contain the base's tip.
    pub strict: bool,
    /// How many approvals of people with write access a merge needs; above zero, every change needs a pull
    /// request.
    pub approvals: u32,
    /// Whether a push to the head takes its approvals away.
    pub dismiss_stale: bool,
    /// The only people who may push or merge, where there is such a list.
    pub restrict_pushes: Option<Vec<String>>,
    /// Whether all of it holds for administrators too.
    pub enforce_admins: bool,
    /// Whether history may be rewritten.
    pub allow_force_pushes: bool,
}

/// A ruleset that demands something of one branch. Nobody bypasses it.
/// <https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/available-rules-for-rulesets>
#[derive(Debug, Clone)]
pub(crate) struct Ruleset {
    pub(crate) id: u64,
    pub(crate) branch: String,
    pub(crate) rules: Protection,
}

impl Repository {
    /// All that is demanded of a branch of this person, each with whether a ruleset demands it.
    pub(crate) fn demands(&self, branch: &str, admin: bool) -> Vec<(&Protection, bool)> {
        let classic = self.protections.get(branch).filter(|it| it.enforce_admins || !admin);
        let rulesets = self.rulesets.iter().filter(|it| it.branch == branch);
        classic.map(|it| (it, false)).into_iter().chain(rulesets.map(|it| (&it.rules, true))).collect()
    }

    /// Whether a branch is protected by anything.
    pub(crate) fn is_protected(&self, branch: &str) -> bool {
        self.protections.contains_key(branch) || self.rulesets.iter().any(|it| it.branch == branch)
    }
}
