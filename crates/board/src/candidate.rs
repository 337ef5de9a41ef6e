//! What the board knows about every change that might merge, in four statements however many there are.

use std::collections::{BTreeSet, HashMap};

use coord_core::merge::Candidate;
use coord_core::name::RepoName;
use coord_core::pull::OnForge;
use coord_core::repo::MergeMethod;

use crate::{Board, Error, column};

/// `CROSS JOIN` is how SQLite is told to begin with the changes, of which few are unmerged.
const OPEN_GATES: &str = "SELECT gates.* FROM changes CROSS JOIN gates
    WHERE gates.repo = changes.repo AND gates.number = changes.number
    AND changes.state <> 'merged' AND ($1 IS NULL OR changes.repo = $1) ORDER BY gates.kind";

impl Board {
    /// The changes that might merge, of one repo or of all: unmerged, of tasks that are still wanted.
    ///
    /// The board knows neither configuration nor origin, so `required`, `now`, `missing` and `conflicts` are
    /// empty: until the caller fills them in, no candidate passes.
    pub async fn candidates(&self, repo: Option<&RepoName>) -> Result<Vec<Candidate>, Error> {
        let mut pull_requests: HashMap<_, _> =
            self.open_pull_requests(repo).await?.into_iter().map(|it| (it.task.clone(), it)).collect();
        let live = self.live_runs().await?;
        let gates = sqlx::query(OPEN_GATES).bind(repo.map(RepoName::as_str)).fetch_all(&self.pool).await;
        let mut records: HashMap<_, Vec<_>> = HashMap::new();
        for row in gates.map_err(Error::sql("list the gates"))? {
            let (task, record) = column::gate(&row)?;
            records.entry(task).or_default().push(record);
        }
        // Last, since merging a change takes its pull request and its gates along: one that was merged while the
        // rest was read is not here, and none is here without what belongs to it.
        let changes = self.open_changes().await?;
        let wanted = changes.into_iter().filter(|it| repo.is_none_or(|repo| it.task.repo == *repo));
        Ok(wanted
            .map(|change| {
                let at_it = |agent_work| {
                    live.iter()
                        .find(|it| it.task == change.task && it.kind.is_agent_work() == agent_work)
                        .map(|it| it.id)
                };
                Candidate {
                    pull_request: pull_requests.remove(&change.task),
                    gates: records.remove(&change.task).unwrap_or_default(),
                    required: BTreeSet::new(),
                    working: at_it(true),
                    testing: at_it(false),
                    now: None,
                    missing: None,
                    conflicts: Vec::new(),
                    method: MergeMethod::default(),
                    closing: Vec::new(),
                    on_forge: OnForge::Board,
                    paused: None,
                    change,
                }
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::*;
    use crate::{change, pull_request, run, task};

    /// `status` asks these, and a board grows old.
    #[tokio::test]
    async fn what_is_over_is_not_looked_at_to_find_what_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let board = Board::open(&directory.path().join("board.db")).await.unwrap();
        for (sql, index) in [
            (task::OPEN, "tasks_open"),
            (run::LIVE, "runs_live"),
            (run::LAST_START, "runs_by_start"),
            (change::OPEN, "tasks_open"),
            (pull_request::OPEN, "pull_requests_open"),
            (OPEN_GATES, "changes_unmerged"),
        ] {
            let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
            let plan = plan.fetch_all(&board.pool).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|it| it.get("detail")).collect();
            let mut scans = steps.iter().filter(|it| it.starts_with("SCAN"));
            assert!(scans.all(|it| it.contains(index)), "{index}: {steps:?}");
        }
    }
}
