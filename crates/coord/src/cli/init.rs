//! `coord init`: from the repos that lie around to a `coordinator.yml` that works.
//!
//! What must hold: nothing is replaced without `--force`, and then a copy is kept; the file is checked before it
//! is put in place, whole; a clone is written to with consent only (`--create-origin`, `--claude`), save for the line
//! that keeps `coordinator.yml` out of git.

mod ask;
mod commands;
mod github;
mod interview;
mod place;
mod survey;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use coord_core::name::{BranchName, MachineName};
use coord_git::program::Git;
use serde::Serialize;

use self::ask::Asker;
use self::commands::Installed;
use self::interview::Interview;
use crate::config::Config;
use crate::config::predecessor::{Converted, convert};
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
    /// Keep tasks and pull requests on the board, also those of repos that are on GitHub
    #[arg(long)]
    local: bool,
    /// Also write the slash commands /coordinator and /board for Claude Code; where there is a configuration, only
    /// these
    #[arg(long)]
    claude: bool,
}

#[derive(Serialize)]
struct Document {
    /// What was written of the configuration; nothing where it was there already.
    config: Option<Written>,
    /// The slash commands, where they were asked for.
    commands: Vec<Installed>,
}

#[derive(Serialize)]
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
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let there = args.claude && !args.force && cx.config_path().is_some_and(|it| it.exists());
    let config = if there { None } else { Some(configure(args, cx, ui).await?) };
    let commands = if args.claude { commands::install(cx)? } else { Vec::new() };
    report(&Document { config, commands }, ui)
}

async fn configure(args: &Args, cx: &Context, ui: &Ui) -> Result<Written, CliError> {
    if !args.yes && !cx.interactive {
        return Err(CliError::new(ErrorKind::Usage, "nobody is there to be asked: this is not a terminal")
            .hint("`coord init --yes` takes every proposal"));
    }
    let path = cx.config_flag.as_ref().map_or_else(|| cx.cwd.join(CONFIG_FILE), |it| cx.absolute(it));
    let git = Git::new(cx.environment.iter().map(|(name, value)| (name.into(), value.into())));
    let mut session = Interview::new(args, cx, git, Asker { ui, asks: !args.yes }, &path)?;
    let old = place::existing(&path, cx, args.force)?;
    let converted = old.as_deref().and_then(convert);
    let (draft, dropped) = match converted {
        Some(Converted { mut draft, dropped }) => {
            session.bring_home(&mut draft, &path)?;
            draft.repos.iter_mut().for_each(|it| it.local = args.local);
            session.note(format!(
                "carried over from the predecessor's file; it is kept as {}",
                place::kept(&path)
            ));
            (draft, dropped)
        }
        None => (session.draft().await?, Vec::new()),
    };
    let text = draft.to_string();
    Config::parse(&text, &path, cx)?;
    place::put(&path, &text, old.is_some())?;
    if let Some(note) = place::keep_out(&path)? {
        session.note(note);
    }
    Ok(Written {
        path: path.to_string(),
        repos: draft.repos.iter().map(|it| it.name.clone()).collect(),
        notes: session.into_notes(),
        dropped: dropped.into_iter().collect(),
    })
}

fn report(document: &Document, ui: &Ui) -> Result<(), CliError> {
    let Document { config, commands } = document;
    let mut lines = Vec::new();
    let mut next = Vec::new();
    if let Some(written) = config {
        lines.push(format!("wrote {} for {}", written.path, written.repos.join(", ")));
        lines.extend(written.notes.iter().map(|it| format!("note: {it}")));
        lines.extend(written.dropped.iter().map(|(key, why)| format!("dropped `{key}`: {why}")));
        let example = written.repos.first().map_or("repo", String::as_str);
        next = vec![
            Next::new("coord doctor", "checks that everything works, and says what does not"),
            Next::new(format!("coord task add {example} 'what is wanted'"), "puts a first task on the board"),
            Next::new(
                format!("coord assign auto {example} 1 --watch"),
                "has a worker do it, and shows it working",
            ),
        ];
    }
    lines.extend(commands.iter().map(Installed::sentence));
    ui.finish(document, &lines.join("\n"), &next)
}

fn edge(text: &str) -> Result<(String, String), String> {
    let (repo, other) = text.split_once('=').ok_or("say which repo builds on which: `web=api`")?;
    Ok((repo.to_owned(), other.to_owned()))
}
