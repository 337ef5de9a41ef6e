//! Keys of a machine, and of how much happens at once.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::{House, blockers};

/// What the agent server at a port says of itself to anybody.
fn health(port: u16) -> Value {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
pub(super) fn name_is_what_it_is_called_by() {
    let house = House::new();
    let number = house.add(&["Do it"]).to_string();
    let plan = |name| house.coord(["assign", name, "api", &number, "--dry-run"]);
    plan("here").success();
    plan("there").exits(4);
    house.reconfigure("name: here", "name: there");
    plan("here").exits(4);
    let number = house.script_in("api", "echo hello").to_string();
    let words = ["--json", "assign", "there", "api", &number, "--runtime", "script"];
    assert_eq!(house.coord(words).success().json()["data"]["run"]["machine"], "there");
    assert_eq!(health(house.port)["machine"], "there");
}

#[test]
pub(super) fn host_is_where_it_is_asked() {
    let house = House::new();
    house.run("echo hello");
    assert_eq!(house.machine()["state"], "online");
    house.says("", "host: 127.0.0.2", "");
    assert_eq!(house.machine()["state"], "offline");
}

#[test]
pub(super) fn port_is_where_it_listens_and_is_asked() {
    let house = House::new();
    house.run("echo hello");
    assert_eq!(house.machine()["state"], "online");
    let other = house.free_port();
    house.reconfigure(&format!("port: {}", house.port), &format!("port: {other}"));
    assert_eq!(house.machine()["state"], "offline");
    house.kill_server();
    house.run("echo hello");
    let machine = house.machine();
    assert_eq!(
        (&machine["state"], &machine["address"]),
        (&json!("online"), &json!(format!("127.0.0.1:{other}")))
    );
}

#[test]
pub(super) fn capabilities_are_told() {
    let house = House::new();
    for (said, told) in [("", json!([])), ("capabilities: [gtk]", json!(["gtk"]))] {
        house.says("", said, "");
        house.run("echo hello");
        assert_eq!(house.machine()["capabilities"], told);
        assert_eq!(health(house.port)["capabilities"], told);
    }
    let number = house.add(&["Draw it", "--label", "needs:gtk"]);
    assert_eq!(blockers(&house.plan(number)), "");
    house.says("", "capabilities: [gpu]", "");
    let said = blockers(&house.plan(number));
    assert!(said.contains("does not have `gtk`"), "{said}");
    let auto = house.coord(["assign", "auto", "api", &number.to_string()]).exits(5);
    assert!(auto.stderr.contains("does not have `gtk`"), "{}", auto.stderr);
}

#[test]
pub(super) fn repos_are_all_it_takes_tasks_of() {
    let house = House::new();
    let number = house.add(&["Do it"]);
    let auto = || house.coord(["assign", "auto", "api", &number.to_string(), "--dry-run"]);
    let serve = |repos: &str| {
        house.says("", &format!("repos: [{repos}]"), "");
        house.reconfigure("repos:\n- ", "repos:\n- {name: web}\n- ");
    };
    for all in ["", "api", "web, api"] {
        serve(all);
        assert_eq!(blockers(&house.plan(number)), "");
        auto().success();
    }
    serve("web");
    assert_eq!(blockers(&house.plan(number)), "machine `here` does not work on `api`");
    auto().exits(5);
}

#[test]
pub(super) fn repo_paths_lend_what_git_does_not_have() {
    let house = House::new();
    let api = &house.api;
    api.commit("what stays out of git", &[(".gitignore", "/.env\n"), (".worktreeinclude", "/.env\n")]);
    api.git(&api.clone, ["push", "--quiet"]);
    fs_err::write(api.clone.join(".env"), "KEY=1\n").unwrap();
    let look = "cat .env > ~/seen || rm ~/seen";
    house.run(look);
    assert_eq!(house.noted("seen"), None);
    house.says("", "repo_paths: {api: ~/src/api}", "");
    house.run(look);
    assert_eq!(house.noted("seen").as_deref(), Some("KEY=1\n"));
}

#[test]
pub(super) fn slots_are_how_many_work_at_once() {
    let house = House::new();
    house.busy("api");
    let number = house.add(&["Do it"]);
    house.says("", "slots: 2", "");
    assert_eq!(blockers(&house.plan(number)), "");
    house.says("", "slots: 1", "");
    assert_eq!(blockers(&house.plan(number)), "all 1 worker slots of machine `here` are taken");
    house.coord(["assign", "here", "api", &number.to_string(), "--no-queue"]).exits(5);
}

#[test]
pub(super) fn stagger_seconds_keep_starts_apart() {
    let house = House::new();
    house.run("echo hello");
    let number = house.add(&["Do it"]);
    assert_eq!(blockers(&house.plan(number)), "");
    house.says("", "", "concurrency: {stagger_seconds: 600}");
    let said = blockers(&house.plan(number));
    assert!(said.starts_with("another worker was started a moment ago"), "{said}");
    house.says("", "", "concurrency: {stagger_seconds: 0}");
    assert_eq!(blockers(&house.plan(number)), "");
}

#[test]
pub(super) fn max_workers_counts_where_there_are_no_slots() {
    let house = House::new();
    house.busy("api");
    let number = house.add(&["Do it"]);
    assert_eq!(blockers(&house.plan(number)), "");
    house.says("", "", "concurrency: {max_workers: 1}");
    assert_eq!(blockers(&house.plan(number)), "all 1 worker slots of machine `here` are taken");
    house.says("", "slots: 2", "concurrency: {max_workers: 1}");
    assert_eq!(blockers(&house.plan(number)), "");
}

#[test]
pub(super) fn token_file_is_what_it_is_asked_with() {
    let house = House::new();
    house.run("echo hello");
    let keep = |name: &str, token: &str| {
        let path = house.write(name, token);
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let files = [(keep("right", &house.token()), 0), (keep("wrong", &"0".repeat(64)), 7)];
    for (file, code) in files {
        house.says("", &format!("token_file: {file}"), "");
        let number = house.script_in("api", "echo hello").to_string();
        house.coord(["assign", "here", "api", &number, "--runtime", "script"]).exits(code);
    }
}

#[test]
fn an_edited_configuration_is_in_force_without_a_restart() {
    let house = House::new();
    house.agent("one");
    house.agent("two");
    let runs = |program: &str, slots: u32| {
        house.says("", &format!("slots: {slots}"), &format!("runtimes: {{claude: {{program: {program}}}}}"));
        house.call(program, &[]);
        assert_eq!(health(house.port)["slots"], slots);
        house.server_pid()
    };
    assert_eq!(runs("one", 3), runs("two", 4));
}
