//! The real gh, over TLS, as against a server of an enterprise.

use coord_testkit::github::{GitHub, Permission, Repo};
use coord_testkit::need;
use coord_testkit::world::{Repo as Project, World};

/// A stand-in with TLS, and gh logged in as octo.
struct Hub {
    github: GitHub,
    api: Repo,
    project: Project,
    token: String,
    world: World,
}

impl Hub {
    fn new() -> Option<Self> {
        let world = World::new("/bin/sh");
        let there = world.command("gh").arg("--version").output().is_ok_and(|it| it.status.success());
        if !there {
            need::not_run("gh is not installed");
            return None;
        }
        let project = world.repo("api");
        let github = GitHub::tls();
        let api = github.repo("acme/api", &project.origin);
        api.collaborator("octo", Permission::Admin);
        let token = github.user("octo").token();
        Some(Self { github, api, project, token, world })
    }

    /// `localhost:port`, by which gh knows the stand-in.
    fn host(&self) -> String {
        self.github.url().trim_start_matches("https://").to_owned()
    }

    #[track_caller]
    fn gh(&self, arguments: &[&str]) -> String {
        let mut command = self.world.command("gh");
        command
            .args(arguments)
            .env("SSL_CERT_FILE", self.github.ca_file())
            .env("GH_HOST", self.host())
            .env("GH_ENTERPRISE_TOKEN", &self.token)
            .env("GH_PROMPT_DISABLED", "1")
            .env("GH_NO_UPDATE_NOTIFIER", "1");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "gh {arguments:?}: {said}\n{:?}", self.github.problems());
        String::from_utf8_lossy(&output.stdout).into_owned() + &said
    }

    fn repo(&self) -> String {
        format!("{}/acme/api", self.host())
    }
}

#[test]
fn gh_knows_who_it_is_and_speaks_to_the_api() {
    let Some(hub) = Hub::new() else { return };
    let status = hub.gh(&["auth", "status"]);
    assert!(status.contains("as octo") && status.contains("repo, read:org, workflow"), "{status}");
    assert_eq!(hub.gh(&["api", "user", "--jq", ".login"]), "octo\n");
    hub.api.issue("It is slow").open();
    assert_eq!(hub.gh(&["api", "repos/acme/api/issues", "--jq", ".[].title"]), "It is slow\n");
}

#[test]
fn gh_goes_from_an_issue_to_a_merged_pull_request() {
    let Some(hub) = Hub::new() else { return };
    let repo = hub.repo();
    hub.gh(&["issue", "create", "-R", &repo, "--title", "It is slow", "--body", "very"]);
    let listed = hub.gh(&["issue", "list", "-R", &repo]);
    assert!(listed.contains("It is slow"), "{listed}");
    hub.gh(&["issue", "comment", "1", "-R", &repo, "--body", "I look"]);
    assert_eq!(hub.api.comments(1)[0].body, "I look");
    assert!(hub.gh(&["issue", "view", "1", "-R", &repo, "--comments"]).contains("I look"));

    hub.project.push_as("Ann", "fast", "make it fast", &[("fast.txt", "yes\n")]);
    let create = ["pr", "create", "-R", &repo, "--head", "fast", "--title", "Faster", "--body", "Closes #1"];
    hub.gh(&create);
    let listed = hub.gh(&["pr", "list", "-R", &repo]);
    assert!(listed.contains("Faster"), "{listed}");
    let seen = hub.gh(&["pr", "view", "2", "-R", &repo, "--json", "title,state,headRefName,mergeable"]);
    assert!(seen.contains("\"headRefName\":\"fast\"") && seen.contains("\"state\":\"OPEN\""), "{seen}");
    hub.gh(&["pr", "merge", "2", "-R", &repo, "--squash"]);
    assert!(hub.api.pull(2).merged && !hub.api.issue_state(1).open);
    assert_eq!(hub.project.log("main")[0], "make it fast (#2)");
    hub.github.assert_clean();
}

#[test]
fn git_clones_over_tls_with_the_authority_of_the_stand_in() {
    let Some(hub) = Hub::new() else { return };
    let url = hub.api.clone_url();
    let clone = |ca: &str| {
        let mut command = hub.world.command("git");
        command
            .args(["clone", "--quiet", &url, "copy"])
            .env("GIT_SSL_CAINFO", ca)
            .env("GIT_TERMINAL_PROMPT", "0");
        command.output().unwrap().status.success()
    };
    assert!(!clone("/dev/null"));
    assert!(clone(hub.github.ca_file().as_str()));
}
