//! The runs of this machine: which there are, where each stands, and the doors to start and stop them.
//!
//! Each run that has not ended has one task here ([`course`]) which takes it from preparing to collected and
//! is the only one that does anything for it. Everything else reads: the run's directory, and a channel on
//! which its task says how far it is. The directories are the truth; what is in memory can be lost at any
//! moment and is found again by [`Supervisor::adopt`].

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_core::id::RunId;
use coord_core::name::RepoName;
use coord_core::run::RunState;
use coord_git::program::Git;
use coord_git::store::Store;
use coord_proto::PROTOCOL;
use coord_proto::health::{Health, RepoState, RepoView};
use coord_proto::problem::{Problem, ProblemKind};
use coord_proto::run::{RunList, RunSpec, RunView};
use tokio::sync::{Notify, Semaphore, SetOnce, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{AgentConfig, AgentRepo};
use crate::feed::Feed;
use crate::fence::Fences;
use crate::looked::Looked;
use crate::order::{Announcement, LogGone};
use crate::server::Options;
use crate::shim::contain;

mod adopt;
mod clearing;
mod collect;
mod converse;
mod course;
mod later;
mod means;
mod prepare;
mod rescues;
mod shims;
mod start;
mod transcript;
mod view;

/// How many runs a page of the list holds.
const PAGE: usize = 100;
/// How many threads may wait for git at once: a start that finds none free waits without one.
const GIT_THREADS: usize = 24;
/// How long a stop may take before its caller is told how things stand: less than callers wait.
const STOP_PATIENCE: Duration = Duration::from_secs(100);

/// The runs of this machine.
pub(crate) struct Supervisor {
    options: Options,
    /// The configuration that could last be read, for what must be answered without reading it.
    config: Mutex<Arc<AgentConfig>>,
    fences: Fences,
    feed: Feed,
    looked: Looked,
    /// How runs are kept together here.
    containment: String,
    /// Held while somebody clears up.
    clearing: tokio::sync::Mutex<()>,
    live: Mutex<BTreeMap<RunId, Arc<Live>>>,
    git: Git,
    git_threads: Semaphore,
    stores: Mutex<BTreeMap<(RepoName, String), Store>>,
    halt: CancellationToken,
    tasks: TaskTracker,
}

/// A run that is not collected yet.
struct Live {
    spec: Arc<RunSpec>,
    worktree: Utf8PathBuf,
    /// Where it stands. Closed once the run has ended, its log is complete and its exit record there.
    standing: watch::Receiver<Announcement>,
    /// Whether the start is on disk, so that it may be confirmed.
    admitted: SetOnce<Result<(), Problem>>,
    /// Somebody wants it stopped.
    stop: CancellationToken,
    /// Somebody has something to say to its worker.
    told: Notify,
    /// Nothing is done for it any more.
    collected: CancellationToken,
}

impl Live {
    fn new(spec: Arc<RunSpec>, worktree: Utf8PathBuf) -> (Arc<Self>, watch::Sender<Announcement>) {
        let (says, standing) = watch::channel(Announcement::of(0));
        let live = Self {
            spec,
            worktree,
            standing,
            admitted: SetOnce::new(),
            stop: CancellationToken::new(),
            told: Notify::new(),
            collected: CancellationToken::new(),
        };
        (Arc::new(live), says)
    }

    fn has_ended(&self) -> bool {
        self.standing.has_changed().is_err()
    }

    async fn ended(&self) {
        let mut standing = self.standing.clone();
        while standing.changed().await.is_ok() {}
    }

    fn view(&self) -> RunView {
        let Announcement {
            last_event,
            state,
            pid,
            status,
            confidence,
            stuck,
            account,
            windows,
            questions,
            takes_messages: _,
            held,
        } = self.standing.borrow().clone();
        let RunSpec { run, kind, ref task, ref runtime, .. } = *self.spec;
        let worktree = (state != RunState::Preparing).then(|| self.worktree.to_string());
        let (task, runtime) = (task.clone(), runtime.clone());
        RunView {
            run,
            kind,
            task,
            runtime,
            state,
            last_event,
            pid,
            status,
            confidence,
            stuck,
            account,
            windows,
            questions,
            held,
            worktree,
            unpushed: None,
            pushed_at: None,
            session: None,
        }
    }
}

impl Supervisor {
    /// Opens what outlives a server. Runs are not looked for yet.
    pub(crate) fn open(options: Options, config: AgentConfig) -> io::Result<Arc<Self>> {
        let git = Git::new(options.environment.iter().map(|(name, value)| (name.into(), value.into())));
        Ok(Arc::new(Self {
            config: Mutex::new(Arc::new(config)),
            fences: Fences::open(options.home.fences())?,
            feed: Feed::open(options.home.feed())?,
            looked: Looked::open(options.home.looked())?,
            containment: contain::survey(),
            clearing: tokio::sync::Mutex::default(),
            live: Mutex::default(),
            git,
            git_threads: Semaphore::new(GIT_THREADS),
            stores: Mutex::default(),
            halt: CancellationToken::new(),
            tasks: TaskTracker::new(),
            options,
        }))
    }

    /// Where the runs lie.
    pub(crate) fn runs_dir(&self) -> Utf8PathBuf {
        self.options.home.runs()
    }

    /// Says that the server stops: streams end, and no task of a run begins anything new.
    pub(crate) fn shutdown(&self) -> CancellationToken {
        self.halt.clone()
    }

    /// Returns once no task of a run is left. Their runs go on without them.
    pub(crate) async fn rest(&self) {
        self.halt.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// How the machine is, from memory alone.
    pub(crate) fn health(&self) -> Health {
        let config = Arc::clone(&lock(&self.config));
        let live = lock(&self.live).values().filter(|it| !it.has_ended()).count();
        Health {
            machine: config.machine.name.clone(),
            version: self.options.version.to_owned(),
            protocol: PROTOCOL,
            slots: config.machine.slots,
            live: u32::try_from(live).unwrap_or(u32::MAX),
            capabilities: config.machine.capabilities.clone(),
            containment: self.containment.clone(),
        }
    }

    /// What every configured repo looks like, each for itself.
    pub(crate) async fn repos(self: &Arc<Self>) -> Result<Vec<RepoView>, Problem> {
        let config = self.load().await.map_err(|error| Problem::new(ProblemKind::Unable, error))?;
        self.off_loop("look at the repos", move |this| {
            let served = config.repos.iter().filter(|(repo, _)| config.machine.serves(repo));
            Ok(served
                .map(|(repo, it)| RepoView { repo: repo.clone(), state: repo_state(&this.git, it) })
                .collect())
        })
        .await
    }

    /// A page of all runs, newest first.
    pub(crate) async fn list(self: &Arc<Self>, before: Option<RunId>) -> Result<RunList, Problem> {
        self.off_loop("list the runs", move |this| {
            let ids = view::ids(&this.options.home)?;
            let first = match before {
                None => 0,
                Some(before) => ids.iter().position(|it| *it == before).map_or(ids.len(), |at| at + 1),
            };
            let page: Vec<RunId> = ids[first..].iter().copied().take(PAGE).collect();
            let more = first + page.len() < ids.len();
            let before = page.last().copied().filter(|_| more);
            // A run whose files cannot be read is left out of a list, and says why when it is asked for.
            let runs = page.into_iter().filter_map(|run| this.look(run).ok().flatten()).collect();
            Ok(RunList { runs, before })
        })
        .await
    }

    /// One run.
    pub(crate) async fn view(self: &Arc<Self>, run: RunId) -> Result<RunView, Problem> {
        let looked = self.off_loop("read the run", move |this| {
            let mut view = this.look(run)?;
            if let Some(view) = view.as_mut().filter(|it| it.state.end().is_some()) {
                view.session = this.session(run)?;
            }
            Ok(view)
        });
        looked.await?.ok_or_else(|| unknown(run))
    }

    /// Stops a run and returns once it has ended. One that has ended already stays as it is.
    pub(crate) async fn stop(self: &Arc<Self>, run: RunId) -> Result<RunView, Problem> {
        if let Some(live) = self.find(run) {
            live.stop.cancel();
            if tokio::time::timeout(STOP_PATIENCE, live.ended()).await.is_err() {
                tracing::warn!(%run, "still not stopped after {} s", STOP_PATIENCE.as_secs());
            }
        }
        self.view(run).await
    }

    /// Where the log of a run lies, and the channel that is closed once it is complete.
    pub(crate) async fn log(
        self: &Arc<Self>,
        run: RunId,
    ) -> Result<(Utf8PathBuf, Option<watch::Receiver<Announcement>>), Problem> {
        let path = self.options.home.run(run).log();
        if let Some(live) = self.find(run) {
            return Ok((path, Some(live.standing.clone())));
        }
        let dir = self.options.home.run(run);
        let seen = self.off_loop("look for the run", move |_| {
            Ok((dir.spec().try_exists()?, view::read::<LogGone>(&dir.gone())?))
        });
        match seen.await? {
            (true, None) => Ok((path, None)),
            (true, Some(gone)) => Err(Problem::new(
                ProblemKind::Gone,
                format!(
                    "the log of run {run} was cleared away at {:.0}; it had {} events",
                    gone.at, gone.events
                ),
            )),
            (false, _) => Err(unknown(run)),
        }
    }

    /// Where the server's own feed lies, and how far it goes.
    pub(crate) fn feed(&self) -> (Utf8PathBuf, watch::Receiver<u64>) {
        (self.feed.path().to_owned(), self.feed.follow())
    }

    fn find(&self, run: RunId) -> Option<Arc<Live>> {
        lock(&self.live).get(&run).cloned()
    }

    fn look(&self, run: RunId) -> io::Result<Option<RunView>> {
        match self.find(run).filter(|it| !it.has_ended()) {
            Some(live) => Ok(Some(live.view())),
            None => view::of_ended(&self.options.home, run),
        }
    }

    /// Reads the configuration anew and keeps it for [`Self::health`].
    async fn load(&self) -> Result<Arc<AgentConfig>, String> {
        let load = Arc::clone(&self.options.load);
        let loaded =
            tokio::task::spawn_blocking(move || load()).await.map_err(|error| error.to_string())??;
        let config = Arc::new(loaded);
        *lock(&self.config) = Arc::clone(&config);
        Ok(config)
    }

    /// Does what may block on a thread for that; `what` completes the sentence "cannot …".
    async fn off_loop<T: Send + 'static>(
        self: &Arc<Self>,
        what: &str,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&this)).await.map_err(io::Error::from).flatten();
        done.map_err(|error| Problem::new(ProblemKind::Internal, format!("cannot {what}: {error}")))
    }
}

fn unknown(run: RunId) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("this machine has no run {run}"))
}

/// A thread that panicked while it held one of these locks had changed nothing half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn repo_state(git: &Git, repo: &AgentRepo) -> RepoState {
    let origin = match &repo.origin {
        Ok(origin) => origin.clone(),
        Err(error) => return RepoState::Broken { error: error.clone() },
    };
    let Some(clone) = &repo.clone else { return RepoState::Store { origin } };
    match coord_git::clone::clone_state(git, clone) {
        Ok(it) => {
            RepoState::Clone { path: clone.to_string(), head: it.head, branch: it.branch, dirty: it.dirty }
        }
        Err(error) => RepoState::Broken { error: crate::finish::chain(&error) },
    }
}
