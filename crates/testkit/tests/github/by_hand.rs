//! The program that people start.

use coord_testkit::world::World;

#[test]
fn what_it_prints_works_until_it_is_interrupted() {
    let world = World::new(env!("CARGO_BIN_EXE_coord-testkit"));
    let running = world.spawn(["github", "--port", "0", "--user", "octo"]);
    running.wait_for_line("the end of what it says", |line| line == "Ctrl-C ends it.");
    let said = running.stdout();
    let after = |word: &str| said.lines().find_map(|line| line.strip_prefix(word)).unwrap().trim().to_owned();

    let cloned = world.command("sh").args(["-c", &format!("{} copy", after("clone"))]).output().unwrap();
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let token = after("token").split(' ').next().unwrap().to_owned();
    let http = reqwest::Client::builder().user_agent("tests").build().unwrap();
    let asked = http.get(format!("{}/user", after("api"))).bearer_auth(token);
    let login = runtime.block_on(async { asked.send().await.unwrap().text().await.unwrap() });
    assert!(login.contains("\"login\":\"octo\""), "{login}");

    running.interrupt();
    assert!(running.wait().success().stderr.is_empty());
}
