//! `coord log`.

use coord_core::id::RunId;
use coord_core::report::file_name;
use coord_engine::Engine;
use coord_proto::event::Event;

use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::render::{Detail, line};
use crate::session::Session;
use crate::ui::Ui;

/// Print the events of a run
///
/// With `--raw`, what the worker printed, byte for byte. With `--json`, one document a line. With `--artifact`, the
/// file that the worker handed over under that name: `coord log 1 --artifact plan.md > plan.md`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run, or a task for its newest run
    id: String,

    /// Go on until the run has ended
    #[arg(short, long)]
    follow: bool,

    /// Print the worker's own lines
    #[arg(long)]
    raw: bool,

    /// Print a file that the worker handed over, as it is
    #[arg(long, value_name = "NAME", value_parser = file_name, conflicts_with_all = ["follow", "raw", "json"])]
    artifact: Option<String>,
}

/// Prints them.
///
/// # Errors
/// When the run is unknown, has no such artifact, or its machine does not answer.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let run = session.engine.resolve_run(&args.id, None).await?;
    session.wake(&run, ui).await?;
    if let Some(name) = &args.artifact {
        return ui.bytes(&session.engine.artifact(run.id, name).await?);
    }
    if args.follow {
        let mut following = session.engine.follow(run.id, 0).await?;
        while let Some(event) = following.next().await? {
            print(&event, args.raw, ui)?;
        }
        return Ok(());
    }
    whole(&session.engine, run.id, args.raw, ui).await
}

async fn whole(engine: &Engine, id: RunId, raw: bool, ui: &Ui) -> Result<(), CliError> {
    let log = engine.log(id, 0).await?;
    let whole_lines = log.split_inclusive(|it| *it == b'\n').filter(|it| it.ends_with(b"\n"));
    for text in whole_lines {
        let event: Event = serde_json::from_slice(text).map_err(|error| {
            CliError::new(ErrorKind::Bug, format!("the log of run {id} has a line that is no event"))
                .because(error)
        })?;
        print(&event, raw, ui)?;
    }
    Ok(())
}

fn print(event: &Event, raw: bool, ui: &Ui) -> Result<(), CliError> {
    if raw {
        let Some(mut line) = event.raw_line() else { return Ok(()) };
        line.push(b'\n');
        return ui.bytes(&line);
    }
    if ui.is_json() {
        return ui.document(event);
    }
    line(event, Detail::All, ui).map_or(Ok(()), |text| ui.data(&text))
}
