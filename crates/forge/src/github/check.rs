//! What other machines found out about a commit: check runs and commit statuses.

use std::collections::BTreeMap;

use coord_core::forge::{Check, CheckState};
use coord_core::name::CommitSha;
use serde::Deserialize;

use crate::github::GitHub;
use crate::github::answer::Answer;
use crate::github::broker::Age;
use crate::github::error::GitHubError;
use crate::github::text::Words;

#[derive(Debug, Deserialize)]
struct CheckRuns {
    check_runs: Vec<CheckRun>,
}

#[derive(Debug, Deserialize)]
struct CheckRun {
    id: u64,
    name: Words,
    status: String,
    conclusion: Option<String>,
    html_url: Option<String>,
    app: Option<App>,
}

#[derive(Debug, Deserialize)]
struct App {
    id: u64,
}

#[derive(Debug, Deserialize)]
struct Statuses {
    statuses: Vec<Status>,
}

#[derive(Debug, Deserialize)]
struct Status {
    context: Words,
    state: String,
    target_url: Option<String>,
}

impl GitHub {
    /// The newest word of each check run (of one name and App) and each commit status (of one context) on a
    /// commit.
    ///
    /// # Errors
    /// What any read may end in.
    pub async fn checks(&self, head: &CommitSha, age: Age) -> Result<Vec<Check>, GitHubError> {
        let runs = |it: &Answer| Ok(it.parse::<CheckRuns>()?.check_runs);
        let runs = self.broker.get_all(&self.path(&format!("/commits/{head}/check-runs")), age, runs).await?;
        let statuses = |it: &Answer| Ok(it.parse::<Statuses>()?.statuses);
        let statuses =
            self.broker.get_all(&self.path(&format!("/commits/{head}/status")), age, statuses).await?;

        let mut newest: BTreeMap<(String, Option<u64>), CheckRun> = BTreeMap::new();
        for run in runs {
            let key = (run.name.0.clone(), run.app.as_ref().map(|it| it.id));
            if newest.get(&key).is_none_or(|it| it.id < run.id) {
                newest.insert(key, run);
            }
        }
        let runs = newest.into_values().map(|run| Check {
            state: run_state(&run.status, run.conclusion),
            name: run.name.0,
            url: run.html_url,
        });
        // Of each context, GitHub lists the newest here already.
        let statuses = statuses.into_iter().map(|status| Check {
            state: status_state(status.state),
            name: status.context.0,
            url: status.target_url,
        });
        Ok(runs.chain(statuses).collect())
    }
}

/// <https://docs.github.com/rest/checks/runs#get-a-check-run>
fn run_state(status: &str, conclusion: Option<String>) -> CheckState {
    match (status, conclusion) {
        ("queued" | "in_progress" | "waiting" | "requested" | "pending", _) => CheckState::Running,
        ("completed", Some(conclusion)) => match conclusion.as_str() {
            "success" => CheckState::Passed,
            "failure" | "timed_out" | "cancelled" | "action_required" | "startup_failure" | "stale" => {
                CheckState::Failed { conclusion }
            }
            "skipped" | "neutral" => CheckState::Skipped { conclusion },
            _ => CheckState::Unknown { word: conclusion },
        },
        (status, conclusion) => CheckState::Unknown { word: conclusion.unwrap_or_else(|| status.to_owned()) },
    }
}

/// <https://docs.github.com/rest/commits/statuses#create-a-commit-status>
fn status_state(state: String) -> CheckState {
    match state.as_str() {
        "success" => CheckState::Passed,
        "pending" => CheckState::Running,
        "failure" | "error" => CheckState::Failed { conclusion: state },
        _ => CheckState::Unknown { word: state },
    }
}
