//! Every case again, with the real program.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use coord_core::outcome::WorkerExit;
use coord_testkit::claude::Version;
use coord_testkit::model::Model;
use coord_testkit::world::{Running, World};
use coord_testkit::{need, poll};
use serde_json::{Value, json};

use super::Recording;
use super::cases::{CASES, Case, With};

#[test]
fn the_current_claude_says_what_the_corpus_says() {
    regenerate(Version::Current);
}

#[test]
fn the_previous_claude_says_what_the_corpus_says() {
    regenerate(Version::Previous);
}

fn regenerate(version: Version) {
    let Some(claude) = need::claude_of(version) else { return };
    let record = std::env::var_os("COORD_CORPUS").is_some_and(|it| it == "write");
    let mut wrong = Vec::new();
    for case in CASES {
        let seen = run(claude.as_str(), case);
        if record {
            seen.write(version, case.name);
        }
        let recorded = Recording::read(version, case.name);
        // How much of its end a program tells that was told to go depends on how busy the machine is.
        let hurried = case.with.iter().any(|it| matches!(it, With::Signal(_)));
        let (outcome, wanted) = (seen.outcome(), [case.outcome, "crashed"]);
        if hurried && !wanted.contains(&outcome.as_str()) {
            wrong.push(format!("{}: {outcome}, and one of {wanted:?} was wanted", case.name));
        }
        let (seen, wanted) = (seen.facts(), recorded.facts());
        if !hurried && seen != wanted {
            wrong.push(format!("{}: claude gives {seen:#?}\nand the corpus {wanted:#?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{version:?}:\n{}", wrong.join("\n\n"));
}

fn run(claude: &str, case: &Case) -> Recording {
    let mut world = World::new(claude);
    let model = Model::start();
    world.set_all(model.environment());
    let repo = world.repo("api");
    let url = model.scenario(case.name, (case.model)());
    let mut prompt = "do the work";
    let mut arguments =
        vec!["-p", "--output-format", "stream-json", "--verbose", "--setting-sources", "project"];
    let mut permissions: &[&str] =
        &["--permission-mode", "acceptEdits", "--allowedTools", "Read,Edit,Write,Bash"];
    let mut signal = None;
    for with in case.with {
        match with {
            With::Arguments(more) if more.contains(&"--allowedTools") => permissions = more,
            With::Arguments(more) => arguments.extend(*more),
            With::Subagents(steps) => model.on_subagent(case.name, steps()),
            With::Prompt(text) => prompt = text,
            With::Signal(number) => signal = Some(*number),
            With::Subscription => {}
        }
    }
    let prompt = world.write("prompt.txt", prompt);
    let mut command = world.command(claude);
    command
        .args(arguments)
        .args(permissions)
        .env("ANTHROPIC_BASE_URL", url)
        .env("CLAUDE_CODE_MAX_RETRIES", "2")
        .env("CLAUDE_CODE_DISABLE_TERMINAL_TITLE", "1")
        .current_dir(&repo.clone)
        .stdin(fs_err::File::open(prompt).unwrap().into_file());
    if case.with.iter().any(|it| matches!(it, With::Subscription)) {
        command.env_remove("ANTHROPIC_API_KEY").env("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-dummy");
    }
    let running = Running::start(command);
    if let Some(signal) = signal {
        let mark = repo.clone.join("running");
        poll::wait_for("the tool", poll::PATIENCE, || {
            mark.exists().then_some(()).ok_or_else(|| "it does not run".to_owned())
        });
        match signal {
            2 => running.interrupt(),
            15 => running.terminate(),
            _ => running.kill(),
        }
    }
    let finished = running.wait();
    let (dir, model) = (world.dir().as_str(), model.url());
    let output = finished.stdout.replace(dir, "/w");
    let output = output.replace(model.trim_start_matches("http://"), "127.0.0.1:1");
    Recording { exit: exit_of(finished.status), lines: output.lines().map(tidy).collect() }
}

fn exit_of(status: ExitStatus) -> WorkerExit {
    match status.code() {
        Some(code) => WorkerExit::Code(code),
        None => WorkerExit::Signal(status.signal().unwrap()),
    }
}

/// Takes out of a line what is different every time, and lists that are long and decide nothing.
fn tidy(line: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    tidy_value(&mut value);
    value.to_string()
}

fn tidy_value(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !LISTS.contains(&key.as_str()));
            for (key, field) in fields.iter_mut() {
                match key.as_str() {
                    "uuid" | "session_id" | "request_id" | "prompt_id" | "timestamp" | "task_id" => {
                        *field = json!("x");
                    }
                    key if key.ends_with("_ms") && field.is_number() => *field = json!(1),
                    _ => tidy_value(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy_value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const LISTS: [&str; 9] = [
    "tools",
    "slash_commands",
    "agents",
    "skills",
    "plugins",
    "memory_paths",
    "usage",
    "modelUsage",
    "subagent_stats",
];
