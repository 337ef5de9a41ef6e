//! `coord doctor`: each thing that can be broken is seen, named and has a cure.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use coord_testkit::model::{Model, error, say};
use coord_testkit::world::World;
use serde_json::Value;

use crate::fleet::Fleet;

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_coord"))
}

/// The check of that subject.
fn check(world: &World, subject: &str) -> Value {
    let document = world.coord(["doctor", "--json"]).json();
    let checks = document["data"]["checks"].as_array().expect("a list of checks").clone();
    checks
        .into_iter()
        .find(|it| it["subject"] == subject)
        .unwrap_or_else(|| panic!("no check of {subject}: {document:#}"))
}

fn assert_check(world: &World, subject: &str, status: &str, seen: &str) -> Value {
    let check = check(world, subject);
    assert_eq!(check["status"], status, "{check}");
    assert!(check["seen"].as_str().expect("a text").contains(seen), "{check}");
    assert_eq!(check["cure"].is_string(), status != "ok", "{check}");
    check
}

/// A configuration that works but for what a test breaks, with an agent server's port that nobody has.
fn config(world: &World, repo: &str) -> String {
    let free = world.free_port();
    format!("repos:\n- {{{repo}}}\nmachines:\n- {{name: box, port: {free}}}\nruntime: script\n")
}

#[test]
fn a_machine_that_works_is_healthy_and_nothing_is_written() {
    let world = world();
    let repo = world.repo("api");
    world.config(&config(&world, &format!("name: api, origin: '{}', test_command: ./test.sh", repo.url())));
    let before = repo.fingerprint();
    let document = world.coord(["doctor", "--json"]).success().json();
    assert_eq!(document["data"]["healthy"], true, "{document:#}");
    assert_check(&world, "machine box", "ok", "not running");
    repo.fingerprint().assert_same_as(&before);
    assert!(!world.coord_home().exists());
}

#[test]
fn it_says_which_limits_are_enforced_and_leaves_no_cgroup() {
    let world = world();
    let repo = world.repo("api");
    world.config(&config(&world, &format!("name: api, origin: '{}', test_command: ./test.sh", repo.url())));
    let seen = check(&world, "containment on box")["seen"].as_str().unwrap().to_owned();
    for what in ["kept together by", "memory: ", "processes: ", "disk: advisory", "log: enforced"] {
        assert!(seen.contains(what), "no {what:?} in {seen}");
    }
    assert!(world.coord(["doctor"]).stdout.contains(&seen));
}

#[test]
fn without_a_configuration_it_says_so_and_fails() {
    let world = world();
    world.coord(["doctor"]).exits(1);
    let check = assert_check(&world, "configuration", "fail", "there is no coordinator.yml");
    assert!(check["cure"].as_str().unwrap().contains("coord init"), "{check}");
}

#[test]
fn each_way_in_which_an_origin_can_be_wrong_is_told() {
    let world = world();
    let repo = world.repo("api");
    world.config(&config(&world, "name: api, origin: file:///nowhere/api.git"));
    assert_check(&world, "repo api", "fail", "does not answer");
    world.config(&config(&world, &format!("name: api, default_branch: develop, origin: '{}'", repo.url())));
    assert_check(&world, "repo api", "fail", "has no branch develop; it has main");
    world.config(&config(&world, "name: api"));
    assert_check(&world, "repo api", "fail", "neither an `origin` nor a clone");
}

#[test]
fn something_else_on_the_port_is_no_agent_server() {
    let world = world();
    let repo = world.repo("api");
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut connection, _) = stranger.accept().unwrap();
        let mut request = [0; 1024];
        assert!(connection.read(&mut request).unwrap() > 0);
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi").unwrap();
    });
    world.config(&format!(
        "repos: [{{name: api, gates: [], origin: '{}'}}]\nmachines: [{{name: box, port: {port}}}]\nruntime: script\n",
        repo.url()
    ));
    assert_check(&world, "machine box", "fail", "is not a coord agent server");
    answering.join().unwrap();
}

#[test]
fn the_agent_server_of_another_home_is_not_taken_for_ours() {
    let mut fleet = Fleet::without_claude();
    let server = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    let other = fleet.dir().join("other");
    fleet.set("COORD_HOME", &other);
    let seen = format!("is not the one of {other}");
    let unmade = assert_check(&fleet, "machine here", "fail", &seen);
    assert!(unmade["cure"].as_str().unwrap().contains("another `port`"), "{unmade}");
    // A refused start makes a token, which is not that server's either.
    fleet.add(&["Add a word"]);
    fleet.coord(["assign", "here", "api", "1", "--runtime", "script"]).exits(7);
    assert_eq!(assert_check(&fleet, "machine here", "fail", &seen), unmade);
    server.terminate();
}

#[test]
fn a_machine_that_the_host_name_does_not_tell_is_this_one_once_its_agent_server_was_started() {
    let fleet = Fleet::without_claude();
    fleet.reconfigure("machines:\n", "machines:\n  - {name: other, host: 127.0.0.1, port: 9}\n");
    assert_check(&fleet, "this machine", "warn", "none of other, here");
    let silent = assert_check(&fleet, "machine here", "fail", "no answer");
    assert_eq!(silent["cure"], "coord agent --machine here", "{silent}");
    let server = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    assert_check(&fleet, "machine here", "ok", "workers busy");
    server.terminate();
    server.wait().success();
    assert_check(&fleet, "machine here", "ok", "started");
}

#[test]
fn a_machine_elsewhere_must_answer() {
    let world = world();
    world.config("repos: [{name: api}]\nmachines: [{name: box}, {name: far, host: 127.0.0.2, port: 9}]\n");
    let check = assert_check(&world, "machine far", "fail", "no answer");
    assert!(check["cure"].as_str().unwrap().contains("coord agent --machine far"), "{check}");
}

#[test]
fn what_the_predecessor_left_is_recognised_and_untouched() {
    let world = world();
    let board = world.write("home/.coord/board.json", "{}");
    assert_check(&world, "predecessor", "ok", "board.json");
    assert_eq!(fs_err::read_to_string(board).unwrap(), "{}");
}

#[test]
fn a_home_that_others_may_look_into_is_closed_when_asked_to() {
    let world = world();
    world.write("home/.coord/something", "");
    let mode =
        |mode| fs_err::set_permissions(world.coord_home(), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o755);
    let warned = assert_check(&world, "COORD_HOME", "warn", "mode 755");
    assert_eq!(warned["cure"], "coord doctor --fix");
    let repaired = world.coord(["doctor", "--fix", "--json"]).json()["data"]["repaired"].clone();
    assert!(repaired[0].as_str().unwrap().contains("mode 700"), "{repaired}");
    assert_check(&world, "COORD_HOME", "ok", ".coord");
    assert_eq!(world.coord(["doctor", "--fix", "--json"]).json()["data"]["repaired"], serde_json::json!([]));
}

#[test]
fn the_account_is_the_one_that_workers_would_be_billed_as() {
    let Some(claude) = coord_testkit::need::claude() else { return };
    let mut world = world();
    world.install("claude", &claude);
    world.set("ANTHROPIC_API_KEY", "sk-ant-dummy");
    let base = config(&world, "name: api").replace("runtime: script\n", "");
    world.config(&base);
    let check =
        assert_check(&world, "claude account", "fail", "ANTHROPIC_API_KEY is set but workers do not see it");
    assert!(!check.to_string().contains("sk-ant-dummy"), "{check}");
    world.config(&format!("{base}runtimes: {{claude: {{pass_env: [ANTHROPIC_API_KEY]}}}}\n"));
    assert_check(&world, "claude account", "ok", "an API key (ANTHROPIC_API_KEY)");
}

#[test]
fn bypassed_permissions_are_warned_of() {
    let Some(claude) = coord_testkit::need::claude() else { return };
    let world = world();
    world.install("claude", &claude);
    world.config("repos: [{name: api}]\nruntimes: {claude: {permission_mode: bypassPermissions}}\n");
    assert_check(&world, "permissions", "warn", "without a sandbox");
}

#[test]
fn a_probe_is_one_turn_of_a_worker_and_tells_what_came_of_it() {
    let Some(claude) = coord_testkit::need::claude() else { return };
    let mut world = world();
    world.install("claude", &claude);
    let model = Model::start();
    let names = model.environment().map(|(name, value)| {
        world.set(name, value);
        name
    });
    let pass = |url: &str| {
        format!("runtimes: {{claude: {{pass_env: [{}, ANTHROPIC_BASE_URL, {url}]}}}}\n", names.join(", "))
    };
    world.config(&format!("repos: [{{name: api}}]\n{}", pass("CLAUDE_CODE_MAX_RETRIES")));
    world.set("CLAUDE_CODE_MAX_RETRIES", "1");
    let probe = |world: &World| {
        let document = world.coord(["doctor", "--probe", "--json"]).json();
        let checks = document["data"]["checks"].as_array().unwrap().clone();
        checks
            .into_iter()
            .find(|it| it["subject"] == "probe")
            .unwrap_or_else(|| panic!("no probe: {document:#}"))
    };
    world.set("ANTHROPIC_BASE_URL", model.scenario("good", [say("ok")]));
    let good = probe(&world);
    assert_eq!(good["status"], "ok", "{good}");
    assert!(good["seen"].as_str().unwrap().contains("answered, for $"), "{good}");
    world.set("ANTHROPIC_BASE_URL", model.scenario("bad", [error(401, "invalid x-api-key").forever()]));
    let bad = probe(&world);
    let cure = "set a valid ANTHROPIC_API_KEY in the environment of this shell, which would start the agent server, \
                or take it out of runtimes.claude.pass_env";
    assert_eq!((bad["status"].as_str(), bad["cure"].as_str()), (Some("fail"), Some(cure)), "{bad}");
}
