//! What is said about a commit.

use serde_json::json;

use crate::github::show::Shown;
use crate::github::world::{CheckRun, CommitStatus, Status, StatusState, World};

impl World {
    /// Gives a commit a status.
    #[expect(clippy::too_many_arguments, reason = "each is a field of the status that is made")]
    pub(crate) fn add_status(
        &mut self,
        repo: u64,
        sha: &str,
        context: &str,
        state: StatusState,
        creator: &str,
        description: Option<String>,
        target_url: Option<String>,
    ) -> CommitStatus {
        let status = CommitStatus {
            id: self.fresh_id(),
            sha: sha.into(),
            context: context.into(),
            state,
            description,
            target_url,
            creator: self.person(creator),
            at: self.now,
        };
        self.repo_mut(repo).statuses.push(status.clone());
        let mut details = self.show_status(repo, &status, Shown::Combined);
        details["sha"] = sha.into();
        self.tell(repo, "status", creator, details);
        status
    }

    /// Has an App begin a check run, and returns its id.
    pub(crate) fn add_check(&mut self, repo: u64, app: u64, sha: &str, name: &str, status: Status) -> u64 {
        let known = self.repo(repo).checks.iter().find(|it| it.app == app && it.sha == sha);
        let suite = known.map(|it| it.suite);
        let suite = suite.unwrap_or_else(|| self.fresh_id());
        let id = self.fresh_id();
        let run = CheckRun {
            id,
            suite,
            app,
            sha: sha.into(),
            name: name.into(),
            status: Status::Queued,
            details_url: None,
            external_id: None,
            title: None,
            summary: None,
            started_at: self.now,
            completed_at: None,
        };
        self.repo_mut(repo).checks.push(run);
        self.tell_check(repo, id, "created");
        if status != Status::Queued {
            self.set_check(repo, id, status);
        }
        id
    }

    /// Moves a check run on.
    pub(crate) fn set_check(&mut self, repo: u64, id: u64, status: Status) {
        let now = self.now;
        let Some(run) = self.repo_mut(repo).checks.iter_mut().find(|it| it.id == id) else { return };
        run.status = status;
        run.completed_at = match status {
            Status::Completed(_) => Some(now),
            Status::Queued | Status::InProgress => None,
        };
        if run.completed_at.is_some() {
            self.tell_check(repo, id, "completed");
        }
    }

    fn tell_check(&mut self, repo: u64, id: u64, action: &str) {
        let Some(run) = self.repo(repo).checks.iter().find(|it| it.id == id) else { return };
        let actor = self.apps.get(&run.app).map_or_else(|| "ghost".into(), |it| format!("{}[bot]", it.slug));
        let details = json!({ "action": action, "check_run": self.show_check(repo, run) });
        self.tell(repo, "check_run", &actor, details);
    }
}
