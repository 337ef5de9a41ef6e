//! What becomes of a run's work: looked at, rescued, pushed.

use coord_core::id::RunId;
use coord_core::name::CommitSha;
use coord_core::run::{GitFacts, Rescue};
use coord_git::history::HistoryError;
use coord_git::leak;
use coord_git::lend::LendError;
use coord_git::program::Git;
use coord_git::remote::{Expect, Push, RemoteError};
use coord_git::rescue::RescueError;
use coord_git::store::{Store, StoreError};
use coord_git::worktree::{Worktree, WorktreeError};
use jiff::Timestamp;

use super::{chain, run_reference};
use crate::log::secrets::Secrets;
use crate::order::Order;

/// How many changed files are named.
const NAMED: usize = 20;

/// What git could not be asked or made to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitProblem {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Lend(#[from] LendError),
    #[error("work that is not committed could not be rescued; it stays in the worktree")]
    Rescue(#[from] RescueError),
}

/// What became of a run's work.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) facts: GitFacts,
    pub(super) rescue: Option<Rescue>,
    pub(super) push_failure: Option<String>,
    /// What there is to say of it, in sentences.
    pub(super) notes: Vec<String>,
}

impl Work {
    /// Stops at the first thing that git cannot do: what is not known by then stays unknown.
    pub(super) fn examine(
        &mut self,
        order: &Order,
        git: &Git,
        may_push: bool,
        secrets: &Secrets,
        clock: fn() -> Timestamp,
    ) -> Result<(), GitProblem> {
        self.facts.base = Some(order.base.clone());
        let repo = &order.spec.task.repo;
        let store = Store::open(git, &order.home, repo, &order.origin, order.clone.as_deref())?;
        if !order.spec.kind.is_agent_work() {
            // What was tested is what was checked out, whatever the tests did to it.
            self.facts.head = Some(order.start.clone());
            self.facts.tree = Some(store.tree_of(&order.start)?);
        }
        if !order.worktree.exists() {
            return self.salvage(&store, order, may_push);
        }
        let worktree = store.worktree(&order.worktree)?;
        if let Some(sandbox) = &order.sandbox {
            store.disarm(&worktree)?;
            // What it committed is lost to it otherwise, but its files can still be rescued.
            if let Some(directory) = &sandbox.lent
                && let Err(error) = store.take_back(&worktree, directory)
            {
                self.notes.push(format!("{}; it is still in `{directory}`", chain(&error)));
            }
        }
        let rescued = self.rescue(&store, &worktree, clock());
        if may_push && order.push_rescues {
            self.push_rescue(&store, order.spec.run, secrets);
        }
        if !order.spec.kind.is_agent_work() {
            return rescued;
        }
        if let Some(head) = store.head(&worktree)? {
            self.account_for(&store, order, &head, may_push)?;
        }
        rescued
    }

    /// What is to be had of a run whose worktree is gone: what it committed. The rest went with the files.
    fn salvage(&mut self, store: &Store, order: &Order, may_push: bool) -> Result<(), GitProblem> {
        self.notes.push(
            "the worktree was gone when the worker ended; what was not committed went with it".to_owned(),
        );
        let head = store.head_of_vanished(&order.worktree, order.spec.run)?;
        match head.filter(|_| order.spec.kind.is_agent_work()) {
            Some(head) => self.account_for(store, order, &head, may_push),
            None => Ok(()),
        }
    }

    fn account_for(
        &mut self,
        store: &Store,
        order: &Order,
        head: &CommitSha,
        may_push: bool,
    ) -> Result<(), GitProblem> {
        self.facts.head = Some(head.clone());
        self.facts.tree = Some(store.tree_of(head)?);
        self.facts.ahead = Some(store.ahead(&order.base, head)?);
        let added = store.ahead(&order.start, head)?;
        self.facts.added = Some(added);
        if may_push && added > 0 {
            self.push(store, order.spec.run, head);
        }
        Ok(())
    }

    fn rescue(&mut self, store: &Store, worktree: &Worktree, now: Timestamp) -> Result<(), GitProblem> {
        self.facts.dirty = Some(store.changed_files(worktree, NAMED)?);
        let Some(rescue) = store.rescue(worktree, now)? else { return Ok(()) };
        let (reference, commit) = (&rescue.reference, rescue.commit.short());
        self.notes.push(format!("rescued {rescue} into `{reference}` of the repo store, as {commit}"));
        self.rescue = Some(rescue);
        Ok(())
    }

    /// Pushes what was rescued, unless it seems to hold secrets. Where it is not pushed, it stays in the store.
    fn push_rescue(&mut self, store: &Store, run: RunId, secrets: &Secrets) {
        let Some(Rescue { reference, commit, .. }) = &self.rescue else { return };
        let stays = |why: String| format!("what was rescued stays on this machine: {why}");
        self.notes.push(match store.leaks(commit, &secrets.values()) {
            Ok(leaks) if !leaks.is_empty() => {
                stays(format!("it seems to hold secrets ({})", leak::summary(&leaks)))
            }
            Ok(_) => match store.push_rescued(run, reference, commit) {
                Ok(Push::Done) => format!("what was rescued is on origin as well, at `{reference}`"),
                Ok(Push::Moved { .. }) => stays(format!("somebody else moved `{reference}` on origin")),
                Ok(Push::Refused { reason }) => stays(reason),
                Err(error) => stays(chain(&error)),
            },
            Err(error) => stays(format!("it could not be looked through for secrets: {}", chain(&error))),
        });
    }

    /// Origin has the last word: an answer that got lost is no failure, and one that came is no proof.
    fn push(&mut self, store: &Store, run: RunId, head: &CommitSha) {
        let reference = run_reference(run);
        let failure = match store.push(head, &reference, Expect::Anything) {
            Ok(Push::Done) => None,
            Ok(Push::Moved { now }) => Some(format!(
                "somebody else moved `{reference}` to {}",
                now.map_or("nothing".to_owned(), |it| it.to_string())
            )),
            Ok(Push::Refused { reason }) => Some(reason),
            Err(error) => Some(chain(&error)),
        };
        let there = store.remote_ref(&reference);
        self.facts.pushed = there.as_ref().ok().map(|it| it.as_ref() == Some(head));
        if self.facts.pushed == Some(true) {
            return;
        }
        let unread = |error: RemoteError| format!("origin could not be read back: {}", chain(&error));
        let reason = failure.or_else(|| there.err().map(unread));
        let reason = reason.unwrap_or_else(|| format!("origin does not have {head} at `{reference}`"));
        self.notes
            .push(format!("the commits are in the repo store of this machine, but not on origin: {reason}"));
        self.push_failure = Some(reason);
    }
}
