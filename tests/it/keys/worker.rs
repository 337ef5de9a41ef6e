//! Keys that say what does the work, and how.

use coord_testkit::model::{bash, say};
use serde_json::Value;

use super::House;
use crate::fleet::Fleet;

#[test]
pub(super) fn permissions_are_rules_of_the_command_line() {
    let house = House::new();
    house.agent("claude");
    let usual = house.call("claude", &[]);
    assert!(usual.flag("--disallowedTools").contains(&"Bash(git push:*)"), "{:?}", usual.arguments);
    house.says("worker_permissions: {allow: ['Bash(make *)'], deny: ['Bash(curl *)']}", "", "");
    let call = house.call("claude", &[]);
    let allowed = [usual.allowed(), vec!["Bash(make *)"]].concat();
    assert_eq!(call.allowed(), allowed);
    assert_eq!(call.flag("--disallowedTools"), ["Bash(curl *)"]);
    house.says("worker_permissions: {deny: []}", "", "");
    assert!(!house.call("claude", &[]).arguments.contains(&"--disallowedTools".to_owned()));
}

#[test]
pub(super) fn models_are_told_to_claude() {
    let house = House::new();
    house.agent("claude");
    assert_eq!(house.call("claude", &[]).flag("--model"), ["sonnet"]);
    house.says("", "", "models: {default: haiku, labels: {hard: opus}}");
    assert_eq!(house.call("claude", &[]).flag("--model"), ["haiku"]);
    assert_eq!(house.call("claude", &["--label", "easy"]).flag("--model"), ["haiku"]);
    assert_eq!(house.call("claude", &["--label", "hard"]).flag("--model"), ["opus"]);
}

#[test]
pub(super) fn runtime_is_what_does_the_work() {
    let house = House::new();
    house.agent("claude");
    house.call("claude", &[]);
    house.says("", "", "runtime: script");
    let number = house.script_in("api", "touch ~/worked");
    assert_eq!(house.wait(&house.assign(number))["runtime"], "script");
    assert!(house.noted("worked").is_some());
}

#[test]
pub(super) fn program_is_what_runs() {
    let house = House::new();
    house.agent("claude");
    house.agent("other");
    house.call("claude", &[]);
    for program in ["other", house.dir().join("bin/other").as_str(), "~/../bin/other", "./bin/other"] {
        house.says("", "", &format!("runtimes: {{claude: {{program: {program}}}}}"));
        house.call("other", &[]);
    }
}

#[test]
pub(super) fn pass_env_lets_variables_through() {
    let mut house = House::new();
    house.set("PIN", "1234");
    house.agent("claude");
    let number = house.change();
    let seen = |runtime: &str| {
        match runtime {
            "claude" => return house.call("claude", &[]).environment.contains_key("PIN"),
            "script" => drop(house.run("env > ~/seen")),
            _ => drop(house.coord(["test", &number.to_string()]).success()),
        }
        house.noted("seen").unwrap().lines().any(|it| it == "PIN=1234")
    };
    let runtimes = ["claude", "script", "command"];
    for named in runtimes {
        let entry = format!("runtimes: {{{named}: {{pass_env: [PIN]}}}}");
        house.says("test_command: env > ~/seen", "", &entry);
        assert_eq!(runtimes.map(seen), runtimes.map(|it| it == named), "{named}");
    }
}

#[test]
pub(super) fn options_of_claude_are_on_its_command_line() {
    let house = House::new();
    house.agent("claude");
    let call = house.call("claude", &[]);
    assert_eq!(call.flag("--permission-mode"), ["acceptEdits"]);
    assert_eq!(call.allowed(), ["Read", "Edit", "Write", "Bash", "Glob", "Grep"]);
    assert_eq!(call.flag("--setting-sources"), ["project"]);
    let options = "permission_mode: plan, allowed_tools: [Read], setting_sources: 'project,local'";
    house.says("", "", &format!("runtimes: {{claude: {{{options}}}}}"));
    let call = house.call("claude", &[]);
    assert_eq!(call.flag("--permission-mode"), ["plan"]);
    assert_eq!(call.allowed(), ["Read"]);
    assert_eq!(call.flag("--setting-sources"), ["project,local"]);
    house.says("", "", "runtimes: {claude: {allowed_tools: []}}");
    assert!(house.call("claude", &[]).allowed().is_empty());
}

#[test]
fn a_tool_that_nobody_allowed_is_not_used() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let worked = fleet.dir().join("worked");
    for (said, allowed) in [("", true), ("    allowed_tools: []\n", false)] {
        fleet.configure("");
        fleet.reconfigure("  claude:\n", &format!("  claude:\n{said}"));
        let number = fleet.task("Do it", [bash(&format!("touch {worked}")), say("done")]);
        let run = fleet.assign(number);
        fleet.wait(&run);
        assert_eq!(worked.exists(), allowed);
        assert_eq!(fleet.count(&run, "denial") == 0, allowed);
        if allowed {
            fs_err::remove_file(&worked).unwrap();
        }
    }
}

#[test]
pub(super) fn run_minutes_go_with_the_order() {
    let house = House::new();
    let ordered = || {
        let run = house.run("echo hello");
        let spec = fs_err::read(house.run_dir(run["id"].as_str().unwrap()).join("spec.json")).unwrap();
        serde_json::from_slice::<Value>(&spec).unwrap()["deadline_seconds"].clone()
    };
    assert_eq!(ordered(), 7200);
    house.says("", "", "limits: {run_minutes: 1}");
    assert_eq!(ordered(), 60);
}

#[test]
pub(super) fn attempts_are_how_many_may_fail() {
    let house = House::new();
    let task = |said: &str| {
        house.says("", "", said);
        let number = house.script_in("api", "exit 3");
        assert_eq!(house.finish(number)["outcome"]["kind"], "crashed");
        house.coord(["retry", &number.to_string()])
    };
    task("").success();
    task("limits: {attempts: 1}").exits(5);
}

#[test]
fn a_key_that_would_do_nothing_is_refused_where_it_stands() {
    let house = House::new();
    for (runtime, known) in [("script", "pass_env"), ("command", "pass_env, model, argv")] {
        for key in ["program: sh", "permission_mode: plan", "allowed_tools: []", "setting_sources: user"] {
            house.says("", "", &format!("runtimes:\n  {runtime}:\n    pass_env: []\n    {key}"));
            let said = house.coord(["config"]).exits(2).stderr;
            let name = key.split(':').next().unwrap();
            let wanted = format!("runtimes.{runtime}: unknown key `{name}` at line 8");
            assert!(said.contains(&wanted), "{said}");
            assert!(said.contains(&format!("known there: {known}")), "{said}");
        }
    }
}
