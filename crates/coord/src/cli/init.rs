//! `coord init`: from the repos that lie around to a `coordinator.yml` that works.
//!
//! What must hold: nothing is replaced without `--force`, and then a copy is kept; the file is checked before it
//! is put in place, whole; a clone is written to with consent only (`--create-origin`), save for the line that
//! keeps `coordinator.yml` out of git.

mod ask;
mod place;
mod survey;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::name::{BranchName, MachineName};
use coord_git::program::{Git, redact};
use serde::Serialize;

use self::ask::Asker;
use self::survey::Seen;
use crate::config::draft::{Draft, MachineDraft, RepoDraft};
use crate::config::predecessor::{Converted, convert};
use crate::config::{Config, is_loopback, machine_name};
use crate::context::{CONFIG_FILE, Context};
use crate::error::{CliError, ErrorKind};
use crate::ui::{Next, Ui};

/// Write a coordinator.yml for the repos here and under ~/src
///
/// Asks about everything it proposes; --yes takes the proposals, and each question has a flag. A
/// predecessor's coordinator.yml is converted, and kept as coordinator.yml.before-coord.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Ask nothing: take every proposal
    #[arg(long, short)]
    yes: bool,
    /// Replace a configuration that is there; a copy of it is kept
    #[arg(long)]
    force: bool,
    /// A repo to take in, instead of those that are found; may be repeated
    #[arg(long, value_name = "PATH")]
    repo: Vec<Utf8PathBuf>,
    /// The name of this machine
    #[arg(long, value_name = "NAME")]
    machine: Option<MachineName>,
    /// Something that this machine can do, instead of what is found; may be repeated
    #[arg(long, value_name = "WORD")]
    capability: Vec<String>,
    /// The branch that changes are merged into, in every repo that is taken in
    #[arg(long, value_name = "BRANCH")]
    default_branch: Option<BranchName>,
    /// The build command of every repo that is taken in; empty for none
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
    /// The test command of every repo that is taken in
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_tests")]
    test: Option<String>,
    /// There are no tests: nothing is asked before a change is merged
    #[arg(long)]
    no_tests: bool,
    /// The command that makes a new worktree ready, in every repo that is taken in; empty for none
    #[arg(long, value_name = "COMMAND")]
    setup: Option<String>,
    /// That one repo builds on another, as `web=api`; may be repeated
    #[arg(long, value_name = "REPO=OTHER", value_parser = edge)]
    depends_on: Vec<(String, String)>,
    /// Give repos without an origin a bare one under COORD_HOME, and name it in the clone
    #[arg(long)]
    create_origin: bool,
}

#[derive(Serialize)]
struct Document {
    config: Written,
}

#[derive(Default, Serialize)]
struct Written {
    path: String,
    repos: Vec<String>,
    notes: Vec<String>,
    dropped: BTreeMap<String, String>,
}

/// Writes it.
///
/// # Errors
/// When there is one already, no repo can be used, or nobody is there to be asked.
pub fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    if !args.yes && !cx.interactive {
        return Err(CliError::new(ErrorKind::Usage, "nobody is there to be asked: this is not a terminal")
            .hint("`coord init --yes` takes every proposal"));
    }
    let path = cx.config_flag.as_ref().map_or_else(|| cx.cwd.join(CONFIG_FILE), |it| cx.absolute(it));
    let git = Git::new(cx.environment.iter().map(|(name, value)| (name.into(), value.into())));
    let mut session = Session { args, cx, git, asker: Asker { ui, asks: !args.yes }, notes: Vec::new() };
    let old = place::existing(&path, cx, args.force)?;
    let converted = old.as_deref().and_then(convert);
    let (draft, dropped) = match converted {
        Some(Converted { mut draft, dropped }) => {
            session.bring_home(&mut draft, &path)?;
            session.note(format!(
                "carried over from the predecessor's file; it is kept as {}",
                place::kept(&path)
            ));
            (draft, dropped)
        }
        None => (session.draft()?, Vec::new()),
    };
    let text = draft.to_string();
    Config::parse(&text, &path, cx)?;
    place::put(&path, &text, old.is_some())?;
    if let Some(note) = place::keep_out(&path)? {
        session.note(note);
    }
    let written = Written {
        path: path.to_string(),
        repos: draft.repos.iter().map(|it| it.name.clone()).collect(),
        notes: session.notes,
        dropped: dropped.into_iter().collect(),
    };
    report(written, ui)
}

fn report(written: Written, ui: &Ui) -> Result<(), CliError> {
    let mut lines = vec![format!("wrote {} for {}", written.path, written.repos.join(", "))];
    lines.extend(written.notes.iter().map(|it| format!("note: {it}")));
    lines.extend(written.dropped.iter().map(|(key, why)| format!("dropped `{key}`: {why}")));
    let example = written.repos.first().map_or("repo", String::as_str).to_owned();
    let next = [
        Next::new("coord doctor", "checks that everything works, and says what does not"),
        Next::new(format!("coord task add {example} 'what is wanted'"), "puts a first task on the board"),
        Next::new(
            format!("coord assign auto {example} 1 --watch"),
            "has a worker do it, and shows it working",
        ),
    ];
    ui.finish(&Document { config: written }, &lines.join("\n"), &next)
}

struct Session<'a> {
    args: &'a Args,
    cx: &'a Context,
    git: Git,
    asker: Asker<'a>,
    notes: Vec<String>,
}

impl Session<'_> {
    fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn draft(&mut self) -> Result<Draft, CliError> {
        let seen = self.choose()?;
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
        Ok(Draft { repos, machines: vec![machine], ..Draft::default() })
    }

    /// Has this machine's own agent server be reached where it listens, which is on loopback unless asked otherwise.
    fn bring_home(&mut self, draft: &mut Draft, path: &Utf8Path) -> Result<(), CliError> {
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
        let mut seen = survey::look(&self.git, path).map_err(|error| {
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
            github: None,
            local: false,
            default_branch: default_branch.to_string(),
            depends_on,
            build,
            tested: test.is_some(),
            test,
            setup,
            deny: None,
        })
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

fn edge(text: &str) -> Result<(String, String), String> {
    let (repo, other) = text.split_once('=').ok_or("say which repo builds on which: `web=api`")?;
    Ok((repo.to_owned(), other.to_owned()))
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
