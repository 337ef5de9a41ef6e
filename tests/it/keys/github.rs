//! Keys that matter where a repo is on GitHub.

use std::os::unix::fs::PermissionsExt as _;

use coord_testkit::github::{Access, Association, Conclusion, Permission, Protection, Review, Status};

use super::{House, blockers};
use crate::fleet::text;
use crate::github::OnGitHub;

/// Has git go to this origin whenever it is asked for that URL.
fn redirect(house: &House, url: &str, origin: &str) {
    let path = house.dir().join("gitconfig");
    let text = fs_err::read_to_string(&path).unwrap();
    fs_err::write(path, format!("{text}[url \"{origin}\"]\n\tinsteadOf = {url}\n")).unwrap();
}

/// Configures the repo as one that is on GitHub, whose tasks are on the board.
fn local(house: &House, github: &str, more: &str) {
    house.config(&format!(
        "repos:\n- {{name: api, forge: local, {github}}}\nmachines:\n- {{name: here, port: {}}}\n{more}\n",
        house.port
    ));
}

#[test]
pub(super) fn github_is_where_commits_come_from_that_no_clone_has() {
    let house = House::new();
    redirect(&house, "https://github.com/team/api.git", &house.api.url());
    local(&house, "", "");
    let number = house.add(&["Do it"]).to_string();
    house.coord(["assign", "here", "api", &number]).exits(2);
    local(&house, "github: team/api", "");
    let before = house.api.refs();
    house.change();
    assert_ne!(house.api.refs(), before);
}

#[test]
pub(super) fn api_url_says_which_github_it_is() {
    let house = House::new();
    redirect(&house, "https://ghe.example.org/team/api.git", &house.api.url());
    local(&house, "github: team/api", "github: {api_url: 'https://ghe.example.org/api/v3'}");
    let before = house.api.refs();
    house.change();
    assert_ne!(house.api.refs(), before);
}

/// Configures the repo on GitHub with these keys on top, and the whole with those at the end.
fn says(world: &OnGitHub, api: &str, more: &str) {
    world.configure(&api.split_inclusive('\n').map(|it| format!("    {it}")).collect::<String>());
    world.reconfigure("runtime: script\n", &format!("{more}\nruntime: script\n"));
}

/// A change that is proposed; its task, and the head of its pull request.
fn proposed(world: &OnGitHub) -> (String, String) {
    let (number, pull) = world.open("sea", "tide");
    (number.to_string(), world.repo.pull(pull).head_sha)
}

/// Why a task would not be merged now; empty when it would.
fn held(world: &OnGitHub, task: &str) -> String {
    let planned = world.document(&["merge", task, "--dry-run"])["data"].clone();
    planned["parked"][0]["reason"].as_str().unwrap_or_default().to_owned()
}

/// A world whose rules of `main` the account may not read.
fn unreadable() -> OnGitHub {
    let world = OnGitHub::with_scripts();
    world.repo.protect("main", Protection::default());
    says(&world, "gates: []\n", "");
    world
}

#[test]
pub(super) fn protection_is_what_holds_where_rules_cannot_be_read() {
    let world = unreadable();
    let (task, head) = proposed(&world);
    assert!(held(&world, &task).contains("cannot be read"), "nobody says what main asks for");
    says(&world, "gates: []\nprotection: {}\n", "");
    assert_eq!(held(&world, &task), "");
    says(&world, "gates: []\nprotection: {checks: [ci]}\n", "");
    assert!(held(&world, &task).contains("required check `ci` has not been reported"));
    world.repo.check_run(&head, "ci", Status::Completed(Conclusion::Success));
    assert_eq!(held(&world, &task), "");
    says(&world, "gates: []\nprotection: {approvals: 2}\n", "");
    assert!(held(&world, &task).contains("it needs 2 approvals and has 0"));
}

#[test]
pub(super) fn strict_protection_has_a_change_brought_up_to_date() {
    let world = OnGitHub::with_scripts();
    let strict = Protection { required_checks: vec!["ci".to_owned()], strict: true, ..Protection::default() };
    world.repo.protect("main", strict);
    says(&world, "gates: []\nprotection: {checks: [ci]}\n", "");
    let (task, head) = proposed(&world);
    world.repo.check_run(&head, "ci", Status::Completed(Conclusion::Success));
    world.api.push_as("Ann", "main", "meanwhile", &[("notes.txt", "hm\n")]);
    let reason = |world: &OnGitHub| text(&world.merge(&[&task], 5)["parked"][0]["reason"]);
    assert!(reason(&world).contains("GitHub does not merge it"));
    says(&world, "gates: []\nprotection: {checks: [ci], strict: true}\n", "");
    assert!(reason(&world).contains("brought up to date"));
}

#[test]
pub(super) fn pull_request_only_has_github_merge_without_trying_a_push() {
    let world = OnGitHub::with_scripts();
    world.repo.protect("main", Protection { approvals: 1, ..Protection::default() });
    for (said, pushes) in [("protection: {}", 1), ("protection: {pull_request_only: true}", 0)] {
        says(&world, &format!("gates: []\n{said}\n"), "");
        let list = format!("list-{pushes}");
        let (number, pull) = world.open(&list, &list);
        world.repo.review_as("ann", pull, Review::Approve);
        let tried = || {
            let requests = world.github.requests();
            requests.iter().filter(|it| it.method == "POST" && it.path.ends_with("/git-receive-pack")).count()
        };
        let before = tried();
        world.merge(&[&number.to_string(), "--method", "squash"], 0);
        assert_eq!(tried() - before, pushes, "{said}");
    }
}

#[test]
pub(super) fn may_skip_lets_a_required_check_be_skipped() {
    let world = unreadable();
    let said = "gates: []\nprotection: {checks: [lint]}\n";
    says(&world, said, "");
    let (task, head) = proposed(&world);
    world.repo.check_run(&head, "lint", Status::Completed(Conclusion::Skipped));
    assert!(held(&world, &task).contains("it has looked at nothing"));
    says(&world, &format!("{said}may_skip: [lint]\n"), "");
    assert_eq!(held(&world, &task), "");
}

#[test]
fn checks_and_an_approval_are_gates_of_a_repo_on_github() {
    let world = OnGitHub::with_scripts();
    world.repo.collaborator("octo", Permission::Admin);
    says(&world, "gates: []\n", "");
    let (task, head) = proposed(&world);
    assert_eq!(held(&world, &task), "");
    says(&world, "gates: [checks]\n", "");
    assert!(held(&world, &task).contains("no check has been reported"));
    world.repo.check_run(&head, "any", Status::Completed(Conclusion::Success));
    assert_eq!(held(&world, &task), "");
    says(&world, "gates: [approval]\n", "");
    assert!(held(&world, &task).contains("it needs 1 approval and has 0"));
}

#[test]
pub(super) fn trusted_says_whose_issues_may_become_work() {
    let world = OnGitHub::with_scripts();
    let [stranger, member] = [("eve", Association::None), ("ann", Association::Member)]
        .map(|(login, association)| world.repo.issue("Do it").by(login, association).open().to_string());
    let plan = |number: &str| {
        blockers(&world.document(&["assign", "here", "api", number, "--dry-run"])["data"]["run"])
    };
    says(&world, "", "");
    assert!(plan(&stranger).contains("eve") && plan(&member).is_empty());
    says(&world, "", "issues: {trusted: [NONE]}");
    assert!(plan(&stranger).is_empty() && plan(&member).contains("ann"));
}

/// The titles of the tasks that there are.
fn tasks(world: &OnGitHub) -> Vec<String> {
    let listed = world.document(&["task", "list"])["data"]["tasks"].clone();
    listed.as_array().unwrap().iter().map(|it| text(&it["title"])).collect()
}

/// How a command ends that has to read an issue.
fn reads(world: &OnGitHub, number: u64) -> Option<i32> {
    world.coord(["assign", "here", "api", &number.to_string(), "--dry-run"]).status.code()
}

/// Writes a file that only its owner may read.
fn keep(world: &OnGitHub, name: &str, secret: &str) -> camino::Utf8PathBuf {
    let path = world.write(name, secret);
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn a_repo_on_github_has_its_tasks_there_and_says_local_where_it_has_not() {
    let world = OnGitHub::with_scripts();
    world.scripted("Add sea", "true");
    let other = world.repo("other");
    let elsewhere = world.github.repo("acme/other", &other.origin);
    elsewhere.collaborator("octo", Permission::Write);
    elsewhere.issue("Elsewhere").by("ann", Association::Member).open();
    assert_eq!(tasks(&world), ["Add sea"]);
    world.reconfigure("github: acme/api", "github: acme/api\n    forge: local");
    fs_err::remove_dir_all(world.coord_home()).unwrap();
    assert_eq!(tasks(&world), Vec::<String>::new());
    world.reconfigure("github: acme/api\n    forge: local", "github: acme/other");
    assert_eq!(tasks(&world), ["Elsewhere"]);
}

#[test]
pub(super) fn token_file_is_whose_token_speaks() {
    let mut world = OnGitHub::with_scripts();
    let number = world.scripted("Add sea", "true");
    world.set("GITHUB_TOKEN", "");
    let right = keep(&world, "right", &world.github.user("octo").token());
    let wrong = keep(&world, "wrong", &"0".repeat(40));
    for (file, code) in [(right, 0), (wrong, 7)] {
        says(&world, "", &format!("github: {{token_file: {file}}}"));
        assert_eq!(reads(&world, number), Some(code), "{file}");
    }
}

#[test]
pub(super) fn an_app_speaks_with_its_own_key_for_its_own_installation() {
    let mut world = OnGitHub::with_scripts();
    let number = world.scripted("Add sea", "true");
    // An App comes before every other credential.
    world.set("GITHUB_TOKEN", "0".repeat(40));
    let [app, other] = ["fleet", "stranger"].map(|it| world.github.app(it));
    let may = [("issues", Access::Write), ("pull_requests", Access::Write), ("contents", Access::Read)];
    let installation = app.install("acme", Some(&["acme/api"]), &may);
    let key = keep(&world, "key.pem", app.private_key());
    let wrong = keep(&world, "wrong.pem", other.private_key());
    let speak = |id: u64, key: &str, installation: u64| {
        says(
            &world,
            "",
            &format!("github: {{app: {{id: {id}, key_file: {key}, installation: {installation}}}}}"),
        );
        reads(&world, number).unwrap()
    };
    assert_eq!(speak(app.id(), key.as_str(), installation), 0);
    assert_ne!(speak(other.id(), key.as_str(), installation), 0);
    assert_ne!(speak(app.id(), wrong.as_str(), installation), 0);
    assert_ne!(speak(app.id(), key.as_str(), installation + 1000), 0);
}
