//! Progress of several things at once: a line each, redrawn in place on a terminal, printed when it changes
//! everywhere else.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Ui;

/// Lines of progress on standard error.
pub struct Live<'a> {
    ui: &'a Ui,
    lines: RefCell<Vec<Line>>,
    all: MultiProgress,
}

struct Line {
    name: String,
    text: String,
    bar: Option<ProgressBar>,
}

impl<'a> Live<'a> {
    /// A line for each of `names`, in that order.
    pub fn new(ui: &'a Ui, names: impl IntoIterator<Item = String>) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let spinning = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let lines = names.into_iter().map(|name| {
            let bar = ui.is_live().then(|| {
                let bar = all.add(ProgressBar::new_spinner().with_style(spinning.clone()));
                bar.set_prefix(name.clone());
                bar.enable_steady_tick(Duration::from_millis(120));
                bar
            });
            Line { name, text: String::new(), bar }
        });
        Self { ui, lines: RefCell::new(lines.collect()), all: all.clone() }
    }

    /// What is to be said of line `index` now.
    pub fn set(&self, index: usize, text: &str) {
        let mut lines = self.lines.borrow_mut();
        let Some(line) = lines.get_mut(index).filter(|it| it.text != text) else { return };
        text.clone_into(&mut line.text);
        match &line.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.ui.talk(&format!("{}  {text}", line.name)),
        }
    }

    /// What is to be said of line `index` for good.
    pub fn close(&self, index: usize, text: &str) {
        self.set(index, text);
        if let Some(bar) = self.lines.borrow().get(index).and_then(|it| it.bar.as_ref()) {
            bar.finish_with_message(text.to_owned());
        }
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        for bar in self.lines.borrow().iter().filter_map(|it| it.bar.as_ref()) {
            bar.abandon();
        }
        // A terminal that has gone away needs no last line.
        drop(self.all.clear());
        for line in self.lines.borrow().iter().filter(|it| it.bar.is_some()) {
            self.ui.talk(&format!("{}  {}", line.name, line.text));
        }
    }
}
