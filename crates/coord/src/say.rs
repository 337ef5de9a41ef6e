//! What a person is told when the engine says no: each of its errors with a kind and something to do.
//!
//! A command in backticks is a step out, as it stands; a test runs each of them.

use coord_core::again::{Aim, Refusal, way_on};
use coord_core::budget::Cap;
use coord_core::name::MachineName;
use coord_core::outcome::Outcome;
use coord_core::readiness::Blocker;
use coord_core::task::TaskRef;
use coord_engine::again::command;
use coord_engine::error::Error;
use coord_forge::github::error::GitHubError;
use coord_git::apply::ApplyError;
use coord_proto::client::ClientError;
use coord_proto::problem::ProblemKind;

use crate::error::{CliError, ErrorKind};

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        let (kind, hints) = (kind(&error), cure(&error));
        let message = error.to_string();
        let source = match error {
            Error::Agent { source, .. } => Some(anyhow::Error::from(source)),
            Error::Apply { source, .. } => Some(anyhow::Error::from(source)),
            Error::Board { source, .. } | Error::Git { source, .. } => {
                Some(anyhow::Error::from_boxed(source))
            }
            Error::GitHub { source, .. } => Some(anyhow::Error::from(*source)),
            Error::Home { source, .. } => Some(anyhow::Error::from(source)),
            Error::Credential { .. }
            | Error::LocalForge { .. }
            | Error::NoReview { .. }
            | Error::UnknownRepo { .. }
            | Error::UnknownMachine { .. }
            | Error::UnknownAccount { .. }
            | Error::NoMachine { .. }
            | Error::UnknownId(_)
            | Error::AmbiguousId { .. }
            | Error::NoRun(_)
            | Error::NotStarted(_)
            | Error::NotReady { .. }
            | Error::NotAgain { .. }
            | Error::NothingPublished(_)
            | Error::Unfinished { .. }
            | Error::Conflict { .. }
            | Error::NothingToTest(_)
            | Error::TestUnderWay { .. }
            | Error::Held { .. }
            | Error::RepoUnusable { .. }
            | Error::BadTitle(_)
            | Error::Circle(_)
            | Error::NotOpen { .. }
            | Error::Busy { .. }
            | Error::InTheWay { .. }
            | Error::NoLog { .. }
            | Error::LogGone { .. }
            | Error::NothingRescued(_)
            | Error::Token { .. }
            | Error::TimedOut { .. } => None,
        };
        Self { kind, message, hints, source, told: false }
    }
}

fn kind(error: &Error) -> ErrorKind {
    match error {
        Error::UnknownRepo { .. }
        | Error::UnknownMachine { .. }
        | Error::UnknownAccount { .. }
        | Error::UnknownId(_)
        | Error::NoRun(_)
        | Error::NotStarted(_)
        | Error::NothingRescued(_)
        | Error::LogGone { .. }
        | Error::NoLog { .. } => ErrorKind::NotFound,
        Error::Apply { source: ApplyError::NotAClone(_), .. } => ErrorKind::Usage,
        Error::Apply { source: ApplyError::Files { .. } | ApplyError::Program { .. }, .. } => {
            ErrorKind::Failed
        }
        Error::AmbiguousId { .. } => ErrorKind::Ambiguous,
        Error::NoMachine { .. }
        | Error::NotReady { .. }
        | Error::NotAgain { .. }
        | Error::NothingPublished(_)
        | Error::Unfinished { .. }
        | Error::Conflict { .. }
        | Error::TestUnderWay { .. }
        | Error::Held { .. }
        | Error::Circle(_)
        | Error::NotOpen { .. }
        | Error::Busy { .. }
        | Error::InTheWay { .. }
        | Error::NoReview { .. } => ErrorKind::Refused,
        Error::NothingToTest(_) => ErrorKind::ConfigInvalid,
        Error::LocalForge { .. } => ErrorKind::Usage,
        Error::Credential { .. } => ErrorKind::Unauthorised,
        Error::GitHub { source, .. } => kind_on_github(source),
        Error::RepoUnusable { .. } => ErrorKind::RepoUnusable,
        Error::BadTitle(_) => ErrorKind::Usage,
        Error::Token { .. } => ErrorKind::Unauthorised,
        Error::Agent { source, .. } => kind_of_answer(source),
        Error::TimedOut { .. } => ErrorKind::TimedOut,
        Error::Board { .. } | Error::Git { .. } | Error::Home { .. } => ErrorKind::Failed,
    }
}

fn kind_on_github(source: &GitHubError) -> ErrorKind {
    match source {
        GitHubError::Unauthorised { .. } | GitHubError::Forbidden { .. } => ErrorKind::Unauthorised,
        GitHubError::NotFound { .. }
        | GitHubError::Gone { .. }
        | GitHubError::Moved { .. }
        | GitHubError::Transferred { .. }
        | GitHubError::NotAnIssue { .. } => ErrorKind::NotFound,
        GitHubError::Archived { .. }
        | GitHubError::NotAllowed { .. }
        | GitHubError::Conflict { .. }
        | GitHubError::Invalid { .. }
        | GitHubError::Refused { .. }
        | GitHubError::Limited { .. }
        | GitHubError::WriteBudget { .. } => ErrorKind::Refused,
        GitHubError::Server { .. }
        | GitHubError::Malformed { .. }
        | GitHubError::Truncated { .. }
        | GitHubError::Unreachable { .. }
        | GitHubError::Unanswered { .. }
        | GitHubError::CircuitOpen { .. } => ErrorKind::Unreachable,
        GitHubError::TooMany { .. } => ErrorKind::Failed,
        GitHubError::Configuration { .. } | GitHubError::Local { .. } => ErrorKind::ConfigInvalid,
    }
}

fn kind_of_answer(source: &ClientError) -> ErrorKind {
    let problem = match source {
        ClientError::Unreachable { .. } | ClientError::Foreign { .. } => return ErrorKind::Unreachable,
        ClientError::Refused(problem) => problem,
    };
    match problem.kind {
        ProblemKind::Unauthorized => ErrorKind::Unauthorised,
        ProblemKind::NotFound | ProblemKind::Gone => ErrorKind::NotFound,
        ProblemKind::Unable => ErrorKind::RuntimeUnusable,
        ProblemKind::Conflict | ProblemKind::Fenced | ProblemKind::TooLate | ProblemKind::Declined => {
            ErrorKind::Refused
        }
        ProblemKind::BadRequest | ProblemKind::Internal | ProblemKind::Unknown => ErrorKind::Failed,
    }
}

fn cure(error: &Error) -> Vec<String> {
    let one = match error {
        Error::UnknownRepo { .. } | Error::UnknownMachine { .. } => {
            "`coord config` shows what is configured".to_owned()
        }
        Error::UnknownAccount { .. } => "`coord account list` lists accounts".to_owned(),
        Error::UnknownId(_) => {
            let tasks = "`coord task list --all` lists tasks".to_owned();
            return vec![tasks, "`coord status` lists runs".to_owned()];
        }
        Error::AmbiguousId { candidates, .. } => {
            return candidates.iter().map(|it| format!("`coord why {it}` for that one")).collect();
        }
        Error::NoRun(task) => format!("`coord assign auto {} {}` starts one", task.repo, task.number),
        Error::NoMachine { .. } => "`coord status` shows which machines are busy with what".to_owned(),
        Error::NotReady { task, blockers } => return blocked(task, blockers),
        Error::NotAgain { task, refusal } => instead(task, refusal),
        Error::Unfinished { task, outcome } => return unfinished(task, outcome),
        Error::NothingPublished(task) | Error::Held { task, .. } => {
            format!("`coord why {task}` says what happened so far")
        }
        Error::Conflict { task, .. } => format!(
            "`coord checkout {task}` gives you the change to merge by hand: commit there and push its branch"
        ),
        Error::NothingToTest(repo) => format!(
            "set `test_command` for {repo} in the configuration, or `gates: []` if there is nothing to test; \
             `coord config` shows which file that is"
        ),
        Error::TestUnderWay { run, .. } => format!("`coord wait {run}` waits for it"),
        Error::RepoUnusable { .. } | Error::Git { .. } => {
            "`coord doctor` looks at every repo and names the cure".to_owned()
        }
        Error::BadTitle(_) => {
            "a title is one line; `coord task add --help` shows where the rest goes".to_owned()
        }
        Error::Circle(tasks) => {
            let why = |it| format!("`coord task show {it}` shows what it waits for");
            return tasks.iter().take(1).map(why).collect();
        }
        Error::NotOpen { task, .. } => format!("`coord why {task}` says what happened to it"),
        Error::Busy { run, .. } => format!("`coord stop {run}` stops it"),
        Error::InTheWay { task, directory } => {
            format!("name another directory: `coord checkout {task} {directory}-{}`", task.number)
        }
        Error::NothingRescued(_) | Error::Apply { .. } => "`coord rescue list` lists what is kept".to_owned(),
        Error::NotStarted(run) | Error::NoLog { run, .. } | Error::LogGone { run, .. } => {
            format!("`coord why {run}` says where it stands")
        }
        Error::Token { .. } => "`coord doctor` says where each token is looked for".to_owned(),
        Error::Agent { machine, source } => return reach(machine, source),
        Error::TimedOut { .. } => "it goes on; `coord status` shows where it is".to_owned(),
        Error::Board { source, .. } => match source.downcast_ref() {
            Some(coord_board::Error::Newer { .. }) => "`coord version` says which version this is".to_owned(),
            Some(_) | None => "`coord doctor` looks at the directory and the disk of the board".to_owned(),
        },
        Error::Home { .. } => "`coord doctor` looks at the directory and the disk of the board".to_owned(),
        Error::NoReview { task, .. } => format!(
            "`coord pr {task} --reviewer LOGIN` asks somebody else who may push, and is not its author"
        ),
        Error::LocalForge { .. } => "leave the flag out; `coord pr --help` says what each is for".to_owned(),
        Error::Credential { .. } => {
            "set GITHUB_TOKEN, or log in with gh; `coord doctor` says where a credential is looked for"
                .to_owned()
        }
        Error::GitHub { source, .. } => return on_github(source),
    };
    vec![one]
}

fn on_github(source: &GitHubError) -> Vec<String> {
    let again = "nothing was lost: run the same command again then; `coord status` shows what GitHub allows";
    vec![match source {
        GitHubError::Limited { .. } | GitHubError::WriteBudget { .. } | GitHubError::CircuitOpen { .. } => {
            again.to_owned()
        }
        GitHubError::Unauthorised { .. }
        | GitHubError::Forbidden { .. }
        | GitHubError::NotFound { .. }
        | GitHubError::Configuration { .. } => {
            "`coord doctor` says whose credential it is and what it lacks".to_owned()
        }
        GitHubError::Moved { .. } | GitHubError::Transferred { .. } => {
            "`coord doctor` says what is called otherwise now; `coord task list` lists what is open"
                .to_owned()
        }
        GitHubError::NotAnIssue { .. } => "`coord task list` lists issues".to_owned(),
        GitHubError::Archived { .. }
        | GitHubError::Gone { .. }
        | GitHubError::NotAllowed { .. }
        | GitHubError::Conflict { .. }
        | GitHubError::Invalid { .. }
        | GitHubError::Refused { .. } => {
            "look at it on GitHub; `coord status` shows what coord knows".to_owned()
        }
        GitHubError::Server { .. }
        | GitHubError::Malformed { .. }
        | GitHubError::Truncated { .. }
        | GitHubError::Unreachable { .. }
        | GitHubError::Unanswered { .. } => {
            "run the same command again: what was done already is not done twice".to_owned()
        }
        GitHubError::TooMany { .. } => {
            "narrow it down on GitHub: close what is not wanted any more".to_owned()
        }
        GitHubError::Local { .. } => "`coord doctor` looks at the directory of the board".to_owned(),
    }]
}

fn unfinished(task: &TaskRef, outcome: &Outcome) -> Vec<String> {
    let go_on = command(way_on(outcome, false).unwrap_or(Aim::Retry), task, false);
    vec![
        format!("`{go_on}` lets its worker continue"),
        format!("`coord test {task} --passed` says that what there is now is good all the same"),
    ]
}

/// What to do about a change that is not gone on with.
fn instead(task: &TaskRef, refusal: &Refusal) -> String {
    match refusal {
        Refusal::NeverRun => format!("`coord assign auto {} {}` starts one", task.repo, task.number),
        Refusal::NotTheLast { .. } => {
            format!("`coord why {task}` shows its runs; name the task, or the last one")
        }
        Refusal::UnderWay(run) => format!("`coord watch {run}` shows what it does"),
        Refusal::WentWell(_) | Refusal::NothingWrong => {
            format!(
                "`coord test {task} --fail --reason \"what is wrong\"` says what is; then `coord fix {task}`"
            )
        }
        Refusal::NotStuck { .. } => format!("`coord why {task}` says where it stands"),
        Refusal::Exhausted { .. } => {
            format!("look at what they tried: `coord why {task}`; `--force` has another one made")
        }
    }
}

fn blocked(task: &TaskRef, blockers: &[Blocker]) -> Vec<String> {
    let hints = blockers.iter().map(|it| match it {
        Blocker::Running(run) => format!("`coord watch {run}` shows what it does"),
        Blocker::NoSlot { .. } => "`coord status` shows what takes the slots".to_owned(),
        Blocker::Spent(standing) => match standing.cap {
            Cap::Task => format!("`coord cost --by run` shows what was spent at {task}"),
            Cap::Run | Cap::Day | Cap::Month | Cap::Unknown => "`coord cost` shows what was spent".to_owned(),
        },
        Blocker::Held(hold) if hold.asks => {
            format!("`coord account lift {}` says that work goes on", hold.account)
        }
        Blocker::Asks { account: Some(account), .. } => {
            format!("`coord account lift {account}` says that it goes on")
        }
        Blocker::Held(_) | Blocker::Asks { account: None, .. } => {
            "`coord account list` says until when".to_owned()
        }
        Blocker::TooSoon { .. } | Blocker::Away(_) | Blocker::Parked { .. } => {
            format!("`coord assign auto {} {}` queues it, and it starts by itself", task.repo, task.number)
        }
        Blocker::NotServed { .. } | Blocker::Lacks { .. } | Blocker::UnknownMachine(_) => {
            "`coord config` shows which machine works on what".to_owned()
        }
        Blocker::WaitsFor(other) => format!("`coord why {other}` says where that one is"),
        Blocker::WaitsForClosed(_) | Blocker::WaitsForMissing(_) => {
            format!("`coord task edit {task} --no-after` drops what it waits for")
        }
        Blocker::DependencyBusy { run, .. } => format!("`coord wait {run}` waits for it"),
        Blocker::NotOpen(_) | Blocker::Related(_) => format!("`coord why {task}` says what happened to it"),
        Blocker::Claimed(_) | Blocker::ClaimsUnknown { .. } => format!(
            "`coord assign auto {} {} --take \"why you take it\"` gives it out all the same",
            task.repo, task.number
        ),
        Blocker::Untrusted { .. } => format!(
            "read it first: `coord task show {task}`; then `coord assign auto {} {} --trust` gives it out",
            task.repo, task.number
        ),
    });
    hints.collect()
}

fn reach(machine: &MachineName, source: &ClientError) -> Vec<String> {
    let doctor = "`coord doctor` checks every machine".to_owned();
    match source {
        // It is the run that will not, and nothing is wrong with the machine.
        ClientError::Refused(problem) if problem.kind == ProblemKind::Declined => problem.hints.clone(),
        ClientError::Refused(problem) => problem.hints.iter().cloned().chain([doctor]).collect(),
        ClientError::Unreachable { .. } | ClientError::Foreign { .. } => {
            vec![doctor, format!("run `coord agent --machine {machine}` on that machine")]
        }
    }
}
