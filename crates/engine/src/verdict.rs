//! What the board knows of a change's gates, said on the forge where its people look: as statuses of the head, and
//! a person's word as a review. Nothing is decided by them here: the board's own evidence is.

use coord_core::forge::CheckState;
use coord_core::gate::{Evidence, GateKind, Verdict};
use coord_core::merge::Candidate;
use coord_core::pull::{OWN_STATUS, OnForge};
use coord_forge::NOTICE;
use coord_forge::github::GitHub;
use coord_forge::github::error::GitHubError;
use coord_forge::github::merge::{NewStatus, StatusState};
use coord_forge::github::propose::{Reviewed, Verdict as Said};

use crate::{Engine, chain, markdown};

/// How much of what is wrong is repeated in a review, in characters.
const REASON: usize = 4000;

impl Engine {
    /// Sets the statuses of the head that say what the board knows of its gates, where they are not set yet.
    pub(crate) async fn tell_statuses(&self, github: &GitHub, candidate: &Candidate) {
        for record in &candidate.gates {
            let (state, words) = status(&record.evidence, record.kind);
            let name = format!("{OWN_STATUS}{}", record.kind.as_str());
            if is_told(candidate, &record.evidence, &name, state) {
                continue;
            }
            let status = NewStatus { context: &name, state, description: &words };
            if let Err(error) = github.status(&record.evidence.head, &status).await {
                let (task, error) = (&candidate.change.task, chain(&error));
                tracing::warn!(target: NOTICE, "status `{name}` of {task} was not set on the forge: {error}");
            }
        }
    }

    /// Says a person's word as a review. An approval proper needs a second account: a forge takes none for one's
    /// own pull request. Then it is a comment, and a status of the head says which it was.
    pub(crate) async fn tell_word(
        &self,
        github: &GitHub,
        number: u64,
        evidence: &Evidence,
    ) -> Result<(), GitHubError> {
        let (verdict, body) = match &evidence.verdict {
            Verdict::Passed => (Said::Approve, "Tried, and found good.".to_owned()),
            Verdict::Failed { reason } => {
                let body = format!("Tried, and found wanting:\n\n{}", markdown::block(reason, REASON));
                (Said::RequestChanges, body)
            }
            Verdict::Inconclusive { .. } => return Ok(()),
        };
        match github.review(number, &evidence.head, verdict, &body).await? {
            Reviewed::Done => Ok(()),
            Reviewed::OwnPullRequest => {
                let said = github.review(number, &evidence.head, Said::Comment, &body).await?;
                tracing::debug!(?said, number, "a comment stands for the verdict");
                Ok(())
            }
        }
    }
}

/// Whether the forge says so already.
fn is_told(candidate: &Candidate, evidence: &Evidence, name: &str, state: StatusState) -> bool {
    let OnForge::Seen(facts) = &candidate.on_forge else { return false };
    let shown = facts.checks.iter().find(|it| it.name == name).map(|it| &it.state);
    facts.pull.head == evidence.head
        && match state {
            StatusState::Success => shown == Some(&CheckState::Passed),
            StatusState::Failure => shown == Some(&CheckState::Failed { conclusion: "failure".to_owned() }),
            StatusState::Error => shown == Some(&CheckState::Failed { conclusion: "error".to_owned() }),
        }
}

fn status(evidence: &Evidence, gate: GateKind) -> (StatusState, String) {
    let on = evidence.base.short();
    let (state, words) = match (&evidence.verdict, gate) {
        (Verdict::Passed, GateKind::Person) => (StatusState::Success, "a person found it good".to_owned()),
        (Verdict::Passed, _) => (StatusState::Success, format!("passed, merged onto {on}")),
        (Verdict::Failed { reason }, _) => {
            (StatusState::Failure, reason.lines().next().unwrap_or_default().to_owned())
        }
        (Verdict::Inconclusive { reason }, _) => (StatusState::Error, reason.clone()),
    };
    (state, words)
}
