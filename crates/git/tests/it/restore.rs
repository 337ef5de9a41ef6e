use coord_core::name::CommitSha;
use coord_git::restore::{Advanced, PutBack};

use crate::fixture::{World, run, sh, then};

fn head(world: &World, path: &str) -> CommitSha {
    sh(&world.trees().join(path), "git rev-parse HEAD").parse().unwrap()
}

#[test]
fn what_was_rescued_is_back_to_the_byte_and_uncommitted() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    let left = "rm README && printf 'a\\0b' > new && mkdir d && echo '#!' > d/exe && chmod +x d/exe && ln -s new link";
    sh(worktree.path(), left);
    let rescue = store.rescue(&worktree, then()).unwrap().unwrap();
    let status = sh(worktree.path(), "git status --porcelain -uall | sort");

    // The same path again, cleared for the next run.
    let next = world.worktree(&store, "a", run(2));
    assert_eq!(sh(next.path(), "git status --porcelain"), "");
    assert_eq!(store.put_back(&next, &rescue.commit).unwrap(), PutBack::Done);
    assert_eq!(sh(next.path(), "git status --porcelain -uall | sort"), status);
    assert_eq!(fs_err::read(next.path().join("new")).unwrap(), b"a\0b");
    assert!(sh(next.path(), "ls -l d/exe").starts_with("-rwx"));
    assert!(next.path().join("link").is_symlink());
}

#[test]
fn what_was_committed_since_is_kept_and_a_conflict_touches_nothing() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    sh(worktree.path(), "echo mine >> README && echo new > new");
    let rescue = store.rescue(&worktree, then()).unwrap().unwrap();

    let next = world.worktree(&store, "a", run(2));
    sh(next.path(), "echo other > other && git add other && git commit -qm other");
    assert_eq!(store.put_back(&next, &rescue.commit).unwrap(), PutBack::Done);
    assert_eq!(sh(next.path(), "cat README new other"), "one\nmine\nnew\nother");
    sh(next.path(), "git checkout -q -- . && git clean -fdq");

    sh(next.path(), "echo theirs >> README && git commit -qam theirs");
    assert_eq!(store.put_back(&next, &rescue.commit).unwrap(), PutBack::Conflict(vec!["README".to_owned()]));
    assert_eq!(sh(next.path(), "git status --porcelain"), "");
    let unknown = "0123456789012345678901234567890123456789".parse().unwrap();
    assert_eq!(store.put_back(&next, &unknown).unwrap(), PutBack::Missing);
}

#[test]
fn commits_that_nobody_published_are_gone_on_from_and_no_others_are_left_behind() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    for name in ["one", "two"] {
        sh(worktree.path(), &format!("echo {name} > {name} && git add . && git commit -qm {name}"));
    }
    let left = head(&world, "a");
    assert!(store.rescue(&worktree, then()).unwrap().is_none());

    let next = world.worktree(&store, "a", run(2));
    assert_eq!(store.advance(&next, &left).unwrap(), Advanced::By(2));
    assert_eq!(head(&world, "a"), left);
    assert_eq!(sh(next.path(), "git status --porcelain && cat two"), "two");
    assert_eq!(store.advance(&next, &left).unwrap(), Advanced::Already);

    let elsewhere = world.worktree(&store, "b", run(3));
    sh(elsewhere.path(), "echo three > three && git add . && git commit -qm three");
    let stands = head(&world, "b");
    assert_eq!(store.advance(&elsewhere, &left).unwrap(), Advanced::Diverged);
    assert_eq!(head(&world, "b"), stands);
    let unknown = "0123456789012345678901234567890123456789".parse().unwrap();
    assert_eq!(store.advance(&elsewhere, &unknown).unwrap(), Advanced::Missing);
}
