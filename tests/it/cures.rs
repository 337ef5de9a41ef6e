//! Every error kind names a command, and that command, run as it stands, is a step out.

use coord_testkit::world::{Finished, Running, World};

use crate::fleet::Fleet;
use crate::refusals::{SECRET, cures, script, scripted, told_to_a_program};

/// Runs a cure as somebody would who copies it into a shell. A server goes on running.
#[track_caller]
pub(crate) fn take(world: &World, cure: &str) -> Result<Finished, Running> {
    let mut shell = world.command("sh");
    shell.args(["-c", &format!("exec {cure}")]);
    let running = Running::start(shell);
    if !cure.starts_with("coord agent ") {
        return Ok(running.wait());
    }
    // It goes on for as long as nobody ends it; that it listens is the step out.
    coord_testkit::poll::wait_for("an agent server", coord_testkit::poll::PATIENCE, || {
        if running.stderr().contains(" on http://") { Ok(()) } else { Err(running.stderr()) }
    });
    Err(running)
}

/// One kind of error: how to run into it, and whether its cures make the command work.
struct Case {
    kind: &'static str,
    code: i32,
    provoke: fn(&mut Fleet) -> Vec<String>,
    cured: bool,
}

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|it| (*it).to_owned()).collect()
}

const CASES: [Case; 13] = [
    Case {
        kind: "failed",
        code: 1,
        provoke: |fleet| {
            let number = script(fleet, "exit 3");
            let run = fleet.assign(number.parse().unwrap());
            words(&["wait", &run])
        },
        cured: false,
    },
    Case { kind: "usage", code: 2, provoke: |_| words(&["task", "add", "api", " "]), cured: false },
    Case {
        kind: "config-missing",
        code: 2,
        provoke: |fleet| {
            fs_err::remove_file(fleet.dir().join("coordinator.yml")).unwrap();
            words(&["status"])
        },
        cured: true,
    },
    Case {
        kind: "config-invalid",
        code: 2,
        provoke: |fleet| {
            fleet.reconfigure("test_command", "test_comand");
            words(&["status"])
        },
        cured: false,
    },
    Case {
        kind: "ambiguous",
        code: 2,
        provoke: |fleet| words(&["why", &shared_prefix(fleet)]),
        cured: false,
    },
    Case {
        kind: "repo-unusable",
        code: 2,
        provoke: |fleet| {
            let clone = fleet.api.clone.clone();
            fleet.api.git(&clone, ["remote", "remove", "origin"]);
            let number = script(fleet, "true");
            words(&["assign", "auto", "api", &number])
        },
        cured: false,
    },
    Case {
        kind: "runtime-unusable",
        code: 2,
        provoke: |fleet| {
            without_claude_in_path(fleet);
            let number = script(fleet, "true");
            words(&["assign", "auto", "api", &number, "--runtime", "claude"])
        },
        cured: false,
    },
    Case {
        kind: "timed-out",
        code: 3,
        provoke: |fleet| {
            let number = script(fleet, "sleep 600");
            let run = fleet.assign(number.parse().unwrap());
            words(&["wait", &run, "--timeout", "1"])
        },
        cured: false,
    },
    Case { kind: "not-found", code: 4, provoke: |_| words(&["wait", "99"]), cured: false },
    Case { kind: "refused", code: 5, provoke: |fleet| words(&["pr", &script(fleet, "true")]), cured: false },
    Case {
        kind: "unreachable",
        code: 6,
        provoke: |fleet| {
            elsewhere(fleet, fleet.free_port(), "home/.coord/agent/token");
            words(&["assign", "far", "api", &script(fleet, "true")])
        },
        cured: true,
    },
    Case {
        kind: "unauthorised",
        code: 7,
        provoke: |fleet| {
            let number = script(fleet, "true");
            fleet.work(number.parse().unwrap());
            wrong_token(fleet);
            words(&["assign", "here", "api", &script(fleet, "true")])
        },
        cured: false,
    },
    Case {
        kind: "bug",
        code: 70,
        provoke: |fleet| {
            let number = script(fleet, "true");
            let run = fleet.assign(number.parse().unwrap());
            fleet.wait(&run);
            let log = fleet.run_dir(&run).join("log.ndjson");
            let broken = fs_err::read_to_string(&log).unwrap().replacen('{', "[", 1);
            fs_err::write(&log, broken).unwrap();
            words(&["log", &run])
        },
        cured: false,
    },
];

/// The first digits of two runs: with seventeen runs, two begin alike.
fn shared_prefix(fleet: &Fleet) -> String {
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let run = fleet.assign(script(fleet, "true").parse().unwrap());
        fleet.wait(&run);
        if !seen.insert(run[..1].to_owned()) {
            return run[..1].to_owned();
        }
    }
}

/// Leaves nothing in `PATH` but what is needed to get as far as looking for claude.
fn without_claude_in_path(fleet: &mut Fleet) {
    let path = std::env::var_os("PATH").unwrap();
    for program in ["git", "sh"] {
        let found = std::env::split_paths(&path).map(|it| it.join(program)).find(|it| it.exists()).unwrap();
        fleet.install(program, camino::Utf8Path::from_path(&found).unwrap());
    }
    let bin = fleet.dir().join("bin");
    fleet.set("PATH", bin.as_str());
}

/// Adds a machine `far` at a port of this one, and its token.
pub(crate) fn elsewhere(fleet: &Fleet, port: u16, token_file: &str) {
    fleet.coord(["status"]).success();
    let token = fleet.coord_home().join("agent/token");
    let clones = format!("repo_paths: {{api: {}}}", fleet.api.clone);
    let far =
        format!("  - {{name: far, host: 127.0.0.1, port: {port}, token_file: {token_file}, {clones}}}\n");
    let here = format!("    slots: 40\n    token_file: {token}\n");
    fleet.reconfigure("    slots: 40\n", &here);
    fleet.reconfigure("runtime: script\n", &format!("{far}runtime: script\n"));
}

/// Gives the machine `here` a token that its agent server does not know.
pub(crate) fn wrong_token(fleet: &Fleet) {
    let token = fleet.write("token", &SECRET.repeat(8));
    fs_err::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fleet.reconfigure("    slots: 40\n", &format!("    slots: 40\n    token_file: {token}\n"));
}

#[test]
fn every_kind_of_error_names_a_command_that_is_a_step_out() {
    for Case { kind, code, provoke, cured } in CASES {
        let mut fleet = scripted();
        let arguments = provoke(&mut fleet);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let finished = fleet.coord(arguments.iter().chain(&["--json"])).exits(code);
        let hints = match finished.json() {
            // A run that was waited for and failed is told as a run; what to do next is told to people.
            document if document["ok"] == true => {
                let said = fleet.coord(&arguments).exits(code).stderr;
                said.lines().filter_map(|it| it.strip_prefix("hint: ")).map(str::to_owned).collect()
            }
            _ => told_to_a_program(&finished, code, kind, ""),
        };
        let cures = cures(&hints);
        assert!(!cures.is_empty(), "{kind} has no cure: {hints:?}");
        let mut servers = Vec::new();
        for cure in &cures {
            let taken = match take(&fleet, cure) {
                Ok(taken) => taken,
                Err(server) => {
                    servers.push(server);
                    continue;
                }
            };
            // The doctor exits 1 for what it finds, and names what to do about each of it.
            let found = cure.starts_with("coord doctor") && taken.stdout.contains('→');
            assert!(taken.status.success() || found, "{kind}: {cure}: {taken:#?}");
        }
        let again = fleet.coord(&arguments);
        assert_eq!(again.status.success(), cured, "{kind}: {again:#?}");
    }
}

#[test]
fn no_kind_of_error_is_forgotten() {
    let source = include_str!("../../crates/coord/src/error.rs");
    let (_, list) = source.split_once("pub enum ErrorKind {").unwrap();
    let (list, _) = list.split_once("\n}").unwrap();
    let names = list.lines().filter_map(|it| it.trim().strip_suffix(','));
    let kebab = |name: &str| {
        let lower = name
            .chars()
            .flat_map(|c| if c.is_uppercase() { vec!['-', c.to_ascii_lowercase()] } else { vec![c] });
        lower.collect::<String>().trim_start_matches('-').to_owned()
    };
    let tried: Vec<_> = CASES.iter().map(|it| it.kind.to_owned()).collect();
    assert_eq!(tried, names.map(kebab).collect::<Vec<_>>());
}
