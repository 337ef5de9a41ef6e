//! `coord report`: what a worker says about its own work. Not for people.

use camino::{Utf8Path, Utf8PathBuf};
use coord_agent::report::{Asked, ReportError, Reporter};
use coord_core::report::{ARTIFACT, Decision, Finding, Report, Verdict};
use serde::Serialize;

use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::mcp;
use crate::ui::Ui;

/// Report from inside a run: how far it is, what is in the way, a question, a file, a verdict
///
/// For workers. The environment of a run says where to report to; each of these is an event of that run.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Offer the same as MCP tools on standard input and output, for a runtime that starts this
    #[arg(long)]
    mcp: bool,

    #[command(subcommand)]
    what: Option<What>,
}

/// What is reported.
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_subcommand = true)]
enum What {
    /// Say what is done and what comes next
    Status {
        /// In one line
        text: String,

        /// How sure you are that it will succeed, from 0 to 1
        #[arg(long, value_name = "0..1")]
        confidence: Option<f64>,
    },
    /// Say that you cannot go on, and why
    Stuck {
        /// What you tried, and what is in the way
        why: String,
    },
    /// Ask a person, wait for the answer and print it
    ///
    /// Interrupted, it can be asked again with the same words: it stays one question.
    Question {
        /// What you want to know
        text: String,

        /// An answer to choose from; may be repeated
        #[arg(long, value_name = "ANSWER")]
        option: Vec<String>,

        /// Print the question's number and do not wait
        #[arg(long)]
        no_wait: bool,
    },
    /// Hand over a file that is to be kept beside the commits, of 10 MiB at most
    Artifact {
        /// The file
        path: Utf8PathBuf,

        /// What to call it, instead of its own name
        #[arg(long)]
        name: Option<String>,
    },
    /// Say what you think of a change that you reviewed
    Verdict {
        /// Whether it may be merged, or has to change first
        decision: Word,

        /// Why, in a few sentences
        #[arg(long)]
        summary: String,

        /// What is wrong and where: `file:line text`; may be repeated
        #[arg(long, value_name = "FILE:LINE TEXT")]
        finding: Vec<Finding>,
    },
}

/// A verdict in a word.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Word {
    /// It may be merged as it is
    Approve,
    /// Something has to change first
    Changes,
}

#[derive(Serialize)]
struct Document {
    reported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

/// Reports it.
///
/// # Errors
/// When this is no run, the run is over, or the report is refused.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let reporter = Reporter::of(&cx.environment).ok_or_else(|| {
        CliError::new(ErrorKind::Usage, "nobody takes a report here: this is no run of coord")
            .hint("`coord status` shows what the workers have reported")
    })?;
    if args.mcp {
        return mcp::serve(reporter, cx.cwd.clone()).await;
    }
    let Some(what) = &args.what else { return Err(CliError::new(ErrorKind::Usage, "nothing to report")) };
    let none = Vec::new();
    let (report, content) = match what {
        What::Question { text, option, no_wait } => {
            let asked =
                reporter.ask(text.clone(), option.clone(), !no_wait).await.map_err(|it| unheard(&it))?;
            return told(asked, ui);
        }
        What::Status { text, confidence } => {
            (Report::Status { text: text.clone(), confidence: *confidence }, none)
        }
        What::Stuck { why } => (Report::Stuck { why: why.clone() }, none),
        What::Artifact { path, name } => artifact(&cx.cwd.join(path), name.clone())?,
        What::Verdict { decision, summary, finding } => {
            let decision = match decision {
                Word::Approve => Decision::Approve,
                Word::Changes => Decision::Changes,
            };
            let (summary, findings) = (summary.clone(), finding.clone());
            (Report::Verdict(Verdict { decision, summary, findings }), none)
        }
    };
    reporter.report(&report, &content).await.map_err(|it| unheard(&it))?;
    ui.finish(&Document { reported: true, question: None, answer: None }, "", &[])
}

/// Prints what became of a question.
fn told(asked: Asked, ui: &Ui) -> Result<(), CliError> {
    let (question, answer, human) = match asked {
        Asked::Open { question } => (Some(question), None, format!("question {question} is asked")),
        Asked::Answered { text } => (None, Some(text.clone()), text),
    };
    ui.finish(&Document { reported: true, question, answer }, &human, &[])
}

/// Reads a file to hand over.
///
/// # Errors
/// When it cannot be read, or is too large.
pub fn artifact(path: &Utf8Path, name: Option<String>) -> Result<(Report, Vec<u8>), CliError> {
    let unread = |error| CliError::new(ErrorKind::Failed, "the file cannot be handed over").because(error);
    let bytes = fs_err::metadata(path).map_err(unread)?.len();
    if bytes > ARTIFACT {
        let what = format!("{path} has {bytes} bytes; an artifact has at most {ARTIFACT}");
        return Err(CliError::new(ErrorKind::Usage, what));
    }
    let content = fs_err::read(path).map_err(unread)?;
    let name = name.or(path.file_name().map(str::to_owned)).unwrap_or_default();
    Ok((Report::Artifact { name, bytes: content.len() as u64 }, content))
}

fn unheard(error: &ReportError) -> CliError {
    let kind = match error {
        ReportError::Refused(_) => ErrorKind::Refused,
        ReportError::Over { .. } | ReportError::Unanswered => ErrorKind::Unreachable,
    };
    CliError::new(kind, error.to_string())
}
