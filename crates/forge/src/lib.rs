//! Where issues and pull requests live, and the one place that lands a change on its base branch.
//!
//! On the local forge, tasks and pull requests are rows of the board and merges are made in the repo store:
//! no account is needed, and nobody's working tree is touched. On [`github`], issues and pull requests are GitHub's.

pub mod github;
pub mod landing;
