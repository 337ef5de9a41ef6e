//! Clearing up on every machine. The machines know what is there; the board knows which tasks are over.

use coord_core::name::MachineName;
use coord_core::task::{TaskRef, TaskState};
use coord_proto::gc::{ClearUp, Cleared};

use crate::error::Error;
use crate::{Engine, chain};

/// What was cleared up on one machine, or why it was not asked.
#[derive(Debug)]
pub struct OnMachine {
    /// Which machine.
    pub machine: MachineName,
    /// What went, and what stays.
    pub cleared: Result<Cleared, String>,
}

impl Engine {
    /// Has every machine clear up; with `dry_run`, has it say what would go.
    ///
    /// # Errors
    /// When the board cannot be read. A machine that does not answer is no error.
    pub async fn clear_up(&self, dry_run: bool) -> Result<Vec<OnMachine>, Error> {
        self.settle().await?;
        let mut all = Vec::new();
        for machine in self.settings.machines.iter().map(|it| it.name.clone()) {
            let cleared = match self.clear_up_on(&machine, dry_run).await {
                Ok(cleared) => Ok(cleared),
                Err(error @ Error::Board { .. }) => return Err(error),
                Err(error) => Err(chain(&error)),
            };
            all.push(OnMachine { machine, cleared });
        }
        Ok(all)
    }

    /// The machine is asked what it has of tasks that may be over, and is told which of them are.
    async fn clear_up_on(&self, machine: &MachineName, dry_run: bool) -> Result<Cleared, Error> {
        let client = self.client(machine)?;
        let failed = || Error::agent(machine);
        let would = client.clear_up(&ClearUp { dry_run: true, over: Vec::new() }).await.map_err(failed())?;
        let mut over = Vec::new();
        for task in would.perhaps_over {
            if self.is_over(&task).await? {
                over.push(task);
            }
        }
        client.clear_up(&ClearUp { dry_run, over }).await.map_err(failed())
    }

    /// Whether the board has a task as merged or closed. One that it does not have is not known to be over.
    async fn is_over(&self, task: &TaskRef) -> Result<bool, Error> {
        let task = self.board.task(task).await.map_err(Error::board("reading a task"))?;
        Ok(task.is_some_and(|it| match it.state {
            TaskState::Merged { .. } | TaskState::Closed { .. } => true,
            TaskState::Open => false,
        }))
    }
}
