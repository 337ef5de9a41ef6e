use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use coord_git::removal::Removal;
use coord_git::store::Store;
use coord_git::worktree::{Added, Worktree};

use crate::fixture::{World, contents, run, sh, then};

fn show(store: &Store, worktree: &Worktree, path: &str) -> String {
    sh(store.path(), &format!("git show refs/coord/rescue/{}:'{path}'", worktree.run()))
}

#[test]
fn odd_names_and_bytes_survive_and_the_worktree_is_only_read() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    let path = worktree.path().as_std_path();
    let names: [&[u8]; 6] = [b"line\nbreak", b"quote\"'", b"\xff\xfe", b" space ", b"-flag", b":(glob)*"];
    for name in names {
        fs_err::write(path.join(OsStr::from_bytes(name)), [b"\r\n\0", name].concat()).unwrap();
    }
    sh(
        worktree.path(),
        "rm README && ln -s /etc/passwd link && printf ignored > .gitignore && echo x > ignored && mkdir d && echo '#!' > d/exe && chmod +x d/exe",
    );
    let admin = sh(worktree.path(), "git rev-parse --git-dir");
    sh(worktree.path(), &format!("touch {admin}/index.lock"));
    let index = fs_err::read(format!("{admin}/index")).unwrap();

    let rescue = store.rescue(&worktree, then()).unwrap().unwrap();
    assert_eq!((rescue.files, rescue.stashes), (10, 0));
    assert_eq!(fs_err::read(format!("{admin}/index")).unwrap(), index);
    sh(worktree.path(), &format!("rm {admin}/index.lock"));
    let out = world.root.join("out");
    sh(store.path(), &format!("mkdir {out} && git archive {} | tar -x -C {out}", rescue.commit));
    for name in names {
        let bytes = fs_err::read(out.as_std_path().join(OsStr::from_bytes(name))).unwrap();
        assert_eq!(bytes, [b"\r\n\0", name].concat());
    }
    assert!(!out.join("README").exists() && !out.join("ignored").exists() && out.join("link").is_symlink());
    assert!(sh(&out, "ls -l d/exe").starts_with("-rwx"));
    assert!(
        sh(store.path(), &format!("git reflog show refs/coord/rescue/{}", run(1)))
            .contains("rescued from run")
    );
}

#[test]
fn files_that_git_was_told_not_to_look_at_are_looked_at() {
    let world = World::new();
    sh(&world.clone, "echo one > OTHER && git add . && git commit -qm other && git push -q origin main");
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    sh(
        worktree.path(),
        "git update-index --assume-unchanged README && git update-index --skip-worktree OTHER && \
         echo two > README && echo two > OTHER",
    );
    assert_eq!(sh(worktree.path(), "git status --porcelain"), "");
    assert_eq!(store.changed_files(&worktree, 9).unwrap(), ["OTHER", "README"]);
    assert!(matches!(store.remove_worktree(&world.trees(), worktree.path()), Ok(Removal::HasWork(_))));
    assert_eq!(store.rescue(&worktree, then()).unwrap().unwrap().files, 2);
    assert_eq!(
        (show(&store, &worktree, "README"), show(&store, &worktree, "OTHER")),
        ("two".into(), "two".into())
    );
    // The next run starts from what is committed.
    let next = world.worktree(&store, "a", run(2));
    assert_eq!(sh(next.path(), "cat README OTHER; git ls-files -v"), "one\none\nH OTHER\nH README");
}

#[test]
fn only_the_runs_own_stashes_are_taken() {
    let world = World::new();
    let store = world.store();
    let mine = world.worktree(&store, "a", run(1));
    let other = world.worktree(&store, "b", run(2));
    let stash = |worktree: &Worktree, text: &str| {
        sh(worktree.path(), &format!("echo {text} > README && git stash -q -m '{text}'"));
    };
    stash(&other, "other-1");
    stash(&mine, "mine-1");
    stash(&other, "other-2");
    sh(mine.path(), "git checkout -q -b side");
    stash(&mine, "mine-2");
    sh(mine.path(), "git checkout -q - && git commit -q --allow-empty -m own && git checkout -q --detach");
    stash(&mine, "mine-3");

    // A third run that builds on this one's commits is not this one.
    let on_mine = store.head(&mine).unwrap().unwrap();
    sh(mine.path(), "git checkout -q -B coord/run/$(git config coord.run) HEAD");
    let Added::Ready(third) = store.add_worktree(&world.trees().join("c"), run(3), &on_mine).unwrap() else {
        panic!("nothing was there");
    };
    stash(&third, "third");

    let rescue = store.rescue(&mine, then()).unwrap().unwrap();
    assert_eq!((rescue.files, rescue.stashes), (0, 3));
    let saved = sh(
        store.path(),
        &format!("for p in $(git rev-parse {0}^2 {0}^3 {0}^4); do git show $p:README; done", rescue.commit),
    );
    assert_eq!(saved, "mine-3\nmine-2\nmine-1");
    assert_eq!(sh(other.path(), "git stash list --format=%gs | cut -d: -f2"), "third\n other-2\n other-1");
    sh(third.path(), "git stash drop -q");
    sh(
        other.path(),
        "git stash pop -q && test $(cat README) = other-2 && git checkout -q README && git stash pop -q && test $(cat README) = other-1",
    );
    assert_eq!(sh(mine.path(), "git stash list"), "");
}

#[test]
fn the_last_stash_of_all_takes_the_reference_with_it() {
    let world = World::new();
    let store = world.store();
    let mine = world.worktree(&store, "a", run(1));
    sh(mine.path(), "echo x > README && git stash -q");
    assert_eq!(store.rescue(&mine, then()).unwrap().unwrap().stashes, 1);
    assert_eq!(store.read_ref("refs/stash").unwrap(), None);
    sh(
        mine.path(),
        "echo y > README && git stash -q && git stash list && git stash pop -q && test $(cat README) = y",
    );
}

#[test]
fn unfinished_merges_unborn_and_detached_heads_are_no_obstacle() {
    let world = World::new();
    world.branch("theirs", "main", &[("README", "theirs\n")]);
    let store = world.store();
    store.fetch().unwrap();
    let merging = world.worktree(&store, "merging", run(1));
    sh(
        merging.path(),
        "echo ours > README && git commit -qam ours && ! git merge -q origin/theirs >/dev/null",
    );
    store.rescue(&merging, then()).unwrap().unwrap();
    assert!(show(&store, &merging, "README").contains("<<<<<<<"));

    let rebasing = world.worktree(&store, "rebasing", run(2));
    sh(
        rebasing.path(),
        "echo ours > README && git commit -qam ours && ! git rebase -q origin/theirs >/dev/null 2>&1",
    );
    store.rescue(&rebasing, then()).unwrap().unwrap();
    assert!(show(&store, &rebasing, "README").contains("<<<<<<<"));

    let unborn = world.worktree(&store, "unborn", run(3));
    sh(unborn.path(), "git checkout -q --orphan new && echo new > new");
    let rescue = store.rescue(&unborn, then()).unwrap().unwrap();
    assert!(store.parents(&rescue.commit).unwrap().is_empty());
    assert_eq!(show(&store, &unborn, "new"), "new");

    let detached = world.worktree(&store, "detached", run(4));
    sh(detached.path(), "git checkout -q --detach && git commit -q --allow-empty -m x && echo new > new");
    let rescue = store.rescue(&detached, then()).unwrap().unwrap();
    assert_eq!(store.parents(&rescue.commit).unwrap(), [store.head(&detached).unwrap().unwrap()]);
    for worktree in [merging, rebasing, unborn, detached] {
        assert_eq!(store.remove_worktree(&world.trees(), worktree.path()).unwrap(), Removal::Removed);
    }
}

#[test]
fn what_was_staged_and_then_changed_is_kept_both_ways() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    sh(worktree.path(), "echo staged > README && git add README && echo later > README");
    let rescue = store.rescue(&worktree, then()).unwrap().unwrap();
    assert_eq!(show(&store, &worktree, "README"), "later");
    assert_eq!(sh(store.path(), &format!("git show {}^2:README", rescue.commit)), "staged");
}

#[test]
fn the_files_of_repositories_inside_the_worktree_are_kept() {
    let world = World::new();
    sh(
        &world.root,
        "git init -q -b main lib && cd lib && echo lib > lib.c && git add . && git commit -qm lib",
    );
    let add =
        format!("git -c protocol.file.allow=always submodule --quiet add {} sub", world.root.join("lib"));
    sh(&world.clone, &format!("{add} && git commit -qm sub && git push -q origin main"));
    let store = world.store();
    store.fetch().unwrap();
    let worktree = world.worktree(&store, "a", run(1));
    sh(
        worktree.path(),
        "git -c protocol.file.allow=always submodule --quiet update --init && echo changed > sub/lib.c && echo new > sub/new",
    );
    sh(
        worktree.path(),
        "git init -q inner && echo inner > inner/file && mkdir -p fresh && git init -q fresh/empty && echo x > fresh/empty/x && git -C inner add . && git -C inner commit -qm x",
    );
    let before = contents(worktree.path());
    store.rescue(&worktree, then()).unwrap().unwrap();
    assert_eq!(contents(worktree.path()), before);
    assert_eq!(show(&store, &worktree, "sub/lib.c"), "changed");
    assert_eq!(show(&store, &worktree, "sub/new"), "new");
    assert_eq!(show(&store, &worktree, "inner/file"), "inner");
    assert_eq!(show(&store, &worktree, "fresh/empty/x"), "x");
}

#[test]
fn a_clean_worktree_needs_no_rescue() {
    let world = World::new();
    let store = world.store();
    let worktree = world.worktree(&store, "a", run(1));
    assert_eq!(store.rescue(&worktree, then()).unwrap(), None);
    assert_eq!(sh(store.path(), "git for-each-ref refs/coord"), "");
}
