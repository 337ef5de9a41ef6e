//! The world, with a shell in the place of `coord`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use coord_testkit::world::World;
use serde_json::json;

fn shell() -> World {
    World::new("/bin/sh")
}

#[test]
fn a_process_sees_only_the_worlds_environment() {
    let mut world = shell();
    world.set("MARK", "here");
    let seen = world.coord(["-c", "env | sort | cut -d= -f1"]).success().stdout;
    let names: Vec<_> = seen.lines().filter(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name)).collect();
    let wanted = [
        "COORD_HOME",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "HOME",
        "LANG",
        "MARK",
        "PATH",
        "TMPDIR",
        "TZ",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn what_is_installed_is_found_first() {
    let world = shell();
    let program = world.write("elsewhere/git", "#!/bin/sh\necho mine\n");
    world.command("chmod").args(["+x", program.as_str()]).status().unwrap();
    world.install("git", &program);
    assert_eq!(world.coord(["-c", "git"]).success().stdout, "mine\n");
}

#[test]
fn a_finished_program_is_judged_by_its_code_and_its_one_document() {
    let world = shell();
    let finished = world.coord(["-c", "echo '{\"ok\":true}'; echo talk >&2; exit 5"]).exits(5);
    assert_eq!(finished.json(), json!({ "ok": true }));
    assert_eq!(finished.stderr, "talk\n");

    let failure = catch_unwind(|| finished.success()).unwrap_err();
    let message = failure.downcast::<String>().unwrap();
    assert!(message.contains("talk") && message.contains("exit status: 5"), "{message}");

    let two = world.coord(["-c", "echo '{}'; echo '{}'"]).success();
    assert!(catch_unwind(|| two.json()).is_err(), "two documents are not one");
}

#[test]
fn a_running_program_can_be_read_and_signalled() {
    let world = shell();
    let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do read x < fifo || :; done";
    world.command("mkfifo").arg("fifo").status().unwrap();
    let running = world.spawn(["-c", script]);
    running.wait_for_line("the greeting", |line| line == "ready");
    running.terminate();
    assert_eq!(running.wait().exits(3).stdout, "ready\nbye\n");

    let killed = world.spawn(["-c", "echo ready; exec sleep 600"]);
    killed.wait_for_line("the greeting", |line| line == "ready");
    killed.kill();
    assert_eq!(killed.wait().status.code(), None);
}

#[test]
fn a_process_in_a_session_of_its_own_is_found_and_dies_with_the_world() {
    let world = shell();
    let script = "setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $!";
    let pid: i32 = world.coord(["-c", script]).success().stdout.trim().parse().unwrap();
    let found = coord_testkit::poll::wait_for("the sleeper", coord_testkit::poll::PATIENCE, || {
        let found = world.processes();
        if found.iter().any(|it| it.command == "sleep 600") { Ok(found) } else { Err(format!("{found:?}")) }
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].pid >= pid);

    let dir = world.dir().to_owned();
    let sleeper = found[0].pid;
    drop(world);
    assert!(!dir.exists());
    let command = fs_err::read(Path::new("/proc").join(sleeper.to_string()).join("cmdline"));
    assert!(command.map_or(true, |bytes| bytes.is_empty()), "the sleeper is dead");
}

#[test]
fn a_program_that_leaves_its_output_to_another_is_a_failure() {
    let world = shell();
    let leak = AssertUnwindSafe(|| world.coord(["-c", "sleep 600 & exit 0"]));
    let message = catch_unwind(leak).unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("holds its output open"), "{message}");
}

#[test]
fn a_repository_has_an_origin_a_clone_and_tests_that_fail() {
    let world = shell();
    let repo = world.repo_on("api", "develop");
    assert_eq!(repo.log("develop"), ["the project"]);
    assert_eq!(repo.git(&repo.clone, ["rev-parse", "--abbrev-ref", "origin/HEAD"]), "origin/develop");
    let test = repo.clone.join("test.sh");
    assert!(world.command(test.as_str()).status().unwrap().success());

    let first = repo.push_as("Maria", "one", "more fruit", &[("words/more.txt", "plum\n")]);
    repo.push_as("Chen", "two", "trees", &[("words/trees.txt", "plum\n")]);
    assert_eq!(repo.head("one").unwrap(), first);
    assert_eq!(repo.file("one", "words/more.txt").unwrap(), "plum\n");
    assert_eq!(repo.file("one", "words/trees.txt"), None);
    repo.git(&repo.clone, ["pull", "--quiet", "origin", "one"]);
    assert!(world.command(test.as_str()).status().unwrap().success());
    repo.git(&repo.clone, ["pull", "--quiet", "--no-rebase", "--no-edit", "origin", "two"]);
    assert!(!world.command(test.as_str()).status().unwrap().success(), "together they break a rule");
}

#[test]
fn a_fingerprint_notices_what_a_status_refreshes_and_what_a_ref_hides() {
    let world = shell();
    let repo = world.repo("api");
    let before = repo.fingerprint();
    repo.fingerprint().assert_same_as(&before);

    repo.git(&repo.clone, ["update-ref", "refs/hidden/one", "HEAD"]);
    let changed = repo.fingerprint();
    let failure = catch_unwind(|| changed.assert_same_as(&before)).unwrap_err();
    let message = failure.downcast::<String>().unwrap();
    assert!(message.contains("refs/hidden/one"), "{message}");

    fs_err::write(repo.clone.join("README.md"), "changed\n").unwrap();
    assert_ne!(repo.fingerprint(), changed);
}
