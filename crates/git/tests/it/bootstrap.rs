use std::path::PathBuf;

use coord_git::bootstrap::{Lfs, Step};
use coord_git::program::Git;

use crate::fixture::{World, env, run, sh};

#[test]
fn ignored_files_that_are_named_are_copied_and_nothing_else_is() {
    let world = World::new();
    sh(
        &world.clone,
        "printf '.env*\\nsecrets/\\nlinked\\nout\\nclash\\n' > .gitignore && ln -s /tmp out-link \
         && printf '.env*\\nsecrets/\\nlinked\\nnot-ignored\\nREADME\\nclash\\n' > .worktreeinclude \
         && git add .gitignore .worktreeinclude && echo tracked > clash && git add -f clash \
         && git commit -qm ignore && git push -q origin main && git rm -q --cached clash && git commit -qm local",
    );
    sh(
        &world.clone,
        "echo KEY > .env.local && chmod 600 .env.local && mkdir -p secrets/deep && echo s > 'secrets/deep/a b' \
         && ln -s /etc/passwd linked && echo n > not-ignored && echo built > out && echo dev >> README && echo mine > clash",
    );
    let store = world.store();
    store.fetch().unwrap();
    let worktree = world.worktree(&store, "a", run(1));
    let mut done = store.bootstrap(&worktree, Some(&world.clone)).unwrap();
    done.copied.sort();
    assert_eq!(done.copied, [".env.local", "linked", "secrets/deep/a b"].map(PathBuf::from));
    assert!((!done.submodules) && done.lfs == Lfs::NotUsed);
    let said = sh(
        worktree.path(),
        "stat -c %a .env.local; readlink linked; cat README clash 'secrets/deep/a b'; git status --porcelain",
    );
    assert_eq!(said, "600\n/etc/passwd\none\ntracked\ns");
}

#[test]
fn a_tracked_symlink_does_not_lead_a_copy_out_of_the_worktree() {
    let world = World::new();
    sh(&world.root, "mkdir elsewhere");
    sh(
        &world.clone,
        "ln -s ../../elsewhere conf && git add conf && git commit -qm link && git push -q origin main",
    );
    sh(
        &world.clone,
        "git rm -q conf && mkdir conf && echo x > conf/.env && echo .env > .gitignore && echo .env > .worktreeinclude && echo .env > .git/info/exclude",
    );
    let store = world.store();
    store.fetch().unwrap();
    let worktree = world.worktree(&store, "a", run(1));
    sh(worktree.path(), "echo .env >> $(git rev-parse --git-path info/exclude)");
    assert!(store.bootstrap(&worktree, Some(&world.clone)).unwrap().copied.is_empty());
    assert!(!world.root.join("elsewhere/.env").exists());
}

#[test]
fn submodules_are_checked_out_and_a_failure_names_the_step() {
    let world = World::new();
    sh(
        &world.root,
        "git init -q -b main lib && cd lib && echo lib > lib.c && git add . && git commit -qm lib",
    );
    let lib = world.root.join("lib");
    sh(
        &world.clone,
        &format!(
            "git -c protocol.file.allow=always submodule --quiet add {lib} sub && git commit -qm sub && git push -q origin main"
        ),
    );
    let store = world.store();
    store.fetch().unwrap();
    let worktree = world.worktree(&store, "a", run(1));
    // Git itself forbids submodules from the file system unless the user allows them.
    assert_eq!(store.bootstrap(&worktree, None).unwrap_err().step, Step::Submodules);
    let config = world.root.join("gitconfig");
    fs_err::write(&config, "[protocol \"file\"]\nallow = always\n").unwrap();
    let own = ("GIT_CONFIG_GLOBAL".into(), config.into_std_path_buf().into_os_string());
    let store = world.store_with(&Git::new(env().into_iter().chain([own])));
    assert!(store.bootstrap(&worktree, None).unwrap().submodules);
    assert_eq!(sh(worktree.path(), "cat sub/lib.c; git status --porcelain"), "lib");
}

#[test]
fn large_files_without_git_lfs_are_an_outcome() {
    let world = World::new();
    sh(
        &world.clone,
        "echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes && git add . && git commit -qm lfs && git push -q origin main",
    );
    let store = world.store();
    store.fetch().unwrap();
    let worktree = world.worktree(&store, "a", run(1));
    let installed = sh(&world.root, "git lfs version >/dev/null 2>&1 && echo yes || echo no") == "yes";
    let expected = if installed { Lfs::Fetched } else { Lfs::NotInstalled };
    assert_eq!(store.bootstrap(&worktree, None).unwrap().lfs, expected);
}
