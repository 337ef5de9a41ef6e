//! `coord init`: what it finds, what it asks for, what it leaves alone.

use std::fs::File;
use std::io::Write as _;

use coord_testkit::world::World;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_coord"))
}

fn written(world: &World) -> String {
    fs_err::read_to_string(world.dir().join("coordinator.yml")).expect("it was written")
}

/// A repository without an origin.
fn lone(world: &World, name: &str) -> camino::Utf8PathBuf {
    let path = world.home().join("src").join(name);
    let git = |arguments: &[&str]| {
        let mut command = world.command("git");
        command.args(arguments).current_dir(&path);
        coord_testkit::world::Running::start(command).wait().success();
    };
    fs_err::create_dir_all(&path).expect("a free place");
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "first"]);
    path
}

#[test]
fn the_repos_under_src_are_taken_in_and_only_read() {
    let world = world();
    let (api, web) = (world.repo("api"), world.repo_on("web", "develop"));
    let before = [api.fingerprint(), web.fingerprint()];
    let document = world.coord(["init", "--yes", "--machine", "box", "--json"]).success().json();
    assert_eq!(document["data"]["config"]["repos"], serde_json::json!(["api", "web"]));
    api.fingerprint().assert_same_as(&before[0]);
    web.fingerprint().assert_same_as(&before[1]);
    let shown = world.coord(["config", "--json"]).success().json()["data"]["config"].clone();
    assert_eq!(shown["repos"][1]["default_branch"], "develop");
    assert_eq!(shown["repos"][0]["test_command"], "./test.sh");
    assert_eq!(shown["repos"][0]["gates"], serde_json::json!(["tests"]));
    assert_eq!(shown["machines"][0]["name"], "box");
    assert_eq!(shown["machines"][0]["repo_paths"]["web"], web.clone.as_str());
    assert_eq!(shown["here"], "box");
}

/// Somebody at a terminal answers `coord init`, a line for each question; whether it went well, and what was asked.
fn answer(world: &World, answers: &[&str]) -> (bool, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let side = || open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let asked = File::from(terminal);
    let mut typed = asked.try_clone().unwrap();
    typed.write_all(format!("{}\n", answers.join("\n")).as_bytes()).unwrap();
    let mut command = world.command(env!("CARGO_BIN_EXE_coord"));
    command.arg("init").current_dir(world.dir()).stdin(side()).stderr(side());
    let held = side();
    let status = command.status().unwrap();
    drop((command, held));
    // A terminal that nobody has open any more ends with an error, not with nothing.
    let text = std::io::BufRead::lines(std::io::BufReader::new(asked)).map_while(Result::ok);
    (status.success(), text.collect::<Vec<_>>().join("\n"))
}

#[test]
fn an_answer_that_cannot_be_is_asked_for_again() {
    let world = world();
    drop((world.repo("api"), world.repo("web")));
    let api = ["no such branch", "main", "", "", "", "", "web nix", ""];
    let web = ["", "", "", "", "", "api"];
    let answers: Vec<_> = ["", "", "a box", "box", "-"].into_iter().chain(api).chain(web).collect();
    let (done, asked) = answer(&world, &answers);
    assert!(done, "{asked}");
    assert!(asked.contains("`nix` is none of those there are: web"), "{asked}");
    let shown = world.coord(["config", "--json"]).success().json()["data"]["config"].clone();
    assert_eq!(shown["machines"][0]["name"], "box", "{asked}");
    assert_eq!(shown["repos"][0]["default_branch"], "main", "{asked}");
    assert_eq!(shown["repos"][0]["depends_on"], serde_json::json!([]), "{asked}");
    assert_eq!(shown["repos"][1]["depends_on"], serde_json::json!(["api"]), "{asked}");
}

#[test]
fn what_builds_on_what_can_be_said_beforehand() {
    let world = world();
    drop((world.repo("api"), world.repo("web")));
    let refused = world.coord(["init", "--yes", "--depends-on", "web=nix"]).exits(2);
    assert!(refused.stderr.contains("`nix` is not taken in (but api, web)"), "{}", refused.stderr);
    world.coord(["init", "--yes", "--depends-on", "web=api"]).success();
    let shown = world.coord(["config", "--json"]).success().json()["data"]["config"].clone();
    assert_eq!(shown["repos"][1]["depends_on"], serde_json::json!(["api"]));
}

#[test]
fn nothing_is_asked_of_nobody_and_no_file_is_replaced_unasked() {
    let world = world();
    drop(world.repo("api"));
    let refused = world.coord(["init"]).exits(2);
    assert!(refused.stderr.contains("coord init --yes"), "{}", refused.stderr);
    world.coord(["init", "--yes", "--machine", "first"]).success();
    let first = written(&world);
    world.coord(["init", "--yes", "--machine", "second"]).exits(5);
    assert_eq!(written(&world), first);
    world.coord(["init", "--yes", "--machine", "second", "--force"]).success();
    assert!(written(&world).contains("second"));
    let kept = fs_err::read_to_string(world.dir().join("coordinator.yml.before-coord")).unwrap();
    assert_eq!(kept, first);
}

#[test]
fn what_cannot_be_worked_on_is_refused_and_the_printed_cures_lead_out() {
    let world = world();
    let path = world.home().join("src/new");
    fs_err::create_dir_all(&path).unwrap();
    // Not a repository, then one without a commit, then one without an origin.
    for _ in 0..3 {
        let refused = world.coord(["init", "--yes", "--repo", path.as_str(), "--json"]).exits(2).json();
        assert_eq!(refused["error"]["kind"], "repo-unusable");
        let hint = refused["error"]["hints"][0].as_str().unwrap();
        let cure = hint.split('`').nth(1).unwrap();
        let mut shell = world.command("sh");
        shell.args(["-c", &cure.replace("coord ", concat!(env!("CARGO_BIN_EXE_coord"), " "))]);
        coord_testkit::world::Running::start(shell).wait().success();
    }
    assert!(written(&world).contains("name: new"));
}

#[test]
fn a_repo_without_origin_gets_one_only_when_asked_to() {
    let world = world();
    let path = lone(&world, "solo");
    world.coord(["init", "--yes"]).exits(2);
    assert!(!fs_err::read_to_string(path.join(".git/config")).unwrap().contains("remote"));
    world.coord(["init", "--yes", "--create-origin", "--no-tests"]).success();
    let bare = world.coord_home().join("origins/solo.git");
    let text = written(&world);
    assert!(text.contains(&format!("origin: {bare}")), "{text}");
    assert!(text.contains("gates: []"), "{text}");
    let mut head = world.command("git");
    head.args(["rev-parse", "--verify", "refs/heads/main"]).current_dir(&bare);
    coord_testkit::world::Running::start(head).wait().success();
}

#[test]
fn the_file_stays_out_of_git_and_ignored_settings_are_pointed_out() {
    let world = world();
    let repo = world.repo("api");
    repo.commit("ignore", &[(".gitignore", ".env\n")]);
    fs_err::write(repo.clone.join(".env"), "KEY=1\n").unwrap();
    let mut command = world.command(env!("CARGO_BIN_EXE_coord"));
    command.args(["init", "--yes"]).current_dir(&repo.clone);
    let finished = coord_testkit::world::Running::start(command).wait().success();
    assert!(finished.stdout.contains(".worktreeinclude"), "{}", finished.stdout);
    assert!(repo.clone.join("coordinator.yml").is_file());
    assert_eq!(repo.git(&repo.clone, ["status", "--porcelain"]), "");
}

#[test]
fn a_predecessors_file_is_converted_kept_and_nothing_is_dropped_in_silence() {
    let world = world();
    let repo = world.repo("api");
    let old = format!(
        "repos:\n- name: api\n  github: team/api\n  test_command: ./test.sh\n  housekeeping: [make]\n- name: lib\n  github: team/lib\n  depends_on: [api]\n\
         machines:\n- name: box\n  host: 127.0.0.1\n  repos: [api, lib]\n  repo_paths: {{api: {}}}\n\
         concurrency: {{max_workers: 4, stagger_seconds: 30}}\nreviews: {{enabled: true}}\n",
        repo.clone
    );
    world.config(&old);
    let (before, refused) = (repo.fingerprint(), world.coord(["config"]).exits(2));
    assert!(refused.stderr.contains("coord init --yes"), "{}", refused.stderr);
    let document = world.coord(["init", "--yes", "--json"]).success().json();
    let dropped: Vec<_> =
        document["data"]["config"]["dropped"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(dropped, ["repos.api.housekeeping", "reviews"]);
    let kept = fs_err::read_to_string(world.dir().join("coordinator.yml.before-coord")).unwrap();
    assert_eq!(kept, old);
    let shown = world.coord(["config", "--json"]).success().json()["data"]["config"].clone();
    assert_eq!(shown["repos"][0]["origin"], repo.url(), "the clone says it");
    assert_eq!(shown["repos"][1]["origin"], "https://github.com/team/lib.git");
    assert_eq!(shown["repos"][1]["depends_on"], serde_json::json!(["api"]));
    assert_eq!(shown["repos"][0]["github"], "team/api");
    assert_eq!(shown["repos"][0]["forge"], "github");
    assert_eq!(shown["machines"][0]["slots"], 4);
    assert_eq!(shown["concurrency"]["stagger_seconds"], 30);
    repo.fingerprint().assert_same_as(&before);
}

#[test]
fn a_file_of_ours_that_names_github_is_not_taken_for_a_predecessors() {
    let world = world();
    drop(world.repo("api"));
    let ours = "repos: [{name: api, github: team/api, test_comand: ./test.sh}]\n";
    world.config(ours);
    world.coord(["init", "--yes"]).exits(2);
    assert_eq!(written(&world), ours);
    world.coord(["init", "--yes", "--force"]).success();
    assert!(written(&world).contains("repo_paths"), "it is written anew, from what is found");
}

/// A world whose repo `api` is on GitHub, and in which `gh` holds nothing.
fn on_github(origin: &str) -> World {
    let world = world();
    let repo = world.repo("api");
    repo.git(&repo.clone, ["remote", "set-url", "origin", origin]);
    let gh = world.write("bin/gh", "#!/bin/sh\nexit 1\n");
    fs_err::set_permissions(gh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world
}

/// What is in force for the repo `api`: its repository on GitHub, and its forge.
fn forge(world: &World) -> [String; 2] {
    let shown = world.coord(["config", "--json"]).success().json()["data"]["config"]["repos"][0].clone();
    ["github", "forge"].map(|it| shown[it].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_repo_on_github_has_its_tasks_there_once_somebody_can_speak_to_it() {
    let mut world = on_github("git@github.com:acme/api.git");
    let said = world.coord(["init", "--yes"]).success().stdout;
    assert_eq!(forge(&world), ["acme/api", "local"]);
    assert!(
        said.contains("GITHUB_TOKEN is not set") && said.contains("remove the line `forge: local`"),
        "{said}"
    );
    let text = written(&world);
    fs_err::write(world.dir().join("coordinator.yml"), text.replace("    forge: local\n", "")).unwrap();
    assert_eq!(forge(&world), ["acme/api", "github"], "that line is all there is to it");

    world.set("GITHUB_TOKEN", "ghp_dummy");
    let said = world.coord(["init", "--yes", "--force"]).success().stdout;
    assert_eq!(forge(&world), ["acme/api", "github"]);
    assert!(!said.contains("forge: local") && !written(&world).contains("ghp_dummy"), "{said}");
    world.coord(["init", "--yes", "--force", "--local"]).success();
    assert_eq!(forge(&world), ["acme/api", "local"]);
}

#[test]
fn where_the_tasks_of_a_repo_on_github_are_is_asked_like_the_rest() {
    let mut world = on_github("https://github.com/acme/api.git");
    world.set("GITHUB_TOKEN", "ghp_dummy");
    let (done, asked) = answer(&world, &["", "", "-", "", "", "", "", "", "n"]);
    assert!(done, "{asked}");
    assert!(asked.contains("api: are its issues and pull requests on GitHub, in acme/api? [Y/n]"), "{asked}");
    assert_eq!(forge(&world), ["acme/api", "local"]);
}

#[test]
fn a_github_enterprise_is_known_by_its_api_and_stays_known() {
    let mut world = on_github("ssh://git@ghe.example.org/acme/api");
    let api = "https://ghe.example.org/api/v3";
    world.coord(["init", "--yes"]).success();
    assert_eq!(forge(&world), ["", "local"], "nothing says that this is one");
    world.set("GITHUB_API_URL", api);
    world.set("GITHUB_TOKEN", "ghp_dummy");
    world.coord(["init", "--yes", "--force"]).success();
    world.set("GITHUB_API_URL", "");
    assert_eq!(forge(&world), ["acme/api", "github"]);
    let shown = world.coord(["config", "--json"]).success().json();
    assert_eq!(shown["data"]["config"]["github"]["api_url"], api);
}
