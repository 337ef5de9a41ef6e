//! What is asked about each repo and this machine, and what becomes of the answers.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use coord_git::program::{Git, redact};

use super::ask::{self, Asker};
use super::survey::{self, Seen};
use super::{Args, place};
use crate::config::api_url::ApiUrl;
use crate::config::draft::{Draft, MachineDraft, RepoDraft};
use crate::config::{Config, GitHub, is_loopback, machine_name};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};

/// Somebody who is asked, or whose proposals are taken.
pub(super) struct Interview<'a> {
    args: &'a Args,
    cx: &'a Context,
    git: Git,
    asker: Asker<'a>,
    notes: Vec<String>,
    /// How GitHub would be reached.
    github: GitHub,
    /// Whether somebody could speak to it, or why nobody can. Looked for once a repo is there.
    speaker: Result<(), String>,
    path: Utf8PathBuf,
}

impl<'a> Interview<'a> {
    /// One that has not begun. `path` is where the configuration is going to be.
    pub(super) fn new(
        args: &'a Args,
        cx: &'a Context,
        git: Git,
        asker: Asker<'a>,
        path: &Utf8Path,
    ) -> Result<Self, CliError> {
        let api_url = ApiUrl::around(&cx.environment).map_err(|what| {
            CliError::new(ErrorKind::ConfigInvalid, what).hint("`unset GITHUB_API_URL` leaves github.com")
        })?;
        let github = GitHub { api_url, token_file: None, app: None };
        let (notes, path) = (Vec::new(), path.to_owned());
        Ok(Self { args, cx, git, asker, notes, github, speaker: Ok(()), path })
    }

    /// What was worth saying.
    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub(super) async fn draft(&mut self) -> Result<Draft, CliError> {
        let seen = self.choose()?;
        let on_github = seen.iter().any(|it| it.github.is_some());
        if on_github && !self.args.local {
            self.speaker = self.github.credential(&self.cx.environment, &self.path).await.map(drop);
        }
        self.know_all_that_is_built_on(&seen)?;
        let machine = match &self.args.machine {
            Some(name) => name.clone(),
            None => self.asker.name("Name of this machine?", machine_name(&self.cx.host_name))?,
        };
        let capabilities = if self.args.capability.is_empty() {
            let found = survey::capabilities(self.cx).join(" ");
            ask::words(&self.asker.line("What can it do?", &found)?).collect()
        } else {
            self.args.capability.clone()
        };
        let repos = seen.iter().map(|it| self.repo(it, &seen)).collect::<Result<Vec<_>, _>>()?;
        let clones = seen.iter().map(|it| (it.name.clone(), self.short(&it.path))).collect();
        let host = "127.0.0.1".to_owned();
        let machine =
            MachineDraft { name: machine.to_string(), host, capabilities, repos: Vec::new(), clones };
        let elsewhere = on_github && self.github.api_url != ApiUrl::default();
        let api_url = elsewhere.then(|| self.github.api_url.to_string());
        Ok(Draft { repos, machines: vec![machine], api_url, ..Draft::default() })
    }

    /// Has this machine's own agent server be reached where it listens, which is on loopback unless asked otherwise.
    pub(super) fn bring_home(&mut self, draft: &mut Draft, path: &Utf8Path) -> Result<(), CliError> {
        let here = Config::parse(&draft.to_string(), path, self.cx)?.here;
        let Some(here) = here.map(|it| it.to_string()) else { return Ok(()) };
        let mine = draft.machines.iter_mut().find(|it| it.name == here && !is_loopback(&it.host));
        if let Some(machine) = mine {
            let note = format!(
                "machine {here} is this one: its host is 127.0.0.1 now, instead of {}; for other machines to reach it, \
                 put that back and start `coord agent --host {}`",
                machine.host, machine.host
            );
            machine.host = "127.0.0.1".to_owned();
            self.note(note);
        }
        Ok(())
    }

    /// The repos to take in, each of which can be worked on.
    fn choose(&mut self) -> Result<Vec<Seen>, CliError> {
        let named = !self.args.repo.is_empty();
        let paths = if named { self.args.repo.clone() } else { survey::clones(self.cx) };
        let (mut chosen, mut refused): (Vec<Seen>, Vec<CliError>) = (Vec::new(), Vec::new());
        for path in paths {
            let path = self.cx.absolute(&path);
            let path = path.canonicalize_utf8().unwrap_or(path);
            if !named && !self.asker.yes(&format!("Take in {path}?"), true)? {
                continue;
            }
            match self.admit(&path) {
                Ok(seen) => chosen.push(seen),
                Err(error) if named => return Err(error),
                Err(error) => refused.push(error),
            }
        }
        if chosen.is_empty() {
            return Err(refused.into_iter().next().unwrap_or_else(|| self.nothing_found()));
        }
        for error in refused {
            self.note(format!("left out: {}; {}", error.chain(), error.hints.join("; ")));
        }
        tell_apart(&mut chosen);
        Ok(chosen)
    }

    fn nothing_found(&self) -> CliError {
        let places = format!("in {} or under ~/src", self.cx.cwd);
        CliError::new(ErrorKind::RepoUnusable, format!("there is no git repo {places}"))
            .hint(format!("name one: `{} --repo PATH`", self.again()))
    }

    fn admit(&self, path: &Utf8Path) -> Result<Seen, CliError> {
        let mut seen = survey::look(&self.git, path, &self.github.api_url).map_err(|error| {
            CliError::new(ErrorKind::RepoUnusable, format!("{path} cannot be worked on"))
                .because(error)
                .hint(format!("`git init {path}` makes a repo of it"))
        })?;
        if seen.empty {
            return Err(CliError::new(
                ErrorKind::RepoUnusable,
                format!("the repo at {path} has no commit yet"),
            )
            .hint(format!("`git -C {path} commit --allow-empty -m 'first commit'` makes one")));
        }
        if seen.origin.is_none() {
            seen.origin = Some(self.create_origin(&seen)?);
        }
        Ok(seen)
    }

    fn create_origin(&self, seen: &Seen) -> Result<String, CliError> {
        let bare = self.cx.home.join("origins").join(format!("{}.git", seen.name));
        let question =
            format!("{} has no origin. Make a bare one at {bare}, and add it as a remote?", seen.path);
        if !(self.args.create_origin || self.asker.yes(&question, false)?) {
            let message = format!("the repo at {} has no origin to fetch from and push to", seen.path);
            let again = self.again();
            return Err(CliError::new(ErrorKind::RepoUnusable, message)
                .hint(format!("`{again} --repo {} --create-origin` makes a bare one at {bare}", seen.path)));
        }
        place::make_home(&self.cx.home)?;
        coord_git::adopt::give_origin(&self.git, &seen.path, &bare, &seen.default_branch).map_err(
            |error| {
                CliError::new(
                    ErrorKind::RepoUnusable,
                    format!("the repo at {} could not be given an origin", seen.path),
                )
                .because(error)
                .hint(format!("`git -C {} remote add origin URL` names one that you made", seen.path))
            },
        )?;
        Ok(bare.into_string())
    }

    fn repo(&mut self, seen: &Seen, all: &[Seen]) -> Result<RepoDraft, CliError> {
        let Seen { name, commands, .. } = seen;
        let args = self.args;
        let default_branch = match &args.default_branch {
            Some(branch) => branch.clone(),
            None => self.asker.name(&format!("{name}: default branch?"), seen.default_branch.clone())?,
        };
        let build = self.command(
            &format!("{name}: build command?"),
            args.build.as_deref(),
            commands.build.as_deref(),
        )?;
        let tested = !args.no_tests
            && (args.test.is_some()
                || self.asker.yes(
                    &format!("{name}: are there tests that a command can run?"),
                    commands.test.is_some(),
                )?);
        let test = if tested {
            self.command(&format!("{name}: test command?"), args.test.as_deref(), commands.test.as_deref())?
        } else {
            None
        };
        if test.is_none() {
            self.note(format!(
                "{name} has no test command: nothing is asked before a change is merged (`gates: []`)"
            ));
        }
        let setup = self.command(
            &format!("{name}: setup command?"),
            args.setup.as_deref(),
            commands.setup.as_deref(),
        )?;
        let depends_on = self.depends_on(seen, all)?;
        let local = self.stays_local(seen)?;
        if !seen.lacking.is_empty() && !seen.path.join(coord_git::bootstrap::INCLUDE_FILE).exists() {
            let files: Vec<_> = seen.lacking.iter().map(|it| it.as_str()).collect();
            let include = seen.path.join(coord_git::bootstrap::INCLUDE_FILE);
            self.note(format!(
                "{name}: new worktrees lack {}; `printf '%s\\n' {} >> {include}` has them copied",
                files.join(", "),
                files.join(" ")
            ));
        }
        // A URL with credentials in it stays where it is: the clone.
        let origin = seen.origin.clone().filter(|it| redact(it) == *it);
        Ok(RepoDraft {
            name: name.clone(),
            origin,
            github: seen.github.as_ref().map(ToString::to_string),
            local,
            default_branch: default_branch.to_string(),
            depends_on,
            build,
            tested: test.is_some(),
            test,
            setup,
            deny: None,
        })
    }

    /// Whether the tasks of a repo that is on GitHub stay on the board.
    fn stays_local(&mut self, seen: &Seen) -> Result<bool, CliError> {
        let Some(github) = &seen.github else { return Ok(false) };
        let name = &seen.name;
        if self.args.local {
            return Ok(true);
        }
        let question = format!("{name}: are its issues and pull requests on GitHub, in {github}?");
        let there = self.asker.yes(&question, self.speaker.is_ok())?;
        match (there, self.speaker.clone()) {
            (true, Ok(())) => {}
            (true, Err(why)) => self.note(format!("{name}: nobody can speak to GitHub yet: {why}")),
            (false, Ok(())) => {
                let how = "without the line `forge: local` they are on GitHub";
                self.note(format!("{name}: tasks and pull requests are on the board; {how}"));
            }
            (false, Err(why)) => {
                let how = "once there is one, remove the line `forge: local`";
                self.note(format!("{name}: tasks and pull requests are on the board, since {why}; {how}"));
            }
        }
        Ok(!there)
    }

    fn know_all_that_is_built_on(&self, all: &[Seen]) -> Result<(), CliError> {
        let names: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
        let named = self.args.depends_on.iter().flat_map(|(repo, on)| [repo, on]);
        match named.into_iter().find(|it| !names.contains(&it.as_str())) {
            None => Ok(()),
            Some(other) => {
                let message = format!("`{other}` is not taken in (but {})", names.join(", "));
                Err(CliError::new(ErrorKind::Usage, message)
                    .hint(format!("`{} --repo PATH` takes one in", self.again())))
            }
        }
    }

    /// The repos that one builds on, of those that are taken in with it.
    fn depends_on(&self, seen: &Seen, all: &[Seen]) -> Result<Vec<String>, CliError> {
        if !self.args.depends_on.is_empty() {
            let own = self.args.depends_on.iter().filter(|(repo, _)| *repo == seen.name);
            return Ok(own.map(|(_, on)| on.clone()).collect());
        }
        let others: Vec<_> = all.iter().map(|it| it.name.as_str()).filter(|it| *it != seen.name).collect();
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let before = all.iter().position(|it| it.name == seen.name).unwrap_or(0);
        let found = survey::dependencies(seen, &all[..before]);
        self.asker.some_of(&format!("{}: repos it builds on?", seen.name), &others, &found)
    }

    fn command(
        &self,
        question: &str,
        flag: Option<&str>,
        guess: Option<&str>,
    ) -> Result<Option<String>, CliError> {
        match flag {
            Some(flag) => Ok(Some(flag.to_owned()).filter(|it| !it.is_empty())),
            None => self.asker.optional(question, guess),
        }
    }

    /// This command, to be given once more with something added.
    fn again(&self) -> String {
        let yes = if self.asker.asks { "" } else { " --yes" };
        let force = if self.args.force { " --force" } else { "" };
        let config = self.cx.config_flag.as_ref().map_or(String::new(), |it| format!(" --config {it}"));
        format!("coord init{yes}{force}{config}")
    }

    /// A path as it is written into the file.
    fn short(&self, path: &Utf8Path) -> String {
        match self.cx.user_home.as_ref().and_then(|it| path.strip_prefix(it).ok()) {
            Some(rest) => format!("~/{rest}"),
            None => path.to_string(),
        }
    }
}

/// Two clones in directories of the same name get different names.
fn tell_apart(seen: &mut [Seen]) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for it in seen {
        let count = taken.entry(it.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            it.name = format!("{}-{count}", it.name);
        }
    }
}
