//! Following runs: their events as they come, their end, and asking for it early.

use std::time::Duration;

use coord_board::Moved;
use coord_core::id::RunId;
use coord_core::name::MachineName;
use coord_core::outcome::Outcome;
use coord_core::run::{Run, RunState};
use coord_proto::client::{ClientError, EventStream};
use coord_proto::event::{Event, EventKind};
use coord_proto::problem::ProblemKind;

use crate::error::Error;
use crate::{Engine, machine_of};

/// How long a watcher bears with an agent server that does not answer, for example while it is upgraded.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a machine is asked again that does not know the run yet, or does not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// The events of a run, from its machine. There are none of a run that no machine ever heard of.
pub struct Following {
    stream: Option<(MachineName, EventStream)>,
    run: Run,
}

impl Following {
    /// The next event; `None` after the last one.
    ///
    /// # Errors
    /// When the machine refuses, or has not answered for half a minute.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        let Some((machine, stream)) = &mut self.stream else { return Ok(None) };
        stream.next().await.map_err(Error::events(machine, self.run.id))
    }

    /// The run that is followed, as it was when following began.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }
}

impl Engine {
    /// The events of a run after number `after`, as they come. One that is queued is followed from its start.
    ///
    /// # Errors
    /// When the run is unknown, or there is no way to reach its machine.
    pub async fn follow(&self, id: RunId, after: u64) -> Result<Following, Error> {
        let mut run = self.out_of_queue(id).await?;
        // Its machine may not have heard of it yet.
        while matches!(run.state, RunState::Reserved) {
            tokio::time::sleep(AGAIN).await;
            run = self.settle_run(id).await?;
        }
        let stream = match run.machine() {
            Some(machine) => Some((machine.clone(), self.client(machine)?.follow(id, after, PATIENCE))),
            None => None,
        };
        Ok(Following { stream, run })
    }

    /// Waits until a run is queued no more, starting it when it can be, and returns it.
    async fn out_of_queue(&self, id: RunId) -> Result<Run, Error> {
        loop {
            let run = self.run(id).await?;
            if !matches!(run.state, RunState::Queued(_)) {
                return Ok(run);
            }
            let settled = self.settle().await?;
            if settled.queued.iter().any(|it| it.run == id) {
                self.until_queue_may_move(&settled).await?;
            }
        }
    }

    /// The log of a run as it is now, from byte `from` on.
    ///
    /// # Errors
    /// When the run is unknown, or its machine does not answer or has no log of it.
    pub async fn log(&self, id: RunId, from: u64) -> Result<bytes::Bytes, Error> {
        let run = self.run(id).await?;
        let machine = machine_of(&run)?;
        self.client(machine)?.log(id, from).await.map_err(Error::events(machine, id))
    }

    /// What the worker of a run has handed over under this name.
    ///
    /// # Errors
    /// When the run is unknown, has handed over nothing of that name, or its machine does not answer.
    pub async fn artifact(&self, id: RunId, name: &str) -> Result<bytes::Bytes, Error> {
        let run = self.run(id).await?;
        let machine = machine_of(&run)?;
        self.client(machine)?.artifact(id, name).await.map_err(Error::agent(machine))
    }

    /// Waits until a run has ended and everything that follows from it is done, and returns it.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after `limit`; the run goes on. Without a limit, an unreachable machine is waited
    /// for until the deadline of a run that has started has passed.
    pub async fn wait_for_run(&self, id: RunId, limit: Option<Duration>) -> Result<Run, Error> {
        let timed_out = |it: Duration| Error::TimedOut { what: format!("run {id}"), seconds: it.as_secs() };
        let ceiling = self.settings.limits.longest() + Duration::from_secs(600);
        let whole = async {
            self.out_of_queue(id).await?;
            let ended = tokio::time::timeout(ceiling, self.ended_run(id)).await;
            ended.unwrap_or_else(|_| Err(timed_out(ceiling)))
        };
        match limit {
            None => whole.await,
            Some(limit) => tokio::time::timeout(limit, whole).await.unwrap_or_else(|_| Err(timed_out(limit))),
        }
    }

    async fn ended_run(&self, id: RunId) -> Result<Run, Error> {
        loop {
            match self.settle_run(id).await {
                Ok(run) if matches!(run.state, RunState::Ended(_)) => return Ok(run),
                Ok(run) => {
                    if !self.until_its_stream_ends(&run, 0).await? {
                        tokio::time::sleep(AGAIN).await;
                    }
                }
                Err(Error::Agent { source: ClientError::Unreachable { .. }, .. }) => {
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads a run's events after number `after` until the last one, which comes when it ends. `false` when there
    /// was nothing to read yet, or the machine fell silent.
    pub(crate) async fn until_its_stream_ends(&self, run: &Run, after: u64) -> Result<bool, Error> {
        let machine = machine_of(run)?;
        let mut stream = self.client(machine)?.follow(run.id, after, PATIENCE);
        loop {
            match stream.next().await {
                Ok(Some(Event { event: EventKind::Ended { .. }, .. }) | None) => return Ok(true),
                Ok(Some(_)) => {}
                Err(ClientError::Unreachable { .. }) => return Ok(false),
                Err(ClientError::Refused(problem)) if problem.kind == ProblemKind::NotFound => {
                    return Ok(false);
                }
                Err(source) => return Err(Error::Agent { machine: machine.clone(), source }),
            }
        }
    }

    /// Stops a run, and returns it once no process of it is left. A run that its machine has not heard of may
    /// still be on its way there: it is stopped when it arrives, or given up when that is too late. One that is
    /// queued needs no machine to end.
    ///
    /// # Errors
    /// When its machine does not answer: then nothing is known to have stopped.
    pub async fn stop(&self, id: RunId) -> Result<Run, Error> {
        loop {
            let run = self.settle_run(id).await?;
            match &run.state {
                RunState::Ended(_) => return Ok(run),
                RunState::Queued(_) => match self.take_out_of_queue(&run, Outcome::STOPPED).await? {
                    // Either it has ended, or it has just been started and is stopped like any other.
                    Moved::Moved | Moved::Stays(_) => continue,
                },
                RunState::Reserved | RunState::Preparing | RunState::Running { .. } | RunState::Finishing => {
                }
            }
            let machine = machine_of(&run)?;
            match self.client(machine)?.stop(id).await {
                Ok(view) => {
                    self.absorb(&run, &view).await?;
                    return self.wait_for_run(id, Some(PATIENCE)).await;
                }
                Err(ClientError::Refused(problem)) if problem.kind == ProblemKind::NotFound => {
                    tokio::time::sleep(AGAIN).await;
                }
                Err(source) => return Err(Error::Agent { machine: machine.clone(), source }),
            }
        }
    }
}
