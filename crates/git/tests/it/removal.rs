use coord_git::remote::Expect;
use coord_git::removal::{Removal, RemovalError};

use crate::fixture::{World, head, run, sh, then};

#[test]
fn what_is_not_a_worktree_of_ours_under_the_root_is_never_removed() {
    let world = World::new();
    let store = world.store();
    let root = world.trees();
    let inside = world.worktree(&store, "a", run(1));
    let outside = world.worktree(&store, "../outside", run(2));
    sh(&root, &format!("ln -s {} link && cp -r {} main && mkdir plain", outside.path(), world.clone));
    sh(&world.clone, &format!("git worktree add -q {}", root.join("foreign")));

    for path in [
        root.clone(),
        outside.path().to_owned(),
        root.join("link"),
        root.join("a/../../outside"),
        root.join("../gone"),
    ] {
        let refused = store.remove_worktree(&root, &path);
        assert!(matches!(refused, Err(RemovalError::OutsideRoot { .. })), "{path}: {refused:?}");
    }
    let main = store.remove_worktree(&root, &root.join("main"));
    assert!(matches!(main, Err(RemovalError::MainWorktree { .. })), "{main:?}");
    for name in ["foreign", "plain"] {
        let refused = store.remove_worktree(&root, &root.join(name));
        assert!(matches!(refused, Err(RemovalError::Unfit { .. })), "{name}: {refused:?}");
    }
    for kept in [inside.path(), outside.path(), &root.join("main"), &root.join("foreign")] {
        assert!(kept.join("README").exists(), "{kept}");
    }
}

#[test]
fn dirty_unpushed_or_stashed_work_stays_until_it_is_rescued() {
    let world = World::new();
    let store = world.store();
    for (n, work) in ["echo x > x", "git commit -q --allow-empty -m x", "echo x >> README && git stash -q"]
        .into_iter()
        .enumerate()
    {
        let worktree = world.worktree(&store, "a", run(n as u64));
        sh(worktree.path(), work);
        let kept = store.remove_worktree(&world.trees(), worktree.path()).unwrap();
        assert!(matches!(kept, Removal::HasWork(_)), "{work}: {kept:?}");
        assert!(worktree.path().join("README").exists());
        store.rescue(&worktree, then()).unwrap();
        assert_eq!(
            store.remove_worktree(&world.trees(), worktree.path()).unwrap(),
            Removal::Removed,
            "{work}"
        );
        assert!(!worktree.path().exists());
        assert_eq!(sh(store.path(), "git worktree list").lines().count(), 1);
    }
    assert_eq!(sh(store.path(), "git for-each-ref refs/heads"), "");
}

#[test]
fn work_done_after_a_rescue_is_seen() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    sh(worktree.path(), "echo x > x");
    let first = store.rescue(&worktree, then()).unwrap().unwrap();
    sh(worktree.path(), "echo y > x");
    assert!(matches!(store.remove_worktree(&world.trees(), worktree.path()).unwrap(), Removal::HasWork(_)));
    let second = store.rescue(&worktree, then()).unwrap().unwrap();
    assert!(store.is_ancestor(&first.commit, &second.commit).unwrap());
}

#[test]
fn a_published_worktree_goes_with_its_branch_and_read_only_directories() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    sh(
        worktree.path(),
        "echo cache > .gitignore && git add . && git commit -qm x && mkdir cache && echo x > cache/x && chmod 500 cache",
    );
    let commit = head(worktree.path());
    assert_eq!(
        store.push(&commit, "refs/heads/change", Expect::Absent).unwrap(),
        coord_git::remote::Push::Done
    );
    store.fetch().unwrap();
    assert_eq!(store.remove_worktree(&world.trees(), worktree.path()).unwrap(), Removal::Removed);
    assert_eq!(store.remove_worktree(&world.trees(), worktree.path()).unwrap(), Removal::Removed);
    assert_eq!(sh(store.path(), "git for-each-ref refs/heads"), "");
}

#[test]
fn a_removal_that_was_cut_off_is_completed() {
    let world = World::new();
    let store = world.store();
    // As it is after the worktree was moved aside, with what else was done by then; half of its files are gone.
    for done in ["", "git update-ref -d refs/heads/coord/run/$RUN", "rm -rf worktrees/*"] {
        let worktree = world.worktree(&store, "a", run(1));
        let aside = worktree.path().with_file_name(".a.going");
        sh(&world.trees(), "mv a .a.going && rm .a.going/.git");
        sh(store.path(), &done.replace("$RUN", &run(1).to_string()));
        assert_eq!(
            store.remove_worktree(&world.trees(), worktree.path()).unwrap(),
            Removal::Removed,
            "{done}"
        );
        assert!(!aside.exists(), "{done}");
        assert_eq!(sh(store.path(), "git worktree list").lines().count(), 1, "{done}");
        sh(store.path(), "git for-each-ref --format='delete %(refname)' refs/heads | git update-ref --stdin");
    }
    let worktree = world.worktree(&store, "a", run(1));
    sh(&world.trees(), "mkdir .a.going && touch .a.going/left");
    assert_eq!(store.remove_worktree(&world.trees(), worktree.path()).unwrap(), Removal::Removed);
    assert_eq!(sh(&world.trees(), "ls -A"), "");
    assert_eq!(sh(store.path(), "git for-each-ref refs/heads"), "");
}
