//! `coord demo`: the whole flow in a scratch directory, with nothing but git.
//!
//! It goes the way everything else goes: it configures a fleet of one machine, has its agent server started,
//! puts tasks on the board and asks the engine for what the commands ask for. It knows no shortcut.

mod scratch;

use camino::Utf8PathBuf;
use coord_core::name::RuntimeName;
use coord_core::outcome::Outcome;
use coord_core::queue::Wish;
use coord_core::readiness::Blocker;
use coord_core::run::Run;
use coord_core::task::TaskRef;
use coord_engine::Engine;
use coord_engine::assign::{Assigned, Otherwise};
use coord_engine::error::Error;
use coord_engine::merge::{Fate, MergeWish, Progress};
use coord_engine::proposal::Proposal;
use coord_proto::event::EventKind;
use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use self::scratch::{MACHINE, REPO, Scratch, TASKS};
use crate::background::Attendance;
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;
use crate::ui::live::Live;
use crate::ui::{Next, Ui};

/// See it work: five tasks become merged changes in a scratch directory
///
/// Needs nothing but git: no account, no network, no model. The workers follow a script in each task's text.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep the scratch directory, to look around in
    #[arg(long)]
    keep: bool,

    /// What does the work: script, or your own claude
    #[arg(long, default_value = "script")]
    runtime: RuntimeName,
}

#[derive(Serialize)]
struct Document {
    tasks: Vec<Carried>,
    graph: String,
    seconds: f64,
    directory: Option<String>,
    /// What the tests of main, as it is on origin at the end, have to say.
    main_tests: &'static str,
}

/// What became of one task, and how long each step took.
#[derive(Serialize)]
struct Carried {
    task: String,
    title: String,
    work_seconds: f64,
    test_seconds: f64,
    merge_seconds: f64,
    merged: Option<String>,
    problem: Option<String>,
}

/// Runs it.
///
/// # Errors
/// When a task is not merged, or the tests of main fail afterwards.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let failed = |error: anyhow::Error| {
        CliError::new(ErrorKind::Failed, "the demo did not work")
            .because(error)
            .hint("`coord doctor` looks for what is wrong")
    };
    let begun = Instant::now();
    let dir =
        tempfile::Builder::new().prefix("coord-demo-").tempdir().map_err(|error| failed(error.into()))?;
    let root = Utf8PathBuf::from_path_buf(dir.path().to_owned())
        .map_err(|_| failed(anyhow::anyhow!("the temporary directory's name is not UTF-8")))?;
    let runtimes = cx.config().map(|it| it.runtimes).unwrap_or_default();
    let scratch = Scratch::lay_out(&root, &runtimes).map_err(failed)?;
    let session = Session::attended(&surroundings(cx, &scratch), Attendance::Here).await?;
    let carried = tokio::select! {
        carried = carry_all(&session, args, ui) => carried,
        _ = tokio::signal::ctrl_c() => {
            Err(CliError::new(ErrorKind::Failed, "interrupted").hint("`coord demo` begins anew"))
        }
    };
    if carried.is_err() {
        stop_everything(&session.engine).await;
    }
    session.stop_agent().await?;
    let carried = carried?;
    let graph = scratch.graph().map_err(failed)?;
    let tested = scratch.test_main().map_err(failed);
    let complete = carried.iter().all(|it| it.merged.is_some());
    let keep = args.keep || !complete || tested.is_err();
    if keep {
        // From here on it is the user's.
        drop(dir.keep());
    }
    let document = Document {
        tasks: carried,
        graph,
        seconds: begun.elapsed().as_secs_f64(),
        directory: keep.then(|| scratch.root.to_string()),
        main_tests: if tested.is_ok() { "passed" } else { "failed" },
    };
    ui.finish(&document, &text(&document, &scratch), &next(keep, &scratch))?;
    tested?;
    if complete {
        return Ok(());
    }
    let error = CliError::new(ErrorKind::Failed, "not every task was merged")
        .hint(format!("`coord --config {} status` shows where they stand", scratch.config));
    Err(if ui.is_json() { error.said() } else { error })
}

/// The same program, but in the scratch directory and with a state of its own.
fn surroundings(cx: &Context, scratch: &Scratch) -> Context {
    let mut cx = cx.clone();
    cx.config_flag = Some(scratch.config.clone());
    cx.home.clone_from(&scratch.home);
    cx.cwd.clone_from(&scratch.root);
    cx.environment.insert("COORD_HOME".to_owned(), scratch.home.to_string());
    cx
}

async fn carry_all(session: &Session, args: &Args, ui: &Ui) -> Result<Vec<Carried>, CliError> {
    let machine = MACHINE.parse().expect("a constant that is a machine name");
    session.reach(&machine, ui).await?;
    let engine = &session.engine;
    let mut tasks = Vec::new();
    for wanted in &TASKS {
        let task = engine.add_task(wanted.task(&tasks)).await?;
        tasks.push(task.task);
    }
    let mut names = Vec::new();
    for task in &tasks {
        names.push(format!("#{} {:<22}", task.number, engine.task(task).await?.title));
    }
    let conveyor = Conveyor {
        engine,
        runtime: &args.runtime,
        live: Live::new(ui, names),
        landing: Mutex::new(()),
        merged: watch::Sender::new(0),
    };
    let carried = join_all(tasks.iter().enumerate().map(|(index, task)| conveyor.carry(index, task))).await;
    carried.into_iter().collect()
}

/// Carries tasks from the board to main: all of them at once, of whom the queue lets two work, and one lands at a
/// time.
struct Conveyor<'a> {
    engine: &'a Engine,
    runtime: &'a RuntimeName,
    live: Live<'a>,
    landing: Mutex<()>,
    /// How many have been merged: what those that wait for another look at.
    merged: watch::Sender<usize>,
}

impl Conveyor<'_> {
    async fn carry(&self, index: usize, task: &TaskRef) -> Result<Carried, CliError> {
        let mut carried = Carried {
            task: task.to_string(),
            title: self.engine.task(task).await?.title,
            work_seconds: 0.0,
            test_seconds: 0.0,
            merge_seconds: 0.0,
            merged: None,
            problem: None,
        };
        let done = self.steps(index, task, &mut carried).await;
        let last = match (&done, &carried) {
            (Err(error), _) => format!("failed: {}", error.chain()),
            (Ok(()), Carried { merged: Some(commit), .. }) => format!("merged by {}", &commit[..10]),
            (Ok(()), Carried { problem, .. }) => {
                format!("left alone: {}", problem.as_deref().unwrap_or_default())
            }
        };
        self.live.close(index, &last);
        // Those that wait for this one have to look again, whatever became of it.
        self.merged.send_modify(|count| *count += 1);
        if let Err(error) = done {
            carried.problem = Some(error.chain());
        }
        Ok(carried)
    }

    async fn steps(&self, index: usize, task: &TaskRef, carried: &mut Carried) -> Result<(), CliError> {
        let (run, took) = self.work(index, task).await?;
        carried.work_seconds = took;
        let outcome = run.state.end().map(|it| it.outcome.clone());
        if outcome != Some(Outcome::Done) {
            carried.problem =
                Some(format!("run {} ended as {}", run.id, outcome.map_or("nothing", |it| it.as_str())));
            return Ok(());
        }
        let _one_at_a_time = self.landing.lock().await;
        self.live.set(index, "testing it merged onto main");
        let begun = Instant::now();
        let test = self.engine.start_test(task).await?;
        let test = self.engine.wait_for_run(test.id, None).await?;
        carried.test_seconds = begun.elapsed().as_secs_f64();
        if let Some(end) = test.state.end().filter(|it| it.outcome != Outcome::Done) {
            carried.problem = Some(format!("its test ended as {}", end.outcome));
            return Ok(());
        }
        let begun = Instant::now();
        let pull_request = self.engine.open_pull_request(task, &Proposal::default()).await?;
        self.live.set(index, &format!("merging pull request #{}", pull_request.number));
        let wish = MergeWish { only: vec![task.clone()], ..MergeWish::default() };
        let steps = self
            .engine
            .merge(&wish, &mut |progress| {
                if let Progress::Testing { .. } = progress {
                    self.live.set(index, "main has moved: testing again");
                };
            })
            .await?;
        carried.merge_seconds = begun.elapsed().as_secs_f64();
        match steps.into_iter().next().map(|it| it.fate) {
            Some(Fate::Merged(commit)) => carried.merged = Some(commit.to_string()),
            Some(Fate::Parked(why)) => carried.problem = Some(why.join("; ")),
            Some(Fate::WouldMerge | Fate::WouldTest(_)) | None => {
                carried.problem = Some("it was not tried".to_owned());
            }
        }
        Ok(())
    }

    /// Waits until the task may be assigned, assigns it, and waits for the worker; the run and its seconds.
    async fn work(&self, index: usize, task: &TaskRef) -> Result<(Run, f64), CliError> {
        let mut merged = self.merged.subscribe();
        let wish = Wish { runtime: Some(self.runtime.clone()), ..Wish::default() };
        let plan = loop {
            let plan = self.engine.plan_assignment(task, wish.clone()).await?;
            let Some(reason) = plan.blockers.iter().find(|it| matches!(it, Blocker::WaitsFor(_))) else {
                break plan;
            };
            self.live.set(index, &reason.to_string());
            // Nobody can be waited for who has come to an end without being merged.
            if *merged.borrow_and_update() + 1 >= TASKS.len() {
                return Err(Error::NotReady { task: task.clone(), blockers: plan.blockers }.into());
            }
            merged.changed().await.expect("the sender lives as long as this");
        };
        let run = match self.engine.assign(plan, Otherwise::Queue).await? {
            Assigned::Started(run) => run.id,
            Assigned::Queued { run, .. } => {
                self.live.set(index, "waiting for a worker");
                run.id
            }
        };
        let mut following = self.engine.follow(run, 0).await?;
        let begun = Instant::now();
        self.live.set(index, "a worker has it");
        while let Some(event) = following.next().await? {
            if let EventKind::Status { text, .. } = event.event {
                self.live.set(index, &text);
            }
        }
        let run = self.engine.wait_for_run(run, None).await?;
        Ok((run, begun.elapsed().as_secs_f64()))
    }
}

async fn stop_everything(engine: &Engine) {
    let Ok(runs) = engine.live_runs().await else { return };
    for run in runs {
        if let Err(error) = engine.stop(run.id).await {
            tracing::warn!(run = %run.id, error = %error, "could not be stopped");
        }
    }
}

fn text(document: &Document, scratch: &Scratch) -> String {
    let mut lines = vec![format!("\n{}\n", document.graph.trim_end())];
    lines.push(format!("{:<24} {:>7} {:>6} {:>6}", "task", "work", "test", "merge"));
    lines.extend(document.tasks.iter().map(|it| {
        let Carried { title, work_seconds, test_seconds, merge_seconds, .. } = it;
        format!("{title:<24} {work_seconds:>6.1}s {test_seconds:>5.1}s {merge_seconds:>5.1}s")
    }));
    let merged = document.tasks.iter().filter(|it| it.merged.is_some()).count();
    let (all, seconds) = (document.tasks.len(), document.seconds);
    let tests = document.main_tests;
    lines.push(format!(
        "\n{merged} of {all} tasks of `{REPO}` merged in {seconds:.1} s; the tests of main {tests}\n"
    ));
    let Scratch { root, origin, config, home } = scratch;
    if document.directory.is_some() {
        let places = [
            ("everything", root),
            ("origin", origin),
            ("configuration", config),
            ("board, logs, store", home),
        ];
        lines.extend(places.map(|(what, path)| format!("{what:<20}{path}")));
    } else {
        lines.push(format!("all of it was in {root} and is gone; with `--keep` it stays"));
    }
    lines.join("\n")
}

fn next(keep: bool, scratch: &Scratch) -> Vec<Next> {
    if !keep {
        return vec![
            Next::new("coord demo --keep", "the same, and leaves everything there to look around in"),
            Next::new("coord init", "sets coord up for your own repos"),
        ];
    }
    let coord = format!("COORD_HOME={} coord --config {}", scratch.home, scratch.config);
    vec![
        Next::new(format!("git -C {} log --graph --stat main", scratch.origin), "what was merged"),
        Next::new(format!("{coord} task list --all"), "the tasks"),
        Next::new(format!("{coord} why 1"), "what happened to the first one"),
        Next::new(
            format!("{coord} agent --machine {MACHINE}"),
            "its agent server again, for `coord log` and new work",
        ),
        Next::new(format!("rm -r {}", scratch.root), "throws it all away"),
    ]
}
