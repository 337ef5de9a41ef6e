//! `coord gc`.

use coord_engine::gc::OnMachine;
use coord_proto::gc::{Gone, Stays};
use serde::Serialize;

use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::{Next, Tone, Ui};

/// Clear up what runs left on every machine, as `retention` in the configuration says
///
/// Agent servers do the same by themselves when nothing runs. What is not theirs is named and stays, and so does what
/// the newest run of a task left that is neither merged nor closed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Document {
    dry_run: bool,
    machines: Vec<MachineView>,
}

#[derive(Serialize)]
struct MachineView {
    machine: String,
    /// Why it could not be asked.
    problem: Option<String>,
    gone: Vec<Gone>,
    stays: Vec<Stays>,
}

impl From<OnMachine> for MachineView {
    fn from(OnMachine { machine, cleared }: OnMachine) -> Self {
        let machine = machine.to_string();
        match cleared {
            Ok(it) => Self { machine, problem: None, gone: it.gone, stays: it.stays },
            Err(problem) => Self { machine, problem: Some(problem), gone: Vec::new(), stays: Vec::new() },
        }
    }
}

/// Clears up.
///
/// # Errors
/// When the board cannot be read, or a machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    if let Some(here) = session.engine.settings().here.clone() {
        session.reach(&here, ui).await?;
    }
    let cleared = session.engine.clear_up(args.dry_run).await?;
    let machines: Vec<_> = cleared.into_iter().map(MachineView::from).collect();
    let unasked: Vec<_> =
        machines.iter().filter(|it| it.problem.is_some()).map(|it| it.machine.clone()).collect();
    let next = args.dry_run.then(|| Next::new("coord gc", "does it"));
    let lines: Vec<_> = machines.iter().flat_map(|it| lines(it, args.dry_run, ui)).collect();
    let document = Document { dry_run: args.dry_run, machines };
    ui.finish(&document, &lines.join("\n"), &next.into_iter().collect::<Vec<_>>())?;
    if unasked.is_empty() {
        return Ok(());
    }
    let error = CliError::new(ErrorKind::Unreachable, format!("not asked: {}", unasked.join(", ")))
        .hint("`coord doctor` checks every machine");
    // With --json the document has said it all.
    if ui.is_json() { Err(error.said()) } else { Err(error) }
}

fn lines(it: &MachineView, dry_run: bool, ui: &Ui) -> Vec<String> {
    let bytes: u64 = it.gone.iter().map(|it| it.bytes).sum();
    let verb = if dry_run { "would go" } else { "went" };
    let head = match &it.problem {
        Some(problem) => ui.paint(Tone::Bad, problem),
        None => format!("{} {verb}, {} kB of logs; {} stay", it.gone.len(), bytes / 1000, it.stays.len()),
    };
    let gone = it.gone.iter().map(|it| format!("  {verb}: {} {} ({})", it.what, it.name, it.why));
    let stays = it.stays.iter().map(|it| format!("  stays: {} ({})", it.name, it.why));
    std::iter::once(format!("{}: {head}", ui.paint(Tone::Strong, &it.machine)))
        .chain(gone)
        .chain(stays)
        .collect()
}
