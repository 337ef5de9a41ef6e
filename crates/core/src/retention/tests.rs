use proptest::prelude::*;

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn days_ago(days: i32) -> Timestamp {
    now() - DAY.saturating_mul(days)
}

fn policy() -> Policy {
    Policy { logs: DAY * 30, rescues: DAY * 60, log_bytes: 1000 }
}

fn log(n: u64, bytes: u64, days: i32) -> Holding {
    let item = Item::Log { run: RunId::from_random(n) };
    Holding { item, bytes, since: days_ago(days), newest_of: None, hold: Hold::Nothing }
}

fn rescue(days: i32, hold: Hold) -> Holding {
    let item = Item::Rescue {
        repo: "api".parse().unwrap(),
        run: RunId::from_random(1),
        reference: "refs/coord/rescue/a".to_owned(),
        commit: "0123456789012345678901234567890123456789".parse().unwrap(),
    };
    Holding { item, bytes: 0, since: days_ago(days), newest_of: None, hold }
}

fn decided(holdings: &[Holding]) -> Plan {
    plan(holdings.to_vec(), &policy(), &BTreeSet::new(), now())
}

fn goes(holding: Holding) -> bool {
    !decided(&[holding]).go.is_empty()
}

#[test]
fn each_thing_has_its_time_and_unseen_work_six_times_as_much() {
    for (days, wanted) in [(29, false), (30, true)] {
        assert_eq!(goes(log(1, 1, days)), wanted, "{days}");
    }
    for (days, seen, unseen) in [(59, false, false), (60, true, false), (359, true, false), (360, true, true)]
    {
        assert_eq!(goes(rescue(days, Hold::SeenWork)), seen, "{days}");
        assert_eq!(goes(rescue(days, Hold::UnseenWork)), unseen, "{days}");
    }
}

#[test]
fn when_room_is_short_the_oldest_logs_go_and_no_more_than_needed() {
    let plan = decided(&[log(1, 600, 1), log(2, 600, 3), log(3, 600, 2)]);
    let gone: Vec<_> = plan.go.iter().map(|(it, because)| (it.item.clone(), *because)).collect();
    let wanted = [2, 3].map(|n| (log(n, 0, 0).item, Because::Room));
    assert_eq!(gone, wanted);
}

#[test]
fn the_newest_run_of_a_task_stays_until_the_task_is_over() {
    let task: TaskRef = "api#1".parse().unwrap();
    let newest = Holding { newest_of: Some(task.clone()), ..log(1, 5000, 400) };
    let kept = decided(std::slice::from_ref(&newest));
    assert!(kept.go.is_empty() && kept.stay[0].1.contains("api#1"), "{kept:?}");
    assert_eq!(kept.perhaps_over, BTreeSet::from([task.clone()]));
    let over = BTreeSet::from([task]);
    assert_eq!(plan(vec![newest], &policy(), &over, now()).go.len(), 1);
}

#[test]
fn logs_that_have_to_stay_take_room_from_the_others_and_no_more_goes_than_is_over_it() {
    let sizes = |logs: &[Holding]| {
        let gone = decided(logs).go.into_iter();
        gone.map(|(it, because)| (it.bytes, because)).collect::<Vec<_>>()
    };
    let needed = Holding { hold: Hold::Needed("it is".to_owned()), ..log(1, 600, 1) };
    let newest = Holding { newest_of: Some("api#1".parse().unwrap()), ..log(2, 600, 1) };
    for stays in [needed, newest] {
        assert_eq!(sizes(&[stays.clone(), log(3, 400, 2)]), []);
        assert_eq!(sizes(&[stays, log(3, 401, 2)]), [(401, Because::Room)]);
    }
    // What is no log takes none of it.
    let worktree =
        Item::Worktree { repo: "api".parse().unwrap(), run: RunId::from_random(9), path: String::new() };
    assert_eq!(sizes(&[Holding { item: worktree, ..log(1, 600, 1) }, log(3, 1000, 2)]), []);
    // What goes by its age makes room as well.
    assert_eq!(sizes(&[log(1, 600, 30), log(3, 1000, 2)]), [(600, Because::Age)]);
}

#[test]
fn whether_a_task_is_over_is_asked_where_room_or_time_depends_on_it() {
    let task: TaskRef = "api#1".parse().unwrap();
    let of_newest = |it: Holding| Holding { newest_of: Some(task.clone()), ..it };
    let asks = |it: Holding| !decided(&[of_newest(it)]).perhaps_over.is_empty();
    assert!(asks(log(1, 1, 1)));
    assert!(asks(rescue(60, Hold::SeenWork)));
    assert!(!asks(rescue(59, Hold::SeenWork)));
    let young = decided(&[of_newest(log(1, 1, 1))]);
    assert!(young.stay.is_empty(), "it stays for its own time, and that is no news: {young:?}");
}

#[test]
fn a_person_can_tell_what_goes_and_why() {
    let (repo, run): (RepoName, _) = ("api".parse().unwrap(), RunId::from_random(1));
    let (reference, path) = ("refs/coord/runs/a".to_owned(), "/w/api".to_owned());
    let commit: CommitSha = "a".repeat(40).parse().unwrap();
    let of_store = "api refs/coord/runs/a".to_owned();
    let items = [
        (Item::Log { run }, run.to_string()),
        (Item::Worktree { repo: repo.clone(), run, path: path.clone() }, path),
        (
            Item::Rescue { repo: repo.clone(), run, reference: reference.clone(), commit: commit.clone() },
            of_store.clone(),
        ),
        (
            Item::Reference { repo: repo.clone(), run, reference: reference.clone(), commit: commit.clone() },
            of_store.clone(),
        ),
        (Item::OnOrigin { repo: repo.clone(), run, reference, commit }, of_store),
        (Item::Store { repo }, "api".to_owned()),
    ];
    for (item, name) in &items {
        assert_eq!(item.name(), *name);
    }
    let kinds: BTreeSet<_> = items.iter().map(|(it, _)| it.what()).collect();
    assert_eq!(kinds.len(), items.len(), "each kind has a word of its own: {kinds:?}");
    let told = [Because::Age, Because::Room].map(Because::as_str);
    assert_eq!(told, ["its time is over", "the logs take more room than they may"]);
}

proptest! {
    #[test]
    fn whatever_the_policy_what_is_needed_stays_and_unseen_work_outlives_seen_work(
        logs in 0_i64..400, rescues in 0_i64..400, log_bytes in 0_u64..2000, age in 0_i32..4000, bytes in 0_u64..5000,
    ) {
        let policy = Policy {
            logs: SignedDuration::from_hours(24 * logs),
            rescues: SignedDuration::from_hours(24 * rescues),
            log_bytes,
        };
        let goes = |it: &Holding| !plan(vec![it.clone()], &policy, &BTreeSet::new(), now()).go.is_empty();
        let needed = Holding { hold: Hold::Needed("it is".to_owned()), ..log(1, bytes, age) };
        prop_assert!(!goes(&needed));
        let newest = Holding { newest_of: Some("api#1".parse().unwrap()), ..log(1, bytes, age) };
        prop_assert!(!goes(&newest));
        prop_assert!(!goes(&rescue(age, Hold::UnseenWork)) || goes(&rescue(age, Hold::SeenWork)));
    }
}
