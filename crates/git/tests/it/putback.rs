use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use coord_git::putback::PutBack;

use crate::fixture::{World, contents, run, sh, then};

/// The files of a worktree, by their paths in it.
fn files(dir: &Utf8Path) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    let files = contents(dir).into_iter().filter(|(path, _)| path.file_name() != Some(".git"));
    files.map(|(path, bytes)| (path.strip_prefix(dir).unwrap().to_owned(), bytes)).collect()
}

#[test]
fn work_that_was_rescued_is_put_back_as_it_was_and_only_where_it_was() {
    let world = World::new();
    let store = world.store();
    let first = world.worktree(&store, "a", run(1));
    sh(first.path(), "rm README && mkdir d && echo new > d/new && echo x > .hidden && git add d");
    let before = files(first.path());
    let rescue = store.rescue(&first, then()).unwrap().unwrap().commit;

    let second = world.worktree(&store, "b", run(2));
    assert_eq!(store.put_back(&second, &rescue).unwrap(), PutBack::Done);
    assert_eq!(files(second.path()), before);
    assert_eq!(sh(second.path(), "git diff --cached --name-only"), "");

    let third = world.worktree(&store, "c", run(3));
    sh(
        third.path(),
        "echo more > more && git add more && git -c user.name=n -c user.email=e commit -qm more",
    );
    let before = files(third.path());
    assert_eq!(store.put_back(&third, &rescue).unwrap(), PutBack::Elsewhere);
    assert_eq!(files(third.path()), before);
}
