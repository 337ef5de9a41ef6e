//! `coord why`.

use coord_engine::why::WhyView;

use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::{Next, Tone, Ui, when};

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
    let next: Vec<_> = view.next.iter().map(|it| Next::new(&it.command, it.why)).collect();
    ui.finish(&view, &text(&view, ui), &next)
}

fn text(view: &WhyView, ui: &Ui) -> String {
    let task = &view.task;
    let mut lines =
        vec![format!("{}#{} {}", task.repo, task.number, task.title), ui.paint(Tone::Strong, &view.state)];
    lines.extend(view.because.iter().map(|it| format!("  because {it}")));
    if !view.gates.is_empty() {
        lines.push("gates".to_owned());
    }
    lines.extend(view.gates.iter().map(|it| {
        let asked = if it.required { "" } else { " (not asked for)" };
        format!("  {}{asked}", it.detail)
    }));
    lines.push("history".to_owned());
    lines.extend(
        view.events.iter().map(|it| format!("  {} {}", ui.paint(Tone::Faint, when::local(&it.at)), it.what)),
    );
    lines.join("\n")
}
