//! What stands against a change, in the words that the next worker is told.

use coord_core::gate::{GateRecord, Source, Verdict};
use coord_core::id::RunId;
use coord_core::merge::Candidate;
use coord_core::task::TaskRef;
use coord_proto::event::EventKind;

use crate::again::wrong_on_forge;
use crate::error::Error;
use crate::follow::PATIENCE;
use crate::{Engine, chain, machine_of};

/// How many of a test's last events are looked at for its output.
const EVENTS: u64 = 200;
/// How many characters of that output are told.
const EXCERPT: usize = 4000;

impl Engine {
    /// What was found wrong with a change, gate by gate. A test that failed is told with what it was run on,
    /// since it may well pass on the branch alone, and with the end of its output.
    pub(crate) async fn failures(
        &self,
        task: &TaskRef,
        candidate: Option<&Candidate>,
    ) -> Result<String, Error> {
        let mut texts = Vec::new();
        for gate in self.board.gates(task).await.map_err(Error::board("reading gates"))? {
            let GateRecord { kind, evidence } = gate;
            let Verdict::Failed { reason } = evidence.verdict else { continue };
            texts.push(format!("{}: {reason}", kind.as_str()));
            let Source::Run(run) = evidence.source else { continue };
            texts.push(format!(
                "It was run on {} of this branch merged onto {} of the branch it is for. The end of its output:",
                evidence.head.short(),
                evidence.base.short()
            ));
            texts.push(self.output_of(run).await.unwrap_or_else(|error| {
                tracing::debug!(%run, error = chain(&error), "a test's output could not be had");
                "(not to be had now)".to_owned()
            }));
        }
        texts.extend(candidate.into_iter().flat_map(wrong_on_forge));
        Ok(texts.join("\n"))
    }

    /// The end of what an ended run printed.
    async fn output_of(&self, run: RunId) -> Result<String, Error> {
        let run = self.run(run).await?;
        let machine = machine_of(&run)?;
        let client = self.client(machine)?;
        // Asked first, because a machine that does not answer is soon found out that way.
        let view = client.run(run.id).await.map_err(Error::agent(machine))?;
        let last = view.map_or(0, |it| it.last_event);
        let mut stream = client.follow(run.id, last.saturating_sub(EVENTS), PATIENCE);
        let mut lines = Vec::new();
        while let Some(event) = stream.next().await.map_err(Error::events(machine, run.id))? {
            if let EventKind::Output { text, .. } = event.event {
                lines.push(text);
            }
        }
        let output = lines.join("\n");
        let skipped = output.chars().count().saturating_sub(EXCERPT);
        Ok(output.chars().skip(skipped).collect())
    }
}
