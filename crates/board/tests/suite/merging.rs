use coord_board::{Error, Merging, Moved, Opening, Publishing};
use coord_core::change::{ChangeState, PullRequestState};
use coord_core::event::Fact;
use coord_core::gate::{GateKind, Source, Verdict};
use coord_core::outcome::Outcome;
use coord_core::run::{RunKind, RunState};
use coord_core::task::TaskState;

use crate::place::Place;
use crate::world::{add, at, commit, end, ended, evidence, id, opened, published, reserve};

pub(crate) async fn only_the_holder_of_the_lease_publishes(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    let second = reserve(&board, 2, &task, RunKind::Work).await;
    let old = Some(&commit(1));
    let before = board.change(&task).await.unwrap().unwrap();
    let late = board.publish(&task, id(1), 1, old, &commit(9), at(3)).await.unwrap();
    assert_eq!(late, Publishing::LostRace(before.clone()));
    let forged = board.publish(&task, id(1), 3, old, &commit(9), at(3)).await.unwrap();
    assert_eq!(forged, Publishing::LostRace(before.clone()));
    for wrong in [None, Some(&commit(8))] {
        let moved = board.publish(&task, second.id, 2, wrong, &commit(9), at(3)).await.unwrap();
        assert_eq!(moved, Publishing::LostRace(before.clone()));
    }
    assert_eq!(board.change(&task).await.unwrap(), Some(before));
    for _ in 0..2 {
        let published = board.publish(&task, second.id, 2, old, &commit(2), at(3)).await.unwrap();
        assert_eq!(published, Publishing::Published);
    }
    let change = board.change(&task).await.unwrap().unwrap();
    assert_eq!(change.state, ChangeState::Published { head: commit(2) });
    let events = board.events_of(&task).await.unwrap();
    assert_eq!(events.iter().filter(|it| matches!(it.fact, Fact::Published { .. })).count(), 2);
    let unassigned = add(&board, "api", "t").await.task;
    let nothing = board.publish(&unassigned, id(3), 1, None, &commit(1), at(3)).await;
    assert!(matches!(nothing, Err(Error::NoChange(_))));
}

pub(crate) async fn evidence_comes_from_ended_runs_and_people(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    let stranger = published(&board, 2, &commit(1)).await.task;
    let run = reserve(&board, 3, &task, RunKind::Test).await.id;
    let passed = evidence(Source::Run(run), Verdict::Passed);
    let record = |task, evidence| board.record_gate(task, GateKind::Tests, evidence, at(6));
    assert!(matches!(record(&task, passed.clone()).await, Err(Error::NoEvidence { .. })));
    end(&board, run).await;
    assert!(matches!(record(&stranger, passed.clone()).await, Err(Error::NoEvidence { .. })));
    assert!(matches!(
        record(&task, evidence(Source::Run(id(9)), Verdict::Passed)).await,
        Err(Error::NoRun(_))
    ));
    assert_eq!(board.gates(&task).await.unwrap(), []);

    let failed = evidence(Source::Run(run), Verdict::Failed { reason: "red".to_owned() });
    record(&task, failed).await.unwrap();
    record(&task, passed.clone()).await.unwrap();
    let word = evidence(Source::Person("ann".to_owned()), Verdict::Passed);
    board.record_gate(&task, GateKind::Person, word.clone(), at(6)).await.unwrap();
    let gates = board.gates(&task).await.unwrap();
    let held: Vec<_> = gates.into_iter().map(|it| (it.kind, it.evidence)).collect();
    assert_eq!(held, [(GateKind::Person, word), (GateKind::Tests, passed)]);
    let events = board.events_of(&task).await.unwrap();
    assert_eq!(events.iter().filter(|it| matches!(it.fact, Fact::GateRecorded { .. })).count(), 3);
}

pub(crate) async fn a_test_ends_together_with_what_it_found(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    let run = reserve(&board, 3, &task, RunKind::Test).await.id;
    let found = evidence(Source::Run(run), Verdict::Passed);
    let RunState::Ended(how) = ended(Outcome::Done) else { panic!() };
    let end_test = |evidence| board.end_test(run, (*how).clone(), Some(evidence), at(6));
    let anothers = end_test(evidence(Source::Run(id(1)), Verdict::Passed)).await;
    assert!(matches!(anothers, Err(Error::NoEvidence { .. })));
    assert_eq!(board.live_runs().await.unwrap().len(), 1, "it has not ended without its evidence");
    assert_eq!(end_test(found.clone()).await.unwrap(), Moved::Moved);
    let late = evidence(Source::Run(run), Verdict::Failed { reason: "late".to_owned() });
    assert!(matches!(end_test(late).await.unwrap(), Moved::Stays(_)));
    let gates = board.gates(&task).await.unwrap();
    assert_eq!(gates.into_iter().map(|it| it.evidence).collect::<Vec<_>>(), [found]);
    let events = board.events_of(&task).await.unwrap();
    let [.., last, recorded] = events.as_slice() else { panic!("{events:?}") };
    assert!(matches!(last.fact, Fact::RunEnded { .. }) && matches!(recorded.fact, Fact::GateRecorded { .. }));
    assert_eq!(recorded.number, last.number + 1);
}

pub(crate) async fn a_pull_request_is_opened_once(place: &Place) {
    let board = place.board().await;
    let task = add(&board, "api", "t").await.task;
    let open = async |words: &str| board.open_pull_request(&task, words, words, at(3)).await.unwrap();
    assert_eq!(open("x").await, Opening::NothingPublished);
    let run = reserve(&board, 1, &task, RunKind::Work).await;
    assert_eq!(open("x").await, Opening::NothingPublished);
    let publishing = board.publish(&task, run.id, run.fence, None, &commit(1), at(2)).await.unwrap();
    assert_eq!(publishing, Publishing::Published);
    let Opening::Open(first) = open("one").await else { panic!() };
    assert_eq!((first.branch.clone(), first.base_branch.as_str()), (run.branch, "main"));
    let Opening::Open(again) = open("two").await else { panic!() };
    assert_eq!((again.number, again.title.as_str(), again.body.as_str()), (first.number, "two", "two"));
    assert_eq!(board.pull_request(&task).await.unwrap(), Some(again.clone()));
    assert_eq!(board.open_pull_requests(Some(&task.repo)).await.unwrap(), std::slice::from_ref(&again));
    assert_eq!(board.open_pull_requests(None).await.unwrap(), [again]);
    assert_eq!(board.open_pull_requests(Some(&"web".parse().unwrap())).await.unwrap(), []);
    let events = board.events_of(&task).await.unwrap();
    assert_eq!(events.iter().filter(|it| matches!(it.fact, Fact::PullRequestOpened { .. })).count(), 1);
}

pub(crate) async fn a_merge_is_recorded_once_and_everywhere(place: &Place) {
    let board = place.board().await;
    let task = published(&board, 1, &commit(1)).await.task;
    let record =
        async |head, by| board.record_merged(&task, &commit(head), &commit(by), at(8)).await.unwrap();
    assert!(matches!(record(1, 5).await, Merging::LostRace(_)), "no pull request is open");
    let number = opened(&board, &task).await;
    assert!(matches!(record(2, 5).await, Merging::LostRace(_)), "another head");
    assert_eq!(board.task(&task).await.unwrap().unwrap().state, TaskState::Open);
    assert_eq!(record(1, 5).await, Merging::Merged);
    assert_eq!(record(1, 5).await, Merging::Merged);
    assert!(matches!(record(1, 6).await, Merging::LostRace(_)), "another commit");

    let merged = TaskState::Merged { commit: commit(5) };
    assert_eq!(board.task(&task).await.unwrap().unwrap().state, merged);
    let change = board.change(&task).await.unwrap().unwrap();
    assert_eq!(change.state, ChangeState::Merged { head: commit(1), commit: commit(5) });
    let pull_request = board.pull_request(&task).await.unwrap().unwrap();
    assert_eq!(pull_request.state, PullRequestState::Merged { commit: commit(5) });
    let facts: Vec<Fact> = board.events_of(&task).await.unwrap().into_iter().map(|it| it.fact).collect();
    assert_eq!(facts.iter().filter(|it| matches!(it, Fact::Merged { .. })).count(), 1);
    assert_eq!(facts.last(), Some(&Fact::Merged { commit: commit(5), pull_request: number }));

    let again = board.open_pull_request(&task, "t", "b", at(9)).await.unwrap();
    assert_eq!(again, Opening::NotOpen(merged.clone()));
    let closing = board.close_task(&task, "no", at(9)).await.unwrap();
    assert_eq!(closing, coord_board::Closing::NotOpen(merged));
    let late = board.publish(&task, id(1), 1, Some(&commit(1)), &commit(2), at(9)).await.unwrap();
    assert_eq!(late, Publishing::LostRace(change.clone()));
    let pushed = board.adopt_head(&task, change.head(), &commit(2), at(9)).await.unwrap();
    assert_eq!(pushed, Publishing::LostRace(change), "what is merged stays merged");
}

pub(crate) async fn candidates_are_what_might_merge(place: &Place) {
    let board = place.board().await;
    let merged = published(&board, 1, &commit(1)).await.task;
    opened(&board, &merged).await;
    assert_eq!(board.record_merged(&merged, &commit(1), &commit(5), at(8)).await.unwrap(), Merging::Merged);
    let closed = published(&board, 2, &commit(1)).await.task;
    assert_eq!(board.close_task(&closed, "no", at(8)).await.unwrap(), coord_board::Closing::Closed);
    let task = published(&board, 3, &commit(3)).await.task;
    let number = opened(&board, &task).await;
    let word = evidence(Source::Person("ann".to_owned()), Verdict::Passed);
    board.record_gate(&task, GateKind::Person, word, at(6)).await.unwrap();
    let work = reserve(&board, 4, &task, RunKind::Work).await.id;
    let test = reserve(&board, 5, &task, RunKind::Test).await.id;

    let candidates = board.candidates(None).await.unwrap();
    let [candidate] = candidates.as_slice() else { panic!("{candidates:?}") };
    assert_eq!(candidate.change, board.change(&task).await.unwrap().unwrap());
    assert_eq!(candidate.pull_request.as_ref().map(|it| it.number), Some(number));
    assert_eq!(candidate.gates, board.gates(&task).await.unwrap());
    assert_eq!((candidate.working, candidate.testing), (Some(work), Some(test)));
    assert!(!coord_core::merge::verdict(candidate).is_empty());
    assert_eq!(board.candidates(Some(&task.repo)).await.unwrap().len(), 1);
    assert_eq!(board.candidates(Some(&"web".parse().unwrap())).await.unwrap().len(), 0);
}
