//! A request as it came.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::Dialect;

/// One request that reached the model, for a test to read.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`, mostly.
    pub method: String,
    /// The path as it came, with the scenario in it.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The JSON body; `Null` when there is none.
    pub body: Value,
}

/// What a tool gave back to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// Its text.
    pub text: String,
    /// Whether the tool failed or was denied.
    pub is_error: bool,
}

impl Request {
    /// The API that it asks through; `None` when it asks for something else than an answer of the model.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        Dialect::of(&self.path)
    }

    /// Whether it is a step of an agent's work: those bring tools. A request for a title and the like does not.
    #[must_use]
    pub fn is_agent(&self) -> bool {
        self.dialect().is_some() && self.body["tools"].as_array().is_some_and(|tools| !tools.is_empty())
    }

    /// The id of the subagent it comes from; `None` for the worker itself.
    #[must_use]
    pub fn subagent(&self) -> Option<&str> {
        self.header("x-claude-code-agent-id")
    }

    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The name in the base URL's path.
    #[must_use]
    pub fn scenario(&self) -> Option<&str> {
        self.path.strip_prefix("/s/")?.split('/').next()
    }

    /// The task in the prompt's first line, such as `api#1`.
    #[must_use]
    pub fn task(&self) -> Option<String> {
        let line = self.prompt()?.lines().next()?;
        line.split(' ').find_map(|word| word.strip_prefix("task=")).map(String::from)
    }

    /// The last prompt that `coord` wrote into the conversation: a resumed one has several.
    #[must_use]
    pub fn prompt(&self) -> Option<&str> {
        self.texts().into_iter().rfind(|text| text.starts_with("coord: run="))
    }

    /// Every text that a user message brings, in order; tool results are not among them.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        self.dialect().map(|it| it.texts(&self.body)).unwrap_or_default()
    }

    /// Every tool result of the conversation, in order.
    #[must_use]
    pub fn tool_results(&self) -> Vec<ToolResult> {
        self.dialect().map(|it| it.tool_results(&self.body)).unwrap_or_default()
    }
}

/// A tool result's content is a text or a list of blocks.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if let Some(task) = self.task() {
            write!(f, " task={task}")?;
        }
        if let Some(agent) = self.subagent() {
            write!(f, " subagent={agent}")?;
        }
        write!(
            f,
            " texts={} results={} agent={}",
            self.texts().len(),
            self.tool_results().len(),
            self.is_agent()
        )
    }
}
