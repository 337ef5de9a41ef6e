//! Files and directories. <https://docs.github.com/en/rest/repos/contents#get-repository-content>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Answer, Refusal, Turn};

pub(super) fn get(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let path = turn.parameter("path");
    let at = turn.asked("ref").unwrap_or(&turn.repository().default_branch);
    let git = &turn.repository().git;
    let sha = git.resolve(at).ok_or(Refusal::Missing("No commit found for the ref"))?;
    let name = format!("{sha}:{path}");
    let object = git.run(["rev-parse", "--verify", "--quiet", &name]).map_err(|_| Refusal::NotFound)?;
    if git.kind_of(&object) == "tree" {
        let listed = git.must(["ls-tree", "-l", &name]);
        let entries = listed.lines().filter_map(|line| entry(turn, at, path, line));
        return Ok(Answer::ok(entries.collect()));
    }
    let content = git.run(["cat-file", "blob", &object]).map_err(|_| Refusal::NotFound)?;
    // What git prints loses the newlines at its end; the size tells how many there were.
    let size: usize = git.must(["cat-file", "-s", &object]).parse().unwrap_or(0);
    let content = format!("{content}{}", "\n".repeat(size.saturating_sub(content.len())));
    let mut shown = describe(turn, at, path, "file", size as u64, &object);
    shown["encoding"] = "base64".into();
    shown["content"] = STANDARD.encode(content).into();
    Ok(Answer::ok(shown))
}

/// A line of `ls-tree -l`: mode, type, object, size, then a tab and the name.
fn entry(turn: &Turn<'_>, at: &str, dir: &str, line: &str) -> Option<Value> {
    let (facts, name) = line.split_once('\t')?;
    let facts: Vec<_> = facts.split_whitespace().collect();
    let [_, kind, object, size] = facts[..] else { return None };
    let path = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
    let kind = if kind == "tree" { "dir" } else { "file" };
    Some(describe(turn, at, &path, kind, size.parse().unwrap_or(0), object))
}

fn describe(turn: &Turn<'_>, at: &str, path: &str, kind: &str, size: u64, object: &str) -> Value {
    let repo = turn.repo();
    let url = format!("{}/contents/{path}?ref={at}", turn.world.api_of(repo));
    let what = if kind == "dir" { "tree" } else { "blob" };
    let git_url = format!("{}/git/{what}s/{object}", turn.world.api_of(repo));
    let page = format!("{}/{what}/{at}/{path}", turn.world.page_of(repo));
    json!({
        "type": kind, "size": size, "name": path.rsplit('/').next(), "path": path, "sha": object, "url": url,
        "git_url": git_url, "html_url": page, "download_url": null,
        "_links": { "self": url, "git": git_url, "html": page },
    })
}
