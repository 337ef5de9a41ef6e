//! Clearing up what runs left on this machine: asked for, or by itself when nothing runs.
//!
//! What is there is surveyed, `coord-core` decides, and a [`Journal`] carries it out. What must hold: only what this
//! machine's own records say it made is touched; whatever else lies there is named and stays; what a run of a task
//! that may not be over left stays until somebody who knows says that it is.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use coord_core::retention::{Item, plan};
use coord_proto::gc::{ClearUp, Cleared, Gone, Stays};
use coord_proto::problem::{Problem, ProblemKind};

use super::{Supervisor, lock};
use crate::config::AgentConfig;
use crate::journal::Journal;

mod remove;
mod survey;

/// How much goes at a time. What is left goes the next time.
const BATCH: usize = 1000;

impl Supervisor {
    /// Clears up, or says what would go.
    pub(crate) async fn clear_up(self: &Arc<Self>, asked: ClearUp) -> Result<Cleared, Problem> {
        let _one_at_a_time = self.clearing.lock().await;
        let config = self.load().await.map_err(|why| {
            Problem::new(ProblemKind::Unable, format!("the machine's configuration cannot be used: {why}"))
        })?;
        self.off_loop("clear up", move |this| this.clear_up_now(&config, &asked)).await
    }

    /// Clears up by itself, from time to time, when nothing runs.
    pub(crate) fn clear_up_when_idle(self: &Arc<Self>) {
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = this.halt.cancelled() => return,
                    () = tokio::time::sleep(this.options.clear_every) => {}
                }
                if !lock(&this.live).is_empty() {
                    continue;
                }
                match this.clear_up(ClearUp::default()).await {
                    Ok(done) => {
                        tracing::info!(gone = done.gone.len(), stays = done.stays.len(), "cleared up");
                    }
                    Err(problem) => tracing::error!("{problem}"),
                }
            }
        });
    }

    /// Goes on with what a server that was killed had begun to remove.
    pub(crate) fn resume_clearing(&self) -> io::Result<()> {
        let Some(journal) = Journal::left(&self.options.home.clearing())? else { return Ok(()) };
        let done = self.carry_out(journal)?;
        tracing::info!(count = done.len(), "went on with what was to go");
        Ok(())
    }

    fn clear_up_now(&self, config: &AgentConfig, asked: &ClearUp) -> io::Result<Cleared> {
        let now = (self.options.now)();
        self.resume_clearing()?;
        let survey = self.survey(config)?;
        let over: BTreeSet<_> = asked.over.iter().cloned().collect();
        let mut decided = plan(survey.holdings, &config.retention, &over, now);
        decided.go.truncate(BATCH);
        let mut stays = survey.named;
        stays.extend(decided.stay.iter().map(|(it, why)| stays_at(&it.item, why)));
        let mut gone: Vec<_> = decided
            .go
            .iter()
            .map(|(it, because)| Gone {
                what: it.item.what().to_owned(),
                name: it.item.name(),
                bytes: it.bytes,
                why: because.as_str().to_owned(),
            })
            .collect();
        if !asked.dry_run && !gone.is_empty() {
            let items: Vec<_> = decided.go.into_iter().map(|(it, _)| it.item).collect();
            let journal = Journal::begin(&self.options.home.clearing(), now, items)?;
            for (item, outcome) in self.carry_out(journal)? {
                if let Err(why) = outcome {
                    gone.retain(|it| it.name != item.name() || it.what != item.what());
                    stays.push(stays_at(&item, &why));
                }
            }
        }
        let perhaps_over = decided.perhaps_over.into_iter().collect();
        Ok(Cleared { at: now, gone, stays, perhaps_over })
    }

    fn carry_out(&self, journal: Journal) -> io::Result<Vec<(Item, Result<(), String>)>> {
        let at = journal.at();
        let done = journal.carry_out(|item| {
            let outcome = self.remove(item, at);
            match &outcome {
                Ok(()) => tracing::info!(what = item.what(), name = item.name(), "gone"),
                Err(why) => tracing::warn!(what = item.what(), name = item.name(), "stays: {why}"),
            }
            outcome
        })?;
        self.tidy_stores(&done);
        Ok(done)
    }
}

fn stays_at(item: &Item, why: &str) -> Stays {
    Stays { name: item.name(), why: why.to_owned() }
}
