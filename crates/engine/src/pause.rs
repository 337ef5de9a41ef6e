//! What follows when a forge has merged something else than what was tested: nothing more is merged there until
//! the tip of the base branch has passed its tests, or a person says that it may go on.

use coord_board::Pause;
use coord_core::name::{BranchName, CommitSha, RepoName};
use coord_core::outcome::Outcome;
use coord_core::run::Run;
use coord_core::task::TaskRef;
use coord_forge::NOTICE;
use coord_git::store::Store;

use crate::error::Error;
use crate::settle::test_reference;
use crate::test::keep_for_test;
use crate::{Engine, blocking, clock};

impl Engine {
    /// Why nothing is merged into the default branch of a repo, if that is so.
    pub(crate) async fn paused(&self, repo: &RepoName) -> Result<Option<Pause>, Error> {
        self.board.pause_of(repo).await.map_err(Error::board("reading whether merging is paused"))
    }

    /// Records that the forge merged something untested, and stops merging.
    pub(crate) async fn pause(&self, task: &TaskRef, reason: &str, tip: &CommitSha) -> Result<(), Error> {
        tracing::error!(target: NOTICE, "merging is paused: {reason}");
        self.board.pause(task, reason, tip, clock::now()).await.map_err(Error::board("pausing merging"))
    }

    /// Lets merging go on, on a person's word. `false` when it was not paused.
    ///
    /// # Errors
    /// When the repo is unknown, or the board cannot be written.
    pub async fn resume_merging(&self, repo: &RepoName, reason: &str) -> Result<bool, Error> {
        self.repo(repo)?;
        self.board.resume(repo, reason, clock::now()).await.map_err(Error::board("resuming merging"))
    }

    /// Starts a test of the base branch as it is now, as a run of the task whose merge went wrong.
    pub(crate) async fn start_base_test(&self, pause: &Pause) -> Result<Run, Error> {
        let repo = self.repo(&pause.task.repo)?.clone();
        let store = self.store(&repo.name).await?;
        let id = clock::new_run_id();
        let machine = self.tester(&pause.task, &repo.default_branch).await?;
        let elsewhere = self.settings.here.as_ref() != Some(&machine.name);
        let (name, branch) = (repo.name.clone(), repo.default_branch.clone());
        let commit = blocking(move || {
            tip_for_test(&store, &branch, &test_reference(id), elsewhere).map_err(|source| Error::Git {
                repo: name,
                doing: "looking at the base branch",
                source,
            })
        })
        .await?;
        self.dispatch_test(&pause.task, repo, id, machine, commit).await
    }

    /// Lets merging go on once what was tested, which contains what the forge made, has passed.
    pub(crate) async fn end_base_test(
        &self,
        task: &TaskRef,
        tested: &CommitSha,
        outcome: &Outcome,
    ) -> Result<(), Error> {
        let Some(pause) = self.paused(&task.repo).await? else { return Ok(()) };
        if *outcome != Outcome::Done || pause.task != *task {
            return Ok(());
        }
        let store = self.store(&task.repo).await?;
        let (tip, commit, repo) = (pause.tip, tested.clone(), task.repo.clone());
        let covers = blocking(move || {
            store.is_ancestor(&tip, &commit).map_err(Error::git(&repo, "looking at the base branch"))
        });
        if covers.await? {
            let reason = format!("the tests pass on {}", tested.short());
            self.resume_merging(&task.repo, &reason).await?;
        }
        Ok(())
    }
}

fn tip_for_test(
    store: &Store,
    branch: &BranchName,
    reference: &str,
    elsewhere: bool,
) -> Result<CommitSha, Box<dyn std::error::Error + Send + Sync>> {
    store.fetch()?;
    let tip = store.tip(branch)?.ok_or_else(|| format!("origin has no branch `{branch}`"))?;
    keep_for_test(store, &tip, reference, elsewhere)?;
    Ok(tip)
}
