//! The other runtimes, each with its real program and the scripted model: what a coordinator sees of them is what it
//! sees of claude.

use std::time::Duration;

use coord_testkit::agent::Agent;
use coord_testkit::model::{Model, Step, bash, error, over_limit, say};
use coord_testkit::need;
use coord_testkit::poll::wait_for;
use jiff::Timestamp;
use serde_json::Value;

use crate::fleet::{Fleet, text};
use crate::machine::is_alive;

/// The slowest of them takes this long to begin where much else goes on.
const LONG: Duration = Duration::from_secs(180);

/// A fleet whose runtime is this agent; `None`, which has been reported, where that cannot be had.
pub(crate) fn fleet(agent: Agent) -> Option<Fleet> {
    let program = need::agent(agent)?;
    let mut fleet = Fleet::without_claude();
    let model = Model::start();
    let passed = agent.settle(&mut fleet, &model, &program);
    fleet.model = model;
    let (name, passed) = (agent.as_str(), passed.join(", "));
    fleet.reconfigure(
        "runtimes:\n",
        &format!("runtime: {name}\nruntimes:\n  {name}: {{pass_env: [{passed}]}}\n"),
    );
    Some(fleet)
}

/// How a run ended on its machine, whatever a coordinator makes of it.
fn end(fleet: &Fleet, run: &str) -> Value {
    wait_for("a run to end", LONG, || {
        if fleet.has_ended(run) { Ok(()) } else { Err(format!("{:#?}", fleet.events(run))) }
    });
    serde_json::from_slice(&fs_err::read(fleet.run_dir(run).join("exit.json")).unwrap()).unwrap()
}

fn work() -> Vec<Step> {
    let commit = "echo tide > sea.txt && git add -A && git commit -qm 'Add the tide'";
    vec![say("STATUS: looking around").then(bash(commit)), say("done")]
}

fn a_task_becomes_a_merged_change(agent: Agent) {
    let Some(fleet) = fleet(agent) else { return };
    let number = fleet.task("Add a word about the sea", work());
    let id = number.to_string();
    let run = fleet.assign(number);
    let ended = fleet.wait(&run);
    assert_eq!(ended["outcome"]["kind"], "done", "{ended}\n{:#?}", fleet.events(&run));
    assert_eq!(fleet.count(&run, "status"), 1);
    let events = fleet.events(&run);
    let started = events.iter().find(|it| it["event"]["kind"] == "started").unwrap();
    assert!(
        !started.to_string().contains("a word about the sea"),
        "the prompt is on no command line: {started}"
    );
    assert!(!text(&end(&fleet, &run)["report"]["session"]).is_empty());
    fleet.coord(["test", &id]).success();
    fleet.propose(number);
    fleet.coord(["merge"]).success();
    assert_eq!(fleet.api.file("main", "sea.txt").as_deref(), Some("tide\n"));
    fleet.model.assert_drained();
    fleet.assert_nothing_runs_without_the_server();
}

/// Each of these answers of the model, for ever, makes a run end like that.
fn failures_have_their_names(agent: Agent, cases: &[(Step, &str)]) {
    let Some(fleet) = fleet(agent) else { return };
    // One after the other: some of them are more than a small machine carries at once.
    for (step, wanted) in cases {
        let number = fleet.task("Try", [step.clone().forever()]);
        let run = fleet.assign(number);
        let end = end(&fleet, &run);
        assert_eq!(end["outcome"]["kind"], *wanted, "{end}\n{:#?}", fleet.events(&run));
    }
}

fn a_stop_in_the_middle_of_a_tool_leaves_nothing(agent: Agent) {
    let Some(fleet) = fleet(agent) else { return };
    let mark = fleet.dir().join("mark");
    let tool = format!("echo unsaved > a; echo $$ > {mark}.new; mv {mark}.new {mark}; sleep 1000");
    let number = fleet.task("Take long", [bash(&tool)]);
    // What codex runs may write in its worktree and nowhere else, unless it is told otherwise.
    if agent == Agent::Codex {
        fleet.reconfigure("codex: {", "codex: {permission_mode: danger-full-access, ");
    }
    let run = fleet.assign(number);
    wait_for("the tool to run", LONG, || {
        if mark.exists() { Ok(()) } else { Err(format!("{:#?}", fleet.events(&run))) }
    });
    let tool = fs_err::read_to_string(&mark).unwrap().trim().parse().unwrap();
    let stopped = fleet.coord(["--json", "stop", &run]).success().json()["data"]["run"].clone();
    assert_eq!(stopped["outcome"]["kind"], "cancelled", "{stopped}");
    assert!(!is_alive(tool));
    assert_eq!(fleet.in_store(&text(&stopped["rescue"]), "a"), "unsaved");
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn codex_does_a_task() {
    a_task_becomes_a_merged_change(Agent::Codex);
}

#[test]
fn gemini_does_a_task() {
    a_task_becomes_a_merged_change(Agent::Gemini);
}

#[test]
fn opencode_does_a_task() {
    a_task_becomes_a_merged_change(Agent::OpenCode);
}

#[test]
fn the_failures_of_codex_have_their_names() {
    let cases = [
        (over_limit(Timestamp::MAX), "limited"),
        (error(402, "no credit"), "credit"),
        (error(401, "no such key"), "auth"),
        (error(413, "too long"), "context"),
        (error(529, "busy"), "transient"),
        (error(400, "nonsense"), "failed"),
    ];
    failures_have_their_names(Agent::Codex, &cases);
}

#[test]
fn the_failures_of_gemini_have_their_names() {
    let cases = [
        (over_limit(Timestamp::MAX), "limited"),
        (error(401, "no such key"), "auth"),
        (error(413, "too long"), "context"),
        (error(400, "nonsense"), "failed"),
    ];
    failures_have_their_names(Agent::Gemini, &cases);
}

#[test]
fn the_failures_of_opencode_have_their_names() {
    // A conversation that is too long it makes shorter and goes on; it is no failure.
    let cases = [
        (error(402, "no credit"), "credit"),
        (error(401, "no such key"), "auth"),
        (error(400, "nonsense"), "failed"),
    ];
    failures_have_their_names(Agent::OpenCode, &cases);
}

#[test]
fn codex_is_stopped_in_the_middle_of_a_tool() {
    a_stop_in_the_middle_of_a_tool_leaves_nothing(Agent::Codex);
}

#[test]
fn gemini_is_stopped_in_the_middle_of_a_tool() {
    a_stop_in_the_middle_of_a_tool_leaves_nothing(Agent::Gemini);
}

#[test]
fn any_program_becomes_a_runtime_by_its_command_line() {
    let fleet = Fleet::without_claude();
    let agent =
        "#!/bin/sh\necho \"STATUS: as $1\"\ncat \"$2\" > told.txt\ngit add -A && git commit -qm 'Tell it'\n";
    let agent = fleet.write("bin/my-agent", agent);
    fs_err::set_permissions(agent, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let argv = "runtime: command\nruntimes:\n  command: {argv: [my-agent, '{model}', '{prompt_file}'], model: small}\n";
    fleet.reconfigure("runtimes:\n", argv);
    let number = fleet.add(&["Write down what you are told"]);
    let run = fleet.assign(number);
    let ended = fleet.wait(&run);
    assert_eq!(ended["outcome"]["kind"], "done", "{ended}");
    let events = fleet.events(&run);
    assert!(events.iter().any(|it| it["event"]["text"] == "as small"), "{events:#?}");
    let id = number.to_string();
    fleet.coord(["test", &id]).success();
    fleet.propose(number);
    fleet.coord(["merge"]).success();
    assert!(fleet.api.file("main", "told.txt").unwrap().contains("Write down what you are told"));
}

/// What `coord doctor` sees of one thing, if it looks at it.
fn check(fleet: &Fleet, arguments: &[&str], subject: &str) -> Option<Value> {
    let document = fleet.coord([&["--json", "doctor"], arguments].concat()).json();
    let checks = document["data"]["checks"].as_array().unwrap().clone();
    checks.into_iter().find(|it| it["subject"] == subject)
}

#[test]
fn doctor_looks_at_what_is_here_and_asks_what_does_the_work() {
    let Some(fleet) = fleet(Agent::Codex) else { return };
    let settings = fleet.home().join(".codex/config.toml");
    let asked = fleet.model.scenario("probe", [say("ok")]);
    let text = fs_err::read_to_string(&settings).unwrap().replace(&fleet.model.url(), &asked);
    fs_err::write(settings, text).unwrap();
    let version = check(&fleet, &[], "codex").unwrap();
    assert!(version["seen"].as_str().unwrap().starts_with("codex-cli "), "{version}");
    assert_eq!(
        check(&fleet, &[], "codex account").unwrap()["status"],
        "warn",
        "its provider is one of the user's own"
    );
    assert_eq!(check(&fleet, &[], "gemini"), None, "nobody uses it");
    let probe = check(&fleet, &["--probe"], "probe").unwrap();
    assert_eq!(probe["status"], "ok", "{probe}");
    fleet.model.assert_drained();

    fleet.reconfigure("runtime: codex", "runtime: gemini");
    let missing = check(&fleet, &[], "gemini").unwrap();
    assert_eq!(missing["cure"], "npm install --global @google/gemini-cli", "{missing}");
    assert_eq!(missing["status"], "fail");
    assert_eq!(check(&fleet, &[], "codex").unwrap()["status"], "ok", "it is here");
}
