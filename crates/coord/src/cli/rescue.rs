//! `coord rescue`: work that workers left uncommitted, stashed or unpublished.

use camino::Utf8PathBuf;
use clap::Subcommand;
use coord_core::name::RepoName;
use coord_engine::rescue::{Rescue, Wanted};
use coord_git::apply::{Applied, OnConflict};
use coord_proto::rescue::RescuePushed;
use serde::Serialize;

use self::view::{PushedView, RescueView, UnaskedView, human, line};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::{Next, Ui};

mod view;

/// How much of a patch is shown when nobody asks for all of it.
const SHOWN: usize = 64 * 1024;

/// List, show, apply and push work that workers left uncommitted
///
/// Whatever a worker leaves behind is kept in the repo store of its machine: files that it did not commit, stashes,
/// and commits that nobody published. An ID is a run, or a task for the newest run of it that left something.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: RescueCommand,
}

#[derive(Debug, Subcommand)]
enum RescueCommand {
    /// List what no branch of origin has, newest first
    List(List),
    /// Show what is in it, as a patch
    Show(Show),
    /// Bring it into a clone of yours, where it is staged and not committed; stashes become stashes
    Apply(Apply),
    /// Push it to origin, unless it seems to hold secrets
    Push(Push),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only that of a task, or of a run
    id: Option<String>,
    /// Only that of this repo
    #[arg(long)]
    repo: Option<RepoName>,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// A run, or a task
    id: String,
    /// All of the patch, however long, with the bytes of binary files
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct Apply {
    /// A run, or a task
    id: String,
    /// The clone; otherwise the one you are in
    dir: Option<Utf8PathBuf>,
    /// Leave conflict markers where it does not apply cleanly, instead of leaving the clone alone
    #[arg(long)]
    conflicts: bool,
}

#[derive(Debug, clap::Args)]
struct Push {
    /// A run, or a task
    id: String,
    /// Push it although it seems to hold secrets, and say why
    #[arg(long, value_name = "REASON", allow_hyphen_values = true)]
    anyway: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    rescues: Vec<RescueView>,
    unasked: Vec<UnaskedView>,
}

#[derive(Serialize)]
struct Shown {
    rescue: RescueView,
    patch: String,
    /// Whether there is more of the patch.
    cut: bool,
}

#[derive(Serialize)]
struct AppliedDocument {
    rescue: RescueView,
    path: String,
    files: Vec<String>,
    stashes: usize,
}

#[derive(Serialize)]
struct PushDocument {
    rescue: RescueView,
    push: PushedView,
}

/// Does what is asked.
///
/// # Errors
/// When there is nothing of that kind, its machine does not answer, or it was left alone.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    if let Some(here) = session.engine.settings().here.clone() {
        session.reach(&here, ui).await?;
    }
    match &args.command {
        RescueCommand::List(args) => list(args, &session, ui).await,
        RescueCommand::Show(args) => show(args, &session, ui).await,
        RescueCommand::Apply(args) => apply(args, &session, cx, ui).await,
        RescueCommand::Push(args) => push(args, &session, ui).await,
    }
}

async fn list(args: &List, session: &Session, ui: &Ui) -> Result<(), CliError> {
    let wanted = Wanted { id: args.id.clone(), repo: args.repo.clone() };
    let found = session.engine.rescues(&wanted).await?;
    let unasked = |(machine, reason): &(_, String)| UnaskedView::new(machine, reason);
    let document = Listed {
        rescues: found.rescues.iter().map(RescueView::from).collect(),
        unasked: found.unasked.iter().map(unasked).collect(),
    };
    for it in &document.unasked {
        ui.talk(&format!("machine {} could not be asked: {}", it.machine, it.reason));
    }
    if document.rescues.is_empty() {
        ui.talk("nothing is kept");
    }
    let lines: Vec<_> = document.rescues.iter().map(|it| line(it, ui)).collect();
    let first = document.rescues.first();
    let next = first.map(|it| Next::new(format!("coord rescue show {}", it.run), "shows what is in it"));
    ui.finish(&document, &lines.join("\n"), &next.into_iter().collect::<Vec<_>>())
}

async fn show(args: &Show, session: &Session, ui: &Ui) -> Result<(), CliError> {
    let rescue = session.engine.rescue(&args.id).await?;
    let patch = session.engine.rescue_patch(&rescue, (!args.all).then_some(SHOWN)).await?;
    let view = RescueView::from(&rescue);
    let run = view.run.clone();
    let mut next =
        vec![Next::new(format!("coord rescue apply {run}"), "brings it into the clone you are in")];
    if patch.cut {
        next.insert(0, Next::new(format!("coord rescue show {run} --all"), "shows the rest of the patch"));
    }
    if !ui.is_json() {
        ui.talk(&human(&view, ui));
        ui.talk("");
        // A patch may hold bytes that are no text, and is good for nothing without them.
        ui.bytes(&patch.bytes)?;
    }
    let text = String::from_utf8_lossy(&patch.bytes).into_owned();
    ui.finish(&Shown { rescue: view, patch: text, cut: patch.cut }, "", &next)
}

async fn apply(args: &Apply, session: &Session, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let rescue = session.engine.rescue(&args.id).await?;
    let path = cx.absolute(args.dir.as_deref().unwrap_or(".".into()));
    let on_conflict = if args.conflicts { OnConflict::Mark } else { OnConflict::LeaveAlone };
    let applied = session.engine.apply_rescue(&rescue, &path, on_conflict).await?;
    let (files, stashes) = match applied {
        Applied::Done { files, stashes } => (files, stashes),
        other @ (Applied::Conflicts { .. } | Applied::InTheWay { .. } | Applied::Behind) => {
            return Err(left_alone(&rescue, &path, other));
        }
    };
    let what = match (files.len(), stashes) {
        (0, 0) => "everything in it was there already".to_owned(),
        (files, 0) => format!("{files} files changed, and staged"),
        (files, stashes) => format!("{files} files changed, and staged; {stashes} on the stash"),
    };
    let document =
        AppliedDocument { rescue: RescueView::from(&rescue), path: path.to_string(), files, stashes };
    ui.finish(&document, &format!("{path}: {what}"), &[])
}

fn left_alone(rescue: &Rescue, path: &Utf8PathBuf, applied: Applied) -> CliError {
    let run = rescue.view.run;
    let again = format!("`coord rescue apply {run} {path}` tries again");
    let refused = |message: String| CliError::new(ErrorKind::Refused, message);
    match applied {
        Applied::Conflicts { files, marked: true } => {
            refused(format!("it conflicts in {path}: resolve the markers in {}", files.join(", ")))
                .hint(format!("`coord rescue show {run}` shows what was to be there"))
        }
        Applied::Conflicts { files, marked: false } => {
            refused(format!("it conflicts in {path}, which was left alone: {}", files.join(", "))).hint(
                format!("`coord rescue apply {run} {path} --conflicts` leaves markers for you to resolve"),
            )
        }
        Applied::InTheWay { files } => {
            refused(format!("{path} has changes of its own, and was left alone: {}", files.join(", ")))
                .hint(format!("commit or stash them first; then {again}"))
        }
        Applied::Behind => refused(format!("{path} lacks the commits that it builds on, and was left alone"))
            .hint(format!("fetch there first; then {again}")),
        Applied::Done { .. } => CliError::new(ErrorKind::Bug, "what was done was called left alone"),
    }
}

async fn push(args: &Push, session: &Session, ui: &Ui) -> Result<(), CliError> {
    let rescue = session.engine.rescue(&args.id).await?;
    let run = rescue.view.run;
    let pushed = session.engine.push_rescue(&rescue, args.anyway.clone()).await?;
    let show = Next::new(format!("coord rescue show {run}"), "shows what is in it");
    let document = |push| PushDocument { rescue: RescueView::from(&rescue), push };
    let (push, error) = match pushed {
        RescuePushed::Pushed { reference, commit, leaks } => {
            let text = format!("{reference} on origin is at {}", commit.short());
            return ui.finish(&document(PushedView::pushed(&reference, &leaks)), &text, &[]);
        }
        RescuePushed::Held { leaks } => {
            let view = PushedView::held(&leaks);
            for leak in &view.leaks {
                ui.talk(&format!("{}:{}: {}", leak.place, leak.line, leak.looks_like));
            }
            let error = "it seems to hold secrets, and was not pushed";
            let error = CliError::new(ErrorKind::Refused, error)
                .hint(format!("`coord rescue show {run}` shows what is in it"))
                .hint(format!("`coord rescue push {run} --anyway \"why\"` pushes it all the same"));
            (view, error)
        }
        RescuePushed::Refused { reason } => {
            return Err(CliError::new(ErrorKind::Refused, format!("origin refused it: {reason}"))
                .hint("`coord doctor` looks at every repo"));
        }
        RescuePushed::Unknown => {
            return Err(CliError::new(
                ErrorKind::Failed,
                "the machine said something that is not understood",
            )
            .hint("`coord version` says which version this is"));
        }
    };
    if ui.is_json() {
        ui.finish(&document(push), "", &[show])?;
        return Err(error.said());
    }
    Err(error)
}
