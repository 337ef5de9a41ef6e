//! What runs may use up: each limit is set, and a run meets it.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::House;

impl House {
    /// Puts a program into the world that is called as claude is, and says nothing.
    fn silent_claude(&self, name: &str) {
        let program = self.write(&format!("bin/{name}"), "#!/bin/sh\nexec sleep 1000\n");
        fs_err::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The limits of a run of this script, as its machine was told.
    fn ordered(&self, lines: &str) -> Value {
        let run = self.run(lines);
        let spec = fs_err::read(self.run_dir(run["id"].as_str().unwrap()).join("spec.json")).unwrap();
        serde_json::from_slice::<Value>(&spec).unwrap()["limits"].clone()
    }

    /// Has the repo, the machine's only one, and the whole configured with these limits.
    fn limited(&self, repo: &str, more: &str) {
        self.says(&format!("limits: {{{repo}}}"), "", more);
    }
}

#[test]
pub(super) fn limits_go_with_the_order_and_the_last_word_is_the_repos() {
    let house = House::new();
    let idle = |house: &House| house.ordered("echo hello")["idle"].clone();
    let rest = json!({
        "first_output": null, "idle": 1200, "tool_idle": 1800,
        "memory": null, "processes": null, "disk": null, "log": 1 << 30,
    });
    assert_eq!(house.ordered("echo hello"), rest);
    house.says("", "", "limits: {idle: 100}");
    assert_eq!(idle(&house), 100);
    house.says("", "", "limits: {idle: 100, runtimes: {script: {idle: 2m}}}");
    assert_eq!(idle(&house), 120);
    house.says("", "", "limits: {idle: 100, work: {idle: 3m}, runtimes: {script: {idle: 2m}}}");
    assert_eq!(idle(&house), 180);
    house.limited("idle: none", "limits: {idle: 100, work: {idle: 3m}}");
    assert_eq!(idle(&house), Value::Null);
}

#[test]
pub(super) fn a_script_that_does_nothing_times_out() {
    let house = House::new();
    house.says("", "", "limits: {tool_idle: 1}");
    let end = house.run("echo hello\nsleep 1000");
    assert_eq!(end["outcome"], json!({"kind": "timeout", "phase": "idle"}));
}

#[test]
pub(super) fn a_claude_that_never_says_anything_times_out() {
    let house = House::new();
    house.silent_claude("silent");
    let program = house.dir().join("bin/silent");
    for limits in ["first_output: 1", "runtimes: {claude: {first_output: 1}}"] {
        house.says("", "", &format!("limits: {{{limits}}}\nruntimes: {{claude: {{program: {program}}}}}"));
        let end = house.wait(&house.assign(house.add(&["Do it"])));
        assert_eq!(end["outcome"], json!({"kind": "timeout", "phase": "first-output"}));
    }
}

#[test]
pub(super) fn a_script_that_uses_too_much_ends_over_budget() {
    let house = House::new();
    for (limit, script) in [
        ("memory: 60M", "perl -e 'my @a; push @a, \"x\" x 1048576 for 1..300; sleep 1000'; sleep 1000"),
        ("processes: 40", "i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i+1)); done; sleep 1000"),
        ("disk: 10M", "dd if=/dev/zero of=large bs=1M count=30; sleep 1000"),
    ] {
        house.says("", "", &format!("limits: {{{limit}}}"));
        let run = house.run(script);
        assert_eq!(run["outcome"]["kind"], "budget", "{run}");
        let name = limit.split(':').next().unwrap();
        assert!(run["outcome"]["cap"].as_str().unwrap().contains(name), "{run}");
        let why = house.coord(["why", run["id"].as_str().unwrap()]).success().stdout;
        assert!(why.contains("the limit of its machine on"), "{why}");
    }
}

#[test]
pub(super) fn a_log_has_its_limit() {
    let house = House::new();
    house.says("", "", "limits: {log: 4K}");
    let run = house.run("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done");
    assert_eq!(run["outcome"]["kind"], "no-change", "the run goes on: {run}");
    let log = house.coord(["log", run["id"].as_str().unwrap()]).success().stdout;
    assert!(log.contains("line 0") && !log.contains("line 1999"), "{log}");
    assert!(log.contains("left out"), "{log}");
}

#[test]
pub(super) fn a_test_has_limits_of_its_own() {
    let house = House::new();
    let number = house.change();
    let test = "test_command: 'echo on; sleep 1000'";
    for more in ["limits: {test: {tool_idle: 1}}", "limits: {runtimes: {command: {tool_idle: 1}}}"] {
        house.says(test, "", more);
        let tested = house.coord(["--json", "test", &number.to_string()]);
        assert!(tested.stdout.contains("silent for too long"), "{}{}", tested.stdout, tested.stderr);
    }
}
