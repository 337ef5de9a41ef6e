//! Git over HTTP: the same tokens and rights as the API, and the same protection of branches.
//!
//! <https://docs.github.com/en/get-started/git-basics/about-remote-repositories#cloning-with-https-urls>

use std::io::Read as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use flate2::read::GzDecoder;

use super::access::{Access, Denied, Need, Who};
use super::door::Incoming;
use super::git::packet::{self, Push, RefCommand};
use super::git::transport::Asked;
use super::shared::Shared;
use super::world::Permission;
use super::{dress, identify};

const SERVICES: [&str; 3] = ["/info/refs", "/git-upload-pack", "/git-receive-pack"];

/// Whether a path is one that git clients ask for.
pub(super) fn is_git(path: &str) -> bool {
    split(path).is_some()
}

/// The repository's name and what is asked of it.
fn split(path: &str) -> Option<(&str, &str)> {
    let service = SERVICES.iter().find(|service| path.ends_with(**service))?;
    let repo = path.strip_suffix(service)?.strip_prefix('/')?;
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    (repo.matches('/').count() == 1).then_some((repo, service))
}

pub(super) fn answer(shared: &Shared, incoming: &Incoming) -> Response {
    serve(shared, incoming).unwrap_or_else(|refused| refused)
}

/// A plain sentence, which git prints.
fn say(status: u16, words: &str) -> Response {
    let mut response = Response::new(Body::from(format!("{words}\n")));
    *response.status_mut() = StatusCode::from_u16(status).expect("statuses are written here");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    if status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"GitHub\""));
    }
    response
}

#[expect(clippy::result_large_err, reason = "a refusal is a response like any other")]
fn serve(shared: &Shared, incoming: &Incoming) -> Result<Response, Response> {
    let (name, service) = split(&incoming.path).ok_or_else(|| say(404, "Not Found"))?;
    let pushes = service == "/git-receive-pack" || incoming.query.contains("git-receive-pack");
    let (repo, login) = admit(shared, incoming, name, pushes)?;
    let git = shared.look(|world| world.repo(repo).git.clone());
    let body = unpacked(incoming);
    if service == "/git-receive-pack" {
        let push = packet::parse_push(&body);
        if let Some(refusal) = push.and_then(|push| refuse(shared, repo, &login, &push)) {
            let kind = HeaderValue::from_static("application/x-git-receive-pack-result");
            let mut response = Response::new(Body::from(refusal));
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            return Ok(response);
        }
    }
    let text = |name: &str| incoming.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let asked = Asked {
        method: incoming.method.as_str(),
        path: service,
        query: &incoming.query,
        content_type: text("content-type"),
        protocol: text("git-protocol"),
        user: &login,
        body: &body,
    };
    let answered = git.serve(&asked).map_err(|error| {
        shared.desk().violations.push(format!("git could not be served: {error}"));
        dress::html(500)
    })?;
    if service == "/git-receive-pack" {
        shared.change(|world| world.look_at_refs(repo, &login));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &answered.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let mut response = Response::new(Body::from(answered.body));
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = headers;
    Ok(response)
}

/// Lets somebody in, as an account, or says why not.
#[expect(clippy::result_large_err, reason = "a refusal is a response like any other")]
fn admit(shared: &Shared, incoming: &Incoming, name: &str, pushes: bool) -> Result<(u64, String), Response> {
    let wrong = || {
        say(401, "Invalid username or token. Password authentication is not supported for Git operations.")
    };
    shared.look(|world| {
        let who = identify::identify(&incoming.headers, world).map_err(|_| wrong())?;
        let anonymous = matches!(who, Who::Nobody);
        // Who has not said who they are is asked for it before anything is said about the repository.
        let missing = || if anonymous { wrong() } else { say(404, "Repository not found.") };
        let repo = world.find(name).ok_or_else(missing)?;
        if anonymous && pushes {
            return Err(wrong());
        }
        let (access, role) =
            if pushes { (Access::Write, Permission::Write) } else { (Access::Read, Permission::Read) };
        let login = who.login(world);
        let full_name = world.repo(repo).full_name();
        who.may(world, repo, Need { grants: &["contents"], access, role }).map_err(
            |denied| match denied {
                Denied::NotFound if who.role(world, repo).is_none() => missing(),
                Denied::NotFound | Denied::Forbidden(_) => {
                    say(403, &format!("Permission to {full_name}.git denied to {login}."))
                }
            },
        )?;
        let found = world.repo(repo);
        if found.archived && pushes {
            return Err(say(403, "This repository was archived so it is read-only."));
        }
        if !full_name.eq_ignore_ascii_case(name) && incoming.path.ends_with("/info/refs") {
            let mut moved = say(301, "Moved");
            let to = format!("{}/{full_name}.git/info/refs?{}", world.base, incoming.query);
            if let Ok(to) = HeaderValue::from_str(&to) {
                moved.headers_mut().insert(header::LOCATION, to);
            }
            return Err(moved);
        }
        world.look_at_refs(repo, "ghost");
        Ok((repo, login))
    })
}

/// The body as it was before the client packed it.
fn unpacked(incoming: &Incoming) -> Vec<u8> {
    let packed = incoming.headers.get(header::CONTENT_ENCODING).is_some_and(|it| it == "gzip");
    if !packed {
        return incoming.body.to_vec();
    }
    let mut body = Vec::new();
    match GzDecoder::new(&incoming.body[..]).read_to_end(&mut body) {
        Ok(_) => body,
        Err(_) => Vec::new(),
    }
}

/// The answer to a push that a protected branch does not let through; nothing of it is kept then.
fn refuse(shared: &Shared, repo: u64, login: &str, push: &Push<'_>) -> Option<Vec<u8>> {
    let git = shared.look(|world| world.repo(repo).git.clone());
    let branch = |command: &RefCommand| command.name.strip_prefix("refs/heads/").map(String::from);
    let protected = shared
        .look(|world| push.commands.iter().filter_map(branch).any(|it| world.repo(repo).is_protected(&it)));
    if !protected {
        return None;
    }
    let keeps =
        git.keeps_history(push, shared.scratch()).unwrap_or_else(|_| vec![false; push.commands.len()]);
    let refused: Vec<_> = shared.look(|world| {
        let judged = push.commands.iter().zip(&keeps);
        judged.map(|(it, keeps)| world.refuses_push(repo, it, *keeps, login)).collect()
    });
    let remote: String = refused.iter().flatten().map(|it| it.remote.clone()).collect();
    if remote.is_empty() {
        return None;
    }
    let reason = |command: &RefCommand| {
        let at = push.commands.iter().position(|it| it == command);
        let own = at.and_then(|at| refused[at].as_ref()).map(|it| it.reason.to_owned());
        own.unwrap_or_else(|| "another ref of this push was refused".into())
    };
    Some(packet::refusal(push, &remote, reason))
}
