//! Whether the values of a configuration fit together: every name that is used is one that is defined, once, and
//! every key can do something where it stands.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use coord_agent::runtime::template::{self, Placeholder};
use coord_agent::runtime::{self, Runtime};
use coord_core::name::{RepoName, RuntimeName};

use super::error::{ConfigError, nearest};
use super::file::File;
use super::locate::{Step, line_of};
use super::runtimes::for_tasks;

mod github;
mod money;

/// The first thing that does not fit.
pub(super) fn check(file: &File, text: &str, path: &Utf8Path) -> Result<(), ConfigError> {
    let checker = Checker { file, text, path };
    checker.repos()?;
    checker.dependencies()?;
    checker.forges()?;
    checker.github()?;
    checker.machines()?;
    checker.money()?;
    checker.accounts()?;
    checker.runtimes()
}

struct Checker<'a> {
    file: &'a File,
    text: &'a str,
    path: &'a Utf8Path,
}

impl Checker<'_> {
    fn repos(&self) -> Result<(), ConfigError> {
        if self.file.repos.is_empty() {
            let what = "there is no repo in `repos`".to_owned();
            return Err(self.error(
                what,
                &[Step::Key("repos")],
                "`coord init --yes --force` looks for repos".to_owned(),
            ));
        }
        let mut seen = BTreeSet::new();
        for (index, repo) in self.file.repos.iter().enumerate() {
            let at = [Step::Key("repos"), Step::Item(index)];
            if !seen.insert(&repo.name) {
                let what = format!("there are two repos called `{}`", repo.name);
                return Err(self.error(what, &at, "give one of them another name".to_owned()));
            }
            if repo.origin.as_deref().is_some_and(|it| it.trim().is_empty()) {
                let what = format!("the origin of repo `{}` is empty", repo.name);
                return Err(self.error(what, &at, "remove the key `origin`, or give it a URL".to_owned()));
            }
        }
        Ok(())
    }

    fn dependencies(&self) -> Result<(), ConfigError> {
        for (index, repo) in self.file.repos.iter().enumerate() {
            let list = [Step::Key("repos"), Step::Item(index), Step::Key("depends_on")];
            self.known_repos(&format!("repo `{}` depends on", repo.name), &repo.depends_on, &list)?;
            if repo.depends_on.contains(&repo.name) {
                let what = format!("repo `{}` depends on itself", repo.name);
                return Err(self.error(what, &list, "remove it from its own `depends_on`".to_owned()));
            }
        }
        let edges = self.file.repos.iter().map(|it| (&it.name, it.depends_on.as_slice())).collect();
        let Some(cycle) = cycle(&edges) else { return Ok(()) };
        let names: Vec<_> = cycle.iter().map(|it| it.as_str()).collect();
        let what = format!("repos depend on each other in a circle: {}", names.join(" → "));
        let index = self.file.repos.iter().position(|it| it.name == *cycle[0]).unwrap_or(0);
        let at = [Step::Key("repos"), Step::Item(index), Step::Key("depends_on")];
        Err(self.error(what, &at, "remove one of these dependencies".to_owned()))
    }

    fn machines(&self) -> Result<(), ConfigError> {
        let mut seen = BTreeSet::new();
        for (index, machine) in self.file.machines.iter().enumerate() {
            let at = [Step::Key("machines"), Step::Item(index)];
            if !seen.insert(&machine.name) {
                let what = format!("there are two machines called `{}`", machine.name);
                return Err(self.error(what, &at, "give one of them another name".to_owned()));
            }
            if machine.host.trim().is_empty() {
                let what = format!("the host of machine `{}` is empty", machine.name);
                return Err(self.error(what, &at, "give it a host name or an address".to_owned()));
            }
            let who = format!("machine `{}` names", machine.name);
            self.known_repos(&who, &machine.repos, &[at[0], at[1], Step::Key("repos")])?;
            for repo in machine.repo_paths.keys() {
                let step = [at[0], at[1], Step::Key("repo_paths"), Step::Key(repo.as_str())];
                self.known_repo(&who, repo, &step)?;
            }
        }
        Ok(())
    }

    fn runtimes(&self) -> Result<(), ConfigError> {
        let runtime = &self.file.runtime;
        let names: Vec<_> = for_tasks(&self.file.runtimes).map(Runtime::name).collect();
        if !names.contains(&runtime.as_str()) {
            let what = format!("`{runtime}` is no runtime that does tasks");
            let known = runtime::named(runtime).is_some();
            let cure = if known {
                format!("give `runtimes.{runtime}.argv` the command line that does them")
            } else {
                format!("there are {}", names.join(", "))
            };
            return Err(self.error(what, &[Step::Key("runtime")], cure));
        }
        for name in self.file.limits.runtimes.keys() {
            if !self.file.runtimes.all().contains_key(name) {
                let what = format!("`limits.runtimes` names `{name}`, which is no runtime");
                let names: Vec<_> = self.file.runtimes.all().keys().map(ToString::to_string).collect();
                let at = [Step::Key("limits"), Step::Key("runtimes"), Step::Key(name.as_str())];
                return Err(self.error(what, &at, format!("there are {}", names.join(", "))));
            }
        }
        for (name, config) in self.file.runtimes.all() {
            for (key, value) in [("program", &config.program), ("permission_mode", &config.permission_mode)] {
                if value.as_ref().is_some_and(|it| it.trim().is_empty()) {
                    let at = [Step::Key("runtimes"), Step::Key(name.as_str()), Step::Key(key)];
                    let cure = format!("remove the key `{key}`, or give it a value");
                    return Err(self.error(format!("`{key}` of the runtime `{name}` is empty"), &at, cure));
                }
            }
            self.command_line(name, config.argv.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }

    /// What is a placeholder is one of ours.
    fn command_line(&self, name: &RuntimeName, argv: &[String]) -> Result<(), ConfigError> {
        for (index, argument) in argv.iter().enumerate() {
            if let Some(unknown) = template::unknown(argument) {
                let at =
                    [Step::Key("runtimes"), Step::Key(name.as_str()), Step::Key("argv"), Step::Item(index)];
                let what =
                    format!("`{unknown}` in `argv` of the runtime `{name}` is nothing that can be put in");
                let known = Placeholder::ALL.map(Placeholder::as_str).join(" and ");
                return Err(self.error(what, &at, format!("there are {known}")));
            }
        }
        Ok(())
    }

    fn known_repos(&self, who: &str, repos: &[RepoName], list: &[Step<'_>]) -> Result<(), ConfigError> {
        repos.iter().enumerate().try_for_each(|(index, repo)| {
            let at: Vec<_> = list.iter().copied().chain([Step::Item(index)]).collect();
            self.known_repo(who, repo, &at)
        })
    }

    fn known_repo(&self, who: &str, repo: &RepoName, at: &[Step<'_>]) -> Result<(), ConfigError> {
        let names = || self.file.repos.iter().map(|it| it.name.as_str());
        if names().any(|it| it == repo.as_str()) {
            return Ok(());
        }
        let what = format!("{who} `{repo}`, which is not among `repos`");
        let cure = match nearest(repo.as_str(), names()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("the repos are {}", names().collect::<Vec<_>>().join(", ")),
        };
        Err(self.error(what, at, cure))
    }

    fn error(&self, what: String, at: &[Step<'_>], cure: String) -> ConfigError {
        ConfigError::Inconsistent { path: self.path.to_owned(), what, line: line_of(self.text, at), cure }
    }
}

/// A way from a repo along its dependencies back to itself, both ends included.
fn cycle<'a>(edges: &BTreeMap<&'a RepoName, &'a [RepoName]>) -> Option<Vec<&'a RepoName>> {
    let mut cleared = BTreeSet::new();
    edges.keys().find_map(|start| visit(start, edges, &mut Vec::new(), &mut cleared))
}

fn visit<'a>(
    repo: &'a RepoName,
    edges: &BTreeMap<&'a RepoName, &'a [RepoName]>,
    way: &mut Vec<&'a RepoName>,
    cleared: &mut BTreeSet<&'a RepoName>,
) -> Option<Vec<&'a RepoName>> {
    if let Some(start) = way.iter().position(|it| *it == repo) {
        return Some(way[start..].iter().copied().chain([repo]).collect());
    }
    if cleared.contains(repo) {
        return None;
    }
    way.push(repo);
    let found = edges.get(repo)?.iter().find_map(|it| visit(it, edges, way, cleared));
    way.pop();
    cleared.insert(repo);
    found
}
