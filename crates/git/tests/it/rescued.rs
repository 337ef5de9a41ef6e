use coord_core::secret::{Finding, Rule};
use coord_git::apply::{Applied, OnConflict, Parcel, apply};
use coord_git::refs::Moved;
use coord_git::rescued::Rescued;
use coord_git::store::Store;
use coord_git::worktree::Worktree;

use crate::fixture::{World, run, sh, then};

fn rescued(store: &Store, worktree: &Worktree) -> Rescued {
    let reference = format!("refs/coord/rescue/{}", worktree.run());
    store.rescued(worktree.run(), &reference).unwrap().unwrap()
}

#[test]
fn a_second_rescue_has_the_stashes_of_the_first_beneath_it() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    for text in ["one", "two"] {
        sh(
            worktree.path(),
            &format!("echo new-{text} > README && git stash -q -m {text} && echo {text} > {text}.txt"),
        );
        store.rescue(&worktree, then()).unwrap().unwrap();
    }
    let kept = rescued(&store, &worktree);
    assert_eq!((kept.files, kept.stashes.len(), kept.commits), (2, 2, 0));
    assert_eq!(kept.names, ["one.txt", "two.txt"]);
    assert!(kept.earlier.is_some() && !kept.published && !kept.pushed);

    let bundle = store.rescue_bundle(&kept).unwrap();
    let parcel =
        Parcel { bundle: &bundle, commit: &kept.commit, head: kept.head.as_ref(), stashes: &kept.stashes };
    let bring = || apply(&world.git, &world.clone, &parcel, OnConflict::LeaveAlone).unwrap();
    assert_eq!(bring(), Applied::Done { files: kept.names.clone(), stashes: 2 });
    sh(&world.clone, "git commit -qm both");
    // A second time there is nothing left to bring.
    assert_eq!(bring(), Applied::Done { files: Vec::new(), stashes: 0 });
    assert!(sh(&world.clone, "git stash list").lines().next().unwrap().ends_with("two"));
}

#[test]
fn what_is_staged_and_committed_is_brought_along() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    sh(
        worktree.path(),
        "echo a > a && git add a && git commit -qm a && echo s > s && git add s && echo t > s",
    );
    store.rescue(&worktree, then()).unwrap().unwrap();
    let kept = rescued(&store, &worktree);
    assert_eq!((kept.files, kept.commits), (1, 1));
    let patch = String::from_utf8(store.rescue_patch(&kept, None).unwrap().bytes).unwrap();
    assert!(patch.contains("+++ b/a") && patch.contains("+t") && !patch.contains("+s\n"), "{patch}");
}

#[test]
fn every_commit_that_a_push_would_bring_is_looked_through() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    let secret = ["AKIA", "Q3EGR7JZ2MNB45TP"].concat();
    sh(
        worktree.path(),
        &format!(
            "printf 'x\\n{secret}\\n' > keys && git add . && git commit -qm keys && git rm -q keys && git commit -qm gone && echo {secret} > {secret}.txt"
        ),
    );
    let rescue = store.rescue(&worktree, then()).unwrap().unwrap();
    let leaks = store.leaks(&rescue.commit, &[]).unwrap();
    let told: Vec<_> = leaks.iter().map(ToString::to_string).collect();
    let wanted = Finding { line: 2, rule: Rule::Aws };
    assert!(leaks.iter().any(|it| it.place == "keys" && it.finding == wanted), "{told:?}");
    assert!(leaks.iter().any(|it| it.place == "a file's name"), "{told:?}");
    assert!(!told.join(" ").contains(&secret[4..]), "{told:?}");
    // What origin has is nothing that a push would bring.
    let main = store.tip(&"main".parse().unwrap()).unwrap().unwrap();
    assert_eq!(store.leaks(&main, &[b"one"]).unwrap(), []);
}

#[test]
fn a_store_goes_only_when_it_holds_nothing() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    sh(worktree.path(), "echo left > left");
    let rescue = store.rescue(&worktree, then()).unwrap().unwrap();
    assert!(store.remove().unwrap().unwrap().contains("rescued work"));
    assert_eq!(store.forget_rescued(run(1), &rescue.reference, &rescue.commit).unwrap(), Moved::Done);
    assert!(store.remove().unwrap().is_some(), "a worktree belongs to it");
    sh(worktree.path(), "rm left");
    drop(store.remove_worktree(&world.trees(), worktree.path()).unwrap());
    assert_eq!(store.remove().unwrap(), None);
    assert!(!store.path().exists());
}
