use std::time::Duration;

use coord_board::{Closing, Moved, NewRun, Placement, Publishing, Queueing, Reserved, Starting};
use coord_core::again::{Again, Aim};
use coord_core::claim::Said;
use coord_core::event::Fact;
use coord_core::id::RunId;
use coord_core::outcome::Outcome;
use coord_core::queue::Wish;
use coord_core::readiness::Blocker;
use coord_core::run::{Reservation, Run, RunEnd, RunKind, RunState};
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::place::Place;
use crate::world::{add, at, commit, end, ended, id, new_run, on, published, queue, reserve};

fn how() -> (coord_core::name::RuntimeName, Option<String>) {
    ("claude".parse().unwrap(), None)
}

fn cancelled() -> RunEnd {
    let RunState::Ended(end) = ended(Outcome::STOPPED) else { panic!() };
    *end
}

pub(crate) async fn a_queued_run_comes_back_with_what_was_said(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    let wish = Wish {
        machine: Some("here".parse().unwrap()),
        model: Some("opus".to_owned()),
        runtime: Some("claude".parse().unwrap()),
        briefing: Some("be \"quick\"\n".to_owned()),
        said: Said { take: Some("Ann asked".to_owned()), trust: true },
        parked: None,
        again: Some(Again { aim: Aim::Fix, from: RunId::from_random(7), fresh: true }),
    };
    let new = new_run(1, &task, RunKind::Work);
    let Queueing::Run(run) = board.queue_run(new, wish.clone(), at(1)).await.unwrap() else { panic!() };
    assert_eq!((run.fence, run.attempt, &run.reservation), (1, 1, &None));
    assert_eq!(run.state, RunState::Queued(Box::new(wish)));
    assert_eq!(board.live_runs().await.unwrap(), std::slice::from_ref(&run));

    let later = ("script".parse().unwrap(), Some("haiku".to_owned()));
    let started = board.start_queued(run.id, on("there", 1), later.clone(), at(5)).await.unwrap();
    let reservation = Some(Reservation { machine: "there".parse().unwrap(), at: at(5) });
    let reserved =
        Run { reservation, runtime: later.0, model: later.1, state: RunState::Reserved, ..run.clone() };
    assert_eq!(started, Starting::Run(reserved.clone()));
    assert_eq!(board.run(run.id).await.unwrap(), Some(reserved));
    let again = board.start_queued(run.id, on("there", 9), how(), at(6)).await.unwrap();
    assert_eq!(again, Starting::NotQueued(RunState::Reserved));
    let facts: Vec<_> = board.events_of(&task).await.unwrap().into_iter().map(|it| it.fact).collect();
    let (queued, started) = (Some("here".parse().unwrap()), "there".parse().unwrap());
    assert_eq!(
        facts[1..],
        [
            Fact::RunQueued { run: run.id, machine: queued },
            Fact::RunReserved { run: run.id, kind: RunKind::Work, machine: started },
        ]
    );
}

pub(crate) async fn a_queued_run_has_the_lease_and_no_slot(place: &Place) {
    let board = place.board().await;
    let change = published(&board, 1, &commit(1)).await.task;
    let waiting = queue(&board, 2, &change).await;
    assert_eq!((waiting.fence, waiting.attempt), (2, 2));
    // Nobody else gets the task, and who had it before publishes no more.
    let busy = board.reserve_run(new_run(3, &change, RunKind::Work), on("here", 9), at(2)).await.unwrap();
    assert_eq!(busy, Reserved::Busy(waiting.id));
    let busy = board.queue_run(new_run(3, &change, RunKind::Work), Wish::default(), at(2)).await.unwrap();
    assert_eq!(busy, Queueing::Busy(waiting.id));
    let late = board.publish(&change, id(1), 1, Some(&commit(1)), &commit(2), at(2)).await.unwrap();
    assert!(matches!(late, Publishing::LostRace(_)));
    // What a person pushes meanwhile is what it will start from.
    let outdated = board.adopt_head(&change, Some(&commit(9)), &commit(3), at(3)).await.unwrap();
    assert!(matches!(outdated, Publishing::LostRace(_)), "{outdated:?}");
    let pushed = board.adopt_head(&change, Some(&commit(1)), &commit(3), at(3)).await.unwrap();
    assert_eq!(pushed, Publishing::Published);
    // The only slot is another task's.
    let other = add(&board, "api", "t").await.task;
    let new = new_run(4, &other, RunKind::Work);
    assert!(matches!(board.reserve_run(new, on("here", 1), at(4)).await.unwrap(), Reserved::Run(_)));
    let full = board.start_queued(waiting.id, on("here", 1), how(), at(4)).await.unwrap();
    assert_eq!(full, Starting::NoRoom(Blocker::NoSlot { machine: "here".parse().unwrap(), slots: 1 }));
    end(&board, id(4)).await;
    let started = board.start_queued(waiting.id, on("here", 1), how(), at(5)).await.unwrap();
    assert!(matches!(started, Starting::Run(run) if run.fence == 2 && run.id == waiting.id));
    let held = board.adopt_head(&change, Some(&commit(3)), &commit(4), at(6)).await.unwrap();
    assert!(matches!(held, Publishing::LostRace(_)));
}

pub(crate) async fn of_many_who_start_the_queue_each_run_has_one(place: &Place) {
    let board = place.board().await;
    for n in 0..6 {
        let task = add(&board, "api", "t").await.task;
        queue(&board, n, &task).await;
    }
    let mut rivals = JoinSet::new();
    for n in 0..18 {
        let rival = place.board().await;
        rivals
            .spawn(async move { rival.start_queued(id(n % 6), on("here", 4), how(), at(2)).await.unwrap() });
    }
    let outcomes = rivals.join_all().await;
    let count = |is: fn(&Starting) -> bool| outcomes.iter().filter(|it| is(it)).count();
    assert_eq!(count(|it| matches!(it, Starting::Run(_))), 4);
    let live = board.live_runs().await.unwrap();
    let here = "here".parse().unwrap();
    assert_eq!(live.iter().filter(|it| it.takes_slot_of(&here)).count(), 4);
    assert_eq!(live.iter().filter(|it| it.reservation.is_none()).count(), 2);
    let full = Blocker::NoSlot { machine: here, slots: 4 };
    for outcome in outcomes {
        match outcome {
            Starting::Run(_) | Starting::NotQueued(RunState::Reserved) => {}
            Starting::NoRoom(reason) => assert_eq!(reason, full),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn starts_keep_their_distance(place: &Place) {
    let board = place.board().await;
    assert_eq!(board.last_start().await.unwrap(), None);
    let far = |second: i64| (at(second), Placement { stagger: Duration::from_secs(10), ..on("here", 9) });
    let mut tasks = Vec::new();
    for _ in 0..4 {
        tasks.push(add(&board, "api", "t").await.task);
    }
    let reserve_at = async |n: u64, second| {
        let (now, placement) = far(second);
        let new = new_run(n, &tasks[usize::try_from(n).unwrap()], RunKind::Work);
        board.reserve_run(new, placement, now).await.unwrap()
    };
    let too_soon = |until: Timestamp| Blocker::TooSoon { until };
    assert!(matches!(reserve_at(0, 0).await, Reserved::Run(_)));
    assert_eq!(reserve_at(1, 9).await, Reserved::NoRoom(too_soon(at(10))));
    // On another machine, it is still the same people's account that pays.
    let waiting = queue(&board, 1, &tasks[1]).await;
    let elsewhere = |second| {
        let (now, placement) = far(second);
        board.start_queued(
            waiting.id,
            Placement { machine: "there".parse().unwrap(), ..placement },
            how(),
            now,
        )
    };
    assert_eq!(elsewhere(9).await.unwrap(), Starting::NoRoom(too_soon(at(10))));
    assert!(matches!(elsewhere(10).await.unwrap(), Starting::Run(_)));
    // It is the start that counts, whatever became of the run, and not when it was queued.
    end(&board, waiting.id).await;
    assert_eq!(board.last_start().await.unwrap(), Some(at(10)));
    assert_eq!(reserve_at(2, 19).await, Reserved::NoRoom(too_soon(at(20))));
    assert!(matches!(reserve_at(2, 20).await, Reserved::Run(_)));
}

pub(crate) async fn a_queued_run_leaves_once_and_never_from_a_machine(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    let waiting = queue(&board, 1, &task).await.id;
    // Only together with a machine does it become anything else.
    for state in [RunState::Reserved, RunState::Preparing, RunState::Running { since: at(2) }] {
        let stays = board.move_run(waiting, state, at(2)).await.unwrap();
        assert!(matches!(stays, Moved::Stays(RunState::Queued(_))), "{stays:?}");
    }
    assert_eq!(board.leave_queue(waiting, cancelled(), at(3)).await.unwrap(), Moved::Moved);
    let stays = board.leave_queue(waiting, cancelled(), at(4)).await.unwrap();
    assert!(matches!(stays, Moved::Stays(RunState::Ended(_))));
    let started = board.start_queued(waiting, on("here", 9), how(), at(4)).await.unwrap();
    assert!(matches!(started, Starting::NotQueued(RunState::Ended(_))));
    assert_eq!(board.run(waiting).await.unwrap().unwrap().reservation, None);

    let work = reserve(&board, 2, &task, RunKind::Work).await;
    assert_eq!(work.fence, 2);
    let stays = board.leave_queue(work.id, cancelled(), at(5)).await.unwrap();
    assert_eq!(stays, Moved::Stays(RunState::Reserved));
}

pub(crate) async fn a_closed_task_is_not_started(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    let waiting = queue(&board, 1, &task).await.id;
    assert_eq!(board.close_task(&task, "no", at(2)).await.unwrap(), Closing::Closed);
    let started = board.start_queued(waiting, on("here", 9), how(), at(3)).await.unwrap();
    assert!(matches!(started, Starting::NotOpen(_)));
    let new = NewRun { id: id(2), ..new_run(2, &task, RunKind::Work) };
    let queueing = board.queue_run(new, Wish::default(), at(3)).await.unwrap();
    assert!(matches!(queueing, Queueing::NotOpen(_)));
}

pub(crate) async fn a_run_that_was_reserved_before_there_was_a_queue_is_understood(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    let run = reserve(&board, 1, &task, RunKind::Work).await;
    place.tamper("UPDATE runs SET reserved_at = NULL").await;
    assert_eq!(board.run(run.id).await.unwrap(), Some(run));
    place.tamper("UPDATE runs SET machine = ''").await;
    let half = board.run(id(1)).await;
    assert!(matches!(half, Err(coord_board::Error::HalfState { .. })), "{half:?}");
}
