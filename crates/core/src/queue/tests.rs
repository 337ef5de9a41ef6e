use proptest::prelude::*;

use super::*;
use crate::run::RunKind;
use crate::task::TaskState;

const DEADLINE: SignedDuration = SignedDuration::from_secs(60);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn task(number: u64, state: TaskState) -> Task {
    Task {
        task: format!("api#{number}").parse().unwrap(),
        title: String::new(),
        body: String::new(),
        labels: Vec::new(),
        files: Vec::new(),
        after: Vec::new(),
        origin: None,
        related: Vec::new(),
        state,
        created_at: at(0),
    }
}

fn run(number: u64, state: RunState, machine: Option<&str>) -> Run {
    Run {
        id: RunId::from_random(number),
        kind: RunKind::Work,
        task: task(number, TaskState::Open).task,
        reservation: machine.map(|it| Reservation { machine: it.parse().unwrap(), at: at(0) }),
        runtime: "claude".parse().unwrap(),
        model: None,
        branch: "b".parse().unwrap(),
        attempt: 1,
        fence: 1,
        state,
        created_at: at(0),
    }
}

fn entry(number: u64, machine: Option<&str>, state: TaskState) -> Entry {
    let wish = Wish { machine: machine.map(|it| it.parse().unwrap()), ..Wish::default() };
    let run = run(number, RunState::Queued(Box::new(wish.clone())), None);
    Entry { run, wish, task: task(number, state), waited: Vec::new() }
}

fn machine(name: &str, slots: u32) -> Machine {
    Machine {
        name: name.parse().unwrap(),
        host: "127.0.0.1".to_owned(),
        port: 1,
        capabilities: Vec::new(),
        repos: Vec::new(),
        slots,
    }
}

fn queue<'a>(entries: &'a [Entry], active: &'a [Run], machines: &'a [Machine]) -> Queue<'a> {
    static NOBODY: BTreeSet<MachineName> = BTreeSet::new();
    static NOTHING: Holds = BTreeMap::new();
    static ALWAYS: Hours = Hours::new(Vec::new());
    static UTC: TimeZone = TimeZone::UTC;
    Queue {
        entries,
        active,
        repos: &[],
        machines,
        here: None,
        away: &NOBODY,
        held: &NOTHING,
        hours: &ALWAYS,
        zone: &UTC,
        last_start: None,
        stagger: Duration::ZERO,
        now: at(0) + DEADLINE,
    }
}

fn closed() -> TaskState {
    TaskState::Closed { reason: String::new() }
}

/// Entries for `a`, for `b`, for either; of open tasks and of closed ones.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let machine = prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))];
    prop::collection::vec((machine, prop::bool::weighted(0.2)), 0..8).prop_map(|wanted| {
        let numbered = wanted.into_iter().zip(1..);
        let state = |over| if over { closed() } else { TaskState::Open };
        numbered.map(|((machine, over), number)| entry(number, machine, state(over))).collect()
    })
}

fn busy() -> impl Strategy<Value = Vec<Run>> {
    prop::collection::vec(prop_oneof![Just("a"), Just("b")], 0..4).prop_map(|machines| {
        let numbered = machines.into_iter().zip(100..);
        numbered.map(|(machine, number)| run(number, RunState::Preparing, Some(machine))).collect()
    })
}

fn starts(turns: &[(RunId, Turn)]) -> Vec<(RunId, &MachineName)> {
    let started = turns.iter().filter_map(|(run, turn)| match turn {
        Turn::Start(machine) => Some((*run, machine)),
        Turn::Wait(_) | Turn::Leave(_) => None,
    });
    started.collect()
}

proptest! {
    #[test]
    fn no_machine_gets_more_than_it_has_slots_and_no_slot_stays_free(
        entries in entries(), busy in busy(), slots in (0u32..4, 0u32..4),
    ) {
        let machines = [machine("a", slots.0), machine("b", slots.1)];
        let turns = turns(&queue(&entries, &busy, &machines));
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for run in &busy {
            *taken.entry(run.machine().unwrap().as_str()).or_default() += 1;
        }
        for (_, machine) in starts(&turns) {
            let taken = taken.entry(machine.as_str()).or_default();
            *taken += 1;
            let of = machines.iter().find(|it| it.name == *machine).unwrap().slots as usize;
            prop_assert!(*taken <= of, "{turns:?}");
        }
        for ((_, turn), entry) in turns.iter().zip(&entries) {
            let Turn::Wait(why) = turn else { continue };
            prop_assert!(why.iter().all(|it| matches!(it, Blocker::NoSlot { .. })), "{why:?}");
            for machine in machines.iter().filter(|it| entry.wish.machine.as_ref().is_none_or(|w| *w == it.name)) {
                prop_assert!(taken.get(machine.name.as_str()).copied().unwrap_or_default() >= machine.slots as usize);
            }
        }
    }

    #[test]
    fn of_two_who_want_the_same_the_older_goes_first(entries in entries(), slots in 0u32..4) {
        let machines = [machine("a", slots), machine("b", 1)];
        let turns = turns(&queue(&entries, &[], &machines));
        let started: Vec<_> = starts(&turns).into_iter().map(|(run, _)| run).collect();
        for (i, older) in entries.iter().enumerate() {
            for younger in &entries[i + 1..] {
                let alike = older.wish.machine == younger.wish.machine && older.task.state == younger.task.state;
                let overtaken = !started.contains(&older.run.id) && started.contains(&younger.run.id);
                prop_assert!(!(alike && overtaken), "{turns:?}");
            }
        }
    }

    #[test]
    fn two_starts_are_never_closer_than_the_stagger(
        entries in entries(), last in -90i64..200, stagger in 0u64..90,
    ) {
        let machines = [machine("a", 9), machine("b", 9)];
        let stagger = Duration::from_secs(stagger);
        let last_start = Some(at(last));
        let queue = Queue { last_start, stagger, ..queue(&entries, &[], &machines) };
        let turns = turns(&queue);
        let started = starts(&turns).len();
        let waits = too_soon(last_start, stagger, queue.now).is_some();
        let most = if stagger.is_zero() { entries.len() } else { usize::from(!waits) };
        prop_assert!(started <= most);
        // However far ahead a clock once was, the wait is no longer than twice the distance.
        if let Some(Blocker::TooSoon { until }) = too_soon(last_start, stagger, queue.now) {
            prop_assert!(until <= queue.now + stagger * 2 && queue.now < until);
        }
    }

    #[test]
    fn who_leaves_is_who_would_wait_for_ever(entries in entries(), slots in 0u32..3, late in any::<bool>()) {
        let machines = [machine("a", slots), machine("b", slots)];
        let now = if late { at(0) + CEILING } else { at(0) };
        let turns = turns(&Queue { now, ..queue(&entries, &[], &machines) });
        for ((_, turn), entry) in turns.iter().zip(&entries) {
            let leaves = matches!(turn, Turn::Leave(_));
            let over = entry.task.state != TaskState::Open;
            prop_assert_eq!(leaves, over || (late && !matches!(turn, Turn::Start(_))));
        }
    }
}

#[test]
fn a_machine_that_is_away_or_unknown_is_waited_for_and_auto_goes_elsewhere() {
    let entries = [(1, Some("a")), (2, None), (3, Some("gone"))];
    let entries = entries.map(|(number, machine)| entry(number, machine, TaskState::Open));
    let (machines, away) = ([machine("a", 9), machine("b", 1)], BTreeSet::from(["a".parse().unwrap()]));
    let turns = turns(&Queue { away: &away, ..queue(&entries, &[], &machines) });
    let turns: Vec<_> = turns.into_iter().map(|(_, turn)| turn).collect();
    assert_eq!(
        turns,
        [
            Turn::Wait(vec![Blocker::Away("a".parse().unwrap())]),
            Turn::Start("b".parse().unwrap()),
            Turn::Wait(vec![Blocker::UnknownMachine("gone".parse().unwrap())]),
        ]
    );
}

#[test]
fn nothing_is_started_for_an_account_that_has_nothing_left_and_auto_goes_to_another() {
    let entries =
        [(1, Some("a")), (2, None)].map(|(number, machine)| entry(number, machine, TaskState::Open));
    let machines = [machine("a", 9), machine("b", 1)];
    let (account, window) = ("team".parse().unwrap(), "five_hour".to_owned());
    let hold = Hold { account, window, until: Some(at(900)), used: None, asks: false };
    let held = BTreeMap::from([(("a".parse().unwrap(), "claude".parse().unwrap()), hold.clone())]);
    let turns = turns(&Queue { held: &held, ..queue(&entries, &[], &machines) });
    let turns: Vec<_> = turns.into_iter().map(|(_, turn)| turn).collect();
    assert_eq!(turns, [Turn::Wait(vec![Blocker::Held(hold)]), Turn::Start("b".parse().unwrap())]);
}

#[test]
fn what_is_parked_starts_at_its_time_and_holds_nobody_up_before() {
    let mut first = entry(1, None, TaskState::Open);
    first.wish.parked = Some(Parked {
        of: RunId::from_random(9),
        why: "limited".to_owned(),
        session: None,
        rescue: None,
        account: None,
        until: Some(at(100)),
        asks: false,
    });
    let entries = [first, entry(2, None, TaskState::Open)];
    let machines = [machine("a", 1)];
    let starts_at = |now| {
        let turns = turns(&Queue { now: at(now), ..queue(&entries, &[], &machines) });
        turns.into_iter().map(|(_, turn)| matches!(turn, Turn::Start(_))).collect::<Vec<_>>()
    };
    assert_eq!(starts_at(99), [false, true]);
    assert_eq!(starts_at(100), [true, false]);
}

#[test]
fn a_queued_run_keeps_nobody_from_working_on_what_depends_on_its_repo() {
    let repo = |name: &str, depends_on: &[&str]| Repo {
        name: name.parse().unwrap(),
        origin: None,
        forge: crate::repo::RepoForge::Local,
        default_branch: "main".parse().unwrap(),
        depends_on: depends_on.iter().map(|it| it.parse().unwrap()).collect(),
        build_command: None,
        test_command: None,
        setup: None,
        rules: None,
        gates: BTreeSet::new(),
        merge_method: crate::repo::MergeMethod::Merge,
        permissions: crate::repo::Permissions::default(),
        confinement: crate::sandbox::Confinement::None,
    };
    let repos = [repo("api", &["lib"]), repo("lib", &[])];
    let machines = [machine("a", 9)];
    let entries = [entry(1, None, TaskState::Open)];
    let of_lib = |run: Run| Run { task: "lib#9".parse().unwrap(), ..run };
    let queued = [of_lib(entry(9, None, TaskState::Open).run)];
    let working = [of_lib(run(9, RunState::Preparing, Some("a")))];
    let turn = |active| turns(&Queue { repos: &repos, ..queue(&entries, active, &machines) }).remove(0).1;
    assert_eq!(turn(&queued), Turn::Start("a".parse().unwrap()));
    assert!(matches!(turn(&working), Turn::Wait(why) if matches!(why[..], [Blocker::DependencyBusy { .. }])));
}

#[test]
fn what_an_older_version_wrote_of_a_wish_is_understood() {
    let wish: Wish = serde_json::from_str(r#"{"machine":"a","later":1}"#).unwrap();
    assert_eq!(wish, Wish { machine: Some("a".parse().unwrap()), ..Wish::default() });
}

#[test]
fn a_start_waits_for_its_distance_to_the_last_unless_that_was_dated_by_a_clock_that_was_wrong() {
    let (stagger, now) = (Duration::from_secs(30), at(100));
    let until = |last| match too_soon(Some(at(last)), stagger, now) {
        Some(Blocker::TooSoon { until }) => Some(until),
        other => {
            assert_eq!(other, None);
            None
        }
    };
    assert_eq!(until(70), None);
    assert_eq!(until(71), Some(at(101)));
    assert_eq!(until(130), Some(at(160)));
    assert_eq!(until(131), None);
    assert_eq!(too_soon(None, stagger, now), None);
    assert_eq!(too_soon(Some(now), Duration::ZERO, now), None);
}

#[test]
fn a_run_that_starts_is_a_rival_of_those_behind_it_and_not_of_itself() {
    let twice = [entry(1, Some("a"), TaskState::Open), entry(2, Some("a"), TaskState::Open)];
    let machines = [machine("a", 1)];
    // The board counts what is queued among what is active.
    let active = twice.clone().map(|it| it.run);
    let turns = turns(&queue(&twice, &active, &machines));
    assert_eq!(turns[0].1, Turn::Start("a".parse().unwrap()));
    assert!(
        matches!(&turns[1].1, Turn::Wait(why) if matches!(why[..], [Blocker::NoSlot { .. }])),
        "{turns:?}"
    );
}

#[test]
fn nothing_waits_for_longer_than_a_week() {
    let waits = entry(1, Some("a"), TaskState::Open).run;
    assert_eq!(leaves_at(&waits), waits.created_at + SignedDuration::from_hours(168));
    let far_ahead = Run { created_at: Timestamp::MAX, ..waits };
    assert_eq!(leaves_at(&far_ahead), Timestamp::MAX);
}
