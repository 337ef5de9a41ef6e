use proptest::prelude::*;

use super::*;
use crate::comment::{CommentEvent, is_said_of_another};
use crate::run::{GitFacts, Leaked, Rescue, Reservation, RunKind, RunState, RuntimeReport};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ended(outcome: Outcome) -> RunEnd {
    let report = RuntimeReport { session: Some("s-1".to_owned()), ..RuntimeReport::default() };
    RunEnd {
        outcome,
        at: at(1000),
        exit: None,
        git: GitFacts::default(),
        rescue: None,
        report,
        leaked: Leaked::default(),
    }
}

fn run(number: u64, outcome: Outcome) -> Run {
    Run {
        id: RunId::from_random(number),
        kind: RunKind::Work,
        task: "api#1".parse().unwrap(),
        reservation: Some(Reservation { machine: "here".parse().unwrap(), at: at(0) }),
        runtime: "claude".parse().unwrap(),
        model: None,
        branch: "b".parse().unwrap(),
        attempt: 1,
        fence: number,
        state: RunState::Ended(Box::new(ended(outcome))),
        created_at: at(0),
    }
}

fn overloaded() -> Outcome {
    Outcome::Transient { cause: "529".to_owned() }
}

fn parked(outcome: Outcome, before: &[Run], on_limit: OnLimit, random: u64) -> Option<Parked> {
    after(&run(99, outcome.clone()), &ended(outcome), before, on_limit, random)
}

proptest! {
    #[test]
    fn who_meets_the_same_limit_goes_on_shortly_after_it_and_not_all_at_once(wait in 1i64..90_000, random: u64) {
        let until = at(1000 + wait);
        let goes_on = parked(Outcome::Limited { until: Some(until) }, &[], OnLimit::Auto, random).unwrap();
        let spread = goes_on.until.unwrap().duration_since(until);
        prop_assert!(SignedDuration::ZERO <= spread && spread <= SPREAD.min(SignedDuration::from_secs(wait.max(10)) / 10));
        prop_assert!(!goes_on.asks);
    }

    #[test]
    fn an_overload_is_waited_for_longer_each_time_up_to_a_ceiling(streak in 0usize..12, random: u64) {
        let before: Vec<_> = (0..streak).map(|it| run(it as u64, overloaded())).collect();
        let goes_on = parked(overloaded(), &before, OnLimit::Never, random);
        prop_assert_eq!(goes_on.is_some(), streak < 10);
        let Some(goes_on) = goes_on else { return Ok(()) };
        let waits = goes_on.until.unwrap().duration_since(at(1000)).as_millis();
        let whole = (5000 << streak).min(300_000);
        prop_assert!(whole / 2 <= waits && waits <= whole, "{waits} of {whole}");
    }
}

#[test]
fn a_session_that_goes_on_is_announced_once_and_has_failed_only_when_it_goes_no_further() {
    let last = Run { attempt: 2, ..run(3, Outcome::Context) };
    let runs = [run(1, overloaded()), run(2, overloaded()), last];
    let elsewhere = |event| runs.each_ref().map(|it| is_said_of_another(it, &runs, event));
    assert_eq!(elsewhere(CommentEvent::Briefing), [false, true, false]);
    assert_eq!(elsewhere(CommentEvent::Failure), [true, false, false]);
}

#[test]
fn an_overload_after_work_that_went_well_is_the_first_again() {
    let before = [run(1, overloaded()), run(2, Outcome::Done), run(3, overloaded())];
    let goes_on = parked(overloaded(), &before, OnLimit::Auto, u64::MAX).unwrap().until.unwrap();
    assert!(goes_on <= at(1010), "{goes_on}");
}

#[test]
fn a_long_window_no_credit_and_a_person_who_wants_it_so_are_asked_about() {
    let until = Outcome::Limited { until: Some(at(2000)) };
    let asks = |outcome: Outcome, on_limit| parked(outcome, &[], on_limit, 0).map(|it| it.asks);
    let credit = || Outcome::Credit { message: String::new() };
    assert_eq!(asks(until.clone(), OnLimit::Auto), Some(false));
    assert_eq!(asks(until.clone(), OnLimit::Ask), Some(true));
    assert_eq!(asks(until.clone(), OnLimit::Never), None);
    assert_eq!(asks(credit(), OnLimit::Auto), Some(true));
    assert_eq!(asks(Outcome::Done, OnLimit::Auto), None);
    let window = "seven_day_opus".to_owned();
    let window = Window { window, standing: Standing::Rejected, until: Some(at(2000)), utilization: None };
    let mut end = ended(until.clone());
    end.report.windows.push(window);
    assert!(after(&run(1, until), &end, &[], OnLimit::Auto, 0).unwrap().asks);
    let mut unsaid = ended(Outcome::Limited { until: None });
    unsaid.report.windows = end.report.windows.into_iter().map(|it| Window { until: None, ..it }).collect();
    assert!(after(&run(1, Outcome::Done), &unsaid, &[], OnLimit::Auto, 0).unwrap().asks);
}

#[test]
fn what_is_parked_goes_on_when_its_time_has_come_and_within_the_hours() {
    let it = parked(Outcome::Limited { until: Some(at(2000)) }, &[], OnLimit::Auto, 0).unwrap();
    let waits = |hours: &Hours, now| match it.waits_for(hours, &TimeZone::UTC, at(now)) {
        Some(Blocker::Parked { until, .. }) => Some(until),
        other => other.map(|it| panic!("{it}")),
    };
    let (always, night) = (Hours::default(), Hours::new(vec!["22:00-07:00".parse().unwrap()]));
    assert_eq!([waits(&always, 1500), waits(&always, 2000)], [Some(at(2000)), None]);
    let noon = 12 * 3600;
    assert_eq!([waits(&night, 2000), waits(&night, noon)], [None, Some(at(22 * 3600))]);
    let asked = Parked { asks: true, ..it.clone() };
    assert!(matches!(asked.waits_for(&always, &TimeZone::UTC, at(9000)), Some(Blocker::Asks { .. })));
}

#[test]
fn those_who_waited_briefly_are_spread_over_less_than_those_who_waited_for_long() {
    let spread = |wait, random| {
        let until = at(1000 + wait);
        let goes_on = parked(Outcome::Limited { until: Some(until) }, &[], OnLimit::Auto, random).unwrap();
        goes_on.until.unwrap().duration_since(until).as_millis()
    };
    for (wait, most) in [(1_i64, 1_000), (100, 10_000), (600, 60_000), (18_000, 60_000)] {
        let random = u64::try_from(most).unwrap();
        let spreads = [0, random, random + 1].map(|it| spread(wait, it));
        assert_eq!(spreads, [0, most, 0], "after {wait} s");
    }
}

#[test]
fn a_long_window_that_is_not_used_up_asks_nobody_about_a_short_one_that_is() {
    let window = |name: &str, standing| {
        let (window, until) = (name.to_owned(), Some(at(2000)));
        Window { window, standing, until, utilization: None }
    };
    let outcome = Outcome::Limited { until: Some(at(2000)) };
    let mut end = ended(outcome.clone());
    end.report.windows = vec![window("five_hour", Standing::Rejected), window("seven_day", Standing::Warned)];
    assert!(!after(&run(1, outcome), &end, &[], OnLimit::Auto, 0).unwrap().asks);
}

#[test]
fn what_goes_on_takes_with_it_all_that_the_other_left() {
    let outcome = Outcome::Limited { until: Some(at(2000)) };
    let (commit, account): (CommitSha, AccountName) =
        ("a".repeat(40).parse().unwrap(), "team".parse().unwrap());
    let mut end = ended(outcome.clone());
    let reference = "refs/coord/rescue/a".to_owned();
    end.rescue = Some(Rescue { reference, commit: commit.clone(), files: 1, stashes: 0 });
    end.report.account = Some(account.clone());
    let it = after(&run(9, outcome), &end, &[], OnLimit::Auto, 0).unwrap();
    assert_eq!((it.of, it.session.as_deref()), (RunId::from_random(9), Some("s-1")));
    assert_eq!((it.rescue, it.account), (Some(commit), Some(account)));
    assert_eq!(it.why, "limited until 1970-01-01T00:33:20Z");
}

#[test]
fn a_limit_of_which_nobody_says_when_it_ends_is_tried_again_at_longer_and_longer_distances() {
    let unsaid = || Outcome::Limited { until: None };
    let waits = |before: &[Run], random| {
        let goes_on = parked(unsaid(), before, OnLimit::Auto, random).unwrap();
        goes_on.until.unwrap().duration_since(at(1000)).as_secs()
    };
    let before: Vec<_> = (0..9).map(|it| run(it, unsaid())).collect();
    assert_eq!([0, 1, 2, 9].map(|it| waits(&before[..it], 0)), [150, 300, 600, 1800]);
    assert_eq!(waits(&[], 150_000), 300);
    let asks = |on_limit| parked(unsaid(), &[], on_limit, 0).map(|it| it.asks);
    assert_eq!(OnLimit::ALL.map(asks), [Some(false), Some(true), None]);
}

#[test]
fn only_other_runs_of_its_own_kind_say_how_long_an_overload_lasts() {
    let waits = |before: &[Run]| {
        let goes_on = parked(overloaded(), before, OnLimit::Auto, 0).unwrap();
        goes_on.until.unwrap().duration_since(at(1000)).as_millis()
    };
    assert_eq!(waits(&[]), 2500);
    assert_eq!(waits(&[run(1, overloaded())]), 5000);
    assert_eq!(waits(&[run(1, overloaded()), run(99, overloaded())]), 5000);
    let test = Run { kind: RunKind::Test, ..run(2, overloaded()) };
    assert_eq!(waits(&[run(1, overloaded()), test]), 5000);
    let live = Run { state: RunState::Finishing, ..run(2, overloaded()) };
    assert_eq!(waits(&[run(1, overloaded()), live]), 2500);
}

#[test]
fn an_account_has_exhausted_what_was_refused_and_no_more() {
    let window = |name: &str, standing| Window {
        window: name.to_owned(),
        standing,
        until: Some(at(2000)),
        utilization: None,
    };
    let exhausted = |outcome| {
        let mut end = ended(outcome);
        let (refused, warned) = (Standing::Rejected, Standing::Warned);
        end.report.windows = vec![window("five_hour", refused), window("seven_day", warned)];
        exhausted(&end, None).into_iter().map(|it| (it.window, it.standing)).collect::<Vec<_>>()
    };
    let limited = exhausted(Outcome::Limited { until: None });
    assert_eq!(limited, [("five_hour".to_owned(), Standing::Rejected)]);
    let credit = exhausted(Outcome::Credit { message: String::new() });
    assert_eq!(credit, [(CREDIT.to_owned(), Standing::Rejected)]);
    assert_eq!([exhausted(overloaded()), exhausted(Outcome::Done)], [vec![], vec![]]);
}

#[test]
fn where_no_window_is_named_the_account_waits_as_long_as_the_run() {
    let limited = ended(Outcome::Limited { until: None });
    let parked = after(&run(1, Outcome::Done), &limited, &[], OnLimit::Auto, 0).unwrap();
    let told: Vec<_> =
        exhausted(&limited, Some(&parked)).into_iter().map(|it| (it.window, it.standing, it.until)).collect();
    assert_eq!(told, [(UNNAMED.to_owned(), Standing::Rejected, parked.until)]);
    assert!(parked.until.is_some());
    assert_eq!(exhausted(&limited, None), []);
    assert_eq!(exhausted(&ended(overloaded()), Some(&parked)), []);
}

#[test]
fn the_word_for_what_is_done_about_a_limit_is_the_word_that_is_written() {
    for it in OnLimit::ALL {
        assert_eq!(serde_json::to_value(it).unwrap(), it.as_str());
    }
}
