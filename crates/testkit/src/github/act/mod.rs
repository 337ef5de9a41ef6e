//! What can happen on GitHub, whoever does it: a person through the handle of a test, a program through the API,
//! or GitHub itself because something else happened.
//!
//! Each act leaves the world whole, and tells the feed and the webhooks of it.

mod check;
mod issue;
mod keyword;
mod merge;
mod obstacle;
mod pull;
mod push;
mod tell;

pub(super) use issue::NewIssue;
pub(super) use merge::{MergeAsked, MergeRefused};
pub(super) use pull::{NewPull, PullRefused, ReviewRefused};
