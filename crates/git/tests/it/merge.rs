use coord_git::merge::{MergeResult, Rebased};

use crate::fixture::{World, clean, coord, head, sh, then};

#[test]
fn merge_squash_and_rebase_end_at_one_tree_and_are_repeatable() {
    let world = World::new();
    let store = world.store();
    let change = world.branch("change", "main", &[("a", "a\n")]);
    sh(
        &world.clone,
        "git checkout -q change && echo b > b && git add . && git commit -qm 'second\n\nbody' && git push -q origin change && git checkout -q main",
    );
    let change_head = sh(&world.clone, "git rev-parse change").parse().unwrap();
    let base = world.branch("base", "main", &[("c", "c\n")]);
    store.fetch().unwrap();

    let tree = clean(store.merge(&base, &change_head).unwrap());
    let merged = store.commit_merge(&base, &change_head, &tree, "merge", &coord(), then()).unwrap();
    let squashed = store.commit_squash(&base, &change_head, &tree, "squash", &coord(), then()).unwrap();
    let Rebased::At(rebased) = store.rebase(&change_head, &base, &coord(), then()).unwrap() else { panic!() };
    for commit in [&merged, &squashed, &rebased] {
        assert_eq!(store.tree_of(commit).unwrap(), tree);
        assert!(store.is_ancestor(&base, commit).unwrap());
    }
    assert_eq!(store.parents(&merged).unwrap(), [base.clone(), change_head.clone()]);
    assert_eq!(store.parents(&squashed).unwrap(), std::slice::from_ref(&base));
    let replayed =
        sh(store.path(), &format!("git log --reverse --format='%s|%b|%an|%cn|%ct' {base}..{rebased}"));
    assert_eq!(replayed, "on change||Ann|coord|1700000000\nsecond|body\n|Ann|coord|1700000000");
    assert_eq!(store.rebase(&change_head, &base, &coord(), then()).unwrap(), Rebased::At(rebased.clone()));
    assert_eq!(store.rebase(&rebased, &base, &coord(), then()).unwrap(), Rebased::At(rebased.clone()));
    assert_eq!(store.ahead(&base, &rebased).unwrap(), 2);
    let listed = store.commits(&base, &change_head).unwrap();
    assert_eq!(listed.iter().map(|it| it.subject.as_str()).collect::<Vec<_>>(), ["on change", "second"]);
    assert_eq!(listed[0].sha, change);
    let stat = store.diff_stat(&base, &change_head).unwrap();
    assert_eq!((stat.files, stat.insertions, stat.deletions), (2, 2, 0));
}

#[test]
fn conflicts_name_their_paths_and_merges_are_not_replayed() {
    let world = World::new();
    let store = world.store();
    let ours = world.branch("ours", "main", &[("README", "ours\n"), ("same", "1\n")]);
    let theirs = world.branch("theirs", "main", &[("README", "theirs\n"), ("same", "2\n")]);
    sh(
        &world.clone,
        "git checkout -q -b m ours && git merge -q -s ours -m m theirs && git push -q origin m && git checkout -q main",
    );
    let merge = sh(&world.clone, "git rev-parse m").parse().unwrap();
    store.fetch().unwrap();
    let paths = vec!["README".to_owned(), "same".to_owned()];
    assert_eq!(store.merge(&ours, &theirs).unwrap(), MergeResult::Conflict(paths.clone()));
    assert_eq!(store.rebase(&theirs, &ours, &coord(), then()).unwrap(), Rebased::Conflict(paths));
    assert_eq!(store.rebase(&merge, &head(&world.clone), &coord(), then()).unwrap(), Rebased::HasMerges);
}

#[test]
fn a_commit_that_is_in_the_base_already_is_dropped() {
    let world = World::new();
    let store = world.store();
    let change = world.branch("change", "main", &[("a", "a\n")]);
    let base = world.branch("base", "main", &[("a", "a\n"), ("b", "b\n")]);
    store.fetch().unwrap();
    assert_eq!(store.rebase(&change, &base, &coord(), then()).unwrap(), Rebased::At(base));
}
