//! `coord assign`.

use camino::Utf8PathBuf;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use coord_agent::runtime;
use coord_core::claim::Said;
use coord_core::name::{MachineName, RepoName, RuntimeName};
use coord_core::queue::Wish;
use coord_core::run::Run;
use coord_core::task::TaskRef;
use coord_engine::assign::{Assigned, Assignment, Otherwise};
use coord_engine::view::RunView;
use serde::Serialize;

use crate::cli::watch;
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::{Next, Tone, Ui};

/// Give a task to a worker
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Where to: a machine of the configuration, or `auto`
    machine: String,

    /// The repo
    repo: RepoName,

    /// The number of the task
    task: String,

    /// The model, instead of the one that labels and configuration give
    #[arg(long)]
    model: Option<String>,

    /// The runtime, instead of the configured one
    #[arg(long, value_parser = PossibleValuesParser::new(runtime::ALL.iter().map(|it| it.name())).try_map(|it| it.parse::<RuntimeName>()))]
    runtime: Option<RuntimeName>,

    /// Something to tell the worker on top of the task
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    briefing: Option<String>,

    /// The same, from a file
    #[arg(long, value_name = "FILE", conflicts_with = "briefing")]
    briefing_file: Option<Utf8PathBuf>,

    /// Do it although somebody else has a claim to it (a branch, a pull request, an assignee), and say why
    #[arg(long, value_name = "REASON", allow_hyphen_values = true)]
    take: Option<String>,

    /// Do it although its author is not among those trusted (`issues.trusted`); read it first
    #[arg(long)]
    trust: bool,

    /// Only say what would be done, with every reason why it could not
    #[arg(long)]
    dry_run: bool,

    /// Watch the worker until it has finished
    #[arg(long)]
    watch: bool,

    /// Refuse it when it cannot start now; otherwise it is queued, and starts by itself
    #[arg(long)]
    no_queue: bool,
}

#[derive(Serialize)]
struct Document {
    run: RunView,
    /// In which session it goes on, where it goes on from another run.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionView>,
}

#[derive(Serialize)]
struct DryRun {
    /// The run as it would be: nothing has given it an id.
    run: PlanView,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionView>,
}

/// In which session a change is gone on with.
#[derive(Serialize)]
struct SessionView {
    /// `in-place`, `moved` or `new`; `later` while that is decided when it starts.
    how: &'static str,
    /// The session, as its runtime calls it, when it is an old one.
    id: Option<String>,
    /// The same in a sentence.
    detail: String,
    /// What the worker is told in an old session; in a new one it is the prompt of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
}

#[derive(Serialize)]
struct PlanView {
    task: String,
    title: String,
    machine: Option<String>,
    runtime: String,
    model: Option<String>,
    branch: String,
    kind: &'static str,
    attempt: u32,
    prompt: String,
    blockers: Vec<String>,
    /// Whether it would be queued until none of these is left.
    can_wait: bool,
}

/// Assigns it.
///
/// # Errors
/// When task, repo or machine are unknown, something is in the way, or the machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let plan = session.engine.plan_assignment(&task(args)?, wish(args, cx)?).await?;
    if args.dry_run {
        return show(&plan, ui);
    }
    let otherwise = if args.no_queue { Otherwise::Refuse } else { Otherwise::Queue };
    give_out(&session, plan, otherwise, args.watch, ui).await
}

/// Has a plan carried out, and says what came of it.
///
/// # Errors
/// When something is in the way, or the machine does not answer; when it is watched, also when its end is not a good
/// one.
pub async fn give_out(
    session: &Session,
    plan: Assignment,
    otherwise: Otherwise,
    watch: bool,
    ui: &Ui,
) -> Result<(), CliError> {
    if let (Some(machine), true) = (&plan.machine, plan.blockers.is_empty()) {
        session.reach(&machine.name, ui).await?;
    }
    let goes_on = going_on(&plan, false);
    let (view, run, human) = match session.engine.assign(plan, otherwise).await? {
        Assigned::Started(run) => {
            session.engine.tell(run.id).await;
            (RunView::from(&run), run.id, works(&run))
        }
        Assigned::Queued { run, place, blockers } => {
            let waits_for = blockers.iter().map(ToString::to_string).collect();
            let view = RunView { place: Some(place), waits_for, ..RunView::from(&run) };
            let human = watch::queued(&view);
            (view, run.id, human)
        }
    };
    let next = [
        Next::new(format!("coord watch {run}"), "see what it does"),
        Next::new(format!("coord wait {run}"), "wait until it has finished"),
    ];
    let human = goes_on.iter().fold(human, |human, it| format!("{human}\nit {}", it.detail));
    if watch && !ui.is_json() {
        ui.talk(&human);
    } else {
        ui.finish(&Document { run: view, session: goes_on }, &human, &next)?;
    }
    if watch {
        return watch::watch(&session.engine, run, crate::render::Detail::Important, None, ui).await;
    }
    Ok(())
}

fn works(run: &Run) -> String {
    let on = run.machine().map_or(String::new(), |it| format!(" on {it}"));
    let model = run.model.as_ref().map_or(String::new(), |it| format!(", model {it}"));
    format!("run {} works on {}{on} ({}{model}), branch {}", run.id, run.task, run.runtime, run.branch)
}

fn task(args: &Args) -> Result<TaskRef, CliError> {
    let number = args.task.trim_start_matches('#').parse().map_err(|_| {
        CliError::new(ErrorKind::Usage, format!("`{}` is not the number of a task", args.task))
            .hint(format!("`coord task list --repo {}` shows the numbers", args.repo))
    })?;
    Ok(TaskRef { repo: args.repo.clone(), number })
}

fn wish(args: &Args, cx: &Context) -> Result<Wish, CliError> {
    let machine = match args.machine.as_str() {
        "auto" => None,
        name => Some(name.parse::<MachineName>().map_err(|error| {
            CliError::new(ErrorKind::Usage, error.to_string()).hint("`coord config` shows the machines")
        })?),
    };
    let briefing = match &args.briefing_file {
        None => args.briefing.clone(),
        Some(file) => Some(fs_err::read_to_string(cx.absolute(file)).map_err(|error| {
            CliError::new(ErrorKind::NotFound, "cannot read the briefing")
                .because(error)
                .hint("name a text file; `coord assign --help` shows how")
        })?),
    };
    Ok(Wish {
        machine,
        model: args.model.clone(),
        runtime: args.runtime.clone(),
        briefing,
        said: Said { take: args.take.clone(), trust: args.trust },
        parked: None,
        again: None,
    })
}

/// In which session a plan goes on; `None` where the task is given out anew.
fn going_on(plan: &Assignment, with_prompt: bool) -> Option<SessionView> {
    let Some(rung) = &plan.rung else {
        return plan.goes_on().then(|| SessionView {
            how: "later",
            id: None,
            detail: "goes on in the old session where that can be had, which is decided when it starts"
                .to_owned(),
            prompt: None,
        });
    };
    let machine = plan.machine.as_ref()?;
    Some(SessionView {
        how: rung.as_str(),
        id: rung.past().map(|it| it.session.clone()),
        detail: rung.told(&machine.name),
        prompt: plan.resumed_prompt().filter(|_| with_prompt).map(str::to_owned),
    })
}

/// Says what a plan would do.
///
/// # Errors
/// When it cannot be printed.
pub fn show(plan: &Assignment, ui: &Ui) -> Result<(), CliError> {
    let view = PlanView {
        task: plan.task.task.to_string(),
        title: plan.task.title.clone(),
        machine: plan.machine.as_ref().map(|it| it.name.to_string()),
        runtime: plan.runtime.to_string(),
        model: plan.model.clone(),
        branch: plan.branch.to_string(),
        kind: plan.kind().as_str(),
        attempt: plan.attempt,
        prompt: plan.prompt.clone(),
        blockers: plan.blockers.iter().map(ToString::to_string).collect(),
        can_wait: plan.can_wait(),
    };
    let model = view.model.as_ref().map_or(String::new(), |it| format!(", model {it}"));
    let head = format!(
        "{} {} → {} ({}{model}), branch {}, attempt {}",
        view.task,
        view.title,
        view.machine.as_deref().unwrap_or(watch::FIRST_FREE),
        view.runtime,
        view.branch,
        view.attempt
    );
    let (tone, word) = if view.can_wait { (Tone::Attention, "queued:") } else { (Tone::Bad, "blocked:") };
    let blockers = view.blockers.iter().map(|it| format!("{} {it}", ui.paint(tone, word)));
    let mut lines: Vec<_> = std::iter::once(head).chain(blockers).collect();
    let session = going_on(plan, true);
    lines.extend(session.iter().map(|it| format!("it {}", it.detail)));
    lines.push(format!("\n{}", plan.resumed_prompt().unwrap_or(&view.prompt)));
    let text = lines.join("\n");
    ui.finish(&DryRun { run: view, session }, &text, &[])
}
