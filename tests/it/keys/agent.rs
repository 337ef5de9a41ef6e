//! Keys of the other runtimes: which program does the work, and how it is started.

use super::House;

/// The other agents, with the flag of their `permission_mode` and what it is otherwise.
const AGENTS: [(&str, Option<(&str, &str)>); 3] = [
    ("codex", Some(("--sandbox", "workspace-write"))),
    ("gemini", Some(("--approval-mode", "yolo"))),
    ("opencode", None),
];

fn says(house: &House, runtime: &str, keys: &str) {
    house.says("", "", &format!("runtime: {runtime}\nruntimes: {{{runtime}: {{{keys}}}}}"));
}

#[test]
pub(super) fn program_is_what_runs() {
    let house = House::new();
    house.agent("other");
    for (runtime, _) in AGENTS {
        house.agent(runtime);
        says(&house, runtime, "");
        house.call(runtime, &[]);
        says(&house, runtime, "program: ./bin/other");
        house.call("other", &[]);
    }
}

#[test]
pub(super) fn pass_env_lets_variables_through() {
    let mut house = House::new();
    house.set("PIN", "1234");
    for (runtime, _) in AGENTS {
        house.agent(runtime);
        for (keys, passes) in [("", false), ("pass_env: [PIN]", true)] {
            says(&house, runtime, keys);
            assert_eq!(house.call(runtime, &[]).environment.contains_key("PIN"), passes, "{runtime}");
        }
    }
}

#[test]
pub(super) fn permission_mode_and_model_are_on_the_command_line() {
    let house = House::new();
    for (runtime, mode) in AGENTS {
        house.agent(runtime);
        says(&house, runtime, "");
        let call = house.call(runtime, &[]);
        assert!(!call.arguments.contains(&"--model".to_owned()), "{:?}", call.arguments);
        if let Some((flag, otherwise)) = mode {
            assert_eq!(call.flag(flag), [otherwise], "{runtime}");
        }
        let keys = if mode.is_some() { "model: small, permission_mode: strict" } else { "model: small" };
        says(&house, runtime, keys);
        let call = house.call(runtime, &[]);
        assert_eq!(call.flag("--model").first(), Some(&"small"), "{:?}", call.arguments);
        if let Some((flag, _)) = mode {
            assert_eq!(call.flag(flag), ["strict"], "{runtime}");
        }
    }
}

#[test]
pub(super) fn argv_is_what_does_tasks() {
    let house = House::new();
    house.agent("mine");
    house.says("", "", "runtime: command");
    let refused = house.coord(["config"]).exits(2).stderr;
    assert!(refused.contains("give `runtimes.command.argv`"), "{refused}");
    says(&house, "command", "argv: [./bin/mine, --with, 'a {model}'], model: small");
    assert_eq!(house.call("mine", &[]).arguments, ["--with", "a small"]);
    says(&house, "command", "argv: [mine, '{modle}']");
    let refused = house.coord(["config"]).exits(2).stderr;
    assert!(refused.contains("there are {model} and {prompt_file}"), "{refused}");
}
