use jiff::Timestamp;

use super::*;
use crate::outcome::TimeoutPhase;
use crate::run::{GitFacts, Leaked, Reservation, RunEnd, RunState, RuntimeReport};

fn run(n: u64, state: RunState) -> Run {
    Run {
        id: RunId::from_random(n),
        kind: RunKind::Work,
        task: "api#1".parse().unwrap(),
        reservation: Some(Reservation { machine: "here".parse().unwrap(), at: Timestamp::UNIX_EPOCH }),
        runtime: "claude".parse().unwrap(),
        model: None,
        branch: "issue-1".parse().unwrap(),
        attempt: u32::try_from(n).unwrap(),
        fence: n,
        state,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn ended(n: u64, outcome: Outcome) -> Run {
    let end = RunEnd {
        outcome,
        at: Timestamp::UNIX_EPOCH,
        exit: None,
        git: GitFacts::default(),
        rescue: None,
        report: RuntimeReport::default(),
        leaked: Leaked::default(),
    };
    run(n, RunState::Ended(Box::new(end)))
}

fn stuck() -> Outcome {
    Outcome::Stuck { why: "no key".to_owned() }
}

fn situation(aim: Aim, runs: &[Run]) -> Situation<'_> {
    Situation { aim, runs, named: None, found_wrong: false, says_stuck: false, attempts: 3, force: false }
}

#[test]
fn a_retry_goes_on_from_the_last_run_unless_that_went_well_or_goes_on() {
    let id = RunId::from_random;
    let runs = [ended(1, Outcome::Done), ended(2, Outcome::Interrupted)];
    let asked = situation(Aim::Retry, &runs);
    assert_eq!(goes_on_from(&asked), Ok(&runs[1]));
    assert_eq!(goes_on_from(&Situation { named: Some(id(2)), ..asked }), Ok(&runs[1]));
    let not_the_last = Refusal::NotTheLast { named: id(1), last: id(2) };
    assert_eq!(goes_on_from(&Situation { named: Some(id(1)), ..asked }), Err(not_the_last));
    assert_eq!(goes_on_from(&situation(Aim::Retry, &[])), Err(Refusal::NeverRun));
    assert_eq!(goes_on_from(&situation(Aim::Retry, &runs[..1])), Err(Refusal::WentWell(id(1))));
    let live = [run(1, RunState::Finishing)];
    assert_eq!(goes_on_from(&situation(Aim::Retry, &live)), Err(Refusal::UnderWay(id(1))));
}

#[test]
fn a_fix_wants_something_to_be_wrong() {
    let runs = [ended(1, Outcome::Done)];
    let asked = situation(Aim::Fix, &runs);
    assert_eq!(goes_on_from(&asked), Err(Refusal::NothingWrong));
    assert_eq!(goes_on_from(&Situation { found_wrong: true, ..asked }), Ok(&runs[0]));
    assert_eq!(kind_of(Aim::Fix, &runs[0]), RunKind::Fix);
    let mended = Run { kind: RunKind::Fix, ..ended(2, stuck()) };
    for aim in [Aim::Retry, Aim::Unstick] {
        assert_eq!([kind_of(aim, &runs[0]), kind_of(aim, &mended)], [RunKind::Work, RunKind::Fix]);
    }
}

#[test]
fn only_who_says_so_or_was_stopped_is_told_how_to_go_on() {
    let id = RunId::from_random(1);
    let runs = [ended(1, Outcome::NoChange)];
    let not_stuck = Refusal::NotStuck { run: id, outcome: Outcome::NoChange };
    assert_eq!(goes_on_from(&situation(Aim::Unstick, &runs)), Err(not_stuck));
    for outcome in [stuck(), Outcome::STOPPED] {
        let runs = [ended(1, outcome)];
        assert_eq!(goes_on_from(&situation(Aim::Unstick, &runs)), Ok(&runs[0]));
    }
    let live = [run(1, RunState::Running { since: Timestamp::UNIX_EPOCH })];
    let asked = situation(Aim::Unstick, &live);
    assert_eq!(goes_on_from(&asked), Err(Refusal::UnderWay(id)));
    assert_eq!(goes_on_from(&Situation { says_stuck: true, ..asked }), Ok(&live[0]));
}

#[test]
fn what_happened_to_a_worker_spends_no_attempt_and_the_ceiling_is_a_persons_to_lift() {
    let mut runs = vec![
        ended(1, stuck()),
        ended(2, Outcome::Limited { until: None }),
        ended(3, Outcome::Lost { reason: "reboot".to_owned() }),
        ended(4, Outcome::Timeout { phase: TimeoutPhase::Absolute }),
        ended(5, Outcome::Interrupted),
    ];
    assert_eq!(failed_attempts(&runs), 2);
    assert!(goes_on_from(&situation(Aim::Retry, &runs)).is_ok());
    runs.push(ended(6, Outcome::NoChange));
    let asked = situation(Aim::Retry, &runs);
    assert_eq!(goes_on_from(&asked), Err(Refusal::Exhausted { failed: 3 }));
    assert_eq!(goes_on_from(&Situation { force: true, ..asked }), Ok(&runs[5]));
}

#[test]
fn the_way_on_follows_from_how_it_ended() {
    assert_eq!(way_on(&Outcome::Done, false), None);
    assert_eq!(way_on(&Outcome::Done, true), Some(Aim::Fix));
    assert_eq!(way_on(&stuck(), true), Some(Aim::Unstick));
    assert_eq!(way_on(&Outcome::Interrupted, false), Some(Aim::Retry));
}

fn past(transcript: Result<Transcript, String>) -> Past {
    Past {
        run: RunId::from_random(1),
        runtime: "claude".parse().unwrap(),
        machine: "here".parse().unwrap(),
        session: "0193".to_owned(),
        transcript,
    }
}

#[test]
fn the_best_rung_that_can_be_had_is_taken() {
    let (claude, codex) = ("claude".parse().unwrap(), "codex".parse().unwrap());
    let (here, there) = ("here".parse().unwrap(), "there".parse().unwrap());
    let with = |transcript, machine| rung(Some(past(Ok(transcript))), &claude, machine, false);
    assert_eq!(with(Transcript::InPlace, &here).as_str(), "in-place");
    assert_eq!(with(Transcript::InPlace, &there).as_str(), "moved");
    assert_eq!(with(Transcript::Kept, &here).as_str(), "moved");
    assert_eq!(with(Transcript::Kept, &there).as_str(), "moved");
    assert_eq!(with(Transcript::Gone, &here), Rung::New(Afresh::Gone(here.clone())));
    assert_eq!(with(Transcript::Unseen, &here).as_str(), "in-place");
    assert_eq!(with(Transcript::Unseen, &there), Rung::New(Afresh::Stays(here.clone())));
    assert_eq!(with(Transcript::Unknown, &here).as_str(), "new");
    let unseen = rung(Some(past(Err("away".to_owned()))), &claude, &there, false);
    assert_eq!(unseen, Rung::New(Afresh::Unknown { machine: here.clone(), reason: "away".to_owned() }));
    let in_place = || Some(past(Ok(Transcript::InPlace)));
    assert_eq!(rung(in_place(), &codex, &here, false), Rung::New(Afresh::OtherRuntime(claude.clone())));
    assert_eq!(rung(in_place(), &claude, &here, true), Rung::New(Afresh::Wanted));
    assert_eq!(rung(None, &claude, &here, false), Rung::New(Afresh::None));
}

#[test]
fn a_person_is_told_why_a_change_is_not_gone_on_with() {
    let (first, last) = (RunId::from_random(1), RunId::from_random(2));
    for (refusal, told) in [
        (Refusal::NeverRun, "nothing was ever run for it".to_owned()),
        (
            Refusal::NotTheLast { named: first, last },
            format!("run {first} is not its last one: run {last} came after it"),
        ),
        (Refusal::UnderWay(last), format!("run {last} is still under way")),
        (Refusal::WentWell(last), format!("run {last} did what it was to do")),
        (Refusal::NothingWrong, "nothing was found wrong with it".to_owned()),
        (
            Refusal::NotStuck { run: last, outcome: Outcome::NoChange },
            format!("run {last} is not stuck: it ended as no-change"),
        ),
        (Refusal::Exhausted { failed: 1 }, "an attempt has failed, and no more are to be made".to_owned()),
        (Refusal::Exhausted { failed: 2 }, "2 attempts have failed, and no more are to be made".to_owned()),
    ] {
        assert_eq!(refusal.to_string(), told);
    }
}

#[test]
fn a_person_is_told_in_which_session_it_goes_on_and_why_it_is_a_new_one() {
    let old = || past(Ok(Transcript::Kept));
    let (here, there) = (old().machine, "there".parse().unwrap());
    let session = format!("continues session 0193 of run {}", old().run);
    for (rung, machine, told) in [
        (Rung::InPlace(old()), &here, format!("{session} where it was")),
        (Rung::Moved(old()), &here, format!("{session} with its transcript put back")),
        (Rung::Moved(old()), &there, format!("{session} with its transcript moved from here to there")),
    ] {
        assert_eq!(rung.told(machine), told);
        assert_eq!(rung.past(), Some(&old()));
    }
    let reason = "it is away".to_owned();
    for (afresh, told) in [
        (Afresh::Wanted, "as you wanted"),
        (Afresh::None, "no earlier run had one"),
        (Afresh::OtherRuntime(old().runtime), "the old one is of runtime claude"),
        (Afresh::Gone(here.clone()), "nothing is left of the old one on here"),
        (Afresh::Stays(here.clone()), "the old one cannot be moved away from here"),
        (
            Afresh::Unknown { machine: here.clone(), reason },
            "what is left of the old one on here is not known: it is away",
        ),
    ] {
        let rung = Rung::New(afresh);
        let wanted = format!("begins a new session, with a summary and the diff ({told})");
        assert_eq!(rung.told(&here), wanted);
        assert_eq!(rung.past(), None);
    }
}
