//! The runtime `opencode`: `opencode run --format json`.
//!
//! What its stream is like, and this reader therefore takes for granted or does not:
//!
//! - Nothing says that it is over. It has gone well when the last step ended with the reason `stop` and the process
//!   with status 0.
//! - A tool is told once it has ended. One that would need a person's word is rejected, the step ends with the reason
//!   `tool-calls`, and so does the process, with status 0.
//! - A conversation that is too long for the model is an error, after which it has the model sum it up, and then goes on
//!   with words that it puts into the mouth of the user. One that stays too long it shortens for ever.
//! - Its exit status is 1 once there was an error, though it got over it.
//! - What a step cost is that step's own, and the whole is their sum.
//! - A program that cannot begin (no such session) says so on its standard error and ends with status 1.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use coord_core::classify::{ErrorClass, ResultFacts, StreamFacts};
use coord_core::outcome::WorkerExit;
use coord_core::run::{RunKind, RuntimeReport};
use coord_core::usage::{Tokens, Usage};
use coord_proto::event::EventKind;
use serde_json::Value;

use super::json::{self, brief, subject, text};
use super::{Inquiry, Launch, Phase, Runtime, Shape, Unlaunchable, places, shorten, words};
use crate::order::{Order, RuntimeConfig};

/// How often a conversation may be too long before anything is done in it.
const OVERFLOWS: u32 = 3;

/// opencode, without a terminal.
#[derive(Debug)]
pub(super) struct OpenCode;

impl Runtime for OpenCode {
    fn state(&self, environment: &BTreeMap<String, String>) -> Vec<Utf8PathBuf> {
        places(
            environment,
            None,
            &[".config/opencode", ".local/share/opencode", ".local/state/opencode", ".cache/opencode"],
        )
    }

    fn name(&self) -> &'static str {
        "opencode"
    }

    fn about(&self) -> &'static str {
        "opencode."
    }

    fn settings(&self) -> RuntimeConfig {
        let program = Some(self.name().to_owned());
        RuntimeConfig { program, model: Some(String::new()), ..RuntimeConfig::default() }
    }

    fn launch(&self, order: &Order) -> Result<Launch, Unlaunchable> {
        let program = self.program(&order.spec, &order.runtime)?;
        let mut argv: Vec<_> = [program, "run", "--format", "json"].map(str::to_owned).into();
        let options = [
            ("--model", super::model(order)),
            ("--session", order.spec.resume.as_ref().map(|it| it.session.as_str())),
        ];
        for (flag, value) in options {
            argv.extend(value.into_iter().flat_map(|it| [flag.to_owned(), it.to_owned()]));
        }
        let mut environment = order.environment.clone();
        environment.entry("OPENCODE_DISABLE_AUTOUPDATE".to_owned()).or_insert_with(|| "1".to_owned());
        Ok(Launch::unattended(argv, order.spec.prompt.clone(), environment))
    }

    fn reader(&self, _: RunKind) -> Box<dyn super::Reader> {
        Box::<Reader>::default()
    }

    fn inquiry(&self) -> Option<&'static Inquiry> {
        Some(&Inquiry {
            install: "npm install --global opencode-ai",
            log_in: "opencode auth login",
            api_key: "OPENCODE_API_KEY",
            login: &[],
            read_login: |_| None,
            unguarded: None,
            heeds_rules: false,
        })
    }
}

/// What the stream has said so far.
#[derive(Debug, Default)]
struct Reader {
    facts: StreamFacts,
    report: RuntimeReport,
    tokens: Option<Tokens>,
    /// The tool that was rejected in the step at hand.
    rejected: Option<String>,
    complaint: Option<String>,
    /// Whether there was an error.
    failed: bool,
    /// How often the conversation was too long since anything was done in it.
    overflows: u32,
    /// Whether it is being summed up.
    shortens: bool,
}

impl super::Reader for Reader {
    fn line(&mut self, line: &str, events: &mut Vec<EventKind>) -> Shape {
        json::line(line, events, |object, events| self.understand(object, events))
    }

    /// A tool may be at work whenever it is not over: nothing is heard of one before it has ended.
    fn phase(&self) -> Phase {
        let hopes = self.shortens && self.overflows < OVERFLOWS;
        if self.facts.result.is_some() && !hopes { Phase::Over } else { Phase::Tool }
    }

    fn complaint(&mut self, line: &str) {
        if let Some((_, said)) = line.split_once("Error: ") {
            self.complaint = Some(plain(said));
        }
    }

    fn finish(mut self: Box<Self>, exit: WorkerExit) -> (StreamFacts, RuntimeReport) {
        self.facts.result_expected = true;
        json::explain(&mut self.facts, exit, self.complaint);
        if let (None, Some(tool)) = (&self.facts.result, self.rejected) {
            let said = format!("it gave up when `{tool}` was rejected, which nobody was there to allow");
            self.facts.result = Some(json::failure("", &said));
        }
        let at_least = self.facts.result.is_none();
        self.report.usage = Usage { tokens: self.tokens, at_least, ..Usage::default() };
        (self.facts, self.report)
    }
}

impl Reader {
    fn understand(&mut self, line: &Value, events: &mut Vec<EventKind>) {
        if self.report.session.is_none()
            && let Some(session) = line["sessionID"].as_str()
        {
            self.report.session = Some(session.to_owned());
            events.push(EventKind::Init { session: session.to_owned(), model: String::new() });
        }
        let part = &line["part"];
        match line["type"].as_str().unwrap_or_default() {
            "step_start" if !self.shortens => self.goes_on(),
            // Not its own words, but what it tells itself in the name of the user.
            "text" if part["synthetic"] == true => {
                self.shortens = false;
                self.goes_on();
            }
            "text" if !self.shortens => {
                let said = text(&part["text"]);
                self.report.text = Some(shorten(&said, 4000));
                words(said, &mut self.facts.stuck, events);
            }
            "tool_use" => {
                self.overflows = 0;
                self.goes_on();
                self.tool(part, events);
            }
            "step_finish" => self.step(part, events),
            "error" => self.error(&line["error"], events),
            _ => {}
        }
    }

    /// Whatever ended before, it goes on, unless that has led nowhere too often.
    fn goes_on(&mut self) {
        if self.overflows < OVERFLOWS {
            self.facts.result = None;
        }
    }

    fn tool(&mut self, part: &Value, events: &mut Vec<EventKind>) {
        let (id, name, state) = (text(&part["callID"]), text(&part["tool"]), &part["state"]);
        let is_error = state["status"] == "error";
        let said = brief(if is_error { &state["error"] } else { &state["output"] });
        events.push(EventKind::Tool {
            id: id.clone(),
            name: name.clone(),
            subject: subject(&state["input"]),
        });
        if is_error && said.contains("rejected permission") {
            self.report.denials.push(format!("{name}: {}", subject(&state["input"])));
            events.push(EventKind::Denial { tool: name.clone(), reason: said.clone() });
            self.rejected = Some(name);
        }
        events.push(EventKind::ToolResult { id, is_error, text: said });
    }

    fn step(&mut self, part: &Value, events: &mut Vec<EventKind>) {
        self.report.turns = Some(self.report.turns.unwrap_or_default() + 1);
        if let Some(cost) = part["cost"].as_f64() {
            self.report.cost_usd = Some(self.report.cost_usd.unwrap_or_default() + cost);
        }
        self.used(&part["tokens"]);
        let reason = part["reason"].as_str().unwrap_or_default();
        if reason == "tool-calls" || self.shortens {
            return;
        }
        self.overflows = 0;
        self.facts.overcame = self.failed;
        self.rejected = None;
        self.facts.error = None;
        let mut result = json::success(reason, self.report.text.as_deref().unwrap_or_default());
        result.stop_reason = (reason == "length").then(|| "max_tokens".to_owned());
        self.result(result, events);
    }

    fn used(&mut self, tokens: &Value) {
        if !tokens.is_object() {
            return;
        }
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let mut total = self.tokens.unwrap_or_default();
        total += Tokens {
            input: count(&tokens["input"]),
            output: count(&tokens["output"]),
            cache_read: count(&tokens["cache"]["read"]),
            cache_write: count(&tokens["cache"]["write"]),
        };
        self.tokens = Some(total);
    }

    fn error(&mut self, error: &Value, events: &mut Vec<EventKind>) {
        let (name, data) = (error["name"].as_str().unwrap_or_default(), &error["data"]);
        let message = data["message"].as_str().unwrap_or(name);
        self.facts.error =
            if name == "ProviderAuthError" { Some(ErrorClass::AuthenticationFailed) } else { None };
        let status = data["statusCode"].as_u64().and_then(|it| u16::try_from(it).ok());
        let too_long = name == "ContextOverflowError" || message.contains("context length");
        self.failed = true;
        self.shortens = too_long;
        self.overflows += u32::from(too_long);
        let ending = match name {
            "MessageAbortedError" => Some("aborted"),
            _ if too_long => Some("prompt_too_long"),
            _ => None,
        };
        let (terminal_reason, api_status) = (ending.map(str::to_owned), status);
        self.result(ResultFacts { terminal_reason, api_status, ..json::failure(name, message) }, events);
    }

    fn result(&mut self, result: ResultFacts, events: &mut Vec<EventKind>) {
        events.push(EventKind::Result {
            is_error: result.is_error,
            subtype: result.subtype.clone(),
            turns: self.report.turns,
            cost_usd: self.report.cost_usd,
            text: result.text.clone(),
        });
        self.report.text = Some(shorten(&result.text, 4000));
        self.facts.result = Some(result);
    }
}

/// A text without what colours it.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[cfg(test)]
mod tests;
