//! The commands: the tree of their arguments, and nothing else. Each command is a file: arguments, one call of
//! the engine, what is printed.

pub mod account;
pub mod again;
pub mod agent;
pub mod answer;
pub mod assign;
pub mod attach;
pub mod checkout;
pub mod completions;
pub mod config;
pub mod cost;
pub mod doctor;
pub mod done;
pub mod fix;
pub mod gc;
pub mod init;
pub mod log;
pub mod merge;
pub mod notify;
pub mod pr;
pub mod queue;
pub mod report;
pub mod rescue;
pub mod resume_stuck;
pub mod retry;
pub mod session;
pub mod shim;
pub mod status;
pub mod stop;
pub mod task;
pub mod tell;
pub mod test;
pub mod version;
pub mod wait;
pub mod watch;
pub mod why;

use camino::Utf8PathBuf;
use clap::{Parser, Subcommand};

/// A fleet of coding agents, from issue to merged change
#[derive(Debug, Parser)]
#[command(name = "coord", version, propagate_version = false, arg_required_else_help = true)]
#[command(after_help = AFTER_HELP)]
pub struct Cli {
    /// The configuration; otherwise ./coordinator.yml, a parent directory's, or $COORD_HOME/coordinator.yml
    #[arg(long, global = true, value_name = "PATH", display_order = 900)]
    pub config: Option<Utf8PathBuf>,

    /// Print one JSON document instead of text
    #[arg(long, global = true, display_order = 900)]
    pub json: bool,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
An ID is a task (42, #42, api#42) or a run; a run may be shortened to any unique prefix.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 timed out, 4 not found, 5 refused (a \
gate, a claim, a limit, a lost race), 6 unreachable, 7 not authorised, 70 a bug in coord.";

/// What to do.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub enum Command {
    Init(init::Args),
    Config(config::Args),
    Doctor(doctor::Args),
    Demo(crate::demo::Args),
    Task(task::Args),
    Assign(assign::Args),
    Status(status::Args),
    Watch(watch::Args),
    Wait(wait::Args),
    Log(log::Args),
    Stop(stop::Args),
    Retry(retry::Args),
    ResumeStuck(resume_stuck::Args),
    Tell(tell::Args),
    Answer(answer::Args),
    Attach(attach::Args),
    Checkout(checkout::Args),
    Rescue(rescue::Args),
    Gc(gc::Args),
    Test(test::Args),
    Fix(fix::Args),
    Pr(pr::Args),
    Merge(merge::Args),
    Notify(notify::Args),
    Why(why::Args),
    Cost(cost::Args),
    Account(account::Args),
    Session(session::Args),
    Done(done::Args),
    Agent(agent::Args),
    Report(report::Args),
    #[command(hide = true)]
    Queue(queue::Args),
    #[command(hide = true)]
    Shim(shim::Args),
    Completions(completions::Args),
    Version(version::Args),
}

/// A duration as people write it: `90` is seconds, `15m` and `2h 30m` are what they say.
///
/// # Errors
/// When it is neither, or negative.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(std::time::Duration::from_secs(seconds));
    }
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is not a duration; write `90` (seconds) or `15m`"))?;
    parsed.try_into().map_err(|_| format!("`{text}` is negative"))
}
