//! Bringing one change into its base branch: by pushing exactly what was tested, or, where the account may not,
//! by having the forge merge and looking whether that gave the tested tree.

use std::time::Duration;

use coord_board::Merging;
use coord_core::change::{Change, ChangeState, PullRequestState};
use coord_core::closing::defused;
use coord_core::forge::Rules;
use coord_core::gate::MergeInput;
use coord_core::merge::Candidate;
use coord_core::name::{CommitSha, RepoName, TreeSha};
use coord_core::pull::OnForge;
use coord_core::repo::MergeMethod;
use coord_core::task::TaskRef;
use coord_forge::github::GitHub;
use coord_forge::github::broker::Age;
use coord_forge::github::merge::{MergeAnswer, MergeOrder};
use coord_forge::github::write::{CloseReason, Search};
use coord_forge::landing::{self, Branch, LandError, Landed, Landing, Words};
use coord_git::merge::Rebased;
use coord_git::remote::{Expect, Push, RemoteError};
use coord_git::store::Store;

use crate::error::Error;
use crate::{Engine, blocking, clock};

/// How often a forge is asked again that has not found something out yet.
const LOOKS: u32 = 8;
/// How long it is given between two looks.
const BETWEEN: Duration = Duration::from_millis(400);

/// A change that is about to land, with everything that says how.
struct Plan {
    change: Change,
    now: MergeInput,
    tree: TreeSha,
    method: MergeMethod,
    words: Words,
}

/// What became of a branch that has to contain its base.
enum Renewed {
    /// It does already.
    NotNeeded,
    /// It does now, with this head.
    At(Change, CommitSha),
    /// Git alone cannot do it, or somebody was faster.
    Impossible,
}

impl Engine {
    /// Lands a candidate that nothing holds back.
    pub(crate) async fn land(&self, candidate: &Candidate, now: MergeInput) -> Result<Landed, Error> {
        let change = candidate.change.clone();
        // Another merge may have landed and recorded it since the board was read for this one, and removed its
        // notes before they were looked for; without this second look at the board it would land twice.
        let again = self.board.change(&change.task).await.map_err(Error::board("reading a change"))?;
        if again.is_none_or(|it| it.state != change.state) {
            return Ok(Landed::BaseMoved);
        }
        let Some(tree) = now.tree.clone() else { return Ok(Landed::BaseMoved) };
        let store = self.store(&change.task.repo).await?;
        let github = self.github(&change.task.repo).await?;
        let words = self.words(candidate, &store, github.is_some()).await?;
        let plan = Plan { change, now, tree, method: candidate.method, words };
        let branch = if github.is_some() { Branch::Follows } else { Branch::Stays };
        let (pushed, plan) = if pull_requests_only(candidate) {
            (Ok(Landed::Refused("the base branch takes pull requests only".to_owned())), plan)
        } else {
            push(store.clone(), plan, branch).await
        };
        let landed = match (pushed, &github) {
            (Ok(Landed::Refused(reason)), Some(github)) => {
                self.have_merged(github, candidate, &store, plan, reason).await?
            }
            (Err(LandError::Remote(error @ RemoteError::Auth { .. })), Some(github)) => {
                self.have_merged(github, candidate, &store, plan, error.to_string()).await?
            }
            (Ok(landed), _) => landed,
            (Err(error), _) => return Err(Error::git(&candidate.change.task.repo, "merging")(error)),
        };
        if let Landed::At(commit) = &landed {
            match self.record_landed(&candidate.change, commit).await? {
                Merging::Merged => {}
                Merging::LostRace(newer) => {
                    tracing::warn!(task = %newer.task, %commit, "landed, but the board had moved on");
                }
            }
        }
        Ok(landed)
    }

    async fn words(&self, candidate: &Candidate, store: &Store, on_github: bool) -> Result<Words, Error> {
        let (task, method) = (&candidate.change.task, candidate.method);
        // The title is somebody's words, and the message closes what it says it does.
        let title = defused(&self.task(task).await?.title);
        let number = candidate.pull_request.as_ref().map_or(0, |it| it.number);
        let owner = self.repo(&task.repo)?.forge.github().map(|it| it.repo.owner().to_owned());
        let subject = match (method, owner) {
            // What GitHub itself writes.
            (MergeMethod::Merge, Some(owner)) => {
                format!("Merge pull request #{number} from {owner}/{}", candidate.change.branch)
            }
            (MergeMethod::Merge, None) => format!("Merge #{number}: {title}"),
            (MergeMethod::Squash | MergeMethod::Rebase, _) => format!("{title} (#{number})"),
        };
        let body = match (on_github, method) {
            (true, MergeMethod::Merge) => format!("{title}\n\nCloses #{}", task.number),
            (true, MergeMethod::Squash | MergeMethod::Rebase) => format!("Closes #{}", task.number),
            (false, _) => format!("Closes {task}"),
        };
        let (store, repo) = (store.clone(), task.repo.clone());
        let committer = blocking(move || store.committer().map_err(Error::git(&repo, "merging"))).await?;
        Ok(Words { subject, body, committer, at: clock::now() })
    }

    /// Has the forge merge, since `refusal` is what it says to a push. What it has to give is written down first,
    /// so that whoever finds it merged after a crash compares as well.
    async fn have_merged(
        &self,
        github: &GitHub,
        candidate: &Candidate,
        store: &Store,
        plan: Plan,
        refusal: String,
    ) -> Result<Landed, Error> {
        let Some(number) = candidate.pull_request.as_ref().map(|it| it.number) else {
            return Ok(Landed::Refused(refusal));
        };
        if rules(candidate).is_some_and(|it| it.strict)
            && let Some(reason) = self.bring_up_to_date(store, &plan).await?
        {
            return Ok(Landed::Refused(reason));
        }
        let repo = &candidate.change.task.repo;
        if let Some(reason) = self.not_mergeable(github, number, repo).await? {
            return Ok(Landed::Refused(reason));
        }
        let (method, head) = (plan.method, plan.now.head.clone());
        let (title, message) = (plan.words.subject.clone(), plan.words.body.clone());
        let noting = store.clone();
        blocking(move || {
            let landing = Landing { store: &noting, change: &plan.change };
            let noted = landing.expect(&plan.now, &plan.tree, &plan.words);
            noted.map_err(Error::git(&plan.change.task.repo, "noting what a merge has to give"))
        })
        .await?;
        let order = MergeOrder { number, method, head: &head, title: Some(&title), message: Some(&message) };
        let answer = github.merge(&order).await.map_err(Error::github(repo, "merging a pull request"))?;
        let landed = match answer {
            MergeAnswer::Merged { commit } => {
                self.compare(&candidate.change, &commit).await?;
                return Ok(Landed::At(commit));
            }
            MergeAnswer::HeadMoved => Landed::BaseMoved,
            MergeAnswer::NotAllowed { reason } => {
                let hint = self.workflow_hint(github, number, repo).await?;
                Landed::Refused(format!(
                    "a push was refused ({refusal}), and GitHub does not merge it: {reason}{hint}"
                ))
            }
        };
        // Whoever merges it after this is not held to what was to be merged now.
        let (store, change) = (store.clone(), candidate.change.clone());
        blocking(move || {
            let forgotten = Landing { store: &store, change: &change }.expect_nothing();
            forgotten.map_err(Error::git(&change.task.repo, "forgetting what a merge had to give"))
        })
        .await?;
        Ok(landed)
    }

    /// Whether a refusal may come of what the change touches: GitHub takes changes of workflows only from tokens with
    /// a scope of its own for that (docs.github.com, "Scopes for OAuth apps").
    async fn workflow_hint(
        &self,
        github: &GitHub,
        number: u64,
        repo: &RepoName,
    ) -> Result<&'static str, Error> {
        let scopes = match self.github_standing().await {
            Some(Ok(standing)) => standing.scopes,
            Some(Err(_)) | None => None,
        };
        if scopes.is_none_or(|it| it.contains("workflow")) {
            return Ok("");
        }
        let files = github.files(number, Age::Now).await;
        let files = files.map_err(Error::github(repo, "reading a pull request's files"))?;
        let touched = files.iter().any(|it| it.starts_with(".github/workflows/"));
        Ok(if touched {
            " (it changes files under .github/workflows: the token lacks the scope `workflow`)"
        } else {
            ""
        })
    }

    /// Waits until the forge knows whether it can merge; `Some` says why it cannot.
    async fn not_mergeable(
        &self,
        github: &GitHub,
        number: u64,
        repo: &RepoName,
    ) -> Result<Option<String>, Error> {
        for _ in 0..LOOKS {
            let pull =
                github.pull(number, Age::Now).await.map_err(Error::github(repo, "reading a pull request"))?;
            match pull.mergeable {
                Some(true) => return Ok(None),
                Some(false) => {
                    return Ok(Some(format!("GitHub finds that #{number} does not merge cleanly")));
                }
                None => tokio::time::sleep(BETWEEN).await,
            }
        }
        Ok(Some(format!("GitHub has not found out yet whether #{number} can be merged; try again")))
    }

    /// A base that demands heads that contain it gets one: what was tested becomes the change's branch. `Some` says
    /// that this was done, or why it cannot be; either way it does not merge now.
    async fn bring_up_to_date(&self, store: &Store, plan: &Plan) -> Result<Option<String>, Error> {
        let (store, change, now) = (store.clone(), plan.change.clone(), plan.now.clone());
        let (tree, committer, at, method) =
            (plan.tree.clone(), plan.words.committer.clone(), plan.words.at, plan.method);
        let repo = change.task.repo.clone();
        let moved = blocking(move || {
            let doing = "bringing a change up to date";
            if store.is_ancestor(&now.base, &now.head).map_err(Error::git(&repo, doing))? {
                return Ok(Renewed::NotNeeded);
            }
            let commit = match method {
                MergeMethod::Rebase => {
                    match store
                        .rebase(&now.head, &now.base, &committer, at)
                        .map_err(Error::git(&repo, doing))?
                    {
                        Rebased::At(commit) => commit,
                        Rebased::HasMerges | Rebased::Conflict(_) => return Ok(Renewed::Impossible),
                    }
                }
                MergeMethod::Merge | MergeMethod::Squash => {
                    let subject = format!("Merge branch '{}' into {}", change.base_branch, change.branch);
                    let merged = store.commit_merge(&now.head, &now.base, &tree, &subject, &committer, at);
                    merged.map_err(Error::git(&repo, doing))?
                }
            };
            let reference = format!("refs/heads/{}", change.branch);
            let pushed = store.push(&commit, &reference, Expect::At(&now.head));
            Ok(match pushed.map_err(Error::git(&repo, doing))? {
                Push::Done => Renewed::At(change, commit),
                Push::Moved { .. } | Push::Refused { .. } => Renewed::Impossible,
            })
        });
        let base = &plan.change.base_branch;
        match moved.await? {
            Renewed::NotNeeded => Ok(None),
            Renewed::Impossible => Ok(Some(format!(
                "`{base}` takes only branches that contain it, and this one cannot be brought up to date by itself: \
                 `coord assign` lets a worker do it, or merge with another `--method`"
            ))),
            Renewed::At(mut change, commit) => {
                self.adopt(&mut change, &commit).await?;
                Ok(Some(format!(
                    "`{base}` takes only branches that contain it: this one was brought up to date, and its checks \
                     have to pass again"
                )))
            }
        }
    }

    /// Whether what the forge made is what was tested, where it was asked to make it. If not, that is an incident.
    pub(crate) async fn compare(&self, change: &Change, commit: &CommitSha) -> Result<(), Error> {
        let store = self.store(&change.task.repo).await?;
        let (looked_at, merged) = (change.clone(), commit.clone());
        let trees = blocking(move || {
            let repo = &looked_at.task.repo;
            let doing = "comparing what was merged with what was tested";
            let landing = Landing { store: &store, change: &looked_at };
            let Some(expected) = landing.expected().map_err(Error::git(repo, doing))? else {
                return Ok(None);
            };
            store.fetch().map_err(Error::git(repo, doing))?;
            let found = store.tree_of(&merged).map_err(Error::git(repo, doing))?;
            Ok::<_, Error>((found != expected).then_some((expected, found)))
        });
        let Some((expected, found)) = trees.await? else { return Ok(()) };
        let reason = format!(
            "{} of {} was merged by GitHub with another tree than was tested ({found} instead of {expected}): \
             something else reached the base branch first",
            commit.short(),
            change.task
        );
        self.pause(&change.task, &reason, commit).await
    }

    /// Sees to it that the forge takes what has landed for merged: its pull request, and its issue.
    pub(crate) async fn close_out(&self, task: &TaskRef, commit: &CommitSha) -> Result<(), Error> {
        let Some(github) = self.github(&task.repo).await? else { return Ok(()) };
        let proposed = self.board.pull_request(task).await.map_err(Error::board("reading a pull request"))?;
        if let Some(proposed) = proposed {
            self.see_merged(&github, task, proposed.number, commit).await?;
        }
        let failed = |source| Error::github(&task.repo, "closing an issue")(source);
        if github.issue(task.number, Age::Now).await.map_err(failed)?.open {
            github.close_issue(task.number, CloseReason::Completed).await.map_err(failed)?;
        }
        Ok(())
    }

    /// The forge finds out by itself that a head is part of its base, a moment after the push. One that does not is
    /// told, as far as it can be.
    async fn see_merged(
        &self,
        github: &GitHub,
        task: &TaskRef,
        number: u64,
        commit: &CommitSha,
    ) -> Result<(), Error> {
        let failed = |source| Error::github(&task.repo, "closing a pull request")(source);
        for _ in 0..LOOKS {
            let pull = github.pull(number, Age::Now).await.map_err(failed)?;
            if pull.state != PullRequestState::Open {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN).await;
        }
        let marker = format!("<!-- coord:landed={commit} -->");
        let body = format!("Landed as {commit}.");
        github.comment_once(number, &marker, &body, Search::First).await.map_err(failed)?;
        github.close_pull(number).await.map(drop).map_err(failed)
    }

    /// Does what follows a landing wherever that was cut short: the notes of it are still there.
    pub(crate) async fn close_out_the_rest(&self, repo: &RepoName) -> Result<(), Error> {
        let store = self.store(repo).await?;
        let name = repo.clone();
        let noted = blocking(move || {
            landing::noted(&store).map_err(Error::git(&name, "looking for landings that were cut short"))
        });
        for number in noted.await? {
            let task = TaskRef { repo: repo.clone(), number };
            let change = self.board.change(&task).await.map_err(Error::board("reading a change"))?;
            let Some(change) = change else { continue };
            if let ChangeState::Merged { commit, .. } = &change.state {
                self.close_out(&task, commit).await?;
                self.forget_landing(&change).await?;
            }
        }
        Ok(())
    }
}

/// The rules of the base branch, where there is a forge that has some.
fn rules(candidate: &Candidate) -> Option<&Rules> {
    if let OnForge::Seen(facts) = &candidate.on_forge { Some(facts.protection.rules()) } else { None }
}

/// Whether a push to the base branch is against its rules, so that it is not even tried.
fn pull_requests_only(candidate: &Candidate) -> bool {
    rules(candidate).is_some_and(|it| it.pull_request_only)
}

async fn push(store: Store, plan: Plan, branch: Branch) -> (Result<Landed, LandError>, Plan) {
    blocking(move || {
        let landing = Landing { store: &store, change: &plan.change };
        (landing.land(plan.method, &plan.now, &plan.tree, &plan.words, branch), plan)
    })
    .await
}
