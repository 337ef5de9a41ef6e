//! Gathering what a forge says of changes: their pull requests as they are there, checks, reviews and rules.
//!
//! What people did to a pull request on the forge (opened one by hand, closed it, merged it) is taken in here, so
//! that the board follows them and never the other way round.

use std::collections::{BTreeMap, BTreeSet};

use coord_board::{Merging, Noted};
use coord_core::change::{Change, PullRequest, PullRequestState};
use coord_core::forge::{Pull, Review, ReviewVerdict};
use coord_core::merge::Candidate;
use coord_core::name::{CommitSha, RepoName};
use coord_core::pull::{OnForge, PullFacts};
use coord_forge::github::GitHub;
use coord_forge::github::broker::Age;
use coord_forge::github::error::GitHubError;

use crate::error::Error;
use crate::issue::SHOWN;
use crate::look::Freshness;
use crate::{Engine, blocking, chain, clock};

/// The open pull requests of the repos looked at so far, each listed once for all of its changes.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    repos: BTreeMap<RepoName, Result<Vec<Pull>, String>>,
}

/// What became of a candidate when its forge was looked at.
pub(crate) enum Observed {
    /// It still is one.
    Candidate(Box<Candidate>),
    /// It turned out to be merged.
    Merged,
}

impl Engine {
    /// Fills in what the forge says of a candidate, and takes in what people did there.
    pub(crate) async fn observe_pull(
        &self,
        mut candidate: Candidate,
        listed: &mut Listed,
        freshness: Freshness,
    ) -> Result<Observed, Error> {
        candidate.paused = self.paused(&candidate.change.task.repo).await?.map(|it| it.reason);
        match self.ask_forge(&mut candidate, listed, freshness).await {
            Ok(Seen::Merged) => return Ok(Observed::Merged),
            Ok(Seen::Unmerged(on_forge)) => candidate.on_forge = on_forge,
            Err(Unseen::Forge(reason)) => candidate.on_forge = OnForge::Unread { reason },
            Err(Unseen::Here(error)) => return Err(error),
        }
        Ok(Observed::Candidate(Box::new(candidate)))
    }

    async fn ask_forge(
        &self,
        candidate: &mut Candidate,
        listed: &mut Listed,
        freshness: Freshness,
    ) -> Result<Seen, Unseen> {
        let name = candidate.change.task.repo.clone();
        let github = self.github(&name).await.map_err(|error| Unseen::Forge(chain(&error)))?;
        let Some(github) = github else { return Ok(Seen::Unmerged(OnForge::Board)) };
        if candidate.change.head().is_none() {
            return Ok(Seen::Unmerged(OnForge::Nothing));
        }
        let age = match freshness {
            Freshness::Origin => Age::Now,
            Freshness::Store => SHOWN,
        };
        if !listed.repos.contains_key(&name) {
            let pulls = github.open_pulls(age).await.map_err(|error| chain(&error));
            listed.repos.insert(name.clone(), pulls);
        }
        let pulls = listed.repos[&name].as_ref().map_err(|reason| Unseen::Forge(reason.clone()))?;
        let open = pulls.iter().find(|it| is_of(it, candidate)).cloned();
        let pull = match (open, &candidate.pull_request) {
            (Some(open), _) => open,
            (None, None) => return Ok(Seen::Unmerged(OnForge::Nothing)),
            // It is not among the open ones any more.
            (None, Some(known)) => github.pull(known.number, Age::Now).await?,
        };
        match &pull.state {
            PullRequestState::Open => {
                candidate.pull_request = self.note_pull(&candidate.change, &pull).await?;
                let facts = self.facts(&github, &candidate.change, pull, age).await?;
                Ok(Seen::Unmerged(OnForge::Seen(Box::new(facts))))
            }
            PullRequestState::Merged { commit } => {
                candidate.pull_request = None;
                self.merged_elsewhere(&candidate.change, &pull, commit).await.map_err(Unseen::Here)
            }
            PullRequestState::Closed => {
                candidate.pull_request = None;
                self.note_pull(&candidate.change, &pull).await?;
                Ok(Seen::Unmerged(OnForge::Nothing))
            }
        }
    }

    /// Everything else that decides whether an open pull request may merge.
    async fn facts(
        &self,
        github: &GitHub,
        change: &Change,
        pull: Pull,
        age: Age,
    ) -> Result<PullFacts, Unseen> {
        let checks = github.checks(&pull.head, age).await?;
        let reviews = github.reviews(pull.number, age).await?;
        let protection = github.protection(&pull.base_branch, age).await?;
        let said = self.repo(&change.task.repo)?.forge.github().cloned();
        let same_patch = self.same_patch(change, &pull.head, &reviews).await?;
        Ok(PullFacts {
            pull,
            checks,
            reviews,
            protection: protection.or_configured(said.as_ref().and_then(|it| it.protection.as_ref())),
            may_skip: said.map(|it| it.may_skip).unwrap_or_default(),
            same_patch,
        })
    }

    /// Takes in what the forge says of a change's pull request.
    pub(crate) async fn note_pull(&self, change: &Change, pull: &Pull) -> Result<Option<PullRequest>, Error> {
        let noted = Noted {
            number: pull.number,
            title: pull.title.clone(),
            body: pull.body.clone(),
            url: pull.url.clone(),
            open: pull.state == PullRequestState::Open,
        };
        let noted = self.board.note_pull_request(&change.task, noted, clock::now()).await;
        noted.map_err(Error::board("taking in a pull request"))
    }

    /// Records that somebody merged the pull request on the forge. The board cannot follow while a worker is still
    /// at it.
    async fn merged_elsewhere(
        &self,
        change: &Change,
        pull: &Pull,
        commit: &CommitSha,
    ) -> Result<Seen, Error> {
        let mut change = change.clone();
        self.adopt(&mut change, &pull.head).await?;
        self.compare(&change, commit).await?;
        match self.record_landed(&change, commit).await? {
            Merging::Merged => Ok(Seen::Merged),
            Merging::LostRace(newer) => {
                tracing::warn!(task = %newer.task, %commit, "merged on the forge, but the board had moved on");
                Ok(Seen::Unmerged(OnForge::Nothing))
            }
        }
    }

    /// Earlier heads of the change that brought the very patch which it brings now.
    async fn same_patch(
        &self,
        change: &Change,
        head: &CommitSha,
        reviews: &[Review],
    ) -> Result<BTreeSet<CommitSha>, Error> {
        let approved = reviews.iter().filter(|it| it.verdict == ReviewVerdict::Approved);
        let earlier: BTreeSet<_> =
            approved.filter_map(|it| it.commit.clone()).filter(|it| it != head).collect();
        if earlier.is_empty() {
            return Ok(earlier);
        }
        let store = self.store(&change.task.repo).await?;
        let (change, head) = (change.clone(), head.clone());
        blocking(move || {
            let failed = "comparing a change with what was approved";
            let repo = &change.task.repo;
            let Some(base) = store.tip(&change.base_branch).map_err(Error::git(repo, failed))? else {
                return Ok(BTreeSet::new());
            };
            let patch = |commit: &CommitSha| match store.contains(commit).map_err(Error::git(repo, failed))? {
                true => store.patch_id(&base, commit).map_err(Error::git(repo, failed)),
                // Nobody can tell what it brought.
                false => Ok(None),
            };
            let wanted = patch(&head)?;
            let mut same = BTreeSet::new();
            for commit in earlier {
                if wanted.is_some() && patch(&commit)? == wanted {
                    same.insert(commit);
                }
            }
            Ok(same)
        })
        .await
    }
}

/// Whether an open pull request is that of the change: the one the board knows, or one of its branch.
fn is_of(pull: &Pull, candidate: &Candidate) -> bool {
    let known = candidate.pull_request.as_ref().map(|it| it.number);
    known.map_or(pull.same_repo && pull.branch == candidate.change.branch, |known| known == pull.number)
}

/// What was seen of a candidate on its forge.
enum Seen {
    /// That its pull request is merged, which the board knows now as well.
    Merged,
    /// This.
    Unmerged(OnForge),
}

/// Why nothing was seen: on the forge's side, which is a fact about the candidate, or on ours.
enum Unseen {
    Forge(String),
    Here(Error),
}

impl From<GitHubError> for Unseen {
    fn from(error: GitHubError) -> Self {
        Self::Forge(chain(&error))
    }
}

impl From<Error> for Unseen {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}
