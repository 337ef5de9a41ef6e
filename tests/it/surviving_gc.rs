//! Clearing up: what has had its time goes, what is needed stays, what is not ours is named.

use std::time::Duration;

use serde_json::Value;

use crate::fleet::{Fleet, text};
use crate::machine::kill;
use crate::refusals::{script, scripted};

/// Sets `retention`, anew each time.
fn retain(fleet: &Fleet, keys: &str) {
    let path = fleet.dir().join("coordinator.yml");
    let yaml = fs_err::read_to_string(path).unwrap();
    let before = yaml.split("retention:").next().unwrap().trim_end().to_owned();
    fleet.config(&format!("{before}\nretention: {{{keys}}}\n"));
}

/// What `gc` says of the only machine.
fn gc(fleet: &Fleet, more: &[&str]) -> Value {
    let said = fleet.coord(["gc", "--json"].iter().chain(more)).success().json();
    said["data"]["machines"][0].clone()
}

/// The names under a key, each with its kind or reason.
fn names(machine: &Value, key: &str) -> Vec<String> {
    machine[key].as_array().unwrap().iter().map(|it| text(&it["name"])).collect()
}

/// Assigns a task, waits for it and for its worktree to go; the run.
fn run(fleet: &Fleet, number: &str) -> String {
    let run = fleet.assign(number.parse().unwrap());
    fleet.wait(&run);
    fleet.wait_for_no_worktree();
    coord_testkit::poll::wait_for("the run to be collected", coord_testkit::poll::PATIENCE, || {
        if fleet.run_dir(&run).join("collected").exists() { Ok(()) } else { Err(run.clone()) }
    });
    run
}

fn has_log(fleet: &Fleet, run: &str) -> bool {
    fleet.run_dir(run).join("log.ndjson").exists()
}

#[test]
fn what_has_had_its_time_goes_and_what_is_not_ours_is_named_and_stays() {
    let fleet = scripted();
    let number = script(&fleet, "echo left > left.txt");
    let (old, new) = (run(&fleet, &number), run(&fleet, &number));
    let store = fleet.coord_home().join("repos/api.git");
    fleet.api.git(&store, ["update-ref", "refs/coord/theirs/a", "refs/remotes/origin/main"]);
    fleet.api.git(&store, ["update-ref", "refs/coord/rescue/aaaaaaaaaaaaaaaa", "refs/remotes/origin/main"]);
    let mine = fleet.coord_home().join("worktrees/api/mine/file");
    let notes = fleet.coord_home().join("runs/notes/file");
    for path in [&mine, &notes] {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, "mine").unwrap();
    }
    assert_eq!(names(&gc(&fleet, &[]), "gone"), Vec::<String>::new());

    retain(&fleet, "log_days: 0, rescue_days: 0");
    let would = gc(&fleet, &["--dry-run"]);
    let reference = format!("api refs/coord/rescue/{old}");
    assert_eq!(names(&would, "gone"), [old.clone(), reference.clone()], "{would:#}");
    assert!(has_log(&fleet, &old));
    let done = gc(&fleet, &[]);
    assert_eq!(names(&done, "gone"), [old.clone(), reference]);
    assert!(!has_log(&fleet, &old) && has_log(&fleet, &new));
    let stays = names(&done, "stays").join("\n");
    for foreign in
        ["worktrees/api/mine", "runs/notes", "refs/coord/theirs/a", "refs/coord/rescue/aaaaaaaaaaaaaaaa"]
    {
        assert!(stays.contains(foreign), "no {foreign} in\n{stays}");
    }
    assert!(mine.exists() && notes.exists());
    assert_eq!(fleet.store_refs("refs/coord/theirs").len(), 1);
    assert_eq!(fleet.store_refs("refs/coord/rescue").len(), 2);

    // The board knows how it ended, and whoever asks for the log is told.
    let refused = fleet.coord(["log", &old]).exits(4);
    assert!(
        refused.stderr.contains("was cleared away at") && refused.stderr.contains("coord why"),
        "{}",
        refused.stderr
    );
    assert!(fleet.coord(["why", &old]).success().stdout.contains("dirty"));
    fleet.coord(["log", &new]).success();
    assert_eq!(names(&gc(&fleet, &[]), "gone"), Vec::<String>::new());

    fleet.coord(["task", "close", &number]).success();
    assert!(names(&gc(&fleet, &[]), "gone").contains(&new));
    assert!(!has_log(&fleet, &new));
}

#[test]
fn references_on_origin_go_once_they_are_published_and_others_stay() {
    let fleet = scripted();
    let number = script(&fleet, "echo a > a; git add -A; git commit -qm a");
    let (old, new) = (run(&fleet, &number), run(&fleet, &number));
    let origin = fleet.api.origin.clone();
    let main = fleet.api.head("main").unwrap();
    let unpublished =
        fleet.api.git(&origin, ["commit-tree", "main^{tree}", "-p", "main", "-m", "not published"]);
    for (reference, at) in [
        (format!("refs/coord/runs/{old}"), &main),
        (format!("refs/coord/runs/{new}"), &main),
        (format!("refs/coord/rescue/{old}"), &unpublished),
        ("refs/coord/runs/aaaaaaaaaaaaaaaa".to_owned(), &main),
    ] {
        fleet.api.git(&origin, ["update-ref", &reference, at]);
    }
    retain(&fleet, "log_days: 0");
    let done = gc(&fleet, &[]);
    assert!(names(&done, "gone").contains(&format!("api refs/coord/runs/{old}")), "{done:#}");
    let refs = fleet.api.refs();
    let left: Vec<_> = refs.keys().filter(|it| it.starts_with("refs/coord/")).cloned().collect();
    let mut wanted = vec![
        format!("refs/coord/rescue/{old}"),
        "refs/coord/runs/aaaaaaaaaaaaaaaa".to_owned(),
        format!("refs/coord/runs/{new}"),
    ];
    wanted.sort();
    assert_eq!(left, wanted);
}

#[test]
fn the_store_of_a_repo_that_is_not_configured_any_more_goes_unless_it_holds_work() {
    let fleet = scripted();
    let web = fleet.repo("web");
    fleet.reconfigure("repos:\n", &format!("repos:\n  - {{name: web, origin: '{}'}}\n", web.url()));
    for lines in ["echo left > left.txt", "true"] {
        let body = format!("```sh\n{lines}\n```\n");
        let added = fleet.coord(["--json", "task", "add", "web", "Do it", "--body", &body]).success().json();
        let number = added["data"]["task"]["number"].to_string();
        fleet.coord(["assign", "here", "web", &number]).success();
        fleet.wait(&format!("web#{number}"));
        fleet.coord(["task", "close", &format!("web#{number}")]).success();
    }
    coord_testkit::poll::wait_for("the worktrees to go", coord_testkit::poll::PATIENCE, || {
        let left = fleet.coord_home().join("worktrees/web").read_dir_utf8().unwrap().count();
        if left == 0 { Ok(()) } else { Err(left.to_string()) }
    });
    let store = fleet.coord_home().join("repos/web.git");
    fleet.reconfigure(&format!("  - {{name: web, origin: '{}'}}\n", web.url()), "");
    retain(&fleet, "rescue_days: 0, log_days: 30");
    // What was left in it goes first; a store goes when it holds nothing.
    let first = gc(&fleet, &[]);
    assert!(names(&first, "stays").contains(&"web".to_owned()) && store.exists(), "{first:#}");
    let second = gc(&fleet, &[]);
    assert!(names(&second, "gone").contains(&"web".to_owned()), "{second:#}");
    assert!(!store.exists());
}

#[test]
fn a_server_that_is_killed_while_it_clears_up_is_gone_on_with_by_the_next() {
    let fleet = scripted();
    let number = script(&fleet, "echo left > left.txt");
    let runs: Vec<_> = (0..8).map(|_| run(&fleet, &number)).collect();
    retain(&fleet, "log_days: 0, rescue_days: 0");
    for killed_after in [0, 3, 6, 12, 25] {
        let clearing = fleet.spawn(["gc"]);
        // Wherever that is: nothing is waited for, since every moment is as good.
        let (_held, never) = std::sync::mpsc::channel::<()>();
        never.recv_timeout(Duration::from_millis(killed_after)).unwrap_err();
        kill(fleet.server_pid());
        drop(clearing.wait());
        fleet.coord(["rescue", "list"]).success();
    }
    gc(&fleet, &[]);
    let (newest, old) = runs.split_last().unwrap();
    assert!(has_log(&fleet, newest));
    for run in old {
        assert!(!has_log(&fleet, run), "{run}");
        for kept in ["spec.json", "exit.json", "gone.json"] {
            assert!(fleet.run_dir(run).join(kept).exists(), "{run}: {kept}");
        }
    }
    assert_eq!(fleet.store_refs("refs/coord/rescue"), [format!("refs/coord/rescue/{newest}")]);
    assert!(!fleet.coord_home().join("agent/gc.json").exists());
}
