//! Workers that are scripts: how a worktree is made ready, what a worker may do to the world around it, and
//! what it prints. None of it needs a model.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::fleet::{Fleet, text};
use crate::machine::{is_alive, wait_for_file};

/// A fleet whose workers are scripts; `more` is YAML for repo `api`.
fn fleet(more: &str) -> Fleet {
    let fleet = Fleet::without_claude();
    fleet.configure(more);
    fleet.reconfigure("runtimes:\n", "runtime: script\nruntimes:\n");
    fleet
}

/// Adds a task that is this script; its number.
fn script(fleet: &Fleet, title: &str, lines: &str) -> u64 {
    fleet.add(&[title, "--body", &format!("Run this:\n```sh\n{lines}\n```\n")])
}

/// Has a script run to its end; the run.
fn run(fleet: &Fleet, lines: &str) -> Value {
    let number = script(fleet, "Do it", lines);
    fleet.wait(&fleet.assign(number))
}

const COMMIT: &str = "git add -A && git commit -qm work";

/// What `log --raw` prints, byte for byte.
fn raw(fleet: &Fleet, run: &str) -> Vec<u8> {
    let path = fleet.dir().join("raw");
    let mut shell = fleet.command("sh");
    shell.args(["-c", &format!("exec {} log {run} --raw > {path}", env!("CARGO_BIN_EXE_coord"))]);
    coord_testkit::world::Running::start(shell).wait().success();
    fs_err::read(path).unwrap()
}

#[test]
fn ignored_files_come_along_with_their_modes_and_nothing_else_does() {
    let fleet = fleet("");
    let api = &fleet.api;
    api.commit(
        "what stays out of git",
        &[(".gitignore", "/.env\n/secrets/\n/target/\n"), (".worktreeinclude", "/.env\n/secrets/\n")],
    );
    api.git(&api.clone, ["push", "--quiet"]);
    for (path, content, mode) in [
        (".env", "KEY=1\n", 0o600),
        ("secrets/run.sh", "#!/bin/sh\necho ran\n", 0o755),
        ("target/out", "big\n", 0o644),
        ("scratch.txt", "untracked\n", 0o644),
    ] {
        let path = api.clone.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let before = api.fingerprint();
    let end = run(
        &fleet,
        &format!("ls -A > listed; stat -c %a .env secrets/run.sh > modes; cat .env > read; {COMMIT}"),
    );
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    let branch = text(&end["branch"]);
    let file = |path| api.file(&branch, path).unwrap();
    assert_eq!((file("modes").as_str(), file("read").as_str()), ("600\n755\n", "KEY=1\n"));
    assert!(!file("listed").contains("target") && !file("listed").contains("scratch"), "{}", file("listed"));
    assert_eq!(api.file(&branch, ".env"), None);
    fleet.wait_for_no_worktree();
    api.fingerprint().assert_same_as(&before);
}

#[test]
fn a_setup_runs_before_the_worker() {
    let fleet = fleet("    setup: echo ready > ~/ready\n");
    let end = run(&fleet, &format!("cp ~/ready copy; {COMMIT}"));
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    assert_eq!(fleet.api.file(&text(&end["branch"]), "copy").as_deref(), Some("ready\n"));
}

#[test]
fn a_setup_that_fails_ends_the_run_and_its_output_is_in_the_log() {
    let fleet = fleet("    setup: printf 'no such %s' compiler >&2; exit 7\n");
    let end = run(&fleet, &format!("touch {}/worked", fleet.dir()));
    assert_eq!(end["outcome"]["kind"], "setup-failed", "{end}");
    assert_eq!(end["outcome"]["step"], "setup");
    assert!(text(&end["outcome"]["reason"]).contains('7'), "{end}");
    let log = fleet.coord(["log", &text(&end["id"])]).success().stdout;
    assert!(log.contains("no such compiler"), "{log}");
    assert!(!fleet.dir().join("worked").exists());
    fleet.wait_for_no_worktree();
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn a_setup_that_changes_the_tree_is_told_which_files() {
    let fleet = fleet("    setup: echo more >> README.md; touch fresh.lock\n");
    let end = run(&fleet, &format!("touch {}/worked", fleet.dir()));
    assert_eq!(end["outcome"]["kind"], "setup-failed", "{end}");
    let reason = text(&end["outcome"]["reason"]);
    assert!(reason.contains("README.md") && reason.contains("fresh.lock"), "{reason}");
    assert!(!fleet.dir().join("worked").exists());
}

#[test]
fn submodules_are_checked_out() {
    let fleet = fleet("");
    let library = fleet.repo("library");
    fleet.write(
        "gitconfig",
        "[user]\n\tname = Dev\n\temail = dev@example.org\n[protocol \"file\"]\n\tallow = always\n",
    );
    let api = &fleet.api;
    api.git(&api.clone, ["submodule", "--quiet", "add", &library.url(), "vendor/library"]);
    api.git(&api.clone, ["commit", "--quiet", "--message", "a library"]);
    api.git(&api.clone, ["push", "--quiet"]);
    let before = api.fingerprint();
    let end = run(&fleet, &format!("cp vendor/library/words/fruit.txt copy; {COMMIT}"));
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    assert_eq!(api.file(&text(&end["branch"]), "copy").as_deref(), Some("apple\npear\n"));
    fleet.wait_for_no_worktree();
    api.fingerprint().assert_same_as(&before);
}

#[test]
fn whoever_has_no_git_identity_can_still_have_work_done() {
    let fleet = fleet("");
    // Without a name, git would otherwise make one up from the host's or refuse.
    fleet.write("gitconfig", "[user]\n\tuseConfigOnly = true\n");
    let end = run(&fleet, &format!("echo a > a; {COMMIT}; echo b > left"));
    assert_eq!(end["outcome"]["kind"], "dirty", "{end}");
    assert_eq!(fleet.api.log(&text(&end["branch"]))[0], "work");
    assert_eq!(fleet.in_store(&text(&end["rescue"]), "left"), "b");
}

#[test]
fn a_worker_cannot_push() {
    let fleet = fleet("");
    let number = script(
        &fleet,
        "Publish it yourself",
        &format!(
            "echo a > a; {COMMIT}\n\
             for to in main evil; do if git push origin HEAD:refs/heads/$to; then exit 9; fi; done"
        ),
    );
    let before = fleet.api.refs();
    let end = fleet.wait(&fleet.assign(number));
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    let mut after = fleet.api.refs();
    assert!(after.remove(&format!("refs/heads/{}", text(&end["branch"]))).is_some());
    assert_eq!(after, before);
}

#[test]
fn a_worker_that_will_not_be_interrupted_is_stopped() {
    let fleet = fleet("");
    let ready = fleet.dir().join("ready");
    let number = script(
        &fleet,
        "Never end",
        &format!("trap '' INT TERM HUP\necho unsaved > a\ntouch {ready}\nwhile :; do sleep 0.05; done"),
    );
    let run = fleet.assign(number);
    wait_for_file(&ready);
    let worker = fleet.worker_pid(&run);
    let stopped = fleet.coord(["--json", "stop", &run]).success().json()["data"]["run"].clone();
    assert!(!is_alive(worker));
    assert_eq!(stopped["outcome"]["kind"], "cancelled");
    assert_eq!(fleet.in_store(&text(&stopped["rescue"]), "a"), "unsaved");
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn what_a_worker_prints_comes_through_to_the_byte() {
    let fleet = fleet("");
    let mut printed = vec![b'x'; 200_000];
    printed.extend_from_slice(b"\n\xff\xfe no text \xc3\n{\"type\": \"result\" }\n\n\ttab\r\nlast\n");
    let file = fleet.dir().join("printed");
    fs_err::write(&file, &printed).unwrap();
    let end = run(&fleet, &format!("cat {file}; echo a > a; {COMMIT}"));
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    let got = raw(&fleet, &text(&end["id"]));
    assert!(got == printed, "{} bytes of {}", got.len(), printed.len());
}
