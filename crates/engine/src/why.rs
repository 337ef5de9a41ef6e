//! Why a task or a run is where it is: the state, what it waits for, and what happened so far.

use coord_core::again::{Aim, failed_attempts, way_on};
use coord_core::claim::{self, Said};
use coord_core::event::{Event, Fact};
use coord_core::gate::GateStanding;
use coord_core::merge::{Hold, gates, verdict};
use coord_core::readiness::blockers;
use coord_core::run::{Run, RunState};
use coord_core::task::{TaskRef, TaskState};
use serde::Serialize;

use crate::Engine;
use crate::again::{command, found_wrong};
use crate::error::Error;
use crate::proposal::unfinished;
use crate::queue::Reason;
use crate::settle::Settled;
use crate::task::Named;
use crate::view::{GateView, RunView, TaskView};

/// Why a task is where it is.
#[derive(Debug, Clone, Serialize)]
pub struct WhyView {
    /// The task.
    pub task: TaskView,
    /// Where it stands, in a sentence.
    pub state: String,
    /// Everything that keeps it from the next step; empty when nothing does.
    pub because: Vec<String>,
    /// What would move it on.
    pub next: Option<Step>,
    /// Where its gates stand.
    pub gates: Vec<GateView>,
    /// Its runs, oldest first.
    pub runs: Vec<RunView>,
    /// What happened, oldest first.
    pub events: Vec<Happening>,
}

/// A command that would move a task on.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// The command, as it can be run.
    pub command: String,
    /// What for.
    pub why: &'static str,
}

impl Step {
    fn new(command: String, why: &'static str) -> Self {
        Self { command, why }
    }

    fn assign(task: &TaskRef, why: &'static str) -> Self {
        Self::new(format!("coord assign auto {} {}", task.repo, task.number), why)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub struct Happening {
    /// When, RFC 3339.
    pub at: String,
    /// What, in a sentence.
    pub what: String,
}

struct Position {
    state: String,
    because: Vec<String>,
    next: Option<Step>,
}

impl Engine {
    /// Explains the state of a task, or of the task that a run is for.
    ///
    /// # Errors
    /// When the id stands for nothing or for several things, or the board cannot be read.
    pub async fn why(&self, id: &str) -> Result<WhyView, Error> {
        let settled = self.settle().await?;
        let named = self.resolve(id).await?;
        // Its pull request first: an issue that was closed by being merged is merged.
        let candidate = self.candidate(named.task()).await?;
        let unread = self.take_in_for_show(named.task()).await?;
        let task = self.task(named.task()).await?;
        let runs = self.runs_of(&task.task).await?;
        let standing = candidate.as_ref().map(gates).unwrap_or_default();
        let live = runs.iter().find(|it| it.state.end().is_none());
        let position = match (&task.state, live) {
            (TaskState::Merged { commit }, _) => {
                Position { state: format!("merged by {}", commit.short()), because: Vec::new(), next: None }
            }
            (TaskState::Closed { reason }, _) => {
                Position { state: "closed".to_owned(), because: vec![reason.clone()], next: None }
            }
            (TaskState::Open, Some(run)) => under_way(&settled, run),
            (TaskState::Open, None) => match candidate.filter(|it| it.change.head().is_some()) {
                Some(candidate) => {
                    let holds = verdict(&candidate);
                    let way_on = self.way_on(&runs, found_wrong(&candidate));
                    published(&task.task, &runs, &holds, (&standing, way_on))
                }
                None => self.unstarted(&task, &runs).await?,
            },
        };
        let events = self.board.events_of(&task.task).await.map_err(Error::board("reading events"))?;
        let mut because = position.because;
        because.extend(unread.map(|it| format!("its issue could not be read just now: {it}")));
        if task.state == TaskState::Open {
            because.extend(edited_since(&events));
        }
        if let Named::Run(run) = &named {
            because.extend(ended(run));
        }
        because.extend(runs.iter().filter_map(|it| settled.unpushed.get(&it.id).cloned()));
        Ok(WhyView {
            task: TaskView::from(&task),
            state: position.state,
            because,
            next: position.next,
            gates: standing.iter().map(GateView::from).collect(),
            runs: runs.iter().map(|it| RunView::of(it, &settled)).collect(),
            events: events.iter().map(happening).collect(),
        })
    }

    async fn unstarted(&self, task: &coord_core::task::Task, runs: &[Run]) -> Result<Position, Error> {
        let live = self.live_runs().await?;
        let waited = self.waited_now(task).await?;
        let mut blockers = blockers(task, &waited, &live, &self.settings.repos, None);
        let change = self.board.change(&task.task).await.map_err(Error::board("reading a change"))?;
        let claims = self.claims(task, change.as_ref()).await?;
        blockers.extend(claim::blockers(task, &claims, &self.settings.trusted, &Said::default()));
        let mut because: Vec<_> = blockers.iter().map(ToString::to_string).collect();
        because.extend(runs.last().into_iter().flat_map(ended));
        let step =
            || self.way_on(runs, false).unwrap_or_else(|| Step::assign(&task.task, "give it to a worker"));
        let next = blockers.is_empty().then(step);
        let state =
            if runs.is_empty() { "open; nothing has been run for it" } else { "open; nothing is published" };
        Ok(Position { state: state.to_owned(), because, next })
    }

    /// What goes on with a change that none of these runs has brought to its end.
    fn way_on(&self, runs: &[Run], found_wrong: bool) -> Option<Step> {
        let work: Vec<_> = runs.iter().filter(|it| it.kind.is_agent_work()).cloned().collect();
        let last = work.last()?;
        let reason = way_on(&last.state.end()?.outcome, found_wrong)?;
        let why = match reason {
            Aim::Retry => "go on where its last run ended",
            Aim::Fix => "have it mended",
            Aim::Unstick => "tell its worker how to go on",
        };
        let exhausted = failed_attempts(&work) >= self.settings.attempts;
        Some(Step::new(command(reason, &last.task, exhausted), why))
    }
}

/// What the newest worker was not told, since it was written after it began.
fn edited_since(events: &[Event]) -> Option<String> {
    let began = |event: &Event| {
        let Fact::RunReserved { run, kind, .. } = &event.fact else { return None };
        kind.is_agent_work().then_some(*run)
    };
    let (at, run) = events.iter().enumerate().rev().find_map(|(at, it)| Some((at, began(it)?)))?;
    let edited = events[at..].iter().any(|it| it.fact == Fact::TaskEdited);
    edited.then(|| format!("it was edited after run {run} began, which was told what it said before"))
}

fn under_way(settled: &Settled, run: &Run) -> Position {
    let state = format!("run {} ({}) is {}", run.id, run.kind.as_str(), run.state.as_str());
    let watch = format!("coord watch {}", run.id);
    let Some(place) = settled.queued.iter().position(|it| it.run == run.id) else {
        let view = RunView::of(run, settled);
        let next = Some(match (view.questions.into_iter().next(), view.stuck) {
            (Some(asked), _) => Step::new(asked.command, "answer what its worker asks"),
            (None, Some(_)) => {
                Step::new(command(Aim::Unstick, &run.id, false), "tell its worker how to go on")
            }
            (None, None) => Step::new(watch, "see what it does"),
        });
        return Position { state, because: live_reasons(settled, run), next };
    };
    let queued = &settled.queued[place];
    let next = match queued.reasons.iter().find_map(Reason::lifted_for) {
        Some(account) => Step::new(format!("coord account lift {account}"), "say that it may go on"),
        None => Step::new(watch, "wait for its start, and see what it does"),
    };
    Position {
        state: format!("{state}, number {} in line, until {:.0} at the latest", place + 1, queued.leaves_at),
        because: queued.reasons.iter().map(Reason::with_exit).collect(),
        next: Some(next),
    }
}

/// What keeps a live run from its end: what it waits for, or its worker's own word.
fn live_reasons(settled: &Settled, run: &Run) -> Vec<String> {
    let waiting = settled.waiting.get(&run.id).cloned();
    let stuck = settled.live.get(&run.id).and_then(|it| it.stuck.as_ref());
    let stuck = stuck.map(|it| format!("its worker says that it is stuck: {it}"));
    let held = settled.live.get(&run.id).and_then(|it| it.held.as_ref());
    let held = held.map(|it| {
        format!(
            "{} has had its session since {:.0}, and the run ends when it is handed back",
            it.who, it.since
        )
    });
    let asked = settled.live.get(&run.id).into_iter().flat_map(|it| &it.questions);
    let asked = asked.map(|it| format!("its worker asks (question {}): {}", it.question, it.text));
    waiting.into_iter().chain(held).chain(stuck).chain(asked).collect()
}

fn published(
    task: &TaskRef,
    runs: &[Run],
    holds: &[Hold],
    (standing, way_on): (&[GateStanding], Option<Step>),
) -> Position {
    let mut because: Vec<_> = holds.iter().map(ToString::to_string).collect();
    let last = runs.iter().rfind(|it| it.kind.is_agent_work());
    because.extend(last.filter(|it| !ended_well(it)).into_iter().flat_map(ended));
    let next = if holds.is_empty() || holds.iter().all(Hold::lifted_by_testing) {
        Step::new(format!("coord merge {task}"), "merge it, testing it first where that is needed")
    } else if holds.contains(&Hold::NoPullRequest) && unfinished(last, standing).is_none() {
        Step::new(format!("coord pr {task}"), "open its pull request")
    } else {
        way_on.unwrap_or_else(|| Step::assign(task, "let a worker continue on the same branch"))
    };
    let state = if holds.is_empty() { "ready to merge" } else { "published, not merged" };
    Position { state: state.to_owned(), because, next: Some(next) }
}

fn ended_well(run: &Run) -> bool {
    run.state.end().is_some_and(|it| it.outcome == coord_core::outcome::Outcome::Done)
}

/// What is known about the end of a run, in sentences.
fn ended(run: &Run) -> Vec<String> {
    let RunState::Ended(end) = &run.state else { return Vec::new() };
    let mut lines = vec![format!("run {} ended as {}", run.id, end.outcome)];
    if let Some(rescue) = &end.rescue {
        lines.push(format!("what it left ({rescue}) is kept at {} in the repo store", rescue.reference));
    }
    if !end.leaked.is_nothing() {
        lines.push(end.leaked.to_string());
    }
    lines
}

fn happening(event: &Event) -> Happening {
    let what = match &event.fact {
        Fact::TaskAdded { title } => format!("added: {title}"),
        Fact::TaskEdited => "edited".to_owned(),
        Fact::TaskClosed { reason } => format!("closed: {reason}"),
        Fact::TaskReopened => "opened again".to_owned(),
        Fact::Overridden { what, reason } => format!("given out although {what}: {reason}"),
        Fact::RunQueued { run, machine: Some(machine) } => format!("run {run} queued for {machine}"),
        Fact::RunQueued { run, machine: None } => {
            format!("run {run} queued for whichever machine is free first")
        }
        Fact::RunReserved { run, kind, machine } => {
            format!("{} run {run} assigned to {machine}", kind.as_str())
        }
        Fact::RunMoved { run, state } => format!("run {run} is {state}"),
        Fact::RunEnded { run, outcome } => format!("run {run} ended as {outcome}"),
        Fact::RunParked { run, of, until } => {
            let when = until.map_or("when a person says so".to_owned(), |it| format!("at {it:.0}"));
            format!("run {run} is to go on where run {of} was cut short, {when}")
        }
        Fact::RunReleased { run } => format!("a person said that run {run} may go on"),
        Fact::RescuePushed { run, anyway: None } => format!("what was rescued of run {run} was pushed"),
        Fact::RescuePushed { run, anyway: Some(reason) } => {
            format!("what was rescued of run {run} was pushed although it seems to hold secrets: {reason}")
        }
        Fact::CapNeared { cap, spent, limit } => {
            format!("{spent} of the {limit} for a {} are spent", cap.as_str())
        }
        Fact::Published { branch, head, run } => format!("run {run} published {} on {branch}", head.short()),
        Fact::HeadMoved { head } => format!("somebody pushed {} to its branch", head.short()),
        Fact::GateRecorded { gate, evidence } => {
            let verdict = match &evidence.verdict {
                coord_core::gate::Verdict::Passed => "passed".to_owned(),
                coord_core::gate::Verdict::Failed { reason } => format!("failed ({reason})"),
                coord_core::gate::Verdict::Inconclusive { reason } => format!("told nothing ({reason})"),
            };
            let (head, base) = (evidence.head.short(), evidence.base.short());
            format!("{} {verdict} for {head} on {base}", gate.as_str())
        }
        Fact::PullRequestOpened { number } => format!("pull request #{number} opened"),
        Fact::PullRequestClosed { number } => format!("pull request #{number} closed without merging"),
        Fact::Commented { run, event, .. } => format!("the {} of run {run} was commented", event.as_str()),
        Fact::Incident { reason, commit } => format!("incident at {}: {reason}", commit.short()),
        Fact::MergingResumed { reason } => format!("merging goes on: {reason}"),
        Fact::Merged { commit, pull_request } => format!("merged by {} (#{pull_request})", commit.short()),
        Fact::Unknown => "something that a newer version of coord wrote".to_owned(),
    };
    Happening { at: event.at.to_string(), what }
}
