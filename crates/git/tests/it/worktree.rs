use std::thread;

use coord_git::worktree::{Added, WorktreeError};

use crate::fixture::{World, head, run, sh, then};

#[test]
fn a_worktree_is_on_its_runs_branch_clean_and_cannot_push() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    let path = worktree.path();
    assert_eq!(sh(path, "git symbolic-ref HEAD"), format!("refs/heads/coord/run/{}", run(1)));
    assert_eq!(sh(path, "git status --porcelain; git fsck 2>&1 | grep -v ^notice || cat README"), "one");
    assert_eq!(store.head(&worktree).unwrap(), Some(head(&world.clone)));
    let said = sh(path, "git push origin HEAD 2>&1 || true");
    assert!(said.contains("workers-commit-coord-publishes") || said.contains("no-push"), "{said}");
    assert_eq!(sh(path, "git config pull.rebase; git config --get-all credential.helper"), "true");
    sh(path, "git fetch -q origin && git worktree list && git worktree prune && git status");
    sh(
        path,
        "unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL; git commit -q --allow-empty -m x",
    );
}

#[test]
fn the_users_identity_reaches_workers_that_see_less_of_the_environment() {
    let world = World::new();
    let config = world.root.join("gitconfig");
    fs_err::write(&config, "[user]\nname = Bea\nemail = bea@example.com\n").unwrap();
    let known = crate::fixture::env()
        .into_iter()
        .chain([("GIT_CONFIG_GLOBAL".into(), config.into_std_path_buf().into_os_string())]);
    let store = world.store_with(&coord_git::program::Git::new(known));
    let worktree = world.worktree(&store, "a", run(1));
    assert_eq!(sh(worktree.path(), "git config user.name; git config user.email"), "Bea\nbea@example.com");
}

#[test]
fn thirty_two_worktrees_at_once() {
    let world = World::new();
    let store = world.store();
    thread::scope(|scope| {
        for n in 0..32 {
            let (world, store) = (&world, &store);
            scope.spawn(move || {
                store.fetch().unwrap();
                let worktree = world.worktree(store, &format!("w{n}"), run(n));
                assert!(store.changed_files(&worktree, 9).unwrap().is_empty());
            });
        }
    });
    assert_eq!(sh(store.path(), "git worktree list").lines().count(), 33);
}

#[test]
fn a_path_is_reused_when_nothing_is_lost_and_handed_back_when_something_would_be() {
    let world = World::new();
    let store = world.store();
    let first = world.worktree(&store, "a", run(1));
    sh(
        first.path(),
        "echo build > .git-ignored; printf '.git-ignored\\n' >> $(git rev-parse --git-path info/exclude)",
    );
    let main = head(&world.clone);
    let second = world.worktree(&store, "a", run(2));
    assert_eq!(second.run(), run(2));
    assert_eq!(sh(second.path(), "git branch --format='%(refname:short)'"), format!("coord/run/{}", run(2)));
    assert!(second.path().join(".git-ignored").exists());

    sh(second.path(), "echo dirt > dirt && git checkout -q --detach");
    let Added::Leftover(left, work) = store.add_worktree(second.path(), run(3), &main).unwrap() else {
        panic!()
    };
    assert_eq!((left.run(), work.files), (run(2), vec!["dirt".to_owned()]));
    assert!(left.path().join("dirt").exists());
    store.rescue(&left, then()).unwrap().unwrap();
    let third = world.worktree(&store, "a", run(3));
    assert_eq!(sh(third.path(), "git status --porcelain; ls"), "README");

    sh(third.path(), "git commit -q --allow-empty -m work");
    let Added::Leftover(left, work) = store.add_worktree(third.path(), run(4), &main).unwrap() else {
        panic!()
    };
    assert_eq!(work.unpushed, Some(head(left.path())));
    let unpushed = head(left.path());
    assert_eq!(store.rescue(&left, then()).unwrap(), None);
    world.worktree(&store, "a", run(4));
    assert_eq!(store.read_ref(&format!("refs/coord/keep/{}", run(3))).unwrap(), Some(unpushed));
}

#[test]
fn a_path_that_vanished_is_forgotten_and_its_commits_are_kept() {
    let world = World::new();
    let store = world.store();
    let first = world.worktree(&store, "a", run(1));
    sh(first.path(), "git checkout -q --detach && git commit -q --allow-empty -m work");
    let work = head(first.path());
    fs_err::remove_dir_all(first.path()).unwrap();
    world.worktree(&store, "a", run(2));
    assert_eq!(sh(store.path(), "git worktree list").lines().count(), 2);
    assert_eq!(store.read_ref(&format!("refs/coord/keep/{}", run(1))).unwrap(), Some(work));
}

#[test]
fn a_checkout_that_was_cut_off_is_done_again() {
    let world = World::new();
    let store = world.store();
    let first = world.worktree(&store, "a", run(1));
    let admin = sh(first.path(), "git rev-parse --git-dir");
    sh(first.path(), &format!("rm README {admin}/index && echo half > half && touch {admin}/index.lock"));
    let again = world.worktree(&store, "a", run(1));
    assert_eq!(sh(again.path(), "ls; git status --porcelain"), "README");
}

#[test]
fn a_worktree_that_lost_its_link_is_found_again_with_all_that_is_in_it() {
    let world = World::new();
    let store = world.store();
    let lost = world.worktree(&store, "a", run(1));
    sh(lost.path(), "echo two > README && git commit -qam two && echo new > new && rm .git");
    let found = store.worktree(lost.path()).unwrap();
    assert_eq!((found.run(), store.head(&found).unwrap()), (run(1), Some(head(lost.path()))));
    assert_eq!(sh(lost.path(), "git show HEAD:README"), "two");
    assert_eq!(store.changed_files(&found, 9).unwrap(), ["new"]);
}

#[test]
fn a_path_that_is_not_ours_is_refused() {
    let world = World::new();
    let store = world.store();
    let main = head(&world.clone);
    let foreign = world.root.join("foreign");
    sh(&world.clone, &format!("git worktree add -q {foreign}"));
    sh(&world.root, "mkdir full && echo x > full/x");
    for path in [&world.clone, &foreign, &world.root.join("full")] {
        let refused = store.add_worktree(path, run(1), &main);
        assert!(matches!(refused, Err(WorktreeError::NotOurs { .. })), "{path}: {refused:?}");
    }
}
