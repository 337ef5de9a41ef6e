//! The reports of [`crate::cli::report`] as tools of an MCP server on standard input and output, which the worker's own
//! runtime starts.
//!
//! A report that is refused is the answer of a tool that did not work, which the model reads and can do better; only
//! what is no call of a tool at all is an error of the protocol. Standard output belongs to the protocol.

use camino::Utf8PathBuf;
use coord_agent::report::{Asked, MCP_SERVER, ReportError, Reporter};
use coord_core::report::{Decision, Finding, Report, Verdict};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock, Implementation, ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use serde::Deserialize;

use crate::cli::report::artifact;
use crate::error::{CliError, ErrorKind};

/// The server of one run.
struct Server {
    reporter: Reporter,
    /// What relative paths are relative to.
    cwd: Utf8PathBuf,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct StatusArguments {
    /// What is done and what comes next, in one line
    text: String,
    /// How sure you are that it will succeed, from 0 to 1
    #[serde(default)]
    confidence: Option<f64>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct StuckArguments {
    /// What you tried, and what is in the way
    why: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct QuestionArguments {
    /// What you want to know
    text: String,
    /// Answers to choose from; leave it out when any will do
    #[serde(default)]
    options: Vec<String>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct ArtifactArguments {
    /// The file, of 10 MiB at most
    path: String,
    /// What to call it, instead of its own name
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct VerdictArguments {
    /// Whether the change may be merged as it is, or something has to change first
    decision: Word,
    /// Why, in a few sentences
    summary: String,
    /// What is wrong, and where
    #[serde(default)]
    findings: Vec<FindingArguments>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Approve,
    Changes,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct FindingArguments {
    /// The file, as a path in the repo
    file: String,
    /// The line, counting from 1
    line: u32,
    /// What is wrong there
    text: String,
}

#[tool_router]
impl Server {
    #[tool(
        description = "Say how far you are: what is done and what comes next. People watch it; do it now and then."
    )]
    async fn report_status(&self, Parameters(it): Parameters<StatusArguments>) -> CallToolResult {
        self.report(&Report::Status { text: it.text, confidence: it.confidence }, &[]).await
    }

    #[tool(description = "Say that you cannot go on, what you tried and what is in the way. Then stop.")]
    async fn report_stuck(&self, Parameters(it): Parameters<StuckArguments>) -> CallToolResult {
        self.report(&Report::Stuck { why: it.why }, &[]).await
    }

    #[tool(
        description = "Ask a person something that only they can say, and wait for the answer. It may take long."
    )]
    async fn ask_question(&self, Parameters(it): Parameters<QuestionArguments>) -> CallToolResult {
        match self.reporter.ask(it.text, it.options, true).await {
            Ok(Asked::Answered { text }) => worked(text),
            Ok(Asked::Open { question }) => worked(format!("question {question} is asked")),
            Err(error) => failed(&error),
        }
    }

    #[tool(
        description = "Hand over a file that is to be kept beside the commits, such as a report or a screenshot."
    )]
    async fn report_artifact(&self, Parameters(it): Parameters<ArtifactArguments>) -> CallToolResult {
        match artifact(&self.cwd.join(it.path), it.name) {
            Ok((report, content)) => self.report(&report, &content).await,
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.chain())]),
        }
    }

    #[tool(description = "Say what you think of a change that you were asked to review.")]
    async fn report_verdict(&self, Parameters(it): Parameters<VerdictArguments>) -> CallToolResult {
        let decision = match it.decision {
            Word::Approve => Decision::Approve,
            Word::Changes => Decision::Changes,
        };
        let findings = it.findings.into_iter();
        let findings = findings.map(|it| Finding { file: it.file, line: it.line, text: it.text }).collect();
        self.report(&Report::Verdict(Verdict { decision, summary: it.summary, findings }), &[]).await
    }
}

impl Server {
    async fn report(&self, report: &Report, content: &[u8]) -> CallToolResult {
        match self.reporter.report(report, content).await {
            Ok(()) => worked("recorded".to_owned()),
            Err(error) => failed(&error),
        }
    }
}

#[tool_handler]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let info = Implementation::new(MCP_SERVER, crate::cli::version::VERSION);
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(info)
    }
}

fn worked(text: String) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

fn failed(error: &ReportError) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(error.to_string())])
}

/// Serves until whoever started it hangs up.
///
/// # Errors
/// When nobody speaks MCP at the other end.
pub async fn serve(reporter: Reporter, cwd: Utf8PathBuf) -> Result<(), CliError> {
    let broken = |what| CliError::new(ErrorKind::Failed, what);
    let serving = Server { reporter, cwd }.serve(rmcp::transport::stdio()).await;
    let serving = serving.map_err(|error| broken("nobody speaks MCP here").because(error))?;
    serving.waiting().await.map_err(|error| broken("the MCP server broke off").because(error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_allowed_the_tools_that_there_are() {
        let mut tools: Vec<_> = Server::tool_router().list_all().into_iter().map(|it| it.name).collect();
        tools.sort();
        assert_eq!(tools, coord_agent::report::MCP_TOOLS);
    }
}
