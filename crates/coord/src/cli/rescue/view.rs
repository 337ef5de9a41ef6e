//! Rescued work as it is shown.

use coord_core::name::MachineName;
use coord_engine::rescue::Rescue;
use coord_proto::rescue::LeakView as Leak;
use serde::Serialize;

use crate::ui::{Tone, Ui, when};

/// Work of one run.
#[derive(Serialize)]
pub(super) struct RescueView {
    pub(super) run: String,
    task: Option<String>,
    repo: String,
    machine: String,
    reference: String,
    commit: String,
    /// How many files were uncommitted, and the first of them.
    files: usize,
    names: Vec<String>,
    stashes: usize,
    /// Commits that no branch of origin has.
    commits: usize,
    /// An earlier rescue of the same run.
    earlier: Option<String>,
    published: bool,
    pushed: bool,
    at: String,
    looked_at: Option<String>,
}

impl From<&Rescue> for RescueView {
    fn from(Rescue { machine, view }: &Rescue) -> Self {
        Self {
            run: view.run.to_string(),
            task: view.task.as_ref().map(ToString::to_string),
            repo: view.repo.to_string(),
            machine: machine.to_string(),
            reference: view.reference.clone(),
            commit: view.commit.to_string(),
            files: view.files,
            names: view.names.clone(),
            stashes: view.stashes.len(),
            commits: view.commits,
            earlier: view.earlier.as_ref().map(ToString::to_string),
            published: view.published,
            pushed: view.pushed,
            at: view.at.to_string(),
            looked_at: view.looked_at.map(|it| it.to_string()),
        }
    }
}

/// A machine that could not be asked.
#[derive(Serialize)]
pub(super) struct UnaskedView {
    pub(super) machine: String,
    pub(super) reason: String,
}

impl UnaskedView {
    pub(super) fn new(machine: &MachineName, reason: &str) -> Self {
        Self { machine: machine.to_string(), reason: reason.to_owned() }
    }
}

/// What became of a push.
#[derive(Serialize)]
pub(super) struct PushedView {
    /// Whether origin has it.
    done: bool,
    reference: Option<String>,
    pub(super) leaks: Vec<LeakView>,
}

/// Where something looks like a secret. What is secret in it is not known here.
#[derive(Serialize)]
pub(super) struct LeakView {
    pub(super) place: String,
    pub(super) line: u64,
    pub(super) looks_like: &'static str,
}

impl PushedView {
    pub(super) fn pushed(reference: &str, leaks: &[Leak]) -> Self {
        Self { done: true, reference: Some(reference.to_owned()), leaks: views(leaks) }
    }

    pub(super) fn held(leaks: &[Leak]) -> Self {
        Self { done: false, reference: None, leaks: views(leaks) }
    }
}

fn views(leaks: &[Leak]) -> Vec<LeakView> {
    let view = |it: &Leak| LeakView { place: it.place.clone(), line: it.line, looks_like: it.rule.as_str() };
    leaks.iter().map(view).collect()
}

/// What is kept, counted: `2 files, 1 stash, 3 commits`.
fn counted(view: &RescueView) -> String {
    let parts = [
        (view.files, "file", "files"),
        (view.stashes, "stash", "stashes"),
        (view.commits, "commit", "commits"),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<_> =
        parts.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many })).collect();
    if parts.is_empty() { "nothing that origin lacks".to_owned() } else { parts.join(", ") }
}

fn whereabouts(view: &RescueView) -> &'static str {
    match (view.published, view.pushed, &view.looked_at) {
        (true, ..) => ", published",
        (false, true, _) => ", on origin",
        (false, false, None) => ", never looked at",
        (false, false, Some(_)) => "",
    }
}

pub(super) fn line(view: &RescueView, ui: &Ui) -> String {
    let now = coord_engine::clock::now();
    let task = view.task.as_deref().unwrap_or(&view.repo);
    let (run, what) = (ui.paint(Tone::Strong, &view.run), counted(view));
    format!(
        "{run} {task:<14} {what} on {}, {} ago{}",
        view.machine,
        when::since(&view.at, now),
        whereabouts(view)
    )
}

/// All there is to say of it but the patch.
pub(super) fn human(view: &RescueView, ui: &Ui) -> String {
    let mut lines = vec![line(view, ui), format!("{} at {}", view.reference, view.commit)];
    lines.extend(view.names.iter().map(|it| format!("  {it}")));
    let more = view.files.saturating_sub(view.names.len());
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines.extend(view.earlier.iter().map(|it| format!("what was rescued of it earlier is at {it}")));
    lines.join("\n")
}
