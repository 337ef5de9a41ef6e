//! `coord queue`: started by whoever leaves a run queued. Not for people.

use std::time::SystemTime;

use coord_core::run::RunState;

use crate::background::{Attendance, leave_terminal};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::session::Session;

/// Start queued runs as soon as there is room, until none is left (started by who queues one)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the terminal and its session
    #[arg(long, hide = true)]
    background: bool,
}

/// Starts them. Where another process does it, there is nothing to do.
///
/// # Errors
/// When the board or the configuration cannot be read; the next command that settles goes on.
pub async fn run(args: &Args, cx: &Context) -> Result<(), CliError> {
    if args.background {
        leave_terminal()?;
    }
    loop {
        let session = Session::attended(cx, Attendance::Here).await?;
        let alone = session.only_attendant().map_err(|error| {
            CliError::new(ErrorKind::Failed, "cannot become the one who starts queued runs").because(error)
        })?;
        let Some(alone) = alone else { return Ok(()) };
        let session = empty(session, cx).await?;
        drop(alone);
        // Whoever queued a run until a moment ago saw that somebody was here.
        let left = session.engine.live_runs().await?;
        if !left.iter().any(|it| matches!(it.state, RunState::Queued(_))) {
            return Ok(());
        }
    }
}

/// Starts runs until none is queued. An edited configuration is in force at once, unless it cannot be used.
async fn empty(mut session: Session, cx: &Context) -> Result<Session, CliError> {
    let mut read = edited(cx);
    loop {
        let settled = session.engine.settle().await?;
        if settled.queued.is_empty() {
            return Ok(session);
        }
        session.engine.until_queue_may_move(&settled).await?;
        let now = edited(cx);
        if now != read {
            match Session::attended(cx, Attendance::Here).await {
                Ok(newer) => session = newer,
                Err(error) => tracing::warn!(error = error.chain(), "the configuration stays as it was"),
            }
            read = now;
        }
    }
}

/// When the configuration was last written; `None` where it is not to be seen.
fn edited(cx: &Context) -> Option<SystemTime> {
    fs_err::metadata(cx.config_path()?).ok()?.modified().ok()
}
