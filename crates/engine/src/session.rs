//! Sessions: opening and closing one, and what is said of the time in it.

use std::collections::BTreeMap;

use coord_board::{Begun, TaskFilter};
use coord_core::change::PullRequestState;
use coord_core::ledger::{Entry, total};
use coord_core::merge::Candidate;
use coord_core::run::{Run, RunKind};
use coord_core::session::{Happened, Session, for_a_person, outcomes};
use coord_core::task::TaskRef;
use jiff::Timestamp;
use serde::Serialize;

use crate::cost::CostView;
use crate::error::Error;
use crate::look::Freshness;
use crate::view::{ChangeView, RunView};
use crate::{Engine, clock};

/// How many events are read at once.
const EVENTS: u32 = 1000;
/// How many open tasks are looked at.
const TASKS: u32 = 1000;

/// A session, and everything that is said of it.
#[derive(Debug, Clone, Serialize)]
pub struct SessionReport {
    /// The session.
    pub session: SessionView,
    /// From when on things are told, RFC 3339.
    pub since: String,
    /// What happened since.
    pub happened: HappenedView,
    /// What the runs cost that ended since.
    pub cost: CostView,
    /// What is open now.
    pub open: OpenView,
}

/// A session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionView {
    /// Its number.
    pub number: u64,
    /// When it was opened, RFC 3339.
    pub opened_at: String,
    /// When it was closed, RFC 3339.
    pub closed_at: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
pub struct HappenedView {
    /// Tasks that were added, as `repo#number`.
    pub tasks_added: Vec<String>,
    /// Tasks whose change was merged.
    pub tasks_merged: Vec<String>,
    /// Tasks that were closed.
    pub tasks_closed: Vec<String>,
    /// Pull requests that were opened.
    pub pull_requests_opened: Vec<PullRequestName>,
    /// How many runs of agent work ended in which way.
    pub runs: BTreeMap<&'static str, u64>,
    /// How many test runs ended in which way.
    pub tests: BTreeMap<&'static str, u64>,
}

/// Which pull request.
#[derive(Debug, Clone, Serialize)]
pub struct PullRequestName {
    /// Its number on the forge.
    pub number: u64,
    /// The task it is for, as `repo#number`.
    pub task: String,
}

/// What is open.
#[derive(Debug, Clone, Serialize)]
pub struct OpenView {
    /// Runs that have not ended.
    pub runs: Vec<RunView>,
    /// Changes with published work and without an open pull request.
    pub changes: Vec<ChangeView>,
    /// Open pull requests.
    pub pull_requests: Vec<PullRequestName>,
    /// Work of open tasks that would otherwise have been lost.
    pub rescues: Vec<RescueView>,
    /// Tasks that go no further without a person.
    pub waiting: Vec<PersonView>,
}

/// Work that would otherwise have been lost.
#[derive(Debug, Clone, Serialize)]
pub struct RescueView {
    /// The task it is for, as `repo#number`.
    pub task: String,
    /// The run that left it behind.
    pub run: String,
    /// The machine in whose repo store it is.
    pub machine: String,
    /// The ref there.
    pub rescue: String,
    /// How much it is, in words.
    pub what: String,
}

/// A task that goes no further without a person.
#[derive(Debug, Clone, Serialize)]
pub struct PersonView {
    /// The task, as `repo#number`.
    pub task: String,
    /// Its title.
    pub title: String,
    /// Why.
    pub why: Vec<String>,
}

impl Engine {
    /// The session that is open, or a new one; and what happened since `since`. Without it, that is the end of the
    /// session before, and for the first one ever the beginning of the board.
    ///
    /// # Errors
    /// When the board or a repo store cannot be read.
    pub async fn open_session(&self, since: Option<Timestamp>) -> Result<SessionReport, Error> {
        self.settle().await?;
        let begun = self.board.open_session(clock::now()).await.map_err(Error::board("opening a session"))?;
        let (Begun::New(session) | Begun::Open(session)) = begun;
        let before = self.board.session_before(session.number).await;
        let before = before.map_err(Error::board("reading the last session"))?;
        let since = match since.or(before.and_then(|it| it.closed_at)) {
            Some(since) => since,
            None => self.beginning().await?.unwrap_or(session.opened_at),
        };
        self.report(session, since).await
    }

    /// Whether a session is open.
    ///
    /// # Errors
    /// When the board cannot be read.
    pub async fn in_session(&self) -> Result<bool, Error> {
        let open = self.board.session().await.map_err(Error::board("looking for a session"))?;
        Ok(open.is_some())
    }

    /// Closes the session that is open, and tells what happened in it; `None` when none is.
    ///
    /// # Errors
    /// When the board or a repo store cannot be read; then it stays open.
    pub async fn close_session(&self) -> Result<Option<SessionReport>, Error> {
        let open = self.board.session().await.map_err(Error::board("looking for a session"))?;
        let Some(session) = open else { return Ok(None) };
        self.settle().await?;
        // What happens while it is told is told again in the next one, and not in none.
        let now = clock::now();
        let since = session.opened_at;
        let mut report = self.report(session, since).await?;
        let closed = self.board.close_session(report.session.number, now).await;
        let closed = closed.map_err(Error::board("closing a session"))?;
        report.session.closed_at = Some(now.to_string());
        Ok(closed.then_some(report))
    }

    /// When the first thing happened that the board knows of.
    async fn beginning(&self) -> Result<Option<Timestamp>, Error> {
        let first = self.board.events_after(0, 1).await.map_err(Error::board("reading the events"))?;
        Ok(first.first().map(|it| it.at))
    }

    async fn report(&self, session: Session, since: Timestamp) -> Result<SessionReport, Error> {
        let happened = self.happened(since).await?;
        let mut ended = Vec::with_capacity(happened.ended.len());
        for run in &happened.ended {
            ended.push(self.run(*run).await?);
        }
        let spent: Vec<_> = ended.iter().filter_map(Entry::of).collect();
        Ok(SessionReport {
            session: SessionView {
                number: session.number,
                opened_at: session.opened_at.to_string(),
                closed_at: session.closed_at.map(|it| it.to_string()),
            },
            since: since.to_string(),
            happened: HappenedView {
                tasks_added: names(&happened.added),
                tasks_merged: names(&happened.merged),
                tasks_closed: names(&happened.closed),
                pull_requests_opened: happened.opened.iter().map(|(task, it)| name(task, *it)).collect(),
                runs: outcomes(&ended, RunKind::Work),
                tests: outcomes(&ended, RunKind::Test),
            },
            cost: CostView::from(&total(&spent)),
            open: self.what_is_open().await?,
        })
    }

    async fn happened(&self, since: Timestamp) -> Result<Happened, Error> {
        let mut happened = Happened::default();
        let mut last = 0;
        loop {
            let events = self.board.events_since(since, last, EVENTS).await;
            let events = events.map_err(Error::board("reading what happened"))?;
            events.iter().for_each(|it| happened.note(it));
            match events.last() {
                Some(event) => last = event.number,
                None => return Ok(happened),
            }
        }
    }

    async fn what_is_open(&self) -> Result<OpenView, Error> {
        let live = self.live_runs().await?;
        let ended = self.board.ended_runs_of_open_tasks().await.map_err(Error::board("listing runs"))?;
        let filter = TaskFilter { repo: None, only_open: true };
        let tasks = self.board.tasks(&filter, TASKS).await.map_err(Error::board("listing tasks"))?;
        let candidates = self.candidates(None, Freshness::Store).await?;
        let titles: BTreeMap<&TaskRef, &str> = tasks.iter().map(|it| (&it.task, it.title.as_str())).collect();
        let title = |task: &TaskRef| titles.get(task).copied().unwrap_or_default();
        let proposed = candidates.iter().filter_map(|it| Some((&it.change.task, open_pull_request(it)?)));
        let unproposed = |it: &&Candidate| it.change.head().is_some() && open_pull_request(it).is_none();
        let changes = candidates.iter().filter(unproposed);
        let waiting = tasks.iter().rev().filter(|it| !live.iter().any(|run| run.task == it.task));
        let waiting = waiting.filter_map(|task| {
            let last = ended.iter().rfind(|it| it.task == task.task && it.kind.is_agent_work());
            let candidate = candidates.iter().find(|it| it.change.task == task.task);
            let why = for_a_person(last, candidate);
            let named = PersonView { task: task.task.to_string(), title: task.title.clone(), why };
            (!named.why.is_empty()).then_some(named)
        });
        Ok(OpenView {
            runs: live.iter().map(RunView::from).collect(),
            changes: changes.map(|it| ChangeView::of(&it.change, title(&it.change.task), None)).collect(),
            pull_requests: proposed.map(|(task, number)| name(task, number)).collect(),
            rescues: ended.iter().filter_map(rescued).collect(),
            waiting: waiting.collect(),
        })
    }
}

fn open_pull_request(candidate: &Candidate) -> Option<u64> {
    let open = candidate.pull_request.as_ref().filter(|it| it.state == PullRequestState::Open);
    open.map(|it| it.number)
}

fn rescued(run: &Run) -> Option<RescueView> {
    let rescue = run.state.end()?.rescue.as_ref()?;
    Some(RescueView {
        task: run.task.to_string(),
        run: run.id.to_string(),
        machine: run.machine()?.to_string(),
        rescue: rescue.reference.clone(),
        what: rescue.to_string(),
    })
}

fn names(tasks: &[TaskRef]) -> Vec<String> {
    tasks.iter().map(ToString::to_string).collect()
}

fn name(task: &TaskRef, number: u64) -> PullRequestName {
    PullRequestName { number, task: task.to_string() }
}
