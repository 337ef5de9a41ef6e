//! Gathering what decides whether a change may merge: the board's part, and where head and base are on origin.

use coord_board::{Merging, Publishing};
use coord_core::change::{Change, ChangeState};
use coord_core::closing::{ClosingCommit, closed_by};
use coord_core::gate::MergeInput;
use coord_core::merge::Candidate;
use coord_core::name::{BranchName, CommitSha, GitHubRepo, RepoName};
use coord_core::task::TaskRef;
use coord_forge::NOTICE;
use coord_forge::landing::Landing;
use coord_git::history::HistoryError;
use coord_git::merge::MergeResult;
use coord_git::store::Store;

use crate::error::Error;
use crate::observe::{Listed, Observed};
use crate::{Engine, blocking, chain, clock};

/// Where head and base are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// On origin, now.
    Origin,
    /// In the store, as of its last fetch. Good enough to be shown, never to act on.
    Store,
}

/// What the store says about a change.
struct Sight {
    now: Option<MergeInput>,
    missing: Option<BranchName>,
    conflicts: Vec<String>,
    closing: Vec<ClosingCommit>,
    landed: Option<CommitSha>,
}

impl Engine {
    /// Every change that might merge, of one repo or of all, with everything that decides whether it may.
    pub(crate) async fn candidates(
        &self,
        repo: Option<&RepoName>,
        freshness: Freshness,
    ) -> Result<Vec<Candidate>, Error> {
        let candidates = self.board.candidates(repo).await.map_err(Error::board("listing changes"))?;
        let mut seen = Vec::with_capacity(candidates.len());
        let mut fetched: Vec<(RepoName, bool)> = Vec::new();
        let mut listed = Listed::default();
        for candidate in candidates {
            let name = candidate.change.task.repo.clone();
            let fresh = match fetched.iter().find(|(it, _)| *it == name) {
                Some((_, fresh)) => *fresh,
                None => {
                    let fresh = self.refresh(&name, freshness).await?;
                    fetched.push((name, fresh));
                    fresh
                }
            };
            let Some(candidate) = self.look_at(candidate, fresh, freshness).await? else { continue };
            match self.observe_pull(candidate, &mut listed, freshness).await? {
                Observed::Candidate(candidate) => seen.push(*candidate),
                Observed::Merged => {}
            }
        }
        Ok(seen)
    }

    /// One change, as it is on origin and on its forge now. `None` when there is nothing to merge: no change, or
    /// merged.
    pub(crate) async fn candidate(&self, task: &TaskRef) -> Result<Option<Candidate>, Error> {
        let Some(candidate) = self.candidate_on_origin(task).await? else { return Ok(None) };
        let seen = self.observe_pull(candidate, &mut Listed::default(), Freshness::Origin).await?;
        Ok(match seen {
            Observed::Candidate(candidate) => Some(*candidate),
            Observed::Merged => None,
        })
    }

    /// The same, but what the forge says is what it said of `queued` a moment ago.
    pub(crate) async fn candidate_again(&self, queued: &Candidate) -> Result<Option<Candidate>, Error> {
        let found = self.candidate_on_origin(&queued.change.task).await?;
        // The merge before this one may have been the incident.
        let paused = self.paused(&queued.change.task.repo).await?.map(|it| it.reason);
        Ok(found.map(|it| Candidate { on_forge: queued.on_forge.clone(), paused, ..it }))
    }

    async fn candidate_on_origin(&self, task: &TaskRef) -> Result<Option<Candidate>, Error> {
        let candidates = self.board.candidates(Some(&task.repo)).await;
        let found = candidates.map_err(Error::board("listing changes"))?.into_iter();
        let Some(candidate) = found.into_iter().find(|it| it.change.task == *task) else { return Ok(None) };
        let fresh = self.refresh(&task.repo, Freshness::Origin).await?;
        self.look_at(candidate, fresh, Freshness::Origin).await
    }

    /// Whether the store may be believed: after a fetch that worked, or where an old look is enough.
    async fn refresh(&self, name: &RepoName, freshness: Freshness) -> Result<bool, Error> {
        if freshness == Freshness::Store {
            return Ok(true);
        }
        let store = self.store(name).await?;
        let fetched = blocking(move || store.fetch()).await;
        if let Err(error) = &fetched {
            tracing::warn!(repo = %name, error = chain(error), "origin could not be read");
        }
        Ok(fetched.is_ok())
    }

    async fn look_at(
        &self,
        mut candidate: Candidate,
        fresh: bool,
        freshness: Freshness,
    ) -> Result<Option<Candidate>, Error> {
        let name = candidate.change.task.repo.clone();
        let known = self.repo(&name)?;
        candidate.required = known.gates.clone();
        candidate.method = known.merge_method;
        let there = known.forge.github().map(|it| it.repo.clone());
        if !fresh || candidate.change.head().is_none() {
            return Ok(Some(candidate));
        }
        let store = self.store(&name).await?;
        let (change, repo) = (candidate.change.clone(), name.clone());
        let sight = blocking(move || sight(&store, &change, &repo, there.as_ref())).await?;
        if freshness == Freshness::Origin {
            if let Some(commit) = sight.landed {
                return match self.record_landed(&candidate.change, &commit).await? {
                    Merging::Merged => Ok(None),
                    Merging::LostRace(newer) => {
                        tracing::warn!(task = %newer.task, %commit, "landed, but the board had moved on");
                        Ok(None)
                    }
                };
            }
            if let Some(now) = &sight.now {
                self.adopt(&mut candidate.change, &now.head).await?;
            }
        }
        candidate.now = sight.now;
        candidate.missing = sight.missing;
        candidate.conflicts = sight.conflicts;
        candidate.closing = sight.closing;
        Ok(Some(candidate))
    }

    /// A person may push to a change's branch as well: what is there now is the change. Gates are bound to
    /// the head they saw, so nothing said about the old one carries over.
    pub(crate) async fn adopt(&self, change: &mut Change, head: &CommitSha) -> Result<(), Error> {
        if change.head() == Some(head) {
            return Ok(());
        }
        let adopted = self.board.adopt_head(&change.task, change.head(), head, clock::now()).await;
        match adopted.map_err(Error::board("noting a pushed head"))? {
            Publishing::Published => change.state = ChangeState::Published { head: head.clone() },
            Publishing::LostRace(newer) => *change = newer,
        }
        Ok(())
    }

    /// Writes down that origin has the change, tells its forge, and forgets what was noted of the landing. What the
    /// forge could not be told now is left to [`Engine::sync_issues`], which goes by the notes.
    pub(crate) async fn record_landed(&self, change: &Change, commit: &CommitSha) -> Result<Merging, Error> {
        let Some(head) = change.head() else { return Ok(Merging::LostRace(change.clone())) };
        let told = self.close_out(&change.task, commit).await;
        let recorded = self.board.record_merged(&change.task, head, commit, clock::now()).await;
        let recorded = recorded.map_err(Error::board("recording a merge"))?;
        match told {
            Ok(()) => self.forget_landing(change).await?,
            Err(error) => {
                let task = &change.task;
                let error = chain(&error);
                tracing::warn!(target: NOTICE, "{task} is merged, but its forge was not told ({error}); `coord notify` tells it");
            }
        }
        Ok(recorded)
    }

    /// Removes the notes of a landing.
    pub(crate) async fn forget_landing(&self, change: &Change) -> Result<(), Error> {
        let store = self.store(&change.task.repo).await?;
        let change = change.clone();
        blocking(move || {
            let landing = Landing { store: &store, change: &change };
            landing.forget().map_err(Error::git(&change.task.repo, "forgetting a landing"))
        })
        .await
    }
}

fn sight(
    store: &Store,
    change: &Change,
    repo: &RepoName,
    there: Option<&GitHubRepo>,
) -> Result<Sight, Error> {
    let looking = "looking at head and base";
    let head = store.tip(&change.branch).map_err(Error::git(repo, looking))?;
    let base = store.tip(&change.base_branch).map_err(Error::git(repo, looking))?;
    let (head, base) = match (head, base) {
        (Some(head), Some(base)) => (head, base),
        (head, _) => {
            let missing = if head.is_none() { &change.branch } else { &change.base_branch };
            return Ok(Sight {
                now: None,
                missing: Some(missing.clone()),
                conflicts: Vec::new(),
                closing: Vec::new(),
                landed: None,
            });
        }
    };
    let landing = Landing { store, change };
    let landed = landing.recover(&base).map_err(Error::git(repo, looking))?;
    let (tree, conflicts) = match store.merge(&base, &head).map_err(Error::git(repo, looking))? {
        MergeResult::Clean(tree) => (Some(tree), Vec::new()),
        MergeResult::Conflict(paths) => (None, paths),
    };
    let closing = match there {
        Some(there) => closing(store, there, change.task.number, &base, &head),
        None => Ok(Vec::new()),
    };
    let closing = closing.map_err(Error::git(repo, looking))?;
    Ok(Sight { now: Some(MergeInput { head, base, tree }), missing: None, conflicts, closing, landed })
}

/// The commits whose messages would close another issue than that of the change.
fn closing(
    store: &Store,
    there: &GitHubRepo,
    own: u64,
    base: &CommitSha,
    head: &CommitSha,
) -> Result<Vec<ClosingCommit>, HistoryError> {
    let messages = store.messages(base, head)?;
    let closing = messages.into_iter().flat_map(|(commit, message)| {
        let others = closed_by(&message).into_iter().filter(|it| !it.is(there, own));
        others.map(move |closes| ClosingCommit { commit: commit.clone(), closes })
    });
    Ok(closing.collect())
}
