use super::*;
use crate::forge::Origin;
use crate::money::Usd;
use crate::repo::{MergeMethod, Permissions, RepoForge};
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
    let lacks = Blocker::Lacks { machine: machine(2).name, capability: "gtk".to_owned() };
    assert_eq!(blockers(&wanted, &[], &[], &[], Some(&able(&["gpu"]))), [lacks]);
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

fn repo(name: &str, depends_on: &[&str]) -> Repo {
    Repo {
        name: name.parse().unwrap(),
        origin: None,
        forge: RepoForge::Local,
        default_branch: "main".parse().unwrap(),
        depends_on: depends_on.iter().map(|it| it.parse().unwrap()).collect(),
        build_command: None,
        test_command: None,
        setup: None,
        rules: None,
        gates: BTreeSet::new(),
        merge_method: MergeMethod::Merge,
        permissions: Permissions::default(),
        confinement: crate::sandbox::Confinement::None,
    }
}

fn related(open: bool) -> Related {
    let (relation, repo) = (Relation::BlockedBy, "acme/web".parse().unwrap());
    Related { relation, repo, number: 7, title: "Logins".to_owned(), open }
}

#[test]
fn what_the_forge_says_was_done_is_waited_for_no_longer_and_what_is_still_open_there_is() {
    let origin = Origin {
        author: "ann".to_owned(),
        association: Association::Owner,
        assignees: Vec::new(),
        milestone: None,
        completed: true,
        url: String::new(),
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let closed = task(1, &[], TaskState::Closed { reason: String::new() });
    let completed = Task { origin: Some(origin), ..closed.clone() };
    let waiting = Task { related: vec![related(true), related(false)], ..task(9, &[1], TaskState::Open) };
    let open = Blocker::Related(related(true));
    assert_eq!(blockers(&waiting, &[completed], &[], &[], None), std::slice::from_ref(&open));
    let never = Blocker::WaitsForClosed(closed.task.clone());
    assert_eq!(blockers(&waiting, std::slice::from_ref(&closed), &[], &[], None), [never, open]);
    assert_eq!(blockers(&closed, &[], &[], &[], None), [Blocker::NotOpen("closed")]);
}

#[test]
fn nobody_works_on_a_repo_while_a_worker_is_at_one_that_it_depends_on_however_far() {
    let repos = [repo("api", &["lib"]), repo("lib", &["base", "api"]), repo("base", &[]), repo("web", &[])];
    let api = "api".parse().unwrap();
    let names: Vec<_> = dependencies(&api, &repos).into_iter().map(RepoName::as_str).collect();
    assert_eq!(names, ["api", "base", "lib"], "a circle has no end, and is gone round once");
    let of = |repo: &str, run: Run| Run { task: format!("{repo}#5").parse().unwrap(), ..run };
    let blocked = |run: Run| blockers(&task(1, &[], TaskState::Open), &[], &[run], &repos, None);
    let working = || run(5, RunKind::Work);
    let busy = |repo: &str| vec![Blocker::DependencyBusy { repo: repo.parse().unwrap(), run: working().id }];
    assert_eq!(blocked(of("base", working())), busy("base"));
    assert_eq!(blocked(of("lib", working())), busy("lib"));
    assert_eq!(blocked(of("web", working())), []);
    assert_eq!(blocked(of("base", run(5, RunKind::Test))), []);
    assert_eq!(blocked(of("base", Run { reservation: None, ..working() })), []);
}

#[test]
fn a_machine_takes_what_it_serves_up_to_its_last_slot() {
    let wanted = task(1, &[], TaskState::Open);
    let here = machine(2);
    let serving = |repo: &str| Machine { repos: vec![repo.parse().unwrap()], ..here.clone() };
    assert_eq!(blockers(&wanted, &[], &[], &[], Some(&serving("api"))), []);
    let not_served = Blocker::NotServed { machine: here.name.clone(), repo: "api".parse().unwrap() };
    assert_eq!(blockers(&wanted, &[], &[], &[], Some(&serving("web"))), [not_served]);
    let busy = [run(2, RunKind::Work), run(3, RunKind::Fix)];
    assert_eq!(no_slot(&here.name, 3, &busy), None);
    let full = |slots| Some(Blocker::NoSlot { machine: here.name.clone(), slots });
    assert_eq!(no_slot(&here.name, 2, &busy), full(2));
    assert_eq!(no_slot(&here.name, 0, &[]), full(0));
}

#[test]
fn what_time_lifts_is_told_apart_from_what_somebody_has_to_do_and_from_what_nobody_can() {
    let (here, account): (MachineName, AccountName) = ("here".parse().unwrap(), "team".parse().unwrap());
    let (task, api): (TaskRef, RepoName) = ("api#2".parse().unwrap(), "api".parse().unwrap());
    let (id, why, now) = (RunId::from_random(1), || "limited".to_owned(), Timestamp::UNIX_EPOCH);
    let spent = |cap, spent| {
        let (limit, reserved) = (Usd::from_millionths(1_000_000), Usd::ZERO);
        Blocker::Spent(Standing { cap, limit, spent: Usd::from_millionths(spent), reserved })
    };
    let held = |asks| {
        let (account, window) = (account.clone(), "five_hour".to_owned());
        Blocker::Held(Hold { account, window, until: None, used: None, asks })
    };
    let asks = |account| Blocker::Asks { why: why(), account, until: None };
    // The way that it goes away: by itself (1), by somebody (2), never (3); and whose account waits for a person.
    for (blocker, way, lifted_for) in [
        (Blocker::NoSlot { machine: here.clone(), slots: 1 }, 1, None),
        (Blocker::TooSoon { until: now }, 1, None),
        (Blocker::DependencyBusy { repo: api.clone(), run: id }, 1, None),
        (spent(Cap::Day, 500_000), 1, None),
        (spent(Cap::Task, 500_000), 1, None),
        (spent(Cap::Day, 1_000_000), 2, None),
        (spent(Cap::Task, 1_000_000), 2, None),
        (held(false), 1, None),
        (held(true), 2, Some(&account)),
        (Blocker::Parked { why: why(), until: now }, 1, None),
        (asks(None), 2, None),
        (asks(Some(account.clone())), 2, Some(&account)),
        (Blocker::Away(here.clone()), 1, None),
        (Blocker::Running(id), 2, None),
        (Blocker::WaitsFor(task.clone()), 2, None),
        (Blocker::Related(related(true)), 2, None),
        (Blocker::ClaimsUnknown { reason: why() }, 2, None),
        (Blocker::NotServed { machine: here.clone(), repo: api }, 2, None),
        (Blocker::Lacks { machine: here.clone(), capability: "gpu".to_owned() }, 2, None),
        (Blocker::UnknownMachine(here), 2, None),
        (Blocker::NotOpen("merged"), 3, None),
        (Blocker::WaitsForClosed(task.clone()), 3, None),
        (Blocker::WaitsForMissing(task), 3, None),
        (Blocker::Claimed(Claim::Assignee { login: "bob".to_owned() }), 3, None),
        (Blocker::Untrusted { author: "eve".to_owned(), association: Association::None }, 3, None),
    ] {
        let is = match blocker.lift() {
            Lift::ByItself { .. } => 1,
            Lift::BySomebody { .. } => 2,
            Lift::Never => 3,
        };
        assert_eq!(is, way, "{blocker}");
        assert_eq!(blocker.lifts_by_itself(), way == 1, "{blocker}");
        assert_eq!(blocker.lifted_for(), lifted_for, "{blocker}");
    }
    let day_is_over = "when it is over, or somebody raises the cap";
    assert_eq!(spent(Cap::Month, 1_000_000).lift(), Lift::BySomebody { when: day_is_over });
    let raised = "when somebody raises the cap";
    assert_eq!(
        spent(Cap::Task, 1_000_000).lift(),
        Lift::BySomebody { when: raised },
        "a task has no end of a day"
    );
}

#[test]
fn a_person_is_told_what_stands_in_the_way_with_what_it_is_about() {
    let (here, id): (MachineName, _) = ("here".parse().unwrap(), RunId::from_random(1));
    let until = "2026-01-05T11:20:00.5Z".parse().unwrap();
    let sub_issue = Related { relation: Relation::SubIssue, ..related(true) };
    for (blocker, told) in [
        (Blocker::Running(id), format!("run {id} is at it")),
        (
            Blocker::Related(related(true)),
            "it is blocked by acme/web#7 (Logins), which is still open".to_owned(),
        ),
        (Blocker::Related(sub_issue), "its sub-issue acme/web#7 (Logins), which is still open".to_owned()),
        (
            Blocker::NoSlot { machine: here.clone(), slots: 2 },
            "all 2 worker slots of machine `here` are taken".to_owned(),
        ),
        (
            Blocker::Parked { why: "limited".to_owned(), until },
            "it was cut short (limited), and goes on at 2026-01-05T11:20:00Z".to_owned(),
        ),
        (Blocker::Away(here), "machine `here` does not answer".to_owned()),
    ] {
        assert_eq!(blocker.to_string(), told);
    }
}
