//! Asking somebody at a terminal. Every question has an answer that is taken when nobody is asked.

use std::fmt::Display;
use std::io::BufRead as _;
use std::str::FromStr;

use crate::error::{CliError, ErrorKind};
use crate::ui::{Tone, Ui};

/// Asks, or takes the proposed answers.
pub(super) struct Asker<'a> {
    pub(super) ui: &'a Ui,
    /// Whether somebody is asked at all.
    pub(super) asks: bool,
}

impl Asker<'_> {
    /// A line; `-` empties the proposal.
    pub(super) fn line(&self, question: &str, proposal: &str) -> Result<String, CliError> {
        if !self.asks {
            return Ok(proposal.to_owned());
        }
        let shown = if proposal.is_empty() { "none".to_owned() } else { format!("{proposal}; - for none") };
        self.say(question, &format!("[{shown}]"));
        Ok(match read()?.as_str() {
            "" => proposal.to_owned(),
            "-" => String::new(),
            answer => answer.to_owned(),
        })
    }

    /// A name that has to be there, asked for until the answer is one.
    pub(super) fn name<T>(&self, question: &str, proposal: T) -> Result<T, CliError>
    where
        T: Display + FromStr<Err: Display>,
    {
        if !self.asks {
            return Ok(proposal);
        }
        loop {
            self.say(question, &format!("[{proposal}]"));
            match read()?.as_str() {
                "" => return Ok(proposal),
                answer => match answer.parse() {
                    Ok(name) => return Ok(name),
                    Err(error) => self.ui.talk(&format!("{error}")),
                },
            }
        }
    }

    /// Any of `options`, asked for until the answer names no others.
    pub(super) fn some_of(
        &self,
        question: &str,
        options: &[&str],
        proposal: &[String],
    ) -> Result<Vec<String>, CliError> {
        loop {
            let answer = self.line(question, &proposal.join(" "))?;
            let words: Vec<_> = words(&answer).collect();
            match words.iter().find(|it| !options.contains(&it.as_str())) {
                None => return Ok(words),
                Some(other) => {
                    self.ui.talk(&format!("`{other}` is none of those there are: {}", options.join(" ")));
                }
            }
        }
    }

    fn say(&self, question: &str, proposal: &str) {
        self.ui.talk(&format!("{question} {}", self.ui.paint(Tone::Faint, proposal)));
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
        self.say(question, shown);
        Ok(match read()?.to_lowercase().as_str() {
            "y" | "yes" => true,
            "n" | "no" => false,
            _ => proposal,
        })
    }
}

/// The words of a list, with commas or without.
pub(super) fn words(list: &str) -> impl Iterator<Item = String> {
    list.split([' ', ',']).filter(|it| !it.is_empty()).map(str::to_owned)
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
