//! What became of a repository.

use super::Repo;
use crate::github::record::{Comment, DeliveryView, IssueView, PullView, StatusView};
use crate::github::world::{CommitStatus, World};

impl Repo {
    /// Looks at the world, with what was pushed past the stand-in.
    fn see<T>(&self, see: impl FnOnce(&mut World) -> T) -> T {
        self.shared.look(|world| {
            world.look_at_refs(self.id, "ghost");
            see(world)
        })
    }

    /// What was delivered to a webhook, oldest first.
    #[must_use]
    pub fn deliveries(&self, hook: u64) -> Vec<DeliveryView> {
        self.see(|world| {
            let hook = world.repo(self.id).hooks.iter().find(|it| it.id == hook);
            let deliveries = hook.into_iter().flat_map(|it| &it.deliveries);
            deliveries
                .map(|it| DeliveryView {
                    guid: it.guid.clone(),
                    event: it.event.clone(),
                    action: it.action.clone(),
                    status: it.status,
                })
                .collect()
        })
    }

    /// An issue or pull request as it is now.
    ///
    /// # Panics
    /// When there is none of this number.
    #[must_use]
    pub fn issue_state(&self, number: u64) -> IssueView {
        self.see(|world| {
            let issue = world.issue(self.id, number).unwrap_or_else(|| panic!("there is no #{number}"));
            IssueView {
                title: issue.title.clone(),
                body: issue.body.clone().unwrap_or_default(),
                author: issue.author.clone(),
                open: issue.is_open(),
                labels: issue.labels.clone(),
                assignees: issue.assignees.clone(),
            }
        })
    }

    /// How many issues there are, pull requests not counted.
    #[must_use]
    pub fn issue_count(&self) -> usize {
        self.see(|world| world.repo(self.id).issues.values().filter(|it| it.pull.is_none()).count())
    }

    /// The comments below an issue or pull request, oldest first.
    ///
    /// # Panics
    /// When there is none of this number.
    #[must_use]
    pub fn comments(&self, number: u64) -> Vec<Comment> {
        self.see(|world| {
            let issue = world.issue(self.id, number).unwrap_or_else(|| panic!("there is no #{number}"));
            let comments = issue.comments.iter();
            comments.map(|it| Comment { author: it.author.clone(), body: it.body.clone() }).collect()
        })
    }

    /// The numbers of all pull requests, in order.
    #[must_use]
    pub fn pulls(&self) -> Vec<u64> {
        self.see(|world| {
            let issues = world.repo(self.id).issues.values();
            issues.filter(|it| it.pull.is_some()).map(|it| it.number).collect()
        })
    }

    /// A pull request as it is now.
    ///
    /// # Panics
    /// When there is none of this number.
    #[must_use]
    pub fn pull(&self, number: u64) -> PullView {
        self.see(|world| {
            let issue = world.issue(self.id, number).unwrap_or_else(|| panic!("there is no #{number}"));
            let pull = issue.pull.as_ref().unwrap_or_else(|| panic!("#{number} is no pull request"));
            let merged = pull.merged.as_ref();
            PullView {
                title: issue.title.clone(),
                body: issue.body.clone().unwrap_or_default(),
                author: issue.author.clone(),
                open: issue.is_open(),
                draft: pull.draft,
                merged: merged.is_some(),
                merge_commit: merged.map(|it| it.commit.clone()),
                merged_by: merged.map(|it| it.by.clone()),
                head: pull.head.clone(),
                head_sha: pull.head_sha.clone(),
                base: pull.base.clone(),
                requested: pull.requested.clone(),
                reviews: pull
                    .reviews
                    .iter()
                    .map(|it| (it.author.clone(), it.state.name().to_owned()))
                    .collect(),
            }
        })
    }

    /// The statuses of a commit that count, newest first.
    #[must_use]
    pub fn statuses(&self, sha: &str) -> Vec<StatusView> {
        self.see(|world| {
            let latest = world.repo(self.id).latest_statuses(sha);
            let view = |it: &CommitStatus| StatusView {
                context: it.context.clone(),
                state: it.state.name().into(),
                description: it.description.clone().unwrap_or_default(),
            };
            latest.into_iter().map(view).collect()
        })
    }
}
