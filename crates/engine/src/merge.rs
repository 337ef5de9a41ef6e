//! Merging: one change at a time, in order, each against the base that the one before it left behind.

use std::time::Duration;

use coord_core::merge::{Candidate, Hold, order, verdict};
use coord_core::name::{CommitSha, RepoName};
use coord_core::repo::MergeMethod;
use coord_core::run::Run;
use coord_core::task::{TaskRef, TaskState};
use coord_forge::NOTICE;
use coord_forge::landing::Landed;
use tokio::time::Instant;

use crate::error::Error;
use crate::look::Freshness;
use crate::{Engine, chain, test};

/// How often a change is looked at again because its base moved or a test ran, before it is left for the
/// next merge.
const ROUNDS: u32 = 6;

/// How long what a forge said of a change is taken for what it says now.
const A_MOMENT: Duration = Duration::from_secs(10);

/// What is to be merged, and how.
#[derive(Debug, Clone, Default)]
pub struct MergeWish {
    /// Only this repo.
    pub repo: Option<RepoName>,
    /// These first, in this order.
    pub order: Vec<TaskRef>,
    /// Only these; empty means every open pull request.
    pub only: Vec<TaskRef>,
    /// Instead of the repo's own method.
    pub method: Option<MergeMethod>,
}

/// What happened to one change, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is part of its base branch.
    Merged(CommitSha),
    /// It would merge now.
    WouldMerge,
    /// It would be tested first, since that may lift what holds it.
    WouldTest(Vec<String>),
    /// It was left alone, with every reason.
    Parked(Vec<String>),
}

/// What happened to a change, with its names.
#[derive(Debug, Clone)]
pub struct Step {
    /// The task.
    pub task: TaskRef,
    /// Its pull request, if one was opened.
    pub pull_request: Option<u64>,
    /// What happened.
    pub fate: Fate,
}

/// What a merge tells while it goes on.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A change is tested before it may merge.
    Testing {
        /// The task.
        task: &'a TaskRef,
        /// The test.
        run: &'a Run,
        /// Why.
        because: &'a [Hold],
    },
    /// One change is dealt with.
    Step(&'a Step),
}

impl Engine {
    /// What [`Engine::merge`] would do now.
    ///
    /// # Errors
    /// When the board or a store cannot be read.
    pub async fn plan_merge(&self, wish: &MergeWish) -> Result<Vec<Step>, Error> {
        self.settle().await?;
        let queue = self.queue(wish).await?;
        let mut steps = self.without_a_change(wish, &queue).await?;
        steps.extend(queue.into_iter().map(|candidate| {
            let holds = verdict(&candidate);
            let fate = if holds.is_empty() {
                Fate::WouldMerge
            } else if holds.iter().all(Hold::lifted_by_testing) {
                Fate::WouldTest(words(&holds))
            } else {
                Fate::Parked(words(&holds))
            };
            step(&candidate, fate)
        }));
        Ok(steps)
    }

    /// Merges what may be merged, testing first where that is what is missing. A change that cannot merge is
    /// parked and the next one tried.
    ///
    /// # Errors
    /// When the board or a store cannot be read or written. What was merged before that stays merged.
    pub async fn merge(
        &self,
        wish: &MergeWish,
        tell: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<Step>, Error> {
        self.settle().await?;
        self.lift_pauses(wish, tell).await?;
        let queue = self.queue(wish).await?;
        let looked = Instant::now();
        let mut steps = self.without_a_change(wish, &queue).await?;
        for step in &steps {
            tell(Progress::Step(step));
        }
        for candidate in queue {
            let fate = self.merge_one(&candidate, looked, tell).await?;
            let step = step(&candidate, fate);
            tell(Progress::Step(&step));
            steps.push(step);
        }
        Ok(steps)
    }

    /// Tests the base branches into which nothing is merged after an incident, so that merging may go on.
    async fn lift_pauses(&self, wish: &MergeWish, tell: &mut dyn FnMut(Progress<'_>)) -> Result<(), Error> {
        for repo in self.settings.repos.iter().map(|it| &it.name) {
            if wish.repo.as_ref().is_some_and(|it| it != repo) {
                continue;
            }
            let Some(pause) = self.paused(repo).await? else { continue };
            let run = match self.start_base_test(&pause).await {
                Ok(run) => run,
                Err(error @ Error::Board { .. }) => return Err(error),
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(target: NOTICE, "the base branch of {repo} could not be tested: {error}");
                    continue;
                }
            };
            let because = [Hold::Paused(pause.reason)];
            tell(Progress::Testing { task: &pause.task, run: &run, because: &because });
            self.wait_for_run(run.id, None).await?;
        }
        Ok(())
    }

    /// Changes with an open pull request, or those asked for, in the order in which they are tried.
    async fn queue(&self, wish: &MergeWish) -> Result<Vec<Candidate>, Error> {
        if let Some(repo) = &wish.repo {
            self.repo(repo)?;
        }
        let mut queue = self.candidates(wish.repo.as_ref(), Freshness::Origin).await?;
        queue.retain(|it| match wish.only.as_slice() {
            [] => it.pull_request.is_some(),
            only => only.contains(&it.change.task),
        });
        for candidate in &mut queue {
            candidate.method = wish.method.unwrap_or(candidate.method);
        }
        Ok(order(queue, &wish.order))
    }

    /// What became of the tasks that were asked for and have nothing to merge.
    async fn without_a_change(&self, wish: &MergeWish, queue: &[Candidate]) -> Result<Vec<Step>, Error> {
        let mut steps: Vec<Step> = Vec::new();
        for task in &wish.only {
            let seen = steps.iter().map(|it| &it.task).chain(queue.iter().map(|it| &it.change.task));
            if !seen.into_iter().any(|it| it == task) {
                let fate = self.fate_of_gone(task).await?;
                steps.push(Step { task: task.clone(), pull_request: None, fate });
            }
        }
        Ok(steps)
    }

    async fn merge_one(
        &self,
        queued: &Candidate,
        looked: Instant,
        tell: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Fate, Error> {
        let task = &queued.change.task;
        for round in 0..ROUNDS {
            let candidate = if round == 0 && looked.elapsed() < A_MOMENT {
                self.candidate_again(queued).await?
            } else {
                self.candidate(task).await?
            };
            let Some(mut candidate) = candidate else {
                return self.fate_of_gone(task).await;
            };
            candidate.method = queued.method;
            let holds = verdict(&candidate);
            if let (true, Some(now)) = (holds.is_empty(), candidate.now.clone()) {
                match self.land(&candidate, now).await? {
                    Landed::At(commit) => return Ok(Fate::Merged(commit)),
                    Landed::BaseMoved => {}
                    Landed::NotAsTested(reason) | Landed::Refused(reason) => {
                        return Ok(Fate::Parked(vec![reason]));
                    }
                }
            } else if holds.iter().all(Hold::lifted_by_testing) {
                let run = match self.start_test(task).await {
                    Ok(run) => run,
                    Err(error @ Error::Board { .. }) => return Err(error),
                    // Whatever keeps this one from being tested need not keep the next.
                    Err(error) => return Ok(Fate::Parked(vec![chain(&error)])),
                };
                tell(Progress::Testing { task, run: &run, because: &holds });
                let run = self.wait_for_run(run.id, None).await?;
                self.tell_gates(task).await?;
                if let Some(end) = run.state.end().filter(|end| !test::passed(&end.outcome)) {
                    let reason = format!("tests: {} (see `coord log {}`)", end.outcome, run.id);
                    return Ok(Fate::Parked(vec![reason]));
                }
            } else {
                return Ok(Fate::Parked(words(&holds)));
            }
        }
        Ok(Fate::Parked(vec!["its base branch moves faster than it can be tested; try again".to_owned()]))
    }

    /// A task without a candidate was merged (by us, perhaps before a crash, or by somebody else), was closed,
    /// or has nothing to merge yet.
    async fn fate_of_gone(&self, task: &TaskRef) -> Result<Fate, Error> {
        Ok(match self.task(task).await?.state {
            TaskState::Merged { commit } => Fate::Merged(commit),
            TaskState::Closed { .. } => Fate::Parked(vec!["its task was closed".to_owned()]),
            TaskState::Open => Fate::Parked(vec![Hold::NoHead.to_string()]),
        })
    }
}

fn step(candidate: &Candidate, fate: Fate) -> Step {
    let pull_request = candidate.pull_request.as_ref().map(|it| it.number);
    Step { task: candidate.change.task.clone(), pull_request, fate }
}

fn words(holds: &[Hold]) -> Vec<String> {
    holds.iter().map(ToString::to_string).collect()
}
