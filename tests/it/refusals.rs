//! Everything that can be asked for in vain: each refusal says what, has its kind and exit code, tells people
//! and programs the same, and names what to do next.

use std::net::TcpListener;
use std::time::Duration;

use coord_testkit::model::error;
use coord_testkit::world::{Finished, Running, World};
use serde_json::Value;
use tokio::time::Instant;

use crate::cures::{elsewhere, take, wrong_token};
use crate::fleet::{Fleet, text};

/// What everything that looks like a secret contains in these tests.
pub(crate) const SECRET: &str = "s3cr3t";

/// A fleet whose workers are scripts.
pub(crate) fn scripted() -> Fleet {
    let fleet = Fleet::without_claude();
    fleet.reconfigure("runtimes:\n", "runtime: script\nruntimes:\n");
    fleet.install("coord", env!("CARGO_BIN_EXE_coord").into());
    fleet
}

/// Adds a task to `api` that is this script; its number.
pub(crate) fn script(fleet: &Fleet, lines: &str) -> String {
    fleet.add(&["A task", "--body", &format!("```sh\n{lines}\n```\n")]).to_string()
}

/// Has a command refused, to a program and to a person; the hints.
#[track_caller]
pub(crate) fn refused(world: &World, arguments: &[&str], code: i32, kind: &str, says: &str) -> Vec<String> {
    let program = world.coord(arguments.iter().chain(&["--json"]));
    let hints = told_to_a_program(&program, code, kind, says);
    let person = world.coord(arguments).exits(code);
    let report = format!("{}\n{}\n{}", person.command, person.stdout, person.stderr);
    assert!(person.stderr.contains("error: ") && person.stderr.contains(says), "{report}");
    for strange in ["panicked", "RUST_BACKTRACE", "{\"", SECRET] {
        assert!(!report.contains(strange), "{strange}: {report}");
    }
    hints
}

#[track_caller]
pub(crate) fn told_to_a_program(finished: &Finished, code: i32, kind: &str, says: &str) -> Vec<String> {
    let document = finished.clone().exits(code).json();
    let message = text(&document["error"]["message"]);
    assert_eq!(
        (&document["ok"], &document["error"]["kind"]),
        (&Value::from(false), &kind.into()),
        "{document}"
    );
    assert!(message.contains(says), "{message}");
    assert!(!document.to_string().contains(SECRET), "{document}");
    assert_eq!(finished.stderr, "", "with --json, nothing but the document is said");
    let hints = document["error"]["hints"].as_array().expect("an error has hints").clone();
    hints.iter().map(text).collect()
}

/// The commands of coord that hints name, as they stand.
pub(crate) fn cures(hints: &[String]) -> Vec<String> {
    let quoted = hints.iter().flat_map(|it| it.split('`').skip(1).step_by(2));
    quoted.filter(|it| it.starts_with("coord ")).map(str::to_owned).collect()
}

#[test]
fn what_is_not_there_is_not_found() {
    let fleet = scripted();
    let number = script(&fleet, "true");
    for (arguments, says) in [
        (["wait", "99"].as_slice(), "`99`"),
        (&["log", "zz"], "`zz`"),
        (&["why", ""], "there is no task or run"),
        (&["task", "show", "web#1"], "`web#1`"),
        (&["task", "add", "api", "t", "--after", "99"], "`99`"),
        (&["assign", "auto", "web", "1"], "no repo `web` in the configuration (it has: api)"),
        (&["task", "list", "--repo", "web"], "no repo `web`"),
        (&["merge", "--repo", "web"], "no repo `web`"),
        (&["assign", "box", "api", &number], "no machine `box` in the configuration (it has: here)"),
        (&["status", "--machine", "box"], "no machine `box`"),
        (&["agent", "--machine", "box"], "no machine `box`"),
        (&["task", "add", "api", "t", "--body-file", "none.md"], "none.md"),
        (&["wait", &number], "nothing has been run for api#1 yet"),
    ] {
        let hints = refused(&fleet, arguments, 4, "not-found", says);
        assert!(!cures(&hints).is_empty(), "{arguments:?}: {hints:?}");
    }
}

#[test]
fn what_makes_no_sense_is_a_matter_of_usage() {
    let fleet = scripted();
    let number = script(&fleet, "true");
    let long = "a".repeat(501);
    for (arguments, says) in [
        (["nonsense"].as_slice(), "unrecognized subcommand"),
        (&["task", "add", "api", ""], "a task needs a title"),
        (&["task", "add", "api", &long], "at most 500 characters"),
        (&["task", "add", "../api", "t"], "is not a repo name"),
        (&["task", "add", "api", "t", "--body-file", "/"], "cannot read the body"),
        (&["assign", "auto", "api", "one"], "`one` is not the number of a task"),
        (&["assign", "auto", "api", "-1"], "'-1'"),
        (
            &["assign", "auto", "api", &number, "--runtime", "vim"],
            "[possible values: claude, codex, gemini, opencode, script, command]",
        ),
        (&["wait", &number, "--timeout", "soon"], "`soon` is not a duration"),
        (&["wait", &number, "--timeout=-5"], "`-5`"),
        (&["merge", "--method", "octopus"], "possible values: merge, squash, rebase"),
        (&["test", &number, "--fail"], "--reason"),
    ] {
        let hints = refused(&fleet, arguments, 2, "usage", says);
        assert!(!cures(&hints).is_empty(), "{arguments:?}: {hints:?}");
    }
    let bare = fleet.coord(["--json"]);
    told_to_a_program(&bare, 2, "usage", "a command is missing");
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_with_file_and_line() {
    let fleet = scripted();
    let path = fleet.dir().join("coordinator.yml");
    fleet.reconfigure("test_command", "test_comand");
    let hints = refused(&fleet, &["status"], 2, "config-invalid", "unknown key `test_comand` at line 4");
    assert_eq!(cures(&hints), ["coord config --schema"]);
    fs_err::write(&path, b"\xff\xfe\0binary").unwrap();
    refused(&fleet, &["status"], 2, "config-invalid", path.as_str());
    fs_err::write(&path, "repos: [\n").unwrap();
    refused(&fleet, &["status"], 2, "config-invalid", "line 2");
    refused(&fleet, &["status", "--config", "none.yml"], 2, "config-missing", "none.yml");
    fs_err::remove_file(&path).unwrap();
    refused(&fleet, &["task", "list"], 2, "config-missing", "there is no coordinator.yml");
}

#[test]
fn a_machine_that_does_not_answer_is_unreachable_and_nobody_waits_for_long() {
    let fleet = scripted();
    let number = script(&fleet, "true");
    // It takes connections and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere(&fleet, mute.local_addr().unwrap().port(), "home/.coord/agent/token");
    let begun = Instant::now();
    refused(&fleet, &["assign", "far", "api", &number], 6, "unreachable", "machine `far`: no answer");
    let shown = fleet.coord(["status", "--json"]).success().json();
    let machines = shown["data"]["machines"].as_array().unwrap();
    assert_eq!(machines.iter().find(|it| it["name"] == "far").unwrap()["state"], "offline");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    drop(mute);
    let hints = refused(&fleet, &["assign", "far", "api", &number], 6, "unreachable", "Connection refused");
    assert_eq!(cures(&hints), ["coord doctor", "coord agent --machine far"]);
    let task = fleet.coord(["why", &number, "--json"]).success().json();
    assert_eq!(task["data"]["runs"], Value::Array(Vec::new()), "nothing was started");
}

#[test]
fn something_else_at_the_port_is_no_agent_server() {
    let fleet = scripted();
    let number = script(&fleet, "true");
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        while let Ok((mut connection, _)) = stranger.accept() {
            if connection.read(&mut [0; 1024]).is_ok_and(|it| it > 0) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
                connection.write_all(answer).expect("whoever asks waits for the answer");
            }
        }
    });
    elsewhere(&fleet, port, "home/.coord/agent/token");
    refused(&fleet, &["assign", "far", "api", &number], 6, "unreachable", "is not a coord agent server");
    fleet.reconfigure("name: here", "name: home");
    refused(&fleet, &["agent", "--machine", "far"], 6, "unreachable", "Address already in use");
}

#[test]
fn a_token_that_is_missing_open_to_others_or_wrong_is_not_authorised() {
    let fleet = scripted();
    let number = script(&fleet, "true");
    fleet.work(script(&fleet, "true").parse().unwrap());
    wrong_token(&fleet);
    let assign = ["assign", "here", "api", &number];
    refused(&fleet, &assign, 7, "unauthorised", "machine `here`");
    let token = fleet.dir().join("token");
    fs_err::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    refused(&fleet, &assign, 7, "unauthorised", "chmod 600");
    fs_err::remove_file(&token).unwrap();
    refused(&fleet, &assign, 7, "unauthorised", token.as_str());
}

#[test]
fn one_agent_server_runs_on_a_home() {
    let fleet = scripted();
    fleet.work(script(&fleet, "true").parse().unwrap());
    refused(&fleet, &["agent"], 6, "unreachable", "Address already in use");
    refused(&fleet, &["agent", "--port", "0"], 5, "refused", "the agent server cannot run");
}

#[test]
fn a_repo_that_cannot_be_worked_on_is_told_as_such() {
    let fleet = scripted();
    let script = "```sh\ntouch x; git add x; git commit -qm x\n```";
    let (plain, empty) = (fleet.dir().join("plain"), fleet.dir().join("empty.git"));
    fs_err::create_dir_all(&plain).unwrap();
    fleet.api.git(fleet.dir(), ["init", "--quiet", "--bare", empty.as_str()]);
    let elsewhere = format!("http://me:{SECRET}@127.0.0.1:9/gone.git");
    fleet.reconfigure(
        "machines:\n",
        &format!(
            "  - {{name: plain}}\n  - {{name: nowhere}}\n  - {{name: empty, origin: 'file://{empty}'}}\n  - {{name: gone, origin: '{elsewhere}'}}\n  \
             - {{name: branchless, origin: '{}', default_branch: develop}}\nmachines:\n",
            fleet.api.url()
        ),
    );
    fleet.reconfigure("    repo_paths:\n", &format!("    repo_paths:\n      plain: {plain}\n"));
    let add = |repo: &str| {
        let added = fleet.coord(["--json", "task", "add", repo, "Try", "--body", script]).success().json();
        added["data"]["task"]["number"].to_string()
    };
    for (repo, says) in [("plain", "not a git repository"), ("nowhere", "neither an `origin` nor a clone")] {
        refused(&fleet, &["assign", "auto", repo, &add(repo)], 2, "repo-unusable", says);
    }
    for (repo, says) in [
        ("empty", "no branch `main`"),
        ("gone", "cannot clone `gone`"),
        ("branchless", "no branch `develop`"),
    ] {
        let number = add(repo);
        fleet.coord(["assign", "auto", repo, &number]).success();
        let told = fleet.coord(["wait", &number]).exits(1);
        assert!(told.stderr.contains("setup-failed") && told.stderr.contains(says), "{}", told.stderr);
        assert!(told.stderr.contains("`coord doctor`") && !told.stderr.contains(SECRET), "{}", told.stderr);
        assert_eq!(told.stdout, "");
    }
}

#[test]
fn before_anything_is_published_there_is_nothing_to_go_on_with() {
    let fleet = scripted();
    let number = script(&fleet, "true");
    for command in ["pr", "test", "checkout"] {
        refused(&fleet, &[command, &number], 5, "refused", "nothing has been published for api#1 yet");
    }
    refused(&fleet, &["test", &number, "--passed"], 5, "refused", "nothing has been published");
    let parked = fleet.coord(["merge", &number, "--json"]).exits(5).json();
    assert_eq!(parked["data"]["parked"][0]["task"], "api#1");
    assert!(text(&parked["data"]["parked"][0]["reason"]).contains("nothing has been published"), "{parked}");
    let told = fleet.coord(["merge"]).success();
    assert!(told.stdout.is_empty() && told.stderr.contains("no pull request is open"), "{told:?}");
}

#[test]
fn a_task_moves_only_along_its_arrows() {
    let fleet = scripted();
    let number = script(&fleet, "sleep 600");
    let waits = fleet.add(&["Later", "--after", &number]).to_string();
    refused(&fleet, &["assign", "auto", "api", &waits], 5, "refused", "it waits for api#1");
    refused(&fleet, &["task", "edit", &number, "--after", &waits], 5, "refused", "wait for each other");
    let run = fleet.assign(number.parse().unwrap());
    let hints = refused(&fleet, &["task", "close", &number], 5, "refused", "is at api#1");
    assert_eq!(cures(&hints), [format!("coord stop {run}")]);
    refused(&fleet, &["assign", "auto", "api", &number], 5, "refused", "is at it");
    assert!(take(&fleet, &format!("coord stop {run}")).unwrap().status.success());
    let again = fleet.coord(["stop", &run, "--json"]).success().json();
    assert_eq!(again["data"]["run"]["outcome"]["kind"], "cancelled");
    fleet.coord(["task", "close", &number]).success();
    for arguments in [
        ["task", "close", &number].as_slice(),
        &["task", "edit", &number, "--title", "x"],
        &["assign", "auto", "api", &number],
    ] {
        refused(&fleet, arguments, 5, "refused", "closed");
    }
    refused(&fleet, &["assign", "auto", "api", &waits], 5, "refused", "closed without being merged");
}

#[test]
fn a_directory_that_is_in_use_is_left_alone_and_another_is_named() {
    let fleet = scripted();
    let number = script(&fleet, "touch x; git add x; git commit -qm x");
    assert_eq!(fleet.work(number.parse().unwrap()), "done");
    let mine = fleet.write("mine/notes.txt", "mine");
    let hints = refused(&fleet, &["checkout", &number, "mine"], 5, "refused", "is not an empty directory");
    assert_eq!(fs_err::read_to_string(mine).unwrap(), "mine");
    let taken = take(&fleet, &cures(&hints)[0]).unwrap().success();
    assert!(camino::Utf8Path::new(taken.stdout.trim()).join("x").exists(), "{taken:?}");
}

#[test]
fn surroundings_that_cannot_be_lived_in_are_told() {
    let mut fleet = scripted();
    let home = fleet.coord_home();
    fleet.coord(["status"]).success();
    fs_err::write(home.join("board.db"), b"not a database".repeat(1000)).unwrap();
    for left in ["board.db-wal", "board.db-shm"] {
        drop(fs_err::remove_file(home.join(left)));
    }
    refused(&fleet, &["status"], 1, "failed", "file is not a database");
    let file = fleet.write("file", "");
    fleet.set("COORD_HOME", file.as_str());
    refused(&fleet, &["status"], 2, "config-invalid", "COORD_HOME cannot be");

    let script = |lines: &str| {
        let mut shell = fleet.command("sh");
        shell.args(["-c", lines]);
        Running::start(shell).wait()
    };
    let homeless = script("unset HOME COORD_HOME; exec coord status").exits(2);
    assert!(homeless.stderr.contains("neither COORD_HOME nor HOME is set"), "{}", homeless.stderr);
    let gone = script("mkdir gone; cd gone; rmdir ../gone; exec coord status").exits(2);
    assert!(gone.stderr.contains("the current directory is gone"), "{}", gone.stderr);
    script("unset HOME COORD_HOME; exec coord version").success();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let fleet = scripted();
    let mut shell = fleet.command("bash");
    // A pipe whose reader has gone before the first byte is written.
    shell.args(["-c", "{ sleep 0.2; coord config --schema; echo $? >&2; } | true"]);
    let finished = Running::start(shell).wait();
    assert_eq!(finished.stderr, "0\n");
    let mut full = fleet.command("sh");
    full.args(["-c", "exec coord config --schema > /dev/full"]);
    let finished = Running::start(full).wait().exits(1);
    assert!(finished.stderr.starts_with("error: cannot write to standard output"), "{}", finished.stderr);
}

#[test]
fn a_claude_that_is_not_logged_in_says_so_in_its_outcome() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let number = fleet.task("Anything", [error(401, "invalid x-api-key").forever()]);
    let run = fleet.assign(number);
    let ended = fleet.coord(["wait", &run, "--json"]).exits(1).json();
    assert_eq!(ended["data"]["run"]["outcome"]["kind"], "auth", "{ended}");
    let told = fleet.coord(["wait", &run]).exits(1).stderr;
    assert!(told.contains("`coord doctor --probe`") && !told.contains("sk-ant"), "{told}");
}
