//! Going on with a change after a run that was not the end of it: in the session that it was worked on in, wherever
//! that can be had, and with everything that was left.

use camino::Utf8PathBuf;
use coord_testkit::model::{Hold, Request, Step, bash, say, write};
use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::Running;
use serde_json::Value;

use crate::change::commit;
use crate::cures::take;
use crate::fleet::{Fleet, text};
use crate::machine::{kill, walk};
use crate::refusals::{script, scripted};

/// The newest request of the task's worker.
fn last_request(fleet: &Fleet) -> Request {
    fleet.model.requests().into_iter().rfind(Request::is_agent).expect("there was a worker")
}

/// Every text of the conversation so far that its user wrote, as one.
fn said(request: &Request) -> String {
    request.texts().join("\n")
}

/// Has a worker commit, write a file that it does not commit, and be killed in the middle of what comes next.
fn cut_off(fleet: &Fleet) -> (u64, Value) {
    let hold = Hold::new();
    let steps = [
        commit("words/sea.txt", "tide", "Add the tide"),
        write("words/wood.txt", "oak\n"),
        say(THOUGHT).then(bash("true")),
        say("next").held(&hold),
    ];
    let number = fleet.task("Add words", steps);
    let run = fleet.assign(number);
    hold.wait_reached();
    wait_for("the session to be written down", PATIENCE, || {
        let written = transcripts(&fleet.home())
            .iter()
            .any(|it| fs_err::read_to_string(it).is_ok_and(|it| it.contains(THOUGHT)));
        written.then_some(()).ok_or_else(|| "what the worker thought is not in its transcript".to_owned())
    });
    kill(fleet.worker_pid(&run));
    let ended = fleet.wait(&run);
    hold.release();
    assert_eq!(ended["outcome"]["kind"], "crashed", "{ended}");
    fleet.wait_for_no_worktree();
    (number, ended)
}

/// Scripts what the next worker of a task does.
fn then(fleet: &Fleet, number: u64, steps: impl IntoIterator<Item = Step>) {
    fleet.model.on_task(&format!("api#{number}"), steps);
}

/// Runs a command that goes on with a change: its document.
#[track_caller]
fn go_on(fleet: &Fleet, arguments: &[&str]) -> Value {
    fleet.coord(["--json"].iter().chain(arguments)).success().json()["data"].clone()
}

#[test]
fn a_retry_goes_on_in_the_same_session_with_what_was_not_committed() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let (number, first) = cut_off(&fleet);
    then(&fleet, number, [bash("cat words/wood.txt; git add -A; git commit -qm 'Add the oak'"), say("done")]);
    let id = number.to_string();

    let planned = go_on(&fleet, &["retry", &id, "--dry-run"]);
    assert_eq!(planned["session"]["how"], "in-place", "{planned:#}");
    let again = go_on(&fleet, &["retry", &id]);
    assert_eq!(again["session"]["how"], "in-place", "{again:#}");
    assert_eq!((&again["run"]["attempt"], &again["run"]["kind"]), (&2.into(), &"work".into()));
    let ended = fleet.wait(&text(&again["run"]["id"]));
    assert_eq!(ended["outcome"]["kind"], "done", "{ended}");

    // The model was told what it had said and seen, and what became of it.
    let request = last_request(&fleet);
    assert!(request.body.to_string().contains("Add the tide"), "{request}");
    let prompts = said(&request);
    assert!(prompts.contains(&text(&first["id"])) && prompts.contains("git status"), "{prompts}");
    assert!(prompts.contains("are back in this worktree"), "{prompts}");
    assert!(request.tool_results().last().unwrap().text.contains("oak"), "{request}");
    let branch = format!("issue-{number}-add-words");
    assert_eq!(fleet.api.log(&branch), ["Add the oak", "Add the tide", "the project"]);
    assert_eq!(fleet.api.file(&branch, "words/wood.txt").as_deref(), Some("oak\n"));
    fleet.wait_for_no_worktree();
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

/// Where claude keeps the transcripts of this world's sessions.
fn transcripts(home: &Utf8PathBuf) -> Vec<Utf8PathBuf> {
    let mut all = walk(&home.join(".claude/projects"));
    all.retain(|it| it.extension() == Some("jsonl"));
    all
}

/// What the first worker thought, which is in its session and nowhere else.
const THOUGHT: &str = "I think that the third one is the elm";

/// Has the next worker of a task add the oak, and sees to it that it did.
fn ends_well(fleet: &Fleet, number: u64, arguments: &[&str]) -> (Value, Request) {
    then(
        fleet,
        number,
        [bash("echo oak > words/wood.txt; git add -A; git commit -qm 'Add the oak'"), say("done")],
    );
    let again = go_on(fleet, arguments);
    let ended = fleet.wait(&text(&again["run"]["id"]));
    assert_eq!(ended["outcome"]["kind"], "done", "{ended}");
    let (branch, request) = (format!("issue-{number}-add-words"), last_request(fleet));
    let results = request.tool_results();
    assert_eq!(fleet.api.log(&branch), ["Add the oak", "Add the tide", "the project"], "{results:?}");
    (again, request)
}

#[test]
fn a_session_whose_transcript_was_cleared_away_is_gone_on_with_from_the_copy_that_was_kept() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (number, first) = cut_off(&fleet);
    let kept = fleet.run_dir(&text(&first["id"])).join("transcript.jsonl");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs_err::metadata(&kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let places = transcripts(&fleet.home());
    assert_eq!(places.len(), 1, "{places:?}");
    fs_err::remove_file(&places[0]).unwrap();
    let (again, request) = ends_well(&fleet, number, &["retry", &text(&first["id"])]);
    assert_eq!(again["session"]["how"], "moved", "{again:#}");
    assert!(request.body.to_string().contains(THOUGHT), "{request}");
    assert_eq!(transcripts(&fleet.home()), places);
    fleet.model.assert_drained();
}

#[test]
fn a_session_goes_on_at_another_home_of_another_machine() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (number, first) = cut_off(&fleet);
    let there = Elsewhere::serve(&fleet);
    let id = number.to_string();
    let (again, request) = ends_well(&fleet, number, &["retry", &id, "--machine", "there"]);
    assert_eq!((&again["session"]["how"], &again["run"]["machine"]), (&"moved".into(), &"there".into()));
    assert!(request.body.to_string().contains(THOUGHT), "{request}");
    let prompt = request.prompt().unwrap();
    assert!(prompt.contains("git status") && prompt.contains("1 uncommitted file on here"), "{prompt}");
    assert_eq!(transcripts(&there.user_home).len(), 1);
    // What was not committed stays where it was kept.
    assert_eq!(fleet.in_store(&text(&first["rescue"]), "words/wood.txt"), "oak");
    there.server.terminate();
    there.server.wait().success();
    fleet.model.assert_drained();
}

/// A second machine, `there`, with a home of its own and another user's.
struct Elsewhere {
    user_home: Utf8PathBuf,
    server: Running,
}

impl Elsewhere {
    fn serve(fleet: &Fleet) -> Self {
        let (home, user_home) = (fleet.dir().join("there"), fleet.dir().join("other-user"));
        fs_err::create_dir_all(&user_home).unwrap();
        let port = fleet.free_port();
        let machine = format!(
            "{{name: there, port: {port}, slots: 2, token_file: {home}/agent/token, repo_paths: {{api: {}}}}}",
            fleet.api.clone
        );
        fleet.reconfigure("machines:\n", &format!("machines:\n  - {machine}\n"));
        let mut server = fleet.command(env!("CARGO_BIN_EXE_coord"));
        server.env("COORD_HOME", &home).env("HOME", &user_home).args(["agent", "--machine", "there"]);
        let server = Running::start(server);
        wait_for("the other machine", PATIENCE, || {
            if home.join("agent/server.json").exists() { Ok(()) } else { Err(server.stderr()) }
        });
        Self { user_home, server }
    }
}

#[test]
fn where_nothing_is_left_of_the_session_a_new_one_is_told_what_there_is_to_know() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (number, first) = cut_off(&fleet);
    for place in transcripts(&fleet.home()) {
        fs_err::remove_file(place).unwrap();
    }
    fs_err::remove_file(fleet.run_dir(&text(&first["id"])).join("transcript.jsonl")).unwrap();
    let (again, request) = ends_well(&fleet, number, &["retry", &number.to_string()]);
    assert_eq!(again["session"]["how"], "new", "{again:#}");
    let prompt = request.prompt().unwrap();
    for told in ["Add words", "crashed: signal 9", THOUGHT, "+tide", "1 file changed", "git status"] {
        assert!(prompt.contains(told), "no {told:?} in {prompt}");
    }
    assert_eq!(said(&request).matches("coord: run=").count(), 1);
    fleet.model.assert_drained();
}

#[test]
fn a_new_session_can_be_wanted() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (number, _) = cut_off(&fleet);
    let (again, request) = ends_well(&fleet, number, &["retry", &number.to_string(), "--fresh"]);
    assert_eq!(again["session"]["how"], "new", "{again:#}");
    assert_eq!(said(&request).matches("coord: run=").count(), 1);
    fleet.model.assert_drained();
}

#[test]
fn a_session_that_its_runtime_does_not_know_after_all_is_followed_by_a_new_one_once() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (number, _) = cut_off(&fleet);
    let places = transcripts(&fleet.home());
    fs_err::write(&places[0], "").unwrap();
    let (again, request) = ends_well(&fleet, number, &["retry", &number.to_string()]);
    assert_eq!(again["session"]["how"], "in-place", "{again:#}");
    assert_eq!(said(&request).matches("coord: run=").count(), 1);
    assert!(request.prompt().unwrap().contains("+tide"), "{request}");
    let run = text(&again["run"]["id"]);
    let log = fleet.coord(["log", &run]).success().stdout;
    assert!(log.contains("so a new one is begun"), "{log}");
    assert_eq!(fleet.count(&run, "started"), 2);
    fleet.model.assert_drained();
}

#[test]
fn who_is_stuck_goes_on_with_what_a_person_says() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.install("coord", env!("CARGO_BIN_EXE_coord").into());
    let stuck = [commit("words/sea.txt", "tide", "Add the tide"), say("STUCK: is it an oak or an elm?")];
    let number = fleet.task("Add words", stuck);
    assert_eq!(fleet.work(number), "stuck");
    let why = fleet.coord(["--json", "why", &number.to_string()]).success().json()["data"].clone();
    let command = format!("coord resume-stuck api#{number} --guidance \"how to go on\"");
    assert_eq!(why["next"]["command"], command);

    then(&fleet, number, [commit("words/wood.txt", "oak", "Add the oak"), say("done")]);
    let told = take(&fleet, &command).unwrap().success();
    assert!(told.stdout.contains("where it was"), "{told:#?}");
    assert_eq!(fleet.wait(&number.to_string())["outcome"]["kind"], "done");
    let request = last_request(&fleet);
    let prompt = request.prompt().unwrap();
    assert!(prompt.contains("how to go on") && prompt.contains("is it an oak or an elm?"), "{prompt}");
    assert_eq!(said(&request).matches("coord: run=").count(), 2);
    let refused = fleet.coord(["resume-stuck", &number.to_string(), "--guidance", "x"]).exits(5);
    assert!(refused.stderr.contains("is not stuck: it ended as done"), "{}", refused.stderr);
    fleet.model.assert_drained();
}

#[test]
fn who_says_that_it_is_stuck_and_goes_on_waiting_is_stopped_first() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let waits = say("STUCK: which key is it?").then(bash("touch begun; sleep 600"));
    let number = fleet.task("Add words", [commit("words/sea.txt", "tide", "Add the tide"), waits]);
    let run = fleet.assign(number);
    let id = number.to_string();
    let guided = ["resume-stuck", &id, "--guidance", "B flat"];
    wait_for("the worker to say so", PATIENCE, || {
        let shown = fleet.shown(&run);
        if shown["stuck"].is_null() { Err(shown.to_string()) } else { Ok(()) }
    });
    let (again, request) = ends_well(&fleet, number, &guided);
    assert_eq!(again["session"]["how"], "in-place", "{again:#}");
    assert!(request.prompt().unwrap().contains("B flat"), "{request}");
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "cancelled");
    fleet.model.assert_drained();
}

#[test]
fn what_a_stopped_run_committed_is_gone_on_from() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let hold = Hold::new();
    let steps = [commit("words/sea.txt", "tide", "Add the tide"), say("next").held(&hold)];
    let number = fleet.task("Add words", steps);
    let run = fleet.assign(number);
    hold.wait_reached();
    fleet.coord(["stop", &run]).success();
    hold.release();
    let branch = format!("issue-{number}-add-words");
    assert_eq!(fleet.api.head(&branch), None, "a stop publishes nothing");
    ends_well(&fleet, number, &["retry", &number.to_string()]);
}

#[test]
fn a_fix_is_told_what_was_found_and_is_for_what_was_found_wanting() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let number = fleet.task("Add words", [commit("words/sea.txt", "apple", "Add the sea"), say("done")]);
    let id = number.to_string();
    assert_eq!(fleet.work(number), "done");
    let early = fleet.coord(["fix", &id]).exits(5);
    assert!(early.stderr.contains("nothing was found wrong with it"), "{}", early.stderr);
    let failed = fleet.coord(["--json", "test", &id]).exits(1).json();
    assert_eq!(failed["next"][0]["command"], format!("coord fix api#{number}"));

    then(&fleet, number, [commit("words/sea.txt", "tide", "Mend the sea"), say("done")]);
    let again = go_on(&fleet, &["fix", &id, "--guidance", "a word may be in one list only"]);
    assert_eq!((&again["run"]["kind"], &again["run"]["attempt"]), (&"fix".into(), &2.into()));
    assert_eq!(again["session"]["how"], "in-place", "{again:#}");
    assert_eq!(fleet.wait(&id)["outcome"]["kind"], "done");
    let request = last_request(&fleet);
    let prompt = request.prompt().unwrap();
    assert!(prompt.starts_with("coord: run=") && prompt.contains("kind=fix"), "{prompt}");
    for told in ["in two lists: apple", "one list only", "git status"] {
        assert!(prompt.contains(told), "no {told:?} in {prompt}");
    }
    fleet.coord(["test", &id]).success();

    fleet.coord(["test", &id, "--fail", "--reason", "the sea is not salty"]).success();
    then(&fleet, number, [commit("words/salt.txt", "salt", "Add salt"), say("done")]);
    go_on(&fleet, &["fix", &id]);
    assert_eq!(fleet.wait(&id)["outcome"]["kind"], "done");
    assert!(last_request(&fleet).prompt().unwrap().contains("the sea is not salty"));
    assert_eq!(fleet.api.log(&format!("issue-{number}-add-words"))[..2], ["Add salt", "Mend the sea"]);
    fleet.model.assert_drained();
}

#[test]
fn attempts_that_failed_are_counted_and_a_person_may_want_one_more() {
    let fleet = scripted();
    let id = script(&fleet, "exit 3");
    assert_eq!(fleet.work(id.parse().unwrap()), "crashed");
    for attempt in [2, 3] {
        let again = go_on(&fleet, &["retry", &id]);
        assert_eq!((&again["run"]["attempt"], &again["session"]["how"]), (&attempt.into(), &"new".into()));
        fleet.wait(&text(&again["run"]["id"]));
    }
    let refused = fleet.coord(["retry", &id]).exits(5);
    assert!(refused.stderr.contains("3 attempts have failed"), "{}", refused.stderr);
    let why = fleet.coord(["--json", "why", &id]).success().json()["data"].clone();
    let command = text(&why["next"]["command"]);
    assert_eq!(command, format!("coord retry api#{id} --force"));
    take(&fleet, &command).unwrap().success();
    assert_eq!(fleet.wait(&id)["attempt"], 4);
}

#[test]
fn what_is_not_gone_on_with_says_why() {
    let fleet = scripted();
    let id = script(&fleet, "echo a > a; git add a; git commit -qm a");
    let never = fleet.coord(["retry", &id]).exits(4);
    assert!(never.stderr.contains("nothing has been run for"), "{}", never.stderr);
    let first = fleet.assign(id.parse().unwrap());
    assert_eq!(fleet.wait(&first)["outcome"]["kind"], "done");
    let well = fleet.coord(["retry", &first]).exits(5);
    assert!(well.stderr.contains("did what it was to do"), "{}", well.stderr);
    let second = fleet.assign(id.parse().unwrap());
    fleet.wait(&second);
    let older = fleet.coord(["retry", &first]).exits(5);
    assert!(older.stderr.contains(&second), "{}", older.stderr);

    let id = script(&fleet, "sleep 600");
    let live = fleet.assign(id.parse().unwrap());
    let busy = fleet.coord(["retry", &live]).exits(5);
    assert!(busy.stderr.contains("still under way"), "{}", busy.stderr);
    fleet.coord(["stop", &live]).success();
}
