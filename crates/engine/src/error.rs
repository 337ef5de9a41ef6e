//! Why something that was asked of the engine was not done.
//!
//! Each variant says what was being done and about what; the front end adds what to do next. What may be
//! expected to happen (a gate that holds a change back, a lost race) is an answer and not an error, except
//! where the whole request comes to nothing by it.

use camino::Utf8PathBuf;
use coord_core::again::Refusal;
use coord_core::id::RunId;
use coord_core::merge::Hold;
use coord_core::name::{BranchName, MachineName, RepoName};
use coord_core::outcome::Outcome;
use coord_core::readiness::Blocker;
use coord_core::task::TaskRef;
use coord_forge::github::error::GitHubError;
use coord_proto::client::ClientError;
use coord_proto::problem::ProblemKind;

/// Why something that was asked of the engine was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A repo that the configuration does not have.
    #[error("there is no repo `{name}` in the configuration (it has: {known})")]
    UnknownRepo {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A machine that the configuration does not have.
    #[error("there is no machine `{name}` in the configuration (it has: {known})")]
    UnknownMachine {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// An account that nobody has.
    #[error("there is no account `{name}` (there is: {known})")]
    UnknownAccount {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No machine can take the task.
    #[error("no machine can take {task}: {reasons}")]
    NoMachine {
        /// The task.
        task: TaskRef,
        /// Why not, machine by machine.
        reasons: String,
    },
    /// An id that stands for nothing.
    #[error("there is no task or run `{0}` on the board")]
    UnknownId(String),
    /// An id that stands for several things.
    #[error("`{text}` stands for several things: {}", .candidates.join(", "))]
    AmbiguousId {
        /// What was asked for.
        text: String,
        /// What it could mean; each is an id that works.
        candidates: Vec<String>,
    },
    /// A run was asked for, and the task has none.
    #[error("nothing has been run for {0} yet")]
    NoRun(TaskRef),
    /// No machine has heard of the run.
    #[error("no machine has been given run {0} yet")]
    NotStarted(RunId),
    /// The task cannot be dispatched now.
    #[error("{task} cannot be assigned: {}", join(.blockers))]
    NotReady {
        /// The task.
        task: TaskRef,
        /// Every reason.
        blockers: Vec<Blocker>,
    },
    /// The change is not gone on with.
    #[error("{task} is not gone on with: {refusal}")]
    NotAgain {
        /// The task.
        task: TaskRef,
        /// Why not.
        refusal: Refusal,
    },
    /// There are no commits to do this with.
    #[error("nothing has been published for {0} yet")]
    NothingPublished(TaskRef),
    /// The last attempt did not end well enough for this.
    #[error("the last attempt at {task} ended as {outcome}")]
    Unfinished {
        /// The task.
        task: TaskRef,
        /// How it ended.
        outcome: Outcome,
    },
    /// The change does not merge cleanly.
    #[error("{task} does not merge cleanly into `{base}`: {}", .paths.join(", "))]
    Conflict {
        /// The task.
        task: TaskRef,
        /// What it is to be merged into.
        base: BranchName,
        /// Where.
        paths: Vec<String>,
    },
    /// There is neither a build nor a test command, so nothing can be learnt.
    #[error("`{0}` has neither a `build_command` nor a `test_command`")]
    NothingToTest(RepoName),
    /// A test of the same change has not ended.
    #[error("run {run} is testing {task} already")]
    TestUnderWay {
        /// The task.
        task: TaskRef,
        /// The test.
        run: RunId,
    },
    /// The change is not in a state for this.
    #[error("{task}: {}", join(.holds))]
    Held {
        /// The task.
        task: TaskRef,
        /// Every reason.
        holds: Vec<Hold>,
    },
    /// The repo cannot be worked on.
    #[error("repo `{repo}` cannot be worked on: {reason}")]
    RepoUnusable {
        /// The repo.
        repo: RepoName,
        /// Why.
        reason: String,
    },
    /// A title that cannot be one.
    #[error("{0}")]
    BadTitle(&'static str),
    /// Tasks that would wait for each other.
    #[error("the tasks would wait for each other: {}", path(.0))]
    Circle(Vec<TaskRef>),
    /// The task is merged or closed.
    #[error("{task} is {state} already")]
    NotOpen {
        /// The task.
        task: TaskRef,
        /// What it is instead.
        state: &'static str,
    },
    /// A run is at the task.
    #[error("run {run} is at {task}")]
    Busy {
        /// The task.
        task: TaskRef,
        /// The run.
        run: RunId,
    },
    /// Where a change was to be put, there is something.
    #[error("`{directory}` exists and is not an empty directory")]
    InTheWay {
        /// The task whose change it is.
        task: TaskRef,
        /// What is in the way.
        directory: Utf8PathBuf,
    },
    /// The machine has no events of a run: it never started there.
    #[error("machine `{machine}` has no log of run {run}")]
    NoLog {
        /// The machine.
        machine: MachineName,
        /// The run.
        run: RunId,
    },
    /// The machine had a log of a run, and it went.
    #[error("{said}")]
    LogGone {
        /// The run.
        run: RunId,
        /// In the machine's words: when, and what it was.
        said: String,
    },
    /// Nothing was rescued from it.
    #[error("nothing is kept of `{0}`")]
    NothingRescued(String),
    /// Rescued work could not be brought into a clone.
    #[error("cannot apply what was rescued from run {run}")]
    Apply {
        /// Whose work.
        run: RunId,
        /// What went wrong there.
        #[source]
        source: coord_git::apply::ApplyError,
    },
    /// There is no usable token for a machine.
    #[error("cannot speak to machine `{machine}`: {reason}")]
    Token {
        /// The machine.
        machine: MachineName,
        /// What is wrong with it.
        reason: String,
    },
    /// An agent server did not answer, or said no.
    #[error("machine `{machine}`")]
    Agent {
        /// The machine.
        machine: MachineName,
        /// What happened.
        #[source]
        source: ClientError,
    },
    /// The wait was longer than allowed.
    #[error("{what} was not over after {seconds} s")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
    },
    /// The board could not be read or written.
    #[error("the board, while {doing}")]
    Board {
        /// What was being done.
        doing: &'static str,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file beside the board could not be used.
    #[error("the directory of the board, while {doing}")]
    Home {
        /// What was being done.
        doing: &'static str,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// Nobody can speak to GitHub for us.
    #[error("repo `{repo}` is on GitHub, and there is no credential for it: {reason}")]
    Credential {
        /// The repo.
        repo: RepoName,
        /// Where was looked.
        reason: String,
    },
    /// GitHub did not do what it was asked.
    #[error("repo `{repo}` on GitHub, while {doing}")]
    GitHub {
        /// The repo.
        repo: RepoName,
        /// What was being done.
        doing: &'static str,
        /// What happened.
        #[source]
        source: Box<GitHubError>,
    },
    /// The forge does not ask these people for a review.
    #[error("pull request #{number} of {task} is open, but nobody was asked for a review: {reason}")]
    NoReview {
        /// The task.
        task: TaskRef,
        /// The pull request.
        number: u64,
        /// What the forge said.
        reason: String,
    },
    /// Something that only a forge with accounts has was asked of the local one.
    #[error("repo `{repo}` is on the local forge, which has no {what}")]
    LocalForge {
        /// The repo.
        repo: RepoName,
        /// What it lacks.
        what: &'static str,
    },
    /// A repo store could not be read or written, or origin not be reached.
    #[error("repo `{repo}`, while {doing}")]
    Git {
        /// The repo.
        repo: RepoName,
        /// What was being done.
        doing: &'static str,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn join<T: std::fmt::Display>(reasons: &[T]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn path(tasks: &[TaskRef]) -> String {
    tasks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ")
}

impl Error {
    pub(crate) fn board(doing: &'static str) -> impl FnOnce(coord_board::Error) -> Self {
        move |source| Self::Board { doing, source: Box::new(source) }
    }

    pub(crate) fn github(repo: &RepoName, doing: &'static str) -> impl Fn(GitHubError) -> Self {
        let repo = repo.clone();
        move |source| Self::GitHub { repo: repo.clone(), doing, source: Box::new(source) }
    }

    pub(crate) fn git<E>(repo: &RepoName, doing: &'static str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let repo = repo.clone();
        move |source| Self::Git { repo, doing, source: Box::new(source) }
    }

    /// As [`Error::agent`], of a request for the events of `run`.
    pub(crate) fn events(machine: &MachineName, run: RunId) -> impl FnOnce(ClientError) -> Self {
        let machine = machine.clone();
        move |source| {
            let kind = if let ClientError::Refused(problem) = &source { Some(problem.kind) } else { None };
            if kind == Some(ProblemKind::Gone) {
                return Self::LogGone { run, said: source.to_string() };
            }
            let unknown = kind == Some(ProblemKind::NotFound);
            if unknown { Self::NoLog { machine, run } } else { Self::Agent { machine, source } }
        }
    }

    pub(crate) fn agent(machine: &MachineName) -> impl FnOnce(ClientError) -> Self {
        let machine = machine.clone();
        move |source| Self::Agent { machine, source }
    }
}
