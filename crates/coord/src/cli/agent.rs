//! `coord agent`.

use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_agent::layout::Home;
use coord_agent::server::{Options, ServerError};
use coord_agent::shim::contain::adopt_orphans;
use coord_core::name::MachineName;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::background::leave_terminal;
use crate::cli::version::VERSION;
use crate::config::Config;
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::ui::Ui;

/// How often an agent server clears up.
const CLEAR_EVERY: Duration = Duration::from_secs(3600);

/// Run the agent server of this machine
///
/// It starts workers where it is told to, each in a git worktree of its own, and streams what they do. Workers
/// outlive it: it can be stopped and upgraded at any time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which machine of the configuration this is; otherwise the one of this host name, or what it was last time
    #[arg(long)]
    machine: Option<MachineName>,

    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,

    /// The port to listen on; otherwise the machine's in the configuration. 0 takes a free one and says which
    #[arg(long)]
    port: Option<u16>,

    /// Leave the terminal and its session
    #[arg(long, hide = true)]
    background: bool,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the machine is not configured, the port is taken, or another agent server runs on this `COORD_HOME`.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    if args.background {
        leave_terminal()?;
    }
    let config = cx.config()?;
    let machine = which(args.machine.as_ref(), &config, cx)?;
    let configured = config.machine(&machine).map_or(0, |it| it.machine.port);
    let port = args.port.unwrap_or(configured);
    let listener = TcpListener::bind((args.host.as_str(), port)).await.map_err(|error| {
        let message = format!("cannot listen on {}:{port}", args.host);
        CliError::new(ErrorKind::Unreachable, message).because(error).hint(format!(
            "another program has that port; `coord agent --machine {machine} --port 0` takes a free one, or set \
             `port` of {machine} in {}",
            config.path
        ))
    })?;
    if let Ok(address) = listener.local_addr() {
        ui.talk(&format!("machine {machine} on http://{address}, configuration {}", config.path));
        if !address.ip().is_loopback() {
            ui.talk("anybody who can reach that address and has the token can run code here");
        }
    }
    let (path, again) = (config.path, cx.clone());
    let load = move || {
        let config =
            Config::load(&path, &again).map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
        config.agent(&machine).ok_or_else(|| format!("machine `{machine}` is gone from {path}"))
    };
    let options = Options {
        home: Home::new(cx.home.clone()),
        load: Arc::new(load),
        version: VERSION,
        shim_program: program(cx),
        environment: cx.environment.clone(),
        clear_every: CLEAR_EVERY,
        now: coord_engine::clock::now,
    };
    adopt_orphans().map_err(|error| {
        CliError::new(ErrorKind::Failed, "cannot adopt what a shim that dies leaves behind").because(error)
    })?;
    let shutdown = until_told()?;
    coord_agent::server::run(options, listener, shutdown).await.map_err(refused)
}

/// The program that shims run: the one that was installed under this name, which an upgrade may have replaced.
fn program(cx: &Context) -> Utf8PathBuf {
    cx.program.clone()
}

fn which(asked: Option<&MachineName>, config: &Config, cx: &Context) -> Result<MachineName, CliError> {
    let names: Vec<_> = config.machines.iter().map(|it| it.machine.name.as_str()).collect();
    let names = names.join(", ");
    match (asked, &config.here) {
        (Some(asked), _) if config.machine(asked).is_some() => Ok(asked.clone()),
        (Some(asked), _) => {
            let message = format!("there is no machine `{asked}` in {} (it has: {names})", config.path);
            Err(CliError::new(ErrorKind::NotFound, message).hint("`coord config` shows the machines"))
        }
        (None, Some(here)) => Ok(here.clone()),
        (None, None) => {
            let message = format!("no machine in {} answers to host name `{}`", config.path, cx.host_name);
            let first = config.machines.first().map_or("NAME", |it| it.machine.name.as_str());
            Err(CliError::new(ErrorKind::ConfigInvalid, message)
                .hint(format!("say which one this is: `coord agent --machine {first}` (it has: {names})")))
        }
    }
}

fn until_told() -> Result<impl Future<Output = ()>, CliError> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| CliError::new(ErrorKind::Failed, "cannot listen for signals").because(error))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn refused(error: ServerError) -> CliError {
    let kind = match &error {
        ServerError::Running { .. } => ErrorKind::Refused,
        ServerError::Token(_) => ErrorKind::Unauthorised,
        ServerError::Config(_) => ErrorKind::ConfigInvalid,
        ServerError::Directory { .. } | ServerError::Serve(_) => ErrorKind::Failed,
    };
    CliError::new(kind, "the agent server cannot run")
        .because(error)
        .hint("`coord doctor` looks at the agent server and its directory")
}
