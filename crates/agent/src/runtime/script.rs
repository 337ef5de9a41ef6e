//! The runtime `script`: the task's text holds the work itself, as a fenced block of shell.
//!
//! Its standard output is its own words, so it can report with `STATUS:` and `STUCK:` like a model does.

use coord_core::classify::StreamFacts;
use coord_core::outcome::WorkerExit;
use coord_core::run::{RunKind, RuntimeReport};
use coord_proto::event::EventKind;
use coord_proto::run::RunSpec;

use super::{Launch, Runtime, Shape, Unlaunchable, shorten, words};
use crate::order::{Order, RuntimeConfig};

/// The first `sh` block of the task's text, for demonstrations and for trying out a fleet without a model.
#[derive(Debug)]
pub(super) struct Script;

impl Runtime for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn about(&self) -> &'static str {
        "The runtime that runs the first `sh` block of a task's text."
    }

    fn settings(&self) -> RuntimeConfig {
        RuntimeConfig::default()
    }

    fn program<'a>(&self, _: &'a RunSpec, _: &'a RuntimeConfig) -> Result<&'a str, Unlaunchable> {
        Ok("sh")
    }

    /// A shell that ends at the first failure reads the block from its standard input.
    fn launch(&self, order: &Order) -> Result<Launch, Unlaunchable> {
        let block = block(task_text(&order.spec.prompt)).ok_or_else(|| {
            let what = "the task's text has no block that starts with ```sh, which is what the runtime `script` runs";
            Unlaunchable(what.to_owned())
        })?;
        let argv = ["sh", "-eu"].map(str::to_owned).to_vec();
        Ok(Launch::unattended(argv, block, order.environment.clone()))
    }

    fn may_be_silent(&self) -> bool {
        true
    }

    fn reader(&self, _: RunKind) -> Box<dyn super::Reader> {
        Box::<Reader>::default()
    }
}

/// Of a worker whose every line is its own words: what it said last and whether it is stuck.
#[derive(Debug, Default)]
pub(super) struct Reader {
    stuck: Option<String>,
    last: Option<String>,
}

impl super::Reader for Reader {
    fn line(&mut self, line: &str, events: &mut Vec<EventKind>) -> Shape {
        words(line.to_owned(), &mut self.stuck, events);
        self.last = Some(shorten(line, 4000));
        Shape::Text
    }

    fn finish(self: Box<Self>, _: WorkerExit) -> (StreamFacts, RuntimeReport) {
        let facts = StreamFacts { stuck: self.stuck, ..StreamFacts::default() };
        (facts, RuntimeReport { text: self.last, ..RuntimeReport::default() })
    }
}

/// The part of a prompt that the task's author wrote: between `<<<task-text <nonce>` and
/// `task-text <nonce>>>>`. A prompt without such a fence was written by hand and is all the author's.
fn task_text(prompt: &str) -> &str {
    let opening = prompt.lines().find_map(|it| it.strip_prefix("<<<task-text ").map(|nonce| (it, nonce)));
    let Some((opening, nonce)) = opening else { return prompt };
    let start = prompt.find(opening).map_or(0, |at| at + opening.len());
    let text = &prompt[start..];
    let end = text.find(&format!("\ntask-text {nonce}>>>"));
    &text[..end.map_or(text.len(), |at| at + 1)]
}

/// The lines of the first fenced block of shell.
fn block(text: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|it| it.trim_end() != "```sh");
    lines.next()?;
    let mut block = String::new();
    for line in lines {
        if line.trim_end() == "```" {
            return Some(block);
        }
        block.push_str(line);
        block.push('\n');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_shell_block_of_the_authors_text_is_the_script() {
        let prompt = "coord: run=x\nUse ```sh blocks.\n```sh\nexit 9\n```\n<<<task-text 77\nDo:\n```rust\nfn f() {}\n```\n\
                      ```sh\necho one\necho two\n```\n```sh\nexit 8\n```\ntask-text 77>>>\nmore\n";
        assert_eq!(block(task_text(prompt)).unwrap(), "echo one\necho two\n");
    }

    #[test]
    fn a_block_behind_the_authors_text_or_without_an_end_is_none() {
        let behind = "<<<task-text 7\nnothing\ntask-text 6>>>\ntask-text 7>>>\n```sh\nexit 9\n```\n";
        assert_eq!(block(task_text(behind)), None);
        assert_eq!(block(task_text("```sh\necho")), None);
        assert_eq!(block(task_text("by hand\n```sh\necho\n```")).unwrap(), "echo\n");
    }
}
