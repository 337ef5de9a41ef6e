//! The other runtimes, each with its real program and the scripted model: what a coordinator sees of them is what it
//! sees of claude.

use std::time::Duration;

use camino::Utf8PathBuf;
use coord_testkit::agent::Agent;
use coord_testkit::model::{Model, Request, Step, bash, error, over_limit, say, stall};
use coord_testkit::need;
use coord_testkit::poll::wait_for;
use jiff::Timestamp;
use serde_json::{Value, json};

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

/// Lets the model of the agent with these settings play a script whoever asks it.
fn play(fleet: &Fleet, settings: &str, steps: impl IntoIterator<Item = Step>) {
    let settings = fleet.home().join(settings);
    let asked = fleet.model.scenario("any", steps);
    let text = fs_err::read_to_string(&settings).unwrap().replace(&fleet.model.url(), &asked);
    fs_err::write(settings, text).unwrap();
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
    let report = end(&fleet, &run)["report"].clone();
    assert!(!text(&report["session"]).is_empty());
    let by_key = report["account"].as_str().is_some_and(|it| it.starts_with("gemini:key-"));
    assert_eq!(by_key, agent == Agent::Gemini, "only there is it known who pays: {report}");
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
    // No run waits for what an earlier one met.
    fleet.reconfigure("runtimes:\n", "limits: {on_limit: never}\nruntimes:\n");
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
    // In the worktree, because opencode rejects what names a place outside of it.
    let tool = "echo unsaved > a; echo $$ > mark.new; mv mark.new mark; sleep 1000";
    let number = fleet.task("Take long", [bash(tool)]);
    // What codex runs in its sandbox has another number there.
    if agent == Agent::Codex {
        fleet.reconfigure("codex: {", "codex: {permission_mode: danger-full-access, ");
    }
    let run = fleet.assign(number);
    let mark = wait_for("the tool to run", LONG, || {
        let mut marks = fleet.worktrees().into_iter().map(|it| Utf8PathBuf::from(it).join("mark"));
        marks.find(|it| it.exists()).ok_or_else(|| format!("{:#?}", fleet.events(&run)))
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
        (error(429, "too many requests"), "limited"),
        (error(500, "broken"), "transient"),
        (error(529, "busy"), "transient"),
    ];
    failures_have_their_names(Agent::Gemini, &cases);
}

#[test]
fn the_failures_of_opencode_have_their_names() {
    let cases = [
        (error(402, "no credit"), "credit"),
        (error(401, "no such key"), "auth"),
        (error(400, "no"), "failed"),
    ];
    failures_have_their_names(Agent::OpenCode, &cases);
}

#[test]
fn what_opencode_tries_again_in_vain_has_its_name() {
    let cases = [(error(429, "too many requests"), "limited"), (error(529, "busy"), "transient")];
    // It goes on trying for more than a minute, unless it is told when.
    let cases = cases.map(|(step, wanted)| (step.header("retry-after", "1"), wanted));
    failures_have_their_names(Agent::OpenCode, &cases);
}

#[test]
fn who_has_the_account_of_a_limited_run_waits_though_nobody_says_how_long() {
    let Some(fleet) = fleet(Agent::Gemini) else { return };
    let run = fleet.assign(fleet.task("Try", [error(429, "too many requests").forever()]));
    assert_eq!(end(&fleet, &run)["outcome"]["kind"], "limited");
    let other = fleet.add(&["Another"]).to_string();
    let plan = fleet.coord(["--json", "assign", "here", "api", &other, "--dry-run"]).success().json();
    let blockers = plan["data"]["run"]["blockers"].to_string();
    assert!(blockers.contains("has used up its window `usage` until"), "{blockers}");
}

/// A run of opencode whose model answers its work with `steps`, and what is no work with `summary`. What is left of a
/// conversation that was made shorter does not tell whose it is.
fn shortened(summary: Step, steps: impl IntoIterator<Item = Step>) -> Option<(Fleet, String)> {
    let fleet = fleet(Agent::OpenCode)?;
    play(&fleet, ".config/opencode/opencode.json", steps);
    fleet.model.on_small_talk(summary);
    let run = fleet.assign(fleet.add(&["Add a word about the sea"]));
    Some((fleet, run))
}

#[test]
fn opencode_goes_on_with_a_conversation_that_it_has_made_shorter() {
    // That takes longer than a worker may stay that has told its result.
    let summary = say("A summary.\nSTUCK: no").delayed(Duration::from_secs(12));
    let mut steps = work();
    steps.insert(1, error(413, "too long"));
    let Some((fleet, run)) = shortened(summary, steps) else { return };
    let ended = fleet.wait(&run);
    assert_eq!(ended["outcome"]["kind"], "done", "{ended}\n{:#?}", fleet.events(&run));
    fleet.model.assert_drained();
}

#[test]
fn opencode_ends_a_conversation_that_cannot_be_made_shorter() {
    let too_long = error(413, "too long").forever();
    let Some((fleet, run)) = shortened(too_long.clone(), [too_long]) else { return };
    let end = end(&fleet, &run);
    assert_eq!(end["outcome"]["kind"], "context", "{end}\n{:#?}", fleet.events(&run));
}

#[test]
fn opencode_is_ended_when_a_conversation_stays_too_long_however_short_it_is_made() {
    let Some((fleet, run)) = shortened(say("A summary."), [error(413, "too long").forever()]) else { return };
    let end = end(&fleet, &run);
    assert_eq!(end["outcome"]["kind"], "context", "{end}\n{:#?}", fleet.events(&run));
    fleet.assert_nothing_runs_without_the_server();
}

/// A model that never answers makes a run end like that, where this limit is set.
fn silence_has_its_name(agent: Agent, limit: &str, phase: &str) {
    let Some(fleet) = fleet(agent) else { return };
    fleet.reconfigure("runtimes:\n", &format!("limits: {{{limit}}}\nruntimes:\n"));
    let run = fleet.assign(fleet.task("Try", [stall().forever()]));
    let end = end(&fleet, &run);
    assert_eq!(end["outcome"], json!({ "kind": "timeout", "phase": phase }), "{:#?}", fleet.events(&run));
    assert!(fleet.model.requests().iter().any(Request::is_agent), "it was the model that was waited for");
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn gemini_is_ended_whose_model_never_answers() {
    silence_has_its_name(Agent::Gemini, "idle: 15", "idle");
}

#[test]
fn opencode_is_ended_whose_model_never_answers() {
    // It says nothing at all before the model has answered.
    silence_has_its_name(Agent::OpenCode, "first_output: 25", "first-output");
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
fn opencode_is_stopped_in_the_middle_of_a_tool() {
    a_stop_in_the_middle_of_a_tool_leaves_nothing(Agent::OpenCode);
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
    play(&fleet, ".codex/config.toml", [say("ok")]);
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
