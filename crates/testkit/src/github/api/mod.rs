//! The operations of the API: each takes a request apart, has the world do or show something, and answers.
//!
//! Which operation a request is for is decided by GitHub's own description, so there is no second list of paths.
//! What the description has and nothing here does is answered with 501.

mod account;
mod answer;
mod apps;
mod branches;
mod checks;
mod comments;
mod commits;
mod contents;
mod hooks;
mod issues;
mod labels;
mod merging;
mod pulls;
mod refs;
mod relations;
mod repos;
mod reviews;
mod search;
mod turn;

pub(super) use answer::{Answer, Refusal};
pub(super) use turn::Turn;

type Reply = Result<Answer, Refusal>;

/// Performs an operation.
pub(super) fn perform(operation: &str, turn: &mut Turn<'_>) -> Reply {
    turn.check_access(operation)?;
    let (area, name) = operation.split_once('/').unwrap_or((operation, ""));
    match area {
        "issues" => issue_operation(name, turn),
        "pulls" => pull_operation(name, turn),
        "repos" => repo_operation(name, turn),
        "git" => match name {
            "list-matching-refs" => Ok(refs::matching(turn)),
            "get-ref" => refs::get(turn),
            "create-ref" => refs::create(turn),
            "update-ref" => refs::update(turn),
            "delete-ref" => refs::delete(turn),
            _ => Err(Refusal::NotImplemented),
        },
        "checks" => match name {
            "list-for-ref" => checks::list(turn),
            "create" => checks::create(turn),
            "update" => checks::update(turn),
            "list-suites-for-ref" => checks::suites(turn),
            _ => Err(Refusal::NotImplemented),
        },
        "apps" => match name {
            "get-authenticated" => apps::get(turn),
            "list-installations" => apps::installations(turn),
            "get-repo-installation" => apps::of_repo(turn),
            "create-installation-access-token" => apps::create_token(turn),
            "list-repos-accessible-to-installation" => apps::repositories(turn),
            _ => Err(Refusal::NotImplemented),
        },
        "users" if name == "get-authenticated" => account::get(turn),
        "rate-limit" if name == "get" => Ok(account::rate_limit(turn)),
        "search" if name == "issues-and-pull-requests" => search::issues(turn),
        "activity" if name == "list-repo-events" => Ok(repos::events(turn)),
        "actions" if name == "list-workflow-runs-for-repo" => Ok(checks::workflow_runs()),
        _ => Err(Refusal::NotImplemented),
    }
}

fn issue_operation(name: &str, turn: &mut Turn<'_>) -> Reply {
    match name {
        "list-for-repo" => issues::list(turn),
        "create" => issues::create(turn),
        "get" => issues::get(turn),
        "update" => issues::update(turn),
        "list-events" | "list-events-for-timeline" => issues::events(turn),
        "add-assignees" => issues::assign(turn),
        "list-comments" => comments::list(turn),
        "list-comments-for-repo" => Ok(comments::list_all(turn)),
        "create-comment" => comments::create(turn),
        "update-comment" => comments::update(turn),
        "list-labels-on-issue" => labels::of_issue(turn),
        "add-labels" => labels::add(turn),
        "remove-label" => labels::remove(turn),
        "create-label" => labels::create(turn),
        "list-labels-for-repo" => Ok(labels::of_repo(turn)),
        "list-sub-issues" => relations::children(turn),
        "add-sub-issue" => relations::add_child(turn),
        "remove-sub-issue" => relations::remove_child(turn),
        "reprioritize-sub-issue" => relations::move_child(turn),
        "get-parent" => relations::parent(turn),
        "list-dependencies-blocked-by" => relations::blocked_by(turn),
        "add-blocked-by-dependency" => relations::add_blocker(turn),
        "remove-dependency-blocked-by" => relations::remove_blocker(turn),
        "list-dependencies-blocking" => relations::blocking(turn),
        _ => Err(Refusal::NotImplemented),
    }
}

fn pull_operation(name: &str, turn: &mut Turn<'_>) -> Reply {
    match name {
        "list" => Ok(pulls::list(turn)),
        "create" => pulls::create(turn),
        "get" => pulls::get(turn),
        "update" => pulls::update(turn),
        "list-files" => pulls::files(turn),
        "list-commits" => pulls::commits(turn),
        "check-if-merged" => merging::is_merged(turn),
        "merge" => merging::merge(turn),
        "update-branch" => merging::update_branch(turn),
        "list-reviews" => reviews::list(turn),
        "create-review" => reviews::create(turn),
        "list-review-comments" => reviews::comments(turn),
        "request-reviewers" => reviews::request(turn),
        _ => Err(Refusal::NotImplemented),
    }
}

fn repo_operation(name: &str, turn: &mut Turn<'_>) -> Reply {
    match name {
        "get" => Ok(repos::get(turn)),
        "get-collaborator-permission-level" => repos::permission(turn),
        "list-branches" => Ok(branches::list(turn)),
        "get-branch" => branches::get(turn),
        "get-branch-protection" => branches::protection(turn),
        "get-branch-rules" => Ok(branches::rules(turn)),
        "compare-commits-with-basehead" => commits::compare(turn),
        "get-commit" => commits::get(turn),
        "list-pull-requests-associated-with-commit" => commits::pulls(turn),
        "get-combined-status-for-ref" => checks::combined(turn),
        "list-commit-statuses-for-ref" => checks::statuses(turn),
        "create-commit-status" => checks::create_status(turn),
        "get-content" => contents::get(turn),
        "create-webhook" => hooks::create(turn),
        "list-webhooks" => Ok(hooks::list(turn)),
        "list-webhook-deliveries" => hooks::deliveries(turn),
        _ => Err(Refusal::NotImplemented),
    }
}
