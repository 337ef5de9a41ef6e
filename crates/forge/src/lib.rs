//! Where issues and pull requests live, and the one place that lands a change on its base branch.
//!
//! On the local forge, tasks and pull requests are rows of the board: no account is needed. On [`github`] they are
//! GitHub's. On either, a change lands with git alone where that is allowed ([`landing`]), and nobody's working tree
//! is touched.

pub mod github;
pub mod landing;

/// The tracing target of what people should hear of although nothing failed by it: the front end shows such an
/// event's message as it stands.
pub const NOTICE: &str = "notice";
