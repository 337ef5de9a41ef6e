//! Giving what an earlier run of a change left unpublished to the run that goes on with it. What cannot be given back
//! stays where it is kept, and is named: to the log, and to the worker, who can still look at it there.

use camino::Utf8Path;
use coord_git::program::Git;
use coord_git::restore::{Advanced, PutBack};
use coord_git::store::Store;
use coord_git::worktree::Worktree;
use coord_proto::run::Restore;

use crate::finish::chain;
use crate::order::Order;

/// Does it, and says what became of it: a sentence each for the commits and the files.
pub(crate) fn restore(order: &Order, left: &Restore, git: &Git) -> Vec<String> {
    let repo = &order.spec.task.repo;
    let store = Store::open(git, &order.home, repo, &order.origin, order.clone.as_deref());
    let place = |store: Store| {
        let worktree = store.worktree(Utf8Path::new(&order.worktree));
        worktree.map(|worktree| (store, worktree)).map_err(|error| chain(&error))
    };
    match store.map_err(|error| chain(&error)).and_then(place) {
        Ok((store, worktree)) => {
            let commits = commits(&store, &worktree, left);
            let files = files(&store, &worktree, left);
            let unlent = lend_again(&store, &worktree, order);
            commits.into_iter().chain(files).chain(unlent).collect()
        }
        Err(reason) => vec![format!("nothing of run {} could be put back: {reason}", left.run)],
    }
}

/// What a confined worker commits into stands where the worktree stood before.
fn lend_again(store: &Store, worktree: &Worktree, order: &Order) -> Option<String> {
    let directory = order.sandbox.as_ref()?.lent.as_ref()?;
    let error = store.lend(worktree, directory).err()?;
    Some(format!("the worker's own git directory does not have that: {}", chain(&error)))
}

fn commits(store: &Store, worktree: &Worktree, left: &Restore) -> Option<String> {
    let (run, head) = (left.run, left.head.as_ref()?);
    Some(match store.advance(worktree, head) {
        Ok(Advanced::Already) => return None,
        Ok(Advanced::By(1)) => format!("a commit of run {run} that was not published is on this branch"),
        Ok(Advanced::By(count)) => {
            format!("{count} commits of run {run} that were not published are on this branch")
        }
        Ok(Advanced::Diverged) => format!(
            "the unpublished commits of run {run} do not follow from this branch; they are kept, up to {head}"
        ),
        Ok(Advanced::Missing) => {
            format!("the unpublished commits of run {run}, up to {head}, are not in the repo store here")
        }
        Err(error) => format!(
            "the unpublished commits of run {run}, up to {head}, could not be gone on from: {}",
            chain(&error)
        ),
    })
}

fn files(store: &Store, worktree: &Worktree, left: &Restore) -> Option<String> {
    let (run, rescue) = (left.run, left.rescue.as_ref()?);
    Some(match store.put_back(worktree, rescue) {
        Ok(PutBack::Done) => {
            format!("the files that run {run} had not committed are back in this worktree, uncommitted")
        }
        Ok(PutBack::Conflict(paths)) => format!(
            "the files that run {run} had not committed do not go together with what has been committed since ({}); \
             they are kept in commit {rescue}",
            paths.join(", ")
        ),
        Ok(PutBack::Missing) => {
            format!(
                "the files that run {run} had not committed, in commit {rescue}, are not in the repo store here"
            )
        }
        Err(error) => format!(
            "the files that run {run} had not committed could not be put back; they are kept in commit {rescue}: {}",
            chain(&error)
        ),
    })
}
