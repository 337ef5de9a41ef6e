//! How core types lie in columns, in both directions; nothing outside this file names a column that it reads.
//!
//! Text that never is searched (labels, evidence, how a run ended) is JSON. A time is RFC 3339 in UTC with nine
//! digits of a second: of one width, so that it sorts as text, and without loss. A state is a word beside the
//! columns of its facts, and is refused when the two do not fit.

use std::error::Error as StdError;
use std::str::FromStr;

use coord_core::budget::Charge;
use coord_core::change::{Change, ChangeState, PullRequest, PullRequestState};
use coord_core::event::{Event, Fact};
use coord_core::gate::{GateKind, GateRecord};
use coord_core::money::Usd;
use coord_core::name::{AccountName, CommitSha};
use coord_core::run::{Reservation, Run, RunKind, RunState};
use coord_core::session::Session;
use coord_core::task::{Task, TaskRef, TaskState};
use coord_core::window::Told;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::Error;
use crate::pause::Pause;

/// A number as a column. No board counts as far as this saturates, so what is too large finds nothing.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time as a column.
pub(crate) fn time(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// A value of ours as a column of JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("types of core have string keys and serialise without failing")
}

/// The facts of a task's state, as the columns `merge_commit` and `close_reason`.
pub(crate) fn task_facts(state: &TaskState) -> (Option<&str>, Option<&str>) {
    match state {
        TaskState::Open => (None, None),
        TaskState::Merged { commit } => (Some(commit.as_str()), None),
        TaskState::Closed { reason } => (None, Some(reason)),
    }
}

/// The word of a change's state and its facts, as the columns `state`, `head` and `merge_commit`.
pub(crate) fn change_facts(state: &ChangeState) -> (&'static str, Option<&str>, Option<&str>) {
    match state {
        ChangeState::Empty => ("empty", None, None),
        ChangeState::Published { head } => ("published", Some(head.as_str()), None),
        ChangeState::Merged { head, commit } => ("merged", Some(head.as_str()), Some(commit.as_str())),
    }
}

/// The facts of a run's state, as the columns `since` and `ended`. That of a queued one is the column `wish`,
/// which is written once.
pub(crate) fn run_facts(state: &RunState) -> (Option<String>, Option<String>) {
    match state {
        RunState::Queued(_) | RunState::Reserved | RunState::Preparing | RunState::Finishing => (None, None),
        RunState::Running { since } => (Some(time(*since)), None),
        RunState::Ended(end) => (None, Some(json(end))),
    }
}

/// Reads a task.
pub(crate) fn task(row: &AnyRow) -> Result<Task, Error> {
    let row = Columns::new(row, "task", &["repo", "number"]);
    let facts = (row.maybe("merge_commit")?, row.maybe::<String>("close_reason")?);
    let state = match (row.text("state")?.as_str(), facts) {
        ("open", (None, None)) => TaskState::Open,
        ("merged", (Some(commit), None)) => TaskState::Merged { commit },
        ("closed", (None, Some(reason))) => TaskState::Closed { reason },
        (other, _) => return Err(row.half_state(other)),
    };
    Ok(Task {
        task: row.task("number")?,
        title: row.text("title")?,
        body: row.text("body")?,
        labels: row.json("labels")?,
        files: row.json("files")?,
        after: row.json("waits_for")?,
        origin: row.maybe_json("origin")?,
        related: row.maybe_json("related")?.unwrap_or_default(),
        state,
        created_at: row.parsed("created_at")?,
    })
}

/// Reads the name of a task.
pub(crate) fn task_ref(row: &AnyRow) -> Result<TaskRef, Error> {
    Columns::new(row, "task", &["repo", "number"]).task("number")
}

/// Reads what a task waits for.
pub(crate) fn waits(row: &AnyRow) -> Result<(TaskRef, Vec<TaskRef>), Error> {
    let row = Columns::new(row, "task", &["repo", "number"]);
    Ok((row.task("number")?, row.json("waits_for")?))
}

/// Reads a change.
pub(crate) fn change(row: &AnyRow) -> Result<Change, Error> {
    let row = Columns::new(row, "change", &["repo", "number"]);
    let facts: (Option<CommitSha>, Option<CommitSha>) = (row.maybe("head")?, row.maybe("merge_commit")?);
    let state = match (row.text("state")?.as_str(), facts) {
        ("empty", (None, None)) => ChangeState::Empty,
        ("published", (Some(head), None)) => ChangeState::Published { head },
        ("merged", (Some(head), Some(commit))) => ChangeState::Merged { head, commit },
        (other, _) => return Err(row.half_state(other)),
    };
    Ok(Change {
        task: row.task("number")?,
        branch: row.parsed("branch")?,
        base_branch: row.parsed("base_branch")?,
        state,
        fence: row.number("fence")?,
    })
}

/// The machine of a run, as the column `machine`, which is older than runs without one.
pub(crate) fn machine(reservation: Option<&Reservation>) -> &str {
    reservation.map_or("", |it| it.machine.as_str())
}

/// Reads a run, joined with the branch of its change.
pub(crate) fn run(row: &AnyRow) -> Result<Run, Error> {
    let row = Columns::new(row, "run", &["id"]);
    let created_at = row.parsed("created_at")?;
    let reservation = match row.text("machine")?.as_str() {
        "" => None,
        // Before there was a queue, a run was reserved when it was minted.
        _ => Some(Reservation {
            machine: row.parsed("machine")?,
            at: row.maybe("reserved_at")?.unwrap_or(created_at),
        }),
    };
    let facts = (row.maybe("since")?, row.maybe::<String>("ended")?);
    let state = match (row.text("state")?.as_str(), facts, &reservation) {
        ("queued", (None, None), None) => RunState::Queued(row.json("wish")?),
        ("reserved", (None, None), Some(_)) => RunState::Reserved,
        ("preparing", (None, None), Some(_)) => RunState::Preparing,
        ("running", (Some(since), None), Some(_)) => RunState::Running { since },
        ("finishing", (None, None), Some(_)) => RunState::Finishing,
        ("ended", (None, Some(_)), _) => RunState::Ended(row.json("ended")?),
        (other, _, _) => return Err(row.half_state(other)),
    };
    Ok(Run {
        id: row.parsed("id")?,
        kind: row.word("kind", &RunKind::ALL, RunKind::as_str)?,
        task: row.task("number")?,
        reservation,
        runtime: row.parsed("runtime")?,
        model: row.maybe("model")?,
        branch: row.parsed("branch")?,
        attempt: row.small("attempt")?,
        fence: row.number("fence")?,
        state,
        created_at,
    })
}

/// Reads when a run was reserved.
pub(crate) fn reserved_at(row: &AnyRow) -> Result<Timestamp, Error> {
    Columns::new(row, "run", &["id"]).parsed("reserved_at")
}

/// Reads the newest evidence for a gate, and whose it is.
pub(crate) fn gate(row: &AnyRow) -> Result<(TaskRef, GateRecord), Error> {
    let row = Columns::new(row, "gate", &["repo", "number", "kind"]);
    let kind = row.word("kind", &[GateKind::Tests, GateKind::Person], GateKind::as_str)?;
    Ok((row.task("number")?, GateRecord { kind, evidence: row.json("evidence")? }))
}

/// Reads what is charged to a cap.
pub(crate) fn charge(row: &AnyRow) -> Result<Charge, Error> {
    let row = Columns::new(row, "ledger", &["run"]);
    Ok(Charge {
        task: row.task("number")?,
        ended_at: row.maybe("ended_at")?,
        reserved: row.usd("reserved")?.unwrap_or_default(),
        spent: row.usd("spent")?.unwrap_or_default(),
    })
}

/// Reads what a run may spend.
pub(crate) fn reserved(row: &AnyRow) -> Result<Option<Usd>, Error> {
    Columns::new(row, "ledger", &["run"]).usd("reserved")
}

/// Reads whose account a run has.
pub(crate) fn account(row: &AnyRow) -> Result<Option<AccountName>, Error> {
    Columns::new(row, "ledger", &["run"]).maybe("account")
}

/// Reads what was told of a window.
pub(crate) fn told(row: &AnyRow) -> Result<Told, Error> {
    let row = Columns::new(row, "window", &["account", "name"]);
    Ok(Told {
        account: row.parsed("account")?,
        window: row.json("told")?,
        at: row.parsed("told_at")?,
        lifted: row.maybe::<Timestamp>("lifted_at")?.is_some(),
    })
}

/// Reads a pull request, joined with the branches of its change.
pub(crate) fn pull_request(row: &AnyRow) -> Result<PullRequest, Error> {
    let row = Columns::new(row, "pull request", &["repo", "number"]);
    let state = match (row.text("state")?.as_str(), row.maybe("merge_commit")?) {
        ("open", None) => PullRequestState::Open,
        ("merged", Some(commit)) => PullRequestState::Merged { commit },
        ("closed", None) => PullRequestState::Closed,
        (other, _) => return Err(row.half_state(other)),
    };
    Ok(PullRequest {
        number: row.number("number")?,
        task: row.task("task")?,
        branch: row.parsed("branch")?,
        base_branch: row.parsed("base_branch")?,
        title: row.text("title")?,
        body: row.text("body")?,
        state,
        url: row.maybe("url")?,
        opened_at: row.parsed("opened_at")?,
    })
}

/// Reads why a repo's default branch is left alone.
pub(crate) fn pause(row: &AnyRow) -> Result<Pause, Error> {
    let row = Columns::new(row, "pause", &["repo"]);
    Ok(Pause {
        task: row.task("number")?,
        reason: row.text("reason")?,
        tip: row.parsed("tip")?,
        begun_at: row.parsed("begun_at")?,
    })
}

/// Reads a session.
pub(crate) fn session(row: &AnyRow) -> Result<Session, Error> {
    let row = Columns::new(row, "session", &["number"]);
    Ok(Session {
        number: row.number("number")?,
        opened_at: row.parsed("opened_at")?,
        closed_at: row.maybe("closed_at")?,
    })
}

/// Reads an event.
pub(crate) fn event(row: &AnyRow) -> Result<Event, Error> {
    let row = Columns::new(row, "event", &["number"]);
    Ok(Event {
        number: row.number("number")?,
        at: row.parsed("at")?,
        task: row.task("task")?,
        fact: row.json::<Fact>("fact")?,
    })
}

/// A row on its way to a core type, which knows what to call itself in an error.
struct Columns<'r> {
    row: &'r AnyRow,
    table: &'static str,
    key: &'static [&'static str],
}

impl<'r> Columns<'r> {
    fn new(row: &'r AnyRow, table: &'static str, key: &'static [&'static str]) -> Self {
        Self { row, table, key }
    }

    fn name(&self) -> String {
        let parts = self.key.iter().map(|column| {
            let text = self.row.try_get::<String, _>(*column);
            text.or_else(|_| self.row.try_get::<i64, _>(*column).map(|it| it.to_string()))
                .unwrap_or_else(|_| "?".to_owned())
        });
        format!("{} {}", self.table, parts.collect::<Vec<_>>().join("#"))
    }

    fn bad(&self, column: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::Column { row: self.name(), column, source: source.into() }
    }

    fn half_state(&self, state: &str) -> Error {
        Error::HalfState { row: self.name(), state: state.to_owned() }
    }

    fn text(&self, column: &'static str) -> Result<String, Error> {
        self.row.try_get(column).map_err(|source| self.bad(column, source))
    }

    fn number(&self, column: &'static str) -> Result<u64, Error> {
        let number: i64 = self.row.try_get(column).map_err(|source| self.bad(column, source))?;
        number.try_into().map_err(|source: std::num::TryFromIntError| self.bad(column, source))
    }

    fn small(&self, column: &'static str) -> Result<u32, Error> {
        self.number(column)?.try_into().map_err(|source: std::num::TryFromIntError| self.bad(column, source))
    }

    fn usd(&self, column: &'static str) -> Result<Option<Usd>, Error> {
        let number: Option<i64> = self.row.try_get(column).map_err(|source| self.bad(column, source))?;
        let amount = number.map(|it| it.try_into().map(Usd::from_millionths)).transpose();
        amount.map_err(|source: std::num::TryFromIntError| self.bad(column, source))
    }

    fn parsed<T: FromStr<Err: StdError + Send + Sync + 'static>>(
        &self,
        column: &'static str,
    ) -> Result<T, Error> {
        self.text(column)?.parse().map_err(|source: T::Err| self.bad(column, source))
    }

    fn maybe<T: FromStr<Err: StdError + Send + Sync + 'static>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, Error> {
        let text: Option<String> = self.row.try_get(column).map_err(|source| self.bad(column, source))?;
        text.map(|it| it.parse()).transpose().map_err(|source: T::Err| self.bad(column, source))
    }

    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, Error> {
        serde_json::from_str(&self.text(column)?).map_err(|source| self.bad(column, source))
    }

    fn maybe_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, Error> {
        let text: Option<String> = self.row.try_get(column).map_err(|source| self.bad(column, source))?;
        text.map(|it| serde_json::from_str(&it)).transpose().map_err(|source| self.bad(column, source))
    }

    fn word<T: Copy>(
        &self,
        column: &'static str,
        all: &[T],
        word: fn(T) -> &'static str,
    ) -> Result<T, Error> {
        let text = self.text(column)?;
        let known = all.iter().copied().find(|it| word(*it) == text);
        known.ok_or_else(|| self.bad(column, format!("`{text}` is no word this version knows")))
    }

    fn task(&self, number: &'static str) -> Result<TaskRef, Error> {
        Ok(TaskRef { repo: self.parsed("repo")?, number: self.number(number)? })
    }
}
