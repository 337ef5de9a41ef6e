//! An origin that is away, says no or asks who is there: the run ends with a name for it, its work is safe on the
//! machine, and it is published as soon as that can be.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8PathBuf;
use coord_testkit::poll::{PATIENCE, wait_for};
use serde_json::Value;

use crate::fleet::{Fleet, text};
use crate::machine::wait_for_file;
use crate::refusals::{script, scripted};

const COMMIT: &str = "echo tide > sea.txt; git add -A; git commit -qm tide";

/// Has a script work until it is told to go on, does something to the world, and waits for its end.
fn meanwhile(fleet: &Fleet, lines: &str, happens: impl FnOnce()) -> Value {
    let (ready, go) = (fleet.dir().join("ready"), fleet.dir().join("go"));
    let lines = format!("touch {ready}; while [ ! -e {go} ]; do sleep 0.02; done; {lines}");
    let run = fleet.assign(script(fleet, &lines).parse().unwrap());
    wait_for_file(&ready);
    happens();
    fs_err::write(&go, "").unwrap();
    fleet.wait(&run)
}

/// Moves origin away; it comes back with [`come_back`].
fn go_away(fleet: &Fleet) -> Utf8PathBuf {
    let away = fleet.dir().join("away.git");
    fs_err::rename(&fleet.api.origin, &away).unwrap();
    away
}

fn come_back(fleet: &Fleet) {
    fs_err::rename(fleet.dir().join("away.git"), &fleet.api.origin).unwrap();
}

/// Waits until a change is published.
fn wait_until_published(fleet: &Fleet, branch: &str) {
    wait_for("the change to be published", PATIENCE, || {
        fleet.coord(["status"]).success();
        if fleet.api.head(branch).is_some() { Ok(()) } else { Err(format!("{:?}", fleet.api.refs())) }
    });
}

#[test]
fn an_origin_that_is_away_at_the_start_ends_the_run_before_any_worker() {
    let fleet = scripted();
    let number = script(&fleet, COMMIT);
    assert_eq!(fleet.work(number.parse().unwrap()), "done");
    go_away(&fleet);
    let end = fleet.wait(&fleet.assign(number.parse().unwrap()));
    assert_eq!(
        (&end["outcome"]["kind"], &end["outcome"]["step"]),
        (&"setup-failed".into(), &"fetch".into()),
        "{end}"
    );
    come_back(&fleet);
    assert_ne!(fleet.work(number.parse().unwrap()), "setup-failed");
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn commits_that_found_no_origin_are_published_once_it_is_back_even_by_another_server() {
    let fleet = scripted();
    let end = meanwhile(&fleet, COMMIT, || drop(go_away(&fleet)));
    assert_eq!(end["outcome"]["kind"], "push-failed", "{end}");
    let run = text(&end["id"]);
    fleet.wait_for_no_worktree();
    let says = |what: &str| {
        wait_for("it is said", PATIENCE, || {
            let said =
                fleet.coord([what, &run][..if what == "status" { 1 } else { 2 }].iter()).success().stdout;
            if said.contains("its commits are not on origin yet: tried") { Ok(()) } else { Err(said) }
        });
    };
    says("status");
    says("why");
    fleet.kill_server();
    come_back(&fleet);
    fleet.coord(["rescue", "list"]).success();
    let branch = text(&end["branch"]);
    wait_until_published(&fleet, &branch);
    assert_eq!(fleet.api.file(&branch, "sea.txt").as_deref(), Some("tide\n"));
    let why = fleet.coord(["why", &run]).success().stdout;
    assert!(why.contains("published") && !why.contains("not on origin yet"), "{why}");
    // How it ended stays as it was.
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "push-failed");
    assert_eq!(fleet.count(&run, "ended"), 1);
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn what_a_fix_could_not_push_is_published_as_well() {
    let fleet = scripted();
    let (ready, go) = (fleet.dir().join("ready"), fleet.dir().join("go"));
    let fixing = format!("touch {ready}; while [ ! -e {go} ]; do sleep 0.02; done; echo more >> sea.txt");
    let lines = format!(
        "if [ -e sea.txt ]; then {fixing}; else echo tide > sea.txt; fi; git add -A; git commit -qm tide"
    );
    let number = script(&fleet, &lines);
    assert_eq!(fleet.work(number.parse().unwrap()), "done");
    fleet.coord(["test", &number, "--fail", "--reason", "more"]).success();
    let fix = fleet.coord(["--json", "fix", &number]).success().json()["data"]["run"].clone();
    wait_for_file(&ready);
    go_away(&fleet);
    fs_err::write(&go, "").unwrap();
    let end = fleet.wait(&text(&fix["id"]));
    assert_eq!((&end["kind"], &end["outcome"]["kind"]), (&"fix".into(), &"push-failed".into()), "{end}");
    come_back(&fleet);
    wait_for("the change to be published", PATIENCE, || {
        fleet.coord(["status"]).success();
        let there = fleet.api.file(&text(&end["branch"]), "sea.txt");
        if there.as_deref() == Some("tide\nmore\n") { Ok(()) } else { Err(format!("{there:?}")) }
    });
}

#[test]
fn a_push_that_a_hook_refuses_is_told_in_its_words_and_made_good_when_it_does_not() {
    let fleet = scripted();
    let hook = fleet.api.origin.join("hooks/pre-receive");
    fs_err::create_dir_all(hook.parent().unwrap()).unwrap();
    fs_err::write(&hook, "#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n").unwrap();
    fs_err::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let end = meanwhile(&fleet, COMMIT, || {});
    assert_eq!(end["outcome"]["kind"], "push-failed", "{end}");
    assert!(text(&end["outcome"]["reason"]).contains("not on a Friday"), "{end}");
    let refs: Vec<_> = fleet.api.refs().into_keys().collect();
    assert_eq!(refs, ["refs/heads/main"]);
    fs_err::remove_file(&hook).unwrap();
    wait_until_published(&fleet, &text(&end["branch"]));
}

#[test]
fn nobody_is_ever_asked_for_a_password() {
    let mut fleet = scripted();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = [0; 4096];
            if connection.read(&mut request).is_ok() {
                let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"door\"\r\n\
                              Content-Length: 0\r\nConnection: close\r\n\r\n";
                drop(connection.write_all(answer.as_bytes()));
            }
        }
    });
    let asked = fleet.dir().join("asked");
    let ask = fleet.write("bin/ask", &format!("#!/bin/sh\necho \"$@\" >> {asked}\necho secret\n"));
    fs_err::set_permissions(&ask, std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["GIT_ASKPASS", "SSH_ASKPASS"] {
        fleet.set(name, ask.as_str());
    }
    fleet.set("DISPLAY", ":0");
    let config = fs_err::read_to_string(fleet.dir().join("gitconfig")).unwrap();
    fleet.write("gitconfig", &format!("{config}[core]\n\taskPass = {ask}\n"));
    let clone = fleet.api.clone.clone();
    fleet.api.git(&clone, ["remote", "set-url", "origin", &format!("http://127.0.0.1:{port}/api.git")]);
    let end = fleet.wait(&fleet.assign(script(&fleet, COMMIT).parse().unwrap()));
    assert_eq!(end["outcome"]["kind"], "setup-failed", "{end}");
    let reason = text(&end["outcome"]["reason"]);
    assert!(
        reason.contains("could not read Username") || reason.contains("Authentication failed"),
        "{reason}"
    );
    assert!(!asked.exists(), "{}", fs_err::read_to_string(&asked).unwrap());
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn a_clone_that_goes_away_takes_nothing_along() {
    let fleet = scripted();
    let clone = fleet.api.clone.clone();
    let told = format!("    origin: {}\n    test_command", fleet.api.url());
    fleet.reconfigure("    test_command", &told);
    let end = meanwhile(&fleet, COMMIT, || fs_err::remove_dir_all(&clone).unwrap());
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    assert_eq!(fleet.api.file(&text(&end["branch"]), "sea.txt").as_deref(), Some("tide\n"));
    // Where nothing else says where commits come from, it is said what is missing.
    fleet.reconfigure(&told, "    test_command");
    let refused = fleet.coord(["assign", "here", "api", &script(&fleet, COMMIT)]).exits(2);
    assert!(refused.stderr.contains(clone.as_str()), "{}", refused.stderr);
}

#[test]
fn a_lock_that_a_dead_git_left_behind_is_in_nobodys_way() {
    let fleet = scripted();
    let number = script(&fleet, "touch $(git rev-parse --git-dir)/index.lock; echo tide > sea.txt");
    let end = fleet.wait(&fleet.assign(number.parse().unwrap()));
    assert_eq!(end["outcome"]["kind"], "dirty", "{end}");
    assert_eq!(fleet.in_store(&text(&end["rescue"]), "sea.txt"), "tide");
    fleet.wait_for_no_worktree();
    let again = fleet.wait(&fleet.assign(number.parse().unwrap()));
    assert_eq!(again["outcome"]["kind"], "dirty", "{again}");
}
