//! The runtime `gemini`: the Gemini CLI, printing one JSON object per line.
//!
//! What it is like, and this file therefore takes for granted or does not:
//!
//! - A signal ends it with status 0, so nothing but a `result` with the status `success` is success.
//! - What it says comes in pieces, which may end anywhere in a line.
//! - Its exit statuses mean something where there is no result: 41 is a login that is missing, 53 a limit on turns;
//!   a failure of the model is its HTTP status modulo 256.
//! - It starts itself anew as a child that signals do not reach, unless it is told not to.
//! - Its shell runs git without the configuration of the user; who commits is known from that of the worktree.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::classify::{ErrorClass, ResultFacts, StreamFacts};
use coord_core::name::AccountName;
use coord_core::outcome::WorkerExit;
use coord_core::run::{RunKind, RuntimeReport};
use coord_core::usage::{ModelUsage, Tokens, Usage};
use coord_proto::event::EventKind;
use serde_json::Value;

use super::account::set;
use super::json::{self, Underway, brief, subject, text};
use super::{Inquiry, Launch, Phase, Runtime, Shape, Unlaunchable, shorten, words};
use crate::order::{Order, RuntimeConfig};

mod account;

/// The Gemini CLI, without a terminal.
#[derive(Debug)]
pub(super) struct Gemini;

impl Runtime for Gemini {
    fn state(&self, environment: &BTreeMap<String, String>) -> Vec<Utf8PathBuf> {
        place(environment).into_iter().collect()
    }

    fn name(&self) -> &'static str {
        "gemini"
    }

    fn about(&self) -> &'static str {
        "The Gemini CLI."
    }

    fn settings(&self) -> RuntimeConfig {
        RuntimeConfig {
            program: Some(self.name().to_owned()),
            permission_mode: Some("yolo".to_owned()),
            model: Some(String::new()),
            ..RuntimeConfig::default()
        }
    }

    fn launch(&self, order: &Order) -> Result<Launch, Unlaunchable> {
        let program = self.program(&order.spec, &order.runtime)?;
        let fixed = [program, "--output-format", "stream-json", "--skip-trust"];
        let mut argv: Vec<_> = fixed.map(str::to_owned).into();
        let options = [
            ("--approval-mode", order.runtime.permission_mode.as_deref()),
            ("--model", super::model(order)),
            ("--resume", order.spec.resume.as_ref().map(|it| it.session.as_str())),
        ];
        for (flag, value) in options {
            argv.extend(value.into_iter().flat_map(|it| [flag.to_owned(), it.to_owned()]));
        }
        let mut environment = order.environment.clone();
        environment.insert("GEMINI_CLI_NO_RELAUNCH".to_owned(), "true".to_owned());
        Ok(Launch::unattended(argv, order.spec.prompt.clone(), environment))
    }

    fn reader(&self, _: RunKind) -> Box<dyn super::Reader> {
        Box::<Reader>::default()
    }

    fn account(&self, environment: &BTreeMap<String, String>) -> Option<AccountName> {
        account::account(environment)
    }

    fn inquiry(&self) -> Option<&'static Inquiry> {
        Some(&Inquiry {
            install: "npm install --global @google/gemini-cli",
            log_in: "gemini",
            api_key: "GEMINI_API_KEY",
            login: &[],
            read_login: |_| None,
            unguarded: None,
            heeds_rules: false,
        })
    }
}

/// Where it keeps its settings, its logins and its sessions.
fn place(environment: &BTreeMap<String, String>) -> Option<Utf8PathBuf> {
    let home = set(environment, "GEMINI_CLI_HOME").or_else(|| set(environment, "HOME"))?;
    Some(Utf8Path::new(home).join(".gemini"))
}

/// What the stream has said so far.
#[derive(Debug, Default)]
struct Reader {
    facts: StreamFacts,
    report: RuntimeReport,
    underway: Underway,
    /// What it is saying, as far as it has come.
    saying: String,
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
        // What follows explains it, and a stack of calls follows that.
        if self.complaint.is_none() && (line.starts_with("Error") || line.starts_with("Please set")) {
            self.complaint = Some(line.to_owned());
        }
    }

    fn finish(mut self: Box<Self>, exit: WorkerExit) -> (StreamFacts, RuntimeReport) {
        self.facts.result_expected = true;
        json::explain(&mut self.facts, exit, self.complaint);
        if let (Some(result), WorkerExit::Code(code)) = (&mut self.facts.result, exit) {
            match code {
                41 => self.facts.error = Some(ErrorClass::AuthenticationFailed),
                53 => result.subtype = "error_max_turns".to_owned(),
                130 => result.terminal_reason = Some("aborted".to_owned()),
                // From 400 up to 504, by what is left of them.
                144..=248 if result.is_error && result.api_status.is_none() => {
                    result.api_status = u16::try_from(code + 256).ok();
                }
                _ => {}
            }
        }
        (self.facts, self.report)
    }
}

impl Reader {
    fn understand(&mut self, line: &Value, events: &mut Vec<EventKind>) {
        let kind = line["type"].as_str().unwrap_or_default();
        let says = kind == "message" && line["role"] == "assistant";
        if says {
            self.saying.push_str(line["content"].as_str().unwrap_or_default());
        }
        if !says || line["delta"] != true {
            self.said(events);
        }
        match kind {
            "init" => {
                let (session, model) = (text(&line["session_id"]), text(&line["model"]));
                self.report.session = Some(session.clone());
                self.report.model = Some(model.clone());
                events.push(EventKind::Init { session, model });
            }
            "tool_use" => events.push(EventKind::Tool {
                id: text(&line["tool_id"]),
                name: text(&line["tool_name"]),
                subject: subject(&line["parameters"]),
            }),
            "tool_result" => events.push(EventKind::ToolResult {
                id: text(&line["tool_id"]),
                is_error: line["status"] != "success",
                text: brief(&line["output"]),
            }),
            "result" => self.result(line, events),
            _ => {}
        }
    }

    /// What it was saying is whole.
    fn said(&mut self, events: &mut Vec<EventKind>) {
        if !self.saying.is_empty() {
            let said = std::mem::take(&mut self.saying);
            self.report.text = Some(shorten(&said, 4000));
            words(said, &mut self.facts.stuck, events);
        }
    }

    fn result(&mut self, line: &Value, events: &mut Vec<EventKind>) {
        let status = line["status"].as_str().unwrap_or_default();
        self.report.usage = usage(&line["stats"]);
        let result = if status == "success" {
            self.facts.error = None;
            json::success(status, self.report.text.as_deref().unwrap_or_default())
        } else {
            failed(status, &text(&line["error"]["message"]))
        };
        self.report.text = Some(shorten(&result.text, 4000));
        events.push(EventKind::Result {
            is_error: result.is_error,
            subtype: result.subtype.clone(),
            turns: None,
            cost_usd: None,
            text: result.text.clone(),
        });
        self.facts.result = Some(result);
    }
}

/// The message quotes what the API said, as JSON.
fn failed(status: &str, message: &str) -> ResultFacts {
    let code = message.split("\"code\":").nth(1).map(|it| it.trim_start_matches(' '));
    let digits = code.and_then(|it| it.get(..3)).and_then(|it| it.parse().ok());
    let too_long = message.contains("token count") && message.contains("exceeds");
    ResultFacts {
        api_status: digits,
        terminal_reason: too_long.then(|| "prompt_too_long".to_owned()),
        ..json::failure(status, message)
    }
}

/// What the whole process has used, by model.
fn usage(stats: &Value) -> Usage {
    let tokens = |it: &Value| {
        let count = |key: &str| it[key].as_u64().unwrap_or_default();
        let cache_read = count("cached");
        let input = count("input_tokens").saturating_sub(cache_read);
        Tokens { input, output: count("output_tokens"), cache_read, cache_write: 0 }
    };
    let models = stats["models"].as_object().into_iter().flatten();
    let models = models.map(|(model, it)| (model.clone(), ModelUsage { tokens: tokens(it), cost_usd: None }));
    Usage { tokens: stats.is_object().then(|| tokens(stats)), models: models.collect(), ..Usage::default() }
}

#[cfg(test)]
mod tests;
