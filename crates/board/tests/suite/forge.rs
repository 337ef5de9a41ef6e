use std::time::Duration;

use coord_board::{Board, Merging, Noted, Reopening, Reserved, Saying, Seen, TaskEdit};
use coord_core::change::PullRequestState;
use coord_core::comment::CommentEvent;
use coord_core::event::Fact;
use coord_core::forge::{Association, Origin, Related, Relation};
use coord_core::run::RunKind;
use coord_core::task::{TaskRef, TaskState};

use crate::place::Place;
use crate::world::{add, at, commit, named, new_run, on, published, reserve};

fn seen(task: &str, title: &str) -> Seen {
    Seen {
        task: named(task),
        title: title.to_owned(),
        body: "b".to_owned(),
        labels: vec!["bug".to_owned()],
        closed: None,
        origin: Origin {
            author: "ann".to_owned(),
            association: Association::Member,
            assignees: Vec::new(),
            milestone: None,
            completed: false,
            url: "https://github.example/acme/api/issues/7".to_owned(),
            updated_at: at(1),
        },
        related: None,
        created_at: at(0),
    }
}

async fn facts(board: &Board, task: &TaskRef) -> Vec<Fact> {
    board.events_of(task).await.unwrap().into_iter().map(|it| it.fact).collect()
}

pub(crate) async fn an_issue_is_taken_in_once_and_follows_its_forge(place: &Place) {
    let board = place.board().await;
    let (one, two) = (named("api#7"), named("api#8"));
    for _ in 0..2 {
        board.import(vec![seen("api#7", "t"), seen("api#8", "u")], at(2)).await.unwrap();
    }
    let added = |title: &str| Fact::TaskAdded { title: title.to_owned() };
    assert_eq!(facts(&board, &one).await, [added("t")]);
    assert_eq!(board.task(&one).await.unwrap().unwrap().origin, Some(seen("api#7", "t").origin));

    // What only this board knows of it stays.
    let edit = TaskEdit { after: Some(vec![one.clone()]), ..TaskEdit::default() };
    assert!(matches!(board.edit_task(&two, edit, at(2)).await.unwrap(), coord_board::Edited::Task(_)));
    let related = Related {
        relation: Relation::BlockedBy,
        repo: "acme/web".parse().unwrap(),
        number: 3,
        title: "first".to_owned(),
        open: true,
    };
    let edited = Seen { related: Some(vec![related.clone()]), ..seen("api#8", "v") };
    board.import(vec![edited], at(3)).await.unwrap();
    let task = board.task(&two).await.unwrap().unwrap();
    assert_eq!(
        (task.title.as_str(), task.after, task.related),
        ("v", vec![one.clone()], vec![related.clone()])
    );
    // A list says nothing of relations, which is not that there are none.
    board.import(vec![seen("api#8", "v")], at(3)).await.unwrap();
    assert_eq!(board.task(&two).await.unwrap().unwrap().related, [related]);

    let closed = Seen { closed: Some("gone".to_owned()), ..seen("api#7", "t") };
    board.import(vec![closed], at(4)).await.unwrap();
    assert_eq!(
        board.task(&one).await.unwrap().unwrap().state,
        TaskState::Closed { reason: "gone".to_owned() }
    );
    board.import(vec![seen("api#7", "t")], at(5)).await.unwrap();
    assert_eq!(board.task(&one).await.unwrap().unwrap().state, TaskState::Open);
    let gone = Fact::TaskClosed { reason: "gone".to_owned() };
    assert_eq!(facts(&board, &one).await, [added("t"), gone, Fact::TaskReopened]);

    // Who is assigned is kept and is no event.
    let mut assigned = seen("api#7", "t");
    assigned.origin.assignees.push("bob".to_owned());
    board.import(vec![assigned], at(6)).await.unwrap();
    assert_eq!(board.task(&one).await.unwrap().unwrap().origin.unwrap().assignees, ["bob"]);
    assert_eq!(facts(&board, &one).await.len(), 3);
    let numbers: Vec<_> = board.events_after(0, 100).await.unwrap().iter().map(|it| it.number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

pub(crate) async fn a_merged_task_stays_merged_whatever_becomes_of_its_issue(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    note(&board, &task, 5, true).await;
    let merged = board.record_merged(&task, &commit(1), &commit(7), at(3)).await.unwrap();
    assert_eq!(merged, Merging::Merged);
    let state = TaskState::Merged { commit: commit(7) };
    for closed in [None, Some("closed".to_owned())] {
        let issue = Seen { task: task.clone(), closed, ..seen("api#1", "t") };
        board.import(vec![issue], at(4)).await.unwrap();
        assert_eq!(board.task(&task).await.unwrap().unwrap().state, state);
    }
    assert_eq!(board.reopen_task(&task, at(4)).await.unwrap(), Reopening::Merged(commit(7)));
    // Its base branch may still be tested, but no worker gets it again.
    let work = board.reserve_run(new_run(8, &task, RunKind::Work), on("here", 2), at(5)).await.unwrap();
    assert_eq!(work, Reserved::NotOpen(state));
    let test = board.reserve_run(new_run(9, &task, RunKind::Test), on("here", 2), at(5)).await.unwrap();
    assert!(matches!(test, Reserved::Run(_)), "{test:?}");
}

async fn note(board: &Board, task: &TaskRef, number: u64, open: bool) -> Option<PullRequestState> {
    let (title, body) = ("t".to_owned(), "b".to_owned());
    let noted = Noted { number, title, body, url: "u".to_owned(), open };
    board.note_pull_request(task, noted, at(2)).await.unwrap().map(|it| it.state)
}

pub(crate) async fn a_pull_request_of_a_forge_is_what_people_made_of_it(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    // One that was closed before anybody here knew it is none.
    assert_eq!(note(&board, &task, 4, false).await, None);
    for _ in 0..2 {
        assert_eq!(note(&board, &task, 5, true).await, Some(PullRequestState::Open));
    }
    for _ in 0..2 {
        assert_eq!(note(&board, &task, 5, false).await, Some(PullRequestState::Closed));
    }
    assert_eq!(note(&board, &task, 5, true).await, Some(PullRequestState::Open));
    // Somebody closed it and opened another: that one counts, and only one is open.
    assert_eq!(note(&board, &task, 6, true).await, Some(PullRequestState::Open));
    let open: Vec<_> = board.open_pull_requests(None).await.unwrap().iter().map(|it| it.number).collect();
    assert_eq!(open, [6]);
    let pulls = facts(&board, &task).await;
    let (opened, closed) =
        (|number| Fact::PullRequestOpened { number }, |number| Fact::PullRequestClosed { number });
    let pulls: Vec<_> =
        pulls.into_iter().filter(|it| [opened(5), closed(5), opened(6)].contains(it)).collect();
    assert_eq!(pulls, [opened(5), closed(5), opened(5), opened(6)]);
    let numbers: Vec<_> = board.events_after(0, 100).await.unwrap().iter().map(|it| it.number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(board.close_pull_request(&task, 5, at(3)).await.unwrap().is_none());
    assert!(board.close_pull_request(&task, 6, at(3)).await.unwrap().is_some());
}

pub(crate) async fn a_pull_request_that_is_known_waits_for_nobody_who_writes(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    let open = Some(PullRequestState::Open);
    assert_eq!(note(&board, &task, 5, true).await, open);
    let writing = place.in_the_middle_of("UPDATE counters SET value = value").await;
    let noted = tokio::time::timeout(Duration::from_secs(10), note(&board, &task, 5, true)).await;
    assert_eq!(noted.expect("there is nothing to write"), open);
    drop(writing);
    assert_eq!(note(&board, &task, 5, false).await, Some(PullRequestState::Closed));
}

pub(crate) async fn a_comment_is_written_by_one_and_looked_for_after_a_crash(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    let run = reserve(&board, 1, &task, RunKind::Work).await.id;
    let event = CommentEvent::Briefing;
    let begin = |holder: &'static str, second| board.begin_comment(run, event, holder, at(second));
    assert_eq!(begin("a", 0).await.unwrap(), Saying::New);
    // Another holder leaves it alone for a while; the same one knows that its own attempt is over.
    assert_eq!(begin("b", 60).await.unwrap(), Saying::Said);
    assert_eq!(begin("a", 61).await.unwrap(), Saying::Unsure);
    assert_eq!(begin("b", 62).await.unwrap(), Saying::Said);
    assert_eq!(begin("b", 200).await.unwrap(), Saying::Unsure);
    // What surely was not written may be written by anybody.
    board.drop_comment(run, event).await.unwrap();
    assert_eq!(begin("a", 201).await.unwrap(), Saying::New);
    for _ in 0..2 {
        board.record_comment(&task, run, event, 33, at(202)).await.unwrap();
    }
    assert_eq!(begin("a", 900).await.unwrap(), Saying::Said);
    assert_eq!(board.comments_of(run).await.unwrap(), [event].into());
    let said = Fact::Commented { run, event, comment: 33 };
    assert_eq!(facts(&board, &task).await.iter().filter(|it| **it == said).count(), 1);
}

pub(crate) async fn merging_is_paused_until_somebody_lets_it_go_on(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    for _ in 0..2 {
        board.pause(&task, "another tree", &commit(3), at(1)).await.unwrap();
    }
    let pause = board.pause_of(&task.repo).await.unwrap().unwrap();
    assert_eq!((pause.task, pause.tip), (task.clone(), commit(3)));
    assert_eq!(board.pause_of(&"web".parse().unwrap()).await.unwrap(), None);
    assert!(board.resume(&task.repo, "tested", at(2)).await.unwrap());
    assert!(!board.resume(&task.repo, "tested", at(3)).await.unwrap());
    let incident = Fact::Incident { reason: "another tree".to_owned(), commit: commit(3) };
    let resumed = Fact::MergingResumed { reason: "tested".to_owned() };
    assert_eq!(facts(&board, &task).await[1..], [incident, resumed]);
}
