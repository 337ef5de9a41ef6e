//! What the stream of Claude Code means: see [`super`] for what it is like.

use coord_core::classify::{ErrorClass, ResultFacts, StreamFacts};
use coord_core::outcome::WorkerExit;
use coord_core::run::RuntimeReport;
use coord_core::window::{Standing, Window};
use coord_proto::event::EventKind;
use coord_proto::run::Receipt;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::line::{
    Block, Limit, LimitLine, Line, McpServer, Message, Replay, ResultLine, SystemLine, plain, subject,
};
use super::spent::Spent;
use super::work::Work;
use crate::report::MCP_SERVER;
use crate::runtime::{Phase, Shape, shorten, words};

/// How many denials a report holds.
const DENIALS: usize = 50;

/// What the stream has said so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    facts: StreamFacts,
    report: RuntimeReport,
    /// Calls whose denial has been told; they are listed again in the result.
    denied: Vec<String>,
    spent: Spent,
    work: Work,
    /// It was said that the tools to report with are missing; every turn is introduced anew.
    lacks_tools: bool,
}

impl crate::runtime::Reader for Reader {
    fn line(&mut self, line: &str, events: &mut Vec<EventKind>) -> Shape {
        let before = events.len();
        let shape = match serde_json::from_str::<Line<'_>>(line) {
            Ok(parsed) => {
                self.understand(line, &parsed, events);
                Shape::Json
            }
            Err(_) if line.starts_with('{') && serde_json::from_str::<&RawValue>(line).is_ok() => Shape::Json,
            Err(_) => {
                let stream = coord_proto::event::OutputStream::Stdout;
                events.push(EventKind::Output { stream, text: line.to_owned() });
                Shape::Text
            }
        };
        if events.len() == before {
            events.push(EventKind::Other);
        }
        // White space around the object would be lost inside of another one.
        let exact = line.starts_with('{') && line.ends_with('}');
        if exact { shape } else { Shape::Text }
    }

    fn phase(&self) -> Phase {
        self.work.phase()
    }

    fn rests(&self) -> bool {
        self.work.rests()
    }

    fn finish(mut self: Box<Self>, _: WorkerExit) -> (StreamFacts, RuntimeReport) {
        self.facts.result_expected = true;
        self.report.usage = self.spent.finish();
        (self.facts, self.report)
    }
}

impl Reader {
    fn understand(&mut self, line: &str, parsed: &Line<'_>, events: &mut Vec<EventKind>) {
        let before = events.len();
        self.make_sense(line, parsed, events);
        self.work.follow(&parsed.kind, &events[before..]);
    }

    fn make_sense(&mut self, line: &str, parsed: &Line<'_>, events: &mut Vec<EventKind>) {
        match &*parsed.kind {
            "assistant" => self.assistant(parsed, events),
            "user" => told(line, parsed, events),
            "system" => {
                if let Ok(system) = serde_json::from_str(line) {
                    self.system(system, events);
                }
            }
            "rate_limit_event" => {
                let limit = serde_json::from_str::<LimitLine<'_>>(line)
                    .and_then(|it| serde_json::from_str(it.rate_limit_info.get()));
                if let Ok(limit) = limit {
                    self.limit(limit, events);
                }
            }
            "result" => {
                if let Ok(result) = serde_json::from_str(line) {
                    self.result(result, events);
                }
            }
            _ => {}
        }
    }

    fn assistant(&mut self, line: &Line<'_>, events: &mut Vec<EventKind>) {
        let own = line.parent_tool_use_id.is_none();
        if own {
            self.facts.error =
                line.error.map(|it| serde_json::from_str(it.get()).unwrap_or(ErrorClass::Unknown));
        }
        let Some((message, blocks)) = blocks(line) else { return };
        if let (Some(id), Some(used)) = (message.id, &message.usage) {
            self.spent.answer(id, used);
        }
        if own && let Some(model) = message.model.filter(|it| !it.starts_with('<')) {
            self.report.model = Some(model);
        }
        for block in blocks {
            match (&*block.kind, block.text) {
                ("text", Some(text)) if own => {
                    self.report.text = Some(shorten(&text, 4000));
                    words(text, &mut self.facts.stuck, events);
                }
                ("tool_use", _) => events.push(EventKind::Tool {
                    id: block.id.unwrap_or_default(),
                    name: block.name.unwrap_or_default(),
                    subject: block.input.map(|it| subject(it.get())).unwrap_or_default(),
                }),
                _ => {}
            }
        }
    }

    fn system(&mut self, line: SystemLine, events: &mut Vec<EventKind>) {
        match line.subtype.as_deref() {
            Some("init") => {
                let (session, model) = (line.session_id.unwrap_or_default(), line.model.unwrap_or_default());
                if let Some(source) = &line.api_key_source {
                    self.spent.by(source);
                }
                self.report.session = Some(session.clone());
                self.report.model = Some(model.clone());
                events.push(EventKind::Init { session, model });
                self.look_for_tools(line.mcp_servers.unwrap_or_default(), events);
            }
            Some("api_retry") => {
                let error = line.error.unwrap_or_else(|| "unknown".to_owned());
                events.push(EventKind::Retry {
                    attempt: line.attempt.unwrap_or_default(),
                    // A float that is out of range becomes the nearest number that is not.
                    delay_ms: line.retry_delay_ms.unwrap_or_default() as u64,
                    error: line.error_status.map_or(error.clone(), |it| format!("{error} ({it})")),
                });
            }
            Some("permission_denied") => self.denial(
                line.tool_use_id.unwrap_or_default(),
                line.tool_name.unwrap_or_default(),
                shorten(&line.message.unwrap_or_default(), 500),
                events,
            ),
            Some("task_started") => {
                self.work.begins(line.task_id, line.task_type.as_deref() == Some("local_agent"));
            }
            Some("task_notification") => self.work.ends(line.task_id.as_deref()),
            Some("background_tasks_changed") => self.work.is_now(line.tasks.unwrap_or_default()),
            Some(_) | None => {}
        }
    }

    /// An MCP server that does not start fails no run; the worker then has nothing but the command to report with.
    fn look_for_tools(&mut self, servers: Vec<McpServer>, events: &mut Vec<EventKind>) {
        let broken = servers.into_iter().find(|it| it.name == MCP_SERVER && it.status == "failed");
        if broken.is_some() && !self.lacks_tools {
            self.lacks_tools = true;
            let text = "the worker has no tools to report with: claude could not start `coord report --mcp`";
            events.push(EventKind::Note { text: text.to_owned() });
        }
    }

    fn denial(&mut self, id: String, tool: String, reason: String, events: &mut Vec<EventKind>) {
        if self.denied.contains(&id) {
            return;
        }
        if self.report.denials.len() < DENIALS {
            self.report.denials.push(format!("{tool}: {reason}"));
        }
        self.denied.push(id);
        events.push(EventKind::Denial { tool, reason });
    }

    fn limit(&mut self, limit: Limit, events: &mut Vec<EventKind>) {
        let until = limit.resets_at.and_then(|it| Timestamp::from_second(it).ok());
        let standing = match limit.status.as_str() {
            "rejected" => Standing::Rejected,
            "allowed_warning" => Standing::Warned,
            _ => Standing::Open,
        };
        let (rejected, utilization) = (standing == Standing::Rejected, limit.utilization);
        self.facts.rejected_until = rejected.then_some(until);
        if let Some(window) = limit.window.clone() {
            self.report.windows.retain(|it| it.window != window);
            self.report.windows.push(Window { window, standing, until, utilization });
        }
        if standing != Standing::Open {
            let window = limit.window.unwrap_or_else(|| "unknown".to_owned());
            events.push(EventKind::Limit { rejected, window, until, utilization });
        }
    }

    fn result(&mut self, line: ResultLine, events: &mut Vec<EventKind>) {
        let subtype = line.subtype.unwrap_or_default();
        let text = line.result.or_else(|| line.errors.map(|it| it.join("; "))).unwrap_or_default();
        let unknown_command = line.num_turns == Some(0) && text.starts_with("Unknown command:");
        let is_error = line.is_error.unwrap_or(subtype != "success") || unknown_command;
        self.report.turns = line.num_turns.or(self.report.turns);
        self.report.cost_usd = line.total_cost_usd.or(self.report.cost_usd);
        self.spent.result(line.models);
        if !text.is_empty() {
            self.report.text = Some(shorten(&text, 4000));
        }
        events.push(EventKind::Result {
            is_error,
            subtype: subtype.clone(),
            turns: line.num_turns,
            cost_usd: line.total_cost_usd,
            text: text.clone(),
        });
        self.facts.result = Some(ResultFacts {
            is_error,
            api_status: line.api_error_status,
            subtype,
            terminal_reason: line.terminal_reason,
            stop_reason: line.stop_reason,
            text,
        });
        for denied in line.permission_denials.into_iter().flatten() {
            let wanted = denied.tool_input.map(|it| subject(it.get())).unwrap_or_default();
            self.denial(denied.tool_use_id, denied.tool_name, wanted, events);
        }
    }
}

/// Tools answer in the name of the user, and what a user said comes back. Nothing that is written there is the
/// worker's own.
fn told(whole: &str, line: &Line<'_>, events: &mut Vec<EventKind>) {
    if let Ok(Replay { is_replay: true, uuid: Some(message) }) = serde_json::from_str(whole) {
        events.push(EventKind::Receipt { message, receipt: Receipt::Read });
        return;
    }
    let Some((_, blocks)) = blocks(line) else { return };
    events.extend(blocks.into_iter().filter(|it| it.kind == "tool_result").map(|block| {
        EventKind::ToolResult {
            id: block.tool_use_id.unwrap_or_default(),
            is_error: block.is_error.unwrap_or(false),
            text: block.content.map(|it| shorten(&plain(it.get()), 500)).unwrap_or_default(),
        }
    }));
}

/// A message and its blocks; `None` when its content is no list of blocks.
fn blocks<'a>(line: &Line<'a>) -> Option<(Message<'a>, Vec<Block<'a>>)> {
    let message: Message<'a> = serde_json::from_str(line.message?.get()).ok()?;
    let blocks = serde_json::from_str(message.content?.get()).ok()?;
    Some((message, blocks))
}

#[cfg(test)]
mod tests;
