//! The end of agent work: what it spent, what it told of its account, and whether its session goes on.

use coord_board::{Continuation, Ending, Moved, NewRun};
use coord_core::claim::Said;
use coord_core::park;
use coord_core::queue::Wish;
use coord_core::run::{Run, RunEnd};
use coord_proto::run::RunView;

use crate::error::Error;
use crate::{Engine, clock};

impl Engine {
    /// Takes in what a live run told of its account.
    pub(crate) async fn note_account(&self, run: &Run, view: &RunView) -> Result<(), Error> {
        let Some(machine) = run.machine().filter(|_| view.pid.is_some()) else { return Ok(()) };
        let Some(account) = self.account_name(machine, &run.runtime, view.account.clone()) else {
            return Ok(());
        };
        let noted = self.board.note_windows(run.id, &account, &view.windows, clock::now()).await;
        noted.map_err(Error::board("taking in usage windows"))
    }

    /// Records that agent work has ended. What was cut short by a limit or an overload goes on later.
    pub(crate) async fn end_work(&self, run: &Run, mut end: RunEnd) -> Result<(), Error> {
        if let Some(machine) = run.machine() {
            end.report.account = self.account_name(machine, &run.runtime, end.report.account.take());
        }
        let before = self.runs_of(&run.task).await?;
        let parked = park::after(run, &end, &before, self.settings.on_limits.on_limit, clock::chance());
        let exhausted = park::exhausted(&end, parked.as_ref());
        // What is not under coordination any more ends, and nothing goes on.
        let repo = self.repo(&run.task.repo).ok();
        let then = parked.zip(repo).map(|(parked, repo)| Continuation {
            new: NewRun {
                id: clock::new_run_id(),
                kind: run.kind,
                task: run.task.clone(),
                runtime: run.runtime.clone(),
                model: run.model.clone(),
                base_branch: repo.default_branch.clone(),
            },
            wish: Wish {
                machine: run.machine().cloned(),
                model: run.model.clone(),
                runtime: Some(run.runtime.clone()),
                briefing: None,
                // Whoever gave it out had their reasons, and it was begun for them.
                said: Said { take: Some(format!("run {} was at it", run.id)), trust: true },
                parked: Some(parked),
                again: None,
            },
        });
        let goes_on = then.is_some();
        let budget = self.budget_of(&run.task.repo);
        let ending = Ending { exhausted, end, budget, then };
        let ended = self.board.end_work(run.id, ending, clock::now()).await;
        match ended.map_err(Error::board("recording the end of a run"))? {
            Moved::Moved if goes_on => self.leave_to_the_caretaker(),
            Moved::Moved | Moved::Stays(_) => {}
        }
        Ok(())
    }
}
