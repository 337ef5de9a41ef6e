//! `coord why`.

use coord_engine::why::WhyView;

use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::{Next, Tone, Ui};

/// Explain why a task or a run is where it is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A task or a run
    id: String,
}

/// Explains it.
///
/// # Errors
/// When the id stands for nothing or for several things.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let view = session.engine.why(&args.id).await?;
    let next: Vec<_> = view.next.iter().map(|it| Next::new(it, "moves it on")).collect();
    ui.finish(&view, &text(&view, ui), &next)
}

fn text(view: &WhyView, ui: &Ui) -> String {
    let task = &view.task;
    let mut text = format!("{}#{} {}\n", task.repo, task.number, task.title);
    text.push_str(&format!("{}\n", ui.paint(Tone::Strong, &view.state)));
    for reason in &view.because {
        text.push_str(&format!("  because {reason}\n"));
    }
    if !view.gates.is_empty() {
        text.push_str("gates\n");
    }
    for gate in &view.gates {
        let asked = if gate.required { "" } else { " (not asked for)" };
        text.push_str(&format!("  {}{asked}\n", gate.detail));
    }
    text.push_str("history\n");
    for event in &view.events {
        text.push_str(&format!("  {} {}\n", ui.paint(Tone::Faint, &event.at), event.what));
    }
    text
}
