//! Who speaks to GitHub: each kind of credential takes an issue to its end, and what is open to others is not used.

use std::os::unix::fs::PermissionsExt as _;

use coord_testkit::github::{Access, GitHub};
use coord_testkit::need;

use super::OnGitHub;
use crate::refusals::refused;

impl OnGitHub {
    /// No variable says who speaks, and the configuration has this to say of it (flow YAML).
    fn configured(github: &str) -> Self {
        let mut world = Self::with_scripts();
        world.set("GITHUB_TOKEN", "");
        world.speaks(github);
        world
    }

    fn speaks(&self, github: &str) {
        self.reconfigure("runtime: script\n", &format!("runtime: script\ngithub: {github}\n"));
    }

    /// A file that holds a secret, of a mode.
    fn secret(&self, name: &str, text: &str, mode: u32) {
        let path = self.write(name, text);
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// An issue is taken from open to merged; the pull request.
    #[track_caller]
    fn all_the_way(&self) -> u64 {
        let (number, pull) = self.open("sea", "tide");
        let id = number.to_string();
        assert_eq!(self.document(&["test", &id])["data"]["gate"]["state"], "passed");
        assert_eq!(self.merge(&[&id], 0)["merged"][0]["pull_request"], pull);
        assert!(self.repo.pull(pull).merged && !self.repo.issue_state(number).open);
        assert_eq!(self.said(number), ["briefing", "completion"]);
        pull
    }
}

#[test]
fn a_token_in_a_file_is_used_when_the_file_is_its_owners_alone() {
    let world = OnGitHub::configured("{token_file: hidden/token}");
    let number = world.simple("Do it").to_string();
    let token = world.github.user("octo").token();
    let assign = ["assign", "auto", "api", &number];
    refused(&world, &assign, 7, "unauthorised", "hidden/token");
    world.secret("hidden/token", &format!("{token}\n"), 0o644);
    let hints =
        refused(&world, &assign, 7, "unauthorised", &format!("chmod 600 {}/hidden/token", world.dir()));
    assert!(!hints.join("\n").contains(&token));
    assert_eq!(world.github.requests().iter().filter(|it| it.by == "octo").count(), 0);
    world.secret("hidden/token", &format!("{token}\n"), 0o600);
    let pull = world.all_the_way();
    assert_eq!(world.repo.pull(pull).author, "octo");
}

#[test]
fn the_token_that_gh_holds_is_used_where_nobody_names_another() {
    let mut world = OnGitHub::with_scripts();
    if !world.command("gh").arg("--version").output().is_ok_and(|it| it.status.success()) {
        return need::not_run("gh is not installed");
    }
    world.set("GITHUB_TOKEN", "");
    let number = world.simple("Do it").to_string();
    let assign = ["assign", "auto", "api", &number];
    let host = world.github.url().trim_start_matches("http://").to_owned();
    refused(&world, &assign, 7, "unauthorised", &format!("`gh auth login --hostname {host}` gives it one"));
    let token = world.github.user("octo").token();
    let hosts = format!("\"{host}\":\n    user: octo\n    oauth_token: {token}\n    git_protocol: https\n");
    world.secret("home/.config/gh/hosts.yml", &hosts, 0o600);
    world.all_the_way();
}

#[test]
fn an_installed_app_speaks_and_git_stays_the_developers() {
    let world = OnGitHub::configured("{app: {id: 1, key_file: app.pem, installation: 1}}");
    let number = world.simple("Do it").to_string();
    let assign = ["assign", "auto", "api", &number];
    let app = world.github.app("coord-bot");
    let writes = ["issues", "pull_requests", "statuses"].map(|it| (it, Access::Write));
    let reads = ["contents", "checks", "administration"].map(|it| (it, Access::Read));
    let installation = app.install("acme", Some(&["acme/api"]), &[writes, reads].concat());
    world.secret("app.pem", app.private_key(), 0o640);
    refused(&world, &assign, 7, "unauthorised", &format!("chmod 600 {}/app.pem", world.dir()));
    world.secret("app.pem", app.private_key(), 0o600);
    world.coord(assign).exits(7);
    world.reconfigure("id: 1, ", &format!("id: {}, ", app.id()));
    world.coord(assign).exits(4);
    world.reconfigure("installation: 1}", &format!("installation: {installation}}}"));
    let pull = world.all_the_way();
    let shown = world.repo.pull(pull);
    assert_eq!((shown.author.as_str(), shown.merged_by.as_deref()), ("coord-bot[bot]", Some("octo")));
    let said = world.repo.comments(pull - 1);
    assert!(said.iter().all(|it| it.author == "coord-bot[bot]"), "{said:#?}");
    let pushes = world.github.requests();
    let pushes: Vec<_> = pushes.iter().filter(|it| it.path.ends_with("/git-receive-pack")).collect();
    assert!(!pushes.is_empty() && pushes.iter().all(|it| it.by == "octo"), "{pushes:#?}");
    // Whoever is assigned is somebody else to an App.
    let next = world.simple("Next");
    world.repo.assign(next, "octo");
    assert_eq!(world.blockers(next), ["octo is assigned to it"]);
}

#[test]
fn github_is_spoken_to_over_tls_when_its_authority_is_trusted() {
    let mut world = OnGitHub::with_scripts_at(GitHub::tls());
    let number = world.simple("Do it").to_string();
    let ca = world.github.ca_file().to_owned();
    world.set("SSL_CERT_FILE", "/dev/null");
    let failed = world.coord(["assign", "auto", "api", &number]);
    assert!([2, 6].contains(&failed.status.code().unwrap()), "{failed:?}");
    assert!(failed.stderr.contains("certificate"), "{}", failed.stderr);
    assert_eq!(world.github.requests().len(), 0);
    world.set("SSL_CERT_FILE", ca.as_str());
    world.all_the_way();
}
