//! Asking the forge who else is at an issue.

use coord_core::change::Change;
use coord_core::claim::{Claim, Claims, is_for};
use coord_core::forge::Pull;
use coord_core::name::BranchName;
use coord_core::task::Task;
use coord_forge::github::GitHub;
use coord_forge::github::broker::Age;
use coord_forge::github::error::GitHubError;

use crate::error::Error;
use crate::{Engine, chain};

impl Engine {
    /// The signs that somebody else does the task already. That nobody could look is an answer.
    pub(crate) async fn claims(&self, task: &Task, change: Option<&Change>) -> Result<Claims, Error> {
        let Some(github) = self.github(&task.task.repo).await? else { return Ok(Claims::Known(Vec::new())) };
        let base = self.repo(&task.task.repo)?.default_branch.clone();
        let ours = change.filter(|it| it.head().is_some());
        Ok(match look(&github, task, ours, &base).await {
            Ok(claims) => Claims::Known(claims),
            Err(error) => Claims::Unknown { reason: chain(&error) },
        })
    }
}

async fn look(
    github: &GitHub,
    task: &Task,
    ours: Option<&Change>,
    base: &BranchName,
) -> Result<Vec<Claim>, GitHubError> {
    let number = task.task.number;
    let mut claims = Vec::new();
    let is_ours = |branch: &BranchName| ours.is_some_and(|it| it.branch == *branch);
    let pulls = github.open_pulls(Age::Now).await?;
    let is_theirs = |it: &Pull| is_for(it, github.repo(), number) && !(it.same_repo && is_ours(&it.branch));
    let theirs: Vec<_> = pulls.into_iter().filter(is_theirs).collect();
    for branch in github.branches_for_issue(number, Age::Now).await? {
        let proposed = theirs.iter().any(|it| it.same_repo && it.branch == branch.name);
        if is_ours(&branch.name) || proposed {
            continue;
        }
        let ahead = github.ahead(base, &branch.head, Age::Now).await?;
        if ahead > 0 {
            claims.push(Claim::Branch { name: branch.name, ahead });
        }
    }
    claims.extend(theirs.into_iter().map(|it| Claim::Pull { number: it.number, author: it.author }));
    let assignees = task.origin.iter().flat_map(|it| &it.assignees);
    let assignees: Vec<_> = assignees.cloned().collect();
    if !assignees.is_empty() {
        let me = github.user().await?;
        let others =
            assignees.into_iter().filter(|it| me.as_ref().is_none_or(|me| !me.eq_ignore_ascii_case(it)));
        claims.extend(others.map(|login| Claim::Assignee { login }));
    }
    Ok(claims)
}
