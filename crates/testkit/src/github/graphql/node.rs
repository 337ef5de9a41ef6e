//! The documents that queries pick from, with the fields that `gh` knows.

use serde_json::{Value, json};

use super::Field;
use crate::github::access::Who;
use crate::github::show::{node_id, time};
use crate::github::world::{
    Comment, Issue, Label, Mergeability, Permission, Pull, ReviewState, State, SubmittedReview, World,
};

/// A list with all of its nodes.
fn connection(nodes: impl IntoIterator<Item = Value>) -> Value {
    let nodes: Vec<Value> = nodes.into_iter().collect();
    json!({
        "totalCount": nodes.len(), "nodes": nodes,
        "pageInfo": { "hasNextPage": false, "endCursor": null },
    })
}

pub(super) fn actor(world: &World, login: &str) -> Value {
    let id = world.find_account(login).map_or(0, |account| account.id);
    json!({ "__typename": "User", "id": node_id("U", id), "login": login, "name": login })
}

pub(super) fn repository(world: &World, who: &Who, id: u64) -> Value {
    let repo = world.repo(id);
    let role = who.role(world, id).unwrap_or(Permission::Read);
    json!({
        "__typename": "Repository", "id": node_id("R", id), "name": repo.name, "nameWithOwner": repo.full_name(),
        "owner": actor(world, &repo.owner), "url": world.page_of(id), "description": null, "parent": null,
        "isPrivate": repo.private, "isArchived": repo.archived, "isFork": false,
        "hasIssuesEnabled": repo.has_issues, "hasWikiEnabled": false,
        "viewerPermission": role.role().to_uppercase(), "viewerCanAdminister": role == Permission::Admin,
        "mergeCommitAllowed": true, "squashMergeAllowed": true, "rebaseMergeAllowed": true,
        "viewerDefaultMergeMethod": "MERGE", "autoMergeAllowed": false,
        "deleteBranchOnMerge": repo.merging.delete_branch,
        "defaultBranchRef": {
            "name": repo.default_branch, "target": { "oid": repo.branch(&repo.default_branch) },
        },
        "labels": connection(repo.labels.iter().map(label)),
        "assignableUsers": connection(repo.collaborators.keys().map(|it| actor(world, it))),
        "milestones": connection([]), "projects": connection([]),
    })
}

fn label(label: &Label) -> Value {
    json!({
        "__typename": "Label", "id": node_id("LA", label.id), "name": label.name, "color": label.color,
        "description": label.description,
    })
}

fn comment(world: &World, repo: u64, issue: &Issue, comment: &Comment) -> Value {
    json!({
        "__typename": "IssueComment", "id": node_id("IC", comment.id), "author": actor(world, &comment.author),
        "authorAssociation": world.repo(repo).association(&comment.author).name(), "body": comment.body,
        "createdAt": time(comment.created_at), "includesCreatedEdit": false, "isMinimized": false, "viewerDidAuthor": false,
        "minimizedReason": null, "reactionGroups": [],
        "url": format!("{}#issuecomment-{}", world.page_of_issue(repo, issue), comment.id),
    })
}

/// The issues or pull requests of a repository, newest first.
pub(super) fn list(world: &World, repo: u64, field: &Field) -> Value {
    let pulls = field.name == "pullRequests";
    let states = field.arguments["states"].as_array().cloned();
    let is = |argument: &str, value: &str| field.arguments[argument].as_str().is_none_or(|it| it == value);
    let wanted = |issue: &&Issue| {
        let state = state_of(issue);
        let branches = issue.pull.as_ref();
        let branches = branches.is_none_or(|it| is("headRefName", &it.head) && is("baseRefName", &it.base));
        issue.pull.is_some() == pulls
            && states.as_ref().is_none_or(|it| it.contains(&state.into()))
            && branches
    };
    let found = world.repo(repo).issues.values().rev().filter(wanted);
    connection(found.map(|it| issue(world, repo, it)))
}

fn state_of(issue: &Issue) -> &'static str {
    match &issue.pull {
        Some(pull) if pull.merged.is_some() => "MERGED",
        Some(_) | None if issue.is_open() => "OPEN",
        Some(_) | None => "CLOSED",
    }
}

/// `Issue`, or `PullRequest` when it is one.
pub(super) fn issue(world: &World, repo: u64, issue: &Issue) -> Value {
    let closed_at = match &issue.state {
        State::Open { .. } => None,
        State::Closed { at, .. } => Some(time(*at)),
    };
    let known = &world.repo(repo).labels;
    let labels = issue.labels.iter().filter_map(|name| known.iter().find(|it| it.name == *name)).map(label);
    let comments = issue.comments.iter().map(|it| comment(world, repo, issue, it));
    let mut node = json!({
        "__typename": "Issue", "id": node_id("I", issue.id), "number": issue.number, "title": issue.title,
        "body": issue.body.clone().unwrap_or_default(), "state": state_of(issue), "stateReason": null,
        "url": world.page_of_issue(repo, issue), "closed": !issue.is_open(), "closedAt": closed_at,
        "createdAt": time(issue.created_at), "updatedAt": time(issue.updated_at),
        "author": actor(world, &issue.author), "labels": connection(labels),
        "assignees": connection(issue.assignees.iter().map(|it| actor(world, it))),
        "milestone": null, "comments": connection(comments), "reactionGroups": [],
        "projectCards": connection([]), "projectItems": connection([]),
    });
    if let Some(pull) = &issue.pull
        && let (Value::Object(node), Value::Object(more)) = (&mut node, pull_part(world, repo, issue, pull))
    {
        node.extend(more);
    }
    node
}

fn pull_part(world: &World, repo: u64, issue: &Issue, pull: &Pull) -> Value {
    let found = world.repo(repo);
    let mergeable = match pull.mergeability {
        Mergeability::Clean { .. } => "MERGEABLE",
        Mergeability::Conflict => "CONFLICTING",
        Mergeability::Unasked | Mergeability::Computing { .. } => "UNKNOWN",
    };
    let changes = found.git.merge_base(&pull.base_sha, &pull.head_sha);
    let changes = changes.map(|from| found.git.changes(&from, &pull.head_sha)).unwrap_or_default();
    let reviews = pull.reviews.iter().filter(|it| it.state != ReviewState::Pending);
    let reviews = connection(reviews.map(|it| review(world, it)));
    let asked = pull.requested.iter().map(|it| json!({ "requestedReviewer": actor(world, it) }));
    let merged = pull.merged.as_ref();
    json!({
        "__typename": "PullRequest", "id": node_id("PR", issue.id),
        "headRefName": pull.head, "headRefOid": pull.head_sha, "baseRefName": pull.base, "isDraft": pull.draft,
        "isCrossRepository": false, "headRepository": { "id": node_id("R", repo), "name": found.name },
        "headRepositoryOwner": actor(world, &found.owner), "maintainerCanModify": false,
        "mergeable": mergeable, "mergeStateStatus": world.mergeable_state(repo, issue, pull).to_uppercase(),
        "merged": merged.is_some(), "mergedAt": merged.map(|it| time(it.at)),
        "mergedBy": merged.map(|it| actor(world, &it.by)),
        "mergeCommit": merged.map(|it| json!({ "oid": it.commit })), "potentialMergeCommit": null,
        "autoMergeRequest": null, "additions": changes.iter().map(|it| it.additions).sum::<u64>(),
        "deletions": changes.iter().map(|it| it.deletions).sum::<u64>(), "changedFiles": changes.len(),
        "reviewRequests": connection(asked), "reviewDecision": "", "reviews": reviews,
        "latestReviews": reviews, "commits": connection([last_commit(world, repo, pull)]),
    })
}

fn review(world: &World, review: &SubmittedReview) -> Value {
    json!({
        "__typename": "PullRequestReview", "id": node_id("PRR", review.id),
        "author": actor(world, &review.author), "authorAssociation": "NONE", "body": review.body,
        "state": review.state.name(), "submittedAt": time(review.at), "includesCreatedEdit": false,
        "reactionGroups": [], "url": "", "commit": { "oid": review.commit },
    })
}

/// The head with what checks say about it.
fn last_commit(world: &World, repo: u64, pull: &Pull) -> Value {
    let found = world.repo(repo);
    let runs = found.latest_checks(&pull.head_sha).into_iter().map(|it| {
        json!({
            "__typename": "CheckRun", "name": it.name, "status": it.status.name().to_uppercase(),
            "conclusion": it.status.conclusion().map_or("", |it| it.name()).to_uppercase(),
            "startedAt": time(it.started_at), "completedAt": it.completed_at.map(time),
            "detailsUrl": it.details_url, "checkSuite": null, "isRequired": false,
        })
    });
    let statuses = found.latest_statuses(&pull.head_sha).into_iter().map(|it| {
        json!({
            "__typename": "StatusContext", "context": it.context, "state": it.state.name().to_uppercase(),
            "targetUrl": it.target_url, "createdAt": time(it.at), "description": it.description,
            "isRequired": false,
        })
    });
    let contexts = connection(runs.chain(statuses));
    json!({ "commit": { "oid": pull.head_sha, "statusCheckRollup": { "contexts": contexts } } })
}

/// What `gh` asks to find out how old a server is: the names of a type's fields.
pub(super) fn type_of(name: &str) -> Value {
    let fields: &[&str] = match name {
        "Issue" => &["id", "number", "title", "state", "stateReason"],
        "PullRequest" => &["id", "number", "title", "state", "reviewDecision", "statusCheckRollup"],
        "Repository" => &["id", "name", "autoMergeAllowed", "pullRequestTemplates"],
        _ => &[],
    };
    let fields: Vec<_> = fields.iter().map(|name| json!({ "name": name })).collect();
    json!({ "__typename": "__Type", "name": name, "fields": fields, "enumValues": [] })
}
