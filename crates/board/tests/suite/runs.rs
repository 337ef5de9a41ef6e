use std::collections::HashMap;
use std::time::Duration;

use coord_board::{Moved, NewRun, Placement, Reserved, TaskEdit};
use coord_core::event::Fact;
use coord_core::outcome::{Outcome, WorkerExit};
use coord_core::readiness::Blocker;
use coord_core::run::{GitFacts, Leaked, Rescue, Run, RunEnd, RunKind, RunState, RuntimeReport};
use tokio::task::JoinSet;

use crate::place::Place;
use crate::world::{add, at, commit, end, ended, id, new_run, on, published, reserve};

pub(crate) async fn a_branch_is_minted_once_and_a_fence_only_grows(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "Fix the thing").await.task;
    assert_eq!(board.change(&task).await.unwrap(), None);
    let first = reserve(&board, 1, &task, RunKind::Work).await;
    assert_eq!((first.branch.as_str(), first.fence, first.attempt), ("issue-1-fix-the-thing", 1, 1));
    assert_eq!(board.run(first.id).await.unwrap(), Some(first.clone()));
    end(&board, first.id).await;

    let edit = TaskEdit { title: Some("Another title".to_owned()), ..TaskEdit::default() };
    assert!(matches!(board.edit_task(&task, edit, at(1)).await.unwrap(), coord_board::Edited::Task(_)));
    let model = Some("opus".to_owned());
    let elsewhere =
        NewRun { base_branch: "develop".parse().unwrap(), model, ..new_run(2, &task, RunKind::Work) };
    let Reserved::Run(second) = board.reserve_run(elsewhere, on("here", 2), at(2)).await.unwrap() else {
        panic!()
    };
    assert_eq!((second.branch.clone(), second.fence, second.attempt), (first.branch, 2, 2));
    assert_eq!(board.run(second.id).await.unwrap(), Some(second.clone()));
    let change = board.change(&task).await.unwrap().unwrap();
    assert_eq!((change.base_branch.as_str(), change.fence), ("main", 2));
    let ids = |runs: Vec<Run>| runs.iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids(board.live_runs().await.unwrap()), [id(2)]);
    assert_eq!(ids(board.runs_of(&task).await.unwrap()), [id(1), id(2)]);
    assert_eq!(ids(board.recent_runs(9).await.unwrap()), [id(2), id(1)]);
    assert_eq!(ids(board.recent_runs(1).await.unwrap()), [id(2)]);
}

pub(crate) async fn a_clock_that_is_set_back_does_not_reorder_attempts(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    for (n, kind) in [(2, RunKind::Test), (3, RunKind::Test), (4, RunKind::Work), (5, RunKind::Test)] {
        let now = at(-i64::try_from(n).unwrap());
        let Reserved::Run(run) =
            board.reserve_run(new_run(n, &task, kind), on("here", 2), now).await.unwrap()
        else {
            panic!("run {n} was not reserved")
        };
        end(&board, run.id).await;
    }
    let ids: Vec<_> = board.runs_of(&task).await.unwrap().iter().map(|it| it.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5].map(id));
}

pub(crate) async fn only_one_of_many_reservations_wins(place: &Place) {
    let task = add(&place.board().await, "api", "t").await.task;
    for kind in [RunKind::Work, RunKind::Test] {
        let mut rivals = JoinSet::new();
        for n in 0..8 {
            let board = place.board().await;
            let new = new_run(n + if kind == RunKind::Work { 0 } else { 8 }, &task, kind);
            rivals.spawn(async move { board.reserve_run(new, on("here", 2), at(1)).await.unwrap() });
        }
        let mut won = Vec::new();
        let mut lost = Vec::new();
        for outcome in rivals.join_all().await {
            match outcome {
                Reserved::Run(run) => won.push(run),
                Reserved::Busy(run) => lost.push(run),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((won.len(), lost.len()), (1, 7));
        assert!(lost.iter().all(|it| *it == won[0].id));
        let board = place.board().await;
        let (run, fence) = (won[0].id, won[0].fence);
        let publishing = board.publish(&task, run, fence, None, &commit(1), at(2)).await.unwrap();
        assert_eq!(publishing, coord_board::Publishing::Published);
    }
}

pub(crate) async fn slots_are_never_exceeded(place: &Place) {
    let board = place.board().await;
    let mut rivals = JoinSet::new();
    for n in 0..8 {
        let task = add(&board, "api", "t").await.task;
        let rival = place.board().await;
        let new = new_run(n, &task, RunKind::Work);
        rivals.spawn(async move { rival.reserve_run(new, on("here", 3), at(1)).await.unwrap() });
    }
    let outcomes = rivals.join_all().await;
    let won = outcomes.iter().filter(|it| matches!(it, Reserved::Run(_))).count();
    assert_eq!(won, 3);
    assert_eq!(
        outcomes.iter().filter(|it| matches!(it, Reserved::NoRoom(Blocker::NoSlot { slots: 3, .. }))).count(),
        5
    );
    let task = add(&board, "api", "t").await.task;
    let new = new_run(20, &task, RunKind::Work);
    assert!(matches!(board.reserve_run(new, on("there", 2), at(1)).await.unwrap(), Reserved::Run(_)));
}

pub(crate) async fn a_test_needs_a_head_and_no_slot(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    // Neither a slot nor a distance to other starts matters to it.
    let somewhere = || Placement { stagger: Duration::from_secs(900), ..on("here", 0) };
    let test =
        async |n| board.reserve_run(new_run(n, &task, RunKind::Test), somewhere(), at(1)).await.unwrap();
    assert_eq!(test(1).await, Reserved::NothingPublished);
    let work = reserve(&board, 2, &task, RunKind::Work).await;
    assert_eq!(test(3).await, Reserved::NothingPublished);
    let publishing = board.publish(&task, work.id, work.fence, None, &commit(1), at(2)).await.unwrap();
    assert_eq!(publishing, coord_board::Publishing::Published);
    let Reserved::Run(run) = test(4).await else { panic!() };
    assert_eq!((run.fence, run.attempt), (work.fence, 1));
    assert_eq!(test(5).await, Reserved::Busy(run.id));
}

pub(crate) async fn terminal_states_stay(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    let run = reserve(&board, 1, &task, RunKind::Work).await.id;
    let since = at(4);
    let end = RunState::Ended(Box::new(RunEnd {
        outcome: Outcome::Limited { until: Some(at(99)) },
        at: at(5),
        exit: Some(WorkerExit::Signal(9)),
        git: GitFacts { ahead: Some(2), dirty: Some(vec!["a b".to_owned()]), ..GitFacts::default() },
        rescue: Some(Rescue { reference: "r".to_owned(), commit: commit(7), files: 1, stashes: 2 }),
        report: RuntimeReport { cost_usd: Some(0.125), ..RuntimeReport::default() },
        leaked: Leaked::default(),
    }));
    let way = [RunState::Preparing, RunState::Running { since }, RunState::Finishing, end.clone()];
    for state in &way {
        assert_eq!(board.move_run(run, state.clone(), at(6)).await.unwrap(), Moved::Moved);
        assert_eq!(board.run(run).await.unwrap().unwrap().state, *state);
        assert_eq!(board.move_run(run, state.clone(), at(6)).await.unwrap(), Moved::Stays(state.clone()));
    }
    let other = ended(Outcome::Done);
    assert_eq!(board.move_run(run, other, at(7)).await.unwrap(), Moved::Stays(end.clone()));
    assert_eq!(board.move_run(run, RunState::Preparing, at(7)).await.unwrap(), Moved::Stays(end));

    let mut facts: HashMap<&str, u32> = HashMap::new();
    for event in board.events_of(&task).await.unwrap() {
        let word = match &event.fact {
            Fact::RunMoved { .. } => "moved",
            Fact::RunEnded { outcome, .. } => outcome.as_str(),
            _ => "other",
        };
        *facts.entry(word).or_default() += 1;
    }
    assert_eq!(facts, HashMap::from([("other", 2), ("moved", 3), ("limited", 1)]));
    let missing = board.move_run(id(9), RunState::Preparing, at(7)).await;
    assert!(matches!(missing, Err(coord_board::Error::NoRun(run)) if run == id(9)));
}

pub(crate) async fn a_run_is_found_by_the_start_of_its_id(place: &Place) {
    let board = place.board().await;
    let mut ids = Vec::new();
    for bits in [0xa100, 0xa200, 0xf000] {
        let task = add(&board, "api", "t").await.task;
        let new = NewRun { id: id(bits << 48), ..new_run(0, &task, RunKind::Work) };
        assert!(matches!(board.reserve_run(new, on("here", 9), at(1)).await.unwrap(), Reserved::Run(_)));
        ids.push(id(bits << 48).to_string());
    }
    let count = async |prefix: &str| board.runs_with_prefix(prefix).await.unwrap().len();
    assert_eq!(count("").await, 3);
    assert_eq!(count(&ids[0]).await, 1);
    assert_eq!(count(&ids[0][..2]).await, 1);
    assert_eq!(count(&ids[2][..1]).await, ids.iter().filter(|it| it.starts_with(&ids[2][..1])).count());
    for nobody in ["%", "A", "f1", "_", "g"] {
        assert_eq!(count(nobody).await, 0, "{nobody}");
    }
}

pub(crate) async fn what_did_not_reach_origin_is_found_until_somebody_is_at_the_task_again(place: &Place) {
    let board = place.board().await;
    let unpushed = || async {
        let runs = board.unpushed_runs().await.unwrap();
        runs.iter().map(|it| it.id).collect::<Vec<_>>()
    };
    let refused = || Outcome::PushFailed { reason: "origin is away".to_owned() };
    let git = |added, pushed| GitFacts { added, pushed, ..GitFacts::default() };
    let task = add(&board, "api", "t").await.task;
    // Each is of the newest attempt, whichever kind of agent work that is.
    for (n, kind, outcome, git, found) in [
        (1, RunKind::Work, refused(), git(Some(1), Some(false)), true),
        (2, RunKind::Fix, refused(), git(Some(1), Some(false)), true),
        (3, RunKind::Fix, Outcome::Done, git(Some(1), Some(true)), false),
        (4, RunKind::Work, refused(), git(Some(2), None), true),
        (5, RunKind::Work, Outcome::NoChange, git(Some(0), Some(false)), false),
        (6, RunKind::Work, Outcome::Lost { reason: "reboot".to_owned() }, git(None, None), false),
        (7, RunKind::Work, Outcome::STOPPED, git(Some(1), Some(false)), false),
        (8, RunKind::Fix, Outcome::Dirty, git(Some(1), Some(false)), true),
    ] {
        let run = reserve(&board, n, &task, kind).await;
        assert_eq!(unpushed().await, [], "run {n} is at it");
        let RunState::Ended(end) = ended(outcome) else { panic!() };
        let over = RunState::Ended(Box::new(RunEnd { git, ..*end }));
        assert_eq!(board.move_run(run.id, over, at(9)).await.unwrap(), Moved::Moved);
        assert_eq!(unpushed().await, if found { vec![id(n)] } else { vec![] }, "run {n}");
    }
    assert_eq!(board.close_task(&task, "no", at(10)).await.unwrap(), coord_board::Closing::Closed);
    assert_eq!(unpushed().await, [], "nobody wants it any more");
}
