//! The moment in which a change lands on origin: whatever dies or comes between, it lands once and over nobody.

use std::os::unix::fs::PermissionsExt as _;

use coord_testkit::poll;
use coord_testkit::world::Running;

use crate::change::{change, main_of, merge, origin, store, tasks, test, tested, why};
use crate::fleet::{Fleet, text};

/// How often a task was recorded as merged.
fn mergings(fleet: &Fleet, number: u64) -> usize {
    let why = why(fleet, number);
    let events = why["events"].as_array().unwrap();
    events.iter().filter(|it| text(&it["what"]).starts_with("merged by")).count()
}

/// Has origin run a script at a hook of its own. The script holds pushes until files of the world exist.
fn hook(fleet: &Fleet, name: &str, script: &str) {
    let path = fleet.api.origin.join("hooks").join(name);
    let script = format!(
        "#!/bin/sh\ncd {}\ngrep -q ' refs/heads/main$' || exit 0\n\
         await() {{ while [ ! -e \"$1\" ]; do sleep 0.01; done; }}\n{script}\n",
        fleet.dir()
    );
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, script).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn wait_for_file(fleet: &Fleet, name: &str) {
    poll::wait_for(name, poll::PATIENCE, || {
        fleet.dir().join(name).exists().then_some(()).ok_or_else(|| "it is not there".to_owned())
    });
}

#[test]
fn a_base_that_moves_while_it_is_pushed_to_is_not_overwritten() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    // The first push to the default branch waits until somebody else's has arrived.
    hook(&fleet, "pre-receive", "mkdir first 2>/dev/null || exit 0; await go");
    let merging = fleet.spawn(["--json", "merge"]);
    wait_for_file(&fleet, "first");
    fleet.api.push_as("Ann", "main", "meanwhile", &[("notes.txt", "hm\n")]);
    fleet.write("go", "");
    let done = merging.wait().success().json();
    assert_eq!(tasks(&done["data"]["merged"]), [number]);
    assert_eq!(tested(&fleet, number).len(), 2);
    assert_eq!(fleet.api.log("main"), ["Add sea", "meanwhile", "the project"]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn a_merge_that_dies_between_origin_and_board_is_recorded_by_the_next_and_not_repeated() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let (first, second) = (change(&fleet, "sea", "tide"), change(&fleet, "wood", "oak"));
    hook(&fleet, "post-receive", "mkdir landed 2>/dev/null || exit 0; await go");
    let merging = fleet.spawn(["merge", "--method", "squash", &first.to_string()]);
    wait_for_file(&fleet, "landed");
    merging.kill();
    drop(merging);
    fleet.write("go", "");
    let landed = main_of(&fleet);
    let shown = fleet.coord(["--json", "task", "show", &first.to_string()]).success().json();
    assert_eq!(shown["data"]["task"]["state"], "open", "the board could not know");

    fleet.coord(["status"]).success();
    let done = merge(&fleet, &["--method", "squash"], 0);
    assert_eq!(tasks(&done["merged"]), [second]);
    let shown = fleet.coord(["--json", "task", "show", &first.to_string()]).success().json();
    assert_eq!(shown["data"]["task"]["commit"], landed);
    assert_eq!(mergings(&fleet, first), 1);
    let log = fleet.api.log("main");
    assert_eq!(log.iter().filter(|it| it.starts_with("Add sea")).count(), 1, "{log:?}");
    assert_eq!(log.len(), 3, "{log:?}");
    assert!(store(&fleet, &["for-each-ref", "refs/coord/landing"]).is_empty());
    assert!(tasks(&merge(&fleet, &[], 0)["merged"]).is_empty());
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

/// The push of a merge that was killed arrives while another merge of the same change pushes.
#[test]
fn a_push_that_outlives_its_merge_is_not_followed_by_another() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    let base = main_of(&fleet);
    let (first, second) = two_pushes_at_once(&fleet);
    first.kill();
    drop(first);
    fleet.write("go-first", "");
    let landed = poll::wait_for("the orphan's push", poll::PATIENCE, || {
        let main = main_of(&fleet);
        if main == base { Err("it has not arrived".to_owned()) } else { Ok(main) }
    });
    fleet.write("go-second", "");
    let done = second.wait().success().json();
    assert_eq!(done["data"]["merged"][0]["commit"], landed);
    assert_eq!((main_of(&fleet), mergings(&fleet, number)), (landed, 1));
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn two_merges_at_once_land_a_change_once() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    let base = main_of(&fleet);
    let (first, second) = two_pushes_at_once(&fleet);
    fleet.write("go-second", "");
    fleet.write("go-first", "");
    for merging in [first, second] {
        let done = merging.wait().success().json();
        assert_eq!(tasks(&done["data"]["merged"]), [number]);
        assert_eq!(done["data"]["merged"][0]["commit"], main_of(&fleet));
    }
    assert_eq!(mergings(&fleet, number), 1);
    let landed = origin(&fleet, &["rev-list", "--first-parent", &format!("{base}..main")]);
    assert_eq!(landed, main_of(&fleet), "one commit on top of the base");
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

/// Two merges whose pushes origin holds: each goes on when `go-first` or `go-second` is there.
fn two_pushes_at_once(fleet: &Fleet) -> (Running, Running) {
    hook(
        fleet,
        "pre-receive",
        "who=first; mkdir first 2>/dev/null || { who=second; mkdir -p second; }; await go-$who",
    );
    let first = fleet.spawn(["--json", "merge", "--method", "merge"]);
    wait_for_file(fleet, "first");
    // Another method, for another commit: within one second the same one would be made.
    let second = fleet.spawn(["--json", "merge", "--method", "squash"]);
    wait_for_file(fleet, "second");
    (first, second)
}

#[test]
fn what_origin_refuses_is_left_alone_with_what_origin_says() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    let main = main_of(&fleet);
    hook(&fleet, "pre-receive", "[ -e open ] || { echo 'main is frozen' >&2; exit 1; }");
    let parked = merge(&fleet, &[], 5)["parked"].clone();
    assert!(text(&parked[0]["reason"]).contains("main is frozen"), "{parked}");
    assert_eq!(main_of(&fleet), main);
    fleet.write("open", "");
    assert_eq!(tasks(&merge(&fleet, &[], 0)["merged"]), [number]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}

#[test]
fn an_origin_that_cannot_be_read_is_not_merged_into() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let before = fleet.api.fingerprint();
    let number = change(&fleet, "sea", "tide");
    test(&fleet, number);
    let away = fleet.dir().join("away");
    fs_err::rename(&fleet.api.origin, &away).unwrap();
    for arguments in [["--dry-run"].as_slice(), &[]] {
        let parked = merge(&fleet, arguments, 5)["parked"].clone();
        assert!(text(&parked[0]["reason"]).contains("origin could not be read"), "{parked}");
    }
    fs_err::rename(&away, &fleet.api.origin).unwrap();
    assert_eq!(tasks(&merge(&fleet, &[], 0)["merged"]), [number]);
    fleet.api.fingerprint().assert_same_as(&before);
    fleet.model.assert_drained();
}
