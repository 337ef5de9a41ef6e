use coord_git::putback::PutBack;

use crate::fixture::{World, contents, run, sh, then};

#[test]
fn work_that_was_rescued_is_put_back_as_it_was_and_only_where_it_was() {
    let world = World::new();
    let store = world.store();
    let first = world.worktree(&store, "a", run(1));
    sh(first.path(), "rm README && mkdir d && echo new > d/new && echo x > .hidden && git add d");
    let before = contents(first.path());
    let rescue = store.rescue(&first, then()).unwrap().unwrap().commit;

    let second = world.worktree(&store, "b", run(2));
    assert_eq!(store.put_back(&second, &rescue).unwrap(), PutBack::Done);
    assert_eq!(contents(second.path()), before);
    assert_eq!(sh(second.path(), "git diff --cached --name-only"), "");

    let third = world.worktree(&store, "c", run(3));
    sh(
        third.path(),
        "echo more > more && git add more && git -c user.name=n -c user.email=e commit -qm more",
    );
    let before = contents(third.path());
    assert_eq!(store.put_back(&third, &rescue).unwrap(), PutBack::Elsewhere);
    assert_eq!(contents(third.path()), before);
}
