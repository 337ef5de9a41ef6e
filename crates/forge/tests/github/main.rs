//! The client for GitHub, over the real octocrab, against the stand-in for GitHub with a real repository.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod broker;
mod contract;
mod elsewhere;
mod failing;
mod issues;
mod limits;
mod merging;
mod proposing;
mod pulls;
mod rules;
mod site;
mod writing;
