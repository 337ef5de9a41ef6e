//! `coord`: the command line, and the wiring of everything behind it.
//!
//! What is ambient (arguments, environment, host name, the terminal) is read here, once, and is data ever after.
//! Commands are thin: arguments, one call of `coord-engine`, what is printed. Every sentence about an error of
//! the engine is in [`say`], every line about an event in [`render`], every byte of output in [`ui`].

#![expect(
    unreachable_pub,
    reason = "nothing can reach into a program: `pub` says what a module offers its siblings"
)]

mod background;
mod cli;
mod config;
mod context;
mod demo;
mod error;
mod log;
mod mcp;
mod render;
mod say;
mod session;
mod slash;
mod ui;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::error::ErrorKind as ClapError;
use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::ui::Ui;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let no_colour = environment.get("NO_COLOR").is_some_and(|it| !it.is_empty());
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            return misunderstood(&error, &Ui::new(arguments.iter().any(|it| it == "--json"), no_colour));
        }
    };
    let ui = Ui::new(cli.json, no_colour);
    let done = std::panic::catch_unwind(AssertUnwindSafe(|| run(cli, environment, &ui)));
    let mut error = match done {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => error,
        Err(_) => CliError::new(ErrorKind::Bug, "this is a bug in coord; the lines above say where"),
    };
    if error.kind == ErrorKind::Bug {
        error = error.hint("`coord version` says which version to report it for");
    }
    ui.error(&error);
    if ui::is_closed_pipe(&error) { ExitCode::SUCCESS } else { error.kind.into() }
}

/// A command line that makes no sense, or one that asks for help, which is no error.
fn misunderstood(error: &clap::Error, ui: &Ui) -> ExitCode {
    if !error.use_stderr() {
        // Where there is nothing to say of an option, clap says so in spaces.
        let text = error.render().to_string();
        let shown = ui.data(&text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
        return shown.map_or(ErrorKind::Failed.into(), |()| ExitCode::SUCCESS);
    }
    if ui.is_json() {
        let silent = [ClapError::DisplayHelpOnMissingArgumentOrSubcommand, ClapError::MissingSubcommand];
        let unsaid = silent.contains(&error.kind());
        let text = if unsaid { "a command is missing".to_owned() } else { error.render().to_string() };
        // What follows is how it is used, which is for people.
        let text = text.split("\n\nUsage:").next().unwrap_or_default().trim_start_matches("error: ");
        ui.error(&CliError::new(ErrorKind::Usage, text).hint("`coord --help` shows the commands"));
    } else {
        ui.talk(error.render().to_string().trim_end());
    }
    ErrorKind::Usage.into()
}

fn run(cli: Cli, environment: BTreeMap<String, String>, ui: &Ui) -> Result<(), CliError> {
    match &cli.command {
        Command::Version(args) => return cli::version::run(args, ui),
        Command::Completions(args) => return cli::completions::run(args, Cli::command(), ui),
        Command::Shim(args) => return cli::shim::run(args),
        Command::Init(_)
        | Command::Config(_)
        | Command::Doctor(_)
        | Command::Demo(_)
        | Command::Task(_)
        | Command::Assign(_)
        | Command::Status(_)
        | Command::Watch(_)
        | Command::Wait(_)
        | Command::Log(_)
        | Command::Stop(_)
        | Command::Retry(_)
        | Command::ResumeStuck(_)
        | Command::Checkout(_)
        | Command::Rescue(_)
        | Command::Gc(_)
        | Command::Test(_)
        | Command::Fix(_)
        | Command::Pr(_)
        | Command::Merge(_)
        | Command::Notify(_)
        | Command::Why(_)
        | Command::Cost(_)
        | Command::Account(_)
        | Command::Session(_)
        | Command::Done(_)
        | Command::Agent(_)
        | Command::Answer(_)
        | Command::Attach(_)
        | Command::Tell(_)
        | Command::Report(_)
        | Command::Queue(_) => {}
    }
    let serves = matches!(cli.command, Command::Agent(_) | Command::Queue(_));
    log::start(environment.get("COORD_LOG").map(String::as_str), serves, ui.is_json());
    let cx = surroundings(cli.config, environment)?;
    // The agent server as well: what may block does so on threads of its own, and one loop hands on soonest.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| CliError::new(ErrorKind::Failed, "cannot start an event loop").because(error))?;
    let done = runtime.block_on(perform(&cli.command, &cx, ui));
    // What still blocks somewhere (a git that does not answer) holds nobody up who has the answer already.
    runtime.shutdown_background();
    done
}

async fn perform(command: &Command, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    match command {
        Command::Init(args) => cli::init::run(args, cx, ui).await,
        Command::Config(args) => cli::config::run(args, cx, ui).await,
        Command::Doctor(args) => cli::doctor::run(args, cx, ui).await,
        Command::Demo(args) => demo::run(args, cx, ui).await,
        Command::Task(args) => cli::task::run(args, cx, ui).await,
        Command::Assign(args) => cli::assign::run(args, cx, ui).await,
        Command::Status(args) => cli::status::run(args, cx, ui).await,
        Command::Watch(args) => cli::watch::run(args, cx, ui).await,
        Command::Wait(args) => cli::wait::run(args, cx, ui).await,
        Command::Log(args) => cli::log::run(args, cx, ui).await,
        Command::Stop(args) => cli::stop::run(args, cx, ui).await,
        Command::Retry(args) => cli::retry::run(args, cx, ui).await,
        Command::ResumeStuck(args) => cli::resume_stuck::run(args, cx, ui).await,
        Command::Checkout(args) => cli::checkout::run(args, cx, ui).await,
        Command::Rescue(args) => cli::rescue::run(args, cx, ui).await,
        Command::Gc(args) => cli::gc::run(args, cx, ui).await,
        Command::Test(args) => cli::test::run(args, cx, ui).await,
        Command::Fix(args) => cli::fix::run(args, cx, ui).await,
        Command::Pr(args) => cli::pr::run(args, cx, ui).await,
        Command::Merge(args) => cli::merge::run(args, cx, ui).await,
        Command::Notify(args) => cli::notify::run(args, cx, ui).await,
        Command::Why(args) => cli::why::run(args, cx, ui).await,
        Command::Cost(args) => cli::cost::run(args, cx, ui).await,
        Command::Account(args) => cli::account::run(args, cx, ui).await,
        Command::Session(args) => cli::session::run(args, cx, ui).await,
        Command::Done(args) => cli::done::run(args, cx, ui).await,
        Command::Agent(args) => cli::agent::run(args, cx, ui).await,
        Command::Queue(args) => cli::queue::run(args, cx).await,
        Command::Tell(args) => cli::tell::run(args, cx, ui).await,
        Command::Attach(args) => cli::attach::run(args, cx, ui).await,
        Command::Answer(args) => cli::answer::run(args, cx, ui).await,
        Command::Report(args) => cli::report::run(args, cx, ui).await,
        Command::Shim(_) | Command::Completions(_) | Command::Version(_) => {
            unreachable!("these need no event loop and are done by now")
        }
    }
}

fn surroundings(
    config_flag: Option<Utf8PathBuf>,
    environment: BTreeMap<String, String>,
) -> Result<Context, CliError> {
    let odd = |what: &str| CliError::new(ErrorKind::Usage, what);
    let elsewhere = |what: &str| odd(what).hint("change to another directory and run it there");
    let cwd = std::env::current_dir();
    let cwd = cwd.map_err(|error| elsewhere("the current directory is gone").because(error))?;
    let cwd = Utf8PathBuf::from_path_buf(cwd)
        .map_err(|_| elsewhere("the current directory's name is not UTF-8"))?;
    let program = std::env::current_exe().map_err(|error| odd("this program has no path").because(error))?;
    let program = Utf8PathBuf::from_path_buf(program).map_err(|_| odd("this program's path is not UTF-8"))?;
    let user_home = environment.get("HOME").filter(|it| !it.is_empty()).map(Utf8PathBuf::from);
    let home = match (environment.get("COORD_HOME").filter(|it| !it.is_empty()), &user_home) {
        (Some(home), _) => cwd.join(home),
        (None, Some(user_home)) => user_home.join(".coord"),
        (None, None) => {
            return Err(odd("neither COORD_HOME nor HOME is set")
                .hint("set COORD_HOME to a directory for the board and everything beside it"));
        }
    };
    let host_name = hostname::get().unwrap_or_default().to_string_lossy().into_owned();
    let interactive = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    // An upgrade replaces the file under a running program; Linux then marks the path.
    let program = program.as_str().strip_suffix(" (deleted)").map_or(program.clone(), Utf8PathBuf::from);
    Ok(Context { config_flag, home, cwd, user_home, host_name, program, environment, interactive })
}
