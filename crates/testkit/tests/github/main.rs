//! The stand-in for GitHub, as programs meet it: over HTTP, and with the real git.
//!
//! Each rule that it imitates has a test here that fails without it. A test ends by dropping the stand-in, which
//! fails for every request and answer that GitHub does not describe.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod apps;
mod by_hand;
mod checks;
mod client;
mod commits;
mod contract;
mod faults;
mod gh;
mod hooks;
mod issues;
mod limits;
mod merging;
mod moves;
mod protection;
mod pulls;
mod pushing;
mod relations;
mod rights;
mod site;
