//! The way of a request through the stand-in: who asks, may they, what goes wrong, and what the answer carries.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use serde_json::Value;

use super::access::{Access, Credential, Who, need};
use super::api::{Answer, Refusal, Turn, perform};
use super::contract::{Found, decode};
use super::dress::{self, Dress};
use super::fault::Effect;
use super::limit::Rate;
use super::record::Recorded;
use super::shared::Shared;
use super::{gitdoor, graphql, identify};

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Its place among the recorded ones.
    pub(super) number: usize,
}

/// How a request ends.
pub(super) enum Outcome {
    Answered(Response),
    /// The connection is cut.
    Cut,
}

/// Handles a request to its end, even when its client goes away meanwhile: what GitHub has begun it finishes.
pub(super) async fn handle(
    State(shared): State<Shared>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, Infallible> {
    let outcome = tokio::spawn(process(shared.clone(), parts, body)).await;
    match outcome {
        Ok(Outcome::Answered(response)) => Ok(response),
        // Unwinding ends the task that owns the connection, which closes it without a byte of an answer; the
        // panic hook is not called, so nothing is printed.
        Ok(Outcome::Cut) => std::panic::resume_unwind(Box::new("a fault cuts this connection")),
        Err(error) => {
            shared.desk().violations.push(format!("the stand-in broke: {error}"));
            Ok(dress::html(500))
        }
    }
}

async fn process(shared: Shared, parts: Parts, body: Bytes) -> Outcome {
    let mut incoming = Incoming {
        method: parts.method,
        path: plain_path(parts.uri.path()),
        query: parts.uri.query().unwrap_or_default().into(),
        headers: parts.headers,
        body,
        number: 0,
    };
    let fault = register(&shared, &mut incoming);
    let number = incoming.number;
    match &fault {
        Some(Effect::DropBefore) => return Outcome::Cut,
        Some(Effect::Status(status)) => {
            record_status(&shared, number, *status);
            return Outcome::Answered(dress::html(*status));
        }
        Some(_) | None => {}
    }
    let is_git = gitdoor::is_git(&incoming.path);
    let effect = fault.clone();
    let answering = shared.clone();
    let answered = tokio::task::spawn_blocking(move || {
        if is_git {
            gitdoor::answer(&answering, &incoming)
        } else {
            answer(&answering, incoming, effect.as_ref())
        }
    });
    let response = match answered.await {
        Ok(response) => response,
        Err(error) => {
            shared.desk().violations.push(format!("the stand-in broke: {error}"));
            dress::html(500)
        }
    };
    match &fault {
        Some(Effect::DropAfter) => return Outcome::Cut,
        Some(Effect::Hold(hold)) => hold.pass().await,
        Some(Effect::Delay(by)) => tokio::time::sleep(*by).await,
        Some(_) | None => {}
    }
    record_status(&shared, number, response.status().as_u16());
    Outcome::Answered(match fault {
        Some(Effect::Truncated) => dress::truncated(response).await,
        Some(Effect::Malformed) => dress::malformed(response),
        Some(_) | None => response,
    })
}

/// The path as the API itself has it; clients of an enterprise server put something in front:
/// <https://docs.github.com/en/enterprise-server@3.17/rest/using-the-rest-api/getting-started-with-the-rest-api>
fn plain_path(path: &str) -> String {
    match path.strip_prefix("/api/v3") {
        _ if path == "/api/graphql" => "/graphql".into(),
        Some("") => "/".into(),
        Some(rest) if rest.starts_with('/') => rest.into(),
        Some(_) | None => path.into(),
    }
}

/// Writes the request down and finds the fault that is for it.
fn register(shared: &Shared, incoming: &mut Incoming) -> Option<Effect> {
    let method = incoming.method.as_str().to_owned();
    let by = shared.look(|world| match identify::identify(&incoming.headers, world) {
        Ok(who) => who.login(world),
        Err(_) => "ghost".into(),
    });
    let mut desk = shared.desk();
    let at = desk.clock.now();
    incoming.number = desk.requests.len();
    desk.requests.push(Recorded {
        method: method.clone(),
        path: incoming.path.clone(),
        query: incoming.query.clone(),
        body: serde_json::from_slice(&incoming.body).unwrap_or(Value::Null),
        at,
        status: None,
        counted: false,
        by,
    });
    desk.faults.take(&method, &incoming.path)
}

fn record_status(shared: &Shared, number: usize, status: u16) {
    shared.desk().requests[number].status = Some(status);
}

/// Who asks, and how the limits know them.
struct Caller {
    who: Who,
    account: String,
    rate: Rate,
}

/// Answers a request to the API.
fn answer(shared: &Shared, mut incoming: Incoming, fault: Option<&Effect>) -> Response {
    incoming.path = shared.look(|world| by_name(&incoming.path, world));
    let identified = shared.look(|world| identify::identify(&incoming.headers, world));
    let agent = incoming.headers.contains_key(header::USER_AGENT);
    let refused =
        if matches!(fault, Some(Effect::BadCredentials)) { Err("Bad credentials") } else { identified };
    let found = shared.contract().find(incoming.method.as_str(), &incoming.path);
    let operation = found.as_ref().map(|it| it.route.operation.clone());
    let mut dress = Dress::new(&incoming, operation.as_deref());
    // <https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api#user-agent>
    if !agent {
        let words = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.";
        return dress.finish(&Refusal::Forbidden(words.into()).answer());
    }
    let who = match refused {
        Ok(who) => who,
        Err(words) => return dress.finish(&Refusal::BadCredentials(words).answer()),
    };
    let caller = caller(shared, who);
    dress.scopes(&caller.who);
    dress.rate = Some(caller.rate);
    if let Some(refusal) = limited(shared, &incoming, &caller, fault, &mut dress) {
        return dress.finish(&refusal);
    }
    let answer = match found {
        Some(found) => operate(shared, &incoming, &caller, &found, fault),
        None => beside_the_contract(shared, &incoming, &caller),
    };
    let counts = incoming.path != "/rate_limit";
    let unchanged = dress.is_unchanged(&answer);
    // <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#use-conditional-requests-if-appropriate>
    let free = unchanged && !matches!(caller.who, Who::Nobody);
    if counts && !free {
        let mut desk = shared.desk();
        desk.limits.count(&caller.account);
        desk.requests[incoming.number].counted = true;
        let now = desk.clock.now();
        dress.rate = Some(desk.limits.rate(&caller.account, caller.rate.limit, now));
    }
    dress.finish(&answer)
}

/// `/repositories/<id>/…` is another name for `/repos/<owner>/<repo>/…`, which redirects use.
fn by_name(path: &str, world: &super::world::World) -> String {
    let Some(rest) = path.strip_prefix("/repositories/") else { return path.into() };
    let (id, rest) =
        rest.split_once('/').map_or((rest, String::new()), |(id, rest)| (id, format!("/{rest}")));
    let repo = id.parse().ok().and_then(|id| world.repositories.get(&id));
    repo.map_or_else(|| path.into(), |repo| format!("/repos/{}{rest}", repo.full_name()))
}

fn caller(shared: &Shared, who: Who) -> Caller {
    let login = shared.look(|world| who.login(world));
    // <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#primary-rate-limit-for-unauthenticated-users>
    let (account, limit) = match &who {
        Who::Nobody => ("nobody".to_owned(), 60),
        Who::Holder(Credential::Installation { installation, .. }) => {
            (format!("installation {installation}"), 5000)
        }
        Who::Holder(Credential::Classic { .. } | Credential::FineGrained { .. }) | Who::App(_) => {
            (login, 5000)
        }
    };
    let mut desk = shared.desk();
    let now = desk.clock.now();
    let rate = desk.limits.rate(&account, limit, now);
    Caller { who, account, rate }
}

/// Whether a limit, or a fault that looks like one, is in the way.
fn limited(
    shared: &Shared,
    incoming: &Incoming,
    caller: &Caller,
    fault: Option<&Effect>,
    dress: &mut Dress,
) -> Option<Answer> {
    let mut rate = caller.rate;
    if let Some(Effect::PrimaryLimit { reset }) = fault {
        rate = Rate { remaining: 0, used: rate.limit, reset: *reset, ..rate };
        dress.rate = Some(rate);
    }
    if rate.remaining == 0 && incoming.path != "/rate_limit" {
        let subject = shared.look(|world| match &caller.who {
            Who::Nobody => "127.0.0.1".to_owned(),
            Who::Holder(Credential::Installation { installation, .. }) => {
                format!("installation ID {installation}")
            }
            Who::Holder(Credential::Classic { .. } | Credential::FineGrained { .. }) | Who::App(_) => {
                let id = world.find_account(&caller.account).map_or(0, |account| account.id);
                format!("user ID {id}")
            }
        });
        return Some(Refusal::Forbidden(format!("API rate limit exceeded for {subject}.")).answer());
    }
    let is_write = !matches!(incoming.method, Method::GET | Method::HEAD);
    let is_content = is_write && incoming.path.starts_with("/repos/");
    let wait = match fault {
        Some(Effect::SecondaryLimit { seconds, status }) => Some((*seconds, *status)),
        Some(_) | None if is_content => {
            let mut desk = shared.desk();
            let now = desk.clock.now();
            desk.limits.write(&caller.account, now).err().map(|seconds| (seconds, 403))
        }
        Some(_) | None => None,
    };
    let words = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    wait.map(|(seconds, status)| {
        Refusal::Status(status, words.into()).answer().header("retry-after", seconds.to_string())
    })
}

/// Performs an operation that GitHub describes.
fn operate(
    shared: &Shared,
    incoming: &Incoming,
    caller: &Caller,
    found: &Found<'_>,
    fault: Option<&Effect>,
) -> Answer {
    let operation = found.route.operation.as_str();
    *shared.desk().operations.entry(operation.into()).or_default() += 1;
    let body = if incoming.body.is_empty() {
        Value::Null
    } else {
        match serde_json::from_slice(&incoming.body) {
            Ok(body) => body,
            Err(_) => return Refusal::Status(400, "Problems parsing JSON".into()).answer(),
        }
    };
    let query = pairs(&incoming.query);
    let given = Some(&body).filter(|it| !it.is_null());
    report(shared, shared.contract().check_request(found, &query, given));
    let turn = |world: &mut super::world::World| {
        let mut turn = Turn::new(world, &caller.who, caller.rate);
        turn.parameters = found.parameters.clone();
        turn.path = incoming.path.clone();
        turn.query.clone_from(&query);
        turn.body = body.clone();
        turn.reads = incoming.method == Method::GET;
        perform(operation, &mut turn).unwrap_or_else(Refusal::answer)
    };
    let answer = if matches!(fault, Some(Effect::StaleRead)) {
        shared.look_back(turn)
    } else if incoming.method == Method::GET {
        shared.look(turn)
    } else {
        shared.change(turn)
    };
    if answer.status == 501 {
        report(shared, vec![format!("{operation} is not there, and was asked for")]);
    } else if fault.is_none() {
        report(shared, shared.contract().check_answer(found, answer.status, &answer.body));
    }
    answer
}

/// Keeps what is wrong, for the end of the test.
fn report(shared: &Shared, problems: Vec<String>) {
    shared.desk().violations.extend(problems);
}

/// What is no operation of the description but there all the same, or not there at all.
fn beside_the_contract(shared: &Shared, incoming: &Incoming, caller: &Caller) -> Answer {
    match (incoming.method.as_str(), incoming.path.as_str()) {
        ("GET" | "HEAD", "/") => shared.look(|world| Answer::ok(root(&world.base))),
        ("POST", "/graphql") => graphql::answer(shared, &caller.who, &incoming.body),
        (method, path) => {
            let known = if shared.contract().knows(path) { "no such method" } else { "no such path" };
            shared.desk().violations.push(format!("{method} {path}: {known} in GitHub's description"));
            Refusal::NotFound.answer()
        }
    }
}

/// <https://docs.github.com/en/rest/meta/meta#github-api-root>
fn root(base: &str) -> Value {
    serde_json::json!({
        "current_user_url": format!("{base}/user"), "rate_limit_url": format!("{base}/rate_limit"),
        "repository_url": format!("{base}/repos/{{owner}}/{{repo}}"),
    })
}

/// The pairs of a query.
fn pairs(query: &str) -> Vec<(String, String)> {
    let plain = |text: &str| decode(&text.replace('+', " "));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(key), plain(value))
        })
        .collect()
}

/// What a token of the fine-grained kind would need, as the header has it.
pub(super) fn accepted_permissions(operation: &str) -> String {
    let need = need(operation);
    let level = match need.access {
        Access::Read => "read",
        Access::Write => "write",
    };
    let parts: Vec<_> = need.grants.iter().map(|grant| format!("{grant}={level}")).collect();
    parts.join("; ")
}
