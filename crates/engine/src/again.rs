//! Going on with a change: what is asked for, what there is to go on with, and carrying a session to where it goes on.
//!
//! Core decides whether and in which session, from what is gathered here. A machine may still find that it does not
//! have what it was told to have; it then begins a new session by itself, whose prompt it was given as well.

use std::fmt;

use coord_core::again::{Again, Aim, Past, Rung, Situation, goes_on_from, rung};
use coord_core::change::Change;
use coord_core::claim::Said;
use coord_core::gate::{GateKind, GateState, Verdict};
use coord_core::id::RunId;
use coord_core::merge::{Candidate, gates};
use coord_core::name::{MachineName, RuntimeName};
use coord_core::park::Parked;
use coord_core::queue::Wish;
use coord_core::run::{Run, RunEnd};
use coord_proto::client::Client;
use coord_proto::run::{Restore, Resume};

use crate::assign::Assignment;
use crate::briefing::{self, Before, Briefing};
use crate::error::Error;
use crate::settle::Settled;
use crate::{Engine, blocking, chain};

/// How much of a diff a new session is told, in bytes.
const DIFF: usize = 20_000;
/// How many of the last runs are looked at for a session.
const LOOKED_AT: usize = 5;

/// What a person asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Why.
    pub aim: Aim,
    /// Where to; otherwise where it was, if that machine answers.
    pub machine: Option<MachineName>,
    /// Instead of the model that it had.
    pub model: Option<String>,
    /// What the worker is told by them.
    pub guidance: Option<String>,
    /// A new session although the old one may be had.
    pub fresh: bool,
    /// Although too many attempts have failed.
    pub force: bool,
    /// What does not hold it back because the person says so.
    pub said: Said,
}

/// What a run has of those before it, for the machine that does it.
#[derive(Debug, Clone, Default)]
pub struct Inherited {
    /// The session.
    pub resume: Option<Resume>,
    /// Unpublished work.
    pub restore: Option<Restore>,
    /// The machine that has the session's transcript, and the run that it was kept with, if that is another.
    pub carried_from: Option<(MachineName, RunId)>,
}

/// What there is to go on with.
pub(crate) struct Found<'a> {
    aim: Aim,
    last: &'a Run,
    /// `None` while it is open where the run is to be.
    pub(crate) rung: Option<Rung>,
    restore: Option<Restore>,
    elsewhere: Option<String>,
    diff: Option<String>,
}

impl Engine {
    /// What going on with a change would do. `id` is its task, or the last of its runs.
    ///
    /// # Errors
    /// [`Error::NotAgain`] when it is not gone on with; otherwise as [`Engine::plan_assignment`].
    pub async fn plan_again(&self, id: &str, asked: Asked) -> Result<Assignment, Error> {
        let settled = self.settle().await?;
        let named = self.resolve(id).await?;
        let task = named.task().clone();
        let mut runs = self.runs_of(&task).await?;
        runs.retain(|it| it.kind.is_agent_work());
        let candidate = match asked.aim {
            Aim::Fix => self.candidate(&task).await?,
            Aim::Retry | Aim::Unstick => None,
        };
        let situation = Situation {
            aim: asked.aim,
            runs: &runs,
            named: named.run().map(|it| it.id),
            found_wrong: candidate.as_ref().is_some_and(found_wrong),
            says_stuck: says_stuck(&runs, &settled),
            attempts: self.settings.attempts,
            force: asked.force,
        };
        let last = goes_on_from(&situation);
        let last = last.map_err(|refusal| Error::NotAgain { task: task.clone(), refusal })?;
        let machine = match asked.machine {
            Some(machine) => Some(machine),
            None => self.where_it_was(last).await,
        };
        let wish = Wish {
            machine,
            model: asked.model.or_else(|| last.model.clone()),
            runtime: Some(last.runtime.clone()),
            briefing: asked.guidance,
            said: asked.said,
            parked: None,
            again: Some(Again { aim: asked.aim, from: last.id, fresh: asked.fresh }),
        };
        self.plan(&task, wish, None).await
    }

    /// The last run of a task, if it goes on and its worker says that it is stuck: it has to end before anything is
    /// gone on with.
    ///
    /// # Errors
    /// As [`Engine::resolve`].
    pub async fn stuck_run(&self, id: &str) -> Result<Option<Run>, Error> {
        let settled = self.settle().await?;
        let mut runs = self.runs_of(self.resolve(id).await?.task()).await?;
        runs.retain(|it| it.kind.is_agent_work());
        Ok(if says_stuck(&runs, &settled) { runs.pop() } else { None })
    }

    /// The machine that had a run, if it can take another one.
    async fn where_it_was(&self, last: &Run) -> Option<MachineName> {
        let machine = last.machine().filter(|it| self.settings.machine(it).is_some())?;
        let client = self.awake(machine).await.ok()?;
        client.health().await.ok().map(|_| machine.clone())
    }

    /// A client for a machine whose agent server is started first where that can be done from here.
    async fn awake(&self, machine: &MachineName) -> Result<Client, String> {
        let client = self.client(machine).map_err(|error| chain(&error))?;
        if let (Some(caretaker), true) = (&self.caretaker, self.settings.here.as_ref() == Some(machine)) {
            caretaker.wake(machine, &client).await?;
        }
        Ok(client)
    }

    /// Gathers what there is to go on with, for a run of `runtime` on `machine`; `None` where the task is given out anew.
    pub(crate) async fn find_what_goes_on<'a>(
        &self,
        wish: &Wish,
        earlier: &'a [Run],
        change: Option<&Change>,
        (runtime, machine): (&RuntimeName, Option<&MachineName>),
    ) -> Result<Option<Found<'a>>, Error> {
        let Some(again) = &wish.again else { return Ok(None) };
        let Some(last) = earlier.iter().find(|it| it.id == again.from) else { return Ok(None) };
        let rung = match machine {
            Some(machine) => {
                let past = if again.fresh { None } else { self.past(earlier).await };
                Some(rung(past, runtime, machine, again.fresh))
            }
            None => None,
        };
        let left = earlier.iter().rev().find_map(|run| left(run, change));
        let (restore, elsewhere) = match (left, machine) {
            (Some((restore, run)), Some(machine)) if run.machine() == Some(machine) => (Some(restore), None),
            (Some((restore, run)), Some(_)) => (None, Some(kept_elsewhere(&restore, run))),
            (Some(_), None) | (None, _) => (None, None),
        };
        let diff = match change {
            Some(change) => self.diff_of(change).await?,
            None => None,
        };
        Ok(Some(Found { aim: again.aim, last, rung, restore, elsewhere, diff }))
    }

    /// The last session that worked on a change, and what its machine says is left of it.
    async fn past(&self, earlier: &[Run]) -> Option<Past> {
        for run in earlier.iter().rev().take(LOOKED_AT) {
            let (Some(end), Some(machine)) = (run.state.end(), run.machine()) else { continue };
            let past = |session, transcript| Past {
                run: run.id,
                runtime: run.runtime.clone(),
                machine: machine.clone(),
                session,
                transcript,
            };
            let reported = end.report.session.clone();
            let view = match self.awake(machine).await {
                Ok(client) => client.run(run.id).await.map_err(|error| chain(&error)),
                Err(reason) => Err(reason),
            };
            match (view, reported) {
                (Ok(view), reported) => match (view.and_then(|it| it.session), reported) {
                    (Some(seen), _) => return Some(past(seen.id, Ok(seen.transcript))),
                    (None, Some(session)) => {
                        return Some(past(session, Ok(coord_core::again::Transcript::Gone)));
                    }
                    (None, None) => {}
                },
                (Err(reason), Some(session)) => return Some(past(session, Err(reason))),
                (Err(reason), None) => tracing::debug!(run = %run.id, reason, "its session is not known"),
            }
        }
        None
    }

    async fn diff_of(&self, change: &Change) -> Result<Option<String>, Error> {
        let Some(head) = change.head().cloned() else { return Ok(None) };
        let repo = change.task.repo.clone();
        let (store, base_branch) = (self.store(&repo).await?, change.base_branch.clone());
        blocking(move || {
            let reading = "reading a change";
            let base = store.tip(&base_branch).map_err(Error::git(&repo, reading))?;
            let known = store.contains(&head).map_err(Error::git(&repo, reading))?;
            let Some(base) = base.filter(|_| known) else { return Ok(None) };
            let diff = store.diff_text(&base, &head, DIFF).map_err(Error::git(&repo, reading))?;
            Ok(Some(diff).filter(|it| !it.trim().is_empty()))
        })
        .await
    }

    /// Carries the transcript of a session to the machine that is to go on with it. One that cannot be had there is
    /// missed by that machine, which begins a new session.
    pub(crate) async fn carry_session(&self, run: RunId, inherited: &Inherited, to: &Client) {
        let Some((machine, from)) = &inherited.carried_from else { return };
        let carried = async {
            let there = self.awake(machine).await?;
            let transcript = there.transcript(*from).await.map_err(|error| chain(&error))?;
            let transcript = transcript.ok_or_else(|| "it is gone".to_owned())?;
            to.leave_transcript(run, transcript).await.map_err(|error| chain(&error))
        };
        if let Err(reason) = carried.await {
            tracing::warn!(%run, %machine, reason, "the session's transcript could not be carried");
        }
    }
}

impl Found<'_> {
    /// What the worker is told, and what its machine needs beside it.
    fn tell(&self, briefing: &Briefing<'_>) -> (String, Inherited) {
        let Self { aim, last, rung, restore, elsewhere, diff } = self;
        let before = Before {
            aim: *aim,
            last,
            rung: rung.as_ref(),
            diff: diff.as_deref(),
            elsewhere: elsewhere.as_deref(),
        };
        let afresh = briefing::work(&Briefing { before: Some(&before), ..*briefing });
        let past = rung.as_ref().and_then(Rung::past);
        let resume = past.map(|past| Resume {
            session: past.session.clone(),
            from: Some(past.run),
            prompt: Some(briefing::resumed(briefing, &before)),
        });
        let carried_from = match rung {
            Some(Rung::Moved(past)) => Some((past.machine.clone(), past.run)),
            Some(Rung::InPlace(_) | Rung::New(_)) | None => None,
        };
        (afresh, Inherited { resume, restore: restore.clone(), carried_from })
    }
}

/// What a worker is told, and what its machine needs beside it.
pub(crate) fn tell(found: Option<&Found<'_>>, wish: &Wish, briefing: &Briefing<'_>) -> (String, Inherited) {
    match (found, &wish.parked) {
        (Some(found), _) => found.tell(briefing),
        (None, Some(parked)) => (briefing::work(briefing), unparked(parked, briefing)),
        (None, None) => (briefing::work(briefing), Inherited::default()),
    }
}

fn unparked(parked: &Parked, briefing: &Briefing<'_>) -> Inherited {
    let resume = parked.session.clone().map(|session| Resume {
        session,
        from: Some(parked.of),
        prompt: Some(briefing::go_on(briefing, &parked.why)),
    });
    let restore = Restore { run: parked.of, head: None, rescue: parked.rescue.clone() };
    Inherited { resume, restore: Some(restore), carried_from: None }
}

/// The command that goes on with a change with this aim, as it can be run. `id` is its task or the last of its runs.
#[must_use]
pub fn command(aim: Aim, id: &dyn fmt::Display, force: bool) -> String {
    let force = if force { " --force" } else { "" };
    match aim {
        Aim::Retry => format!("coord retry {id}{force}"),
        Aim::Fix => format!("coord fix {id}{force}"),
        Aim::Unstick => format!("coord resume-stuck {id}{force} --guidance \"how to go on\""),
    }
}

/// Whether the worker of the last of these runs, which goes on, says that it is stuck.
fn says_stuck(runs: &[Run], settled: &Settled) -> bool {
    let last = runs.last().and_then(|it| settled.live.get(&it.id));
    last.is_some_and(|it| it.stuck.is_some())
}

/// Whether a gate has failed for the head that the change has now. That its base has moved since mends nothing.
pub(crate) fn found_wrong(candidate: &Candidate) -> bool {
    let recorded = candidate.gates.iter().any(|it| {
        matches!(it.evidence.verdict, Verdict::Failed { .. })
            && candidate.change.head() == Some(&it.evidence.head)
    });
    recorded || gates(candidate).iter().any(|it| matches!(it.state, GateState::Failed { .. }))
}

/// What the forge finds wrong with a change, in the words that its next worker is told.
pub(crate) fn wrong_on_forge(candidate: &Candidate) -> Vec<String> {
    let failed = gates(candidate).into_iter().filter_map(|it| match (it.kind, it.state) {
        (GateKind::Checks | GateKind::Approval, GateState::Failed { reason }) => {
            Some(format!("{}: {reason}", it.kind.as_str()))
        }
        (
            GateKind::Tests | GateKind::Person | GateKind::Checks | GateKind::Approval,
            GateState::Unknown { .. }
            | GateState::Pending { .. }
            | GateState::Passed
            | GateState::Failed { .. }
            | GateState::Stale { .. },
        ) => None,
    });
    failed.collect()
}

/// What a run left in the repo store of its machine that nobody has published. `None` for one that never worked, whose
/// predecessor's work is still where it was.
fn left<'a>(run: &'a Run, change: Option<&Change>) -> Option<(Restore, &'a Run)> {
    let RunEnd { git, rescue, .. } = run.state.end()?;
    let head = git.head.as_ref()?;
    let published = change.and_then(Change::head) == Some(head);
    let head = Some(head.clone()).filter(|_| !published && git.ahead != Some(0));
    let rescue = rescue.as_ref().map(|it| it.commit.clone());
    Some((Restore { run: run.id, head, rescue }, run))
}

/// That work lies on a machine where the run is not, if any does.
fn kept_elsewhere(restore: &Restore, run: &Run) -> String {
    let on = run.machine().map_or("its machine", MachineName::as_str);
    let mut kept = Vec::new();
    kept.extend(restore.head.as_ref().map(|it| format!("commits up to {}", it.short())));
    kept.extend(run.state.end().and_then(|it| it.rescue.as_ref()).map(ToString::to_string));
    format!("Work of run {} is on another machine and not here: {} on {on}.", run.id, kept.join(" and "))
}
