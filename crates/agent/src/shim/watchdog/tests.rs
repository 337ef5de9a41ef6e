use super::*;

const LIMITS: RunLimits = RunLimits {
    first_output: Some(30),
    idle: Some(60),
    tool_idle: Some(120),
    memory: None,
    processes: None,
    disk: None,
    log: None,
};

/// A watchdog, and the clock that it is shown.
struct Watched {
    dog: Watchdog,
    now: Instant,
}

impl Watched {
    fn begin(limits: &RunLimits, deadline: u64, phase: Phase) -> Self {
        let now = Instant::now();
        Self { dog: Watchdog::begin(limits, now + Duration::from_secs(deadline), phase, now), now }
    }

    fn heard(&mut self, phase: Phase) {
        self.dog.heard(phase, self.now);
    }

    /// Lets time pass until there is something to stop for, and says `used` at each look. Gives what it is, and
    /// after how many seconds.
    fn stops(&mut self, used: impl Fn(Duration) -> Used) -> (StopCause, u64) {
        let start = self.now;
        loop {
            let (until, look) = match self.dog.next(self.now) {
                Next::Stop(cause) => return (cause, (self.now - start).as_secs()),
                Next::Wait(until) => (until, false),
                Next::Look(until) => (until, true),
            };
            self.now = self.now.max(until);
            if look {
                self.dog.used(used(self.now - start), self.now);
            }
        }
    }
}

fn nothing(_: Duration) -> Used {
    Used::default()
}

fn much(_: Duration) -> Used {
    Used { computed: Duration::from_secs(5), moved: 0 }
}

#[test]
fn who_never_says_anything_is_stopped_however_hard_it_works() {
    for phase in [Phase::Model, Phase::Tool] {
        let stopped = Watched::begin(&LIMITS, 1000, phase).stops(much);
        assert_eq!(stopped, (StopCause::Overdue(TimeoutPhase::FirstOutput), 30));
    }
}

#[test]
fn a_model_may_be_silent_for_a_while_and_a_tool_for_longer() {
    let mut dog = Watched::begin(&LIMITS, 1000, Phase::Model);
    dog.heard(Phase::Model);
    assert_eq!(dog.stops(much), (StopCause::Overdue(TimeoutPhase::Idle), 60));
    dog.heard(Phase::Tool);
    assert_eq!(dog.stops(nothing), (StopCause::Overdue(TimeoutPhase::Idle), 120));
}

#[test]
fn a_tool_that_computes_or_moves_bytes_is_not_idle_until_it_stops_doing_so() {
    let busy = |what: Used| move |since: Duration| if since.as_secs() < 500 { what } else { Used::default() };
    for used in [
        Used { computed: Duration::from_secs(1), moved: 0 },
        Used { computed: Duration::ZERO, moved: 1 << 20 },
    ] {
        let mut dog = Watched::begin(&LIMITS, 10_000, Phase::Tool);
        dog.heard(Phase::Tool);
        let (cause, after) = dog.stops(busy(used));
        assert_eq!(cause, StopCause::Overdue(TimeoutPhase::Idle));
        assert!((600..=620).contains(&after), "{after}");
    }
}

#[test]
fn who_only_looks_at_the_clock_now_and_then_is_idle() {
    let hardly = |_| Used { computed: Duration::from_millis(20), moved: 2000 };
    let mut dog = Watched::begin(&LIMITS, 10_000, Phase::Tool);
    dog.heard(Phase::Tool);
    assert_eq!(dog.stops(hardly), (StopCause::Overdue(TimeoutPhase::Idle), 120));
}

#[test]
fn a_tool_is_looked_at_often_enough_for_however_short_it_may_be_idle() {
    for tool_idle in [1, 8, 3600] {
        let limits = RunLimits { tool_idle: Some(tool_idle), ..LIMITS };
        let busy =
            |since: Duration| if since.as_secs() < 2 * tool_idle { much(since) } else { nothing(since) };
        let mut dog = Watched::begin(&limits, 10 * tool_idle, Phase::Tool);
        dog.heard(Phase::Tool);
        let (cause, after) = dog.stops(busy);
        assert_eq!(cause, StopCause::Overdue(TimeoutPhase::Idle));
        assert!((2 * tool_idle..=3 * tool_idle + 15).contains(&after), "{tool_idle}: {after}");
    }
}

#[test]
fn a_run_ends_at_its_deadline_whatever_it_does() {
    for phase in [Phase::Model, Phase::Tool, Phase::Over] {
        let mut dog = Watched::begin(&LIMITS, 5, phase);
        assert_eq!(dog.stops(much), (StopCause::Overdue(TimeoutPhase::Absolute), 5));
    }
    let mut talks = Watched::begin(&LIMITS, 100, Phase::Model);
    for _ in 0..10 {
        talks.now += Duration::from_secs(9);
        talks.heard(Phase::Model);
    }
    assert_eq!(talks.stops(nothing), (StopCause::Overdue(TimeoutPhase::Absolute), 10));
}

#[test]
fn who_has_told_its_result_and_has_nothing_to_do_may_stay_ten_seconds() {
    let mut dog = Watched::begin(&LIMITS, 1000, Phase::Model);
    dog.heard(Phase::Over);
    dog.now += Duration::from_secs(4);
    dog.heard(Phase::Over);
    assert_eq!(dog.stops(much), (StopCause::Lingered, 6));
    dog.heard(Phase::Tool);
    assert_eq!(dog.stops(nothing).0, StopCause::Overdue(TimeoutPhase::Idle));
}

#[test]
fn what_is_not_limited_is_not_watched() {
    for phase in [Phase::Model, Phase::Tool] {
        let Watched { dog, now } = Watched::begin(&RunLimits::default(), 100_000, phase);
        assert_eq!(dog.next(now), Next::Wait(dog.deadline));
    }
}
