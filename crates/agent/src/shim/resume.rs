//! What a session finds that goes on where another run was cut short: the files that it had not committed.

use coord_core::name::CommitSha;
use coord_git::program::Git;
use coord_git::putback::PutBack;
use coord_git::store::Store;

use crate::finish::chain;
use crate::order::Order;

/// Puts the files of a rescue back into the worktree, or says why not: the session goes on either way, and is told to
/// look.
pub(super) fn put_back(git: &Git, order: &Order, rescue: &CommitSha) -> String {
    let failed = |error: &dyn std::error::Error| {
        format!("what was not committed stays in the repo store, as {}: {}", rescue.short(), chain(error))
    };
    let repo = &order.spec.task.repo;
    let store = match Store::open(git, &order.home, repo, &order.origin, order.clone.as_deref()) {
        Ok(store) => store,
        Err(error) => return failed(&error),
    };
    let worktree = match store.worktree(&order.worktree) {
        Ok(worktree) => worktree,
        Err(error) => return failed(&error),
    };
    match store.put_back(&worktree, rescue) {
        Ok(PutBack::Done) => format!("put back what was not committed, from {}", rescue.short()),
        Ok(PutBack::Elsewhere) => format!(
            "the branch has moved since; what was not committed stays in the repo store, as {}",
            rescue.short()
        ),
        Err(error) => failed(&error),
    }
}
