//! Keys of a repo.

use serde_json::Value;

use super::{House, blockers};
use crate::fleet::text;

/// Asks for a test of a change; the state of its gate.
fn tested(house: &House, number: u64) -> String {
    text(&house.coord(["--json", "test", &number.to_string()]).json()["data"]["gate"]["state"])
}

#[test]
pub(super) fn name_is_what_it_is_called_by() {
    let house = House::new();
    let add = |name| house.coord(["task", "add", name, "Do it"]);
    add("api").success();
    add("app").exits(4);
    house.reconfigure("{name: api", "{name: app");
    add("app").success();
    add("api").exits(4);
}

#[test]
pub(super) fn origin_is_where_a_change_is_published() {
    let house = House::new();
    let other = house.repo("other");
    let before = (house.api.refs(), other.refs());
    house.change();
    assert!(house.api.refs() != before.0 && other.refs() == before.1);
    house.reconfigure(&house.api.url(), &other.url());
    let before = (house.api.refs(), other.refs());
    house.change();
    assert!(house.api.refs() == before.0 && other.refs() != before.1);

    // Without the key, it is the origin of the clone.
    house.reconfigure(&format!("origin: '{}', ", other.url()), "");
    house
        .reconfigure("machines:\n- {", &format!("machines:\n- {{repo_paths: {{api: {}}}, ", house.api.clone));
    let before = (house.api.refs(), other.refs());
    house.change();
    assert!(house.api.refs() != before.0 && other.refs() == before.1);
}

#[test]
pub(super) fn forge_is_where_tasks_live() {
    let house = House::new();
    house.says("forge: local", "", "");
    let number = house.change().to_string();
    let proposed = house.coord(["--json", "pr", &number]).success().json();
    assert!(proposed["data"]["pull_request"]["number"].is_u64(), "{proposed}");
    house.says("forge: elsewhere", "", "");
    let refused = house.coord(["pr", &number]).exits(2).stderr;
    assert!(
        refused.contains("unknown variant `elsewhere`, expected `local` or `github` (line 2)"),
        "{refused}"
    );
}

#[test]
pub(super) fn default_branch_is_what_work_starts_from_and_ends_in() {
    let house = House::new();
    house.api.push_as("Ann", "develop", "on develop", &[("develop.txt", "x\n")]);
    for (branch, base) in [("main", "the project"), ("develop", "on develop")] {
        house.says(&format!("gates: [], default_branch: {branch}"), "", "");
        let number = house.change();
        house.propose(number);
        house.coord(["merge"]).success();
        assert_eq!(house.api.log(branch)[..3], ["second", "first", base]);
    }
}

#[test]
pub(super) fn depends_on_holds_a_task_back_while_what_its_repo_builds_on_changes() {
    let house = House::new();
    let others = ["lib", "web"].map(|it| house.repo(it).url());
    let depend = |api: &str, lib: &str| {
        house.config(&format!(
            "repos:\n- {{name: api, origin: '{}', depends_on: [{api}]}}\n- {{name: lib, origin: '{}', depends_on: [{lib}]}}\n\
             - {{name: web, origin: '{}'}}\nmachines: [{{name: here, port: {}}}]\n",
            house.api.url(), others[0], others[1], house.port
        ));
    };
    depend("", "");
    house.busy("web");
    let number = house.add(&["Do it"]);
    assert_eq!(blockers(&house.plan(number)), "");
    for (api, lib) in [("web", ""), ("lib", "web")] {
        depend(api, lib);
        let said = blockers(&house.plan(number));
        assert!(said.contains("is at `web`, which its repo depends on"), "{api} {lib}: {said}");
        house.coord(["assign", "here", "api", &number.to_string(), "--no-queue"]).exits(5);
    }
    depend("lib", "");
    assert_eq!(blockers(&house.plan(number)), "");
}

#[test]
pub(super) fn build_command_runs_before_the_tests_and_decides_with_them() {
    let house = House::new();
    let number = house.change();
    house.says("test_command: test -e ~/built", "", "");
    assert_eq!(tested(&house, number), "failed");
    house.says("test_command: test -e ~/built, build_command: touch ~/built", "", "");
    assert_eq!(tested(&house, number), "passed");
    house.says("test_command: test -e ~/built, build_command: exit 3", "", "");
    assert_eq!(tested(&house, number), "failed");
}

#[test]
pub(super) fn test_command_decides_the_gate() {
    let house = House::new();
    let number = house.change();
    for (command, state) in [("exit 1", "failed"), ("./test.sh", "passed")] {
        house.says(&format!("test_command: {command}"), "", "");
        assert_eq!(tested(&house, number), state, "{command}");
    }
}

#[test]
pub(super) fn setup_runs_before_the_worker() {
    let house = House::new();
    let seen = || {
        house.run("if test -e ~/ready; then echo yes; else echo no; fi > ~/seen");
        house.noted("seen").unwrap()
    };
    assert_eq!(seen(), "no\n");
    house.says("setup: touch ~/ready", "", "");
    assert_eq!(seen(), "yes\n");
}

#[test]
pub(super) fn rules_are_told_to_the_worker() {
    let house = House::new();
    let number = house.add(&["Do it"]);
    let rule = "Tabs are for tables.";
    assert!(!text(&house.plan(number)["prompt"]).contains(rule));
    house.says(&format!("rules: {rule}"), "", "");
    assert!(text(&house.plan(number)["prompt"]).contains(rule));
}

#[test]
pub(super) fn gates_are_what_a_merge_waits_for() {
    let house = House::new();
    let number = house.change();
    house.propose(number);
    let with = |gates: &str| -> Value {
        house.says(&format!("test_command: ./test.sh, gates: [{gates}]"), "", "");
        house.coord(["--json", "merge", "--dry-run"]).json()["data"].clone()
    };
    assert_eq!(with("")["planned"][0]["step"], "merge");
    assert_eq!(with("tests")["planned"][0]["step"], "test");
    let held = text(&with("person")["parked"][0]["reason"]);
    assert!(held.starts_with("person"), "{held}");
    house.coord(["test", &number.to_string(), "--passed"]).success();
    assert_eq!(with("person")["planned"][0]["step"], "merge");
    assert_eq!(with("person, tests")["planned"][0]["step"], "test");
}

#[test]
pub(super) fn merge_method_is_how_history_looks() {
    let house = House::new();
    for (method, commits, merges) in [("rebase", "2", "0"), ("squash", "1", "0"), ("merge", "3", "1")] {
        house.says(&format!("gates: [], merge_method: {method}"), "", "");
        let before = house.api.head("main").unwrap();
        house.propose(house.change());
        house.coord(["merge"]).success();
        let range = format!("{before}..main");
        let count = |flags: &[&str]| {
            let words = [&["rev-list", "--count"], flags, &[range.as_str()]].concat();
            house.api.git(&house.api.origin, words)
        };
        assert_eq!((count(&[]).as_str(), count(&["--merges"]).as_str()), (commits, merges), "{method}");
    }
}
