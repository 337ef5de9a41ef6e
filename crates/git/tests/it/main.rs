//! The crate against real git: bare origins, clones, worktrees, and processes that race and hang.

#![expect(clippy::unwrap_used, reason = "a world that cannot be set up is a failed test")]

mod bootstrap;
mod fixture;
mod history;
mod merge;
mod remote;
mod removal;
mod rescue;
mod rescued;
mod restore;
mod store;
mod worktree;
