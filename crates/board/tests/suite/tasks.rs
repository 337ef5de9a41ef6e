use coord_board::{Added, Closing, Edited, Error, NewTask, TaskEdit, TaskFilter};
use coord_core::change::PullRequestState;
use coord_core::run::RunKind;
use coord_core::task::{Task, TaskRef, TaskState};
use jiff::Timestamp;

use crate::place::Place;
use crate::world::{add, at, commit, end, id, named, new_run, new_task, on, opened, published, reserve};

pub(crate) async fn a_task_comes_back_as_it_was_added(place: &Place) {
    let board = place.board().await;
    let now: Timestamp = "2027-03-04T05:06:07.000000089Z".parse().unwrap();
    let new = NewTask {
        repo: "api".parse().unwrap(),
        title: "修复 'quotes' \"and\" --flag; DROP TABLE tasks\nline".to_owned(),
        body: "x".repeat(1 << 20),
        labels: vec!["bug".to_owned(), "a,b".to_owned()],
        files: vec!["src/ünïcode.rs".to_owned()],
        after: vec![named("web#77")],
    };
    let Added::Task(added) = board.add_task(new, now).await.unwrap() else { panic!("a circle") };
    assert_eq!(added.created_at, now);
    assert_eq!(board.task(&added.task).await.unwrap(), Some(*added.clone()));
    assert_eq!(place.board().await.task(&added.task).await.unwrap(), Some(*added));
    assert_eq!(board.task(&named("web#1")).await.unwrap(), None);
    assert_eq!(board.task(&named("api#18446744073709551615")).await.unwrap(), None);
}

pub(crate) async fn a_number_means_one_thing_on_the_whole_board(place: &Place) {
    let board = place.board().await;
    let first = published(&board, 1, &commit(1)).await;
    let pull_request = opened(&board, &first.task).await;
    let other = add(&board, "web", "t").await;
    assert_eq!((first.task.number, pull_request, other.task.number), (1, 2, 3));
    assert_eq!(board.tasks_numbered(3).await.unwrap(), std::slice::from_ref(&other.task));
    assert_eq!(board.tasks_numbered(2).await.unwrap(), []);
}

pub(crate) async fn lists_are_newest_first_and_bounded(place: &Place) {
    let board = place.board().await;
    for repo in ["api", "web", "api", "api"] {
        add(&board, repo, "t").await;
    }
    assert_eq!(board.close_task(&named("api#3"), "no", at(1)).await.unwrap(), Closing::Closed);
    let numbers = |tasks: Vec<Task>| tasks.iter().map(|it| it.task.number).collect::<Vec<_>>();
    let all = TaskFilter::default();
    assert_eq!(numbers(board.tasks(&all, 9).await.unwrap()), [4, 3, 2, 1]);
    assert_eq!(numbers(board.tasks(&all, 2).await.unwrap()), [4, 3]);
    let api = TaskFilter { repo: Some("api".parse().unwrap()), only_open: false };
    assert_eq!(numbers(board.tasks(&api, 9).await.unwrap()), [4, 3, 1]);
    let open = TaskFilter { only_open: true, ..api };
    assert_eq!(numbers(board.tasks(&open, 9).await.unwrap()), [4, 1]);
}

pub(crate) async fn no_task_waits_for_itself(place: &Place) {
    let board = place.board().await;
    let first = add(&board, "api", "first").await.task;
    let waits = |after: &[&TaskRef]| TaskEdit {
        after: Some(after.iter().copied().cloned().collect()),
        ..TaskEdit::default()
    };
    let second = NewTask { after: vec![first.clone()], ..new_task("api", "second") };
    let Added::Task(second) = board.add_task(second, at(0)).await.unwrap() else { panic!("a circle") };
    let circle = board.edit_task(&first, waits(&[&second.task]), at(1)).await.unwrap();
    assert_eq!(circle, Edited::Circle(vec![first.clone(), second.task.clone(), first.clone()]));
    assert_eq!(board.task(&first).await.unwrap().unwrap().after, []);

    let missing = named("api#3");
    let edited = board.edit_task(&first, waits(&[&missing]), at(1)).await.unwrap();
    assert!(matches!(edited, Edited::Task(task) if task.after == [missing.clone()] && task.title == "first"));
    let third = NewTask { after: vec![second.task.clone()], ..new_task("api", "third") };
    let refused = board.add_task(third, at(1)).await.unwrap();
    assert_eq!(refused, Added::Circle(vec![missing.clone(), second.task, first, missing]));
}

pub(crate) async fn a_task_is_closed_once_and_not_under_a_worker(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    opened(&board, &task).await;
    let run = reserve(&board, 2, &task, RunKind::Test).await;
    assert_eq!(board.close_task(&task, "no", at(1)).await.unwrap(), Closing::Busy(run.id));
    end(&board, run.id).await;
    assert_eq!(board.close_task(&task, "no", at(1)).await.unwrap(), Closing::Closed);
    let closed = TaskState::Closed { reason: "no".to_owned() };
    assert_eq!(board.close_task(&task, "again", at(1)).await.unwrap(), Closing::NotOpen(closed.clone()));
    assert_eq!(board.task(&task).await.unwrap().unwrap().state, closed);
    assert_eq!(board.pull_request(&task).await.unwrap().unwrap().state, PullRequestState::Closed);
    let edited = board.edit_task(&task, TaskEdit::default(), at(1)).await.unwrap();
    assert_eq!(edited, Edited::NotOpen(closed.clone()));
    let reserved = board.reserve_run(new_run(3, &task, RunKind::Work), on("here", 2), at(1)).await.unwrap();
    assert_eq!(reserved, coord_board::Reserved::NotOpen(closed));
    let missing = board.close_task(&named("web#9"), "no", at(1)).await;
    assert!(matches!(missing, Err(Error::NoTask(task)) if task == named("web#9")));
}

pub(crate) async fn half_a_state_is_refused_by_name(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    opened(&board, &task).await;
    let read = async || -> Result<(), Error> {
        board.run(id(1)).await?;
        board.change(&task).await?;
        board.task(&task).await?;
        board.pull_request(&task).await?;
        Ok(())
    };
    read().await.unwrap();
    let run = format!("run {}", id(1));
    for (half, row, state, whole) in [
        ("UPDATE runs SET since = ended", run.as_str(), "`since`", "UPDATE runs SET since = NULL"),
        ("UPDATE runs SET since = created_at", &run, "`ended`", "UPDATE runs SET since = NULL"),
        ("UPDATE runs SET state = 'running'", &run, "`running`", "UPDATE runs SET state = 'ended'"),
        ("UPDATE runs SET state = 'lost'", &run, "`lost`", "UPDATE runs SET state = 'ended'"),
        ("UPDATE runs SET kind = 'dream'", &run, "`kind`", "UPDATE runs SET kind = 'work'"),
        (
            "UPDATE changes SET merge_commit = head",
            "change api#1",
            "`published`",
            "UPDATE changes SET merge_commit = NULL",
        ),
        (
            "UPDATE changes SET state = 'empty'",
            "change api#1",
            "`empty`",
            "UPDATE changes SET state = 'published'",
        ),
        ("UPDATE changes SET fence = -1", "change api#1", "`fence`", "UPDATE changes SET fence = 1"),
        (
            "UPDATE tasks SET close_reason = 'x'",
            "task api#1",
            "`open`",
            "UPDATE tasks SET close_reason = NULL",
        ),
        ("UPDATE tasks SET state = 'merged'", "task api#1", "`merged`", "UPDATE tasks SET state = 'open'"),
        ("UPDATE tasks SET labels = '{'", "task api#1", "`labels`", "UPDATE tasks SET labels = '[]'"),
        (
            "UPDATE pull_requests SET state = 'merged'",
            "pull request api#2",
            "`merged`",
            "UPDATE pull_requests SET state = 'open'",
        ),
    ] {
        place.tamper(half).await;
        let refused = read().await.unwrap_err().to_string();
        assert!(refused.contains(row) && refused.contains(state), "{half}: {refused}");
        place.tamper(whole).await;
        read().await.unwrap();
    }
}
