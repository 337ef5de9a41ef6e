//! What comes of a worker's run: done is what git says, nothing that was done is lost, and how it went wrong
//! is told by its name.

use coord_testkit::model::{
    Hold, Request, agent, bash, compute, error, over_limit, say, tool, truncated, write,
};
use coord_testkit::poll;
use coord_testkit::world::Running;
use serde_json::{Value, json};

use crate::change::{commit, store};
use crate::fleet::{Fleet, text};

fn outcome(run: &Value) -> String {
    text(&run["outcome"]["kind"])
}

/// The worktree of every run is gone; its removal follows the end of the run.
#[track_caller]
fn assert_no_worktree(fleet: &Fleet) {
    let root = fleet.coord_home().join("worktrees/api");
    poll::wait_for("the worktrees to go", poll::PATIENCE, || {
        let left: Vec<_> = root.read_dir_utf8().into_iter().flatten().flatten().collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// Sends a signal to the one claude that runs.
fn signal(fleet: &Fleet, signal: &str) {
    let mut workers = fleet.processes();
    workers.retain(|it| it.command.contains("--output-format stream-json"));
    assert_eq!(workers.len(), 1, "{workers:?}");
    let mut kill = fleet.command("kill");
    kill.args([&format!("-{signal}"), &workers[0].pid.to_string()]);
    Running::start(kill).wait().success();
}

/// Everything that the tools of a task's workers gave back.
fn tool_texts(fleet: &Fleet, number: u64) -> Vec<String> {
    let task = format!("api#{number}");
    let of_task = |it: &&Request| it.is_agent() && it.task().as_deref() == Some(&task);
    let requests = fleet.model.requests();
    let last = requests.iter().rfind(of_task).expect("the task had a worker");
    last.tool_results().into_iter().map(|it| it.text).collect()
}

#[test]
fn two_runs_at_once_in_one_repo_do_not_meet() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let both = Hold::new();
    let look = || compute(|_| bash("ls words && git log --format=%s")).held(&both);
    let numbers = ["tide", "oak"].map(|word| {
        let add = commit(&format!("words/{word}.txt"), word, &format!("Add {word}"));
        fleet.task(&format!("Add {word}"), [add, look(), say("done")])
    });
    let runs = numbers.map(|it| fleet.assign(it));
    // Both have committed, and neither has ended.
    both.wait_reached_by(2);
    both.release();
    for (run, (number, word, other)) in
        runs.iter().zip([(numbers[0], "tide", "oak"), (numbers[1], "oak", "tide")])
    {
        assert_eq!(outcome(&fleet.wait(run)), "done");
        let branch = format!("issue-{number}-add-{word}");
        assert_eq!(fleet.api.log(&branch), [&format!("Add {word}"), "the project"]);
        assert_eq!(fleet.api.file(&branch, &format!("words/{other}.txt")), None);
        let seen = tool_texts(&fleet, number).join("\n");
        assert!(seen.contains(word) && !seen.contains(other), "{seen}");
    }
    assert_no_worktree(&fleet);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn what_lies_unpushed_in_the_clone_does_not_leak_into_a_change() {
    let Some(fleet) = Fleet::with_claude_on("develop") else { return };
    let pushed = fleet.api.head("develop").unwrap();
    let private = fleet.api.commit("half an idea", &[("idea.txt", "half\n")]);
    fleet.write("home/src/api/scratch.txt", "not even committed\n");
    let before = fleet.api.fingerprint();
    let number =
        fleet.task("Add a word", [bash("ls"), commit("words/sea.txt", "tide", "Add the tide"), say("done")]);
    assert_eq!(fleet.work(number), "done");

    let branch = format!("issue-{number}-add-a-word");
    assert_eq!(fleet.api.log(&branch), ["Add the tide", "the project"]);
    assert_eq!(fleet.api.git(&fleet.api.origin, ["merge-base", "develop", &branch]), pushed);
    let seen = tool_texts(&fleet, number).join("\n");
    assert!(!seen.contains("idea") && !seen.contains("scratch"), "{seen}");

    fleet.propose(number);
    fleet.coord(["merge"]).success();
    assert_eq!(fleet.api.file("develop", "words/sea.txt").as_deref(), Some("tide\n"));
    let everything = fleet.api.git(&fleet.api.origin, ["rev-list", "--all"]);
    assert!(!everything.contains(&private), "an unpushed commit is on origin");
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn files_that_nobody_committed_are_rescued_and_it_is_said_where() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = fleet.task(
        "Add a word",
        [
            commit("words/sea.txt", "tide", "Add the tide"),
            bash("printf 'a draft\\0of it' > notes.txt"),
            say("done"),
        ],
    );
    let run = fleet.wait(&fleet.assign(number));
    assert_eq!(outcome(&run), "dirty");
    let rescue = text(&run["rescue"]);
    assert_eq!(store(&fleet, &["show", &format!("{rescue}:notes.txt")]), "a draft\0of it");
    assert_no_worktree(&fleet);
    // What was committed is published all the same; what was not stays on the machine.
    assert_eq!(fleet.api.log(&format!("issue-{number}-add-a-word")), ["Add the tide", "the project"]);
    assert!(fleet.api.refs().keys().all(|it| it.starts_with("refs/heads/")), "{:?}", fleet.api.refs());
    for command in ["wait", "why"] {
        let told = fleet.coord([command, &number.to_string()]);
        let told = told.stdout + &told.stderr;
        assert!(told.contains(&rescue), "{command}: {told}");
    }
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_stash_that_is_left_behind_is_rescued_and_no_other_run_meets_it() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = fleet.task(
        "Add a word",
        [
            commit("words/sea.txt", "tide", "Add the tide"),
            bash("echo 'for later' >> README.md && git stash -q && git rev-parse refs/stash"),
            say("done"),
        ],
    );
    let run = fleet.wait(&fleet.assign(number));
    assert_eq!(outcome(&run), "dirty");
    let rescue = text(&run["rescue"]);
    let stash = tool_texts(&fleet, number).last().unwrap().trim().to_owned();
    store(&fleet, &["merge-base", "--is-ancestor", &stash, &rescue]);
    assert!(store(&fleet, &["show", &format!("{stash}:README.md")]).contains("for later"));
    assert_eq!(store(&fleet, &["for-each-ref", "refs/stash"]), "");
    assert_no_worktree(&fleet);

    let next = fleet.task("Look for a stash", [bash("echo \"[$(git stash list)]\""), say("nothing")]);
    assert_eq!(fleet.work(next), "no-change");
    assert_eq!(tool_texts(&fleet, next), ["[]"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_run_without_a_commit_is_no_change() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (before, refs) = (fleet.api.fingerprint(), fleet.api.refs());
    let number = fleet.task("Add a word", [bash("ls words"), say("There is one already.")]);
    let run = fleet.assign(number);
    fleet.coord(["wait", &run]).exits(1);
    assert_eq!(outcome(&fleet.wait(&run)), "no-change");
    assert_eq!(fleet.api.refs(), refs);
    assert_no_worktree(&fleet);
    fleet.coord(["pr", &number.to_string()]).exits(5);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_model_that_fails_is_told_by_its_kind_of_failure() {
    let Some(mut fleet) = Fleet::with_claude() else { return };
    fleet.set("CLAUDE_CODE_MAX_RETRIES", "1");
    let before = fleet.api.fingerprint();
    for (status, kind) in [(529, "transient"), (401, "auth"), (400, "failed")] {
        let number = fleet.task(
            &format!("Meet a {status}"),
            [commit("words/sea.txt", "tide", "Add the tide"), error(status, "no, thanks").forever()],
        );
        let run = fleet.wait(&fleet.assign(number));
        assert_eq!(outcome(&run), kind, "{run}");
        // What was committed until then is kept where the next attempt goes on.
        assert_eq!(fleet.api.log(&format!("issue-{number}-meet-a-{status}")).len(), 2, "{status}");
    }
    fleet.api.fingerprint().assert_same_as(&before);
}

#[test]
fn a_spent_subscription_says_until_when() {
    let Some(mut fleet) = Fleet::with_claude() else { return };
    fleet.set("ANTHROPIC_API_KEY", "");
    fleet.set("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-dummy");
    let before = fleet.api.fingerprint();
    let opens = "2100-01-01T00:00:00Z";
    let number = fleet.task("Too much", [over_limit(opens.parse().unwrap()).forever()]);
    let run = fleet.wait(&fleet.assign(number));
    assert_eq!(run["outcome"], json!({"kind": "limited", "until": opens}));
    let why = fleet.coord(["why", &number.to_string()]).success();
    assert!(why.stdout.contains(opens), "{}", why.stdout);
    fleet.api.fingerprint().assert_same_as(&before);
}

/// A claude that is interrupted ends with status 0, as one that is done does, and with an error for a result.
#[test]
fn an_interrupted_worker_is_not_done_although_it_exits_with_zero() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = fleet.task(
        "Add a word",
        [commit("words/sea.txt", "tide", "Add the tide"), bash("touch $HOME/there; sleep 600")],
    );
    let run = fleet.assign(number);
    poll::wait_for("the long command", poll::PATIENCE, || {
        let there = fleet.home().join("there").exists();
        there.then_some(()).ok_or_else(|| "it has not started".to_owned())
    });
    signal(&fleet, "INT");
    let run = fleet.wait(&run);
    assert_eq!(outcome(&run), "interrupted", "{run}");
    let log = fs_err::read_to_string(fleet.coord_home().join(format!("runs/{}/exit.json", text(&run["id"]))));
    let end: Value = serde_json::from_str(&log.unwrap()).unwrap();
    assert_eq!(end["exit"], json!({"code": 0}), "{end}");
    fleet.coord(["pr", &number.to_string()]).exits(5);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_stream_that_is_cut_is_recovered_from() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = fleet.task(
        "Add a word",
        [truncated("I shall now"), commit("words/sea.txt", "tide", "Add the tide"), say("done")],
    );
    assert_eq!(fleet.work(number), "done");
    assert_eq!(fleet.api.log(&format!("issue-{number}-add-a-word")), ["Add the tide", "the project"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_run_with_two_results_ends_once_and_as_the_last_one_says() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let hold = Hold::new();
    let number = fleet.task("Add two words", [agent("add the tide"), say("under way"), say("both are in")]);
    let add = |it: &Request| {
        assert!(it.subagent().is_some());
        commit("words/sea.txt", "tide", "Add the tide")
    };
    fleet.model.on_subagent(&format!("api#{number}"), [compute(add).held(&hold), say("added")]);
    let run = fleet.assign(number);
    hold.wait_reached();
    hold.release();
    let run = fleet.wait(&run);
    assert_eq!(outcome(&run), "done", "{run}");
    let watched = fleet.coord(["--json", "watch", &text(&run["id"])]).success();
    let events = watched.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events: Vec<_> = events.map(|it| it["event"].clone()).collect();
    let of_kind = |kind: &str| events.iter().filter(|it| it["kind"] == kind).collect::<Vec<_>>();
    let results: Vec<_> = of_kind("result").into_iter().map(|it| text(&it["text"])).collect();
    assert_eq!(results, ["under way", "both are in"]);
    assert_eq!(of_kind("ended").len(), 1);
    assert_eq!(fleet.api.log(&format!("issue-{number}-add-two-words")), ["Add the tide", "the project"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_worker_that_is_killed_leaves_its_work_to_the_next_attempt() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let hold = Hold::new();
    let number = fleet.task(
        "Add words",
        [
            commit("words/sea.txt", "tide", "Add the tide"),
            write("words/wood.txt", "oak\n"),
            say("on it").then(tool("Bash", json!({"command": "true"}))).held(&hold),
        ],
    );
    let run = fleet.assign(number);
    hold.wait_reached();
    signal(&fleet, "KILL");
    let run = fleet.wait(&run);
    assert_eq!(run["outcome"], json!({"kind": "crashed", "how": "signal 9"}));
    let branch = format!("issue-{number}-add-words");
    assert_eq!(fleet.api.log(&branch), ["Add the tide", "the project"]);
    let rescue = text(&run["rescue"]);
    assert_eq!(store(&fleet, &["show", &format!("{rescue}:words/wood.txt")]), "oak");
    fleet.coord(["pr", &number.to_string()]).exits(5);
    hold.release();

    let steps = [bash("git log --format=%s && ls words"), commit("words/wood.txt", "elm", "Add the elm")];
    fleet.model.on_task(&format!("api#{number}"), steps.into_iter().chain([say("done")]));
    assert_eq!(fleet.work(number), "done");
    let requests = fleet.model.requests();
    let prompt = requests.iter().rfind(|it| it.is_agent()).and_then(Request::prompt).unwrap();
    assert!(prompt.lines().next().unwrap().ends_with("attempt=2"), "{prompt}");
    assert!(prompt.contains("attempt 1: crashed: signal 9"), "{prompt}");
    assert!(tool_texts(&fleet, number)[0].contains("Add the tide"));
    assert_eq!(fleet.api.log(&branch), ["Add the elm", "Add the tide", "the project"]);
    fleet.propose(number);
    assert_no_worktree(&fleet);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_worker_has_no_way_to_push() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = fleet.task(
        "Add a word",
        [
            commit("words/sea.txt", "tide", "Add the tide"),
            bash("git push origin HEAD:main || git push || echo refused"),
            say("done"),
        ],
    );
    let main = fleet.api.head("main");
    assert_eq!(fleet.work(number), "done");
    let said = tool_texts(&fleet, number);
    assert!(said.last().unwrap().contains("refused"), "{said:?}");
    assert_eq!(fleet.api.head("main"), main);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}
