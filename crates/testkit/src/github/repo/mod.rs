//! A repository in the hands of a test: what people do to it, and what became of it.

mod draft;
mod view;

use super::act::{MergeAsked, NewIssue, NewPull};
use super::shared::Shared;
use super::world::{
    Association, Issue, Kind, MergeMethod, Milestone, Permission, Protection, Review, ReviewState, Ruleset,
    StateReason, Status, StatusState, World,
};
pub use draft::IssueDraft;

/// A repository on the stand-in.
#[derive(Debug, Clone)]
pub struct Repo {
    shared: Shared,
    id: u64,
}

impl Repo {
    pub(super) fn new(shared: Shared, id: u64) -> Self {
        Self { shared, id }
    }

    /// Its name now, `owner/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.shared.look(|world| world.repo(self.id).full_name())
    }

    /// Where it is cloned from.
    #[must_use]
    pub fn clone_url(&self) -> String {
        self.shared.look(|world| format!("{}.git", world.page_of(self.id)))
    }

    /// Does something that depends on where branches are, which somebody may have pushed past the stand-in.
    fn act_on_branches<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        self.shared.change(|world| {
            world.look_at_refs(self.id, "ghost");
            act(world)
        })
    }

    /// Whoever owns it, who acts where a test does not say who does.
    fn owner(&self) -> String {
        self.shared.look(|world| world.repo(self.id).owner.clone())
    }

    /// Lets somebody in.
    pub fn collaborator(&self, login: &str, permission: Permission) {
        self.shared.change(|world| {
            let login = world.person(login).to_lowercase();
            world.repo_mut(self.id).collaborators.insert(login, permission);
        });
    }

    /// Says how somebody is related to it, beyond what their permission says.
    pub fn associate(&self, login: &str, association: Association) {
        self.shared.change(|world| {
            let login = world.person(login).to_lowercase();
            world.repo_mut(self.id).associations.insert(login, association);
        });
    }

    /// Hides it from strangers.
    pub fn make_private(&self) {
        self.shared.change(|world| world.repo_mut(self.id).private = true);
    }

    /// Makes it read-only.
    pub fn archive(&self) {
        self.shared.change(|world| world.repo_mut(self.id).archived = true);
    }

    /// Turns its issues off.
    pub fn disable_issues(&self) {
        self.shared.change(|world| world.repo_mut(self.id).has_issues = false);
    }

    /// Allows only these ways of merging.
    pub fn allow_merges(&self, methods: &[MergeMethod]) {
        self.shared.change(|world| {
            world.repo_mut(self.id).merging.methods = methods.iter().copied().collect();
        });
    }

    /// Deletes a head branch when it is merged.
    pub fn delete_branch_on_merge(&self) {
        self.shared.change(|world| world.repo_mut(self.id).merging.delete_branch = true);
    }

    /// Gives it another name; the old one redirects.
    ///
    /// # Panics
    /// When the new name is not `owner/name`.
    pub fn rename(&self, full_name: &str) {
        let (owner, name) = full_name.split_once('/').expect("a repository is called `owner/name`");
        self.act_on_branches(|world| {
            world.account(owner, Kind::Organization);
            world.name(full_name, self.id);
            let repo = world.repo_mut(self.id);
            repo.owner = owner.into();
            repo.name = name.into();
        });
    }

    /// Begins an issue: `repo.issue("a title").by("ann", Association::Member).open()`.
    pub fn issue(&self, title: &str) -> IssueDraft {
        let new = NewIssue { title: title.into(), ..Default::default() };
        IssueDraft::new(self.clone(), new)
    }

    /// Makes a milestone and returns its number.
    #[must_use]
    pub fn milestone(&self, title: &str) -> u64 {
        self.shared.change(|world| {
            let (id, created_at) = (world.fresh_id(), world.now);
            let milestones = &mut world.repo_mut(self.id).milestones;
            let number = milestones.len() as u64 + 1;
            milestones.push(Milestone { id, number, title: title.into(), created_at });
            number
        })
    }

    /// Somebody comments on an issue or a pull request.
    pub fn comment_as(&self, login: &str, number: u64, body: &str) {
        self.shared.change(|world| world.comment(self.id, number, login, body, None));
    }

    /// The owner closes an issue or a pull request.
    pub fn close_issue(&self, number: u64) {
        let owner = self.owner();
        self.act_on_branches(|world| {
            world.close_issue(self.id, number, &owner, StateReason::Completed, None);
        });
    }

    /// The owner opens it again.
    pub fn reopen_issue(&self, number: u64) {
        let owner = self.owner();
        self.act_on_branches(|world| world.reopen_issue(self.id, number, &owner));
    }

    /// The owner closes a pull request without merging it.
    ///
    /// # Panics
    /// When it is none.
    pub fn close_pull(&self, number: u64) {
        assert!(self.pulls().contains(&number), "#{number} is no pull request");
        self.close_issue(number);
    }

    /// The owner opens a pull request again.
    ///
    /// # Panics
    /// When it is none, or merged.
    pub fn reopen_pull(&self, number: u64) {
        assert!(!self.pull(number).merged, "#{number} is merged");
        self.reopen_issue(number);
    }

    /// The owner writes it anew.
    pub fn edit_issue(&self, number: u64, title: &str, body: &str) {
        let owner = self.owner();
        self.shared.change(|world| world.edit_issue(self.id, number, &owner, Some(title), Some(body)));
    }

    /// The owner puts a label on.
    pub fn label(&self, number: u64, label: &str) {
        let owner = self.owner();
        self.shared.change(|world| world.label(self.id, number, &owner, label));
    }

    /// The owner assigns somebody, who has to be able to triage at least.
    pub fn assign(&self, number: u64, login: &str) {
        let owner = self.owner();
        self.shared.change(|world| world.assign(self.id, number, &owner, login));
    }

    /// The owner moves an issue to another repository; its number there is returned.
    pub fn transfer_issue(&self, number: u64, to: &Self) -> u64 {
        self.shared.change(|world| world.transfer_issue(self.id, number, to.id))
    }

    /// The owner deletes an issue.
    pub fn delete_issue(&self, number: u64) {
        self.shared.change(|world| world.delete_issue(self.id, number));
    }

    /// One issue has another below it.
    pub fn sub_issue(&self, parent: u64, child: u64) {
        self.relate(parent, self, child, |parent, child| parent.children.push(child));
    }

    /// One issue waits for another.
    pub fn blocked_by(&self, waiting: u64, blocker: u64) {
        self.blocked_by_one_of(waiting, self, blocker);
    }

    /// One issue waits for another one in another repository.
    pub fn blocked_by_one_of(&self, waiting: u64, repo: &Self, blocker: u64) {
        self.relate(waiting, repo, blocker, |waiting, blocker| waiting.blocked_by.push(blocker));
    }

    fn relate(&self, one: u64, repo: &Self, other: u64, relate: impl FnOnce(&mut Issue, u64)) {
        self.shared.change(|world| {
            let other = world.issue(repo.id, other).expect("an issue that is there").id;
            relate(world.issue_mut(self.id, one).expect("an issue that is there"), other);
        });
    }

    /// Somebody reviews a pull request at its head.
    ///
    /// # Panics
    /// When GitHub would not take it.
    pub fn review_as(&self, login: &str, number: u64, review: Review) {
        let reviewed = self.act_on_branches(|world| {
            let state = ReviewState::Submitted(review);
            world.review(self.id, number, login, state, "as I see it", None)
        });
        reviewed.unwrap_or_else(|refused| panic!("{login} cannot review #{number}: {refused:?}"));
    }

    /// Somebody opens a pull request by hand, and returns its number.
    ///
    /// # Panics
    /// When GitHub would not take it.
    pub fn open_pull_as(&self, login: &str, head: &str, base: &str, title: &str) -> u64 {
        let new = NewPull {
            title: title.into(),
            body: None,
            head: head.into(),
            base: base.into(),
            draft: false,
            app: None,
        };
        let opened = self.act_on_branches(|world| world.open_pull(self.id, login, new));
        opened.unwrap_or_else(|refused| panic!("{login} cannot open a pull request for {head}: {refused:?}"))
    }

    /// Somebody merges a pull request; the commit that the base is at then is returned.
    ///
    /// # Panics
    /// When GitHub would not do it.
    pub fn merge_as(&self, login: &str, number: u64, method: MergeMethod) -> String {
        let asked = MergeAsked { method: Some(method), ..Default::default() };
        let merged = self.act_on_branches(|world| world.merge(self.id, number, login, &asked));
        merged.unwrap_or_else(|refused| panic!("{login} cannot merge #{number}: {refused:?}"))
    }

    /// The author of a draft says that it is done, or that it is not.
    pub fn set_draft(&self, number: u64, draft: bool) {
        let owner = self.owner();
        self.act_on_branches(|world| world.set_draft(self.id, number, &owner, draft));
    }

    /// Protects a branch, or protects it otherwise.
    pub fn protect(&self, branch: &str, protection: Protection) {
        self.shared.change(|world| world.repo_mut(self.id).protections.insert(branch.into(), protection));
    }

    /// Puts a ruleset on a branch.
    pub fn ruleset(&self, branch: &str, rules: Protection) {
        self.shared.change(|world| {
            let id = world.fresh_id();
            world.repo_mut(self.id).rulesets.push(Ruleset { id, branch: branch.into(), rules });
        });
    }

    /// An App called `ci` says how its check of a commit stands; the same name goes on with the same run.
    pub fn check_run(&self, sha: &str, name: &str, status: Status) {
        self.shared.change(|world| {
            let app = world.ci_app();
            let known = world.repo(self.id).checks.iter().find(|it| it.sha == sha && it.name == name);
            match known.map(|it| it.id) {
                Some(id) => world.set_check(self.id, id, status),
                None => {
                    world.add_check(self.id, app, sha, name, status);
                }
            }
        });
    }

    /// The owner gives a commit a status.
    pub fn status(&self, sha: &str, context: &str, state: StatusState) {
        let owner = self.owner();
        self.shared.change(|world| world.add_status(self.id, sha, context, state, &owner, None, None));
    }

    /// Adds a webhook for everything, and returns its id.
    pub fn hook(&self, url: &str, secret: &str) -> u64 {
        let owner = self.owner();
        self.shared
            .change(|world| world.add_hook(self.id, &owner, url, Some(secret.into()), vec!["*".into()], true))
    }
}
