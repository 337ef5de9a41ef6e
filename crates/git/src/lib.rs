//! Everything `coord` does with git repositories. No other crate opens one.
//!
//! Two tools are used. **libgit2** answers every question about commits, references and trees, moves
//! references by compare-and-swap and merges in memory: it needs no process, so a question costs
//! microseconds, and no working tree, so nobody's is touched. The **`git` program** does what has to be
//! exactly as git does it: talking to a remote (credentials, proxies, ssh, hooks of the other side) and
//! everything about files in a working tree (filters, attributes, ignore rules, submodules, odd names).
//! Administrative files of worktrees are plain files and are written as such. A run's start is therefore
//! `git fetch` and one `git reset`; the rest of it takes about a millisecond.
//!
//! | module | its subject | by |
//! |---|---|---|
//! | [`program`] | running git: quiet, bounded, without credentials in its errors | the program |
//! | [`store`] | the bare repository of a repo and its lock | clone by the program |
//! | [`remote`] | fetch, ls-remote, push by compare-and-swap | the program |
//! | [`refs`], [`history`] | references and commits of the store | libgit2 |
//! | [`merge`] | merge, squash and rebase without a working tree | libgit2 |
//! | [`worktree`], [`removal`] | a run's worktree, from making to the one place that removes it | plain files; checkout and status by the program |
//! | [`lend`] | a git directory for a worker that may not write to the store | plain files; fetch by the program |
//! | [`rescue`], [`stash`] | work that would otherwise be lost | both: files by the program, stash and commit by libgit2 |
//! | [`rescued`], [`leak`] | looking at rescued work, and whether it may leave the machine | libgit2; patches by the program |
//! | [`apply`] | rescued work in a clone of a person's own | the program |
//! | [`upkeep`] | clearing a store up | both |
//! | [`restore`] | giving it back to the run that goes on with it | both: commits by libgit2, files by the program |
//! | [`bootstrap`] | making a worktree ready to work in | the program |
//! | [`checkout`] | a change in a directory of a person's own | the program |
//! | [`clone`] | looking at a person's own clone | both, reading only |
//! | [`adopt`] | what is done once, with a person's consent, when their repo comes under coordination | both |
//!
//! All functions block; asynchronous callers put them on a thread for that. What must hold: a person's clone
//! is only ever read, [`adopt`] and [`apply`] aside; a worktree goes only when all of its work is in a reference of the store; a reference
//! that others write is never forced.
//!
//! Deliberately absent: network access through libgit2, signing commits, and pushing the large files of
//! git-lfs, which needs its hook.

pub mod adopt;
pub mod apply;
pub mod bootstrap;
pub mod checkout;
pub mod clone;
mod hidden;
pub mod history;
mod keep;
pub mod leak;
pub mod lend;
pub mod merge;
pub mod program;
pub mod refs;
pub mod remote;
pub mod removal;
pub mod rescue;
pub mod rescued;
pub mod restore;
pub mod stash;
mod status;
pub mod store;
pub mod upkeep;
pub mod worktree;
