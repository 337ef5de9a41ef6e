//! What makes an issue a pull request.

use jiff::Timestamp;

/// The part of a pull request that an issue does not have.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    /// The branch that is to be merged; it is in the same repository.
    pub(crate) head: String,
    pub(crate) head_sha: String,
    /// The branch that it is to be merged into.
    pub(crate) base: String,
    /// Where the base was when the head was pushed last. GitHub does not follow the base here.
    pub(crate) base_sha: String,
    pub(crate) draft: bool,
    pub(crate) merged: Option<Merged>,
    pub(crate) mergeability: Mergeability,
    pub(crate) reviews: Vec<SubmittedReview>,
    pub(crate) requested: Vec<String>,
}

/// How a pull request was merged.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) at: Timestamp,
    pub(crate) by: String,
    pub(crate) commit: String,
}

/// Whether head and base can be merged, which GitHub finds out only after somebody asked.
/// <https://docs.github.com/en/rest/guides/using-the-rest-api-to-interact-with-your-git-database#checking-mergeability-of-pull-requests>
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mergeability {
    /// Nobody has looked since head or base moved.
    Unasked,
    /// It is being computed; this many more looks find it unknown.
    Computing {
        looks: u32,
    },
    /// They merge: this is the commit that it would be.
    Clean {
        commit: String,
    },
    Conflict,
}

/// How a branch is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MergeMethod {
    /// With a merge commit.
    Merge,
    /// As one commit.
    Squash,
    /// Commit by commit, each made anew on the base.
    Rebase,
}

impl MergeMethod {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Merge, Self::Squash, Self::Rebase].into_iter().find(|it| it.name() == name)
    }
}

/// What a person says about a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// It may be merged.
    Approve,
    /// It must not be, as it is.
    RequestChanges,
    /// Neither.
    Comment,
}

impl Review {
    pub(crate) fn parse(event: &str) -> Option<Self> {
        match event {
            "APPROVE" => Some(Self::Approve),
            "REQUEST_CHANGES" => Some(Self::RequestChanges),
            "COMMENT" => Some(Self::Comment),
            _ => None,
        }
    }
}

/// What became of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReviewState {
    /// It was begun and not submitted; only its author sees it.
    Pending,
    Submitted(Review),
    /// It counted once.
    Dismissed,
}

impl ReviewState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Submitted(Review::Approve) => "APPROVED",
            Self::Submitted(Review::RequestChanges) => "CHANGES_REQUESTED",
            Self::Submitted(Review::Comment) => "COMMENTED",
            Self::Dismissed => "DISMISSED",
        }
    }
}

/// A review, and the commit that it is about.
#[derive(Debug, Clone)]
pub(crate) struct SubmittedReview {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) state: ReviewState,
    pub(crate) commit: String,
    pub(crate) at: Timestamp,
}

impl Pull {
    /// What each reviewer said last; comments change nothing about that.
    pub(crate) fn opinions(&self) -> impl Iterator<Item = &SubmittedReview> {
        let speaks = |review: &&SubmittedReview| {
            matches!(
                review.state,
                ReviewState::Submitted(Review::Approve | Review::RequestChanges) | ReviewState::Dismissed
            )
        };
        self.reviews.iter().enumerate().filter_map(move |(at, review)| {
            let later = self.reviews[at + 1..].iter().filter(speaks).any(|it| it.author == review.author);
            (speaks(&review) && !later).then_some(review)
        })
    }
}
