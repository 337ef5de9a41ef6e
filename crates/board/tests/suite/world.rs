//! Short words for what the promises are about.

use std::time::Duration;

use coord_board::{Added, Board, Moved, NewRun, NewTask, Opening, Placement, Publishing, Queueing, Reserved};
use coord_core::gate::{Evidence, Source, Verdict};
use coord_core::id::RunId;
use coord_core::name::CommitSha;
use coord_core::outcome::Outcome;
use coord_core::queue::Wish;
use coord_core::run::{GitFacts, Leaked, Run, RunEnd, RunKind, RunState, RuntimeReport};
use coord_core::task::{Task, TaskRef};
use jiff::Timestamp;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn commit(n: u8) -> CommitSha {
    format!("{n:040x}").parse().unwrap()
}

pub(crate) fn id(n: u64) -> RunId {
    RunId::from_random(n)
}

pub(crate) fn named(text: &str) -> TaskRef {
    text.parse().unwrap()
}

pub(crate) fn new_task(repo: &str, title: &str) -> NewTask {
    NewTask {
        repo: repo.parse().unwrap(),
        title: title.to_owned(),
        body: String::new(),
        labels: Vec::new(),
        files: Vec::new(),
        after: Vec::new(),
    }
}

pub(crate) async fn add(board: &Board, repo: &str, title: &str) -> Task {
    match board.add_task(new_task(repo, title), at(0)).await.unwrap() {
        Added::Task(task) => *task,
        Added::Circle(circle) => panic!("a circle: {circle:?}"),
    }
}

pub(crate) fn new_run(n: u64, task: &TaskRef, kind: RunKind) -> NewRun {
    NewRun {
        id: id(n),
        kind,
        task: task.clone(),
        runtime: "claude".parse().unwrap(),
        model: None,
        base_branch: "main".parse().unwrap(),
    }
}

pub(crate) fn on(machine: &str, slots: u32) -> Placement {
    Placement { machine: machine.parse().unwrap(), slots, stagger: Duration::ZERO, budget: None }
}

/// Reserves the run with that number; it must succeed.
pub(crate) async fn reserve(board: &Board, n: u64, task: &TaskRef, kind: RunKind) -> Run {
    match board.reserve_run(new_run(n, task, kind), on("here", 2), at(1)).await.unwrap() {
        Reserved::Run(run) => run,
        other => panic!("not reserved: {other:?}"),
    }
}

/// Queues the run with that number; it must succeed.
pub(crate) async fn queue(board: &Board, n: u64, task: &TaskRef) -> Run {
    let queueing = board.queue_run(new_run(n, task, RunKind::Work), Wish::default(), at(1)).await;
    match queueing.unwrap() {
        Queueing::Run(run) => run,
        other => panic!("not queued: {other:?}"),
    }
}

pub(crate) fn ended(outcome: Outcome) -> RunState {
    RunState::Ended(Box::new(RunEnd {
        outcome,
        at: at(9),
        exit: None,
        git: GitFacts::default(),
        rescue: None,
        report: RuntimeReport::default(),
        leaked: Leaked::default(),
    }))
}

pub(crate) async fn end(board: &Board, run: RunId) {
    assert_eq!(board.move_run(run, ended(Outcome::Done), at(9)).await.unwrap(), Moved::Moved);
}

/// A task whose change is published at `head`, with no run left at it.
pub(crate) async fn published(board: &Board, n: u64, head: &CommitSha) -> Task {
    let task = add(board, "api", "a change").await;
    let run = reserve(board, n, &task.task, RunKind::Work).await;
    let publishing = board.publish(&task.task, run.id, run.fence, None, head, at(2)).await.unwrap();
    assert_eq!(publishing, Publishing::Published);
    end(board, run.id).await;
    task
}

pub(crate) async fn opened(board: &Board, task: &TaskRef) -> u64 {
    match board.open_pull_request(task, "title", "body", at(3)).await.unwrap() {
        Opening::Open(pull_request) => pull_request.number,
        other => panic!("not opened: {other:?}"),
    }
}

pub(crate) fn evidence(source: Source, verdict: Verdict) -> Evidence {
    let tree = "c".repeat(40).parse().unwrap();
    Evidence { head: commit(1), base: commit(2), tree, at: at(5), source, verdict }
}
