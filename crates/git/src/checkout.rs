//! What a person gets of a store: a change in a directory of their own, and commits in their own name.

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::name::BranchName;

use crate::merge::Identity;
use crate::program::ProgramError;
use crate::store::Store;

/// Why a change was not checked out.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// Something is in the way, and is left alone.
    #[error("`{0}` exists and is not an empty directory")]
    InTheWay(Utf8PathBuf),
    /// The directory could not be looked at.
    #[error("cannot look at `{path}`")]
    Look {
        /// The directory.
        path: Utf8PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// The clone could not be made.
    #[error("cannot clone branch `{branch}`")]
    Clone {
        /// The branch.
        branch: BranchName,
        /// What git said.
        #[source]
        source: ProgramError,
    },
}

impl Store {
    /// Clones `branch` of origin into `directory`, with the store's objects copied and not borrowed: it is a
    /// clone like any other, to commit in, push from and throw away.
    pub fn checkout(&self, branch: &BranchName, directory: &Utf8Path) -> Result<(), CheckoutError> {
        let look = |source| CheckoutError::Look { path: directory.to_owned(), source };
        match fs_err::read_dir(directory) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(CheckoutError::InTheWay(directory.to_owned()));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(CheckoutError::InTheWay(directory.to_owned()));
            }
            Err(error) => return Err(look(error)),
        }
        let failed = |source| CheckoutError::Clone { branch: branch.clone(), source };
        let url = self.git.at(&self.path).args(["config", "remote.origin.url"]).text().map_err(failed)?;
        self.git
            .remote_at(&self.path)
            .args(["clone", "--quiet", "--reference-if-able", self.path.as_str(), "--dissociate", "--branch"])
            .args([branch.as_str(), "--", url.trim_end(), directory.as_str()])
            .bytes()
            .map_err(failed)?;
        Ok(())
    }

    /// Who commits here: the user as git knows them, or a name that says what it is where git knows nobody.
    /// Only an answer is remembered, so that an identity that is configured later counts from then on.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn committer(&self) -> Result<Identity, ProgramError> {
        if let Some(known) = self.identity.get() {
            return Ok(known.clone());
        }
        let said = match self.git.at(&self.path).args(["var", "GIT_COMMITTER_IDENT"]).text() {
            Ok(said) => said,
            Err(ProgramError::Failed { .. }) => String::new(),
            Err(error) => return Err(error),
        };
        let known = said.split_once(" <").and_then(|(name, rest)| Some((name, rest.split_once('>')?.0)));
        let Some((name, email)) = known else {
            return Ok(Identity { name: "coord worker".to_owned(), email: "coord@localhost".to_owned() });
        };
        let known = Identity { name: name.to_owned(), email: email.to_owned() };
        Ok(self.identity.get_or_init(|| known).clone())
    }
}
