//! The crate against real git: bare origins, clones, worktrees, and processes that race and hang.

mod bootstrap;
mod fixture;
mod merge;
mod remote;
mod removal;
mod rescue;
mod store;
mod worktree;
