//! The runtime `codex`: `codex exec --json`.
//!
//! What its stream is like, and this reader therefore takes for granted or does not:
//!
//! - A turn ends in `turn.completed` or in `turn.failed`, which has nothing but a sentence to say why; the sentences
//!   are those of codex itself and are matched by what has not changed between versions.
//! - `error` tells of a try that is repeated, and once more what the failed turn says.
//! - A program that cannot begin (no such session) says so on its standard error and ends with status 1.
//!
//! Its sandbox lets a command write in the worktree alone, and keeps a `.git` read-only. A worker that may not commit
//! does nothing of use, so the repo store and the worktree's own part of it are named as writable. No command reaches a
//! socket either, so `coord report` does not work there; the tools do, which codex starts outside of it.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::classify::{ErrorClass, ResultFacts, StreamFacts};
use coord_core::name::AccountName;
use coord_core::outcome::WorkerExit;
use coord_core::run::{RunKind, RuntimeReport};
use coord_core::usage::{Tokens, Usage};
use coord_proto::event::EventKind;
use fs_err as fs;
use serde_json::{Value, json};

use super::json::{self, Underway, brief, text};
use super::{Inquiry, Launch, Login, Phase, Runtime, Shape, Unlaunchable, places, shorten, words};
use crate::order::{Order, RuntimeConfig};
use crate::report::{self, MCP_SERVER};

mod account;

/// Codex, without a terminal.
#[derive(Debug)]
pub(super) struct Codex;

impl Runtime for Codex {
    fn state(&self, environment: &BTreeMap<String, String>) -> Vec<Utf8PathBuf> {
        places(environment, Some("CODEX_HOME"), &[".codex"])
    }

    fn name(&self) -> &'static str {
        "codex"
    }

    fn about(&self) -> &'static str {
        "Codex."
    }

    fn settings(&self) -> RuntimeConfig {
        RuntimeConfig {
            program: Some(self.name().to_owned()),
            permission_mode: Some("workspace-write".to_owned()),
            model: Some(String::new()),
            ..RuntimeConfig::default()
        }
    }

    fn launch(&self, order: &Order) -> Result<Launch, Unlaunchable> {
        let mut argv = vec![self.program(&order.spec, &order.runtime)?.to_owned()];
        let fixed = ["exec", "--json", "--skip-git-repo-check", "-c", "approval_policy=never"];
        argv.extend(fixed.map(str::to_owned));
        argv.extend(["-c", "check_for_update_on_startup=false"].map(str::to_owned));
        let mut option = |flag: &str, value: &str| argv.extend([flag.to_owned(), value.to_owned()]);
        option("--sandbox", order.runtime.permission_mode.as_deref().unwrap_or("workspace-write"));
        for dir in git_dirs(order) {
            option("--add-dir", dir.as_str());
        }
        if let Some(model) = super::model(order) {
            option("--model", model);
        }
        for setting in order.reporter.iter().flat_map(|it| tools(it)) {
            option("-c", &setting);
        }
        if let Some(resume) = &order.spec.resume {
            option("resume", &resume.session);
        }
        argv.push("-".to_owned());
        Ok(Launch::unattended(argv, order.spec.prompt.clone(), order.environment.clone()))
    }

    fn reader(&self, _: RunKind) -> Box<dyn super::Reader> {
        Box::<Reader>::default()
    }

    fn account(&self, environment: &BTreeMap<String, String>) -> Option<AccountName> {
        account::account(environment)
    }

    fn inquiry(&self) -> Option<&'static Inquiry> {
        Some(&Inquiry {
            install: "npm install --global @openai/codex",
            log_in: "codex login",
            api_key: "OPENAI_API_KEY",
            login: &["login", "status"],
            // Nobody need be logged in where its configuration names a provider of the user's own.
            read_login: |said| {
                let login = said.lines().find_map(|it| it.strip_prefix("Logged in using "))?;
                Some(Login::Somebody(format!("a login ({login})")))
            },
            unguarded: Some("danger-full-access"),
            heeds_rules: false,
        })
    }
}

/// How the tools to report with are started. Of its environment codex hands on to them what is named, so that the token
/// is not told here. Nobody is there to approve a call, and what asks a person something waits for as long as they take.
fn tools(program: &Utf8Path) -> [String; 5] {
    let server = format!("mcp_servers.{MCP_SERVER}");
    [
        format!("{server}.command={}", json!(program)),
        format!("{server}.args={}", json!(["report", "--mcp"])),
        format!("{server}.env_vars={}", json!([report::SOCKET, report::TOKEN])),
        format!("{server}.default_tools_approval_mode={}", json!("approve")),
        format!("{server}.tool_timeout_sec={}", 24 * 60 * 60),
    ]
}

/// Where git writes when a worker commits: the git directory that it was lent, or the store and what it keeps of this
/// worktree. None in a directory that is no worktree.
fn git_dirs(order: &Order) -> Vec<Utf8PathBuf> {
    if let Some(lent) = order.sandbox.as_ref().and_then(|it| it.lent.clone()) {
        return vec![lent];
    }
    let pointer = fs::read_to_string(order.worktree.join(".git")).unwrap_or_default();
    let Some(own) = pointer.strip_prefix("gitdir:").map(|it| Utf8PathBuf::from(it.trim())) else {
        return Vec::new();
    };
    let store = own.ancestors().nth(2).map(ToOwned::to_owned);
    store.into_iter().chain([own]).collect()
}

/// What the stream has said so far.
#[derive(Debug, Default)]
struct Reader {
    facts: StreamFacts,
    report: RuntimeReport,
    underway: Underway,
    tokens: Option<Tokens>,
    complaint: Option<String>,
}

impl super::Reader for Reader {
    fn line(&mut self, line: &str, events: &mut Vec<EventKind>) -> Shape {
        let before = events.len();
        let shape = json::line(line, events, |object, events| self.understand(object, events));
        self.underway.follow(&events[before..]);
        shape
    }

    fn phase(&self) -> Phase {
        self.underway.phase()
    }

    fn complaint(&mut self, line: &str) {
        if let Some(said) = line.strip_prefix("Error: ") {
            self.complaint = Some(said.to_owned());
        }
    }

    fn finish(mut self: Box<Self>, exit: WorkerExit) -> (StreamFacts, RuntimeReport) {
        self.facts.result_expected = true;
        json::explain(&mut self.facts, exit, self.complaint);
        self.report.usage =
            Usage { tokens: self.tokens, at_least: self.tokens.is_none(), ..Usage::default() };
        (self.facts, self.report)
    }
}

impl Reader {
    fn understand(&mut self, line: &Value, events: &mut Vec<EventKind>) {
        match line["type"].as_str().unwrap_or_default() {
            "thread.started" => {
                let session = text(&line["thread_id"]);
                self.report.session = Some(session.clone());
                events.push(EventKind::Init { session, model: String::new() });
            }
            "item.started" => events.extend(call(&line["item"])),
            "item.completed" => self.item(&line["item"], events),
            "error" => events.extend(retry(line["message"].as_str().unwrap_or_default())),
            "turn.completed" => {
                self.report.turns = Some(self.report.turns.unwrap_or_default() + 1);
                self.used(&line["usage"]);
                let said = self.report.text.clone().unwrap_or_default();
                self.facts.error = None;
                self.result(json::success("turn.completed", &said), events);
            }
            "turn.failed" => {
                let message = text(&line["error"]["message"]);
                let mut result = json::failure("turn.failed", &message);
                self.facts.error = class(&message);
                if message.contains("context window") {
                    result.terminal_reason = Some("prompt_too_long".to_owned());
                }
                self.result(result, events);
            }
            _ => {}
        }
    }

    /// It tells what the whole session has used so far, which is more than this process where one is continued.
    fn used(&mut self, usage: &Value) {
        let count = |key: &str| usage[key].as_u64().unwrap_or_default();
        let cache_read = count("cached_input_tokens");
        self.tokens = usage.is_object().then(|| Tokens {
            input: count("input_tokens").saturating_sub(cache_read),
            output: count("output_tokens"),
            cache_read,
            cache_write: count("cache_write_input_tokens"),
        });
    }

    fn result(&mut self, result: ResultFacts, events: &mut Vec<EventKind>) {
        events.push(EventKind::Result {
            is_error: result.is_error,
            subtype: result.subtype.clone(),
            turns: self.report.turns,
            cost_usd: None,
            text: result.text.clone(),
        });
        self.report.text = Some(shorten(&result.text, 4000));
        self.facts.result = Some(result);
    }

    fn item(&mut self, item: &Value, events: &mut Vec<EventKind>) {
        let id = text(&item["id"]);
        match item["type"].as_str().unwrap_or_default() {
            "agent_message" => {
                let said = text(&item["text"]);
                self.report.text = Some(shorten(&said, 4000));
                words(said, &mut self.facts.stuck, events);
            }
            kind @ ("command_execution" | "file_change" | "mcp_tool_call") => {
                let status = item["status"].as_str().unwrap_or_default();
                if status == "declined" {
                    let (tool, reason) = (kind.to_owned(), subject(item));
                    self.report.denials.push(format!("{tool}: {reason}"));
                    events.push(EventKind::Denial { tool, reason });
                }
                let said = item["result"]["content"].as_array().into_iter().flatten().map(|it| &it["text"]);
                let output = [&item["aggregated_output"], &item["error"]["message"]].into_iter().chain(said);
                let output = output.map(brief);
                events.push(EventKind::ToolResult {
                    id,
                    is_error: status != "completed",
                    text: output.filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n"),
                });
            }
            _ => {}
        }
    }
}

/// A tool that begins.
fn call(item: &Value) -> Option<EventKind> {
    let name = match item["type"].as_str()? {
        "mcp_tool_call" => format!("{}.{}", text(&item["server"]), text(&item["tool"])),
        kind @ ("command_execution" | "file_change") => kind.to_owned(),
        _ => return None,
    };
    Some(EventKind::Tool { id: text(&item["id"]), name, subject: subject(item) })
}

/// What an item is about: a command, or the files that are changed.
fn subject(item: &Value) -> String {
    let paths = item["changes"].as_array().into_iter().flatten().filter_map(|it| it["path"].as_str());
    let said = item["command"].as_str().map_or_else(|| paths.collect::<Vec<_>>().join(", "), str::to_owned);
    shorten(&said, 200)
}

/// `Reconnecting... 2/5 (why)`.
fn retry(message: &str) -> Option<EventKind> {
    let (_, told) = message.split_once("Reconnecting... ")?;
    let (attempt, rest) = told.split_once('/')?;
    let error = rest.split_once('(').map_or(rest, |(_, why)| why.trim_end_matches(')'));
    Some(EventKind::Retry { attempt: attempt.parse().ok()?, delay_ms: 0, error: shorten(error, 500) })
}

/// What kind of failure a sentence tells of.
fn class(message: &str) -> Option<ErrorClass> {
    let says = |part: &str| message.contains(part);
    if says("hit your usage limit") {
        return Some(ErrorClass::RateLimit);
    }
    if says("Quota exceeded") || says("out of credits") {
        return Some(ErrorClass::BillingError);
    }
    if says("at capacity") {
        return Some(ErrorClass::Overloaded);
    }
    if says("stream disconnected") || says("error sending request") {
        return Some(ErrorClass::ServerError);
    }
    let behind = message.split("status").skip(1).map(|it| it.trim_start_matches([':', ' ']));
    behind.filter_map(|it| it.get(..3)?.parse().ok()).find_map(json::class_of)
}

#[cfg(test)]
mod tests;
