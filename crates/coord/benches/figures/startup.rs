//! How long a command takes that has next to nothing to do.

use std::path::Path;
use std::time::Duration;

use coord_board::{Added, Board, NewRun, NewTask, Placement, Reserved};
use coord_core::id::RunId;
use coord_core::outcome::{Outcome, WorkerExit};
use coord_core::run::{GitFacts, Leaked, RunEnd, RunKind, RunState, RuntimeReport};
use coord_testkit::world::World;

use crate::site::Site;
use crate::table::{Budget, Row, median};
use crate::worker::wall;

const ROUNDS: usize = 60;
const TASKS: u64 = 1000;
const RUNS_PER_TASK: u64 = 10;

pub(crate) async fn rows() -> anyhow::Result<Vec<Row>> {
    let site = Site::start().await?;
    fill(site.world.coord_home().join("board.db").as_std_path()).await?;
    let (mut version, mut status, mut git) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let samples = [
            time(&site.world, env!("CARGO_BIN_EXE_coord"), "version")?,
            time(&site.world, env!("CARGO_BIN_EXE_coord"), "status")?,
            time(&site.world, "git", "--version")?,
        ];
        // The first round fills the page cache.
        if round > 0 {
            version.push(samples[0]);
            status.push(samples[1]);
            git.push(samples[2]);
        }
    }
    let row = |name, samples: &[f64]| Row {
        name,
        unit: "ms",
        value: median(samples),
        budget: Budget::Most(10.0),
        beside: ("git --version", median(&git)),
    };
    Ok(vec![row("coord version", &version), row("coord status, 10,000 finished runs", &status)])
}

/// How long a program takes to its end.
pub(crate) fn time(world: &World, program: &str, argument: &str) -> anyhow::Result<f64> {
    let mut command = world.command(program);
    let asked = wall();
    let output = command.arg(argument).output()?;
    let took = wall() - asked;
    anyhow::ensure!(output.status.success(), "{program} {argument}: {output:?}");
    Ok(took)
}

/// Ten thousand runs that have ended, of tasks that are closed.
async fn fill(path: &Path) -> anyhow::Result<()> {
    let board = Board::open(path).await?;
    let now = coord_engine::clock::now();
    for n in 0..TASKS {
        let new = NewTask {
            repo: "api".parse()?,
            title: format!("Change number {n}"),
            body: "As was said.\n".repeat(20),
            labels: Vec::new(),
            files: Vec::new(),
            after: Vec::new(),
        };
        let Added::Task(task) = board.add_task(new, now).await? else { anyhow::bail!("no task") };
        for attempt in 0..RUNS_PER_TASK {
            let run = NewRun {
                id: RunId::from_random((n * RUNS_PER_TASK + attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                kind: RunKind::Work,
                task: task.task.clone(),
                runtime: "claude".parse()?,
                model: None,
                base_branch: "main".parse()?,
            };
            let on = Placement { machine: "here".parse()?, slots: 1, stagger: Duration::ZERO, budget: None };
            let Reserved::Run(run) = board.reserve_run(run, on, now).await? else { anyhow::bail!("no run") };
            let end = RunEnd {
                outcome: Outcome::NoChange,
                at: now,
                exit: Some(WorkerExit::Code(0)),
                git: GitFacts::default(),
                rescue: None,
                report: RuntimeReport { text: Some("Nothing to do.".to_owned()), ..RuntimeReport::default() },
                leaked: Leaked::default(),
            };
            anyhow::ensure!(
                board.move_run(run.id, RunState::Ended(Box::new(end)), now).await?
                    == coord_board::Moved::Moved
            );
        }
        let closed = board.close_task(&task.task, "done", now).await?;
        anyhow::ensure!(matches!(closed, coord_board::Closing::Closed), "not closed");
    }
    Ok(())
}
