//! Keys that say what may be spent, and what becomes of work that meets a limit.

use std::os::unix::fs::PermissionsExt as _;

use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::{Value, json};

use super::{House, blockers};
use crate::fleet::text;

/// The result of a worker that did nothing, at this cost.
fn result(cost_usd: f64) -> String {
    let line = json!({"type": "result", "subtype": "success", "is_error": false, "num_turns": 1, "result": "ok",
        "total_cost_usd": cost_usd});
    line.to_string()
}

/// What is said of the five-hour window.
fn window(status: &str, opens: Timestamp) -> String {
    let info = json!({"status": status, "resetsAt": opens.as_second(), "rateLimitType": "five_hour", "utilization": 0.92});
    json!({"type": "rate_limit_event", "rate_limit_info": info}).to_string()
}

/// A worker that was refused for its window.
fn refused(opens: Timestamp) -> [String; 2] {
    let line = json!({"type": "result", "subtype": "success", "is_error": true, "api_error_status": 429, "num_turns": 1,
        "result": "limit", "total_cost_usd": 0.0});
    [window("rejected", opens), line.to_string()]
}

impl House {
    /// Puts a program in claude's place that prints these lines.
    fn claude_says(&self, lines: &[String]) {
        let said = self.write("said", &format!("{}\n", lines.join("\n")));
        let introduction =
            r#"{"type":"system","subtype":"init","session_id":"s","model":"m","apiKeySource":"none"}"#;
        let program = self
            .write("bin/claude", &format!("#!/bin/sh\nread -r prompt\necho '{introduction}'\ncat {said}\n"));
        fs_err::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Has that program work at a new task; the run.
    fn works(&self) -> Value {
        self.wait(&self.assign(self.add(&["Do it"])))
    }

    /// The run that is queued.
    fn queued(&self) -> Option<Value> {
        let status = self.coord(["--json", "status"]).success().json();
        let runs = status["data"]["runs"].as_array().unwrap();
        runs.iter().find(|it| it["state"] == "queued").cloned()
    }
}

#[test]
pub(super) fn caps_are_the_most_that_a_worker_is_told_it_may_cost() {
    // Of what the fleet shares, each of its two slots has its part.
    let cases = [
        ("", "", None),
        ("", "limits: {usd_per_run: 3}", Some("3")),
        ("", "limits: {usd_per_task: 2.5}", Some("2.5")),
        ("", "limits: {usd_per_day: 4}", Some("2")),
        ("", "limits: {usd_per_month: 5, usd_per_run: 3}", Some("2.5")),
        ("caps: {usd_per_run: 1.5}", "limits: {usd_per_run: 3}", Some("1.5")),
        ("caps: {usd_per_task: 0.5}", "limits: {usd_per_run: 3, usd_per_task: 2}", Some("0.5")),
    ];
    for (api, more, told) in cases {
        let house = House::new();
        house.agent("claude");
        house.says(api, "", more);
        let call = house.call("claude", &[]);
        assert_eq!(call.flag("--max-budget-usd"), told.into_iter().collect::<Vec<_>>(), "{api} {more}");
    }
}

#[test]
pub(super) fn warn_at_says_when_a_cap_nears_its_end() {
    let house = House::new();
    house.claude_says(&[result(0.5)]);
    let near = |warn_at: &str| {
        house.says("", "", &format!("limits: {{usd_per_day: 1, warn_at: {warn_at}}}"));
        house.coord(["--json", "status"]).success().json()["data"]["caps"][0]["near"].clone()
    };
    near("0.8");
    house.works();
    assert_eq!([near("0.8"), near("0.4")], [false, true]);
}

#[test]
pub(super) fn keep_leaves_the_rest_of_a_window_to_the_person() {
    let house = House::new();
    let opens = crate::limits::from_now(3600);
    house.claude_says(&[window("allowed_warning", opens), result(0.1)]);
    house.works();
    let next = house.add(&["Do more"]);
    assert_eq!(blockers(&house.plan(next)), "");
    house.says("", "", "limits: {keep: 0.05}");
    assert_eq!(blockers(&house.plan(next)), "");
    house.says("", "", "limits: {keep: 0.2}");
    let kept = blockers(&house.plan(next));
    assert!(kept.contains("92 % of its window `five_hour`, and the rest is kept for you"), "{kept}");
}

#[test]
pub(super) fn on_limit_and_work_hours_say_whether_and_when_a_session_goes_on() {
    let opens = crate::limits::from_now(600);
    let goes_on = |limits: &str| {
        let house = House::new();
        house.says("", "", limits);
        house.claude_says(&refused(opens));
        assert_eq!(house.works()["outcome"]["kind"], "limited");
        let reasons = house.queued().map(|it| it["waits_for"].to_string());
        house.coord(["task", "close", "1", "--reason", "enough"]).success();
        reasons
    };
    assert_eq!(goes_on("limits: {on_limit: never}"), None);
    assert!(goes_on("limits: {on_limit: ask}").unwrap().contains("goes on when a person says so"));
    let moment = |reasons: String| -> Timestamp {
        let (_, at) = reasons.split_once("and goes on at ").unwrap_or_else(|| panic!("{reasons}"));
        at[..20].parse().unwrap()
    };
    let at_once = moment(goes_on("").unwrap());
    assert!(opens <= at_once && at_once <= opens + SignedDuration::from_secs(61), "{at_once}");
    let later = Zoned::new(opens, jiff::tz::TimeZone::UTC) + SignedDuration::from_hours(6);
    let span = format!("{:02}:00-{:02}:30", later.hour(), later.hour());
    let in_hours = goes_on(&format!("time_zone: UTC\nlimits: {{work_hours: ['{span}']}}")).unwrap();
    let in_hours = moment(in_hours).to_zoned(jiff::tz::TimeZone::UTC);
    assert_eq!((in_hours.hour(), in_hours.minute()), (later.hour(), 0), "{in_hours}");
}

#[test]
pub(super) fn accounts_are_called_as_the_person_says() {
    let mut house = House::new();
    house.set("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-dummy");
    house.claude_says(&[result(0.1)]);
    let account = || text(&house.works()["account"]);
    assert_eq!(account(), "claude@here", "nobody can tell whose it is");
    let passed = "runtimes: {claude: {pass_env: [CLAUDE_CODE_OAUTH_TOKEN]}}";
    house.says("", "", passed);
    house.kill_server();
    let derived = account();
    assert!(derived.starts_with("claude:token-") && !derived.contains("dummy"), "{derived}");
    let named = |accounts: &str| {
        house.says("", "", &format!("{passed}\naccounts: {accounts}"));
        text(&house.works()["account"])
    };
    assert_eq!(named("[{name: team}]"), "team");
    assert_eq!(named("[{name: us, machines: [here]}]"), "us");
}

#[test]
pub(super) fn time_zone_says_which_day_it_is() {
    let house = House::new();
    house.claude_says(&[result(0.1)]);
    house.works();
    let day = |zone: &str| {
        house.says("", "", &format!("time_zone: {zone}"));
        text(&house.coord(["--json", "cost"]).success().json()["data"]["lines"][0]["key"])
    };
    assert_ne!(day("Pacific/Kiritimati"), day("Etc/GMT+12"), "these two are never on the same day");
}
