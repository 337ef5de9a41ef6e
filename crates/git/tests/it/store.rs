use std::thread;

use coord_git::clone::{clone_state, default_branch_of, is_empty, is_repo, origin_of};
use coord_git::program::Git;
use coord_git::refs::Moved;
use coord_git::store::Store;

use crate::fixture::{World, contents, head, run, sh, then};

#[test]
fn the_clone_stays_as_it_was_and_what_only_it_has_does_not_leak() {
    let world = World::new();
    sh(&world.clone, "echo mine > local && git add . && git commit -qm unpushed && echo more >> README");
    sh(&world.clone, "printf '.env\\n' > .gitignore && echo .env > .worktreeinclude && echo KEY > .env");
    let unpushed = head(&world.clone);
    let before = contents(&world.clone);

    let store = world.store();
    store.fetch().unwrap();
    assert!(!store.contains(&unpushed).unwrap());
    assert!(!store.path().join("objects/info/alternates").exists());
    let worktree = world.worktree(&store, "a", run(1));
    assert!(!worktree.path().join("local").exists());
    store.bootstrap(&worktree, Some(&world.clone)).unwrap();
    sh(worktree.path(), "echo dirt > dirt && git stash -q -u && echo dirt > dirt");
    store.rescue(&worktree, then()).unwrap().unwrap();
    assert!(clone_state(&world.git, &world.clone).unwrap().dirty);
    assert_eq!(origin_of(&world.clone).unwrap().unwrap(), world.origin.as_str());

    assert_eq!(contents(&world.clone), before);
}

#[test]
fn a_prune_leaves_rescued_work_alone_and_takes_what_is_gone_on_origin() {
    let world = World::new();
    world.branch("gone", "main", &[("x", "x")]);
    let store = world.store();
    store.fetch().unwrap();
    let worktree = world.worktree(&store, "a", run(1));
    sh(worktree.path(), "echo dirt > dirt");
    let rescue = store.rescue(&worktree, then()).unwrap().unwrap();
    sh(&world.clone, "git push -q origin :gone");

    store.fetch().unwrap();
    assert_eq!(store.tip(&"gone".parse().unwrap()).unwrap(), None);
    assert_eq!(store.read_ref(&rescue.reference).unwrap(), Some(rescue.commit));
}

#[test]
fn many_openings_at_once_make_one_store_and_a_new_origin_is_taken_up() {
    let world = World::new();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| world.store().fetch().unwrap());
        }
    });
    let store = world.store();
    let in_repos: Vec<_> = world.home.join("repos").read_dir_utf8().unwrap().collect();
    assert_eq!(in_repos.len(), 2, "{in_repos:?}");
    assert_eq!(
        sh(store.path(), "git rev-parse --is-bare-repository; git for-each-ref refs/heads refs/tags"),
        "true"
    );

    sh(&world.root, "mv origin.git moved.git");
    assert!(store.fetch().is_err());
    let moved = world.root.join("moved.git");
    let repo = "api".parse().unwrap();
    Store::open(&world.git, &world.home, &repo, moved.as_str(), None).unwrap().fetch().unwrap();
}

#[test]
fn references_move_by_compare_and_swap() {
    let world = World::new();
    let store = world.store();
    let one = head(&world.clone);
    let two = world.branch("b", "main", &[("x", "x")]);
    store.fetch().unwrap();
    let name = "refs/coord/test";
    assert_eq!(store.write_ref(name, None, &one, "made").unwrap(), Moved::Done);
    assert_eq!(store.write_ref(name, None, &two, "made").unwrap(), Moved::Lost { now: Some(one.clone()) });
    assert_eq!(
        store.write_ref(name, Some(&two), &one, "no").unwrap(),
        Moved::Lost { now: Some(one.clone()) }
    );
    assert_eq!(store.write_ref(name, Some(&one), &two, "moved").unwrap(), Moved::Done);
    assert_eq!(store.delete_ref(name, &one).unwrap(), Moved::Lost { now: Some(two.clone()) });
    assert_eq!(store.delete_ref(name, &two).unwrap(), Moved::Done);
    assert_eq!(store.read_ref(name).unwrap(), None);
}

#[test]
fn clones_of_every_kind_are_recognised() {
    let world = World::new();
    sh(&world.root, "git init -q -b trunk empty && mkdir -p stub/.git");
    assert!(is_repo(&world.clone) && !is_repo(&world.root.join("stub")) && !is_repo(&world.root));
    assert!(is_empty(&world.root.join("empty")).unwrap() && !is_empty(&world.clone).unwrap());
    assert_eq!(default_branch_of(&world.root.join("empty")).unwrap().unwrap().as_str(), "trunk");
    assert_eq!(default_branch_of(&world.clone).unwrap().unwrap().as_str(), "main");
    assert_eq!(origin_of(&world.root.join("empty")).unwrap(), None);
    sh(&world.clone, "git config remote.origin.url ../origin.git");
    assert_eq!(origin_of(&world.clone).unwrap().unwrap(), world.origin.as_str());
    let state = clone_state(&world.git, &world.clone).unwrap();
    assert_eq!(
        (state.head, state.branch.as_deref(), state.dirty),
        (Some(head(&world.clone)), Some("main"), false)
    );
}

#[test]
fn the_installed_git_is_new_enough_and_a_variable_cannot_lead_it_astray() {
    let world = World::new();
    let lead =
        [("GIT_DIR".into(), "/nonexistent".into()), ("GIT_INDEX_FILE".into(), "/nonexistent/i".into())];
    let git = Git::new(crate::fixture::env().into_iter().chain(lead));
    git.version().unwrap();
    assert!(!clone_state(&git, &world.clone).unwrap().dirty);
}

#[test]
fn an_origin_without_a_commit_has_a_store_too() {
    let world = World::new();
    sh(&world.root, "git init -q --bare void.git");
    let (repo, void) = ("void".parse().unwrap(), world.root.join("void.git"));
    let store = Store::open(&world.git, &world.home, &repo, void.as_str(), None).unwrap();
    store.fetch().unwrap();
    assert_eq!(store.tip(&"main".parse().unwrap()).unwrap(), None);
    assert_eq!(store.remote_ref("refs/heads/main").unwrap(), None);
}
