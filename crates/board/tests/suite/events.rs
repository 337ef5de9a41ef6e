use coord_board::{Added, Reserved};
use coord_core::event::{Event, Fact};
use coord_core::run::RunKind;
use tokio::task::JoinSet;

use crate::place::Place;
use crate::world::{add, at, named, new_run, new_task, on, reserve};

const WRITERS: u64 = 6;
const EACH: u64 = 20;

pub(crate) async fn events_are_numbered_without_loss(place: &Place) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let board = place.board().await;
        writers.spawn(async move {
            for n in 0..EACH {
                let new = new_task("api", &format!("{writer}.{n}"));
                assert!(matches!(board.add_task(new, at(0)).await.unwrap(), Added::Task(_)));
            }
        });
    }
    // A reader that follows while they write gets everything once and in order.
    let board = place.board().await;
    let mut seen: Vec<Event> = Vec::new();
    while seen.len() < (WRITERS * EACH) as usize {
        let after = seen.last().map_or(0, |it| it.number);
        seen.extend(board.events_after(after, 7).await.unwrap());
        tokio::task::yield_now().await;
    }
    writers.join_all().await;
    let numbers: Vec<u64> = seen.iter().map(|it| it.number).collect();
    assert_eq!(numbers, (1..=WRITERS * EACH).collect::<Vec<_>>());
    assert_eq!(board.events_after(WRITERS * EACH, 7).await.unwrap(), []);
    let mut tasks: Vec<u64> = seen.iter().map(|it| it.task.number).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, numbers);
    let first = &seen[0];
    assert_eq!(first.at, at(0));
    assert_eq!(board.events_of(&first.task).await.unwrap(), std::slice::from_ref(first));
}

pub(crate) async fn a_refusal_leaves_no_event(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    reserve(&board, 1, &task, RunKind::Work).await;
    let busy = board.reserve_run(new_run(2, &task, RunKind::Work), on("here", 2), at(1)).await.unwrap();
    assert!(matches!(busy, Reserved::Busy(_)));
    add(&board, "api", "another").await;
    let events = board.events_after(0, 9).await.unwrap();
    assert_eq!(events.iter().map(|it| it.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(matches!(&events[2].fact, Fact::TaskAdded { title } if title == "another"));
}

pub(crate) async fn who_gives_up_halfway_leaves_nothing_behind(place: &Place) {
    let board = place.board().await;
    let mut added = 0;
    // Each caller waits a little longer than the one before, so they give up at many different points.
    for polls in 0..40 {
        let mut adding = Box::pin(board.add_task(new_task("api", "t"), at(0)));
        let mut done = false;
        for _ in 0..polls {
            tokio::select! {
                biased;
                it = &mut adding => { assert!(matches!(it.unwrap(), Added::Task(_))); done = true; break }
                () = tokio::time::sleep(std::time::Duration::from_micros(50)) => {}
            }
        }
        drop(adding);
        added += u64::from(done);
    }
    let last = add(&board, "api", "the last").await.task;
    let events = board.events_after(0, 99).await.unwrap();
    let numbers: Vec<u64> = events.iter().map(|it| it.number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(numbers.len() as u64 > added && last.number == numbers.len() as u64);
    for number in numbers {
        assert!(board.task(&named(&format!("api#{number}"))).await.unwrap().is_some());
    }
}
