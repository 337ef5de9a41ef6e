//! The rules that GitHub itself holds a branch to: classic protection and rulesets.
//!
//! Classic protection can be read by who administers the repository only. What everybody may read is whether
//! there is any, and which checks it asks for; rulesets can be read by everybody.

use std::time::Duration;

use coord_core::forge::{Protection, Rules};
use coord_core::name::BranchName;
use serde::Deserialize;

use crate::github::GitHub;
use crate::github::address::encoded;
use crate::github::answer::Answer;
use crate::github::broker::Age;
use crate::github::error::GitHubError;

/// How long ago a credential may have been refused the rules of a branch, where they are only shown. Whoever acts on
/// them asks.
const REFUSED: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Deserialize)]
struct Branch {
    protected: bool,
    protection: Option<Short>,
}

/// What everybody may read of classic protection.
#[derive(Debug, Deserialize)]
struct Short {
    required_status_checks: Option<StatusChecks>,
}

#[derive(Debug, Deserialize)]
struct Classic {
    required_status_checks: Option<StatusChecks>,
    required_pull_request_reviews: Option<Reviews>,
    lock_branch: Option<Switch>,
}

#[derive(Debug, Deserialize)]
struct StatusChecks {
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    contexts: Vec<String>,
    #[serde(default)]
    checks: Vec<Context>,
}

#[derive(Debug, Deserialize)]
struct Context {
    context: String,
}

#[derive(Debug, Deserialize)]
struct Reviews {
    #[serde(default)]
    required_approving_review_count: u32,
}

#[derive(Debug, Deserialize)]
struct Switch {
    enabled: bool,
}

/// A rule of a ruleset: <https://docs.github.com/rest/repos/rules#get-rules-for-a-branch>.
#[derive(Debug, Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    parameters: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default)]
    required_status_checks: Vec<Context>,
    #[serde(default)]
    strict_required_status_checks_policy: bool,
    #[serde(default)]
    required_approving_review_count: u32,
}

/// What became of reading one kind of rules.
enum Reading<T> {
    Is(T),
    Unreadable(String),
}

impl GitHub {
    /// The rules of a branch.
    ///
    /// # Errors
    /// What any read may end in; rules that the credential may not see are [`Protection::Unknown`].
    pub async fn protection(&self, branch: &BranchName, age: Age) -> Result<Protection, GitHubError> {
        let at = self.path(&format!("/branches/{}", encoded(branch.as_str())));
        let branch_itself = self.broker.get(&at, age).await?;
        let known: Branch = branch_itself.parse()?;
        // What protects a branch shows in what everybody may read of it. While that is as it was, so is what only
        // some may read.
        let age = age.or_refused(if branch_itself.known { REFUSED } else { Duration::ZERO });
        let mut rules = Rules::default();
        let mut unreadable = Vec::new();
        match self.rulesets(branch, age).await? {
            Reading::Is(found) => found.iter().for_each(|rule| rule.add_to(&mut rules)),
            Reading::Unreadable(why) => unreadable.push(format!("the rulesets cannot be read: {why}")),
        }
        if known.protected {
            if let Some(checks) = known.protection.and_then(|it| it.required_status_checks) {
                checks.add_to(&mut rules);
            }
            match self.classic(&at, age).await? {
                Reading::Is(Some(classic)) => classic.add_to(&mut rules),
                Reading::Is(None) => {}
                Reading::Unreadable(why) => {
                    unreadable.push(format!("the branch protection cannot be read: {why}"));
                }
            }
        }
        if unreadable.is_empty() {
            return Ok(Protection::Known(rules));
        }
        Ok(Protection::Unknown { reason: unreadable.join("; "), at_least: rules })
    }

    async fn rulesets(&self, branch: &BranchName, age: Age) -> Result<Reading<Vec<Rule>>, GitHubError> {
        let path = self.path(&format!("/rules/branches/{}", encoded(branch.as_str())));
        match self.broker.get_all(&path, age, Answer::parse).await {
            Ok(rules) => Ok(Reading::Is(rules)),
            Err(error) if is_not_in_the_plan(&error) => Ok(Reading::Is(Vec::new())),
            Err(error) => unreadable(error),
        }
    }

    /// `None` when there is none: the branch is protected by rulesets only.
    async fn classic(&self, branch: &str, age: Age) -> Result<Reading<Option<Classic>>, GitHubError> {
        match self.broker.get(&format!("{branch}/protection"), age).await {
            Ok(answer) => Ok(Reading::Is(Some(answer.parse()?))),
            Err(GitHubError::NotFound { message, .. }) if message == "Branch not protected" => {
                Ok(Reading::Is(None))
            }
            Err(error) if is_not_in_the_plan(&error) => Ok(Reading::Is(None)),
            Err(error) => unreadable(error),
        }
    }
}

/// GitHub says that a credential may not see rules by denying that they are there.
fn unreadable<T>(error: GitHubError) -> Result<Reading<T>, GitHubError> {
    if matches!(error, GitHubError::Forbidden { .. } | GitHubError::NotFound { .. }) {
        return Ok(Reading::Unreadable(format!("{error}; a token needs `Administration: read`")));
    }
    Err(error)
}

/// Where rules of a kind are not part of what is paid for, there are none.
fn is_not_in_the_plan(error: &GitHubError) -> bool {
    matches!(error, GitHubError::Forbidden { message, .. } if message.starts_with("Upgrade to GitHub"))
}

impl StatusChecks {
    fn add_to(self, rules: &mut Rules) {
        rules.strict |= self.strict;
        rules.checks.extend(self.contexts);
        rules.checks.extend(self.checks.into_iter().map(|it| it.context));
    }
}

impl Classic {
    fn add_to(self, rules: &mut Rules) {
        if let Some(checks) = self.required_status_checks {
            checks.add_to(rules);
        }
        if let Some(reviews) = self.required_pull_request_reviews {
            rules.approvals = rules.approvals.max(reviews.required_approving_review_count);
            rules.pull_request_only = true;
        }
        // Who may push, where that is restricted, is found out by pushing.
        rules.pull_request_only |= self.lock_branch.is_some_and(|it| it.enabled);
    }
}

impl Rule {
    fn add_to(&self, rules: &mut Rules) {
        if matches!(self.kind.as_str(), "pull_request" | "update" | "merge_queue") {
            rules.pull_request_only = true;
        }
        // Rules of other kinds have none of these; GitHub itself holds a push to them.
        if let Some(parameters) = &self.parameters {
            rules.strict |= parameters.strict_required_status_checks_policy;
            rules.checks.extend(parameters.required_status_checks.iter().map(|it| it.context.clone()));
            rules.approvals = rules.approvals.max(parameters.required_approving_review_count);
        }
    }
}
