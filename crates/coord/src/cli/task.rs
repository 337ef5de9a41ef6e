//! `coord task`: issues, on whichever forge their repo has.

use camino::Utf8PathBuf;
use clap::Subcommand;
use coord_board::{NewTask, TaskEdit};
use coord_core::name::RepoName;
use coord_core::task::TaskRef;
use coord_engine::Engine;
use coord_engine::view::TaskView;
use serde::Serialize;

use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::{Next, Tone, Ui};

/// Add, list, show, edit, close and reopen tasks
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: TaskCommand,
}

#[derive(Debug, Subcommand)]
enum TaskCommand {
    /// Add a task
    Add(Add),
    /// List tasks, newest first
    List(List),
    /// Show one task with its whole text
    Show(Show),
    /// Change the text or the relations of an open task
    Edit(Edit),
    /// Close a task that is no longer wanted
    Close(Close),
    /// Open a task again that was closed
    Reopen(Show),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The repo it wants changed
    repo: RepoName,
    /// One line
    #[arg(allow_hyphen_values = true)]
    title: String,
    /// The whole request
    #[arg(long, allow_hyphen_values = true)]
    body: Option<String>,
    /// A file with the whole request; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    body_file: Option<Utf8PathBuf>,
    /// A task that must be merged first (repeatable)
    #[arg(long, value_name = "TASK", value_delimiter = ',')]
    after: Vec<String>,
    /// A label (repeatable)
    #[arg(long, value_delimiter = ',')]
    label: Vec<String>,
    /// A path that is expected to change (repeatable)
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    files: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only tasks of this repo
    #[arg(long)]
    repo: Option<RepoName>,
    /// Merged and closed tasks as well
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The task
    task: String,
}

#[derive(Debug, clap::Args)]
struct Edit {
    /// The task
    task: String,
    /// A new title
    #[arg(long, allow_hyphen_values = true)]
    title: Option<String>,
    /// A new body
    #[arg(long, allow_hyphen_values = true)]
    body: Option<String>,
    /// A file with a new body; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    body_file: Option<Utf8PathBuf>,
    /// The tasks that must be merged first, instead of those so far (repeatable)
    #[arg(long, value_name = "TASK", value_delimiter = ',')]
    after: Vec<String>,
    /// Wait for no task
    #[arg(long, conflicts_with = "after")]
    no_after: bool,
    /// The labels, instead of those so far (repeatable)
    #[arg(long, value_delimiter = ',')]
    label: Vec<String>,
    /// The paths that are expected to change, instead of those so far (repeatable)
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    files: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Close {
    /// The task
    task: String,
    /// Why
    #[arg(long, default_value = "no longer wanted")]
    reason: String,
}

#[derive(Serialize)]
struct One {
    task: TaskView,
}

#[derive(Serialize)]
struct Many {
    tasks: Vec<TaskView>,
}

/// Runs one of them.
///
/// # Errors
/// When the task, its repo or a task it is to wait for is unknown, or its state does not allow it.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let Session { engine, .. } = Session::open(cx).await?;
    match &args.command {
        TaskCommand::Add(args) => add(args, &engine, cx, ui).await,
        TaskCommand::List(args) => list(args, &engine, ui).await,
        TaskCommand::Show(args) => show(args, &engine, ui).await,
        TaskCommand::Edit(args) => edit(args, &engine, cx, ui).await,
        TaskCommand::Close(args) => {
            let task = named(&engine, &args.task).await?;
            let task = engine.close_task(&task, &args.reason).await?;
            ui.finish(&One { task: TaskView::from(&task) }, &format!("closed {}", task.task), &[])
        }
        TaskCommand::Reopen(args) => {
            let task = engine.reopen_task(&named(&engine, &args.task).await?).await?;
            ui.finish(&One { task: TaskView::from(&task) }, &format!("opened {} again", task.task), &[])
        }
    }
}

async fn add(args: &Add, engine: &Engine, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let body = body(args.body.as_ref(), args.body_file.as_ref(), cx)?.unwrap_or_default();
    let task = engine
        .add_task(NewTask {
            repo: args.repo.clone(),
            title: args.title.clone(),
            body,
            labels: args.label.clone(),
            files: args.files.clone(),
            after: all_named(engine, &args.after).await?,
        })
        .await?;
    let next = if task.after.is_empty() {
        let assign = format!("coord assign auto {} {}", task.task.repo, task.task.number);
        Next::new(assign, "give it to a worker")
    } else {
        Next::new(format!("coord why {}", task.task), "see what it waits for")
    };
    ui.finish(&One { task: TaskView::from(&task) }, &format!("added {}: {}", task.task, task.title), &[next])
}

async fn list(args: &List, engine: &Engine, ui: &Ui) -> Result<(), CliError> {
    if let Err(error) = engine.sync_issues(args.repo.as_ref()).await {
        let error = CliError::from(error);
        if !matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Refused | ErrorKind::Unauthorised) {
            return Err(error);
        }
        ui.talk(&format!("as of the last look, since {}", error.chain()));
    }
    let tasks = engine.tasks(args.repo.clone(), !args.all).await?;
    let lines = tasks.iter().map(|task| {
        let labels =
            if task.labels.is_empty() { String::new() } else { format!("  [{}]", task.labels.join(", ")) };
        format!("{:<14} {:<7} {}{labels}", task.task.to_string(), task.state.as_str(), task.title)
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    if tasks.is_empty() {
        ui.talk("no tasks; add one with `coord task add REPO TITLE`");
    }
    ui.finish(&Many { tasks: tasks.iter().map(TaskView::from).collect() }, &text, &[])
}

async fn show(args: &Show, engine: &Engine, ui: &Ui) -> Result<(), CliError> {
    let task = engine.fresh_task(&named(engine, &args.task).await?).await?;
    let author = task.origin.as_ref().map(|it| format!("{} ({})", it.author, it.association));
    let fields = [
        ("state", task.state.as_str().to_owned()),
        ("author", author.unwrap_or_default()),
        ("page", task.origin.as_ref().map(|it| it.url.clone()).unwrap_or_default()),
        ("milestone", task.origin.as_ref().and_then(|it| it.milestone.clone()).unwrap_or_default()),
        ("labels", task.labels.join(", ")),
        ("files", task.files.join(", ")),
        ("after", task.after.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    ];
    let mut lines = vec![format!("{} {}", ui.paint(Tone::Strong, &task.task), task.title)];
    let fields = fields.iter().filter(|(_, value)| !value.is_empty());
    lines.extend(fields.map(|(name, value)| format!("{name}: {value}")));
    if !task.body.is_empty() {
        lines.push(format!("\n{}", task.body));
    }
    let text = lines.join("\n");
    ui.finish(&One { task: TaskView::from(&task) }, &text, &[])
}

async fn edit(args: &Edit, engine: &Engine, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let task = named(engine, &args.task).await?;
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let after = match (args.no_after, args.after.is_empty()) {
        (true, _) => Some(Vec::new()),
        (false, true) => None,
        (false, false) => Some(all_named(engine, &args.after).await?),
    };
    let edit = TaskEdit {
        title: args.title.clone(),
        body: body(args.body.as_ref(), args.body_file.as_ref(), cx)?,
        labels: some(&args.label),
        files: some(&args.files),
        after,
    };
    let task = engine.edit_task(&task, edit).await?;
    ui.finish(&One { task: TaskView::from(&task) }, &format!("edited {}", task.task), &[])
}

async fn named(engine: &Engine, text: &str) -> Result<TaskRef, CliError> {
    Ok(engine.resolve(text).await?.task().clone())
}

async fn all_named(engine: &Engine, texts: &[String]) -> Result<Vec<TaskRef>, CliError> {
    let mut tasks = Vec::new();
    for text in texts {
        tasks.push(named(engine, text).await?);
    }
    Ok(tasks)
}

fn body(text: Option<&String>, file: Option<&Utf8PathBuf>, cx: &Context) -> Result<Option<String>, CliError> {
    let Some(file) = file else { return Ok(text.cloned()) };
    let read = if file == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        fs_err::read_to_string(cx.absolute(file))
    };
    read.map(Some).map_err(|error| {
        let gone = error.kind() == std::io::ErrorKind::NotFound;
        let kind = if gone { ErrorKind::NotFound } else { ErrorKind::Usage };
        CliError::new(kind, "cannot read the body")
            .because(error)
            .hint("name a text file, or `-` for standard input; `coord task add --help` shows how")
    })
}
