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

    /// Merge into `--repo` again although GitHub has merged something untested there, and say why
    #[arg(long, value_name = "REASON", requires = "repo", conflicts_with = "dry_run")]
    resume: Option<String>,

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
    pull_request: Option<u64>,
    commit: String,
}

#[derive(Serialize)]
struct Parked {
    task: String,
    pull_request: Option<u64>,
    reason: String,
}

#[derive(Serialize)]
struct Planned {
    task: String,
    pull_request: Option<u64>,
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
    if args.dry_run {
        let steps = engine.plan_merge(&wish).await?;
        for step in &steps {
            say(step, ui)?;
        }
        return report(&steps, ui);
    }
    if let (Some(reason), Some(repo)) = (&args.resume, &args.repo) {
        let paused = engine.resume_merging(repo, reason).await?;
        ui.talk(if paused { "merging goes on" } else { "merging was not paused" });
    }
    if let Some(here) = &engine.settings().here {
        session.reach(here, ui).await?;
    }
    let mut said = Ok(());
    let mut tell = |progress: Progress<'_>| match progress {
        Progress::Testing { task, run, because } => {
            let because = because.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            ui.talk(&format!("{task}: run {} tests it first ({because})", run.id));
        }
        // A reader who has gone away stops the telling, not the merging.
        Progress::Step(step) if said.is_ok() => said = say(step, ui),
        Progress::Step(_) => {}
    };
    let steps = engine.merge(&wish, &mut tell).await?;
    said?;
    report(&steps, ui)
}

async fn named(engine: &Engine, texts: &[String]) -> Result<Vec<TaskRef>, CliError> {
    let mut tasks = Vec::new();
    for text in texts {
        tasks.push(engine.resolve(text).await?.task().clone());
    }
    Ok(tasks)
}

/// Tells people what happened to one change; programs get it all in one document.
fn say(step: &Step, ui: &Ui) -> Result<(), CliError> {
    if ui.is_json() {
        return Ok(());
    }
    let number = step.pull_request.map_or(String::new(), |it| format!(" (#{it})"));
    let which = format!("{}{number}", step.task);
    ui.data(&match &step.fate {
        Fate::Merged(commit) => format!("{} {which} by {}", ui.paint(Tone::Good, "merged"), commit.short()),
        Fate::WouldMerge => format!("{} {which}", ui.paint(Tone::Good, "would merge")),
        Fate::WouldTest(why) => format!("would test {which} first: {}", why.join("; ")),
        Fate::Parked(why) => format!("{} {which}: {}", ui.paint(Tone::Bad, "left alone"), why.join("; ")),
    })
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
    let why = |it: &Parked| Next::new(format!("coord why {}", it.task), "explains what holds it");
    let next: Vec<_> = document.parked.iter().map(why).collect();
    if ui.is_json() {
        ui.finish(&document, "", &next)?;
    } else if steps.is_empty() {
        ui.talk("no pull request is open; `coord status` shows what there is");
    }
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
