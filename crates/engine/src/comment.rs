//! What is said of runs on the forge: a briefing when a worker starts, a word at its end, a call when it is stuck.
//! Each stands once, whoever crashes, and says what a reader of the issue needs and nothing of the machine's.

use std::fmt::Write as _;

use coord_board::Saying;
use coord_core::again::Aim;
use coord_core::comment::{CommentEvent, Marker, due, is_said_of_another};
use coord_core::id::RunId;
use coord_core::ledger::Total;
use coord_core::name::MachineName;
use coord_core::outcome::Outcome;
use coord_core::run::{Run, RunEnd};
use coord_forge::NOTICE;
use coord_forge::github::GitHub;
use coord_forge::github::error::GitHubError;
use coord_forge::github::write::Search;
use serde::Serialize;

use crate::error::Error;
use crate::settle::Settled;
use crate::{Engine, again, blocking, clock, counted, machine_of, markdown};

/// How much of a worker's last words is repeated, in characters.
const WORDS: usize = 2000;
/// How many ended runs are looked at for what was not said of them.
const RECENT: u32 = 200;

/// A comment that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The task, as `repo#number`.
    pub task: String,
    /// The run it is about.
    pub run: String,
    /// `briefing`, `completion`, `failure` or `stuck`.
    pub event: &'static str,
    /// The forge's id of the comment.
    pub comment: u64,
}

impl Engine {
    /// Writes whatever ought to have been said of runs by now and has not been. On the local forge nothing is.
    ///
    /// # Errors
    /// When the board cannot be read or written, or the forge does not take a comment; those that it took stay.
    pub async fn notify(&self, settled: &Settled) -> Result<Vec<Said>, Error> {
        let live = self.live_runs().await?;
        let recent = self.board.recent_runs(RECENT).await.map_err(Error::board("listing runs"))?;
        let ended = recent.into_iter().filter(|it| it.state.end().is_some());
        let mut said = Vec::new();
        for run in live.into_iter().chain(ended) {
            said.extend(self.speak_of(&run, settled).await?);
        }
        Ok(said)
    }

    /// Writes what is due of one run. What cannot be said now is left to the next who looks, and said in the log:
    /// no work waits for a comment.
    pub async fn tell(&self, run: RunId) {
        let told = async {
            let run = self.run(run).await?;
            self.speak_of(&run, &Settled::default()).await
        };
        if let Err(error) = told.await {
            let error = crate::chain(&error);
            tracing::warn!(target: NOTICE, "run {run} is not commented on the forge yet ({error}); `coord notify` does it");
        }
    }

    async fn speak_of(&self, run: &Run, settled: &Settled) -> Result<Vec<Said>, Error> {
        // A run of a repo that is no longer configured has nobody to speak to.
        if self.settings.repo(&run.task.repo).is_none() {
            return Ok(Vec::new());
        }
        let Some(github) = self.github(&run.task.repo).await? else { return Ok(Vec::new()) };
        let stuck = settled.live.get(&run.id).and_then(|it| it.stuck.clone());
        let known = self.board.comments_of(run.id).await.map_err(Error::board("reading what was said"))?;
        let mut events = due(run, &known);
        events.extend(stuck.is_some().then_some(CommentEvent::Stuck));
        events.retain(|it| !known.contains(it));
        if !events.is_empty() {
            let runs = self.runs_of(&run.task).await?;
            events.retain(|it| !is_said_of_another(run, &runs, *it));
        }
        let mut said = Vec::new();
        if events.is_empty() {
            return Ok(said);
        }
        let _one_at_a_time = self.voice().await?;
        for event in events {
            let comment = self.say(&github, run, event, stuck.as_deref()).await?;
            said.extend(comment.map(|comment| Said {
                task: run.task.to_string(),
                run: run.id.to_string(),
                event: event.as_str(),
                comment,
            }));
        }
        Ok(said)
    }

    /// Writes one comment, unless it stands already or somebody is writing it.
    async fn say(
        &self,
        github: &GitHub,
        run: &Run,
        event: CommentEvent,
        stuck: Option<&str>,
    ) -> Result<Option<u64>, Error> {
        let here = self.settings.here.as_ref().map_or("", |it| it.as_str());
        let holder = format!("{here}:{}", self.settings.home);
        let begun = self.board.begin_comment(run.id, event, &holder, clock::now()).await;
        let search = match begun.map_err(Error::board("setting out to write a comment"))? {
            Saying::New => Search::Not,
            Saying::Unsure => Search::First,
            Saying::Said => return Ok(None),
        };
        let machine = machine_of(run)?;
        let marker = Marker { event, run: run.id, machine, task: &run.task }.to_string();
        let body = self.body((run, machine), event, stuck).await?;
        match github.comment_once(run.task.number, &marker, &body, search).await {
            Ok(comment) => {
                let recorded =
                    self.board.record_comment(&run.task, run.id, event, comment, clock::now()).await;
                recorded.map_err(Error::board("recording a comment"))?;
                Ok(Some(comment))
            }
            Err(error) => {
                // Of an attempt without an answer nobody knows whether it stands; any other does not.
                if !matches!(error, GitHubError::Unanswered { .. }) {
                    let dropped = self.board.drop_comment(run.id, event).await;
                    dropped.map_err(Error::board("giving a comment up"))?;
                }
                Err(Error::github(&run.task.repo, "writing a comment")(error))
            }
        }
    }

    /// Held while comments are written: who holds it knows that every other attempt from here is over.
    async fn voice(&self) -> Result<fs_err::File, Error> {
        let path = self.settings.home.join("comments.lock");
        let taken = blocking(move || {
            let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
            file.file().lock()?;
            Ok::<_, std::io::Error>(file)
        });
        taken.await.map_err(|source| Error::Home { doing: "taking turns with comments", source })
    }

    async fn body(
        &self,
        (run, machine): (&Run, &MachineName),
        event: CommentEvent,
        stuck: Option<&str>,
    ) -> Result<String, Error> {
        let change = self.board.change(&run.task).await.map_err(Error::board("reading a change"))?;
        let branch = change.map(|it| it.branch.to_string()).unwrap_or_default();
        Ok(match (event, run.state.end()) {
            (CommentEvent::Briefing, _) => briefing(run, machine, &branch),
            (CommentEvent::Stuck, end) => {
                let why = stuck.map(str::to_owned).or_else(|| end.and_then(|it| stuck_word(&it.outcome)));
                call(run, &why.unwrap_or_default())
            }
            (CommentEvent::Completion | CommentEvent::Failure, Some(end)) => {
                account((run, machine), end, &branch)
            }
            (CommentEvent::Completion | CommentEvent::Failure, None) => String::new(),
        })
    }
}

fn briefing(run: &Run, machine: &MachineName, branch: &str) -> String {
    let model = run.model.as_ref().map_or(String::new(), |it| format!(", model {}", markdown::code(it)));
    format!(
        "A worker has been given this issue (attempt {}, {}{model}, machine {machine}). Its commits will be on branch {}.",
        run.attempt,
        run.runtime,
        markdown::code(branch)
    )
}

fn account((run, machine): (&Run, &MachineName), end: &RunEnd, branch: &str) -> String {
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        text.write_fmt(args).expect("a string takes every text");
        text.push('\n');
    };
    let outcome = markdown::code(&end.outcome.to_string());
    line(format_args!("Attempt {} ended as {outcome}.\n", run.attempt));
    if let Some(added) = end.git.added {
        let commits = counted(usize::try_from(added).unwrap_or(usize::MAX), "commit");
        line(format_args!("- {commits} on branch {}", markdown::code(branch)));
    }
    if let Some(rescue) = &end.rescue {
        line(format_args!("- {rescue} kept on machine {machine}"));
    }
    line(format_args!("- cost: {}", Total::of(end)));
    line(format_args!("- `coord why {}` has the rest", run.id));
    if let Some(words) = end.report.text.as_deref().filter(|it| !it.trim().is_empty()) {
        line(format_args!("\n<details><summary>The worker's last words</summary>\n"));
        line(format_args!("{}\n", markdown::block(words, WORDS)));
        line(format_args!("</details>"));
    }
    text
}

fn call(run: &Run, why: &str) -> String {
    format!(
        "The worker of attempt {} says that it is stuck:\n\n{}\n\n`{}` has it go on with what you have to say.",
        run.attempt,
        markdown::block(why, WORDS),
        again::command(Aim::Unstick, &run.task, false)
    )
}

fn stuck_word(outcome: &Outcome) -> Option<String> {
    if let Outcome::Stuck { why } = outcome { Some(why.clone()) } else { None }
}
