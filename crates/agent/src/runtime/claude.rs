//! The runtime `claude`: Claude Code, printing one JSON object per line.
//!
//! What its stream is like, and this reader therefore takes for granted or does not:
//!
//! - The first line need not be the introduction, which comes again at every turn.
//! - There can be several results (background agents end later); the last one counts, and its cost is that
//!   of the whole process so far.
//! - `subtype` says nothing: a failure of the model arrives as `success` with `is_error` set. An unknown
//!   slash command is not even that; it shows by having taken no turn.
//! - Lines of a sub-agent carry `parent_tool_use_id`; what it writes are not the worker's own words.
//! - New types and fields appear with every version. Whatever is not understood is kept raw.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::name::AccountName;
use coord_core::run::RunKind;

use self::reader::Reader;
use super::{Dialogue, Inquiry, Launch, Runtime, Unlaunchable, places};
use crate::order::{Order, RuntimeConfig, TakeOver};

mod account;
mod input;
mod line;
mod login;
mod reader;
mod spent;
mod work;

/// Settings of the runtime itself, unless the user passes others.
const ENVIRONMENT: [(&str, &str); 4] = [
    // Ten by default, which is three minutes for a credential that will not become valid by waiting.
    ("CLAUDE_CODE_MAX_RETRIES", "3"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("CLAUDE_CODE_DISABLE_TERMINAL_TITLE", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
];

/// Claude Code, without a terminal.
#[derive(Debug)]
pub(super) struct Claude;

impl Runtime for Claude {
    fn state(&self, environment: &BTreeMap<String, String>) -> Vec<Utf8PathBuf> {
        places(environment, Some("CLAUDE_CONFIG_DIR"), &[".claude", ".claude.json"])
    }

    fn name(&self) -> &'static str {
        "claude"
    }

    fn about(&self) -> &'static str {
        "Claude Code."
    }

    fn settings(&self) -> RuntimeConfig {
        let tools = ["Read", "Edit", "Write", "Bash", "Glob", "Grep"];
        RuntimeConfig {
            program: Some(self.name().to_owned()),
            permission_mode: Some("acceptEdits".to_owned()),
            allowed_tools: Some(tools.map(str::to_owned).into()),
            setting_sources: Some("project".to_owned()),
            ..RuntimeConfig::default()
        }
    }

    fn has_our_models(&self) -> bool {
        true
    }

    fn launch(&self, order: &Order) -> Result<Launch, Unlaunchable> {
        let config = &order.runtime;
        let mut argv = vec![self.program(&order.spec, config)?.to_owned()];
        argv.extend(["-p", "--output-format", "stream-json", "--verbose"].map(str::to_owned));
        argv.extend(["--input-format", "stream-json", "--replay-user-messages"].map(str::to_owned));
        let spec = &order.spec;
        let options = [
            ("--setting-sources", config.setting_sources.clone()),
            ("--model", spec.model.clone()),
            ("--resume", spec.resume.as_ref().map(|it| it.session.clone())),
            ("--max-budget-usd", spec.budget_usd.map(|it| it.to_string())),
        ];
        for (flag, value) in options {
            argv.extend(value.into_iter().flat_map(|it| [flag.to_owned(), it]));
        }
        if let Some(program) = &order.reporter {
            argv.extend(["--strict-mcp-config", "--mcp-config"].map(str::to_owned));
            argv.push(input::mcp_config(program));
        }
        argv.extend(input::permissions(order));
        let mut environment = order.environment.clone();
        // A coordinator that was itself started by Claude Code would make its workers believe they are nested.
        environment.retain(|name, _| {
            let inherited = name == "CLAUDECODE" || name.starts_with("CLAUDE_CODE_");
            !inherited || config.pass_env.contains(name)
        });
        for (name, value) in ENVIRONMENT {
            environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        Ok(Launch::unattended(argv, input::user(order.spec.told(), None), environment))
    }

    fn reader(&self, _: RunKind) -> Box<dyn super::Reader> {
        Box::<Reader>::default()
    }

    fn keeps_to_budget(&self) -> bool {
        true
    }

    fn account(&self, environment: &BTreeMap<String, String>) -> Option<AccountName> {
        account::account(environment)
    }

    fn inquiry(&self) -> Option<&'static Inquiry> {
        Some(&Inquiry {
            install: "npm install --global @anthropic-ai/claude-code",
            log_in: "claude auth login",
            api_key: "ANTHROPIC_API_KEY",
            login: &["auth", "status", "--json"],
            read_login: login::read,
            unguarded: Some("bypassPermissions"),
            heeds_rules: true,
        })
    }

    /// Sessions are kept by the directory that they work in, in which everything but letters and digits becomes a dash.
    fn transcript(
        &self,
        environment: &BTreeMap<String, String>,
        worktree: &Utf8Path,
        session: &str,
    ) -> Option<Utf8PathBuf> {
        let own = environment.get("CLAUDE_CONFIG_DIR").map(Utf8PathBuf::from);
        let config = own.or_else(|| Some(Utf8Path::new(environment.get("HOME")?).join(".claude")))?;
        let slug = worktree.as_str().replace(|it: char| !it.is_ascii_alphanumeric(), "-");
        Some(config.join("projects").join(slug).join(format!("{session}.jsonl")))
    }

    fn take_over(&self, order: &Order, session: &str) -> Option<TakeOver> {
        let mut argv = vec![self.program(&order.spec, &order.runtime).ok()?.to_owned()];
        argv.extend(["--resume".to_owned(), session.to_owned()]);
        argv.extend(order.spec.model.iter().flat_map(|it| ["--model".to_owned(), it.clone()]));
        argv.extend(input::permissions(order));
        let places = ["HOME", "CLAUDE_CONFIG_DIR"].into_iter();
        let places = places.filter_map(|it| Some((it.to_owned(), order.environment.get(it)?.clone())));
        Some(TakeOver { argv, worktree: order.worktree.clone(), environment: places.collect() })
    }

    fn dialogue(&self) -> Option<Dialogue> {
        Some(Dialogue { message: input::message, interrupt: input::INTERRUPT })
    }
}

#[cfg(test)]
mod tests;
