//! Gathering what a forge says of changes: their pull requests as they are there, checks, reviews and rules.
//!
//! What people did to a pull request on the forge (opened one by hand, closed it, merged it) is taken in here, so
//! that the board follows them and never the other way round.

use std::collections::{BTreeMap, BTreeSet};

use coord_board::{Merging, Noted};
use coord_core::change::{Change, PullRequestState};
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
        let name = candidate.change.task.repo.clone();
        candidate.paused = self.paused(&name).await?.map(|it| it.reason);
        let github = match self.github(&name).await {
            Ok(Some(github)) => github,
            Ok(None) => return Ok(Observed::Candidate(Box::new(candidate))),
            Err(error) => {
                candidate.on_forge = OnForge::Unread { reason: chain(&error) };
                return Ok(Observed::Candidate(Box::new(candidate)));
            }
        };
        if candidate.change.head().is_none() {
            candidate.on_forge = OnForge::Nothing;
            return Ok(Observed::Candidate(Box::new(candidate)));
        }
        let age = match freshness {
            Freshness::Origin => Age::Now,
            Freshness::Store => SHOWN,
        };
        if !listed.repos.contains_key(&name) {
            let pulls = github.open_pulls(age).await.map_err(|error| chain(&error));
            listed.repos.insert(name.clone(), pulls);
        }
        let pulls = match &listed.repos[&name] {
            Ok(pulls) => pulls,
            Err(reason) => {
                candidate.on_forge = OnForge::Unread { reason: reason.clone() };
                return Ok(Observed::Candidate(Box::new(candidate)));
            }
        };
        let open = pulls.iter().find(|it| is_of(it, &candidate)).cloned();
        match self.see(&github, &mut candidate, open, age).await {
            Ok(true) => Ok(Observed::Candidate(Box::new(candidate))),
            Ok(false) => Ok(Observed::Merged),
            Err(Seeing::GitHub(error)) => {
                candidate.on_forge = OnForge::Unread { reason: chain(&error) };
                Ok(Observed::Candidate(Box::new(candidate)))
            }
            Err(Seeing::Here(error)) => Err(error),
        }
    }

    /// `false` when the pull request turned out to be merged.
    async fn see(
        &self,
        github: &GitHub,
        candidate: &mut Candidate,
        open: Option<Pull>,
        age: Age,
    ) -> Result<bool, Seeing> {
        let pull = match (open, &candidate.pull_request) {
            (Some(open), _) => open,
            (None, None) => {
                candidate.on_forge = OnForge::Nothing;
                return Ok(true);
            }
            // It is not among the open ones any more.
            (None, Some(known)) => github.pull(known.number, Age::Now).await?,
        };
        match &pull.state {
            PullRequestState::Open => {}
            PullRequestState::Merged { commit } => {
                candidate.pull_request = None;
                candidate.on_forge = OnForge::Nothing;
                return Ok(!self.merged_elsewhere(&candidate.change, &pull, commit).await?);
            }
            PullRequestState::Closed => {
                self.note_pull(&candidate.change, &pull).await?;
                candidate.pull_request = None;
                candidate.on_forge = OnForge::Nothing;
                return Ok(true);
            }
        }
        candidate.pull_request = self.note_pull(&candidate.change, &pull).await?;
        let checks = github.checks(&pull.head, age).await?;
        let reviews = github.reviews(pull.number, age).await?;
        let protection = github.protection(&pull.base_branch, age).await?;
        let said = self.repo(&candidate.change.task.repo)?.forge.github().cloned();
        let same_patch = self.same_patch(&candidate.change, &pull.head, &reviews).await?;
        candidate.on_forge = OnForge::Seen(Box::new(PullFacts {
            pull,
            checks,
            reviews,
            protection: protection.or_configured(said.as_ref().and_then(|it| it.protection.as_ref())),
            may_skip: said.map(|it| it.may_skip).unwrap_or_default(),
            same_patch,
        }));
        Ok(true)
    }

    /// Takes in what the forge says of a change's pull request.
    pub(crate) async fn note_pull(
        &self,
        change: &Change,
        pull: &Pull,
    ) -> Result<Option<coord_core::change::PullRequest>, Error> {
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

    /// Records that somebody merged the pull request on the forge. `false` when the board cannot follow, since a
    /// worker is still at it.
    async fn merged_elsewhere(
        &self,
        change: &Change,
        pull: &Pull,
        commit: &CommitSha,
    ) -> Result<bool, Error> {
        let mut change = change.clone();
        self.adopt(&mut change, &pull.head).await?;
        self.compare(&change, commit).await?;
        match self.record_landed(&change, commit).await? {
            Merging::Merged => Ok(true),
            Merging::LostRace(newer) => {
                tracing::warn!(task = %newer.task, %commit, "merged on the forge, but the board had moved on");
                Ok(false)
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

/// Why a pull request could not be seen: on the forge's side, which is a fact about it, or on ours.
enum Seeing {
    GitHub(GitHubError),
    Here(Error),
}

impl From<GitHubError> for Seeing {
    fn from(error: GitHubError) -> Self {
        Self::GitHub(error)
    }
}

impl From<Error> for Seeing {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}
