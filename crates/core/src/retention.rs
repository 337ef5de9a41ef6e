//! What may go of what runs left on a machine, and why everything else stays.
//!
//! What must hold, whatever the policy says: nothing goes that the machine's own records do not say it made; nothing
//! goes of the newest run of a task that is not known to be over; work that is nowhere else is kept six times as
//! long when nobody has looked at it; and what is asked twice is answered the same.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::name::{CommitSha, RepoName};
use crate::task::TaskRef;

#[cfg(test)]
mod tests;

/// How many times as long work is kept that is nowhere else and that nobody has looked at.
const UNSEEN: i32 = 6;

/// How long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Logs of ended runs, worktrees that they left, references that were for one run.
    pub logs: SignedDuration,
    /// Rescued work, once somebody has looked at it or it is elsewhere too; stores of repos that are not configured.
    pub rescues: SignedDuration,
    /// How many bytes the logs of ended runs may take in all; the oldest go first.
    pub log_bytes: u64,
}

/// Something that can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Item {
    /// Everything in the directory of a run but what it was asked for and how it ended.
    Log {
        /// Whose.
        run: RunId,
    },
    /// A worktree that an ended run left.
    Worktree {
        /// Of which repo.
        repo: RepoName,
        /// Whose.
        run: RunId,
        /// Where.
        path: String,
    },
    /// A reference of the store that holds rescued work.
    Rescue {
        /// Of which repo.
        repo: RepoName,
        /// Whose.
        run: RunId,
        /// Its name.
        reference: String,
        /// Where it is.
        commit: CommitSha,
    },
    /// A reference of the store that was needed for one run.
    Reference {
        /// Of which repo.
        repo: RepoName,
        /// For which run.
        run: RunId,
        /// Its name.
        reference: String,
        /// Where it is.
        commit: CommitSha,
    },
    /// The same on origin.
    OnOrigin {
        /// Of which repo.
        repo: RepoName,
        /// For which run.
        run: RunId,
        /// Its name.
        reference: String,
        /// Where it is.
        commit: CommitSha,
    },
    /// The whole store of a repo.
    Store {
        /// Which.
        repo: RepoName,
    },
}

impl Item {
    /// One word for its kind.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Log { .. } => "log",
            Self::Worktree { .. } => "worktree",
            Self::Rescue { .. } => "rescue",
            Self::Reference { .. } => "reference",
            Self::OnOrigin { .. } => "origin",
            Self::Store { .. } => "store",
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Log { run } => run.to_string(),
            Self::Worktree { path, .. } => path.clone(),
            Self::Rescue { repo, reference, .. }
            | Self::Reference { repo, reference, .. }
            | Self::OnOrigin { repo, reference, .. } => format!("{repo} {reference}"),
            Self::Store { repo } => repo.to_string(),
        }
    }
}

/// Something that is there, and what decides about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// What.
    pub item: Item,
    /// How much room it takes, where that is known.
    pub bytes: u64,
    /// From when on its time counts: when its run ended, when it was rescued or looked at, when it was last used.
    pub since: Timestamp,
    /// The task whose newest run of its kind this is about.
    pub newest_of: Option<TaskRef>,
    /// What keeps it from going at its time.
    pub hold: Hold,
}

/// What keeps something from going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Nothing but its time.
    Nothing,
    /// It is work that is elsewhere too, or that somebody has looked at.
    SeenWork,
    /// It is work that is nowhere else, and nobody has looked at it.
    UnseenWork,
    /// It is needed still: this says for what.
    Needed(String),
}

/// Why something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// Its time is over.
    Age,
    /// The logs take more room than they may.
    Room,
}

impl Because {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Age => "its time is over",
            Self::Room => "the logs take more room than they may",
        }
    }
}

/// What goes and what does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// In this order.
    pub go: Vec<(Holding, Because)>,
    /// What stays although its time is over, and why.
    pub stay: Vec<(Holding, String)>,
    /// Tasks whose newest runs stay because nobody knows whether they are over.
    pub perhaps_over: BTreeSet<TaskRef>,
}

/// Decides about everything that is there. `over` are tasks that are merged or closed.
#[must_use]
pub fn plan(holdings: Vec<Holding>, policy: &Policy, over: &BTreeSet<TaskRef>, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut young: Vec<Holding> = Vec::new();
    let mut log_bytes: u64 = 0;
    for holding in holdings {
        let is_log = matches!(holding.item, Item::Log { .. });
        let aged = now.duration_since(holding.since) >= lifetime(&holding, policy);
        let newest = holding.newest_of.as_ref().filter(|it| !over.contains(*it)).cloned();
        let stays = match (&holding.hold, &newest) {
            (Hold::Needed(why), _) => Some(why.clone()),
            (_, Some(task)) => Some(format!("it is of the newest run of {task}, which may not be over")),
            (Hold::Nothing | Hold::SeenWork | Hold::UnseenWork, None) => None,
        };
        match (aged, stays) {
            (true, None) => plan.go.push((holding, Because::Age)),
            (false, None) if is_log => {
                log_bytes = log_bytes.saturating_add(holding.bytes);
                young.push(holding);
            }
            (false, None) => {}
            (aged, Some(why)) => {
                if is_log {
                    log_bytes = log_bytes.saturating_add(holding.bytes);
                }
                // What may be over by what another knows is worth a question, young or not: room may be short.
                plan.perhaps_over.extend(newest.filter(|_| aged || is_log));
                if aged {
                    plan.stay.push((holding, why));
                }
            }
        }
    }
    young.sort_by_key(|it| it.since);
    for holding in young {
        if log_bytes > policy.log_bytes {
            log_bytes = log_bytes.saturating_sub(holding.bytes);
            plan.go.push((holding, Because::Room));
        }
    }
    plan
}

/// How long it is kept.
fn lifetime(holding: &Holding, policy: &Policy) -> SignedDuration {
    match (&holding.item, &holding.hold) {
        (_, Hold::UnseenWork) => policy.rescues.saturating_mul(UNSEEN),
        (_, Hold::SeenWork) | (Item::Rescue { .. } | Item::Store { .. }, Hold::Nothing | Hold::Needed(_)) => {
            policy.rescues
        }
        (
            Item::Log { .. } | Item::Worktree { .. } | Item::Reference { .. } | Item::OnOrigin { .. },
            Hold::Nothing | Hold::Needed(_),
        ) => policy.logs,
    }
}
