//! The slash commands: written beside the configuration, left alone when somebody else wrote them, and the real
//! claude leads a task from the board to main with nothing but `coord … --json`.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use coord_testkit::model::{Request, Step, bash, compute, say};
use coord_testkit::world::{Finished, Running, World};
use serde_json::Value;

use crate::change::commit;
use crate::fleet::{Fleet, text};

fn files(world: &World) -> [Utf8PathBuf; 2] {
    ["coordinator", "board"].map(|it| world.dir().join(format!(".claude/commands/{it}.md")))
}

pub(crate) fn install(world: &World) -> Vec<String> {
    let document = world.coord(["init", "--claude", "--json"]).success().json();
    assert_eq!(document["data"]["config"], Value::Null, "the configuration stays as it is");
    let commands = document["data"]["commands"].as_array().unwrap().clone();
    commands.iter().map(|it| text(&it["state"])).collect()
}

/// What the doctor says of the commands: subject, status and cure.
fn checked(world: &World, arguments: &[&str]) -> Vec<(String, String, Value)> {
    let document = world.coord(["doctor", "--json"].iter().chain(arguments)).json();
    let checks = document["data"]["checks"].as_array().unwrap().clone();
    let of_commands = checks.into_iter().filter(|it| text(&it["subject"]).starts_with('/'));
    of_commands.map(|it| (text(&it["subject"]), text(&it["status"]), it["cure"].clone())).collect()
}

/// What an older version wrote: the same, in other words.
fn outdated(world: &World) -> String {
    // The hash of the one line above it.
    let old = "An older text.\n<!-- coord:command version=0.0.1 hash=cdc8ede0168f -->\n";
    world.write(".claude/commands/coordinator.md", old);
    old.to_owned()
}

#[test]
fn they_are_written_once_and_refreshed_when_an_older_version_wrote_them() {
    let fleet = Fleet::without_claude();
    assert_eq!(checked(&fleet, &[]), [], "nothing is said of what nobody asked for");
    assert_eq!(install(&fleet), ["written", "written"]);
    let written = files(&fleet).map(|it| fs_err::read_to_string(it).unwrap());
    assert_eq!(install(&fleet), ["current", "current"]);
    assert!(checked(&fleet, &[]).iter().all(|(_, status, _)| status == "ok"));

    outdated(&fleet);
    let warned = checked(&fleet, &[]);
    assert_eq!(warned[0], ("/coordinator".to_owned(), "warn".to_owned(), "coord doctor --fix".into()));
    assert!(checked(&fleet, &["--fix"]).iter().all(|(_, status, _)| status == "ok"));
    assert_eq!(files(&fleet).map(|it| fs_err::read_to_string(it).unwrap()), written);
    outdated(&fleet);
    fs_err::remove_file(&files(&fleet)[1]).unwrap();
    assert_eq!(install(&fleet), ["written", "written"]);
    assert_eq!(files(&fleet).map(|it| fs_err::read_to_string(it).unwrap()), written);
}

#[test]
fn what_somebody_edited_is_never_overwritten_and_the_printed_cure_makes_room() {
    let fleet = Fleet::without_claude();
    fleet.install("coord", env!("CARGO_BIN_EXE_coord").into());
    install(&fleet);
    let [path, _] = files(&fleet);
    let mine = fs_err::read_to_string(&path).unwrap().replace("# Steps", "# My steps");
    fs_err::write(&path, &mine).unwrap();
    assert_eq!(install(&fleet), ["left-alone", "current"]);
    let said = fleet.coord(["init", "--claude"]).success().stdout;
    assert!(said.contains("written or edited by hand"), "{said}");
    let warned = checked(&fleet, &["--fix"]);
    assert_eq!(warned[0].1, "warn");
    assert_eq!(fs_err::read_to_string(&path).unwrap(), mine);
    let mut shell = fleet.command("sh");
    shell.args(["-c", &text(&warned[0].2)]);
    Running::start(shell).wait().success();
    assert!(checked(&fleet, &[]).iter().all(|(_, status, _)| status == "ok"));
    assert_eq!(fs_err::read_to_string(format!("{path}.mine")).unwrap(), mine);
}

#[test]
fn a_first_init_writes_them_with_the_configuration() {
    let world = World::new(env!("CARGO_BIN_EXE_coord"));
    drop(world.repo("api"));
    world.coord(["init", "--yes", "--claude"]).success();
    assert!(world.dir().join("coordinator.yml").is_file() && files(&world).iter().all(|it| it.is_file()));
}

/// Every way through a document that leads to a value, with `[]` for the items of a list.
fn ways(value: &Value, way: &str, into: &mut BTreeSet<String>) {
    into.insert(way.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, it)| ways(it, &format!("{way}.{name}"), into));
        }
        Value::Array(items) => items.iter().for_each(|it| ways(it, &format!("{way}[]"), into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_they_read_is_in_the_documents() {
    let fleet = Fleet::without_claude();
    install(&fleet);
    let mut known = BTreeSet::new();
    ways(&fleet.coord(["doctor", "--json"]).json()["data"], "data", &mut known);
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/snapshots");
    for entry in fs_err::read_dir(kept).unwrap() {
        let snapshot = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        let document = snapshot.split_once("\n---\n").map_or("", |(_, it)| it);
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        ways(&document["data"], "data", &mut known);
    }
    for path in files(&fleet) {
        let text = fs_err::read_to_string(path).unwrap();
        for way in text.split('`').skip(1).step_by(2).filter(|it| it.starts_with("data.")) {
            assert!(known.contains(way), "no document has {way}");
        }
    }
}

/// The answer of the command that was run as number `index`.
fn answer(request: &Request, index: usize) -> Value {
    let results = request.tool_results();
    serde_json::from_str(&results[index].text).unwrap_or_else(|_| Value::from(results[index].text.clone()))
}

/// Runs a command of coord that is made from the answer of the one with that number; ends when it is no such answer.
fn then(index: usize, make: impl Fn(&Value) -> Option<String> + Send + Sync + 'static) -> Step {
    compute(move |request| {
        let said = answer(request, index);
        match make(&said["data"]) {
            Some(command) if said["ok"] == true => bash(&format!("coord {command} --json")),
            Some(_) | None => say(&format!("that is not what I expected: {said}")),
        }
    })
}

/// A session that takes the first task that can be given out as far as main.
pub(crate) fn leads() -> [Step; 12] {
    let task = |data: &Value| Some(data["run"]["task"].as_str()?.to_owned());
    [
        bash("coord doctor --json"),
        then(0, |data| (data["healthy"] == true).then(|| "session".to_owned())),
        bash("coord task list --json"),
        bash("coord status --json"),
        then(3, |data| {
            let free =
                data["waiting"].as_array()?.iter().find(|it| it["blockers"] == Value::Array(Vec::new()))?;
            let (repo, number) = free["task"].as_str()?.split_once('#')?;
            Some(format!("assign auto {repo} {number}"))
        }),
        then(4, |data| Some(format!("wait {} --timeout 100", data["run"]["id"].as_str()?))),
        then(5, move |data| {
            let done = data["run"]["outcome"]["kind"] == "done";
            task(data).filter(|_| done).map(|it| format!("test {it}"))
        }),
        compute(move |request| {
            let passed = answer(request, 6)["data"]["gate"]["state"] == "passed";
            let task = task(&answer(request, 5)["data"]).filter(|_| passed);
            bash(&format!("coord pr {} --json", task.unwrap_or_default()))
        }),
        then(7, |data| Some(format!("merge {} --dry-run", data["pull_request"]["task"].as_str()?))),
        then(8, |data| Some(format!("merge {}", data["planned"][0]["task"].as_str()?))),
        then(9, |data| data["merged"][0]["commit"].as_str().map(|_| "done".to_owned())),
        compute(|request| {
            say(&format!("merged {}", answer(request, 10)["data"]["happened"]["tasks_merged"]))
        }),
    ]
}

/// Has the real claude be asked something at a shell, with nothing but what its commands give it leave for.
pub(crate) fn ask(
    fleet: &Fleet,
    prompt: &str,
    scenario: &str,
    steps: impl IntoIterator<Item = Step>,
) -> Finished {
    let mut claude = fleet.command("claude");
    claude.args(["-p", prompt, "--output-format", "stream-json", "--verbose"]);
    claude.env("ANTHROPIC_BASE_URL", fleet.model.scenario(scenario, steps));
    Running::start(claude).wait().success()
}

#[test]
fn the_board_is_shown_and_no_other_program_is_run() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.install("coord", env!("CARGO_BIN_EXE_coord").into());
    install(&fleet);
    fleet.add(&["Add the tide"]);
    let shown = then(1, |data| Some(format!("why {}", data["waiting"][0]["task"].as_str()?)));
    let steps = [bash("touch mine"), bash("coord status --json"), shown, say("a table")];
    let finished = ask(&fleet, "/board", "board", steps);
    assert!(finished.stdout.contains("a table"), "{finished:#?}");
    assert!(!fleet.dir().join("mine").exists());
    let requests = fleet.model.requests();
    let results = requests.last().unwrap().tool_results();
    assert_eq!(results.iter().map(|it| it.is_error).collect::<Vec<_>>(), [true, false, false], "{results:?}");
    fleet.model.assert_drained();
}

#[test]
fn the_real_claude_leads_a_task_to_main_with_the_command() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.install("coord", env!("CARGO_BIN_EXE_coord").into());
    install(&fleet);
    let number = fleet.task("Add the tide", [commit("words/sea.txt", "tide", "Add the tide"), say("done")]);
    // Workers have the model of the agent server, and not the one of whoever gives them work.
    let server = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    let finished = ask(&fleet, "/coordinator api now", "lead", leads());
    assert!(finished.stdout.contains(&format!(r#"merged [\"api#{number}\"]"#)), "{finished:#?}");
    assert_eq!(fleet.api.log("main"), ["Add the tide", "the project"]);
    assert_eq!(fleet.coord(["task", "show", "1", "--json"]).json()["data"]["task"]["state"], "merged");
    fleet.coord(["done"]).exits(4);

    let requests = fleet.model.requests();
    let first = requests.iter().find(|it| it.is_agent() && it.scenario() == Some("lead")).unwrap();
    let prompt = first.texts().join("\n");
    let body = fs_err::read_to_string(&files(&fleet)[0]).unwrap();
    let (_, body) = body.split_once("\n---\n").unwrap();
    let expanded = body.replace("$ARGUMENTS", "api now");
    assert!(prompt.contains(expanded.trim()), "{prompt}");
    let last = requests.iter().rfind(|it| it.scenario() == Some("lead")).unwrap();
    assert!(last.tool_results().iter().all(|it| !it.is_error), "nothing needed a person's leave");
    fleet.model.assert_drained();
    server.terminate();
}
