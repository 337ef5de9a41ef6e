//! Gates: the newest evidence for each. What there was before it is in the events.

use coord_core::event::Fact;
use coord_core::gate::{Evidence, GateKind, GateRecord, Source};
use coord_core::run::RunState;
use coord_core::task::TaskRef;
use jiff::Timestamp;

use crate::column::{self, json, signed};
use crate::write::Transition;
use crate::{Board, Error, change, run};

impl Board {
    /// Records evidence for a gate. It comes from a run of that task which has ended, or from a person.
    pub async fn record_gate(
        &self,
        task: &TaskRef,
        gate: GateKind,
        evidence: Evidence,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut transition = self.transition("record a gate").await?;
        change::existing(&mut transition, task).await?;
        if let Source::Run(id) = evidence.source {
            let run = run::read(&mut transition, id).await?.ok_or(Error::NoRun(id))?;
            if run.task != *task || !matches!(run.state, RunState::Ended(_)) {
                return Err(Error::NoEvidence { task: task.clone(), run: id });
            }
        }
        let fact = write(&mut transition, task, gate, evidence).await?;
        transition.commit(task, &fact, now).await
    }

    /// The newest evidence for each gate of a task that has any.
    pub async fn gates(&self, task: &TaskRef) -> Result<Vec<GateRecord>, Error> {
        let query = sqlx::query("SELECT * FROM gates WHERE repo = $1 AND number = $2 ORDER BY kind");
        let query = query.bind(task.repo.as_str()).bind(signed(task.number));
        let rows = query.fetch_all(&self.pool).await.map_err(Error::sql("read the gates"))?;
        rows.iter().map(|row| column::gate(row).map(|(_, record)| record)).collect()
    }
}

/// Replaces the evidence for a gate, within a transition; gives the fact that this is.
pub(crate) async fn write(
    transition: &mut Transition,
    task: &TaskRef,
    gate: GateKind,
    evidence: Evidence,
) -> Result<Fact, Error> {
    let upsert = "INSERT INTO gates (repo, number, kind, evidence) VALUES ($1, $2, $3, $4)
                  ON CONFLICT (repo, number, kind) DO UPDATE SET evidence = excluded.evidence";
    let upsert = sqlx::query(upsert)
        .bind(task.repo.as_str())
        .bind(signed(task.number))
        .bind(gate.as_str())
        .bind(json(&evidence));
    transition.run(upsert).await?;
    Ok(Fact::GateRecorded { gate, evidence })
}
