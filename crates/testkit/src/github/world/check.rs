//! What is known about a commit: statuses, and the check runs of Apps.

use jiff::Timestamp;

use super::Repository;

/// A status that somebody gave a commit. The last one of a context counts.
#[derive(Debug, Clone)]
pub(crate) struct CommitStatus {
    pub(crate) id: u64,
    pub(crate) sha: String,
    pub(crate) context: String,
    pub(crate) state: StatusState,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<String>,
    pub(crate) creator: String,
    pub(crate) at: Timestamp,
}

/// How a commit status stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusState {
    /// The check itself broke.
    Error,
    /// It failed.
    Failure,
    /// It has not ended.
    Pending,
    /// It passed.
    Success,
}

impl StatusState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Failure => "failure",
            Self::Pending => "pending",
            Self::Success => "success",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Error, Self::Failure, Self::Pending, Self::Success].into_iter().find(|it| it.name() == name)
    }
}

/// A check run of an App.
#[derive(Debug, Clone)]
pub(crate) struct CheckRun {
    pub(crate) id: u64,
    /// The suite it is in: one for each App and commit.
    pub(crate) suite: u64,
    pub(crate) app: u64,
    pub(crate) sha: String,
    pub(crate) name: String,
    pub(crate) status: Status,
    pub(crate) details_url: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) completed_at: Option<Timestamp>,
}

/// How far a check run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It waits for its turn.
    Queued,
    /// It runs.
    InProgress,
    /// It ended.
    Completed(Conclusion),
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed(_) => "completed",
        }
    }

    pub(crate) fn conclusion(self) -> Option<Conclusion> {
        match self {
            Self::Completed(conclusion) => Some(conclusion),
            Self::Queued | Self::InProgress => None,
        }
    }
}

/// How a check run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// It passed.
    Success,
    /// It failed.
    Failure,
    /// It has no opinion.
    Neutral,
    /// Somebody stopped it.
    Cancelled,
    /// It was not run.
    Skipped,
    /// It took too long.
    TimedOut,
    /// It waits for a person.
    ActionRequired,
}

impl Conclusion {
    const ALL: [Self; 7] = [
        Self::Success,
        Self::Failure,
        Self::Neutral,
        Self::Cancelled,
        Self::Skipped,
        Self::TimedOut,
        Self::ActionRequired,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::TimedOut => "timed_out",
            Self::ActionRequired => "action_required",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// What a commit's evidence says about one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has said anything.
    Expected,
    Pending,
    Failed,
    Passed,
}

impl Repository {
    /// The statuses of a commit that count, newest first.
    pub(crate) fn latest_statuses(&self, sha: &str) -> Vec<&CommitStatus> {
        let mut latest: Vec<&CommitStatus> = Vec::new();
        for status in self.statuses.iter().rev().filter(|it| it.sha == sha) {
            if !latest.iter().any(|it| it.context == status.context) {
                latest.push(status);
            }
        }
        latest
    }

    /// The check runs of a commit that count, newest first: the last one of each App and name.
    pub(crate) fn latest_checks(&self, sha: &str) -> Vec<&CheckRun> {
        let mut latest: Vec<&CheckRun> = Vec::new();
        for run in self.checks.iter().rev().filter(|it| it.sha == sha) {
            if !latest.iter().any(|it| it.name == run.name && it.app == run.app) {
                latest.push(run);
            }
        }
        latest
    }

    /// How the check or status of this name stands on a commit. Skipped and neutral runs pass:
    /// <https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/collaborating-on-repositories-with-code-quality-features/troubleshooting-required-status-checks>
    pub(crate) fn standing(&self, sha: &str, name: &str) -> Standing {
        let statuses = self.latest_statuses(sha).into_iter().filter(|it| it.context == name);
        let statuses = statuses.map(|it| match it.state {
            StatusState::Success => Standing::Passed,
            StatusState::Pending => Standing::Pending,
            StatusState::Error | StatusState::Failure => Standing::Failed,
        });
        let runs = self.latest_checks(sha).into_iter().filter(|it| it.name == name).map(standing_of);
        // Where both have spoken, both have to be content.
        let severity = |standing: &Standing| match standing {
            Standing::Failed => 3,
            Standing::Pending => 2,
            Standing::Expected => 1,
            Standing::Passed => 0,
        };
        statuses.chain(runs).max_by_key(severity).unwrap_or(Standing::Expected)
    }

    /// Whether anything at all about a commit has not passed.
    pub(crate) fn is_unstable(&self, sha: &str) -> bool {
        self.latest_statuses(sha).iter().any(|it| it.state != StatusState::Success)
            || self.latest_checks(sha).into_iter().any(|it| standing_of(it) != Standing::Passed)
    }
}

fn standing_of(run: &CheckRun) -> Standing {
    match run.status {
        Status::Queued | Status::InProgress => Standing::Pending,
        Status::Completed(Conclusion::Success | Conclusion::Skipped | Conclusion::Neutral) => {
            Standing::Passed
        }
        Status::Completed(
            Conclusion::Failure | Conclusion::Cancelled | Conclusion::TimedOut | Conclusion::ActionRequired,
        ) => Standing::Failed,
    }
}
