//! One tiny turn of a worker, with the command line, the environment and the reader that workers have.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use coord_core::classify::{StreamFacts, classify};
use coord_core::outcome::{Outcome, WorkerExit};
use coord_core::run::{GitFacts, RunKind, RuntimeReport};
use coord_git::program::redact;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::Check;
use super::worker::Worker;

const SUBJECT: &str = "probe";
/// How long one word may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn check(worker: &Worker) -> Check {
    let answer = match tokio::time::timeout(PATIENCE, turn(worker)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            return Check::fail(SUBJECT, format!("the worker cannot be run: {error}"), "coord doctor");
        }
        Err(_) => {
            let seen = format!("there was no answer in {} seconds", PATIENCE.as_secs());
            return Check::fail(SUBJECT, seen, "coord doctor --probe");
        }
    };
    let Answer { exit, stream, report, complaint } = answer;
    // An empty directory holds no work, and that is known.
    let git = GitFacts { ahead: Some(0), added: Some(0), dirty: Some(Vec::new()), ..GitFacts::default() };
    let outcome = classify(RunKind::Work, exit, None, &stream, &git, false);
    judge(worker, &outcome, &report, &complaint)
}

/// What came of the turn.
struct Answer {
    exit: WorkerExit,
    stream: StreamFacts,
    report: RuntimeReport,
    /// The last line that it wrote to standard error.
    complaint: String,
}

fn judge(worker: &Worker, outcome: &Outcome, report: &RuntimeReport, complaint: &str) -> Check {
    let model = report.model.as_deref().unwrap_or("a model that it does not name");
    let cost = report.cost_usd.map_or(String::new(), |it| format!(", for ${it:.4} as it counts"));
    if matches!(outcome, Outcome::Done | Outcome::NoChange) {
        // It was asked for a word and not for a commit.
        return Check::ok(SUBJECT, format!("{model} answered{cost}"));
    }
    let cure = if matches!(outcome, Outcome::Auth { .. }) {
        worker.to_log_in()
    } else {
        "coord doctor --probe".to_owned()
    };
    let complaint = if complaint.is_empty() { String::new() } else { format!("; {}", redact(complaint)) };
    Check::fail(SUBJECT, format!("the turn failed: {outcome}{complaint}"), cure)
}

/// Runs the worker to its end in a directory of its own, with nothing in it.
async fn turn(worker: &Worker) -> std::io::Result<Answer> {
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
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read its question says why in its exit status.
        drop(stdin.write_all(launch.stdin.as_bytes()).await);
    }
    let output = child.wait_with_output().await?;
    let status = output.status;
    let exit =
        status.code().map_or_else(|| WorkerExit::Signal(status.signal().unwrap_or(0)), WorkerExit::Code);
    let mut reader = worker.kind.reader(RunKind::Work);
    let mut events = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        reader.line(line, &mut events);
    }
    let (stream, report) = reader.finish(exit);
    let errors = String::from_utf8_lossy(&output.stderr);
    let complaint = errors.trim().lines().last().unwrap_or_default().chars().take(300).collect();
    Ok(Answer { exit, stream, report, complaint })
}
