//! `coord test`.

use camino::Utf8PathBuf;
use coord_core::again::Aim;
use coord_core::gate::{GateKind, Verdict};
use coord_core::task::TaskRef;
use coord_engine::again::command;
use coord_engine::test::Word;
use coord_engine::view::{GateView, RunView};
use serde::Serialize;

use crate::cli::watch;
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::render::Detail;
use crate::session::Session;
use crate::ui::{Next, Ui};

/// How much of a failed test's output goes into the task's history.
const EXCERPT: usize = 4000;

/// Test a change as it would be merged, or say yourself how it is
///
/// Without a flag, the change's head is merged onto the current base and the build and test commands are run
/// there, in a worktree of their own. With `--passed` or `--fail`, your own word is recorded instead.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A task, or a run of it
    id: String,

    /// You tried it, and it is good
    #[arg(long)]
    passed: bool,

    /// You tried it, and it is not
    #[arg(long, conflicts_with = "passed", requires = "reason")]
    fail: bool,

    /// What is wrong
    #[arg(long, requires = "fail", allow_hyphen_values = true)]
    reason: Option<String>,

    /// A file with output that shows it; told to the next worker
    #[arg(long, value_name = "FILE", requires = "fail")]
    output: Option<Utf8PathBuf>,

    /// Only start the test; `coord wait` waits for it
    #[arg(long, conflicts_with_all = ["passed", "fail"])]
    detach: bool,
}

#[derive(Serialize)]
struct Document {
    gate: GateView,
    run: Option<RunView>,
}

#[derive(Serialize)]
struct Detached {
    run: RunView,
}

/// Tests it.
///
/// # Errors
/// When there is nothing to test, or it did not pass.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let task = session.engine.resolve(&args.id).await?.task().clone();
    if args.passed || args.fail {
        let who = cx.environment.get("USER").cloned().unwrap_or_else(|| "a person".to_owned());
        let verdict =
            if args.passed { Verdict::Passed } else { Verdict::Failed { reason: reason(args, cx)? } };
        session.engine.record_word(&task, Word { who, verdict }).await?;
        return report(&session, &task, GateKind::Person, None, ui).await;
    }
    if let Some(here) = &session.engine.settings().here {
        session.reach(here, ui).await?;
    }
    let run = session.engine.start_test(&task).await?;
    if args.detach {
        let next = Next::new(format!("coord wait {}", run.id), "wait until it has ended");
        return ui.finish(
            &Detached { run: RunView::from(&run) },
            &format!("run {} tests {task}", run.id),
            &[next],
        );
    }
    if !ui.is_json() {
        ui.talk(&format!("run {} tests {task} merged onto its base", run.id));
        let mut following = session.engine.follow(run.id, 0).await?;
        while let Some(event) = following.next().await? {
            if let Some(text) = crate::render::line(&event, Detail::Important, ui) {
                ui.talk(&text);
            }
        }
    }
    let run = session.engine.wait_for_run(run.id, None).await?;
    session.engine.tell_gates(&task).await?;
    let verdict = watch::verdict(&run);
    report(&session, &task, GateKind::Tests, Some(RunView::from(&run)), ui).await?;
    // The document has told it already, if one was printed.
    if ui.is_json() { verdict.map_err(CliError::said) } else { verdict }
}

fn reason(args: &Args, cx: &Context) -> Result<String, CliError> {
    let reason = args.reason.clone().unwrap_or_default();
    let Some(file) = &args.output else { return Ok(reason) };
    let output = fs_err::read(cx.absolute(file)).map_err(|error| {
        CliError::new(ErrorKind::NotFound, "cannot read the output")
            .because(error)
            .hint("name a file that exists; `coord test --help` shows how")
    })?;
    let output = String::from_utf8_lossy(&output);
    let skipped = output.chars().count().saturating_sub(EXCERPT);
    let tail: String = output.chars().skip(skipped).collect();
    let cut = if skipped > 0 { format!("({skipped} characters before this)\n") } else { String::new() };
    Ok(format!("{reason}\n{cut}{tail}"))
}

async fn report(
    session: &Session,
    task: &TaskRef,
    kind: GateKind,
    run: Option<RunView>,
    ui: &Ui,
) -> Result<(), CliError> {
    let gates = session.engine.gates(task).await?;
    let gate = gates.iter().find(|it| it.kind == kind).map(GateView::from).unwrap_or(GateView {
        gate: kind.as_str(),
        state: "unknown",
        required: false,
        detail: format!("{}: nothing is known", kind.as_str()),
    });
    let next = match gate.state {
        "passed" => vec![Next::new(format!("coord pr {task}"), "open its pull request")],
        "failed" => vec![Next::new(command(Aim::Fix, task, false), "have it mended")],
        _ => vec![Next::new(
            format!("coord assign auto {} {}", task.repo, task.number),
            "let a worker continue on the same branch",
        )],
    };
    let human = gate.detail.clone();
    ui.finish(&Document { gate, run }, &human, &next)
}
