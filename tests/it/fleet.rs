//! One machine with one repo and the real claude on it: where most stories begin.

use std::ops::{Deref, DerefMut};

use coord_testkit::model::{Model, Step};
use coord_testkit::need;
use coord_testkit::world::{Finished, Repo, World};
use serde_json::Value;

/// What a story may set for its workers beside what the model needs.
const PASSED: [&str; 2] = ["CLAUDE_CODE_MAX_RETRIES", "CLAUDE_CODE_OAUTH_TOKEN"];

/// One machine, `here`, whose agent server is started when it is needed.
pub(crate) struct Fleet {
    world: World,
    /// The model behind every claude of this world.
    pub(crate) model: Model,
    /// The repo `api`.
    pub(crate) api: Repo,
    /// The port of the agent server.
    pub(crate) port: u16,
}

impl Deref for Fleet {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Fleet {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Fleet {
    /// A fleet with the real claude; `None`, which has been reported, where that cannot be had.
    pub(crate) fn with_claude() -> Option<Self> {
        Self::with_claude_on("main")
    }

    /// The same, with another default branch.
    pub(crate) fn with_claude_on(branch: &str) -> Option<Self> {
        let claude = need::claude()?;
        let fleet = Self::bare(branch);
        fleet.world.install("claude", &claude);
        Some(fleet)
    }

    /// A fleet without claude, for stories that need no model.
    pub(crate) fn without_claude() -> Self {
        Self::bare("main")
    }

    fn bare(branch: &str) -> Self {
        let mut world = World::new(env!("CARGO_BIN_EXE_coord"));
        let model = Model::start();
        world.set_all(model.environment());
        let api = world.repo_on("api", branch);
        let port = world.free_port();
        let fleet = Self { world, model, api, port };
        fleet.configure("");
        fleet
    }

    /// Writes the configuration; `more` is YAML appended to the entry of repo `api`, indented by four.
    pub(crate) fn configure(&self, more: &str) {
        let names: Vec<_> = self.model.environment().iter().map(|(name, _)| *name).chain(PASSED).collect();
        self.world.config(&format!(
            "repos:\n  - name: api\n    default_branch: {branch}\n    test_command: ./test.sh\n{more}\
             machines:\n  - name: here\n    port: {port}\n    slots: 40\n    repo_paths:\n      api: {clone}\n\
             runtimes:\n  claude:\n    pass_env: [{pass}]\n",
            branch = self.api.branch,
            port = self.port,
            clone = self.api.clone,
            pass = names.join(", "),
        ));
    }

    /// Adds a task to `api` whose worker will do `steps`; its number.
    pub(crate) fn task(&self, title: &str, steps: impl IntoIterator<Item = Step>) -> u64 {
        let number = self.add(&[title]);
        self.model.on_task(&format!("api#{number}"), steps);
        number
    }

    /// Adds a task to `api` with these arguments of `task add`; its number.
    pub(crate) fn add(&self, arguments: &[&str]) -> u64 {
        let arguments = ["--json", "task", "add", "api"].iter().chain(arguments);
        let added = self.world.coord(arguments).success().json();
        added["data"]["task"]["number"].as_u64().expect("a task has a number")
    }

    /// Assigns a task of `api`; the run.
    pub(crate) fn assign(&self, number: u64) -> String {
        let number = number.to_string();
        let assigned = self.world.coord(["--json", "assign", "here", "api", &number]).success().json();
        text(&assigned["data"]["run"]["id"])
    }

    /// Waits for a run or task; the run as `wait` documents it.
    pub(crate) fn wait(&self, id: &str) -> Value {
        self.world.coord(["--json", "wait", id, "--timeout", "120"]).json()["data"]["run"].clone()
    }

    /// Assigns a task and waits; the kind of its outcome.
    pub(crate) fn work(&self, number: u64) -> String {
        let run = self.assign(number);
        text(&self.wait(&run)["outcome"]["kind"])
    }

    /// Opens the pull request of a task.
    pub(crate) fn propose(&self, number: u64) -> Finished {
        self.world.coord(["pr", &number.to_string()]).success()
    }
}

/// A JSON value that is a string.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}
