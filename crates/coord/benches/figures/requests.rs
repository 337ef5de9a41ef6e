//! What GitHub is asked: for a change from its issue to its merge, and by whoever only looks on.

use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use coord_testkit::ageing::age;
use coord_testkit::github::{Association, Conclusion, GitHub, Permission, Protection, Repo, Review, Status};
use coord_testkit::world::World;
use serde_json::Value;

use crate::startup::time;
use crate::table::{Budget, Row, median};

/// How often somebody who looks on asks for the status.
const BETWEEN: Duration = Duration::from_secs(10);
const LOOKS: usize = 360;
const ROUNDS: usize = 60;
const RULES: &str = "    protection: {checks: [ci], approvals: 1}\n";

pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let few = look("coord status, nothing new on GitHub", 2, 25.0)?;
    let many = look("the same, 300 open issues", 300, 50.0)?;
    Ok(vec![story()?, idle_hour()?, few, many])
}

/// Everything that a change takes on a branch that asks for a check and an approval.
fn story() -> anyhow::Result<Row> {
    let there = OnGitHub::start()?;
    let (id, pull) = there.propose("sea")?;
    there.approve(pull);
    there.coord(&["merge", &id])?;
    anyhow::ensure!(there.repo.pull(pull).merged, "it is not merged");
    let (api, git): (Vec<_>, Vec<_>) =
        there.github.requests().into_iter().partition(|it| !it.path.contains(".git/"));
    Ok(Row {
        name: "API requests of an issue until it is merged",
        unit: "requests",
        value: api.len() as f64,
        budget: Budget::Most(30.0),
        beside: ("git's own over HTTP", git.len() as f64),
    })
}

/// A pull request that waits, an issue beside it, and somebody who looks every ten seconds.
fn idle_hour() -> anyhow::Result<Row> {
    let there = OnGitHub::start()?;
    there.wait_to_be_merged()?;
    let before = there.github.requests().len();
    for _ in 0..LOOKS {
        there.coord(&["status"])?;
        there.later(BETWEEN);
    }
    let asked = there.github.requests().split_off(before);
    let counted = asked.iter().filter(|it| it.counted).count();
    Ok(Row {
        name: "counted in an idle hour of coord status every 10 s",
        unit: "requests",
        value: counted as f64,
        budget: Budget::Most(20.0),
        beside: ("all, with what has not changed", asked.len() as f64),
    })
}

/// A look when what is known of GitHub is young enough to be shown, with so many issues open.
fn look(name: &'static str, issues: usize, most: f64) -> anyhow::Result<Row> {
    let there = OnGitHub::start()?;
    there.wait_to_be_merged()?;
    for n in 2..issues {
        there.issue(&format!("Change number {n}"), &"echo as was said\n".repeat(20));
    }
    there.coord(&["status"])?;
    let (mut status, mut git) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let samples = [
            time(&there.world, env!("CARGO_BIN_EXE_coord"), "status")?,
            time(&there.world, "git", "--version")?,
        ];
        // The first round fills the page cache.
        if round > 0 {
            status.push(samples[0]);
            git.push(samples[1]);
        }
    }
    Ok(Row {
        name,
        unit: "ms",
        value: median(&status),
        budget: Budget::Most(most),
        beside: ("git --version", median(&git)),
    })
}

/// A machine whose repo is on GitHub.
struct OnGitHub {
    world: World,
    github: GitHub,
    repo: Repo,
}

impl OnGitHub {
    fn start() -> anyhow::Result<Self> {
        let mut world = World::new(env!("CARGO_BIN_EXE_coord"));
        let api = world.repo("api");
        let github = GitHub::start();
        let octo = github.user("octo");
        let repo = github.repo("acme/api", &api.origin);
        repo.collaborator("octo", Permission::Write);
        repo.collaborator("ann", Permission::Write);
        let rules =
            Protection { required_checks: vec!["ci".to_owned()], approvals: 1, ..Protection::default() };
        repo.protect("main", rules);
        let token = octo.token();
        let basic = base64::prelude::BASE64_STANDARD.encode(format!("octo:{token}"));
        let config = fs_err::read_to_string(world.dir().join("gitconfig"))?;
        let access = format!("[http \"{}/\"]\n\textraHeader = Authorization: Basic {basic}\n", github.url());
        world.write("gitconfig", &format!("{config}{access}"));
        world.set("GITHUB_TOKEN", token);
        world.set("GITHUB_API_URL", github.url());
        world.config(&format!(
            "runtime: script\nrepos:\n  - name: api\n    github: acme/api\n    origin: {origin}\n    \
             test_command: ./test.sh\n{RULES}machines:\n  - name: here\n    port: {port}\n    repo_paths:\n      \
             api: {clone}\n",
            origin = repo.clone_url(),
            port = world.free_port(),
            clone = api.clone,
        ));
        Ok(Self { world, github, repo })
    }

    /// Has an issue done and tested, and its pull request opened: the issue's number and the pull request's.
    fn propose(&self, list: &str) -> anyhow::Result<(String, u64)> {
        let script = format!("echo {list} > words/{list}.txt && git add -A && git commit -qm 'Add {list}'");
        let id = self.issue(&format!("Add {list}"), &script).to_string();
        self.coord(&["assign", "auto", "api", &id, "--watch"])?;
        self.coord(&["test", &id])?;
        let proposed: Value = serde_json::from_str(&self.coord(&["--json", "pr", &id])?)?;
        let pull =
            proposed["data"]["pull_request"]["number"].as_u64().context("a pull request has a number")?;
        Ok((id, pull))
    }

    fn approve(&self, pull: u64) {
        let head = self.repo.pull(pull).head_sha;
        self.repo.check_run(&head, "ci", Status::Completed(Conclusion::Success));
        self.repo.review_as("ann", pull, Review::Approve);
    }

    /// A pull request that could be merged, and an issue that nobody is at. It has been so for a minute.
    fn wait_to_be_merged(&self) -> anyhow::Result<()> {
        let (_, pull) = self.propose("sea")?;
        self.approve(pull);
        self.issue("Add another", "true");
        self.later(Duration::from_secs(60));
        Ok(())
    }

    fn issue(&self, title: &str, script: &str) -> u64 {
        let body = format!("Please.\n```sh\n{script}\n```\n");
        self.repo.issue(title).by("ann", Association::Member).body(&body).open()
    }

    /// Lets what is known of GitHub be older by so much.
    fn later(&self, by: Duration) {
        age(&self.world.coord_home().join("github"), by);
    }

    /// What a command prints that succeeds.
    fn coord(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let finished = self.world.coord(arguments);
        anyhow::ensure!(finished.status.success(), "coord {arguments:?}: {}", finished.stderr);
        Ok(finished.stdout)
    }
}
