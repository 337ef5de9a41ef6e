//! `coord merge`.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use coord_core::name::RepoName;
use coord_core::repo::MergeMethod;
use coord_core::task::TaskRef;
use coord_engine::Engine;
use coord_engine::merge::{Fate, MergeWish, Progress, Step};
use serde::Serialize;

use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::{Next, Tone, Ui};

/// Merge what may be merged, one change at a time
///
/// A change whose tests are stale is tested again on the current base first. A change that cannot merge is left
/// alone, with every reason, and the next one is tried.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these tasks; otherwise every open pull request
    tasks: Vec<String>,

    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,

    /// Only this repo
    #[arg(long)]
    repo: Option<RepoName>,

    /// How the change becomes part of its base, instead of the repo's `merge_method`
    #[arg(long, value_enum)]
    method: Option<Method>,

    /// These tasks first, in this order
    #[arg(long, value_name = "TASK,…", value_delimiter = ',')]
    order: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Method(MergeMethod);

impl ValueEnum for Method {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Method; 3] =
            [Method(MergeMethod::ALL[0]), Method(MergeMethod::ALL[1]), Method(MergeMethod::ALL[2])];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}

#[derive(Serialize)]
struct Document {
    merged: Vec<Merged>,
    parked: Vec<Parked>,
    planned: Vec<Planned>,
}

#[derive(Serialize)]
struct Merged {
    task: String,
    pull_request: u64,
    commit: String,
}

#[derive(Serialize)]
struct Parked {
    task: String,
    pull_request: u64,
    reason: String,
}

#[derive(Serialize)]
struct Planned {
    task: String,
    pull_request: u64,
    step: &'static str,
    reason: String,
}

/// Merges them.
///
/// # Errors
/// Refused when a change was left alone; what could be merged is merged all the same.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let engine = &session.engine;
    let wish = MergeWish {
        repo: args.repo.clone(),
        order: named(engine, &args.order).await?,
        only: named(engine, &args.tasks).await?,
        method: args.method.map(|it| it.0),
    };
    let steps = if args.dry_run {
        engine.plan_merge(&wish).await?
    } else {
        if let Some(here) = &engine.settings().here {
            session.reach(here, ui).await?;
        }
        engine.merge(&wish, &mut |progress| ui.talk(&told(&progress, ui))).await?
    };
    report(&steps, ui)
}

async fn named(engine: &Engine, texts: &[String]) -> Result<Vec<TaskRef>, CliError> {
    let mut tasks = Vec::new();
    for text in texts {
        tasks.push(engine.resolve(text).await?.task().clone());
    }
    Ok(tasks)
}

fn told(progress: &Progress<'_>, ui: &Ui) -> String {
    match progress {
        Progress::Testing { task, run, because } => {
            let because = because.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            format!("{task}: run {} tests it first ({because})", run.id)
        }
        Progress::Step(step) => sentence(step, ui),
    }
}

fn sentence(step: &Step, ui: &Ui) -> String {
    let (task, number) = (&step.task, step.pull_request);
    match &step.fate {
        Fate::Merged(commit) => {
            format!("{} {task} (#{number}) by {}", ui.paint(Tone::Good, "merged"), commit.short())
        }
        Fate::WouldMerge => format!("{} {task} (#{number})", ui.paint(Tone::Good, "would merge")),
        Fate::WouldTest(why) => format!("would test {task} (#{number}) first: {}", why.join("; ")),
        Fate::Parked(why) => {
            format!("{} {task} (#{number}): {}", ui.paint(Tone::Bad, "left alone"), why.join("; "))
        }
    }
}

fn report(steps: &[Step], ui: &Ui) -> Result<(), CliError> {
    let mut document = Document { merged: Vec::new(), parked: Vec::new(), planned: Vec::new() };
    for step in steps {
        let (task, pull_request) = (step.task.to_string(), step.pull_request);
        match &step.fate {
            Fate::Merged(commit) => {
                document.merged.push(Merged { task, pull_request, commit: commit.to_string() });
            }
            Fate::Parked(why) => document.parked.push(Parked { task, pull_request, reason: why.join("; ") }),
            Fate::WouldMerge => {
                document.planned.push(Planned { task, pull_request, step: "merge", reason: String::new() });
            }
            Fate::WouldTest(why) => {
                document.planned.push(Planned { task, pull_request, step: "test", reason: why.join("; ") });
            }
        }
    }
    let lines: Vec<_> = steps.iter().map(|it| sentence(it, ui)).collect();
    let human = if steps.is_empty() { "no pull request is open".to_owned() } else { lines.join("\n") };
    let next: Vec<_> = document.parked.iter().map(|it| why(&it.task)).collect();
    ui.finish(&document, &human, &next)?;
    if document.parked.is_empty() {
        return Ok(());
    }
    let count = document.parked.len();
    let noun = if count == 1 { "change was" } else { "changes were" };
    let mut error = CliError::new(ErrorKind::Refused, format!("{count} {noun} left alone"));
    error.hints = next.into_iter().map(|it| format!("`{}` {}", it.command, it.why)).collect();
    // With --json the document has said it all; one document is what is printed.
    if ui.is_json() { Err(error.said()) } else { Err(error) }
}

fn why(task: &str) -> Next {
    Next::new(format!("coord why {task}"), "explains what holds it")
}
