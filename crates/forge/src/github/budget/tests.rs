use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// Tells the budget how GitHub is. A limit must come back as a pause.
fn hear(budget: &mut Budget, now: Timestamp, sign: Sign) {
    let limited = matches!(sign, Sign::Limited(..));
    let heard = budget.hear(now, Heard { write: false, quota: None, scopes: None, sign });
    assert_eq!(matches!(heard, Err(GitHubError::Limited { .. })), limited, "{heard:?}");
}

fn millis(n: i64) -> SignedDuration {
    SignedDuration::from_millis(n)
}

/// Writes until one is not let through at once; how many there were.
fn burst(budget: &mut Budget, now: Timestamp) -> usize {
    let mut written = 0;
    while matches!(budget.claim(now, 0.5), Claim::Granted) {
        written += 1;
    }
    written
}

#[test]
fn a_story_of_writes_is_not_slowed_down_and_a_crowd_of_them_keeps_a_distance() {
    let mut budget = Budget::default();
    let mut now = start();
    assert_eq!(burst(&mut budget, now), PACED_FROM);
    let mut paced = 0;
    while budget.recent(now) < WRITES_PER_MINUTE {
        match budget.claim(now, 0.5) {
            Claim::Later(until) => {
                assert_eq!(until, now + GAP + JITTER / 2);
                now = until;
            }
            Claim::Granted => paced += 1,
            Claim::Refused(error) => panic!("{error}"),
        }
    }
    assert_eq!(paced, WRITES_PER_MINUTE - PACED_FROM);
    let Claim::Later(until) = budget.claim(now, 0.5) else { panic!("the minute is full") };
    assert!(until >= start() + MINUTE, "{until}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_minute_and_no_hour_has_too_many_writes(steps in vec((0i64..9_000, 0.0f64..1.0), 700..1400)) {
        let mut budget = Budget::default();
        let mut now = start();
        let mut writes: Vec<Timestamp> = Vec::new();
        for (pause, draw) in steps {
            now += millis(pause);
            match budget.claim(now, draw) {
                Claim::Granted => writes.push(now),
                Claim::Later(until) => {
                    prop_assert!(until > now);
                    prop_assert!(until <= now + HOUR + TICK);
                    prop_assert!(matches!(budget.claim(until, draw), Claim::Granted), "waiting is enough");
                    now = until;
                    writes.push(now);
                }
                Claim::Refused(error) => panic!("{error}"),
            }
        }
        prop_assert!(writes.len() > WRITES_PER_HOUR);
        for window in writes.windows(WRITES_PER_MINUTE + 1) {
            prop_assert!(window[WRITES_PER_MINUTE].duration_since(window[0]) > MINUTE);
        }
        for window in writes.windows(WRITES_PER_HOUR + 1) {
            prop_assert!(window[WRITES_PER_HOUR].duration_since(window[0]) > HOUR);
        }
    }

    #[test]
    fn nothing_but_time_ends_a_pause(
        wait in 1i64..3600,
        acts in vec((0i64..60_000, 0usize..5), 1..40),
    ) {
        let mut budget = Budget::default();
        let mut now = start();
        let end = now + SignedDuration::from_secs(wait);
        hear(&mut budget, now, Sign::Limited(LimitKind::Primary, Some(SignedDuration::from_secs(wait))));
        for (pause, act) in acts {
            now += millis(pause);
            if now >= end {
                break;
            }
            match act {
                0 => hear(&mut budget, now, Sign::Well),
                1 => hear(&mut budget, now, Sign::Failing("502".to_owned())),
                2 => hear(&mut budget, now, Sign::Limited(LimitKind::Secondary, Some(millis(1)))),
                3 => budget = serde_json::from_str(&serde_json::to_string(&budget).unwrap()).unwrap(),
                _ => prop_assert!(matches!(budget.claim(now, 0.0), Claim::Refused(_))),
            }
            let refused = budget.admit(now);
            prop_assert!(
                matches!(&refused, Err(GitHubError::Limited { until, .. }) if *until >= end),
                "{refused:?} at {now}, paused until {end}"
            );
        }
    }
}

#[test]
fn a_secondary_limit_that_comes_again_lasts_twice_as_long_until_it_stays_away() {
    let mut budget = Budget::default();
    let mut now = start();
    let mut limited = |now: Timestamp| {
        hear(&mut budget, now, Sign::Limited(LimitKind::Secondary, None));
        budget.pause.clone().unwrap().until.duration_since(now).as_secs()
    };
    assert_eq!(limited(now), 60);
    now += MINUTE + millis(1);
    assert_eq!(limited(now), 120);
    now += MINUTE * 3;
    assert_eq!(limited(now), 240);
    now += HOUR;
    assert_eq!(limited(now), 60, "an hour went well");
}

#[test]
fn five_failures_in_a_row_open_the_circuit_and_one_probe_at_a_time_tries_it_again() {
    let failing = || Sign::Failing("status 502".to_owned());
    let mut budget = Budget::default();
    let mut now = start();
    for _ in 0..FAILURES - 1 {
        hear(&mut budget, now, failing());
    }
    hear(&mut budget, now, Sign::Well);
    for _ in 0..FAILURES - 1 {
        hear(&mut budget, now, failing());
        budget.admit(now).expect("four in a row are not enough");
    }
    hear(&mut budget, now, failing());
    let refused = budget.admit(now).unwrap_err();
    assert!(matches!(&refused, GitHubError::CircuitOpen { cause, .. } if cause == "status 502"), "{refused}");

    now += LEFT_ALONE;
    budget.admit(now).expect("the probe");
    budget.admit(now).expect_err("the others wait for it");
    hear(&mut budget, now, failing());
    budget.admit(now).expect_err("it failed");
    now += LEFT_ALONE;
    budget.admit(now).expect("the next probe");
    budget.admit(now + LEFT_ALONE).expect("a probe that never came back is replaced");
    hear(&mut budget, now, Sign::Well);
    budget.admit(now).expect("it is back");
    assert_eq!(budget.standing(now).outage, None);
}

#[test]
fn a_clock_that_is_set_back_holds_nobody_up_for_longer_than_it_would_have_taken() {
    let mut budget = Budget::default();
    let late = start() + HOUR * 24;
    assert_eq!(burst(&mut budget, late), PACED_FROM);
    hear(&mut budget, late, Sign::Limited(LimitKind::Primary, Some(MINUTE)));
    budget.admit(start()).expect_err("the pause is kept");
    budget.admit(start() + MINUTE).expect("but no longer than it lasts");
    assert!(matches!(budget.claim(start() + HOUR, 0.0), Claim::Granted));
}
