//! A machine with its agent server, a repo with its origin, and a watcher.

use std::cell::Cell;
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_agent::layout::{Home, RunDir};
use coord_core::id::RunId;
use coord_core::repo::Permissions;
use coord_core::run::RunKind;
use coord_proto::client::{Client, EventStream};
use coord_proto::event::{Event, EventKind};
use coord_proto::run::{Checkout, RunSpec};
use coord_testkit::world::{Repo, Running, World};
use secrecy::SecretString;

/// How long anything may take before the figures are given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine with its agent server.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) repo: Repo,
    pub(crate) server: Running,
    pub(crate) client: Client,
    home: Home,
    runs: Cell<u64>,
}

impl Site {
    /// Starts one.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let world = World::new(env!("CARGO_BIN_EXE_coord"));
        let this = Utf8PathBuf::try_from(std::env::current_exe()?)?;
        world.install("claude", &this);
        let repo = world.repo("api");
        let port = world.free_port();
        world.config(&format!(
            "repos:\n  - name: api\nmachines:\n  - name: here\n    port: {port}\n    slots: 40\n    \
             repo_paths:\n      api: {}\n",
            repo.clone
        ));
        let server = world.spawn(["agent", "--machine", "here"]);
        let client = Client::new("127.0.0.1", port, SecretString::from(world.token()))?;
        let home = Home::new(world.coord_home());
        let site = Self { world, repo, server, client, home, runs: Cell::new(0) };
        let give_up = tokio::time::Instant::now() + PATIENCE;
        while let Err(error) = site.client.health().await {
            anyhow::ensure!(tokio::time::Instant::now() < give_up, error);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(site)
    }

    /// A new run on a task of its own, whose worker is asked for `prompt`.
    pub(crate) fn spec(&self, prompt: &str) -> anyhow::Result<RunSpec> {
        let n = self.runs.get() + 1;
        self.runs.set(n);
        Ok(RunSpec {
            run: RunId::from_random(n),
            kind: RunKind::Work,
            task: format!("api#{n}").parse()?,
            attempt: 1,
            fence: 1,
            start_before: coord_engine::clock::now() + Duration::from_secs(600),
            runtime: "claude".parse()?,
            model: None,
            base_branch: "main".parse()?,
            branch: format!("issue-{n}").parse()?,
            checkout: Checkout::Base,
            prompt: prompt.to_owned(),
            command: None,
            setup: None,
            permissions: Permissions::default(),
            sandbox: coord_core::sandbox::Sandbox::default(),
            deadline_seconds: 600,
            resume: None,
            budget_usd: None,
            limits: coord_core::limits::RunLimits::default(),
            restore: None,
        })
    }

    /// A new run whose worker is a command line.
    pub(crate) fn command(&self, command: &str) -> anyhow::Result<RunSpec> {
        let command = Some(command.to_owned());
        Ok(RunSpec { runtime: "command".parse()?, command, ..self.spec("")? })
    }

    /// Puts a commit on origin that no store has yet.
    pub(crate) fn push(&self) {
        self.repo.commit("more", &[]);
        self.repo.git(&self.repo.clone, ["push", "--quiet"]);
    }

    /// A watcher of a run, from its first event on.
    pub(crate) fn watch(&self, run: RunId) -> EventStream {
        self.client.follow(run, 0, PATIENCE)
    }

    /// Where a run's files lie.
    pub(crate) fn files(&self, run: RunId) -> RunDir {
        self.home.run(run)
    }

    /// Stops a run and returns once nothing of it is left to do.
    pub(crate) async fn settle(&self, run: RunId) -> anyhow::Result<()> {
        self.client.stop(run).await?;
        let give_up = tokio::time::Instant::now() + PATIENCE;
        while !self.files(run).collected().exists() {
            anyhow::ensure!(tokio::time::Instant::now() < give_up, "run {run} is not collected");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }
}

/// When a run's worker began, in its own words.
pub(crate) async fn began(events: &mut EventStream) -> anyhow::Result<f64> {
    while let Some(event) = events.next().await? {
        if let Some(time) = time_of(&event) {
            return Ok(time);
        }
        anyhow::ensure!(
            !matches!(event.event, EventKind::Ended { .. }),
            "the worker said nothing: {event:?}"
        );
    }
    anyhow::bail!("the run ended without a word")
}

/// The time that an event tells, if its worker said it.
pub(crate) fn time_of(event: &Event) -> Option<f64> {
    if let EventKind::Text { text } = &event.event { text.parse().ok() } else { None }
}
