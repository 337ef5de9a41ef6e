//! Stories on GitHub: the same commands, against a stateful stand-in whose repositories are real.

mod claims;
mod crash;
mod credentials;
mod doctor;
mod errors;
mod flow;
mod gates;
mod incident;
mod limits;
mod many;
mod notify;
mod people;
mod relations;
mod requests;
mod slash;
mod trust;

use std::ops::{Deref, DerefMut};

use base64::Engine as _;
use coord_testkit::github::{Association, GitHub, Permission, Repo};
use coord_testkit::model::{Step, bash, say};
use serde_json::Value;

use crate::fleet::{Fleet, text};
use crate::refusals::{cures, refused};

/// A fleet whose repo `api` is `acme/api` on GitHub. The account of its developer is `octo`; their git has access of
/// its own, as a developer's has.
pub(crate) struct OnGitHub {
    fleet: Fleet,
    /// GitHub itself.
    pub(crate) github: GitHub,
    /// `acme/api` there.
    pub(crate) repo: Repo,
    scripts: bool,
}

impl Deref for OnGitHub {
    type Target = Fleet;

    fn deref(&self) -> &Fleet {
        &self.fleet
    }
}

impl DerefMut for OnGitHub {
    fn deref_mut(&mut self) -> &mut Fleet {
        &mut self.fleet
    }
}

impl OnGitHub {
    /// With the real claude; `None`, which has been reported, where that cannot be had.
    pub(crate) fn with_claude() -> Option<Self> {
        Some(Self::of(Fleet::with_claude()?, false, GitHub::start()))
    }

    /// With workers that are scripts, for stories that need no model: the first `sh` block of an issue's text.
    pub(crate) fn with_scripts() -> Self {
        Self::with_scripts_at(GitHub::start())
    }

    /// The same, with this GitHub.
    pub(crate) fn with_scripts_at(github: GitHub) -> Self {
        Self::of(Fleet::without_claude(), true, github)
    }

    fn of(mut fleet: Fleet, scripts: bool, github: GitHub) -> Self {
        // What it prints can be run.
        fleet.install("coord", env!("CARGO_BIN_EXE_coord").into());
        let octo = github.user("octo");
        let repo = github.repo("acme/api", &fleet.api.origin);
        repo.collaborator("octo", Permission::Write);
        repo.collaborator("ann", Permission::Write);
        repo.associate("ann", Association::Member);
        let token = octo.token();
        let basic = base64::prelude::BASE64_STANDARD.encode(format!("octo:{token}"));
        let access = format!("[http \"{}/\"]\n\textraHeader = Authorization: Basic {basic}\n", github.url());
        let authority = if github.url().starts_with("https://") {
            format!("\tsslCAInfo = {}\n", github.ca_file())
        } else {
            String::new()
        };
        let config = fs_err::read_to_string(fleet.dir().join("gitconfig")).unwrap();
        fleet.write("gitconfig", &format!("{config}{access}{authority}"));
        fleet.set("GITHUB_TOKEN", token);
        fleet.set("GITHUB_API_URL", github.url());
        let world = Self { fleet, github, repo, scripts };
        world.configure("");
        world
    }

    /// Writes the configuration; `more` is YAML appended to the entry of repo `api`, indented by four.
    pub(crate) fn configure(&self, more: &str) {
        let origin = self.repo.clone_url();
        self.fleet.configure(&format!("    github: acme/api\n    origin: {origin}\n{more}"));
        if self.scripts {
            self.fleet.reconfigure("runtimes:\n", "runtime: script\nruntimes:\n");
        }
    }

    /// An issue by a member, whose worker will do `steps`.
    pub(crate) fn issue(&self, title: &str, steps: impl IntoIterator<Item = Step>) -> u64 {
        let number = self.repo.issue(title).by("ann", Association::Member).body("Please.").open();
        self.model.on_task(&format!("api#{number}"), steps);
        number
    }

    /// An issue by a member whose worker is this script.
    pub(crate) fn scripted(&self, title: &str, lines: &str) -> u64 {
        let body = format!("Please.\n```sh\n{lines}\n```\n");
        self.repo.issue(title).by("ann", Association::Member).body(&body).open()
    }

    /// An issue by a member whose worker commits one file.
    pub(crate) fn simple(&self, title: &str) -> u64 {
        self.scripted(title, "echo $COORD_RUN > done.txt; git add done.txt; git commit -qm 'Do it'")
    }

    /// An issue is not given out, and nothing came of the attempt: no run, no comment. The cures that are printed.
    #[track_caller]
    pub(crate) fn not_given_out(&self, number: u64, says: &str) -> Vec<String> {
        let hints = refused(self, &["assign", "auto", "api", &number.to_string()], 5, "refused", says);
        let blockers = self.blockers(number);
        assert!(blockers.iter().any(|it| it.contains(says)), "{says}: {blockers:?}");
        let why = self.document(&["why", &format!("api#{number}")]);
        assert_eq!(why["data"]["runs"].as_array().map(Vec::len), Some(0), "{why:#}");
        assert_eq!(self.said(number), [""; 0]);
        cures(&hints)
    }

    /// What stands against giving out an issue, as `assign --dry-run` says it.
    #[track_caller]
    pub(crate) fn blockers(&self, number: u64) -> Vec<String> {
        let planned = self.document(&["assign", "auto", "api", &number.to_string(), "--dry-run"]);
        let blockers = planned["data"]["run"]["blockers"].as_array();
        blockers.unwrap_or_else(|| panic!("{planned:#}")).iter().map(text).collect()
    }

    /// What happened to a task, as `coord why` tells it.
    #[track_caller]
    pub(crate) fn events(&self, number: u64) -> Vec<String> {
        let why = self.document(&["why", &format!("api#{number}")]);
        let events = why["data"]["events"].as_array().unwrap_or_else(|| panic!("{why:#}"));
        events.iter().map(|it| text(&it["what"])).collect()
    }

    /// An issue that a script has done: it adds a list of one word.
    pub(crate) fn listed(&self, list: &str, word: &str) -> u64 {
        let lines =
            format!("printf '{word}\\n' > words/{list}.txt && git add -A && git commit -qm 'Add {list}'");
        let number = self.scripted(&format!("Add {list}"), &lines);
        assert_eq!(self.work(number), "done");
        number
    }

    /// The same, with an open pull request.
    pub(crate) fn open(&self, list: &str, word: &str) -> (u64, u64) {
        let number = self.listed(list, word);
        let proposed = self.document(&["pr", &number.to_string()]);
        (number, proposed["data"]["pull_request"]["number"].as_u64().unwrap())
    }

    /// An issue that a worker has done: it adds a list of one word.
    pub(crate) fn change(&self, list: &str, word: &str) -> u64 {
        let write =
            format!("printf '{word}\\n' > words/{list}.txt && git add -A && git commit -qm 'Add {list}'");
        let number = self.issue(&format!("Add {list}"), [bash(&write), say("done")]);
        assert_eq!(self.work(number), "done");
        number
    }

    /// The same, with an open pull request; the issue's number and the pull request's.
    pub(crate) fn proposed(&self, list: &str, word: &str) -> (u64, u64) {
        let number = self.change(list, word);
        let proposed = self.coord(["--json", "pr", &number.to_string()]).success().json();
        let pull = proposed["data"]["pull_request"]["number"].as_u64().unwrap();
        (number, pull)
    }

    /// Somebody replays a branch onto the default branch, and pushes it.
    pub(crate) fn rebased_as(&self, person: &str, branch: &str) {
        let dir = self.dir().join("tmp/rebased");
        self.api.git(self.dir(), ["clone", "--quiet", "--branch", branch, &self.api.url(), dir.as_str()]);
        self.api.git(&dir, ["-c", &format!("user.name={person}"), "rebase", "--quiet", "origin/main"]);
        self.api.git(&dir, ["push", "--quiet", "--force", "origin", branch]);
    }

    /// What `coord` prints of it as one document.
    #[track_caller]
    pub(crate) fn document(&self, arguments: &[&str]) -> Value {
        let arguments = ["--json"].iter().chain(arguments);
        self.coord(arguments).json()
    }

    /// `coord merge` with these arguments, which ends with `code`.
    #[track_caller]
    pub(crate) fn merge(&self, arguments: &[&str], code: i32) -> Value {
        let arguments = ["--json", "merge"].iter().chain(arguments);
        self.coord(arguments).exits(code).json()["data"].clone()
    }

    /// The events that coord has said on an issue, by their markers.
    pub(crate) fn said(&self, number: u64) -> Vec<String> {
        let comments = self.repo.comments(number);
        let events = comments.iter().filter_map(|it| {
            let marker = it.body.lines().next()?.strip_prefix("<!-- coord:event=")?;
            marker.split(' ').next().map(str::to_owned)
        });
        events.collect()
    }

    /// Why a task is not further along, as `coord why` says it.
    pub(crate) fn because(&self, number: u64) -> String {
        let why = self.document(&["why", &number.to_string()]);
        why["data"]["because"].to_string()
    }
}
