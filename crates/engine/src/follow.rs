//! Following runs: their events as they come, their end, and asking for it early.

use std::time::Duration;

use coord_core::id::RunId;
use coord_core::run::{Run, RunState};
use coord_proto::client::{ClientError, EventStream};
use coord_proto::event::{Event, EventKind};
use coord_proto::problem::ProblemKind;

use crate::Engine;
use crate::error::Error;

/// How long a watcher bears with an agent server that does not answer, for example while it is upgraded.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a machine is asked again that does not know the run yet, or does not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// The events of a run, from its machine.
pub struct Following {
    stream: EventStream,
    run: Run,
}

impl Following {
    /// The next event; `None` after the last one.
    ///
    /// # Errors
    /// When the machine refuses, or has not answered for half a minute.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        self.stream.next().await.map_err(Error::events(&self.run))
    }

    /// The run that is followed, as it was when following began.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }
}

impl Engine {
    /// The events of a run after number `after`, as they come.
    ///
    /// # Errors
    /// When the run is unknown, or there is no way to reach its machine.
    pub async fn follow(&self, id: RunId, after: u64) -> Result<Following, Error> {
        let mut run = self.run(id).await?;
        // Its machine may not have heard of it yet.
        while matches!(run.state, RunState::Reserved) {
            tokio::time::sleep(AGAIN).await;
            run = self.settle_run(id).await?;
        }
        let stream = self.client(&run.machine)?.follow(id, after, PATIENCE);
        Ok(Following { stream, run })
    }

    /// The log of a run as it is now, from byte `from` on.
    ///
    /// # Errors
    /// When the run is unknown, or its machine does not answer or has no log of it.
    pub async fn log(&self, id: RunId, from: u64) -> Result<bytes::Bytes, Error> {
        let run = self.run(id).await?;
        self.client(&run.machine)?.log(id, from).await.map_err(Error::events(&run))
    }

    /// Waits until a run has ended and everything that follows from it is done, and returns it.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after `limit`; the run goes on. Without a limit, an unreachable machine is waited
    /// for until the run's deadline has passed.
    pub async fn wait_for_run(&self, id: RunId, limit: Option<Duration>) -> Result<Run, Error> {
        let ceiling = limit.unwrap_or(self.settings.deadline + Duration::from_secs(600));
        match tokio::time::timeout(ceiling, self.ended_run(id)).await {
            Ok(run) => run,
            Err(_) => Err(Error::TimedOut { what: format!("run {id}"), seconds: ceiling.as_secs() }),
        }
    }

    async fn ended_run(&self, id: RunId) -> Result<Run, Error> {
        loop {
            match self.settle_run(id).await {
                Ok(run) if matches!(run.state, RunState::Ended(_)) => return Ok(run),
                Ok(run) => {
                    if !self.until_its_stream_ends(&run).await? {
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

    /// Reads a run's events until the last one, which comes when it ends. `false` when there was nothing to
    /// read yet, or the machine fell silent.
    async fn until_its_stream_ends(&self, run: &Run) -> Result<bool, Error> {
        let mut stream = self.client(&run.machine)?.follow(run.id, 0, PATIENCE);
        loop {
            match stream.next().await {
                Ok(Some(Event { event: EventKind::Ended { .. }, .. }) | None) => return Ok(true),
                Ok(Some(_)) => {}
                Err(ClientError::Unreachable { .. }) => return Ok(false),
                Err(ClientError::Refused(problem)) if problem.kind == ProblemKind::NotFound => {
                    return Ok(false);
                }
                Err(source) => return Err(Error::Agent { machine: run.machine.clone(), source }),
            }
        }
    }

    /// Stops a run, and returns it once no process of it is left. A run that its machine has not heard of may
    /// still be on its way there: it is stopped when it arrives, or given up when that is too late.
    ///
    /// # Errors
    /// When its machine does not answer: then nothing is known to have stopped.
    pub async fn stop(&self, id: RunId) -> Result<Run, Error> {
        loop {
            let run = self.settle_run(id).await?;
            if matches!(run.state, RunState::Ended(_)) {
                return Ok(run);
            }
            match self.client(&run.machine)?.stop(id).await {
                Ok(view) => {
                    self.absorb(&run, &view).await?;
                    return self.wait_for_run(id, Some(PATIENCE)).await;
                }
                Err(ClientError::Refused(problem)) if problem.kind == ProblemKind::NotFound => {
                    tokio::time::sleep(AGAIN).await;
                }
                Err(source) => return Err(Error::Agent { machine: run.machine, source }),
            }
        }
    }
}
