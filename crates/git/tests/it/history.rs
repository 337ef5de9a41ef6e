use crate::fixture::{World, sh};

#[test]
fn a_pure_rebase_keeps_the_patch_and_a_changed_space_does_not() {
    let world = World::new();
    let store = world.store();
    let before = world.branch("before", "main", &[("a", "one two\n"), ("blob", "\0\u{1}")]);
    sh(&world.clone, "echo more > other && git add . && git commit -qm more && git push -q origin main");
    let rebased = world.branch("rebased", "main", &[("a", "one two\n"), ("blob", "\0\u{1}")]);
    let spaced = world.branch("spaced", "main", &[("a", "one  two\n"), ("blob", "\0\u{1}")]);
    let other_blob = world.branch("blobbed", "main", &[("a", "one two\n"), ("blob", "\0\u{2}")]);
    store.fetch().unwrap();
    let main = store.tip(&"main".parse().unwrap()).unwrap().unwrap();
    let patch = |head| store.patch_id(&main, head).unwrap();
    assert!(patch(&before).is_some());
    assert_eq!(patch(&before), patch(&rebased));
    assert_ne!(patch(&before), patch(&spaced));
    assert_ne!(patch(&before), patch(&other_blob));
    assert_eq!(patch(&main), None);
}

#[test]
fn a_diff_is_told_with_its_size_and_cut_where_it_is_too_long() {
    let world = World::new();
    let store = world.store();
    let long: String = (0..500).map(|n| format!("line {n}\n")).collect();
    let head = world.branch("change", "main", &[("a", "apple\n"), ("z", &long)]);
    sh(
        &world.clone,
        "git checkout -q main && echo more > other && git add . && git commit -qm more && git push -q origin main",
    );
    store.fetch().unwrap();
    let main = store.tip(&"main".parse().unwrap()).unwrap().unwrap();
    let whole = store.diff_text(&main, &head, 100_000).unwrap();
    assert!(whole.contains("2 files changed, 501 insertions(+)"), "{whole}");
    assert!(
        whole.contains("\n+apple\n") && whole.contains("\n+line 499\n") && !whole.contains("more"),
        "{whole}"
    );
    let cut = store.diff_text(&main, &head, 1000).unwrap();
    assert!(cut.contains("501 insertions") && cut.ends_with("(the rest of the diff is left out)\n"), "{cut}");
    assert!(cut.len() < 1200, "{}", cut.len());
}
