//! `coord attach`.

use std::io::IsTerminal as _;
use std::process::ExitStatus;

use coord_agent::attach::{AttachError, Attached, attach};
use coord_agent::layout::Home;
use coord_agent::process::MARKER;
use coord_core::run::Run;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::watch;
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::{Next, Ui};

/// Take a worker's session over, in this terminal
///
/// The worker ends its turn, and its session goes on here, in the same worktree, until you leave it; nobody else can have
/// it meanwhile. Then the run ends as any other does: what was committed is published, what was not is kept. Closing
/// the terminal, or losing it, hands the session back as well.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run, or a task for its newest run
    id: String,
}

/// Takes it over, and waits for the end of the run once it is handed back.
///
/// # Errors
/// When the run is over, on another machine or somebody else's, or there is no terminal here.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let run = session.engine.resolve_run(&args.id, None).await?;
    let run = session.engine.settle_run(run.id).await?;
    is_here(&run, &session)?;
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        let what = "a session can only be taken over in a terminal";
        let hint = format!("`coord tell {} \"…\"` tells the worker something without one", run.id);
        return Err(CliError::new(ErrorKind::Usage, what).hint(hint));
    }
    session.wake(&run, ui).await?;
    ui.talk(&format!("run {} ends its turn; then its session is yours", run.id));
    let who = cx.environment.get("USER").cloned().unwrap_or_else(|| "a person".to_owned());
    let attached = attach(&Home::new(cx.home.clone()).run(run.id), &who).await;
    let attached = attached.map_err(|error| unattached(&run, &error))?;
    let left = go_on(&attached, &run).await?;
    drop(attached);
    if !left.success() {
        ui.talk(&format!("the session ended with {left}"));
    }
    let run = session.engine.wait_for_run(run.id, None).await?;
    if let Some(kept) = watch::kept(&run) {
        ui.talk(&kept);
    }
    ui.talk(&watch::summary(&run));
    let next = Next::new(format!("coord why {}", run.task), "see where its task stands");
    ui.finish(&(), "", &[next])
}

/// Whether the run is under way on this machine; otherwise how to get at it.
fn is_here(run: &Run, session: &Session) -> Result<(), CliError> {
    let refused = |what: String| CliError::new(ErrorKind::Refused, what);
    if run.state.end().is_some() {
        let hint = format!("`coord why {}` says where its task stands", run.task);
        return Err(refused(format!("run {} has ended, and so has its session", run.id)).hint(hint));
    }
    let settings = session.engine.settings();
    match run.machine() {
        Some(machine) if settings.here.as_ref() != Some(machine) => {
            let host = settings.machine(machine).map_or(machine.as_str(), |it| it.host.as_str());
            Err(refused(format!("run {} is on machine {machine}, and its session with it", run.id))
                .hint(format!("run there: ssh -t {host} coord attach {}", run.id)))
        }
        Some(_) => Ok(()),
        None => Err(refused(format!("run {} has not started", run.id))
            .hint(format!("`coord why {}` says what it waits for", run.id))),
    }
}

fn unattached(run: &Run, error: &AttachError) -> CliError {
    let hint = format!("`coord why {}` says who or what has it", run.id);
    CliError::new(ErrorKind::Refused, format!("run {}: {error}", run.id)).hint(hint)
}

/// Runs the person's program to its end. Whatever the keyboard sends is for that program, and it carries the mark of
/// the run, so that it does not stay when this one is killed.
async fn go_on(attached: &Attached, run: &Run) -> Result<ExitStatus, CliError> {
    let failed =
        |error| CliError::new(ErrorKind::Failed, "the session cannot be gone on with").because(error);
    let _for_the_program = [SignalKind::interrupt(), SignalKind::quit()]
        .map(signal)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    let take_over = &attached.take_over;
    let (program, arguments) = take_over.argv.split_first().expect("there is a program to run");
    Command::new(program)
        .args(arguments)
        .current_dir(&take_over.worktree)
        .envs(&take_over.environment)
        .env(MARKER, run.id.to_string())
        .status()
        .await
        .map_err(failed)
}
