//! What people and programs are shown. These types are the `--json` documents of the command line, so a field
//! is renamed only together with their documentation.

use coord_core::change::{Change, PullRequest};
use coord_core::gate::GateStanding;
use coord_core::ledger::Total;
use coord_core::money::Usd;
use coord_core::outcome::Outcome;
use coord_core::run::Run;
use coord_core::task::{Task, TaskState};
use coord_core::usage::Tokens;
use serde::Serialize;

use crate::account::AccountView;
use crate::cost::CapView;
use crate::settle::Settled;

mod live;

pub use live::{HolderView, QuestionView};

/// A task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskView {
    /// Its number on the forge.
    pub number: u64,
    /// Its repo.
    pub repo: String,
    /// One line.
    pub title: String,
    /// The whole request.
    pub body: String,
    /// `open`, `merged` or `closed`.
    pub state: &'static str,
    /// Words of the forge's vocabulary.
    pub labels: Vec<String>,
    /// Paths its author expects to change.
    pub files: Vec<String>,
    /// Tasks that must be merged first, as `repo#number`.
    pub after: Vec<String>,
    /// Who wrote it and how they stand to the repository, when it is an issue of a forge.
    pub author: Option<String>,
    /// What it is to be a part of, when it is an issue of a forge that says so.
    pub milestone: Option<String>,
    /// Its page, when it is an issue of a forge.
    pub url: Option<String>,
    /// The commit that brought it into the default branch.
    pub commit: Option<String>,
    /// When it was added, RFC 3339.
    pub created_at: String,
}

impl From<&Task> for TaskView {
    fn from(task: &Task) -> Self {
        let commit = match &task.state {
            TaskState::Merged { commit } => Some(commit.to_string()),
            TaskState::Open | TaskState::Closed { .. } => None,
        };
        Self {
            number: task.task.number,
            repo: task.task.repo.to_string(),
            title: task.title.clone(),
            body: task.body.clone(),
            state: task.state.as_str(),
            labels: task.labels.clone(),
            files: task.files.clone(),
            after: task.after.iter().map(ToString::to_string).collect(),
            author: task.origin.as_ref().map(|it| format!("{} ({})", it.author, it.association)),
            milestone: task.origin.as_ref().and_then(|it| it.milestone.clone()),
            url: task.origin.as_ref().map(|it| it.url.clone()),
            commit,
            created_at: task.created_at.to_string(),
        }
    }
}

/// A run.
#[derive(Debug, Clone, Serialize)]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// `work`, `fix` or `test`.
    pub kind: &'static str,
    /// The task it attempts, as `repo#number`.
    pub task: String,
    /// `queued`, `reserved`, `preparing`, `running`, `finishing` or `ended`.
    pub state: &'static str,
    /// Which one it is in the queue, counting from 1, while it is queued.
    pub place: Option<usize>,
    /// Why it is queued, or not published although it has ended; empty otherwise.
    pub waits_for: Vec<String>,
    /// Where it runs, or is to run; absent while that is left to whichever machine is free first.
    pub machine: Option<String>,
    /// What kind of program does it.
    pub runtime: String,
    /// The model asked for.
    pub model: Option<String>,
    /// The branch its commits are for.
    pub branch: String,
    /// Which attempt it is.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The published commit it ended at.
    pub head: Option<String>,
    /// Where rescued work lies, in the repo store of the machine.
    pub rescue: Option<String>,
    /// What the runtime says it cost, in US dollars; absent where nobody knows.
    pub cost_usd: Option<f64>,
    /// The same in words: `$0.45`, `≈ $0.45, not billed`, `unknown`. Absent of a test, and before the end.
    pub cost: Option<String>,
    /// The tokens it used, where the runtime says so.
    pub tokens: Option<Tokens>,
    /// The account it was on, where that is known.
    pub account: Option<String>,
    /// Turns taken.
    pub turns: Option<u64>,
    /// How far the worker last said it is, while it runs.
    pub status: Option<String>,
    /// How sure it was then that it will succeed, from 0 to 1.
    pub confidence: Option<f64>,
    /// What the worker last said keeps it from going on, while it runs.
    pub stuck: Option<String>,
    /// How many processes outlived the worker or cannot be ended, once it ended.
    pub leaked: Option<u64>,
    /// What it asked and nobody has answered yet, oldest first.
    pub questions: Vec<QuestionView>,
    /// Who has taken its session over, while they have it.
    pub held: Option<HolderView>,
    /// When it was minted, RFC 3339.
    pub created_at: String,
    /// When it ended, RFC 3339.
    pub ended_at: Option<String>,
}

impl From<&Run> for RunView {
    fn from(run: &Run) -> Self {
        let end = run.state.end();
        Self {
            id: run.id.to_string(),
            kind: run.kind.as_str(),
            task: run.task.to_string(),
            state: run.state.as_str(),
            place: None,
            waits_for: Vec::new(),
            machine: run.bound_for().map(ToString::to_string),
            runtime: run.runtime.to_string(),
            model: end.and_then(|it| it.report.model.clone()).or_else(|| run.model.clone()),
            branch: run.branch.to_string(),
            attempt: run.attempt,
            outcome: end.map(|it| it.outcome.clone()),
            head: end.and_then(|it| it.git.head.as_ref()).map(ToString::to_string),
            rescue: end.and_then(|it| it.rescue.as_ref()).map(|it| it.reference.clone()),
            cost_usd: end.filter(|_| run.kind.is_agent_work()).and_then(|it| it.cost()).map(Usd::dollars),
            cost: end.filter(|_| run.kind.is_agent_work()).map(|it| Total::of(it).to_string()),
            tokens: end.and_then(|it| it.report.usage.tokens),
            account: end.and_then(|it| it.report.account.as_ref()).map(ToString::to_string),
            turns: end.and_then(|it| it.report.turns),
            status: None,
            confidence: None,
            stuck: None,
            leaked: end.map(|it| it.leaked.outlived + it.leaked.stay),
            questions: Vec::new(),
            held: None,
            created_at: run.created_at.to_string(),
            ended_at: end.map(|it| it.at.to_string()),
        }
    }
}

impl RunView {
    /// The run, as it was seen when the board was settled.
    #[must_use]
    pub fn of(run: &Run, settled: &Settled) -> Self {
        let mut view = Self::from(run);
        if let Some(seen) = settled.live.get(&run.id) {
            view = view.seen(seen);
        }
        view.waits_for.extend(settled.unpushed.get(&run.id).cloned());
        if let Some(place) = settled.queued.iter().position(|it| it.run == run.id) {
            view.place = Some(place + 1);
            view.waits_for = settled.queued[place].reasons.iter().map(ToString::to_string).collect();
        }
        view
    }
}

/// A gate of a change, for the head and base of this moment.
#[derive(Debug, Clone, Serialize)]
pub struct GateView {
    /// `tests`, `person`, `checks` or `approval`.
    pub gate: &'static str,
    /// `unknown`, `pending`, `passed`, `failed` or `stale`.
    pub state: &'static str,
    /// Whether the configuration asks for it.
    pub required: bool,
    /// The gate and its state as a sentence.
    pub detail: String,
}

impl From<&GateStanding> for GateView {
    fn from(gate: &GateStanding) -> Self {
        Self {
            gate: gate.kind.as_str(),
            state: gate.state.as_str(),
            required: gate.required,
            detail: gate.to_string(),
        }
    }
}

/// A pull request.
#[derive(Debug, Clone, Serialize)]
pub struct PullRequestView {
    /// Its number on the forge.
    pub number: u64,
    /// The task it is for, as `repo#number`.
    pub task: String,
    /// Its page; on the local forge, which has none, its name for programs: `coord:<repo>/pull/<number>`.
    pub url: String,
    /// `open`, `merged` or `closed`.
    pub state: &'static str,
    /// One line.
    pub title: String,
    /// What was done, how it was tested, how to try it.
    pub body: String,
    /// The branch that is to be merged.
    pub branch: String,
    /// The branch it is to be merged into.
    pub base: String,
}

impl From<&PullRequest> for PullRequestView {
    fn from(it: &PullRequest) -> Self {
        Self {
            number: it.number,
            task: it.task.to_string(),
            url: it.url.clone().unwrap_or_else(|| format!("coord:{}/pull/{}", it.task.repo, it.number)),
            state: it.state.as_str(),
            title: it.title.clone(),
            body: it.body.clone(),
            branch: it.branch.to_string(),
            base: it.base_branch.to_string(),
        }
    }
}

/// A change that has not been merged.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeView {
    /// The task it is for, as `repo#number`.
    pub task: String,
    /// The task's title.
    pub title: String,
    /// Its branch on origin.
    pub branch: String,
    /// The published head.
    pub head: Option<String>,
    /// Its pull request.
    pub pull_request: Option<u64>,
}

impl ChangeView {
    /// The change, with the title of its task.
    #[must_use]
    pub fn of(change: &Change, title: &str, pull_request: Option<u64>) -> Self {
        Self {
            task: change.task.to_string(),
            title: title.to_owned(),
            branch: change.branch.to_string(),
            head: change.head().map(ToString::to_string),
            pull_request,
        }
    }
}

/// A machine, asked just now.
#[derive(Debug, Clone, Serialize)]
pub struct MachineView {
    /// What the configuration calls it.
    pub name: String,
    /// Host and port of its agent server.
    pub address: String,
    /// `online`, `offline`, `unauthorised` or `unknown`.
    pub state: &'static str,
    /// Why, when it is not online.
    pub reason: Option<String>,
    /// The version of its agent server.
    pub version: Option<String>,
    /// Worker slots.
    pub slots: u32,
    /// Slots that are taken, as the board knows it.
    pub busy: u32,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// The repos it works on; empty means every repo.
    pub repos: Vec<String>,
}

/// A change with an open pull request, in the order in which they would be merged.
#[derive(Debug, Clone, Serialize)]
pub struct QueueView {
    /// The task, as `repo#number`.
    pub task: String,
    /// Its pull request.
    pub pull_request: u64,
    /// Its title.
    pub title: String,
    /// Where its gates stand.
    pub gates: Vec<GateView>,
    /// Every reason why it would not merge now; empty means that it would.
    pub holds: Vec<String>,
}

/// The whole board at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct StatusView {
    /// Every machine, or the one asked for.
    pub machines: Vec<MachineView>,
    /// Runs that have not ended, and the newest that have.
    pub runs: Vec<RunView>,
    /// Changes that are not merged.
    pub changes: Vec<ChangeView>,
    /// What `merge` would look at.
    pub queue: Vec<QueueView>,
    /// Tasks that are open and on which nothing runs.
    pub waiting: Vec<WaitingView>,
    /// Where the caps stand that the whole fleet shares; empty where there are none.
    pub caps: Vec<CapView>,
    /// Accounts for which nothing is started at the moment.
    pub held_accounts: Vec<AccountView>,
    /// What GitHub allows at the moment; absent when no repo is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github: Option<GitHubView>,
}

/// What GitHub was last heard to allow, and what coord allows itself.
#[derive(Debug, Clone, Serialize)]
pub struct GitHubView {
    /// `ok`, `paused`, `failing` or `unknown`.
    pub state: &'static str,
    /// Why, when it is not ok.
    pub reason: Option<String>,
    /// Whose credential it is, once GitHub has said.
    pub login: Option<String>,
    /// Requests that are left of its hour.
    pub remaining: Option<u64>,
    /// Requests that an hour has.
    pub limit: Option<u64>,
    /// When a new hour begins, RFC 3339.
    pub resets_at: Option<String>,
    /// Writes in the last minute, of the 80 that coord allows itself.
    pub writes_in_minute: usize,
    /// Writes in the last hour, of the 500 that coord allows itself.
    pub writes_in_hour: usize,
}

/// An open task on which nothing runs.
#[derive(Debug, Clone, Serialize)]
pub struct WaitingView {
    /// The task, as `repo#number`.
    pub task: String,
    /// Its title.
    pub title: String,
    /// Why it cannot be assigned; empty means that it can.
    pub blockers: Vec<String>,
}
