use super::*;
use crate::run::{Reservation, RunKind};

fn task(number: u64, after: &[u64], state: TaskState) -> Task {
    let named = |number: u64| TaskRef { repo: "api".parse().unwrap(), number };
    Task {
        task: named(number),
        title: String::new(),
        body: String::new(),
        labels: Vec::new(),
        files: Vec::new(),
        after: after.iter().copied().map(named).collect(),
        origin: None,
        related: Vec::new(),
        state,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn run(number: u64, kind: RunKind) -> Run {
    Run {
        id: RunId::from_random(number),
        kind,
        task: task(number, &[], TaskState::Open).task,
        reservation: Some(Reservation { machine: "here".parse().unwrap(), at: Timestamp::UNIX_EPOCH }),
        runtime: "claude".parse().unwrap(),
        model: None,
        branch: "b".parse().unwrap(),
        attempt: 1,
        fence: 1,
        state: RunState::Preparing,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn machine(slots: u32) -> Machine {
    Machine {
        name: "here".parse().unwrap(),
        host: "127.0.0.1".to_owned(),
        port: 1,
        capabilities: Vec::new(),
        repos: Vec::new(),
        slots,
    }
}

#[test]
fn a_task_waits_until_what_it_names_is_merged_and_says_when_that_will_never_be() {
    let merged = TaskState::Merged { commit: "a".repeat(40).parse().unwrap() };
    let closed = TaskState::Closed { reason: String::new() };
    let waiting = task(9, &[1, 2, 3, 4], TaskState::Open);
    let others = [task(1, &[], merged), task(2, &[], TaskState::Open), task(3, &[], closed)];
    let named = |number| TaskRef { repo: "api".parse().unwrap(), number };
    assert_eq!(
        blockers(&waiting, &others, &[], &[], None),
        [Blocker::WaitsFor(named(2)), Blocker::WaitsForClosed(named(3)), Blocker::WaitsForMissing(named(4)),]
    );
}

#[test]
fn a_label_says_what_a_machine_must_be_able_to_do() {
    let labels = vec!["needs:gpu".to_owned(), "needs:gtk".to_owned(), "bug".to_owned()];
    let wanted = Task { labels, ..task(1, &[], TaskState::Open) };
    let able = |capabilities: &[&str]| Machine {
        capabilities: capabilities.iter().map(|it| (*it).to_owned()).collect(),
        ..machine(2)
    };
    let blocked = |machine: &Machine| blockers(&wanted, &[], &[], &[], Some(machine)).len();
    assert_eq!([&["gpu", "gtk"][..], &["gpu"], &[]].map(|it| blocked(&able(it))), [0, 1, 2]);
}

#[test]
fn one_worker_per_task_and_no_more_workers_than_slots() {
    let wanted = task(1, &[], TaskState::Open);
    let busy = [run(2, RunKind::Work), run(3, RunKind::Test)];
    assert_eq!(blockers(&wanted, &[], &busy, &[], Some(&machine(2))), []);
    assert_eq!(blockers(&wanted, &[], &busy, &[], Some(&machine(1))).len(), 1);
    let at_it = [run(1, RunKind::Work)];
    assert_eq!(blockers(&wanted, &[], &at_it, &[], Some(&machine(2))), [Blocker::Running(at_it[0].id)]);
    let tested = [run(1, RunKind::Test)];
    assert_eq!(blockers(&wanted, &[], &tested, &[], Some(&machine(2))), []);
}
