//! What a credential may do, and whose it is.

use coord_core::forge::Access;

use crate::github::GitHub;
use crate::github::broker::Age;
use crate::github::error::GitHubError;
use crate::github::model;

impl GitHub {
    /// What the repository is and what may be done in it. [`Access::repo`] is another name than the one that was
    /// asked for when it was renamed.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn access(&self, age: Age) -> Result<Access, GitHubError> {
        let answer = self.broker.get(&self.path(""), age).await?;
        Ok(answer.parse::<model::Repository>()?.into())
    }

    /// Whose credential it is; `None` for an installation of an App, which is nobody's. GitHub is asked once:
    /// a credential does not change hands.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn user(&self) -> Result<Option<String>, GitHubError> {
        if self.broker.app().is_some() {
            return Ok(None);
        }
        if let Some(login) = self.broker.standing()?.login {
            return Ok(Some(login));
        }
        let user: model::User = self.broker.get("/user", Age::Now).await?.parse()?;
        self.broker.belongs_to(user.login.clone()).await?;
        Ok(Some(user.login))
    }
}
