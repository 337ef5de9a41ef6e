//! The real claude CLI against the scripted model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_testkit::model::{
    Hold, Model, Step, agent, bash, compute, drop_connection, edit, error, over_limit, read, say, stall,
    stream_error, truncated, write,
};
use coord_testkit::need;
use coord_testkit::world::{Finished, Repo, Running, World};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

/// A repository to work in, and the worker that is started there.
struct Worker {
    world: World,
    repo: Repo,
    claude: Utf8PathBuf,
    model: Model,
    prompts: AtomicUsize,
}

impl Worker {
    fn new(claude: Utf8PathBuf) -> Self {
        let mut world = World::new(&*claude);
        let model = Model::start();
        world.set_all(model.environment());
        let repo = world.repo("api");
        Self { world, repo, claude, model, prompts: AtomicUsize::new(0) }
    }

    fn command(&self, dir: &Utf8Path, base_url: &str, prompt: &str) -> Command {
        // A file of its own for each worker: the one before may still be reading.
        let number = self.prompts.fetch_add(1, Ordering::Relaxed);
        let prompt = self.world.write(&format!("prompt-{number}.txt"), prompt);
        let mut command = self.world.command(self.claude.as_str());
        command
            .args(["-p", "--output-format", "stream-json", "--verbose"])
            .args([
                "--permission-mode",
                "acceptEdits",
                "--allowedTools",
                "Read,Edit,Write,Bash",
                "--setting-sources",
                "project",
            ])
            .env("ANTHROPIC_BASE_URL", base_url)
            .current_dir(dir)
            .stdin(fs_err::File::open(prompt).expect("it was written").into_file());
        command
    }

    fn start(&self, base_url: &str, prompt: &str) -> Running {
        Running::start(self.command(&self.repo.clone, base_url, prompt))
    }

    fn run(&self, base_url: &str, prompt: &str) -> Finished {
        self.start(base_url, prompt).wait()
    }
}

fn events(output: &str, kind: &str) -> Vec<Value> {
    let lines = output.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    lines.filter(|event| event["type"] == kind).collect()
}

fn last_result(finished: &Finished) -> Value {
    events(&finished.stdout, "result").pop().unwrap_or_else(|| panic!("no result in {finished:?}"))
}

fn retries(finished: &Finished) -> usize {
    events(&finished.stdout, "system").iter().filter(|event| event["subtype"] == "api_retry").count()
}

fn complaint(model: &Model) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| model.assert_drained())).expect_err("it is not drained");
    *panic.downcast::<String>().expect("a panic has a message")
}

#[test]
fn edits_and_commits() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let readme = worker.repo.clone.join("README.md");
    let model = &worker.model;
    let url = model.scenario(
        "happy",
        [
            say("reading first").then(read(readme.as_str())),
            edit(readme.as_str(), "small", "tiny"),
            write(worker.repo.clone.join("words/tree.txt").as_str(), "oak\n"),
            bash("git add -A && git commit -qm 'a tiny project'"),
            say("done").usage(1000, 50),
        ],
    );
    let finished = worker.run(&url, "make it tiny").success();
    let result = last_result(&finished);
    assert_eq!((&result["is_error"], &result["result"]), (&false.into(), &"done".into()));
    let log = worker.repo.git(&worker.repo.clone, ["log", "--format=%s", "--name-only", "-1"]);
    assert_eq!(log, "a tiny project\n\nREADME.md\nwords/tree.txt");
    assert_eq!(
        (&result["usage"]["input_tokens"], &result["usage"]["output_tokens"]),
        (&1400.into(), &130.into())
    );
    assert!(
        model.requests().iter().filter(|it| it.is_agent()).all(|it| it.texts().contains(&"make it tiny"))
    );
    model.assert_drained();
}

#[test]
fn a_step_can_depend_on_what_a_tool_gave_back() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let model = &worker.model;
    let answer = compute(|request| {
        let last = request.tool_results().pop().expect("the command has run");
        say(&format!("it said {} and failed: {}", last.text.trim(), last.is_error))
    });
    let url = model.scenario("branch", [bash("echo forty-two"), answer]);
    let finished = worker.run(&url, "ask").success();
    assert_eq!(last_result(&finished)["result"], "it said forty-two and failed: false");
}

#[test]
fn every_way_to_fail_for_a_moment_is_survived() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let model = &worker.model;
    let cases: [(&str, Vec<Step>, usize); 5] = [
        ("overloaded", vec![error(529, "Overloaded"), error(529, "Overloaded")], 2),
        ("broken", vec![error(500, "Internal server error")], 1),
        ("limited", vec![error(429, "slow down").header("retry-after", "1")], 1),
        ("dropped", vec![drop_connection()], 1),
        ("mid-stream", vec![stream_error(529, "Overloaded")], 0),
    ];
    for (name, failures, expected) in cases {
        let url = model.scenario(name, failures.into_iter().chain([say("recovered")]));
        let finished = worker.run(&url, "go on").success();
        assert_eq!(last_result(&finished)["result"], "recovered", "{name}");
        assert_eq!(retries(&finished), expected, "{name}: {}", finished.stdout);
    }
    model.assert_drained();
}

#[test]
fn a_truncated_stream_is_recovered_from() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let model = &worker.model;
    let url = model.scenario("cut", [truncated("half of a sen"), say("whole again")]);
    let finished = worker.run(&url, "go on").success();
    assert!(
        last_result(&finished)["result"].as_str().unwrap().contains("whole again"),
        "{}",
        finished.stdout
    );
    model.assert_drained();
}

#[test]
fn a_refused_key_ends_the_run() {
    let Some(claude) = need::claude() else { return };
    let mut worker = Worker::new(claude);
    worker.world.set("CLAUDE_CODE_MAX_RETRIES", "1");
    let model = &worker.model;
    let url = model.scenario("401", [error(401, "invalid x-api-key").forever()]);
    let finished = worker.run(&url, "go on").exits(1);
    let result = last_result(&finished);
    assert_eq!((&result["is_error"], &result["api_error_status"]), (&true.into(), &401.into()));
    assert_eq!(result["subtype"], "success", "the subtype says nothing");
}

#[test]
fn a_spent_subscription_says_when_it_is_back() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let model = &worker.model;
    let resets: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
    let subscribed = |steps: Vec<Step>, name: &str| {
        let mut command = worker.command(&worker.repo.clone, &model.scenario(name, steps), "go on");
        command.env_remove("ANTHROPIC_API_KEY").env("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-dummy");
        Running::start(command).wait()
    };

    let spent = subscribed(vec![over_limit(resets)], "spent").exits(1);
    let info = &events(&spent.stdout, "rate_limit_event")[0]["rate_limit_info"];
    assert_eq!((&info["status"], &info["resetsAt"]), (&"rejected".into(), &resets.as_second().into()));

    let near = subscribed(vec![say("ok").limit("allowed_warning", resets)], "near").success();
    assert_eq!(events(&near.stdout, "rate_limit_event")[0]["rate_limit_info"]["status"], "allowed_warning");
}

#[test]
fn a_hold_keeps_the_model_silent_until_it_is_released() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let model = &worker.model;
    let hold = Hold::new();
    let url = model.scenario("held", [bash("touch reached"), compute(|_| say("done")).held(&hold)]);
    let running = worker.start(&url, "wait for me");
    hold.wait_reached();
    assert!(worker.repo.clone.join("reached").exists(), "the first step is done");
    assert!(events(&running.stdout(), "result").is_empty(), "the second is not");
    hold.release();
    assert_eq!(last_result(&running.wait().success())["result"], "done");
}

#[test]
fn a_stalled_model_never_answers_and_a_slow_one_does() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let model = &worker.model;
    let url = model.scenario("stalled", [stall()]);
    let running = worker.start(&url, "anybody there");
    model.wait_for("the request", |requests| requests.iter().find(|it| it.is_agent()).cloned());
    running.terminate();
    let ended = running.wait();
    assert!(!ended.status.success() && events(&ended.stdout, "result").is_empty(), "{ended:?}");

    let delay = Duration::from_millis(1500);
    let url = model.scenario("slow", [say("at last").delayed(delay)]);
    let asked = Instant::now();
    assert_eq!(last_result(&worker.run(&url, "take your time").success())["result"], "at last");
    assert!(asked.elapsed() >= delay);
}

#[test]
fn two_workers_on_one_base_url_follow_the_scripts_of_their_tasks() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let model = &worker.model;
    let both = Hold::new();
    for task in ["api#1", "api#2"] {
        let mark = format!("echo {task} >> mark-{}", &task[4..]);
        model.on_task(task, [bash(&mark).held(&both), say(&format!("{task} is done"))]);
    }
    let prompt = |n| format!("coord: run=a00000000000000{n} kind=work task=api#{n} attempt=1\n\nDo it.");
    let first = worker.start(&model.url(), &prompt(1));
    let second = worker.start(&model.url(), &prompt(2));
    both.wait_reached_by(2);
    both.release();
    assert_eq!(last_result(&first.wait().success())["result"], "api#1 is done");
    assert_eq!(last_result(&second.wait().success())["result"], "api#2 is done");
    for n in ["1", "2"] {
        let mark = fs_err::read_to_string(worker.repo.clone.join(format!("mark-{n}"))).unwrap();
        assert_eq!(mark, format!("api#{n}\n"));
    }
    model.assert_drained();
}

#[test]
fn a_subagent_has_a_script_of_its_own_and_the_run_has_two_results() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let model = &worker.model;
    let hold = Hold::new();
    model.on_task("api#7", [agent("count the words"), say("it is under way"), say("both are done")]);
    model.on_subagent("api#7", [bash("wc -w words/*").held(&hold), say("two")]);
    let prompt = "coord: run=a000000000000007 kind=work task=api#7 attempt=1\n\nCount.";
    let running = worker.start(&model.url(), prompt);
    hold.wait_reached();
    running.wait_for_line("the worker's word", |line| line.contains("it is under way"));
    assert!(events(&running.stdout(), "result").is_empty(), "no result while the subagent works");
    hold.release();
    let finished = running.wait().success();
    let results = events(&finished.stdout, "result");
    let texts: Vec<_> = results.iter().map(|result| result["result"].as_str().unwrap()).collect();
    assert_eq!(texts, ["it is under way", "both are done"]);
    assert!(model.requests().iter().any(|request| request.subagent().is_some()));
    model.assert_drained();
}

#[test]
fn what_nobody_scripted_fails_the_worker_and_the_test() {
    let Some(claude) = need::claude() else { return };
    let worker = Worker::new(claude);
    let model = &worker.model;
    let finished = worker.run(&model.url(), "no first line of ours").exits(1);
    assert_eq!(last_result(&finished)["is_error"], true);
    let message = complaint(model);
    assert!(message.contains("names neither a scenario nor a task"), "{message}");

    let unplayed = Model::start();
    unplayed.on_task("api#1", [say("never said")]);
    assert!(complaint(&unplayed).contains("1 unplayed"));
}
