//! Testing a change: its head merged onto the current base, built and tested as a run of its own.

use coord_board::NewRun;
use coord_core::gate::{Evidence, GateKind, GateStanding, MergeInput, Source, Verdict};
use coord_core::id::RunId;
use coord_core::machine::Machine;
use coord_core::merge::{Candidate, gates};
use coord_core::name::{CommitSha, RuntimeName, TreeSha};
use coord_core::outcome::Outcome;
use coord_core::repo::{Permissions, Repo};
use coord_core::run::{Run, RunKind};
use coord_core::task::{TaskRef, TaskState};
use coord_forge::NOTICE;
use coord_git::refs::Moved;
use coord_git::remote::{Expect, Push};
use coord_git::store::Store;
use coord_proto::run::Checkout;

use crate::again::Inherited;
use crate::dispatch::Job;
use crate::error::Error;
use crate::settle::test_reference;
use crate::{Engine, blocking, chain, clock};

/// A person's word on a change.
#[derive(Debug, Clone)]
pub struct Word {
    /// Who says so.
    pub who: String,
    /// What they say.
    pub verdict: Verdict,
}

impl Engine {
    /// Starts a test of what merging the change would give now.
    ///
    /// # Errors
    /// When nothing is published, it does not merge cleanly, there is nothing to run, or no machine can.
    pub async fn start_test(&self, task: &TaskRef) -> Result<Run, Error> {
        self.settle().await?;
        let repo = self.repo(&task.repo)?.clone();
        if test_command(&repo).is_none() {
            return Err(Error::NothingToTest(repo.name));
        }
        let candidate = self.published(task).await?;
        if let Some(run) = candidate.testing {
            return Err(Error::TestUnderWay { task: task.clone(), run });
        }
        let Some(MergeInput { head, base, tree }) = candidate.now else {
            let reason = "origin, or the change's branch on it, could not be read".to_owned();
            return Err(Error::RepoUnusable { repo: repo.name, reason });
        };
        let Some(tree) = tree else {
            let base = candidate.change.base_branch;
            return Err(Error::Conflict { task: task.clone(), base, paths: candidate.conflicts });
        };
        let id = clock::new_run_id();
        let machine = self.tester(task, &candidate.change.branch).await?;
        let reference = test_reference(id);
        let store = self.store(&task.repo).await?;
        let elsewhere = self.settings.here.as_ref() != Some(&machine.name);
        let (name, subject) = (task.repo.clone(), format!("Merge {} for a test", candidate.change.branch));
        let kept = reference.clone();
        let commit = blocking(move || {
            merge_result(&store, (&base, &head, &tree), &subject, &kept, elsewhere)
                .map_err(|source| Error::Git { repo: name, doing: "making the merge result", source })
        })
        .await?;
        self.dispatch_test(task, repo, id, machine, commit).await
    }

    /// Has the repo's commands run on a commit that is kept for that.
    pub(crate) async fn dispatch_test(
        &self,
        task: &TaskRef,
        repo: Repo,
        id: RunId,
        machine: Machine,
        commit: CommitSha,
    ) -> Result<Run, Error> {
        let command = test_command(&repo).ok_or_else(|| Error::NothingToTest(repo.name.clone()))?;
        let new = NewRun {
            id,
            kind: RunKind::Test,
            task: task.clone(),
            runtime: command_runtime(),
            model: None,
            base_branch: repo.default_branch,
        };
        let job = Job {
            checkout: Checkout::Commit { commit, reference: test_reference(id) },
            prompt: String::new(),
            command: Some(command),
            setup: repo.setup,
            permissions: Permissions::default(),
            inherited: Inherited::default(),
        };
        self.dispatch(new, self.placement(&machine, None), job).await
    }

    /// Writes down a person's word on the change as it is now.
    ///
    /// # Errors
    /// When nothing is published, or origin cannot be read.
    pub async fn record_word(&self, task: &TaskRef, word: Word) -> Result<(), Error> {
        self.settle().await?;
        let candidate = self.published(task).await?;
        let Some(MergeInput { head, base, tree }) = candidate.now else {
            let reason = "origin, or the change's branch on it, could not be read".to_owned();
            return Err(Error::RepoUnusable { repo: task.repo.clone(), reason });
        };
        let Some(tree) = tree else {
            let base = candidate.change.base_branch;
            return Err(Error::Conflict { task: task.clone(), base, paths: candidate.conflicts });
        };
        let now = clock::now();
        let source = Source::Person(word.who);
        let evidence = Evidence { head, base, tree, at: now, source, verdict: word.verdict };
        let recorded = self.board.record_gate(task, GateKind::Person, evidence.clone(), now).await;
        recorded.map_err(Error::board("recording a gate"))?;
        let (Some(github), Some(open)) = (self.github(&task.repo).await?, candidate.pull_request) else {
            return Ok(());
        };
        if let Err(error) = self.tell_word(&github, open.number, &evidence).await {
            let error = chain(&error);
            tracing::warn!(target: NOTICE, "the board has your word on {task}, but the forge was not told: {error}");
        }
        self.tell_gates(task).await
    }

    /// Tells the forge what the board knows of a change's gates, where it has an open pull request there. The board
    /// is what counts: what cannot be said is left unsaid, with a warning.
    ///
    /// # Errors
    /// When the board or the store cannot be read.
    pub async fn tell_gates(&self, task: &TaskRef) -> Result<(), Error> {
        let Some(github) = self.github(&task.repo).await? else { return Ok(()) };
        let Some(candidate) = self.candidate(task).await? else { return Ok(()) };
        if candidate.pull_request.is_some() {
            self.tell_statuses(&github, &candidate).await;
        }
        Ok(())
    }

    /// Where the gates of a change stand, for the head and base of this moment.
    ///
    /// # Errors
    /// When nothing is published.
    pub async fn gates(&self, task: &TaskRef) -> Result<Vec<GateStanding>, Error> {
        Ok(gates(&self.published(task).await?))
    }

    pub(crate) async fn published(&self, task: &TaskRef) -> Result<Candidate, Error> {
        let candidate = self.candidate(task).await?.filter(|it| it.change.head().is_some());
        if let Some(candidate) = candidate {
            return Ok(candidate);
        }
        Err(match self.task(task).await?.state {
            TaskState::Open => Error::NothingPublished(task.clone()),
            state @ (TaskState::Merged { .. } | TaskState::Closed { .. }) => {
                Error::NotOpen { task: task.clone(), state: state.as_str() }
            }
        })
    }

    /// Where a test runs: here if this machine serves the repo, else where the work was done.
    pub(crate) async fn tester(
        &self,
        task: &TaskRef,
        branch: &coord_core::name::BranchName,
    ) -> Result<Machine, Error> {
        let here = self.settings.here.as_ref().and_then(|it| self.settings.machine(it));
        if let Some(machine) = here.filter(|it| it.serves(&task.repo)) {
            return Ok(machine.clone());
        }
        let runs = self.runs_of(task).await?;
        let worked = runs.iter().rev().find_map(|it| self.settings.machine(it.machine()?));
        worked.cloned().ok_or_else(|| Error::NoMachine {
            task: task.clone(),
            reasons: format!("no configured machine has worked on `{branch}`"),
        })
    }
}

/// The build command, then the test command; the first that fails decides.
fn test_command(repo: &Repo) -> Option<String> {
    let commands: Vec<_> = [&repo.build_command, &repo.test_command].into_iter().flatten().collect();
    if commands.is_empty() {
        return None;
    }
    let lines = commands.into_iter().map(|it| format!("{it}\n"));
    Some(format!("set -e\n{}", lines.collect::<String>()))
}

/// The outcome of a test run, as a gate's verdict is worded from it.
#[must_use]
pub fn passed(outcome: &Outcome) -> bool {
    *outcome == Outcome::Done
}

fn command_runtime() -> RuntimeName {
    "command".parse().expect("a constant that is a runtime name")
}

fn merge_result(
    store: &Store,
    (base, head, tree): (&CommitSha, &CommitSha, &TreeSha),
    subject: &str,
    reference: &str,
    elsewhere: bool,
) -> Result<CommitSha, Box<dyn std::error::Error + Send + Sync>> {
    let who = store.committer()?;
    let commit = store.commit_merge(base, head, tree, subject, &who, clock::now())?;
    keep_for_test(store, &commit, reference, elsewhere)?;
    Ok(commit)
}

/// Puts what is to be tested where its machine finds it.
pub(crate) fn keep_for_test(
    store: &Store,
    commit: &CommitSha,
    reference: &str,
    elsewhere: bool,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match store.write_ref(reference, None, commit, "to be tested")? {
        Moved::Done => {}
        Moved::Lost { now } => return Err(format!("{reference} exists already, at {now:?}").into()),
    }
    if elsewhere {
        match store.push(commit, reference, Expect::Absent)? {
            Push::Done => {}
            Push::Moved { .. } => return Err(format!("{reference} exists on origin already").into()),
            Push::Refused { reason } => return Err(format!("origin refused {reference}: {reason}").into()),
        }
    }
    Ok(())
}
