//! Random histories of two tasks on a machine with one slot, beside a model of the rules.

use coord_board::{
    Board, Closing, Merging, Moved, NewRun, Opening, Placement, Publishing, Queueing, Reserved, Starting,
};
use coord_core::id::RunId;
use coord_core::outcome::Outcome;
use coord_core::queue::Wish;
use coord_core::run::{RunKind, RunState};
use coord_core::task::TaskRef;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::place::Place;
use crate::world::{add, at, commit, ended, id, new_run, on};

#[derive(Debug, Clone, Copy)]
enum Step {
    Reserve(RunKind),
    Queue,
    Start,
    Leave,
    Move(RunKind, u8),
    /// With the fence of so many leases ago, from a head that is or is not the true one, to this head.
    Publish(u64, bool, u8),
    Open,
    Merge(u8),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = || prop_oneof![3 => Just(RunKind::Work), 1 => Just(RunKind::Test)];
    prop_oneof![
        4 => kind().prop_map(Step::Reserve),
        2 => Just(Step::Queue),
        4 => Just(Step::Start),
        1 => Just(Step::Leave),
        6 => (kind(), 1u8..6).prop_map(|(kind, rank)| Step::Move(kind, rank)),
        5 => (0u64..2, prop::bool::weighted(0.8), 1u8..4).prop_map(|(a, b, c)| Step::Publish(a, b, c)),
        2 => Just(Step::Open),
        2 => (1u8..4).prop_map(Step::Merge),
        1 => Just(Step::Close),
    ]
}

/// The ranks of states that the rules speak of.
const QUEUED: u8 = 0;
const RESERVED: u8 = 1;
const ENDED: u8 = 5;

/// What must be true of one task.
#[derive(Debug, Default)]
struct Model {
    fence: u64,
    head: Option<u8>,
    open: bool,
    requested: bool,
    merged: bool,
    /// The live run of agent work and the live test, each with the rank of its state.
    live: [Option<(RunId, u8)>; 2],
    events: usize,
}

pub(crate) async fn random_histories_agree_with_the_model(place: &Place) {
    let board = place.board().await;
    let mut runner = TestRunner::deterministic();
    let histories = proptest::collection::vec((0usize..2, step()), 1..60);
    for case in 0..15 {
        let history = histories.new_tree(&mut runner).unwrap().current();
        // The message of a failure is worth more with the history that led to it.
        let told = format!("{history:?}");
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let task = add(&board, "api", "t").await.task;
            tasks.push((task, Model { open: true, events: 1, ..Model::default() }));
        }
        for (n, (which, step)) in history.into_iter().enumerate() {
            let full = tasks.iter().any(|(_, it)| it.live[0].is_some_and(|(_, rank)| rank > QUEUED));
            let run = id(case * 1000 + n as u64);
            let (task, model) = &mut tasks[which];
            let new = NewRun { id: run, ..new_run(0, task, RunKind::Work) };
            let place = (on(&format!("m{case}"), 1), full);
            let agrees = take(&board, task, model, step, new, place).await;
            assert!(agrees, "case {case}, step {n} ({which}, {step:?}) of {told}: {model:?}");
        }
        for (task, model) in &tasks {
            check(&board, task, model, &told).await;
        }
    }
}

/// Takes one step on the board and in the model, and says whether the board answered what the model says.
async fn take(
    board: &Board,
    task: &TaskRef,
    model: &mut Model,
    step: Step,
    new: NewRun,
    place: (Placement, bool),
) -> bool {
    let (agrees, moved) = match step {
        Step::Reserve(kind) => reserve(board, model, NewRun { kind, ..new }, place).await,
        Step::Queue => queue(board, model, new).await,
        Step::Start => start(board, model, place).await,
        Step::Leave => leave(board, model).await,
        Step::Move(kind, rank) => advance(board, model, kind, rank).await,
        Step::Publish(ago, true_head, to) => publish(board, task, model, new.id, (ago, true_head, to)).await,
        Step::Open => {
            let may = model.open && model.head.is_some();
            let answer = board.open_pull_request(task, "t", "b", at(1)).await.unwrap();
            let new = may && !model.requested;
            model.requested |= may;
            (matches!(answer, Opening::Open(_)) == may, new)
        }
        Step::Merge(head) => {
            let may = model.open && model.requested && model.head == Some(head);
            let again = model.merged && model.head == Some(head);
            let agrees = match board.record_merged(task, &commit(head), &commit(77), at(1)).await {
                Ok(answer) => (answer == Merging::Merged) == (may || again),
                Err(_) => model.fence == 0,
            };
            if may {
                (model.open, model.merged, model.requested) = (false, true, false);
            }
            (agrees, may)
        }
        Step::Close => {
            let may = model.open && model.live.iter().flatten().all(|(_, rank)| *rank == QUEUED);
            let answer = board.close_task(task, "no", at(1)).await.unwrap();
            if may {
                (model.open, model.requested) = (false, false);
            }
            ((answer == Closing::Closed) == may, may)
        }
    };
    model.events += usize::from(moved);
    agrees
}

async fn publish(
    board: &Board,
    task: &TaskRef,
    model: &mut Model,
    run: RunId,
    (ago, true_head, to): (u64, bool, u8),
) -> (bool, bool) {
    let from = if true_head { model.head } else { Some(9) }.map(commit);
    let fence = model.fence.saturating_sub(ago);
    let answer = board.publish(task, run, fence, from.as_ref(), &commit(to), at(1)).await;
    let held = model.fence > 0 && ago == 0 && !model.merged;
    let there = held && model.head == Some(to);
    let moves = held && !there && true_head;
    if moves {
        model.head = Some(to);
    }
    let agrees = match answer {
        Ok(answer) => (answer == Publishing::Published) == (moves || there),
        Err(_) => model.fence == 0,
    };
    (agrees, moves)
}

async fn queue(board: &Board, model: &mut Model, new: NewRun) -> (bool, bool) {
    let expected = match (model.open, model.live[0]) {
        (false, _) => "not open",
        (true, Some(_)) => "busy",
        (true, None) => "run",
    };
    let run = new.id;
    let agrees = match board.queue_run(new, Wish::default(), at(1)).await.unwrap() {
        Queueing::Run(run) => {
            model.fence += 1;
            expected == "run" && run.fence == model.fence && run.reservation.is_none()
        }
        Queueing::Busy(other) => expected == "busy" && model.live[0].is_some_and(|it| it.0 == other),
        Queueing::NotOpen(_) => expected == "not open",
    };
    if expected == "run" {
        model.live[0] = Some((run, QUEUED));
    }
    (agrees, expected == "run")
}

async fn start(board: &Board, model: &mut Model, (on, full): (Placement, bool)) -> (bool, bool) {
    let Some((run, rank)) = &mut model.live[0] else { return (true, false) };
    let expected = match (*rank, model.open) {
        (QUEUED, false) => "not open",
        (QUEUED, true) if full => "no room",
        (QUEUED, true) => "run",
        (_, _) => "not queued",
    };
    let how = ("claude".parse().unwrap(), Some("opus".to_owned()));
    let agrees = match board.start_queued(*run, on, how, at(1)).await.unwrap() {
        Starting::Run(started) => {
            *rank = RESERVED;
            let there = board.run(*run).await.unwrap();
            expected == "run" && started.fence == model.fence && there == Some(started)
        }
        Starting::NotQueued(_) => expected == "not queued",
        Starting::NotOpen(_) => expected == "not open",
        Starting::NoRoom(_) => expected == "no room",
    };
    (agrees, expected == "run")
}

async fn leave(board: &Board, model: &mut Model) -> (bool, bool) {
    let Some((run, rank)) = model.live[0] else { return (true, false) };
    let RunState::Ended(end) = ended(Outcome::STOPPED) else { panic!() };
    let moved = board.leave_queue(run, *end, at(2)).await.unwrap() == Moved::Moved;
    if rank == QUEUED {
        model.live[0] = None;
    }
    (moved == (rank == QUEUED), rank == QUEUED)
}

async fn reserve(
    board: &Board,
    model: &mut Model,
    new: NewRun,
    (on, full): (Placement, bool),
) -> (bool, bool) {
    let lane = usize::from(new.kind == RunKind::Test);
    // What a merge left the base branch at may still be tested.
    let wanted = model.open || (model.merged && new.kind == RunKind::Test);
    let expected = match (wanted, model.live[lane], new.kind) {
        (false, _, _) => "not open",
        (true, Some(_), _) => "busy",
        (true, None, RunKind::Work) if full => "no slot",
        (true, None, RunKind::Test) if model.head.is_none() => "nothing",
        (true, None, _) => "run",
    };
    let run = new.id;
    let agrees = match board.reserve_run(new, on, at(1)).await.unwrap() {
        Reserved::Run(run) => {
            model.fence += u64::from(lane == 0);
            expected == "run" && run.fence == model.fence
        }
        Reserved::Busy(other) => expected == "busy" && model.live[lane].is_some_and(|it| it.0 == other),
        Reserved::NotOpen(_) => expected == "not open",
        Reserved::NoRoom(_) => expected == "no slot",
        Reserved::NothingPublished => expected == "nothing",
    };
    if expected == "run" {
        model.live[lane] = Some((run, RESERVED));
    }
    (agrees, expected == "run")
}

async fn advance(board: &Board, model: &mut Model, kind: RunKind, rank: u8) -> (bool, bool) {
    let live = &mut model.live[usize::from(kind == RunKind::Test)];
    let Some((run, before)) = *live else { return (true, false) };
    let to = match rank {
        1 => RunState::Reserved,
        2 => RunState::Preparing,
        3 => RunState::Running { since: at(2) },
        4 => RunState::Finishing,
        _ => ended(Outcome::Done),
    };
    let moved = board.move_run(run, to, at(2)).await.unwrap() == Moved::Moved;
    // Without a machine there is no way but to the end.
    let may = rank > before && (before > QUEUED || rank == ENDED);
    if may {
        *live = (rank < ENDED).then_some((run, rank));
    }
    (moved == may, may)
}

async fn check(board: &Board, task: &TaskRef, model: &Model, told: &str) {
    let change = board.change(task).await.unwrap();
    let head = change.as_ref().and_then(|it| it.head().cloned());
    assert_eq!(head, model.head.map(commit), "{told}");
    assert_eq!(change.map_or(0, |it| it.fence), model.fence, "{told}");
    assert_eq!(board.events_of(task).await.unwrap().len(), model.events, "{told}");
    let live = board.live_runs().await.unwrap().iter().filter(|it| it.task == *task).count();
    assert_eq!(live, model.live.iter().flatten().count(), "{told}");
    let candidates = board.candidates(Some(&task.repo)).await.unwrap();
    let candidate = candidates.iter().find(|it| it.change.task == *task);
    assert_eq!(candidate.is_some(), model.open && model.fence > 0, "{told}");
    assert_eq!(candidate.is_some_and(|it| it.pull_request.is_some()), model.requested, "{told}");
}
