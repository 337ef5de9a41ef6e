//! Changes by GraphQL. <https://docs.github.com/en/graphql/reference/mutations>

use serde_json::{Value, json};

use super::{Field, Found, Problem, allowed, node, not_found};
use crate::github::access::{Who, need};
use crate::github::act::{MergeAsked, NewIssue, NewPull};
use crate::github::world::{MergeMethod, StateReason, World};

pub(super) fn perform(world: &mut World, who: &Who, field: &Field) -> Found {
    let input = &field.arguments["input"];
    match field.name.as_str() {
        "createIssue" => create_issue(world, who, input),
        "createPullRequest" => create_pull(world, who, input),
        "addComment" => {
            let (repo, number) = subject(world, who, input, "subjectId", "issues/create-comment")?;
            let (login, body) = (who.login(world), text(input, "body"));
            let id = world.comment(repo, number, &login, &body, who.app());
            let url = world.issue(repo, number).map(|it| world.page_of_issue(repo, it)).unwrap_or_default();
            Ok(json!({ "commentEdge": { "node": { "url": format!("{url}#issuecomment-{id}") } } }))
        }
        "closeIssue" | "closePullRequest" => {
            let key = if field.name == "closeIssue" { "issueId" } else { "pullRequestId" };
            let (repo, number) = subject(world, who, input, key, "issues/add-labels")?;
            let login = who.login(world);
            world.close_issue(repo, number, &login, StateReason::Completed, None);
            show(world, repo, number)
        }
        "markPullRequestReadyForReview" | "convertPullRequestToDraft" => {
            let (repo, number) = subject(world, who, input, "pullRequestId", "pulls/create")?;
            let login = who.login(world);
            world.set_draft(repo, number, &login, field.name == "convertPullRequestToDraft");
            show(world, repo, number)
        }
        "mergePullRequest" => merge(world, who, input),
        name => Err(Problem::Absent(name.into())),
    }
}

fn text(input: &Value, key: &str) -> String {
    input[key].as_str().unwrap_or_default().to_owned()
}

/// The number inside of a node's id.
fn id_of(input: &Value, key: &str) -> u64 {
    let id = input[key].as_str().unwrap_or_default();
    id.rsplit('_').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The repository that an input names, if whoever asks may do there what the REST operation does.
fn repository(world: &World, who: &Who, input: &Value, operation: &str) -> Result<u64, Problem> {
    let repo = id_of(input, "repositoryId");
    if !world.repositories.contains_key(&repo) {
        return Err(not_found(""));
    }
    allowed(world, who, repo, need(operation))?;
    Ok(repo)
}

/// The same for an issue or pull request.
pub(super) fn subject(
    world: &World,
    who: &Who,
    input: &Value,
    key: &str,
    operation: &str,
) -> Result<(u64, u64), Problem> {
    let (repo, number) = world.place_of(id_of(input, key)).ok_or_else(|| not_found(""))?;
    allowed(world, who, repo, need(operation))?;
    Ok((repo, number))
}

fn refused(message: String) -> Problem {
    Problem::Refused { kind: "UNPROCESSABLE", message }
}

/// What a mutation of an issue or pull request answers: itself, by both names.
fn show(world: &World, repo: u64, number: u64) -> Found {
    let issue = world.issue(repo, number).ok_or_else(|| not_found(""))?;
    let shown = node::issue(world, repo, issue);
    Ok(json!({ "issue": shown, "pullRequest": shown, "clientMutationId": null }))
}

fn create_issue(world: &mut World, who: &Who, input: &Value) -> Found {
    let repo = repository(world, who, input, "issues/create")?;
    let new = NewIssue {
        title: text(input, "title"),
        body: Some(text(input, "body")),
        app: who.app(),
        ..Default::default()
    };
    let login = who.login(world);
    let number = world.open_issue(repo, &login, new);
    show(world, repo, number)
}

fn create_pull(world: &mut World, who: &Who, input: &Value) -> Found {
    let repo = repository(world, who, input, "pulls/create")?;
    world.look_at_refs(repo, "ghost");
    let head = text(input, "headRefName");
    let new = NewPull {
        title: text(input, "title"),
        body: Some(text(input, "body")),
        head: head.split_once(':').map_or(head.as_str(), |(_, branch)| branch).to_owned(),
        base: text(input, "baseRefName"),
        draft: input["draft"] == true,
        app: who.app(),
    };
    let login = who.login(world);
    let opened = world.open_pull(repo, &login, new);
    let number = opened.map_err(|why| refused(why.words()))?;
    show(world, repo, number)
}

fn merge(world: &mut World, who: &Who, input: &Value) -> Found {
    let (repo, number) = subject(world, who, input, "pullRequestId", "pulls/merge")?;
    let method = text(input, "mergeMethod").to_lowercase();
    let given = |key: &str| input[key].as_str().map(String::from);
    let asked = MergeAsked {
        method: MergeMethod::parse(&method),
        title: given("commitHeadline"),
        message: given("commitBody"),
        sha: given("expectedHeadOid"),
    };
    let login = who.login(world);
    world.look_at_refs(repo, &login);
    world.merge(repo, number, &login, &asked).map_err(|why| refused(why.words()))?;
    show(world, repo, number)
}
