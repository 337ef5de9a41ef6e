use coord_board::{Begun, Board};
use coord_core::run::RunKind;
use coord_core::session::Session;
use tokio::task::JoinSet;

use crate::place::Place;
use crate::world::{add, at, end, named, reserve};

async fn open(board: &Board, second: i64) -> Session {
    match board.open_session(at(second)).await.unwrap() {
        Begun::New(session) => session,
        Begun::Open(session) => panic!("one was open: {session:?}"),
    }
}

pub(crate) async fn one_session_is_open_at_a_time_and_is_closed_once(place: &Place) {
    let board = place.board().await;
    assert_eq!(board.session().await.unwrap(), None);
    let mut opening = JoinSet::new();
    for _ in 0..4 {
        let board = place.board().await;
        opening.spawn(async move { board.open_session(at(1)).await.unwrap() });
    }
    let begun = opening.join_all().await;
    let new = begun.iter().filter(|it| matches!(it, Begun::New(_))).count();
    let numbers: Vec<_> = begun.iter().map(|(Begun::New(it) | Begun::Open(it))| it.number).collect();
    assert_eq!((new, numbers), (1, vec![1; 4]));
    let session = board.session().await.unwrap().unwrap();
    assert_eq!(session, Session { number: 1, opened_at: at(1), closed_at: None });
    assert!(board.close_session(1, at(5)).await.unwrap());
    assert!(!board.close_session(1, at(6)).await.unwrap(), "it was closed before");
    assert_eq!(board.session().await.unwrap(), None);
    let next = open(&board, 9).await;
    let before = board.session_before(next.number).await.unwrap().unwrap();
    assert_eq!(before, Session { closed_at: Some(at(5)), ..session });
    assert_eq!(board.session_before(before.number).await.unwrap(), None);
}

pub(crate) async fn events_are_found_by_their_time(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    let run = reserve(&board, 1, &task, RunKind::Work).await;
    end(&board, run.id).await;
    let numbers = async |from, after, limit| {
        let events = board.events_since(at(from), after, limit).await.unwrap();
        events.iter().map(|it| it.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(0, 0, 9).await, [1, 2, 3]);
    assert_eq!(numbers(1, 0, 9).await, [2, 3], "what happened at that very moment counts");
    assert_eq!(numbers(0, 1, 1).await, [2]);
    assert_eq!(numbers(10, 0, 9).await, Vec::<u64>::new());
}

pub(crate) async fn what_was_tried_for_open_tasks_is_found(place: &Place) {
    let board = place.board().await;
    let (open, closed) = (add(&board, "api", "a").await.task, add(&board, "api", "b").await.task);
    for (n, task) in [(1, &open), (2, &closed), (3, &open)] {
        let run = reserve(&board, n, task, RunKind::Work).await;
        end(&board, run.id).await;
    }
    reserve(&board, 4, &open, RunKind::Work).await;
    assert!(matches!(board.close_task(&closed, "no", at(9)).await.unwrap(), coord_board::Closing::Closed));
    let found = board.ended_runs_of_open_tasks().await.unwrap();
    let found: Vec<_> = found.iter().map(|it| (it.task.clone(), it.attempt)).collect();
    assert_eq!(found, [(named("api#1"), 1), (named("api#1"), 2)]);
    assert_eq!(board.live_runs().await.unwrap().len(), 1, "the one that has not ended is not among them");
}
