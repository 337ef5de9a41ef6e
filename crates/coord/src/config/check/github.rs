//! Whether what a configuration says of GitHub can be, and stands where it means something.

use coord_core::gate::GateKind;

use super::Checker;
use crate::config::api_url::ApiUrl;
use crate::config::error::ConfigError;
use crate::config::file::{Forge, RepoEntry};
use crate::config::locate::Step;

impl Checker<'_> {
    /// Every repo on GitHub says which one it is, no two are the same, and a repo on the board has no key that only
    /// GitHub gives a meaning.
    pub(super) fn forges(&self) -> Result<(), ConfigError> {
        for (index, repo) in self.file.repos.iter().enumerate() {
            let at = |key| [Step::Key("repos"), Step::Item(index), Step::Key(key)];
            let name = &repo.name;
            match (repo.forge(), &repo.github) {
                (Forge::GitHub, None) => {
                    let what = format!("repo `{name}` is on GitHub, but does not say where");
                    let cure = "add the key `github: owner/name` to it, or remove `forge: github`".to_owned();
                    return Err(self.error(what, &at("forge"), cure));
                }
                (Forge::GitHub, Some(github)) => {
                    let same = |it: &&RepoEntry| {
                        it.forge() == Forge::GitHub && it.github.as_ref().is_some_and(|it| it.is(github))
                    };
                    if let Some(other) = self.file.repos[..index].iter().find(same) {
                        let what = format!("repos `{}` and `{name}` are the same on GitHub", other.name);
                        return Err(self.error(what, &at("github"), "remove one of the two".to_owned()));
                    }
                }
                (Forge::Local, _) => self.means_something_on_the_board(index, repo)?,
            }
        }
        Ok(())
    }

    fn means_something_on_the_board(&self, index: usize, repo: &RepoEntry) -> Result<(), ConfigError> {
        let of_github = [("protection", repo.protection.is_some()), ("may_skip", !repo.may_skip.is_empty())];
        let key = of_github.into_iter().find(|(_, given)| *given).map(|(key, _)| (key, format!("`{key}`")));
        let gate = repo.gates.iter().find(|it| matches!(it, GateKind::Checks | GateKind::Approval));
        let gate = gate.map(|it| ("gates", format!("the gate `{}`", it.as_str())));
        let Some((key, word)) = key.or(gate) else { return Ok(()) };
        let what = format!("{word} is for repos on GitHub, and `{}` is on the board", repo.name);
        let cure = match repo.github {
            Some(_) => "remove it, or remove `forge: local`",
            None => "remove it, or say where the repo is on GitHub: `github: owner/name`",
        };
        let at = [Step::Key("repos"), Step::Item(index), Step::Key(key)];
        Err(self.error(what, &at, cure.to_owned()))
    }

    pub(super) fn github(&self) -> Result<(), ConfigError> {
        let github = &self.file.github;
        let refuse = |key, why: &str, cure: &str| {
            let at = [Step::Key("github"), Step::Key(key)];
            Err(self.error(format!("`{key}` {why}"), &at, cure.to_owned()))
        };
        if let Some(Err(why)) = github.api_url.as_ref().map(|it| it.parse::<ApiUrl>()) {
            return refuse(
                "api_url",
                why,
                "github.com has `https://api.github.com`, GitHub Enterprise `https://HOST/api/v3`",
            );
        }
        if github.token_file.as_ref().is_some_and(|it| it.trim().is_empty()) {
            return refuse("token_file", "is empty", "remove the key `token_file`, or give it a path");
        }
        Ok(())
    }
}
