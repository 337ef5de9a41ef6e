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
