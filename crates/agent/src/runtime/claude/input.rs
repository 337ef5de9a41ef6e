//! What claude is given: its prompt, what it is told while it works, what it may do, and the tools to report with.

use std::collections::BTreeMap;

use camino::Utf8Path;
use coord_core::id::MessageId;
use serde_json::json;

use crate::order::Order;
use crate::report::{self, MCP_SERVER, MCP_TOOLS};

/// Ends the turn: what runs is aborted, and the session can be gone on with.
pub(super) const INTERRUPT: &str =
    "{\"type\":\"control_request\",\"request_id\":\"stop\",\"request\":{\"subtype\":\"interrupt\"}}\n";

/// Says who speaks: what begins with a slash would be a command of claude's own.
pub(super) fn message(id: MessageId, text: &str) -> String {
    user(&format!("A person who watches this run says:\n\n{text}"), Some(id))
}

/// One thing that a user says, as a line. It comes back in the stream, by its id, once it is read.
pub(super) fn user(content: &str, id: Option<MessageId>) -> String {
    let message = json!({ "role": "user", "content": content });
    let line = match id {
        Some(id) => json!({ "type": "user", "message": message, "uuid": id }),
        None => json!({ "type": "user", "message": message }),
    };
    format!("{line}\n")
}

/// What the worker may do: the mode, what needs no question, what is denied. One argument for each rule, which may hold
/// spaces.
pub(super) fn permissions(order: &Order) -> Vec<String> {
    let (config, permissions) = (&order.runtime, &order.spec.permissions);
    let mut argv = Vec::new();
    argv.extend(config.permission_mode.iter().flat_map(|it| ["--permission-mode".to_owned(), it.clone()]));
    let mut allowed = [config.allowed_tools.as_deref().unwrap_or_default(), &permissions.allow].concat();
    if order.reporter.is_some() {
        allowed.extend(MCP_TOOLS.map(|it| format!("mcp__{MCP_SERVER}__{it}")));
    }
    for (flag, rules) in [("--allowedTools", &allowed), ("--disallowedTools", &permissions.deny)] {
        if !rules.is_empty() {
            argv.push(flag.to_owned());
            argv.extend(rules.iter().cloned());
        }
    }
    argv
}

/// How the tools to report with are started. The token is named and not told: claude takes it from its environment.
pub(super) fn mcp_config(program: &Utf8Path) -> String {
    let passed = [report::SOCKET, report::TOKEN].map(|it| (it, format!("${{{it}}}")));
    let server = json!({
        "type": "stdio",
        "command": program,
        "args": ["report", "--mcp"],
        "env": BTreeMap::from(passed),
        // Five small tools, which are needed at any time: not to be searched for first.
        "alwaysLoad": true,
    });
    json!({ "mcpServers": { MCP_SERVER: server } }).to_string()
}
