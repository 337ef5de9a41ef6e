//! What may be spent is decided by what nobody is changing, and a run that goes on has lost nothing in between.

use coord_board::{Board, Closing, Continuation, Ending, Moved, Placement, Reserved};
use coord_core::budget::{Budget, Cap, Caps};
use coord_core::event::Fact;
use coord_core::money::Usd;
use coord_core::outcome::Outcome;
use coord_core::park::Parked;
use coord_core::queue::Wish;
use coord_core::readiness::Blocker;
use coord_core::run::{Run, RunEnd, RunKind, RunState};
use coord_core::task::TaskRef;
use coord_core::window::{Standing, Window};

use crate::Place;
use crate::world::{add, at, commit, ended, id, named, new_run, on, published, queue, reserve};

fn usd(dollars: f64) -> Usd {
    Usd::from_dollars(dollars).unwrap()
}

fn daily(dollars: f64) -> Budget {
    let caps = Caps { per_day: Some(usd(dollars)), ..Caps::default() };
    Budget { caps, day_from: at(0), month_from: at(0), slots: 8, warn_at: 0.8 }
}

fn capped(dollars: f64) -> Placement {
    Placement { budget: Some(daily(dollars)), ..on("here", 8) }
}

/// The end of a run that cost this much.
fn end(outcome: Outcome, cost_usd: Option<f64>) -> RunEnd {
    let RunState::Ended(end) = ended(outcome) else { unreachable!("it has ended") };
    let mut end = *end;
    end.report.cost_usd = cost_usd;
    end.report.account = Some("team".parse().unwrap());
    end
}

fn ending(end: RunEnd) -> Ending {
    Ending { end, budget: daily(10.0), exhausted: Vec::new(), then: None }
}

fn five_hours(standing: Standing) -> Window {
    Window { window: "five_hour".to_owned(), standing, until: Some(at(900)), utilization: None }
}

async fn facts(board: &Board, task: &TaskRef) -> Vec<Fact> {
    board.events_of(task).await.unwrap().into_iter().map(|it| it.fact).collect()
}

/// What goes on in place of a run.
fn in_place_of(run: &Run, n: u64) -> Continuation {
    let parked = Parked {
        of: run.id,
        why: "limited".to_owned(),
        session: Some("s-1".to_owned()),
        rescue: None,
        account: Some("team".parse().unwrap()),
        until: Some(at(900)),
        asks: true,
    };
    let wish = Wish { machine: run.machine().cloned(), parked: Some(parked), ..Wish::default() };
    Continuation { new: new_run(n, &run.task, RunKind::Work), wish }
}

pub(crate) async fn eight_who_start_at_once_share_what_a_cap_leaves(place: &Place) {
    let board = place.open().await.unwrap();
    let mut starting = Vec::new();
    for n in 1..=8 {
        let (board, task) = (board.clone(), add(&board, "api", "a task").await.task);
        starting.push(tokio::spawn(async move {
            board.reserve_run(new_run(n, &task, RunKind::Work), capped(4.0), at(1)).await.unwrap()
        }));
    }
    for started in starting {
        let Reserved::Run(run) = started.await.unwrap() else { panic!("there is enough for eight") };
        assert_eq!(board.reserved(run.id).await.unwrap(), Some(usd(0.5)));
    }
    for n in 1..=8 {
        // Each oversteps by a turn of twenty cents.
        let moved = board.end_work(id(n), ending(end(Outcome::Done, Some(0.7))), at(9)).await.unwrap();
        assert_eq!(moved, Moved::Moved);
    }
    let task = add(&board, "api", "one more").await.task;
    let refused = board.reserve_run(new_run(9, &task, RunKind::Work), capped(4.0), at(10)).await.unwrap();
    let Reserved::NoRoom(Blocker::Spent(standing)) = refused else { panic!("{refused:?}") };
    assert_eq!((standing.cap, standing.spent, standing.reserved), (Cap::Day, usd(5.6), Usd::ZERO));
}

pub(crate) async fn what_nobody_knows_goes_on_counting_as_reserved(place: &Place) {
    let board = place.open().await.unwrap();
    let starts = async |n| {
        let task = add(&board, "api", "a task").await.task;
        let placement = Placement { budget: Some(Budget { slots: 1, ..daily(4.0) }), ..on("here", 8) };
        board.reserve_run(new_run(n, &task, RunKind::Work), placement, at(1)).await.unwrap()
    };
    assert!(matches!(starts(1).await, Reserved::Run(_)));
    let Reserved::NoRoom(Blocker::Spent(standing)) = starts(2).await else { panic!("all is reserved") };
    assert!(standing.frees_itself());
    assert_eq!(board.move_run(id(1), ended(Outcome::Done), at(9)).await.unwrap(), Moved::Moved);
    let Reserved::NoRoom(Blocker::Spent(standing)) = starts(2).await else {
        panic!("it cost who knows what")
    };
    assert_eq!((standing.spent, standing.frees_itself()), (usd(4.0), false));
}

pub(crate) async fn who_told_all_that_it_spent_gives_the_rest_back_and_who_was_cut_off_does_not(
    place: &Place,
) {
    let board = place.open().await.unwrap();
    let starts = async |n| {
        let task = add(&board, "api", "a task").await.task;
        let placement = Placement { budget: Some(Budget { slots: 1, ..daily(4.0) }), ..on("here", 8) };
        let reserved = board.reserve_run(new_run(n, &task, RunKind::Work), placement, at(1)).await.unwrap();
        matches!(reserved, Reserved::Run(_))
    };
    let ends = async |n, at_least| {
        let mut end = end(Outcome::Done, Some(1.0));
        end.report.usage.at_least = at_least;
        assert_eq!(board.end_work(id(n), ending(end), at(9)).await.unwrap(), Moved::Moved);
    };
    assert!(starts(1).await);
    assert_eq!(board.reserved(id(1)).await.unwrap(), Some(usd(4.0)));
    ends(1, false).await;
    assert!(starts(2).await);
    assert_eq!(board.reserved(id(2)).await.unwrap(), Some(usd(3.0)));
    ends(2, true).await;
    let mut charges = board.charges(&named("api#2"), &daily(4.0)).await.unwrap();
    charges.sort_by_key(|it| it.task.clone());
    let charged: Vec<_> = charges.into_iter().map(|it| (it.spent, it.reserved)).collect();
    assert_eq!(charged, [(usd(1.0), Usd::ZERO), (usd(1.0), usd(3.0))]);
    assert!(!starts(3).await, "it may have spent all three");
}

pub(crate) async fn a_test_and_what_is_queued_take_no_share_of_what_is_left(place: &Place) {
    let board = place.open().await.unwrap();
    let tested = published(&board, 1, &commit(1)).await.task;
    reserve(&board, 2, &tested, RunKind::Test).await;
    let waits = add(&board, "api", "waits").await.task;
    queue(&board, 3, &waits).await;
    // Of eight slots, all are free for whoever comes first, and all but one for the next.
    for (n, share) in [(4, 0.5), (5, 0.5), (6, 0.5)] {
        let task = add(&board, "api", "a task").await.task;
        let started = board.reserve_run(new_run(n, &task, RunKind::Work), capped(4.0), at(1)).await.unwrap();
        assert!(matches!(started, Reserved::Run(_)), "{started:?}");
        assert_eq!(board.reserved(id(n)).await.unwrap(), Some(usd(share)), "run {n}");
    }
}

pub(crate) async fn nothing_goes_on_for_a_task_that_was_closed_meanwhile(place: &Place) {
    let board = place.open().await.unwrap();
    let task = add(&board, "api", "a task").await.task;
    let run = queue(&board, 1, &task).await;
    // It is only queued, so the task may be closed under it.
    assert_eq!(board.close_task(&task, "no", at(2)).await.unwrap(), Closing::Closed);
    let limited = end(Outcome::Limited { until: Some(at(900)) }, None);
    let ending = Ending { then: Some(in_place_of(&run, 2)), ..ending(limited) };
    assert_eq!(board.end_work(run.id, ending, at(9)).await.unwrap(), Moved::Moved);
    assert_eq!(board.run(id(2)).await.unwrap(), None);
    assert!(board.live_runs().await.unwrap().is_empty());
}

pub(crate) async fn a_run_ends_together_with_what_it_spent_and_what_goes_on_in_its_place(place: &Place) {
    let board = place.open().await.unwrap();
    let task = add(&board, "api", "a task").await.task;
    let run = reserve(&board, 1, &task, RunKind::Work).await;
    let mut limited = end(Outcome::Limited { until: Some(at(900)) }, Some(8.5));
    limited.report.windows.push(five_hours(Standing::Rejected));
    let ending = Ending { then: Some(in_place_of(&run, 2)), ..ending(limited) };
    assert_eq!(board.end_work(run.id, ending.clone(), at(9)).await.unwrap(), Moved::Moved);
    assert!(matches!(board.end_work(run.id, ending, at(9)).await.unwrap(), Moved::Stays(_)));

    let next = board.run(id(2)).await.unwrap().unwrap();
    assert_eq!((next.attempt, next.fence), (run.attempt, run.fence + 1), "it was no attempt");
    let RunState::Queued(wish) = &next.state else { panic!("{next:?}") };
    assert_eq!(wish.parked.as_ref().unwrap().session.as_deref(), Some("s-1"));
    let told = facts(&board, &task).await;
    let near = Fact::CapNeared { cap: Cap::Day, spent: usd(8.5), limit: usd(10.0) };
    let parked = Fact::RunParked { run: id(2), of: run.id, until: None };
    assert_eq!(told[told.len() - 2..], [near, parked]);
    assert_eq!(board.spenders(at(0)).await.unwrap().len(), 2);
    assert_eq!(board.spenders(at(10)).await.unwrap().len(), 1, "what is live may yet spend something");
    assert!(board.windows().await.unwrap()[0].window.standing == Standing::Rejected);
}

pub(crate) async fn an_account_is_known_by_the_runs_it_had_and_lifted_by_a_person(place: &Place) {
    let board = place.open().await.unwrap();
    let task = add(&board, "api", "a task").await.task;
    let run = reserve(&board, 1, &task, RunKind::Work).await;
    let (here, claude) = ("here".parse().unwrap(), "claude".parse().unwrap());
    let team = "team".parse().unwrap();
    assert_eq!(board.account_on(&here, &claude).await.unwrap(), None);
    board.note_windows(run.id, &team, &[five_hours(Standing::Warned)], at(2)).await.unwrap();
    board.note_windows(run.id, &team, &[five_hours(Standing::Open)], at(3)).await.unwrap();
    assert_eq!(board.account_on(&here, &claude).await.unwrap(), Some(team.clone()));
    assert_eq!(board.windows().await.unwrap()[0].at, at(2), "what is no news is not written");

    let limited = end(Outcome::Limited { until: Some(at(900)) }, None);
    let then = Some(in_place_of(&run, 2));
    let exhausted = vec![five_hours(Standing::Rejected)];
    let ended = board.end_work(run.id, Ending { then, exhausted, ..ending(limited) }, at(9)).await.unwrap();
    assert_eq!(ended, Moved::Moved);
    let lifted = async || board.windows().await.unwrap().into_iter().all(|it| it.lifted);
    assert!(!lifted().await);
    assert_eq!(board.lift(&team, at(10)).await.unwrap(), [id(2)]);
    assert!(lifted().await);
    let RunState::Queued(wish) = board.run(id(2)).await.unwrap().unwrap().state else { panic!() };
    let parked = wish.parked.unwrap();
    assert_eq!((parked.asks, parked.until, parked.of), (false, None, run.id));
    assert_eq!(facts(&board, &task).await.last(), Some(&Fact::RunReleased { run: id(2) }));
}
