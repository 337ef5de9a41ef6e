//! Runs that ended with commits which origin did not have then: their machines go on trying, and what came to origin
//! later is published as if it had come in time. How the run ended stays as it was.

use std::collections::BTreeMap;

use coord_core::event::{Event, Fact};
use coord_core::id::RunId;
use coord_core::run::{GitFacts, Run, RunEnd};
use futures_util::future::join_all;

use crate::error::Error;
use crate::settle::run_reference;
use crate::{Engine, blocking, chain};

impl Engine {
    /// Publishes what has come to origin since; what is not there yet is said.
    pub(crate) async fn settle_late(&self) -> Result<BTreeMap<RunId, String>, Error> {
        let runs = self.board.unpushed_runs().await.map_err(Error::board("listing runs"))?;
        let mut unpushed = BTreeMap::new();
        let seen = join_all(runs.iter().map(|run| self.observe(run))).await;
        for (run, seen) in runs.iter().zip(seen) {
            let said = match seen {
                Ok(Some(view)) => match (view.unpushed, view.pushed_at) {
                    (_, Some(_)) => self.publish_late(run).await?,
                    (Some(it), None) => {
                        let tries =
                            if it.tries == 1 { "once".to_owned() } else { format!("{} times", it.tries) };
                        let next = it.next_at.map_or(String::new(), |at| format!(", and again at {at:.0}"));
                        Some(format!("tried {tries}{next}: {}", it.reason))
                    }
                    (None, None) => None,
                },
                Ok(None) => None,
                Err(error) => Some(chain(&error)),
            };
            let told = said.map(|it| (run.id, format!("its commits are not on origin yet: {it}")));
            unpushed.extend(told);
        }
        Ok(unpushed)
    }

    /// `Some` says why that could not be done. What was published once, or would take back what somebody has pushed
    /// since, is left alone.
    async fn publish_late(&self, run: &Run) -> Result<Option<String>, Error> {
        let (Some(end), task) = (run.state.end(), &run.task) else { return Ok(None) };
        let events = self.board.events_of(task).await.map_err(Error::board("reading events"))?;
        let published = |it: &Event| matches!(&it.fact, Fact::Published { run: of, .. } if *of == run.id);
        if events.iter().any(published) {
            return Ok(None);
        }
        let end = RunEnd { git: GitFacts { pushed: Some(true), ..end.git.clone() }, ..end.clone() };
        let goes_forward = self.goes_forward(run, &end).await;
        let done = match goes_forward {
            Ok(true) => self.publish(run, &end).await,
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        match done {
            Ok(reason) => Ok(reason),
            Err(error @ Error::Board { .. }) => Err(error),
            Err(error) => Ok(Some(chain(&error))),
        }
    }

    /// Whether the run's head contains all that is published of its change.
    async fn goes_forward(&self, run: &Run, end: &RunEnd) -> Result<bool, Error> {
        let change = self.board.change(&run.task).await.map_err(Error::board("reading a change"))?;
        let (Some(change), Some(head)) = (change, end.git.head.clone()) else { return Ok(false) };
        let Some(published) = change.head().cloned() else { return Ok(true) };
        let (store, id, repo) = (self.store(&run.task.repo).await?, run.id, run.task.repo.clone());
        blocking(move || {
            let failed = "looking at what came to origin late";
            let incoming = format!("refs/coord/incoming/{id}");
            store.fetch_ref(&run_reference(id), &incoming).map_err(Error::git(&repo, failed))?;
            store.is_ancestor(&published, &head).map_err(Error::git(&repo, failed))
        })
        .await
    }
}
