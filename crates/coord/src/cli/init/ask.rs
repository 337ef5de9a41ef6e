//! Asking somebody at a terminal. Every question has an answer that is taken when nobody is asked.

use std::io::BufRead as _;

use crate::error::{CliError, ErrorKind};
use crate::ui::{Tone, Ui};

/// Asks, or takes the proposed answers.
pub(super) struct Asker<'a> {
    pub(super) ui: &'a Ui,
    /// Whether somebody is asked at all.
    pub(super) asks: bool,
}

impl Asker<'_> {
    /// A word or a line; `-` empties the proposal.
    pub(super) fn line(&self, question: &str, proposal: &str) -> Result<String, CliError> {
        if !self.asks {
            return Ok(proposal.to_owned());
        }
        let shown = if proposal.is_empty() { "none".to_owned() } else { format!("{proposal}; - for none") };
        self.ui.talk(&format!("{question} {}", self.ui.paint(Tone::Faint, format!("[{shown}]"))));
        Ok(match read()?.as_str() {
            "" => proposal.to_owned(),
            "-" => String::new(),
            answer => answer.to_owned(),
        })
    }

    /// Like [`Self::line`], with nothing for an empty answer.
    pub(super) fn optional(
        &self,
        question: &str,
        proposal: Option<&str>,
    ) -> Result<Option<String>, CliError> {
        let answer = self.line(question, proposal.unwrap_or_default())?;
        Ok(Some(answer).filter(|it| !it.is_empty()))
    }

    /// Yes or no.
    pub(super) fn yes(&self, question: &str, proposal: bool) -> Result<bool, CliError> {
        if !self.asks {
            return Ok(proposal);
        }
        let shown = if proposal { "[Y/n]" } else { "[y/N]" };
        self.ui.talk(&format!("{question} {}", self.ui.paint(Tone::Faint, shown)));
        Ok(match read()?.to_lowercase().as_str() {
            "y" | "yes" => true,
            "n" | "no" => false,
            _ => proposal,
        })
    }
}

fn read() -> Result<String, CliError> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let length =
        read.map_err(|error| CliError::new(ErrorKind::Failed, "cannot read an answer").because(error))?;
    if length == 0 {
        return Err(CliError::new(ErrorKind::Usage, "there was no answer").hint(
            "`coord init --yes` takes every proposal; every question has a flag, see `coord init --help`",
        ));
    }
    Ok(line.trim().to_owned())
}
