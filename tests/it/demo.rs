//! The demo is the product's own story about itself.

use coord_testkit::model::{bash, compute, say};
use coord_testkit::need;
use coord_testkit::world::World;

use crate::fleet::Fleet;

#[test]
fn the_demo_needs_nothing_but_git_and_leaves_nothing() {
    let world = World::new(env!("CARGO_BIN_EXE_coord"));
    let shown = world.coord(["demo"]).success();
    assert!(shown.stdout.contains("5 of 5 tasks"), "{}", shown.stdout);
    assert!(shown.stdout.contains("Merge #"), "{}", shown.stdout);
    world.assert_no_process_left();
    let left: Vec<_> = fs_err::read_dir(world.dir().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!world.coord_home().exists(), "the demo touched the user's own state");
}

#[test]
fn what_is_kept_can_be_looked_at_with_the_commands_it_names() {
    let world = World::new(env!("CARGO_BIN_EXE_coord"));
    let shown = world.coord(["--json", "demo", "--keep"]).success().json();
    world.assert_no_process_left();
    let directory = shown["data"]["directory"].as_str().unwrap();
    for task in shown["data"]["tasks"].as_array().unwrap() {
        assert!(task["merged"].is_string(), "{task}");
    }
    let named: Vec<_> =
        shown["next"].as_array().unwrap().iter().map(|it| it["command"].as_str().unwrap()).collect();
    for command in named.iter().filter(|it| !it.contains(" agent ")) {
        let program = env!("CARGO_BIN_EXE_coord");
        let run =
            world.command("sh").arg("-c").arg(command.replace(" coord ", &format!(" {program} "))).output();
        let run = run.unwrap();
        assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
    }
    assert!(!fs_err::exists(directory).unwrap(), "the last command throws it away");
}

#[test]
fn the_users_own_claude_does_it_as_well() {
    if need::claude().is_none() {
        return;
    }
    let Some(fleet) = Fleet::with_claude() else { return };
    for number in 1..=5 {
        let script = compute(|request| {
            let prompt = request.prompt().unwrap_or_default();
            let block = prompt.split("```sh\n").nth(1).and_then(|it| it.split("```").next());
            bash(block.expect("a demo task has its script"))
        });
        fleet.model.on_task(&format!("greeter#{number}"), [script, say("done")]);
    }
    let shown = fleet.coord(["demo", "--runtime", "claude"]).success();
    assert!(shown.stdout.contains("5 of 5 tasks"), "{}", shown.stdout);
    fleet.assert_no_process_left();
    fleet.model.assert_drained();
}
