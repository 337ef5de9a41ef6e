//! One tiny turn of a worker, with the command line, the environment and the reader that workers have.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use coord_agent::runtime::Runtime;
use coord_core::outcome::{Outcome, StreamFacts, WorkerExit, classify};
use coord_core::run::{GitFacts, RunKind, RuntimeReport};
use coord_proto::event::OutputStream;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::Check;
use super::claude::Worker;

/// How long one word may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn check(worker: &Worker) -> Check {
    let subject = "probe";
    let answer = match tokio::time::timeout(PATIENCE, turn(worker)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            return Check::fail(subject, format!("the worker cannot be run: {error}"), "coord doctor");
        }
        Err(_) => {
            let seen = format!("there was no answer in {} seconds", PATIENCE.as_secs());
            return Check::fail(subject, seen, "coord doctor --probe");
        }
    };
    let (status, stream, report) = answer;
    let exit =
        status.code().map_or_else(|| WorkerExit::Signal(status.signal().unwrap_or(0)), WorkerExit::Code);
    judge(subject, &classify(RunKind::Work, exit, None, &stream, &GitFacts::default(), false), &report)
}

fn judge(subject: &str, outcome: &Outcome, report: &RuntimeReport) -> Check {
    let model = report.model.as_deref().unwrap_or("a model that it does not name");
    let cost = report.cost_usd.map_or(String::new(), |it| format!(", for ${it:.4} as it counts"));
    if matches!(outcome, Outcome::Done | Outcome::NoChange) {
        // It was asked for a word and not for a commit.
        return Check::ok(subject, format!("{model} answered{cost}"));
    }
    let cure =
        if matches!(outcome, Outcome::Auth { .. }) { "claude auth login" } else { "coord doctor --probe" };
    Check::fail(subject, format!("the turn failed: {outcome}"), cure)
}

/// Runs the worker to its end in a directory of its own, with nothing in it.
async fn turn(worker: &Worker) -> std::io::Result<(ExitStatus, StreamFacts, RuntimeReport)> {
    let place = tempfile::tempdir()?;
    let launch = &worker.launch;
    let mut child = Command::new(&launch.argv[0])
        .args(&launch.argv[1..])
        .env_clear()
        .envs(&launch.environment)
        .env("PWD", place.path())
        .current_dir(place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read its question says why in its exit status.
        drop(stdin.write_all(launch.stdin.as_bytes()).await);
    }
    let output = child.wait_with_output().await?;
    let mut reader = Runtime::Claude.reader();
    let mut events = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        reader.line(OutputStream::Stdout, line, &mut events);
    }
    let (stream, report) = reader.finish();
    Ok((output.status, stream, report))
}
