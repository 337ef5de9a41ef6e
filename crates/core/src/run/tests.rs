use super::*;

fn end(outcome: Outcome) -> RunEnd {
    RunEnd {
        outcome,
        at: Timestamp::UNIX_EPOCH,
        exit: None,
        git: GitFacts::default(),
        rescue: None,
        report: RuntimeReport::default(),
        leaked: Leaked::default(),
    }
}

fn ended(outcome: Outcome) -> RunState {
    RunState::Ended(Box::new(end(outcome)))
}

fn queued_for(machine: Option<&str>) -> RunState {
    let machine = machine.map(|it| it.parse().unwrap());
    RunState::Queued(Box::new(Wish { machine, ..Wish::default() }))
}

fn run(kind: RunKind, state: RunState, machine: Option<&str>) -> Run {
    let at = Timestamp::UNIX_EPOCH;
    Run {
        id: RunId::from_random(1),
        kind,
        task: "api#1".parse().unwrap(),
        reservation: machine.map(|it| Reservation { machine: it.parse().unwrap(), at }),
        runtime: "claude".parse().unwrap(),
        model: None,
        branch: "issue-1".parse().unwrap(),
        attempt: 3,
        fence: 1,
        state,
        created_at: at,
    }
}

/// One of each, in the order of the arrows.
fn states() -> [RunState; 6] {
    [
        queued_for(None),
        RunState::Reserved,
        RunState::Preparing,
        RunState::Running { since: Timestamp::UNIX_EPOCH },
        RunState::Finishing,
        ended(Outcome::Done),
    ]
}

#[test]
fn a_run_only_moves_forward() {
    let states = states();
    for (i, from) in states.iter().enumerate() {
        for (k, to) in states.iter().enumerate() {
            let unheard_of = i == 0 && (2..5).contains(&k);
            assert_eq!(from.may_become(to), k > i && !unheard_of, "{} to {}", from.as_str(), to.as_str());
        }
    }
}

#[test]
fn the_word_that_is_shown_is_the_word_that_is_written() {
    for kind in RunKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for state in states() {
        assert_eq!(serde_json::to_value(&state).unwrap()["state"], state.as_str());
    }
}

#[test]
fn a_queued_run_is_bound_for_where_a_person_said_and_any_other_for_where_it_was_handed_to() {
    let bound_for =
        |run: &Run| (run.bound_for().map(ToString::to_string), run.machine().map(ToString::to_string));
    let named = |it: &str| Some(it.to_owned());
    let queued = |wish, machine| bound_for(&run(RunKind::Work, queued_for(wish), machine));
    assert_eq!(queued(Some("box"), None), (named("box"), None));
    assert_eq!(queued(None, None), (None, None));
    for state in states().into_iter().skip(1) {
        let handed = run(RunKind::Work, state, Some("here"));
        assert_eq!(bound_for(&handed), (named("here"), named("here")), "{}", handed.state.as_str());
    }
    // It left the queue before any machine heard of it.
    assert_eq!(bound_for(&run(RunKind::Work, ended(Outcome::STOPPED), None)), (None, None));
}

#[test]
fn agent_work_takes_a_slot_of_its_own_machine_until_it_has_ended() {
    let (here, there) = ("here".parse().unwrap(), "there".parse().unwrap());
    for state in states() {
        let heard_of = !matches!(state, RunState::Queued(_));
        let over = state.end().is_some();
        for kind in RunKind::ALL {
            let it = run(kind, state.clone(), heard_of.then_some("here"));
            let takes = heard_of && !over && kind != RunKind::Test;
            assert_eq!(it.takes_slot_of(&here), takes, "{kind:?} {}", state.as_str());
            assert!(!it.takes_slot_of(&there));
        }
    }
}

#[test]
fn what_came_to_nothing_through_no_fault_of_its_work_was_no_attempt() {
    let next = |state| next_attempt(Some(&run(RunKind::Work, state, Some("here"))));
    assert_eq!(next_attempt(None), 1);
    assert_eq!(next(RunState::Reserved), 4);
    for outcome in [Outcome::Done, Outcome::NoChange, Outcome::Interrupted, Outcome::Unknown] {
        assert_eq!(next(ended(outcome.clone())), 4, "{outcome}");
    }
    let refused = || "by the account".to_owned();
    for outcome in [
        Outcome::Limited { until: None },
        Outcome::Transient { cause: refused() },
        Outcome::Credit { message: refused() },
    ] {
        assert_eq!(next(ended(outcome.clone())), 3, "{outcome}");
    }
}

#[test]
fn only_what_never_started_costs_nothing_when_nobody_says_what_it_cost() {
    let cents = |it: RunEnd| it.cost().map(|it| it.millionths() / 10_000);
    let set_up = || Outcome::SetupFailed { step: "setup".to_owned(), reason: "no".to_owned() };
    let exited = |it: RunEnd| RunEnd { exit: Some(WorkerExit::Code(0)), ..it };
    let told = |it: RunEnd, cost_usd| RunEnd {
        report: RuntimeReport { cost_usd: Some(cost_usd), ..RuntimeReport::default() },
        ..it
    };
    for outcome in [set_up(), Outcome::STOPPED] {
        assert_eq!(cents(end(outcome.clone())), Some(0), "{outcome}");
        assert_eq!(cents(exited(end(outcome.clone()))), None, "{outcome}");
        assert_eq!(cents(told(exited(end(outcome.clone())), 0.45)), Some(45), "{outcome}");
    }
    // It was lost before anybody saw how its process ended: it may have cost anything.
    let lost = Outcome::Lost { reason: "reboot".to_owned() };
    for outcome in [Outcome::Done, lost] {
        assert_eq!(cents(end(outcome.clone())), None, "{outcome}");
        assert_eq!(cents(told(end(outcome.clone()), -1.0)), None, "{outcome}");
    }
}

#[test]
fn an_exit_record_speaks_of_leaks_only_where_there_were_some() {
    let record = |outlived, stay| {
        let leaked = Leaked { outlived, stay };
        serde_json::to_value(RunEnd { leaked, ..end(Outcome::Done) }).unwrap()
    };
    assert!(record(0, 0).get("leaked").is_none());
    for (outlived, stay) in [(0, 0), (1, 0), (0, 1), (2, 3)] {
        let read: RunEnd = serde_json::from_value(record(outlived, stay)).unwrap();
        assert_eq!(read.leaked, Leaked { outlived, stay });
    }
}

#[test]
fn people_are_told_in_numbers_what_leaked_and_what_is_kept() {
    for (outlived, stay, told) in [
        (0, 0, ""),
        (1, 0, "a process that outlived it was ended"),
        (0, 1, "a process of it cannot be ended"),
        (2, 3, "2 processes that outlived it were ended, and 3 processes of it cannot be ended"),
    ] {
        assert_eq!(Leaked { outlived, stay }.to_string(), told);
    }
    for (files, stashes, told) in [
        (1, 0, "1 uncommitted file"),
        (0, 1, "1 stash"),
        (0, 2, "2 stashes"),
        (2, 1, "2 uncommitted files and 1 stash"),
    ] {
        let (reference, commit) = ("refs/coord/rescue/a".to_owned(), "0".repeat(40).parse().unwrap());
        assert_eq!(Rescue { reference, commit, files, stashes }.to_string(), told);
    }
}
