//! As much of the GraphQL API as `gh` needs to look at issues and pull requests, open them, talk and merge.
//!
//! <https://docs.github.com/en/graphql/reference>. A query picks fields out of documents that are made whole; a
//! field that no document has is answered with 501 and told, like everything that is not here.

mod mutation;
mod node;
mod query;

use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::access::{Access, Need, Who};
use super::api::{Answer, Refusal};
use super::shared::Shared;
use super::world::{Permission, World};
use query::{Document, Field};

/// What is wrong with a query.
#[derive(Debug)]
enum Problem {
    /// The stand-in cannot do it.
    Absent(String),
    /// GitHub would say this as well.
    Refused { kind: &'static str, message: String },
}

type Found = Result<Value, Problem>;

pub(super) fn answer(shared: &Shared, who: &Who, body: &Bytes) -> Answer {
    if matches!(who, Who::Nobody) {
        return Refusal::BadCredentials("This endpoint requires you to be authenticated.").answer();
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let text = asked["query"].as_str().unwrap_or_default();
    let done = Document::parse(text, &asked["variables"]).map_err(Problem::Absent).and_then(|document| {
        if document.is_mutation {
            shared.change(|world| perform(world, who, &document))
        } else {
            shared.look(|world| perform(world, who, &document))
        }
    });
    match done {
        Ok(data) => Answer::ok(json!({ "data": data })),
        Err(Problem::Refused { kind, message }) => {
            Answer::ok(json!({ "data": null, "errors": [{ "type": kind, "message": message }] }))
        }
        Err(Problem::Absent(what)) => {
            shared
                .desk()
                .violations
                .push(format!("GraphQL has no {what} here, and was asked for it: {text}"));
            Refusal::NotImplemented.answer()
        }
    }
}

fn perform(world: &mut World, who: &Who, document: &Document) -> Found {
    let mut data = Map::new();
    for field in document.fields("Query", &document.selection) {
        let value = match field.name.as_str() {
            "viewer" => document.pick(&viewer(world, who), field)?,
            "repository" => repository(world, who, document, field)?,
            "node" => {
                let (repo, number) = mutation::subject(world, who, &field.arguments, "id", "issues/get")?;
                let issue = world.issue(repo, number).ok_or_else(|| not_found(""))?;
                document.pick(&node::issue(world, repo, issue), field)?
            }
            "__type" => document.pick(&node::type_of(field.text("name")), field)?,
            _ if document.is_mutation => {
                let changed = mutation::perform(world, who, field)?;
                document.pick(&changed, field)?
            }
            name => return Err(Problem::Absent(name.into())),
        };
        data.insert(field.alias.clone(), value);
    }
    Ok(Value::Object(data))
}

fn viewer(world: &World, who: &Who) -> Value {
    let login = who.login(world);
    node::actor(world, &login)
}

/// Whether somebody may do something in a repository; if not, it is as if it were not there.
fn allowed(world: &World, who: &Who, repo: u64, need: Need) -> Result<(), Problem> {
    who.may(world, repo, need).map_err(|_| not_found(&world.repo(repo).full_name()))
}

fn not_found(name: &str) -> Problem {
    let message = format!("Could not resolve to a Repository with the name '{name}'.");
    Problem::Refused { kind: "NOT_FOUND", message }
}

fn repository(world: &mut World, who: &Who, document: &Document, field: &Field) -> Found {
    let name = format!("{}/{}", field.text("owner"), field.text("name"));
    let repo = world.find(&name).ok_or_else(|| not_found(&name))?;
    let need = Need { grants: &["issues", "pull_requests"], access: Access::Read, role: Permission::Read };
    allowed(world, who, repo, need)?;
    world.look_at_refs(repo, "ghost");
    let mut picked = Map::new();
    for inner in document.fields("Repository", &field.selection) {
        let value = match inner.name.as_str() {
            "issue" | "pullRequest" | "issueOrPullRequest" => {
                let number = inner.arguments["number"].as_u64().unwrap_or(0);
                world.look_at_pull(repo, number);
                let found = world.issue(repo, number);
                let right_kind = |pull: bool| match inner.name.as_str() {
                    "issue" => !pull,
                    "pullRequest" => pull,
                    _ => true,
                };
                let found = found.filter(|it| right_kind(it.pull.is_some()));
                let issue = found.ok_or_else(|| Problem::Refused {
                    kind: "NOT_FOUND",
                    message: format!(
                        "Could not resolve to an issue or pull request with the number of {number}."
                    ),
                })?;
                document.pick(&node::issue(world, repo, issue), inner)?
            }
            "issues" | "pullRequests" => document.pick(&node::list(world, repo, inner), inner)?,
            _ => document.pick_one(&node::repository(world, who, repo), inner)?,
        };
        picked.insert(inner.alias.clone(), value);
    }
    Ok(Value::Object(picked))
}
