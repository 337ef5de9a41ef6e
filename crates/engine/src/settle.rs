//! Settling: bringing the board up to what has happened on the machines.
//!
//! It takes no input. Whoever calls it, and whenever, it looks at every run that the board believes alive,
//! asks its machine, and does what is missing. A machine that does not answer leaves its runs as they are:
//! that is not known to be the end of anything. Neither does an origin that cannot be reached keep anybody
//! from anything but the runs of its own repo.

use std::collections::BTreeMap;

use coord_board::{Moved, Publishing};
use coord_core::change::Change;
use coord_core::gate::{Evidence, Source, Verdict};
use coord_core::id::RunId;
use coord_core::name::CommitSha;
use coord_core::outcome::Outcome;
use coord_core::run::{Reservation, Run, RunEnd, RunKind, RunState};
use coord_core::task::TaskState;
use coord_git::remote::{Expect, Push};
use coord_git::store::Store;
use coord_proto::run::RunView;
use futures_util::future::join_all;

use crate::dispatch::START_WINDOW;
use crate::error::Error;
use crate::queue::Queued;
use crate::{Engine, blocking, chain, clock, machine_of};

/// What settling saw.
#[derive(Debug, Default)]
pub struct Settled {
    /// Runs that have not ended, as their machines see them.
    pub live: BTreeMap<RunId, RunView>,
    /// Runs about which nothing could be learnt, or whose end could not be dealt with yet, and why.
    pub waiting: BTreeMap<RunId, String>,
    /// Runs that are left in the queue, in their order.
    pub queued: Vec<Queued>,
    /// Ended runs whose commits are not on origin yet, and what their machines say of it.
    pub unpushed: BTreeMap<RunId, String>,
}

/// Where a run's commits are on origin until its change is published.
pub(crate) fn run_reference(run: RunId) -> String {
    format!("refs/coord/runs/{run}")
}

/// Where the merge result that a test run tests is kept.
pub(crate) fn test_reference(run: RunId) -> String {
    format!("refs/coord/tests/{run}")
}

impl Engine {
    /// Brings the board up to date with every machine that has runs on it, and starts queued runs where there
    /// is room.
    ///
    /// # Errors
    /// When the board cannot be read or written. A machine that does not answer is no error, nor is a repo
    /// whose store or origin cannot be used: its runs stay as they are until the next time.
    pub async fn settle(&self) -> Result<Settled, Error> {
        let (runs, queue): (Vec<_>, Vec<_>) =
            self.live_runs().await?.into_iter().partition(|it| it.reservation.is_some());
        if !queue.is_empty() {
            self.wake_for_queue(&runs).await;
        }
        let seen = join_all(runs.iter().map(|run| self.observe(run))).await;
        let mut settled = Settled::default();
        for (run, seen) in runs.iter().zip(seen) {
            let taken_in = match seen {
                Ok(Some(view)) => {
                    let taken_in = self.absorb(run, &view).await;
                    if view.state.end().is_none() {
                        settled.live.insert(run.id, view);
                    }
                    taken_in
                }
                Ok(None) => self.unknown_to_its_machine(run).await,
                Err(error) => Err(error),
            };
            match taken_in {
                Ok(()) => {}
                Err(error @ Error::Board { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(run = %run.id, error = chain(&error), "left as it is");
                    settled.waiting.insert(run.id, chain(&error));
                }
            }
        }
        settled.unpushed = self.settle_late().await?;
        if !queue.is_empty() {
            settled.queued = self.advance_queue().await?;
        }
        Ok(settled)
    }

    /// Brings the board up to date about one run, and returns it. One that is queued is not started by this.
    ///
    /// # Errors
    /// As [`Engine::settle`], and when the machine cannot be asked.
    pub async fn settle_run(&self, id: RunId) -> Result<Run, Error> {
        let run = self.run(id).await?;
        if run.reservation.is_none() || matches!(run.state, RunState::Ended(_)) {
            return Ok(run);
        }
        match self.observe(&run).await? {
            Some(view) => self.absorb(&run, &view).await?,
            None => self.unknown_to_its_machine(&run).await?,
        }
        self.run(id).await
    }

    pub(crate) async fn observe(&self, run: &Run) -> Result<Option<RunView>, Error> {
        let machine = machine_of(run)?;
        let client = self.client(machine)?;
        client.run(run.id).await.map_err(Error::agent(machine))
    }

    pub(crate) async fn absorb(&self, run: &Run, view: &RunView) -> Result<(), Error> {
        if let Some(end) = view.state.end() {
            return self.conclude(run, end.clone()).await;
        }
        self.note_account(run, view).await?;
        match self.moved(run, view.state.clone()).await? {
            Moved::Moved | Moved::Stays(_) => Ok(()),
        }
    }

    /// A start that has not reached its machine in time never will; and what a machine once accepted and now
    /// denies is gone.
    async fn unknown_to_its_machine(&self, run: &Run) -> Result<(), Error> {
        let Reservation { machine, at } = run.reservation.as_ref().ok_or(Error::NotStarted(run.id))?;
        if matches!(run.state, RunState::Reserved) && clock::now() < *at + START_WINDOW {
            return Ok(());
        }
        let reason = format!("machine `{machine}` does not know it");
        self.give_up(run, Outcome::Lost { reason }).await
    }

    async fn conclude(&self, run: &Run, mut end: RunEnd) -> Result<(), Error> {
        match run.kind {
            RunKind::Work | RunKind::Fix => {
                if let Some(reason) = self.publish(run, &end).await? {
                    end.outcome = Outcome::PushFailed { reason };
                }
                self.end_work(run, end).await
            }
            RunKind::Test => self.record_test(run, end).await,
        }
    }

    /// Moves the change's branch on origin to what the run pushed. `Some` says why that could not be done.
    /// A stop never publishes; neither does a run whose lease has passed to another.
    pub(crate) async fn publish(&self, run: &Run, end: &RunEnd) -> Result<Option<String>, Error> {
        let (Some(head), Some(true)) = (&end.git.head, end.git.pushed) else { return Ok(None) };
        if matches!(end.outcome, Outcome::Cancelled { .. }) {
            return Ok(None);
        }
        let tried = self.publish_head(run, head).await;
        if matches!(tried, Ok(None)) {
            return tried;
        }
        // Several may settle a run at once, and what one of them has done is in the way of the others.
        let change = self.board.change(&run.task).await.map_err(Error::board("reading a change"))?;
        let done = change.is_some_and(|it| it.fence == run.fence && it.head() == Some(head));
        if done { Ok(None) } else { tried }
    }

    async fn publish_head(&self, run: &Run, head: &CommitSha) -> Result<Option<String>, Error> {
        let change = self.board.change(&run.task).await.map_err(Error::board("reading a change"))?;
        let Some(change) = change.filter(|it| it.fence == run.fence) else { return Ok(None) };
        let store = self.store(&run.task.repo).await?;
        // Whoever settled this before may have been cut short after publishing.
        if change.head() != Some(head) {
            let (id, wanted, branch, origin) = (run.id, head.clone(), change.clone(), store.clone());
            let pushed = blocking(move || push_change(&origin, id, &wanted, &branch)).await;
            if let Some(reason) = pushed.map_err(|it| it.of(&run.task.repo))? {
                return Ok(Some(reason));
            }
            let published =
                self.board.publish(&run.task, run.id, run.fence, change.head(), head, clock::now()).await;
            match published.map_err(Error::board("publishing a change"))? {
                Publishing::Published => {}
                Publishing::LostRace(_) => {
                    return Ok(Some("the change has been given to another run".to_owned()));
                }
            }
        }
        let (reference, head) = (run_reference(run.id), head.clone());
        blocking(move || no_longer_needed(&store, &reference, &head)).await;
        Ok(None)
    }

    /// Writes that a test run has ended and what it found. Its merge result says which head and base it was
    /// about.
    async fn record_test(&self, run: &Run, end: RunEnd) -> Result<(), Error> {
        let verdict = Verdict::of_test(run.id, &end.outcome);
        let store = self.store(&run.task.repo).await?;
        let (repo, id) = (run.task.repo.clone(), run.id);
        let tested = blocking(move || {
            let reading = "reading a tested merge result";
            let reference = test_reference(id);
            let Some(commit) = store.read_ref(&reference).map_err(Error::git(&repo, reading))? else {
                return Ok(None);
            };
            let parents = store.parents(&commit).map_err(Error::git(&repo, reading))?;
            let tree = store.tree_of(&commit).map_err(Error::git(&repo, reading))?;
            Ok::<_, Error>(Some((<[CommitSha; 2]>::try_from(parents).ok().map(|it| (it, tree)), commit)))
        })
        .await?;
        let (parents, commit) = tested.map_or((None, None), |(parents, commit)| (parents, Some(commit)));
        let merged = matches!(self.task(&run.task).await?.state, TaskState::Merged { .. });
        if let (true, Some(commit)) = (merged, &commit) {
            self.end_base_test(&run.task, commit, &end.outcome).await?;
        }
        let evidence = parents.filter(|_| !merged).map(|([base, head], tree)| {
            let source = Source::Run(run.id);
            Evidence { head, base, tree, at: end.at, source, verdict }
        });
        let ended = self.board.end_test(run.id, end, evidence, clock::now()).await;
        match ended.map_err(Error::board("recording a test"))? {
            Moved::Moved | Moved::Stays(_) => {}
        }
        // Without the merge result nobody knows what was tested, so there was no evidence.
        let Some(commit) = commit else { return Ok(()) };
        let store = self.store(&run.task.repo).await?;
        let (reference, elsewhere) = (test_reference(run.id), self.settings.here.as_ref() != run.machine());
        blocking(move || {
            if elsewhere {
                no_longer_needed(&store, &reference, &commit);
            }
            if let Err(error) = store.delete_ref(&reference, &commit) {
                tracing::warn!(error = chain(&error), %reference, "a reference stays in the store");
            }
        })
        .await;
        Ok(())
    }
}

/// Removes a reference of origin that has done its work. One that stays only takes room.
fn no_longer_needed(store: &Store, reference: &str, commit: &CommitSha) {
    match store.delete_remote(reference, commit) {
        Ok(Push::Done) => {}
        Ok(other @ (Push::Moved { .. } | Push::Refused { .. })) => {
            tracing::warn!(?other, %reference, "a reference stays on origin");
        }
        Err(error) => tracing::warn!(error = chain(&error), %reference, "a reference stays on origin"),
    }
}

/// What went wrong while a change was being pushed.
enum PushError {
    Remote(coord_git::remote::RemoteError),
    History(coord_git::history::HistoryError),
    Reference(coord_git::refs::RefError),
}

impl PushError {
    fn of(self, repo: &coord_core::name::RepoName) -> Error {
        let doing = "publishing a change";
        match self {
            Self::Remote(source) => Error::git(repo, doing)(source),
            Self::History(source) => Error::git(repo, doing)(source),
            Self::Reference(source) => Error::git(repo, doing)(source),
        }
    }
}

/// Pushes `head` as the change's branch, provided that the branch is where the board says. A branch that is
/// there although the board has published none is a leftover: it is taken over when its work is merged
/// already, and left alone otherwise. One that somebody removed is made anew.
fn push_change(
    store: &Store,
    run: RunId,
    head: &CommitSha,
    change: &Change,
) -> Result<Option<String>, PushError> {
    let incoming = format!("refs/coord/incoming/{run}");
    store.fetch_ref(&run_reference(run), &incoming).map_err(PushError::Remote)?;
    let reference = format!("refs/heads/{}", change.branch);
    let expected = change.head().map_or(Expect::Absent, Expect::At);
    let mut push = store.push(head, &reference, expected).map_err(PushError::Remote)?;
    if let (Push::Moved { now: None }, Some(_)) = (&push, change.head()) {
        push = store.push(head, &reference, Expect::Absent).map_err(PushError::Remote)?;
    }
    if let (Push::Moved { now: Some(now) }, None) = (&push, change.head()) {
        let leftover = now.clone();
        store.fetch().map_err(PushError::Remote)?;
        let base = store.tip(&change.base_branch).map_err(PushError::Reference)?;
        let merged = match base {
            Some(base) => store.is_ancestor(&leftover, &base).map_err(PushError::History)?,
            None => false,
        };
        if merged {
            push = store.push(head, &reference, Expect::At(&leftover)).map_err(PushError::Remote)?;
        }
    }
    match push {
        Push::Done => {
            let removed = store.delete_ref(&incoming, head).map_err(PushError::Reference)?;
            tracing::debug!(?removed, %run, "published");
            Ok(None)
        }
        Push::Moved { now } => {
            let at = now.map_or("gone".to_owned(), |it| format!("at {}", it.short()));
            Ok(Some(format!(
                "branch `{}` on origin is {at}, moved by somebody else; the run's commits are at {} there",
                change.branch,
                run_reference(run)
            )))
        }
        Push::Refused { reason } => Ok(Some(format!("origin refused branch `{}`: {reason}", change.branch))),
    }
}
