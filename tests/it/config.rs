//! `coordinator.yml`: where it is found, what is in force, and what is said when it is wrong.

use coord_testkit::world::World;

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_coord"))
}

fn kind(world: &World, arguments: &[&str]) -> (i32, String, Vec<String>) {
    let finished = world.coord(arguments.iter().chain(&["--json"]));
    let document = finished.json();
    let hints = document["error"]["hints"].as_array().into_iter().flatten();
    let hints = hints.filter_map(|it| it.as_str().map(str::to_owned)).collect();
    (
        finished.status.code().unwrap_or(-1),
        document["error"]["kind"].as_str().unwrap_or_default().to_owned(),
        hints,
    )
}

#[test]
fn without_a_configuration_the_printed_cure_makes_one() {
    let world = world();
    let repo = world.repo("api");
    let (code, error, hints) = kind(&world, &["config"]);
    assert_eq!((code, error.as_str()), (2, "config-missing"));
    let cure = hints[0].split('`').nth(1).unwrap().strip_prefix("coord ").unwrap().to_owned();
    world.coord(cure.split(' ')).success();
    let shown = world.coord(["config", "--json"]).success().json();
    assert_eq!(shown["data"]["config"]["repos"][0]["origin"], repo.url());
}

#[test]
fn a_wrong_key_is_an_error_and_its_cure_runs_although_the_file_is_wrong() {
    let world = world();
    world.config("repos:\n- name: api\n  test_comand: ./test.sh\n");
    let finished = world.coord(["config"]).exits(2);
    assert!(
        finished.stderr.contains("unknown key `test_comand` at line 3; did you mean `test_command`?"),
        "{}",
        finished.stderr
    );
    let schema = world.coord(["config", "--schema"]).success().json();
    assert!(schema["$defs"]["RepoEntry"]["properties"]["test_command"].is_object());
}

#[test]
fn the_nearest_file_is_in_force_unless_another_is_named() {
    let world = world();
    let path = |arguments: &[&str]| {
        let shown = world.coord(arguments.iter().chain(&["--json"])).success().json();
        shown["data"]["config"]["path"].as_str().unwrap().to_owned()
    };
    let home = world.write("home/.coord/coordinator.yml", "repos: [{name: api}]\n");
    assert_eq!(path(&["config"]), home);
    let here = world.config("repos: [{name: api}]\n");
    assert_eq!(path(&["config"]), here);
    let other = world.write("other.yml", "repos: [{name: api}]\n");
    assert_eq!(path(&["config", "--config", "other.yml"]), other);
    assert_eq!(kind(&world, &["config", "--config", "none.yml"]).1, "config-missing");
}

#[test]
fn credentials_in_an_origin_are_not_shown() {
    let world = world();
    world.config("repos: [{name: api, origin: 'https://me:s3cr3t@git.example.org/api.git'}]\n");
    for arguments in [["config", "--json"].as_slice(), &["config"]] {
        let finished = world.coord(arguments).success();
        assert!(finished.stdout.contains("git.example.org/api.git"), "{}", finished.stdout);
        assert!(!finished.stdout.contains("s3cr3t"), "{}", finished.stdout);
    }
}

#[test]
fn completions_know_the_commands() {
    let script = world().coord(["completions", "bash"]).success().stdout;
    assert!(script.contains("doctor") && script.contains("--probe"), "{script}");
}

#[test]
fn nobody_is_asked_for_a_credential_that_nobody_needs() {
    let mut world = world();
    let repo = world.repo("api");
    let asked = world.dir().join("asked");
    let gh = world.write("bin/gh", &format!("#!/bin/sh\ntouch {asked}\necho ghp_dummy\n"));
    fs_err::set_permissions(gh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config =
        format!("repos: [{{name: api, origin: '{}', github: acme/api, forge: local}}]\n", repo.url());
    world.config(&config);
    for arguments in [["status"].as_slice(), &["config"], &["doctor"], &["task", "add", "api", "Do it"]] {
        world.coord(arguments);
        assert!(!asked.exists(), "{arguments:?}");
    }
    // A repo on GitHub has somebody asked, and only where GitHub is spoken to.
    world.set("GITHUB_API_URL", "http://127.0.0.1:9");
    world.config(&config.replace(", forge: local", ""));
    for (arguments, asks) in
        [(["config"].as_slice(), false), (&["log", "1"], false), (&["task", "list"], true)]
    {
        world.coord(arguments);
        assert_eq!(asked.exists(), asks, "{arguments:?}");
    }
}
